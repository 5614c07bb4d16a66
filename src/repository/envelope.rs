//! The signed envelope around a manifest, the announcement of a new verification key, an attestation.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::announcement::Announcement;
use super::layout;
use crate::codec::Sealed;
use crate::error::{Error, Result, ResultExt};
use crate::model::attestation::Attestation;
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::manifest::{FORMAT, Manifest};
use crate::model::run::RunStatement;
use crate::model::snapshot::SnapshotRecord;
use crate::sign::{Fingerprint, Signature, Signer, Trust};

#[derive(Serialize, Deserialize)]
pub(super) struct Envelope {
    format: u32,
    /// JSON as text: signed byte for byte, so no canonical form is needed.
    body: String,
    pub signature: Signature,
}

/// What a signature says of a body.
pub(super) trait Statement: Serialize + DeserializeOwned {
    /// Part of what is signed, so that no statement can stand for another.
    const PREFIX: &'static str;
    /// With its article, for messages.
    const NAME: &'static str;
    /// A larger envelope is not one of ours.
    const MAX_BYTES: u64;
    /// What makes an envelope that is too large smaller.
    const HINT: Option<&'static str> = None;

    /// The id of the repository that it is about.
    fn repository(&self) -> &str;

    /// What is signed for a body of this hash.
    fn signed(body_sha256: Sha256) -> String {
        format!("{}\n{body_sha256}\n", Self::PREFIX)
    }
}

/// This was exported.
impl Statement for Manifest {
    const PREFIX: &'static str = "lifeboat-manifest-v1";
    const NAME: &'static str = "a manifest";
    const MAX_BYTES: u64 = layout::MAX_MANIFEST_BYTES;

    fn repository(&self) -> &str {
        &self.repository
    }
}

/// This key signs from now on.
impl Statement for Announcement {
    const PREFIX: &'static str = "lifeboat-key-v1";
    const NAME: &'static str = "an announcement";
    const MAX_BYTES: u64 = layout::MAX_ANNOUNCEMENT_BYTES;

    fn repository(&self) -> &str {
        &self.repository
    }
}

/// This was restored in a drill.
impl Statement for Attestation {
    const PREFIX: &'static str = "lifeboat-attestation-v1";
    const NAME: &'static str = "an attestation";
    const MAX_BYTES: u64 = layout::MAX_ATTESTATION_BYTES;
    const HINT: Option<&'static str> = Some("fewer assertions, or shorter names");

    fn repository(&self) -> &str {
        &self.repository
    }
}

/// This snapshot was copied, of an instance or cluster with these settings.
impl Statement for SnapshotRecord {
    const PREFIX: &'static str = "lifeboat-snapshot-v1";
    const NAME: &'static str = "a record";
    const MAX_BYTES: u64 = layout::MAX_RECORD_BYTES;

    fn repository(&self) -> &str {
        &self.repository
    }
}

/// So is a run dealt out, so did a shard of it end, so was it collected: the body says which.
impl Statement for RunStatement {
    const PREFIX: &'static str = "lifeboat-run-v1";
    const NAME: &'static str = "what belongs to a run";
    const MAX_BYTES: u64 = layout::MAX_RUN_BYTES;

    fn repository(&self) -> &str {
        self.repository()
    }
}

/// Signs a body: an envelope to be stored under `key`.
pub(super) async fn wrap<T: Statement>(key: &Key, body: &T, signer: &Signer) -> Result<Sealed> {
    let body = serde_json::to_string(body).context(|| "cannot write JSON to sign".to_owned())?;
    let statement = T::signed(Sha256::of(body.as_bytes()));
    let envelope = to_json_line(&Envelope {
        format: FORMAT,
        signature: signer.sign(statement.as_bytes()).await?,
        body,
    })?;
    let bytes = envelope.len();
    if bytes as u64 > T::MAX_BYTES {
        let what = format!("{key} takes {bytes} bytes, more than a reader accepts");
        return Err(Error::refused(what).hint_if_any(T::HINT));
    }
    Ok(Sealed::unencrypted(envelope))
}

/// An envelope whose signature is sound.
pub(super) struct VerifiedEnvelope<T> {
    pub body: T,
    pub body_sha256: Sha256,
    pub signed_by: Fingerprint,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Envelope {
    /// Checks the signature, and only then reads the body.
    pub(super) fn open<T: Statement>(
        &self,
        key: &str,
        trust: &Trust,
    ) -> Result<VerifiedEnvelope<T>> {
        let body_sha256 = Sha256::of(self.body.as_bytes());
        let signed_by = trust
            .verify(T::signed(body_sha256).as_bytes(), &self.signature)
            .context(|| format!("{key} cannot be trusted"))?;
        Ok(VerifiedEnvelope {
            body: parse(self.body.as_bytes(), key)?,
            body_sha256,
            signed_by,
        })
    }
}

/// Reads an envelope or the body of one, and believes nothing of it yet. One of another format is
/// refused for that.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8], key: &str) -> Result<T> {
    let damaged =
        |source| Error::damaged(format!("{key} is no envelope of this format")).because(source);
    let Format { format } = serde_json::from_slice(json).map_err(damaged)?;
    if format != FORMAT {
        return Err(unknown_format(key, format));
    }
    serde_json::from_slice(json).map_err(damaged)
}

