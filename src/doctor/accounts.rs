//! Whether one loss takes both.

use super::{Facts, Finding, Severity};

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (Some(source), Some(backup)) = (&facts.source, &facts.backup) else {
        let mut missing = Vec::new();
        if facts.source.is_none() {
            missing.push("[source_account]");
        }
        if facts.backup.is_none() {
            missing.push("[backup_account]");
        }
        findings.push(
            Finding::new(
                Severity::Info,
                "accounts",
                format!("the configuration has no {}", missing.join(" and no ")),
            )
            .means("whose accounts these are is not checked before work begins")
            .mend("config/cross-account.toml shows how"),
        );
        return findings;
    };
    if source.id == backup.id {
        findings.push(
            Finding::new(
                Severity::Critical,
                "accounts",
                format!("databases and backups lie in one account, {}", source.id),
            )
            .means("whoever can destroy the database can destroy its backups' keys, snapshots and bucket settings")
            .mend("deploy/README.md: a second account for backups"),
        );
    }
    let copies = facts.copies_region.as_ref().unwrap_or(&backup.region);
    if source.region == backup.region && *copies == source.region {
        findings.push(
            Finding::new(
                Severity::Warning,
                "regions",
                format!("databases, bucket and snapshot copies all lie in {}", source.region),
            )
            .means("a region that is down takes database and backups out of reach together")
            .mend("snapshot.region = \"…\" puts snapshot copies elsewhere; a bucket can be made there too"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::{Place, Side};
    use super::*;

    fn found(
        source: Option<(&str, &str)>,
        backup: Option<(&str, &str)>,
        copies: Option<&str>,
    ) -> Vec<(Severity, &'static str)> {
        let side = |side: Option<(&str, &str)>| {
            side.map(|(id, region)| Side {
                id: id.to_owned(),
                region: region.to_owned(),
            })
        };
        let facts = Facts {
            place: Place::Directory(String::new()),
            source: side(source),
            backup: side(backup),
            copies_region: copies.map(str::to_owned),
            recipients: Vec::new(),
            break_glass: Ok(Vec::new()),
            break_glass_age: jiff::SignedDuration::ZERO,
            daily_days: None,
            databases: Vec::new(),
            keys: Vec::new(),
            guarded: Vec::new(),
            drill_wall: None,
        };
        look(&facts)
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
