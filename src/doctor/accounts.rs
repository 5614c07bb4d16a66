//! Are source and backup in different accounts and regions?

use super::facts::Facts;
use super::finding::{Finding, Severity};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let (Some(source), Some(backup)) = (&facts.source, &facts.backup) else {
        let missing = match (&facts.source, &facts.backup) {
            (Some(_), _) => "[backup_account]",
            (_, Some(_)) => "[source_account]",
            (None, None) => "[source_account] and no [backup_account]",
        };
        return vec![Severity::Info.finding(
            "accounts",
            format!("the configuration has no {missing}"),
            "whose accounts these are is not checked before work begins",
            "config/cross-account.toml shows how",
        )];
    };
    let mut findings = Vec::new();
    if source.id == backup.id {
        findings.push(Severity::Critical.finding(
            "accounts",
            format!("databases and backups lie in one account, {}", source.id),
            "anyone who can destroy the database can destroy its backups' keys, snapshots and bucket settings",
            "docs/accounts.md: a second account for backups",
        ));
    }
    let copies = facts.copies_region.as_ref().unwrap_or(&backup.region);
    if source.region == backup.region && *copies == source.region {
        findings.push(Severity::Warning.finding(
            "regions",
            format!("databases, bucket and snapshot copies all lie in {}", source.region),
            "a region that is down takes database and backups out of reach together",
            "snapshot.region = \"…\" puts snapshot copies elsewhere; a bucket can be made there too",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::facts::Account;
    use super::*;

    fn found(
        source: Option<(&str, &str)>,
        backup: Option<(&str, &str)>,
        copies: Option<&str>,
    ) -> Vec<(Severity, &'static str)> {
        let account = |(id, region): (&str, &str)| Account {
            id: id.to_owned(),
            region: region.to_owned(),
        };
        let facts = Facts {
            source: source.map(account),
            backup: backup.map(account),
            copies_region: copies.map(str::to_owned),
            ..Facts::none()
        };
        check(&facts)
            .into_iter()
            .map(|one| (one.severity, one.check))
            .collect()
    }

    #[test]
    fn one_account_is_critical_one_region_a_warning_and_two_are_fine() {
        assert_eq!(found(Some(("1", "a")), Some(("2", "b")), None), []);
        assert_eq!(found(Some(("1", "a")), Some(("2", "a")), Some("b")), []);
        assert_eq!(
            found(Some(("1", "a")), Some(("2", "a")), None),
            [(Severity::Warning, "regions")]
        );
        assert_eq!(
            found(Some(("1", "a")), Some(("1", "b")), None),
            [(Severity::Critical, "accounts")]
        );
        assert_eq!(
            found(None, Some(("1", "b")), None),
            [(Severity::Info, "accounts")]
        );
    }
}
