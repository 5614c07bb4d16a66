//! KMS: wrapping and unwrapping age identities, and signing. A refusal says what it is and what to do.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;

use super::account::{Account, load};
use super::call_error::{Operation, code, from_sdk};
use crate::error::{Error, Kind, Result};

const ENCRYPT: Operation = Operation {
    name: "Encrypt",
    rights: "kms:Encrypt on the key, and the key's policy must admit the caller",
};
const DECRYPT: Operation = Operation {
    name: "Decrypt",
    rights: "kms:Decrypt on the key, and the key's policy must admit the caller",
};
const SIGN: Operation = Operation {
    name: "Sign",
    rights: "kms:Sign on the key, and the key's policy must admit the caller",
};
const DESCRIBE: Operation = Operation {
    name: "DescribeKey",
    rights: "kms:DescribeKey on the key",
};
const PUBLIC_KEY: Operation = Operation {
    name: "GetPublicKey",
    rights: "kms:GetPublicKey on the key",
};

/// The way that stays open when KMS refuses.
const BREAK_GLASS: &str = "or open the backup without KMS: --identity break-glass.key";

/// What a ciphertext is bound to: it decrypts under exactly these pairs.
pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// `arn:aws:kms:<region>:<account>:key/<id>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyArn {
    text: String,
    pub region: String,
    pub account: String,
}

impl KeyArn {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for KeyArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |text: &str, extra: &[u8]| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || extra.contains(&byte);
            !text.is_empty() && text.bytes().all(plain)
        };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        if let ["arn", partition, "kms", region, account, key] = parts[..]
            && key.strip_prefix("key/").is_some_and(|id| plain(id, b"-"))
            && plain(partition, b"-")
            && plain(region, b"-")
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Ok(Self {
                text: text.to_owned(),
                region: region.to_owned(),
                account: account.to_owned(),
            });
        }
        Err(
            Error::usage(format!("'{}' is no KMS key's ARN", text.escape_debug())).hint(
                "write arn:aws:kms:REGION:ACCOUNT:key/ID; an alias may come to mean another key",
            ),
        )
    }
}

/// What KMS says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyInfo {
    /// As KMS writes it: `Enabled`, `Disabled`, `PendingDeletion`, …
    pub state: String,
    pub deletion_at: Option<Timestamp>,
}

/// One key, called in its own region.
#[derive(Debug, Clone)]
pub(crate) struct Kms {
    client: Client,
    key: KeyArn,
}

impl Kms {
    /// With the credentials of an account that STS has confirmed.
    pub(crate) fn new(account: &Account, key: KeyArn) -> Self {
        Self {
            client: client(&account.in_region(&key.region)),
            key,
        }
    }

    /// With the credentials that the SDK finds.
    pub(crate) async fn from_environment(profile: Option<&str>, key: KeyArn) -> Result<Self> {
        Ok(Self {
            client: Client::new(&load(profile, Some(&key.region)).await?),
            key,
        })
    }

    pub(crate) fn key(&self) -> &KeyArn {
        &self.key
    }

    /// Encrypts up to 4096 bytes; the ciphertext decrypts under the same context only.
    pub(crate) async fn wrap(&self, plain: &[u8], context: &EncryptionContext) -> Result<Vec<u8>> {
        let what = || format!("{} cannot wrap", self.key);
        let reply = self
            .client
            .encrypt()
            .key_id(self.key.as_str())
            .plaintext(Blob::new(plain))
            .set_encryption_context(Some(context.clone().into_iter().collect()))
            .send()
            .await
            .map_err(|why| self.error(&ENCRYPT, what(), why))?;
        present(reply.ciphertext_blob, &ENCRYPT, what).map(Blob::into_inner)
    }

    /// Decrypts what [`Kms::wrap`] made under this context. A wrong context, another key's or a
    /// changed ciphertext is `Damaged`; every refusal names the way by the offline identity.
    pub(crate) async fn unwrap(
        &self,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>> {
        let what = || format!("{} does not open it", self.key);
        let reply = self
            .client
            .decrypt()
            .key_id(self.key.as_str())
            .ciphertext_blob(Blob::new(ciphertext))
            .set_encryption_context(Some(context.clone().into_iter().collect()))
            .send()
            .await
            .map_err(|why| {
                let error = self.error(&DECRYPT, what(), why);
                let advice = format!("{}; {BREAK_GLASS}", error.advice());
                error.hint(advice)
            })?;
        present(reply.plaintext, &DECRYPT, what).map(Blob::into_inner)
    }

    /// A DER signature, ECDSA P-256 over SHA-256 of `message`, which has 1 to 4096 bytes.
    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let what = || format!("{} does not sign", self.key);
        let reply = self
            .client
            .sign()
            .key_id(self.key.as_str())
            .message(Blob::new(message))
            .message_type(MessageType::Raw)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await
            .map_err(|why| self.error(&SIGN, what(), why))?;
        present(reply.signature, &SIGN, what).map(Blob::into_inner)
    }

