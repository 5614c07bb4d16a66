//! The certificate check of each sslmode.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::roots::Roots;
use super::x509::{self, Facts};

/// What the server's certificate said, for error messages.
pub(super) type Seen = Arc<OnceLock<Facts>>;

/// How much of a certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

pub(super) struct Verifier {
    pub check: Check,
    pub roots: Roots,
    pub host: String,
    pub algorithms: WebPkiSupportedAlgorithms,
    pub seen: Seen,
    /// Set once the server has signed the handshake with the certificate's key.
    pub holds_key: Arc<AtomicBool>,
}

impl Verifier {
    fn check_chain(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // PostgreSQL's manual makes self-signed certificates and names them as their own root;
        // webpki would refuse an authority's certificate on a server.
        if self.roots.exact.contains(leaf) {
            return x509::valid_at(leaf, now).map_err(Error::InvalidCertificate);
        }
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(leaf)?,
            &self.roots.store,
            between,
            now,
            self.algorithms.all,
        )
    }

    /// Whoever shows a certificate without its key is refused. webpki cannot read every certificate that a
    /// server has whose name nobody asks for: of such a one it stays unknown.
    fn signed(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match verified {
            Ok(valid) => {
                self.holds_key.store(true, Ordering::Relaxed);
                Ok(valid)
            }
            Err(error @ Error::InvalidCertificate(CertificateError::BadSignature)) => Err(error),
            Err(_) if self.check == Check::Nothing => Ok(HandshakeSignatureValid::assertion()),
            Err(error) => Err(error),
        }
    }

    fn check_name(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        let verified = verify_server_name(&ParsedCertificate::try_from(leaf)?, name);
        // As libpq: the common name counts only if there are no alternative names at all.
        match self.seen.get() {
            Some(facts) if facts.common_name_fits(&self.host) => Ok(()),
            _ => verified,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("check", &self.check)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.check != Check::Nothing {
            let facts = x509::facts(leaf)
                .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
            let _ = self.seen.set(facts);
            self.check_chain(leaf, between, now)?;
        }
        if self.check == Check::ChainAndName {
            self.check_name(leaf, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(verify_tls12_signature(
            message,
            cert,
            signed,
            &self.algorithms,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(verify_tls13_signature(
            message,
            cert,
            signed,
            &self.algorithms,
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
