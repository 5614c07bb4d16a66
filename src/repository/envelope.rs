//! The signed envelope around a manifest.

use serde::{Deserialize, Serialize};

use super::{to_json_line, unknown_format};
use crate::error::{Context, Error, Result};
use crate::model::digest::Sha256;
use crate::model::manifest::{FORMAT, Manifest};
use crate::sign::{Fingerprint, Signature, Signer, Trust};

#[derive(Serialize, Deserialize)]
struct Envelope {
    format: u32,
    /// The manifest as JSON text: signed byte for byte, so no canonical form is needed.
    body: String,
    signature: Signature,
}

/// What is signed for a body of this hash.
fn statement(body_sha256: Sha256) -> String {
    format!("lifeboat-manifest-v1\n{body_sha256}\n")
}

/// The envelope's bytes, and the body's hash.
pub fn wrap(manifest: &Manifest, signer: &Signer) -> Result<(Vec<u8>, Sha256)> {
    let body =
        serde_json::to_string(manifest).context(|| "cannot write the manifest".to_owned())?;
    let sha256 = Sha256::of(body.as_bytes());
    let envelope = Envelope {
        format: FORMAT,
        signature: signer.sign(statement(sha256).as_bytes())?,
        body,
    };
    Ok((to_json_line(&envelope)?, sha256))
}

/// An envelope whose signature is sound.
pub struct Opened {
    pub manifest: Manifest,
    pub body_sha256: Sha256,
    pub signed_by: Fingerprint,
}

/// Checks the format, then the signature, and only then reads the body.
pub fn unwrap(bytes: &[u8], key: &str, trust: &Trust) -> Result<Opened> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged = |source: serde_json::Error| {
        Error::damaged(format!("{key} is not a manifest's envelope")).because(source)
    };
    let Format { format } = serde_json::from_slice(bytes).map_err(damaged)?;
    if format != FORMAT {
        return Err(unknown_format(key, format));
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(damaged)?;
    let body_sha256 = Sha256::of(envelope.body.as_bytes());
    let signed_by = trust
        .verify(statement(body_sha256).as_bytes(), &envelope.signature)
        .context(|| format!("{key} cannot be trusted"))?;
    let manifest: Manifest = serde_json::from_str(&envelope.body).map_err(damaged)?;
    if manifest.format != FORMAT {
        return Err(unknown_format(key, manifest.format));
    }
    Ok(Opened {
        manifest,
        body_sha256,
        signed_by,
    })
}