pub(super) const USE_A_NEWER_ONE: &str =
    "use a newer lifeboat; the restore.sh beside each restore point needs none";

pub(super) fn unknown_format(what: &str, format: u32) -> Error {
    Error::refused(format!(
        "{what} is in format {format}; this version of lifeboat knows format {FORMAT}"
    ))
    .hint(USE_A_NEWER_ONE)
}

pub(super) fn to_json_line<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).context(|| "cannot write JSON".to_owned())?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::super::consistency;
    use super::*;
    use crate::foreign;

    /// What is read is written again as it is understood, and reads as equal.
    fn read_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &[u8]) -> Option<T> {
        let read: T = parse(json, "key").ok()?;
        let written = to_json_line(&read).unwrap();
        assert_eq!(parse::<T>(&written, "key").unwrap(), read);
        Some(read)
    }

    #[test]
    fn foreign_envelopes_are_refused_or_trusted_for_their_key_alone() {
        foreign::each("envelope", |json| {
            let Ok(envelope) = parse::<Envelope>(json, "key") else {
                return;
            };
            let again: Envelope = parse(&to_json_line(&envelope).unwrap(), "key").unwrap();
            assert_eq!(
                (&again.body, &again.signature),
                (&envelope.body, &envelope.signature)
            );
            let nobody = Trust::default();
            assert!(envelope.open::<Manifest>("key", &nobody).is_err());
            // Whatever key it names, the signature is of no other body.
            if let Ok(fingerprint) = envelope.signature.claimed_key() {
                let fingerprints = vec![fingerprint];
                let opened = envelope.open::<Manifest>("key", &Trust { fingerprints });
                assert!(opened.is_err(), "nobody signed what the corpus holds");
            }
        });
    }

    #[test]
    fn foreign_manifests_are_refused_or_read_again_as_written_and_add_up() {
        foreign::each("manifest", |json| {
            let Some(manifest) = read_again::<Manifest>(json) else {
                return;
            };
            assert_eq!(
                manifest.id.as_str().parse().ok().as_ref(),
                Some(&manifest.id)
            );
            for object in manifest.other_objects() {
                let key: Key = object.key.as_str().parse().unwrap();
                assert!(
                    !key.as_str()
                        .split('/')
                        .any(|one| one == ".." || one.is_empty())
                );
            }
            if consistency::check(&manifest).is_ok() {
                // Where the sums do not fit this panics.
                let parts = manifest.parts_bytes();
                assert!(parts <= manifest.stored_bytes());
                let anew = manifest
                    .stored_anew
                    .unwrap_or_else(|| manifest.stored_bytes());
                assert!(manifest.parts_stored_anew() <= anew);
                assert!(manifest.rows() <= manifest.copy_bytes());
                assert!(manifest.parts() <= manifest.copy_bytes());
            }
        });
    }

    #[test]
    fn foreign_attestations_are_refused_or_read_again_as_written() {
        foreign::each("attestation", |json| {
            let Ok(read) = parse::<Attestation>(json, "key") else {
                return;
            };
            let mut again: Attestation = parse(&to_json_line(&read).unwrap(), "key").unwrap();
            // Of a time with more digits than a clock has the last bit is not kept.
            let same = |one: f64, other: f64| (one - other).abs() <= one.abs() * 1e-15;
            assert!(read.seconds_to_restore.is_finite());
            assert!(same(read.seconds_to_restore, again.seconds_to_restore));
            again.seconds_to_restore = read.seconds_to_restore;
            if let (Some(one), Some(other)) =
                (read.seconds_to_first_query, again.seconds_to_first_query)
            {
                assert!(same(one, other));
                again.seconds_to_first_query = Some(one);
            }
            assert_eq!(again, read);
        });
    }

    #[test]
    fn foreign_announcements_are_refused_or_read_again_as_written() {
        foreign::each("announcement", |json| {
            if let Some(announcement) = read_again::<Announcement>(json) {
                let (key, by) = (announcement.key, announcement.by);
                let is_own = announcement.is_of(key, by);
                assert!(
                    !is_own || announcement.public_key.len() > 32,
                    "{announcement:?}"
                );
            }
        });
    }

    #[test]
    fn foreign_runs_are_refused_or_read_again_as_written_and_each_shard_is_one() {
        foreign::each("run", |json| {
            let Some(RunStatement::Plan(plan)) = read_again(json) else {
                return;
            };
            if plan.is_sound() {
                let dealt: usize = (0..plan.shards).map(|shard| plan.of(shard).count()).sum();
                assert_eq!(dealt, plan.databases.len());
            }
        });
    }
}