    /// Asks for the key's state. A key that is not there is `NotFound`.
    pub(crate) async fn describe(&self) -> Result<KeyInfo> {
        let what = || format!("cannot look at {}", self.key);
        let reply = self.client.describe_key().key_id(self.key.as_str()).send();
        let reply = reply
            .await
            .map_err(|why| self.error(&DESCRIBE, what(), why))?;
        let key = present(reply.key_metadata, &DESCRIBE, what)?;
        let deletion_at = key.deletion_date.map(|at| at.as_nanos());
        Ok(KeyInfo {
            state: (key.key_state).map_or_else(String::new, |state| state.to_string()),
            deletion_at: deletion_at.and_then(|at| Timestamp::from_nanosecond(at).ok()),
        })
    }

    /// The verification key as DER SubjectPublicKeyInfo. A key that is not ECC_NIST_P256 for
    /// SIGN_VERIFY is `Refused`.
    pub(crate) async fn public_key(&self) -> Result<Vec<u8>> {
        let what = || format!("cannot get the public key of {}", self.key);
        let reply = self
            .client
            .get_public_key()
            .key_id(self.key.as_str())
            .send();
        let reply = reply
            .await
            .map_err(|why| self.error(&PUBLIC_KEY, what(), why))?;
        let spec = reply.key_spec.as_ref().map_or("", KeySpec::as_str);
        let usage = reply.key_usage.as_ref().map_or("", KeyUsageType::as_str);
        if (spec, usage) != ("ECC_NIST_P256", "SIGN_VERIFY") {
            return Err(Error::refused(format!(
                "{} is a key of {spec} for {usage}, not of ECC_NIST_P256 for SIGN_VERIFY",
                self.key
            ))
            .hint(
                "make one: `aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY`",
            ));
        }
        present(reply.public_key, &PUBLIC_KEY, what).map(Blob::into_inner)
    }

    /// Errors that concern the key itself have hints of their own.
    fn error<E>(&self, operation: &Operation, what: String, why: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let key = &self.key;
        let (kind, hint) = match code(&why) {
            "DisabledException" => (
                Kind::Refused,
                format!(
                    "the key is disabled; an administrator of account {} enables it: `aws kms \
                     enable-key --region {} --key-id {key}`",
                    key.account, key.region
                ),
            ),
            "KMSInvalidStateException" => (
                Kind::Refused,
                format!(
                    "is the key to be deleted? Stop that now, for a deleted key never comes back: `aws \
                     kms cancel-key-deletion --region {0} --key-id {key}`, then `aws kms enable-key` \
                     likewise",
                    key.region
                ),
            ),
            "NotFoundException" => (
                Kind::NotFound,
                format!("account {} has no such key in {}; was it deleted?", key.account, key.region),
            ),
            "InvalidCiphertextException" | "IncorrectKeyException" => (
                Kind::Damaged,
                "it was wrapped for another repository or recipient or by another key, or was changed"
                    .to_owned(),
            ),
            "InvalidKeyUsageException" | "UnsupportedOperationException" => (
                Kind::Refused,
                "identities are wrapped by a symmetric key for ENCRYPT_DECRYPT, manifests signed by an \
                 ECC_NIST_P256 key for SIGN_VERIFY"
                    .to_owned(),
            ),
            _ => return from_sdk(operation, what, why),
        };
        let error = from_sdk(operation, what, why);
        Error::new(kind, error.to_string()).hint(hint)
    }
}

/// Whether AWS manages the key, such as `aws/rds`: what it encrypts cannot be shared.
pub(crate) async fn is_managed_by_aws(account: &Account, key: &str) -> Result<bool> {
    let reply = client(account).describe_key().key_id(key).send().await;
    let described = reply.map_err(|why| {
        let what = format!("cannot tell whose key {key} is ({})", account.side());
        let operation = Operation {
            name: "DescribeKey",
            rights: "kms:DescribeKey, and the key's policy must admit it",
        };
        from_sdk(&operation, what, why)
    })?;
    let manager = described.key_metadata.and_then(|key| key.key_manager);
    Ok(manager.is_some_and(|manager| manager.as_str() == "AWS"))
}

fn client(account: &Account) -> Client {
    let config = aws_sdk_kms::config::Builder::from(account.sdk())
        .interceptor(account.retry_expired())
        .retry_classifier(account.retry_expired());
    Client::from_conf(config.build())
}

fn present<T>(found: Option<T>, operation: &Operation, what: impl Fn() -> String) -> Result<T> {
    let name = operation.name;
    found.ok_or_else(|| Error::failed(format!("{}: {name} answered without it", what())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_arn_and_by_nothing_else() {
        let arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let key: KeyArn = arn.parse().unwrap();
        assert_eq!(key.to_string(), arn);
        assert_eq!(
            (key.region.as_str(), key.account.as_str()),
            ("eu-central-1", "111122223333")
        );
        for text in [
            "",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "alias/lifeboat-identity",
            "arn:aws:kms:eu-central-1:111122223333:alias/lifeboat-identity",
            "arn:aws:kms:eu-central-1:11112222333:key/x",
            "arn:aws:kms::111122223333:key/x",
            "arn:aws:kms:eu-central-1:111122223333:key/",
            "arn:aws:kms:eu-central-1:111122223333:key/x'$(y)",
            "arn:aws:iam::111122223333:role/key",
        ] {
            assert!(text.parse::<KeyArn>().is_err(), "{text}");
        }
    }
}
