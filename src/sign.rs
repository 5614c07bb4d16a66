//! Signatures over statements. The verification key travels with the signature and is worth
//! nothing by itself: a reader pins its fingerprint.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use p256::ecdsa::signature::Verifier as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ResultExt};
use crate::model::digest::Sha256;
use crate::random;

const ED25519: &str = "ed25519";
const ECDSA_P256: &str = "ecdsa-p256-sha256";

/// SHA-256 of a verification key's SubjectPublicKeyInfo, written as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
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
    /// `ed25519` or `ecdsa-p256-sha256`.
    pub algorithm: String,
    /// SubjectPublicKeyInfo, DER, base64.
    pub public_key: String,
    /// base64; of ECDSA in DER.
    pub signature: String,
}

/// A verification key: Ed25519, or ECDSA on P-256 with SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: Vec<u8>,
    algorithm: &'static str,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in DER.
    pub fn from_der(der: Vec<u8>) -> Result<Self> {
        let algorithm = if VerifyingKey::from_public_key_der(&der).is_ok() {
            ED25519
        } else if p256::ecdsa::VerifyingKey::from_public_key_der(&der).is_ok() {
            ECDSA_P256
        } else {
            return Err(Error::usage(
                "the verification key is neither Ed25519 nor ECDSA on P-256",
            ));
        };
        Ok(Self { der, algorithm })
    }

    /// Reads the public key, or the public half of a private Ed25519 key, from PEM.
    pub fn from_pem(pem: &str) -> Result<Self> {
        const LABEL: &str = "PUBLIC KEY";
        if pem_rfc7468::decode_label(pem.trim().as_bytes()) != Ok(LABEL) {
            return Signer::from_pem(pem).map(|signer| signer.public_key);
        }
        let wrong = |why| Error::usage(format!("not a public key in PEM: {why}"));
        let (label, document) =
            ed25519_dalek::pkcs8::Document::from_pem(pem.trim()).map_err(wrong)?;
        if label != LABEL {
            return Err(Error::usage(format!("PEM of {label}, not of {LABEL}")));
        }
        Self::from_der(document.into_vec())
    }

    /// SubjectPublicKeyInfo.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::of(&self.der))
    }
}

/// A private key, ECDSA on P-256, that never leaves the place where it is kept.
#[async_trait]
pub trait RemoteKey: Send + Sync {
    /// The verification key: SubjectPublicKeyInfo, DER.
    async fn public_key(&self) -> Result<Vec<u8>>;

    /// A DER signature over SHA-256 of `statement`.
    async fn sign(&self, statement: &[u8]) -> Result<Vec<u8>>;
}

/// Makes signatures: with a local Ed25519 key, or by asking the service that keeps the key.
pub struct Signer {
    public_key: PublicKey,
    private_key: PrivateKey,
}

enum PrivateKey {
    Local(Box<SigningKey>),
    Remote(Arc<dyn RemoteKey>),
}

impl Signer {
    /// A new local key from 32 random bytes.
    pub fn generate() -> Result<Self> {
        Self::local(SigningKey::from_bytes(&random::bytes()?))
    }

    /// Reads a PKCS #8 private key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|why| {
            Error::usage(format!("not an Ed25519 private key in PKCS #8 PEM: {why}"))
                .hint("`lifeboat init` writes one as manifest-signing.pem")
        })?;
        Self::local(key)
    }

    fn local(key: SigningKey) -> Result<Self> {
        let der = key
            .verifying_key()
            .to_public_key_der()
            .map_err(|why| Error::failed(format!("cannot encode the verification key: {why}")))?;
        Ok(Self {
            public_key: PublicKey {
                der: der.into_vec(),
                algorithm: ED25519,
            },
            private_key: PrivateKey::Local(Box::new(key)),
        })
    }

    /// Asks for the verification key, once for this signer's life.
    pub async fn remote(key: Arc<dyn RemoteKey>) -> Result<Self> {
        let public_key = PublicKey::from_der(key.public_key().await?)?;
        if public_key.algorithm != ECDSA_P256 {
            return Err(Error::refused("the signing key is not ECDSA on P-256"));
        }
        Ok(Self {
            public_key,
            private_key: PrivateKey::Remote(key),
        })
    }

    /// PKCS #8; refused for a remote key.
    pub fn to_pem(&self) -> Result<String> {
        let PrivateKey::Local(key) = &self.private_key else {
            return Err(Error::refused("the signing key never leaves its place"));
        };
        key.to_pkcs8_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF)
            .map(|pem| pem.to_string())
            .map_err(|why| Error::failed(format!("cannot write the signing key: {why}")))
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.public_key.fingerprint()
    }

    /// A signature that this signer's own verification key has confirmed.
    pub async fn sign(&self, statement: &[u8]) -> Result<Signature> {
        let bytes = match &self.private_key {
            PrivateKey::Local(key) => key.sign(statement).to_bytes().to_vec(),
            PrivateKey::Remote(key) => key.sign(statement).await?,
        };
        let signature = Signature {
            algorithm: self.public_key.algorithm.to_owned(),
            public_key: BASE64.encode(self.public_key.der()),
            signature: BASE64.encode(bytes),
        };
        signature
            .check(statement)
            .context(|| "the signing key made a signature that does not verify".to_owned())?;
        Ok(signature)
    }
}

