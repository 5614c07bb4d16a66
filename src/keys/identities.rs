//! The identities that open a restore point: from files, or unwrapped by KMS.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::aws::Kms;
use crate::codec::Identities;
use crate::error::{Error, Kind, Result};
use crate::model::keys::WrappedIdentity;
use crate::progress::Progress;
use crate::repository::RestorePoint;

/// What every refusal ends with.
const BREAK_GLASS: &str = "open the backup by the offline identity: --identity break-glass.key";

/// Reaches KMS keys, each with the credentials of the account that it belongs to.
#[async_trait]
pub(crate) trait KmsAccess: Send + Sync {
    async fn key(&self, arn: &str) -> Result<Kms>;
}

/// Has KMS unwrap an identity, which must be the recipient's. `repository` is the id of the one that it
/// is to open: an identity that was wrapped for another one is refused before KMS is asked.
pub(crate) async fn unwrap(
    wrapped: &WrappedIdentity,
    repository: &str,
    kms: &dyn KmsAccess,
) -> Result<Identities> {
    let unwrapped = unwrap_checked(wrapped, repository, kms).await;
    unwrapped.map_err(|why| {
        let hint = match why.find_hint() {
            Some(hint) if hint.contains("--identity") => hint.to_owned(),
            Some(hint) => format!("{hint}; or {BREAK_GLASS}"),
            None => BREAK_GLASS.to_owned(),
        };
        let WrappedIdentity { name, kms_key, .. } = wrapped;
        let what = format!("identity '{name}', kept by {kms_key}, is not opened");
        Error::new(why.kind(), what).because(why).hint(hint)
    })
}

async fn unwrap_checked(
    wrapped: &WrappedIdentity,
    repository: &str,
    kms: &dyn KmsAccess,
) -> Result<Identities> {
    if !wrapped.is_for(repository) {
        return Err(Error::damaged(format!(
            "it was wrapped for another repository or recipient: {:?}",
            wrapped.context
        )));
    }
    let ciphertext = BASE64
        .decode(&wrapped.ciphertext)
        .map_err(|_| Error::damaged("its ciphertext is not base64"))?;
    let kms = kms.key(&wrapped.kms_key).await?;
    let identities = Identities::from_secret(&kms.unwrap(&ciphertext, &wrapped.context).await?)?;
    if identities.recipients() != [wrapped.recipient.clone()] {
        return Err(Error::damaged(format!(
            "it is the identity of {}, and was to be that of {}",
            identities.recipients().join(", "),
            wrapped.recipient
        )));
    }
    Ok(identities)
}

/// What there is to open a restore point with.
#[derive(Default)]
pub(crate) struct Available {
    /// May be empty.
    pub identities: Identities,
    /// Why KMS unwrapped none.
    pub refusal: Option<Error>,
}

impl Available {
    /// For a command that can do nothing without.
    pub(crate) fn required_by(self, command: &str) -> Result<Identities> {
        match self.refusal {
            Some(refusal) => Err(refusal),
            None if self.identities.is_empty() => Err(Error::usage(format!(
                "{command} needs an identity to open the backup"
            ))
            .hint("pass --identity FILE: break-glass.key, as the break-glass sheet says")),
            None => Ok(self.identities),
        }
    }
}

/// Where identities come from.
pub(crate) struct IdentitySource<'a> {
    /// Those of `--identity`.
    pub given: Identities,
    pub kms: Box<dyn KmsAccess + 'a>,
}

impl IdentitySource<'_> {
    /// The given identities; without any, the first one that KMS unwraps for the point. Each refusal
    /// becomes a warning.
    pub(crate) async fn find(
        &self,
        point: &RestorePoint,
        progress: &dyn Progress,
    ) -> Result<Available> {
        let available = |identities, refusal| Available {
            identities,
            refusal,
        };
        if !self.given.is_empty() {
            return Ok(available(self.given.clone(), None));
        }
        let mut refusals = Vec::new();
        for wrapped in &point.key_ring().await?.wrapped {
            match unwrap(wrapped, &point.manifest.repository, self.kms.as_ref()).await {
                Ok(identities) => {
                    for refusal in &refusals {
                        let (why, advice) = (Error::chain(refusal), Error::advice(refusal));
                        progress.warn(&format!("{why}; {advice}"));
                    }
                    let WrappedIdentity { name, kms_key, .. } = wrapped;
                    progress.note(&format!("opened with identity '{name}', kept by {kms_key}"));
                    return Ok(available(identities, None));
                }
                Err(why) => refusals.push(why),
            }
        }
        Ok(available(Identities::default(), join(refusals)))
    }
}

/// One error of several refusals, with the way out of each.
fn join(mut refusals: Vec<Error>) -> Option<Error> {
    if refusals.len() < 2 {
        return refusals.pop();
    }
    let kind = refusals[0].kind();
    let same = refusals.iter().all(|one| one.kind() == kind);
    let each: Vec<String> = refusals.iter().map(Error::chain).collect();
    let mut hints: Vec<&str> = refusals.iter().map(Error::advice).collect();
    hints.dedup();
    Some(Error::new(if same { kind } else { Kind::Denied }, each.join("; ")).hint(hints.join("; ")))
}
