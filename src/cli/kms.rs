//! Keys that KMS keeps, with the credentials of the side that they belong to.

use std::sync::Arc;

use async_trait::async_trait;

use super::accounts;
use super::run::{Access, Run};
use crate::aws::{KeyArn, Kms};
use crate::config::SigningKey;
use crate::error::{Error, Result, ResultExt};
use crate::keys::identities::KmsAccess;
use crate::sign::{PublicKey, RemoteKey, Signer};

/// A key of the backup account is called as the role there, any other as the source account; where
/// neither is configured, with the credentials that the SDK finds.
pub(super) struct KmsByAccount<'a> {
    pub access: &'a Access,
    pub run: &'a Run,
}

#[async_trait]
impl KmsAccess for KmsByAccount<'_> {
    async fn key(&self, arn: &str) -> Result<Kms> {
        client(arn, self.access, self.run).await
    }
}

/// As [`KmsByAccount`] reaches the key.
pub(super) async fn client(key: &str, access: &Access, run: &Run) -> Result<Kms> {
    let key: KeyArn = key.parse()?;
    let configured = &access.accounts;
    let in_backup = configured.backup.as_ref();
    if in_backup.is_some_and(|backup| backup.id == key.account) {
        return Ok(Kms::new(&accounts::backup(configured, run).await?, key));
    }
    if configured.source.is_some() {
        return Ok(Kms::new(&accounts::source(configured, run).await?, key));
    }
    Kms::from_environment(access.repository.s3.profile.as_deref(), key).await
}

struct KmsSigningKey(Kms);

#[async_trait]
impl RemoteKey for KmsSigningKey {
    async fn public_key(&self) -> Result<Vec<u8>> {
        self.0.public_key().await
    }

    async fn sign(&self, statement: &[u8]) -> Result<Vec<u8>> {
        self.0.sign(statement).await
    }
}

/// A signer whose key KMS keeps.
pub(super) async fn signer_of(kms: Kms) -> Result<Signer> {
    let key = kms.key().to_string();
    let signer = Signer::remote(Arc::new(KmsSigningKey(kms))).await;
    signer.context(|| format!("the signing key {key}"))
}

/// The configured signing key.
pub(super) async fn signer(key: &SigningKey, access: &Access, run: &Run) -> Result<Signer> {
    let path = match key {
        SigningKey::File(path) => path,
        SigningKey::Kms(arn) => return signer_of(client(arn, access, run).await?).await,
    };
    let pem = std::fs::read_to_string(path).map_err(|why| {
        let missing = why.kind() == std::io::ErrorKind::NotFound;
        let hint = "is it there? keys.signing_key in the configuration names it, or --by";
        Error::failed(format!("cannot read the signing key {}", path.display()))
            .because(why)
            .hint_if_any(missing.then_some(hint))
    })?;
    Signer::from_pem(&pem).context(|| path.display().to_string())
}

/// The verification key of a PEM file, private or public, or of a KMS key by its ARN.
pub(super) async fn public_key(new: &str, access: &Access, run: &Run) -> Result<PublicKey> {
    if new.starts_with("arn:") {
        return PublicKey::from_der(client(new, access, run).await?.public_key().await?);
    }
    let pem = std::fs::read_to_string(new).context(|| format!("cannot read the key {new}"))?;
    PublicKey::from_pem(&pem).context(|| new.to_owned())
}
