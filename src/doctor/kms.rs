//! Will the KMS keys that backups depend on be there tomorrow?

use super::facts::{Facts, KeyPurpose, KmsKey};
use super::finding::{Finding, Severity};
use crate::error::Kind;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let faults = |key| unusable(key).into_iter().chain(wrong_owner(key, facts));
    facts.kms_keys.iter().flat_map(faults).collect()
}

/// How a finding names the key, and what follows when the key cannot be used.
fn words(key: &KmsKey) -> (String, &'static str) {
    let (purpose, means) = match &key.purpose {
        KeyPurpose::OpensExports(recipient) => (
            format!("which keeps '{recipient}'"),
            "exports open by the other recipients only",
        ),
        KeyPurpose::EncryptsCopies => (
            "under which snapshot copies lie".to_owned(),
            "snapshot copies under it cannot be restored, and none can be made",
        ),
        KeyPurpose::Signs => (
            "which signs".to_owned(),
            "nothing can be exported, or attested",
        ),
    };
    (format!("{}, {purpose},", key.arn), means)
}

fn unusable(key: &KmsKey) -> Option<Finding> {
    let (name, means) = words(key);
    let finding = |severity: Severity, what: String, mend: &str| {
        Some(severity.finding("kms-key", format!("{name} {what}"), means, mend))
    };
    let info = match &key.info {
        Ok(info) => info,
        // Missing rights say nothing about the key.
        Err(error) if error.kind() == Kind::Denied => return None,
        Err(error) if error.kind() == Kind::NotFound => {
            let what = "does not exist".to_owned();
            return finding(Severity::Critical, what, error.advice());
        }
        Err(error) => {
            let what = format!("was not looked at: {}", error.chain());
            return finding(Severity::Info, what, error.advice());
        }
    };
    let (arn, region) = (&key.arn, &key.arn.region);
    let enable = format!("aws kms enable-key --region {region} --key-id {arn}");
    match info.state.as_str() {
        "Enabled" => None,
        "PendingDeletion" | "PendingReplicaDeletion" => {
            let on = info.deletion_at.map(|at| format!(" on {at}"));
            let mend = format!(
                "now: aws kms cancel-key-deletion --region {region} --key-id {arn}; then {enable}"
            );
            let what = format!("will be DELETED{}", on.unwrap_or_default());
            finding(Severity::Critical, what, &mend)
        }
        other => finding(Severity::Critical, format!("is {other}"), &enable),
    }
}

/// Signing keys belong to the account that signs; others must not lie in the source account.
fn wrong_owner(key: &KmsKey, facts: &Facts) -> Option<Finding> {
    let in_source = facts.source.as_ref()?.id == key.arn.account;
    if !in_source || key.purpose == KeyPurpose::Signs {
        return None;
    }
    let (name, means) = words(key);
    Some(Severity::Critical.finding(
        "kms-owner",
        format!("{name} belongs to the source account"),
        format!("anyone who can destroy the database can have the key deleted: {means}"),
        "use a key of the backup account: deploy/aws/backup-account.yaml makes them",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::facts::Account;
    use super::*;
    use crate::aws::KeyInfo;
    use crate::error::{Error, Result};

    fn found(purpose: KeyPurpose, info: Result<KeyInfo>) -> Vec<(Severity, &'static str)> {
        let source = Account {
            id: "222233334444".into(),
            region: "r".into(),
        };
        let account = match purpose {
            KeyPurpose::EncryptsCopies => "222233334444",
            _ => "111122223333",
        };
        let arn = format!("arn:aws:kms:r:{account}:key/k").parse().unwrap();
        let facts = Facts {
            source: Some(source),
            kms_keys: vec![KmsKey { purpose, arn, info }],
            ..Facts::none()
        };
        check(&facts)
            .into_iter()
            .map(|one| (one.severity, one.check))
            .collect()
    }

    fn state(state: &str) -> Result<KeyInfo> {
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
            assert_eq!(found(KeyPurpose::Signs, state(bad)), critical, "{bad}");
        }
        assert_eq!(found(KeyPurpose::Signs, state("Enabled")), []);
        let error = |kind| Err(Error::new(kind, "why"));
        assert_eq!(found(KeyPurpose::Signs, error(Kind::NotFound)), critical);
        assert_eq!(found(KeyPurpose::Signs, error(Kind::Denied)), []);
        assert_eq!(
            found(KeyPurpose::Signs, error(Kind::Unavailable)),
            [(Severity::Info, "kms-key")]
        );
    }

    #[test]
    fn a_key_of_the_source_account_goes_with_it() {
        assert_eq!(
            found(KeyPurpose::OpensExports("r".into()), state("Enabled")),
            []
        );
        assert_eq!(
            found(KeyPurpose::EncryptsCopies, state("Enabled")),
            [(Severity::Critical, "kms-owner")]
        );
    }
}