impl Signature {
    /// The fingerprint of the key that it names; says nothing of its soundness.
    pub fn claimed_key(&self) -> Result<Fingerprint> {
        self.der().map(|der| Fingerprint(Sha256::of(&der)))
    }

    /// Whether the key that it names signed `statement`, trusted or not.
    pub fn check(&self, statement: &[u8]) -> Result<Fingerprint> {
        let der = self.der()?;
        let bytes = BASE64
            .decode(&self.signature)
            .map_err(|_| Error::untrusted("its signature is not base64"))?;
        let sound = match self.algorithm.as_str() {
            ED25519 => ed25519(&der, statement, &bytes)?,
            ECDSA_P256 => ecdsa_p256(&der, statement, &bytes)?,
            other => {
                return Err(Error::untrusted(format!(
                    "signature algorithm '{other}' is not known to this version"
                )));
            }
        };
        if !sound {
            return Err(
                Error::untrusted("the signature does not match: the content was changed")
                    .hint("choose another point; keep this one for inquiry"),
            );
        }
        Ok(Fingerprint(Sha256::of(&der)))
    }

    fn der(&self) -> Result<Vec<u8>> {
        BASE64
            .decode(&self.public_key)
            .map_err(|_| Error::untrusted("its verification key is not base64"))
    }
}

fn ed25519(der: &[u8], statement: &[u8], signature: &[u8]) -> Result<bool> {
    let key = VerifyingKey::from_public_key_der(der)
        .map_err(|_| Error::untrusted("its verification key is not an Ed25519 key"))?;
    let signature = ed25519_dalek::Signature::from_slice(signature)
        .map_err(|_| Error::untrusted("its signature has the wrong length"))?;
    Ok(key.verify_strict(statement, &signature).is_ok())
}

/// Either form of s counts, as KMS does not normalise it.
fn ecdsa_p256(der: &[u8], statement: &[u8], signature: &[u8]) -> Result<bool> {
    let key = p256::ecdsa::VerifyingKey::from_public_key_der(der)
        .map_err(|_| Error::untrusted("its verification key is not an ECDSA key on P-256"))?;
    let signature = p256::ecdsa::Signature::from_der(signature)
        .map_err(|_| Error::untrusted("its signature is not DER of an ECDSA signature"))?;
    Ok(key.verify(statement, &signature).is_ok())
}

/// The verification keys that a reader accepts, pinned by the configuration or `--trust`.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    pub fingerprints: Vec<Fingerprint>,
}

impl Trust {
    /// Returns the fingerprint of the pinned key that signed `statement`.
    pub fn verify(&self, statement: &[u8], signature: &Signature) -> Result<Fingerprint> {
        let fingerprint = signature.claimed_key()?;
        if !self.pins(fingerprint) {
            return Err(Error::untrusted(format!("signed by {fingerprint}, which is not trusted")).hint(
                "compare with the break-glass sheet; only where it is the same, pass it as --trust",
            ));
        }
        signature.check(statement)
    }

