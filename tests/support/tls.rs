//! TLS before servers that speak none.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::certificates::{Authority, Span};

/// Accepts as `host`, by a certificate of this authority.
pub fn acceptor(authority: &Authority, host: &str) -> TlsAcceptor {
    let (chain, key) = authority.issue(&[host], Span::Now);
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// `https://localhost:port` before an HTTP server at `host:port`, as long as the runtime lives.
pub async fn before(server: &str, authority: &Authority) -> String {
    let address = before_as("localhost", server, authority).await;
    address.replace("127.0.0.1", "https://localhost")
}

/// The same under any name; returns `127.0.0.1:port`.
pub async fn before_as(host: &str, server: &str, authority: &Authority) -> String {
    let (server, acceptor) = (server.to_owned(), acceptor(authority, host));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, acceptor) = (server.clone(), acceptor.clone());
            tokio::spawn(async move {
                // Who does not trust us goes away.
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut server = TcpStream::connect(server).await.unwrap();
                // A side that closes early is its own affair.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}
