//! Who opens a restore point: recipients, and the identities that a key service keeps for them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Who can open what is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// For people, for example `break-glass`.
    pub name: String,
    /// `age1…`
    pub key: String,
    /// The identity, where KMS keeps it.
    pub wrapped: Option<Wrapped>,
}

/// An age identity that only a KMS key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The key's ARN.
    pub kms_key: String,
    /// base64 of what KMS made of the identity.
    pub ciphertext: String,
}

/// `keys.json` of a restore point, in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRing {
    /// `age1…`
    pub recipients: Vec<String>,
    pub wrapped: Vec<WrappedIdentity>,
}

/// An identity that a KMS key opens, with all that is needed to ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedIdentity {
    /// The recipient's, for people.
    pub name: String,
    /// `age1…`
    pub recipient: String,
    /// The key's ARN.
    pub kms_key: String,
    /// KMS opens it under exactly these pairs.
    pub context: BTreeMap<String, String>,
    /// base64.
    pub ciphertext: String,
}

impl WrappedIdentity {
    /// Whether it was wrapped for this repository, as it says itself.
    pub fn is_for(&self, repository: &str) -> bool {
        self.context == context(repository, &self.recipient)
    }
}

/// What an identity's ciphertext is bound to: it opens nothing under another repository's name.
pub(crate) fn context(repository: &str, recipient: &str) -> BTreeMap<String, String> {
    [
        ("lifeboat:repository", repository),
        ("lifeboat:recipient", recipient),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl KeyRing {
    /// `repository` is its id.
    pub fn new(repository: &str, recipients: &[Recipient]) -> Self {
        let wrapped = recipients.iter().filter_map(|one| {
            let Wrapped {
                kms_key,
                ciphertext,
            } = one.wrapped.clone()?;
            Some(WrappedIdentity {
                name: one.name.clone(),
                recipient: one.key.clone(),
                kms_key,
                context: context(repository, &one.key),
                ciphertext,
            })
        });
        Self {
            wrapped: wrapped.collect(),
            recipients: recipients.iter().map(|one| one.key.clone()).collect(),
        }
    }

    /// The wrapped identity of a recipient.
    pub fn wrapped_of(&self, recipient: &str) -> Option<&WrappedIdentity> {
        self.wrapped.iter().find(|one| one.recipient == recipient)
    }

    /// How many losses it takes until nothing opens: a KMS key counts once, however many
    /// identities it keeps; an identity kept elsewhere counts one.
    pub fn independent(&self) -> usize {
        let kept_by: BTreeSet<&str> = self
            .recipients
            .iter()
            .map(|one| {
                self.wrapped_of(one)
                    .map_or(one.as_str(), |one| &one.kms_key)
            })
            .collect();
        kept_by.len()
    }

    /// What a person should know of them.
    pub fn finding(&self) -> Option<String> {
        (self.independent() == 1).then(|| {
            let key = self.wrapped.first();
            let what = key.map_or_else(
                || "one identity".to_owned(),
                |one| format!("the KMS key {}", one.kms_key),
            );
            format!(
                "{what} alone opens the backups, and its loss would be final: add a recipient \
                 (`lifeboat keys add --kms ARN`, or --file for a second offline identity)"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(recipients: &[(&str, Option<&str>)]) -> KeyRing {
        let recipients: Vec<Recipient> = recipients
            .iter()
            .map(|(key, kms_key)| Recipient {
                name: (*key).to_owned(),
                key: (*key).to_owned(),
                wrapped: kms_key.map(|kms_key| Wrapped {
                    kms_key: kms_key.to_owned(),
                    ciphertext: "eA==".to_owned(),
                }),
            })
            .collect();
        KeyRing::new("repository", &recipients)
    }

    #[test]
    fn a_kms_key_counts_once_however_much_it_keeps() {
        for (recipients, independent) in [
            (&[][..], 0),
            (&[("age1a", None)], 1),
            (&[("age1a", Some("k")), ("age1b", Some("k"))], 1),
            (&[("age1a", Some("k")), ("age1b", Some("l"))], 2),
            (&[("age1a", None), ("age1b", None)], 2),
            (&[("age1a", None), ("age1b", Some("k"))], 2),
        ] {
            let ring = ring(recipients);
            assert_eq!(ring.independent(), independent, "{recipients:?}");
            assert_eq!(ring.finding().is_some(), independent == 1);
        }
    }

    #[test]
    fn a_wrapped_identity_is_bound_to_its_repository_and_recipient() {
        let ring = ring(&[("age1a", None), ("age1b", Some("k"))]);
        assert_eq!(ring.recipients, ["age1a", "age1b"]);
        assert_eq!(ring.wrapped_of("age1a"), None);
        assert_eq!(
            serde_json::to_value(ring.wrapped_of("age1b")).unwrap(),
            serde_json::json!({
                "name": "age1b",
                "recipient": "age1b",
                "kms_key": "k",
                "context": {"lifeboat:repository": "repository", "lifeboat:recipient": "age1b"},
                "ciphertext": "eA==",
            })
        );
        let mut one = ring.wrapped[0].clone();
        assert!(one.is_for("repository") && !one.is_for("another"));
        one.context.insert("more".to_owned(), String::new());
        assert!(!one.is_for("repository"));
    }
}
