//! TLS to PostgreSQL with libpq's sslmodes, over rustls.

pub mod roots;
mod stream;
mod verify;
mod x509;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::TlsConnect;
use tokio_rustls::TlsConnector;

use super::conninfo::{RootCert, Server, SslMode};
use crate::error::{Error, Kind, Result};

pub use stream::PgTlsStream;
use verify::{Check, Verifier};

/// Makes one TLS connection to one server.
pub struct Connector {
    /// Absent where TLS is not wanted.
    tls: Option<Tls>,
}

struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    place: Place,
    seen: verify::Seen,
}

/// What an error about TLS names.
#[derive(Clone)]
struct Place {
    host: String,
    mode: SslMode,
    roots: String,
}

impl Connector {
    /// Reads the roots that the server's sslmode needs; none where `wanted` is false.
    pub fn new(server: &Server, wanted: bool) -> Result<Self> {
        if !wanted || server.is_socket() {
            return Ok(Self { tls: None });
        }
        let name = ServerName::try_from(server.host.clone()).map_err(|error| {
            Error::usage(format!("{:?} cannot be a host name", server.host)).because(error)
        })?;
        let check = match (server.ssl, &server.root_cert) {
            (SslMode::VerifyFull, _) => Check::ChainAndName,
            // libpq: a root certificate at hand turns require into verify-ca.
            (SslMode::VerifyCa, _) | (SslMode::Require, RootCert::File(_)) => Check::Chain,
            _ => Check::Nothing,
        };
        let roots = match check {
            Check::Nothing => roots::Roots::none(),
            _ => roots::load(&server.root_cert)?,
        };
        let place = Place {
            host: server.host.clone(),
            mode: server.ssl,
            roots: roots.describe(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = verify::Seen::default();
        let verifier = Verifier::new(check, roots, &server.host, &provider, Arc::clone(&seen));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::failed("preparing TLS").because(error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self {
            tls: Some(Tls {
                config: Arc::new(config),
                name,
                place,
                seen,
            }),
        })
    }
}

impl<S> TlsConnect<S> for Connector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = PgTlsStream<S>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<PgTlsStream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let Some(tls) = self.tls else {
                return Err(Error::failed("TLS was not prepared for this connection"));
            };
            TlsConnector::from(tls.config)
                .connect(tls.name, stream)
                .await
                .map(PgTlsStream::new)
                .map_err(|error| handshake_error(&tls.place, &tls.seen, error))
        })
    }
}

fn handshake_error(place: &Place, seen: &verify::Seen, error: std::io::Error) -> Error {
    use rustls::CertificateError as Bad;
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(inner) = inner else {
        return Error::new(
            Kind::Unavailable,
            "the connection was lost during the TLS handshake",
        )
        .because(error)
        .hint("is this a PostgreSQL server with TLS, and not another service?");
    };
    let cert = seen.get();
    let (cause, hint) = match inner {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => (
            format!("the certificate has expired{}", cert.map_or(String::new(), |c| format!(", on {}", c.not_after))),
            "renew the server's certificate, and check this machine's clock".to_owned(),
        ),
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => (
            "the certificate is not valid yet".to_owned(),
            "check this machine's clock".to_owned(),
        ),
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => (
            format!(
                "the certificate is not for this host, but for {}",
                cert.map_or_else(|| "others".to_owned(), x509::Facts::names_text)
            ),
            "connect by a name in the certificate; hostaddr gives the address where DNS does not know it".to_owned(),
        ),
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => (
            format!(
                "the certificate was issued by an unknown authority{}; trusted are {}",
                cert.map_or(String::new(), |c| format!(", {:?}", c.issuer)),
                place.roots
            ),
            "name the authority's certificate file with sslrootcert".to_owned(),
        ),
        other => (
            other.to_string(),
            "the server's log may say more".to_owned(),
        ),
    };
    Error::new(
        Kind::Untrusted,
        format!("TLS to {} (sslmode={}): {cause}", place.host, place.mode),
    )
    .hint(hint)
}
