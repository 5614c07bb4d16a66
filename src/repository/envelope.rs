//! The signed envelope around a manifest, the announcement of a new verification key, an attestation.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ResultExt};
use crate::model::attestation::Attestation;
use crate::model::digest::Sha256;
use crate::model::manifest::{FORMAT, Manifest};
use crate::model::snapshot::SnapshotRecord;
use crate::sign::{Fingerprint, Signature, Signer, Trust};

#[derive(Serialize, Deserialize)]
pub(super) struct Envelope {
    format: u32,
    /// JSON as text: signed byte for byte, so no canonical form is needed.
    body: String,
    signature: Signature,
}

/// What a signature says. It is part of what is signed, so none can stand for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementKind {
    /// This was exported.
    Manifest,
    /// This key signs from now on.
    Key,
    /// This was restored in a drill.
    Attestation,
    /// This snapshot was copied, of an instance or cluster with these settings.
    Snapshot,
}

impl StatementKind {
    /// What is signed for a body of this hash.
    fn statement(self, body_sha256: Sha256) -> String {
        let prefix = match self {
            Self::Manifest => "lifeboat-manifest-v1",
            Self::Key => "lifeboat-key-v1",
            Self::Attestation => "lifeboat-attestation-v1",
            Self::Snapshot => "lifeboat-snapshot-v1",
        };
        format!("{prefix}\n{body_sha256}\n")
    }
}

/// What a reader believes of a pinned key, and of one that a pinned key announced.
pub(super) trait SignedBody: DeserializeOwned {
    const KIND: StatementKind;

    /// The id of the repository that it is about.
    fn repository(&self) -> &str;
}

impl SignedBody for Manifest {
    const KIND: StatementKind = StatementKind::Manifest;

    fn repository(&self) -> &str {
        &self.repository
    }
}

impl SignedBody for SnapshotRecord {
    const KIND: StatementKind = StatementKind::Snapshot;

    fn repository(&self) -> &str {
        &self.repository
    }
}

impl SignedBody for Attestation {
    const KIND: StatementKind = StatementKind::Attestation;

    fn repository(&self) -> &str {
        &self.repository
    }
}

/// The envelope's bytes, and the body's hash.
pub(super) async fn wrap<T: Serialize>(
    body: &T,
    kind: StatementKind,
    signer: &Signer,
) -> Result<(Vec<u8>, Sha256)> {
    let body = serde_json::to_string(body).context(|| "cannot write JSON to sign".to_owned())?;
    let sha256 = Sha256::of(body.as_bytes());
    let envelope = Envelope {
        format: FORMAT,
        signature: signer.sign(kind.statement(sha256).as_bytes()).await?,
        body,
    };
    Ok((to_json_line(&envelope)?, sha256))
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
    /// Reads an envelope of this format, and believes nothing of it yet.
    pub(super) fn read(bytes: &[u8], key: &str) -> Result<Self> {
        let Format { format } = serde_json::from_slice(bytes).map_err(not_an_envelope(key))?;
        if format != FORMAT {
            return Err(unknown_format(key, format));
        }
        serde_json::from_slice(bytes).map_err(not_an_envelope(key))
    }

    /// The fingerprint of the key that it says it is signed by.
    pub(super) fn claimed_key(&self) -> Result<Fingerprint> {
        self.signature.claimed_key()
    }

    /// Checks the signature, and only then reads the body.
    pub(super) fn open<T: DeserializeOwned>(
        &self,
        kind: StatementKind,
        key: &str,
        trust: &Trust,
    ) -> Result<VerifiedEnvelope<T>> {
        let body_sha256 = Sha256::of(self.body.as_bytes());
        let signed_by = trust
            .verify(kind.statement(body_sha256).as_bytes(), &self.signature)
            .context(|| format!("{key} cannot be trusted"))?;
        let Format { format } = serde_json::from_str(&self.body).map_err(not_an_envelope(key))?;
        if format != FORMAT {
            return Err(unknown_format(key, format));
        }
        Ok(VerifiedEnvelope {
            body: serde_json::from_str(&self.body).map_err(not_an_envelope(key))?,
            body_sha256,
            signed_by,
        })
    }
}

fn not_an_envelope(key: &str) -> impl Fn(serde_json::Error) -> Error + '_ {
    move |source| Error::damaged(format!("{key} is no envelope of this format")).because(source)
}

pub(super) fn unknown_format(what: &str, format: u32) -> Error {
    Error::refused(format!(
        "{what} is in format {format}; this version of lifeboat knows format {FORMAT}"
    ))
    .hint("use a newer lifeboat; the restore.sh beside each restore point needs none")
}

pub(super) fn to_json_line<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).context(|| "cannot write JSON".to_owned())?;
    line.push(b'\n');
    Ok(line)
}
