//! Whether the keys that backups hang on will be there tomorrow.

use super::{Finding, Severity, Side};
use crate::aws::{KeyArn, KeyInfo};
use crate::error::{Error, Kind};

/// What a key is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Opens exports: keeps the identity of this recipient.
    Opens(String),
    /// Snapshot copies lie under it.
    Copies,
    /// Signs manifests or attestations.
    Signs,
}

/// A key that the configuration names.
#[derive(Debug)]
pub struct Key {
    pub usage: Use,
    pub arn: KeyArn,
    pub found: Result<KeyInfo, Error>,
}

pub fn look(keys: &[Key], source: Option<&Side>) -> Vec<Finding> {
    let findings = |key| state(key).into_iter().chain(owner(key, source));
    keys.iter().flat_map(findings).collect()
}

impl Key {
    fn name(&self) -> String {
        match &self.usage {
            Use::Opens(recipient) => format!("{}, which keeps '{recipient}',", self.arn),
            Use::Copies => format!("{}, under which snapshot copies lie,", self.arn),
            Use::Signs => format!("{}, which signs,", self.arn),
        }
    }

    fn means(&self) -> &'static str {
        match self.usage {
            Use::Opens(_) => "exports open by the other recipients only",
            Use::Copies => "snapshot copies under it cannot be restored, and none can be made",
            Use::Signs => "nothing can be exported, or attested",
        }
    }
}

fn state(key: &Key) -> Option<Finding> {
    let name = key.name();
    let region = &key.arn.region;
    let finding = |severity, what: String, mend: String| {
        let finding = Finding::new(severity, "kms-key", what);
        Some(finding.means(key.means()).mend(mend))
    };
    let info = match &key.found {
        Ok(info) => info,
        Err(error) if error.kind() == Kind::NotFound => {
            let what = format!("{name} does not exist");
            return finding(Severity::Critical, what, error.advice().to_owned());
        }
        // Who may not ask says nothing about the key.
        Err(error) if error.kind() == Kind::Denied => return None,
        Err(error) => {
            let what = format!("{name} was not looked at: {}", error.chain());
            return finding(Severity::Info, what, error.advice().to_owned());
        }
    };
    let enable = format!("aws kms enable-key --region {region} --key-id {}", key.arn);
    match info.state.as_str() {
        "Enabled" => None,
        "PendingDeletion" | "PendingReplicaDeletion" => {
            let on = info
                .deletion_at
                .map_or_else(String::new, |at| format!(" on {at}"));
            let mend = format!(
                "now: aws kms cancel-key-deletion --region {region} --key-id {}; then {enable}",
                key.arn
            );
            let what = format!("{name} will be DELETED{on}");
            finding(Severity::Critical, what, mend)
        }
        other => finding(Severity::Critical, format!("{name} is {other}"), enable),
    }
}

/// Signing keys belong to the account that signs.
fn owner(key: &Key, source: Option<&Side>) -> Option<Finding> {
    let in_source = source.is_some_and(|source| source.id == key.arn.account);
    if !in_source || key.usage == Use::Signs {
        return None;
    }
    Some(
        Finding::new(
            Severity::Critical,
            "kms-owner",
            format!("{} belongs to the source account", key.name()),
        )
        .means(format!(
            "whoever can destroy the database can have the key deleted: {}",
            key.means()
        ))
        .mend("use a key of the backup account: deploy/aws/backup-account.yaml makes them"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(usage: Use, found: Result<KeyInfo, Error>) -> Vec<(Severity, &'static str)> {
        let source = Side {
            id: "222233334444".into(),
            region: "r".into(),
        };
        let account = match usage {
            Use::Copies => "222233334444",
            _ => "111122223333",
        };
        let arn = format!("arn:aws:kms:r:{account}:key/k").parse().unwrap();
        let key = Key { usage, arn, found };
        look(&[key], Some(&source))
            .into_iter()
            .map(|one| (one.severity, one.check))
            .collect()
    }

    fn state(state: &str) -> Result<KeyInfo, Error> {
        Ok(KeyInfo {
            state: state.into(),
            deletion_at: None,
        })
    }

    #[test]
    fn a_key_that_does_not_serve_is_critical_and_one_that_may_not_be_asked_is_nothing() {
        let critical = [(Severity::Critical, "kms-key")];
        for bad in [
            "Disabled",
            "PendingDeletion",
            "PendingImport",
            "Unavailable",
        ] {
            assert_eq!(found(Use::Signs, state(bad)), critical, "{bad}");
        }
        assert_eq!(found(Use::Signs, state("Enabled")), []);
        let error = |kind| Err(Error::new(kind, "why"));
        assert_eq!(found(Use::Signs, error(Kind::NotFound)), critical);
        assert_eq!(found(Use::Signs, error(Kind::Denied)), []);
        assert_eq!(
            found(Use::Signs, error(Kind::Unavailable)),
            [(Severity::Info, "kms-key")]
        );
    }

    #[test]
    fn a_key_of_the_source_account_goes_with_it() {
        assert_eq!(found(Use::Opens("r".into()), state("Enabled")), []);
        assert_eq!(
            found(Use::Copies, state("Enabled")),
            [(Severity::Critical, "kms-owner")]
        );
    }
}
