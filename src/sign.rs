//! Signatures over statements. The verification key travels with the signature and is worth
//! nothing by itself: a reader pins its fingerprint.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::model::digest::Sha256;
use crate::random;

const ED25519: &str = "ed25519";

/// SHA-256 of a verification key's SubjectPublicKeyInfo, written as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(Sha256);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self).map_err(|_| {
            Error::usage(format!(
                "'{text}' is not a fingerprint of a verification key"
            ))
            .hint("64 hex digits, as printed on the break-glass sheet")
        })
    }
}

/// As stored in an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// `ed25519`.
    pub algorithm: String,
    /// SubjectPublicKeyInfo, DER, base64.
    pub public_key: String,
    /// base64.
    pub signature: String,
}

/// Makes signatures with a local Ed25519 key.
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// A new key from 32 random bytes.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            key: SigningKey::from_bytes(&random::bytes()?),
        })
    }

    /// Reads a PKCS #8 private key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(pem: &str) -> Result<Self> {
        SigningKey::from_pkcs8_pem(pem)
            .map(|key| Self { key })
            .map_err(|why| {
                Error::usage(format!("not an Ed25519 private key in PKCS #8 PEM: {why}"))
                    .hint("`lifeboat init` writes one as manifest-signing.pem")
            })
    }

    pub fn to_pem(&self) -> Result<String> {
        self.key
            .to_pkcs8_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF)
            .map(|pem| pem.to_string())
            .map_err(|why| Error::failed(format!("cannot write the signing key: {why}")))
    }

    pub fn fingerprint(&self) -> Result<Fingerprint> {
        Ok(Fingerprint(Sha256::of(&self.public_key()?)))
    }

    pub fn sign(&self, statement: &[u8]) -> Result<Signature> {
        Ok(Signature {
            algorithm: ED25519.to_owned(),
            public_key: BASE64.encode(self.public_key()?),
            signature: BASE64.encode(self.key.sign(statement).to_bytes()),
        })
    }

    fn public_key(&self) -> Result<Vec<u8>> {
        self.key
            .verifying_key()
            .to_public_key_der()
            .map(ed25519_dalek::pkcs8::Document::into_vec)
            .map_err(|why| Error::failed(format!("cannot encode the verification key: {why}")))
    }
}

/// The verification keys that a reader accepts, pinned by the configuration or `--trust`.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    pub fingerprints: Vec<Fingerprint>,
}

impl Trust {
    /// Returns the fingerprint of the pinned key that signed `statement`.
    pub fn verify(&self, statement: &[u8], signature: &Signature) -> Result<Fingerprint> {
        let der = BASE64
            .decode(&signature.public_key)
            .map_err(|_| untrusted("its verification key is not base64"))?;
        let fingerprint = Fingerprint(Sha256::of(&der));
        if !self.fingerprints.contains(&fingerprint) {
            return Err(untrusted(format!("signed by {fingerprint}, which is not pinned")).hint(
                "compare with the break-glass sheet; only where it is the same, pass it as --trust",
            ));
        }
        if signature.algorithm != ED25519 {
            return Err(untrusted(format!(
                "signature algorithm '{}' is not known to this version",
                signature.algorithm
            )));
        }
        let key = VerifyingKey::from_public_key_der(&der)
            .map_err(|_| untrusted("its verification key is not an Ed25519 key"))?;
        let bytes = BASE64
            .decode(&signature.signature)
            .map_err(|_| untrusted("its signature is not base64"))?;
        let bytes = ed25519_dalek::Signature::from_slice(&bytes)
            .map_err(|_| untrusted("its signature has the wrong length"))?;
        key.verify_strict(statement, &bytes)
            .map_err(|_| untrusted("the signature does not match: the content was changed"))?;
        Ok(fingerprint)
    }
}

fn untrusted(what: impl Into<String>) -> Error {
    Error::new(Kind::Untrusted, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pinned_key_and_the_exact_statement_pass() {
        let signer = Signer::generate().unwrap();
        let other = Signer::generate().unwrap();
        let signature = signer.sign(b"statement").unwrap();
        let pinned = Trust {
            fingerprints: vec![signer.fingerprint().unwrap()],
        };
        assert!(pinned.verify(b"statement", &signature).is_ok());
        assert!(pinned.verify(b"Statement", &signature).is_err());
        assert!(
            pinned
                .verify(b"statement", &other.sign(b"statement").unwrap())
                .is_err()
        );
        assert!(Trust::default().verify(b"statement", &signature).is_err());
        let mixed = Signature {
            public_key: other.sign(b"").unwrap().public_key,
            ..signature
        };
        assert!(pinned.verify(b"statement", &mixed).is_err());
    }

    #[test]
    fn a_key_comes_back_from_pem() {
        let signer = Signer::generate().unwrap();
        let again = Signer::from_pem(&signer.to_pem().unwrap()).unwrap();
        assert_eq!(again.fingerprint().unwrap(), signer.fingerprint().unwrap());
        assert!(Signer::from_pem("nonsense").is_err());
    }
}
