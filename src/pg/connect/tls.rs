//! TLS to PostgreSQL with libpq's sslmodes, over rustls.

mod failure;
pub(crate) mod roots;
mod stream;
mod verify;
mod x509;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::TlsConnect;
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result};
use crate::pg::connect::server::{RootCert, Server, SslMode};
use crate::pg::session::tap::Rows;

use failure::Peer;
use stream::PgTlsStream;
use verify::{Check, Verifier};

/// Makes one TLS connection to one server.
pub(crate) struct Connector {
    /// Absent where TLS is not wanted.
    tls: Option<Tls>,
    rows: Rows,
}

struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    peer: Peer,
    seen: verify::Seen,
    holds_key: Arc<AtomicBool>,
}

impl Connector {
    /// Reads the roots that the server's sslmode needs; none where `wanted` is false. `rows` of
    /// COPY are taken off what was decrypted.
    pub(crate) fn new(server: &Server, wanted: bool, rows: Rows) -> Result<Self> {
        if !wanted || server.is_socket() {
            return Ok(Self { tls: None, rows });
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
        let peer = Peer {
            host: server.host.clone(),
            mode: server.ssl,
            roots: roots.from.clone(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (seen, holds_key) = (verify::Seen::default(), Arc::default());
        let verifier = Verifier {
            check,
            roots,
            host: server.host.clone(),
            algorithms: provider.signature_verification_algorithms,
            seen: Arc::clone(&seen),
            holds_key: Arc::clone(&holds_key),
        };
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
                peer,
                seen,
                holds_key,
            }),
            rows,
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
                .map(|stream| {
                    PgTlsStream::new(stream, self.rows, tls.holds_key.load(Ordering::Relaxed))
                })
                .map_err(|error| failure::handshake(&tls.peer, tls.seen.get(), error))
        })
    }
}
