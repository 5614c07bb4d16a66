//! Why a TLS handshake failed, in words: which host, which sslmode, what, and what to do.

use std::io;

use rustls::CertificateError as Bad;

use super::x509::Facts;
use crate::error::{Error, Kind};
use crate::pg::connect::server::SslMode;

/// The server, as an error about TLS names it.
#[derive(Clone)]
pub(super) struct Peer {
    pub host: String,
    pub mode: SslMode,
    /// The trusted authorities, in words.
    pub roots: String,
}

/// The error of a handshake; `seen` is what the server's certificate said, where it was read.
pub(super) fn handshake(peer: &Peer, seen: Option<&Facts>, error: io::Error) -> Error {
    let what = format!("TLS to {} (sslmode={})", peer.host, peer.mode);
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(bad)) => {
            let (cause, hint) = certificate(peer, seen, bad);
            Error::new(Kind::Untrusted, format!("{what}: {cause}")).hint(hint)
        }
        Some(other) => Error::new(Kind::Failed, format!("{what}: {other}"))
            .hint("the server's log may say more"),
        None => Error::new(Kind::Unavailable, what)
            .because(error)
            .hint("is this a PostgreSQL server with TLS, and not another service?"),
    }
}

fn certificate(peer: &Peer, seen: Option<&Facts>, bad: &Bad) -> (String, &'static str) {
    let fact = |text: &dyn Fn(&Facts) -> String| seen.map(text).unwrap_or_default();
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => (
            format!(
                "a certificate has expired{}",
                fact(&|seen| format!(" (the server's is valid until {})", seen.not_after))
            ),
            "renew the server's certificate, and check this machine's clock",
        ),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => (
            "the certificate is not valid yet".to_owned(),
            "check this machine's clock",
        ),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => (
            format!(
                "the certificate is not for this host{}",
                fact(&|seen| format!(", but for {}", seen.names_text()))
            ),
            "connect by a name in the certificate; hostaddr gives its address where DNS does not",
        ),
        Bad::UnknownIssuer => (
            format!(
                "the certificate was issued by an unknown authority{}; trusted are {}",
                fact(&|seen| format!(", {:?}", seen.issuer)),
                peer.roots
            ),
            "name the file with the authority's certificate in sslrootcert",
        ),
        Bad::BadSignature => (
            "a signature is false: the authority's on the certificate, or the one that proves that the server \
             holds the certificate's key"
                .to_owned(),
            "somebody may sit between this machine and the server",
        ),
        other => (
            format!("the certificate is not acceptable: {other:?}"),
            "it must be X.509 version 3, for a server, with a signature newer than SHA-1",
        ),
    }
}
