//! Would one call destroy a database with its automated snapshots?

use super::facts::{Facts, RdsDatabase};
use super::finding::{Finding, Severity};
use crate::error::Kind;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.rds.iter().flat_map(faults).collect()
}

fn faults(database: &RdsDatabase) -> Vec<Finding> {
    let name = format!("source {}: {} in RDS", database.source, database.name);
    let finding = |severity: Severity, what: &str, means: &str, mend: &str| {
        severity.finding("rds", format!("{name} {what}"), means, mend)
    };
    let guards = match &database.guards {
        Ok(guards) => guards,
        // Missing rights say nothing about the database.
        Err(error) if error.kind() == Kind::Denied => return Vec::new(),
        Err(error) => {
            let severity = match error.kind() {
                Kind::NotFound => Severity::Warning,
                _ => Severity::Info,
            };
            let what = format!("was not looked at: {}", error.chain());
            let means = "its snapshots are not copied";
            return vec![finding(severity, &what, means, error.advice())];
        }
    };
    let mut findings = Vec::new();
    if !guards.deletion_protection {
        findings.push(finding(
            Severity::Critical,
            "has no deletion protection",
            "one call, or one `terraform destroy`, destroys it; its automated snapshots go with it",
            "switch on deletion protection, in Terraform too: deletion_protection = true",
        ));
    }
    if guards.backup_retention_days == 0 {
        findings.push(finding(
            Severity::Warning,
            "has no automated backups: its backup retention is 0",
            "what is lost since the newest export is lost",
            "set a backup retention of at least 7 days",
        ));
    }
    if !guards.encrypted {
        findings.push(finding(
            Severity::Warning,
            "is not encrypted",
            "its snapshots are not, until they are copied",
            "restore an encrypted copy of a snapshot, and move there",
        ));
    } else if database.has_aws_managed_key == Some(true) {
        findings.push(finding(
            Severity::Info,
            "lies under a key of AWS's own",
            "its snapshots cannot be shared: each is first copied in the source account, under snapshot.share_key",
            "",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::rds::Guards;
    use crate::error::{Error, Result};

    fn found(change: impl FnOnce(&mut Guards), has_aws_managed_key: Option<bool>) -> Vec<Severity> {
        let mut guards = Guards {
            deletion_protection: true,
            backup_retention_days: 7,
            encrypted: true,
            kms_key: None,
        };
        change(&mut guards);
        severities(Ok(guards), has_aws_managed_key)
    }

    fn severities(guards: Result<Guards>, has_aws_managed_key: Option<bool>) -> Vec<Severity> {
        let database = RdsDatabase {
            source: "prod".into(),
            name: "prod".into(),
            guards,
            has_aws_managed_key,
        };
        let found = faults(&database).into_iter();
        found.map(|one| one.severity).collect()
    }

    #[test]
    fn a_guarded_database_has_no_finding_and_each_guard_that_lacks_has_one() {
        assert_eq!(found(|_| {}, Some(false)), []);
        assert_eq!(found(|_| {}, None), []);
        assert_eq!(found(|_| {}, Some(true)), [Severity::Info]);
        assert_eq!(
            found(|guards| guards.deletion_protection = false, None),
            [Severity::Critical]
        );
        assert_eq!(
            found(|guards| guards.backup_retention_days = 0, None),
            [Severity::Warning]
        );
        assert_eq!(
            found(|guards| guards.encrypted = false, None),
            [Severity::Warning]
        );
        let error = |kind| severities(Err(Error::new(kind, "why")), None);
        assert_eq!(error(Kind::Denied), []);
        assert_eq!(error(Kind::NotFound), [Severity::Warning]);
        assert_eq!(error(Kind::Unavailable), [Severity::Info]);
    }
}
