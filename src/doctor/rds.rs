//! Whether one call destroys a database with its automated snapshots.

use super::{Finding, Severity};
use crate::aws::rds::Guards;
use crate::error::{Error, Kind};

/// An instance or cluster that the configuration names.
#[derive(Debug)]
pub struct Guarded {
    /// The source of the configuration.
    pub source: String,
    /// Its identifier in RDS.
    pub name: String,
    pub found: Result<Guards, Error>,
    /// Whether its key is one of AWS's own; `None`: not known.
    pub under_key_of_aws: Option<bool>,
}

pub fn look(one: &Guarded) -> Vec<Finding> {
    let name = format!("source {}: {} in RDS", one.source, one.name);
    let mut findings = Vec::new();
    let mut add = |severity, what: &str, means: &str, mend: &str| {
        let finding = Finding::new(severity, "rds", format!("{name} {what}"));
        findings.push(finding.means(means).mend(mend));
    };
    let guards = match &one.found {
        Ok(guards) => guards,
        // Who may not ask says nothing about it.
        Err(error) if error.kind() == Kind::Denied => return findings,
        Err(error) => {
            let what = format!("was not looked at: {}", error.chain());
            let severity = match error.kind() {
                Kind::NotFound => Severity::Warning,
                _ => Severity::Info,
            };
            add(
                severity,
                &what,
                "its snapshots are not copied",
                error.advice(),
            );
            return findings;
        }
    };
    if !guards.deletion_protection {
        add(
            Severity::Critical,
            "has no deletion protection",
            "one call, or one `terraform destroy`, destroys it; its automated snapshots go with it",
            "switch on deletion protection, in Terraform too: deletion_protection = true",
        );
    }
    if guards.backup_retention_days == 0 {
        add(
            Severity::Warning,
            "has no automated backups: its backup retention is 0",
            "what is lost since the newest export is lost",
            "set a backup retention of at least 7 days",
        );
    }
    match (guards.encrypted, one.under_key_of_aws) {
        (false, _) => add(
            Severity::Warning,
            "is not encrypted",
            "its snapshots are not, until they are copied",
            "restore an encrypted copy of a snapshot, and move there",
        ),
        (true, Some(true)) => add(
            Severity::Info,
            "lies under a key of AWS's own",
            "its snapshots cannot be shared: each is first copied in the source account, under snapshot.share_key",
            "",
        ),
        (true, _) => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(change: impl FnOnce(&mut Guards), of_aws: Option<bool>) -> Vec<Severity> {
        let mut guards = Guards {
            deletion_protection: true,
            backup_retention_days: 7,
            encrypted: true,
            kms_key: None,
        };
        change(&mut guards);
        severities(Ok(guards), of_aws)
    }

    fn severities(found: Result<Guards, Error>, under_key_of_aws: Option<bool>) -> Vec<Severity> {
        let one = Guarded {
            source: "prod".into(),
            name: "prod".into(),
            found,
            under_key_of_aws,
        };
        look(&one).into_iter().map(|one| one.severity).collect()
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