    pub fn pins(&self, fingerprint: Fingerprint) -> bool {
        self.fingerprints.contains(&fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key service with a key of its own, or with another one's signatures.
    struct Service {
        named: p256::ecdsa::SigningKey,
        signs: p256::ecdsa::SigningKey,
    }

    #[async_trait]
    impl RemoteKey for Service {
        async fn public_key(&self) -> Result<Vec<u8>> {
            let key = *self.named.verifying_key();
            Ok(key.to_public_key_der().unwrap().into_vec())
        }

        async fn sign(&self, statement: &[u8]) -> Result<Vec<u8>> {
            let signature: p256::ecdsa::Signature = self.signs.sign(statement);
            // KMS gives either form of s; this is the one that normalising would take away.
            let (r, s) = signature.split_scalars();
            let high = if bool::from(p256::elliptic_curve::scalar::IsHigh::is_high(&*s)) {
                signature
            } else {
                p256::ecdsa::Signature::from_scalars(r, -s).unwrap()
            };
            Ok(high.to_der().as_bytes().to_vec())
        }
    }

    fn p256_key(number: u8) -> p256::ecdsa::SigningKey {
        p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap()
    }

    async fn remote_signer(named: u8, signs: u8) -> Signer {
        let (named, signs) = (p256_key(named), p256_key(signs));
        let service = Service { named, signs };
        Signer::remote(Arc::new(service)).await.unwrap()
    }

    async fn only_a_pinned_key_and_the_exact_statement_pass(signer: Signer, other: Signer) {
        let signature = signer.sign(b"statement").await.unwrap();
        let pinned = Trust {
            fingerprints: vec![signer.fingerprint()],
        };
        assert!(pinned.verify(b"statement", &signature).is_ok());
        assert!(pinned.verify(b"Statement", &signature).is_err());
        let by_other = other.sign(b"statement").await.unwrap();
        assert!(pinned.verify(b"statement", &by_other).is_err());
        assert!(Trust::default().verify(b"statement", &signature).is_err());
        let mixed = |change: fn(&mut Signature, &Signature)| {
            let mut mixed = signature.clone();
            change(&mut mixed, &by_other);
            pinned.verify(b"statement", &mixed).is_err()
        };
        assert!(mixed(|one, other| one
            .public_key
            .clone_from(&other.public_key)));
        assert!(mixed(|one, other| one
            .signature
            .clone_from(&other.signature)));
        assert!(mixed(|one, _| one.algorithm = "none".to_owned()));
        assert!(mixed(|one, _| one.signature.clear()));
        let swapped = Signature {
            algorithm: match signature.algorithm.as_str() {
                ED25519 => ECDSA_P256.to_owned(),
                _ => ED25519.to_owned(),
            },
            ..signature.clone()
        };
        assert!(pinned.verify(b"statement", &swapped).is_err());
    }

    #[tokio::test]
    async fn a_local_key_signs() {
        let [signer, other] = [0, 1].map(|_| Signer::generate().unwrap());
        only_a_pinned_key_and_the_exact_statement_pass(signer, other).await;
    }

    #[tokio::test]
    async fn a_remote_key_signs() {
        let (signer, other) = (remote_signer(1, 1).await, remote_signer(2, 2).await);
        assert!(signer.to_pem().is_err());
        only_a_pinned_key_and_the_exact_statement_pass(signer, other).await;
    }

    #[tokio::test]
    async fn a_signature_by_another_key_than_was_named_is_not_used() {
        let error = remote_signer(1, 2)
            .await
            .sign(b"statement")
            .await
            .unwrap_err();
        assert!(error.chain().contains("does not verify"), "{error:?}");
    }

    #[test]
    fn a_key_comes_back_from_pem() {
        let signer = Signer::generate().unwrap();
        let pem = signer.to_pem().unwrap();
        let again = Signer::from_pem(&pem).unwrap();
        assert_eq!(again.fingerprint(), signer.fingerprint());
        let public = PublicKey::from_pem(&pem).unwrap();
        assert_eq!(public.fingerprint(), signer.fingerprint());
        assert!(Signer::from_pem("nonsense").is_err());
        assert!(PublicKey::from_pem("nonsense").is_err());
    }

    #[test]
    fn a_public_key_in_pem_is_enough_to_know_it() {
        for (pem, fingerprint) in [
            (
                PUBLIC_ED25519,
                "10053c3f2add67f83ba7a74392ed7234542b6d48566ee88c61d4688e44407ec6",
            ),
            (
                PUBLIC_P256,
                "469a91435415dffb09a5635b413a79e34782f4d0518b6e39c9c4b63f4b3a9477",
            ),
        ] {
            let key = PublicKey::from_pem(pem).unwrap();
            assert_eq!(key.fingerprint().to_string(), fingerprint);
        }
        assert!(PublicKey::from_pem(PUBLIC_P384).is_err());
    }

    // By openssl.
    const PUBLIC_ED25519: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA+Vr1cZ+GGgHbZAR6p7dtCtydglmTmMAYIENlIMzt2Ik=
-----END PUBLIC KEY-----
";
    const PUBLIC_P256: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjLxvbg/Ws49NI5EQinnKXs4oIjYQ
9eH2o5pbXP2917kf8cXxrjZwRlPrHoN0SY0x3Q1DzGOFB+VZfbDUkz64NQ==
-----END PUBLIC KEY-----
";
    const PUBLIC_P384: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEKjk8U7g0ygf4V+8khcZ7YgVgWUmJKvmY
zLhI7RafRJOGY3BWCgcfC03JzxohallHEu6lcEWsRGazgOj9bW6nRl2kCl6ngQUS
W6A+6ZTLEZMJfRgKIvNssUmnK1Qvn181
-----END PUBLIC KEY-----
";
}
