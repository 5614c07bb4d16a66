//! Keys that KMS keeps, with the credentials of the side that they belong to.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::accounts;
use super::globals::Access;
use super::run::Run;
use crate::aws::{KeyArn, Kms};
use crate::codec::Identities;
use crate::config::SigningKey;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::keys::WrappedIdentity;
use crate::repository::RestorePoint;
use crate::sign::{KeyElsewhere, Signer};

/// What every refusal ends with.
const BREAK_GLASS: &str = "open the backup by the offline identity: --identity break-glass.key";

/// A key of the backup account is called as the role there, any other as the source account; where
/// neither is configured, with the credentials that the SDK finds.
pub async fn client(key: &str, access: &Access, run: &Run) -> Result<Kms> {
    let key: KeyArn = key.parse()?;
    let configured = &access.accounts;
    let in_backup = configured.backup.as_ref();
    if in_backup.is_some_and(|backup| backup.id == key.account) {
        return Ok(Kms::new(&accounts::backup(configured, run).await?, key));
    }
    if configured.source.is_some() {
        return Ok(Kms::new(&accounts::source(configured, run).await?, key));
    }
    Ok(Kms::from_environment(access.repository.s3.profile.as_deref(), key).await)
}

struct Elsewhere(Kms);

#[async_trait]
impl KeyElsewhere for Elsewhere {
    async fn public_key(&self) -> Result<Vec<u8>> {
        self.0.public_key().await
    }

    async fn sign(&self, statement: &[u8]) -> Result<Vec<u8>> {
        self.0.sign(statement).await
    }
}

/// A signer whose key KMS keeps.
pub async fn signer_of(kms: Kms) -> Result<Signer> {
    let key = kms.key().to_string();
    let signer = Signer::elsewhere(Arc::new(Elsewhere(kms))).await;
    signer.context(|| format!("the signing key {key}"))
}

/// The configured signing key.
pub async fn signer(key: &SigningKey, access: &Access, run: &Run) -> Result<Signer> {
    let path = match key {
        SigningKey::File(path) => path,
        SigningKey::Kms(arn) => return signer_of(client(arn, access, run).await?).await,
    };
    let pem = std::fs::read_to_string(path)
        .context(|| format!("cannot read the signing key {}", path.display()))?;
    Signer::from_pem(&pem).context(|| path.display().to_string())
}

/// Has KMS open an identity, which must be the recipient's. `repository` is the id of the one that
/// it is to open: an identity that was wrapped for another one is refused before KMS is asked.
pub async fn unwrap(
    one: &WrappedIdentity,
    repository: &str,
    access: &Access,
    run: &Run,
) -> Result<Identities> {
    let WrappedIdentity { name, kms_key, .. } = one;
    let opened = async {
        if !one.is_for(repository) {
            return Err(Error::damaged(format!(
                "it was wrapped for another repository or recipient: {:?}",
                one.context
            )));
        }
        let ciphertext = BASE64
            .decode(&one.ciphertext)
            .map_err(|_| Error::damaged("its ciphertext is not base64"))?;
        let kms = client(kms_key, access, run).await?;
        let identities = Identities::from_secret(&kms.unwrap(&ciphertext, &one.context).await?)?;
        if identities.recipients() != [one.recipient.clone()] {
            return Err(Error::damaged(format!(
                "it is the identity of {}, and was to be that of {}",
                identities.recipients().join(", "),
                one.recipient
            )));
        }
        Ok(identities)
    };
    opened.await.map_err(|why| {
        let hint = match why.find_hint() {
            Some(hint) if hint.contains("--identity") => hint.to_owned(),
            Some(hint) => format!("{hint}; or {BREAK_GLASS}"),
            None => BREAK_GLASS.to_owned(),
        };
        Error::new(
            why.kind(),
            format!("identity '{name}', kept by {kms_key}, is not opened"),
        )
        .because(why)
        .hint(hint)
    })
}

/// What is at hand to open a point with.
pub struct Opened {
    /// Empty: nothing.
    pub identities: Identities,
    /// Why KMS opened none.
    pub refused: Option<Error>,
}

impl From<Identities> for Opened {
    fn from(identities: Identities) -> Self {
        Self {
            identities,
            refused: None,
        }
    }
}

impl Opened {
    /// For a command that can do nothing without.
    pub fn needed(self, command: &str) -> Result<Identities> {
        match self.refused {
            Some(refused) => Err(refused),
            None if self.identities.is_empty() => Err(Error::usage(format!(
                "{command} needs an identity to open the backup"
            ))
            .hint("pass --identity FILE: break-glass.key, as the break-glass sheet says")),
            None => Ok(self.identities),
        }
    }
}

/// The given identities; without any, the first one that KMS opens for us. Each refusal is told.
pub async fn identities(
    given: Identities,
    access: &Access,
    point: &RestorePoint,
    run: &Run,
) -> Result<Opened> {
    let mut opened = Opened::from(given);
    if !opened.identities.is_empty() {
        return Ok(opened);
    }
    let ring = point.key_ring().await?;
    let mut refusals = Vec::new();
    for one in &ring.wrapped {
        match unwrap(one, &point.manifest.repository, access, run).await {
            Ok(identities) => {
                for refused in &refusals {
                    run.progress.warn(&told(refused));
                }
                run.progress.note(&format!(
                    "opened with identity '{}', kept by {}",
                    one.name, one.kms_key
                ));
                opened.identities = identities;
                return Ok(opened);
            }
            Err(why) => refusals.push(why),
        }
    }
    opened.refused = all(refusals);
    Ok(opened)
}

fn told(error: &Error) -> String {
    format!("{}; {}", error.chain(), error.advice())
}

/// One error of several refusals, with the way out of each.
fn all(mut refusals: Vec<Error>) -> Option<Error> {
    if refusals.len() < 2 {
        return refusals.pop();
    }
    let kind = refusals[0].kind();
    let same = refusals.iter().all(|one| one.kind() == kind);
    let each: Vec<String> = refusals.iter().map(Error::chain).collect();
    let hints: Vec<&str> = refusals.iter().map(Error::advice).collect();
    let mut hints = hints;
    hints.dedup();
    Some(Error::new(if same { kind } else { Kind::Denied }, each.join("; ")).hint(hints.join("; ")))
}
