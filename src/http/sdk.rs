//! The HTTP client of the SDKs: through a proxy where there is one, over TLS to the end.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::{ProxyConfig, ProxyError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use pem_rfc7468::LineEnding;
use rustls::pki_types::CertificateDer;

use super::proxy::{Proxies, Proxy, unusable};
use crate::error::{Error, Result};

pub(super) fn client(
    proxies: &Proxies,
    bundle: Option<&[CertificateDer<'static>]>,
) -> Result<SharedHttpClient> {
    Ok(SharedHttpClient::new(Client {
        https: config(proxies, proxies.https.as_ref(), ProxyConfig::https)?,
        http: config(proxies, proxies.http.as_ref(), ProxyConfig::http)?,
        tls: tls(bundle)?,
        connectors: Mutex::default(),
    }))
}

fn config(
    proxies: &Proxies,
    proxy: Option<&Proxy>,
    make: impl Fn(String) -> Result<ProxyConfig, ProxyError>,
) -> Result<ProxyConfig> {
    let Some(proxy) = proxy else {
        return Ok(ProxyConfig::disabled());
    };
    let made = make(proxy.url.clone()).map_err(|_| unusable(proxy.name))?;
    Ok(made.no_proxy(&proxies.direct))
}

/// The bundle's authorities instead of the system's, where there is a bundle.
fn tls(bundle: Option<&[CertificateDer<'static>]>) -> Result<TlsContext> {
    let Some(bundle) = bundle else {
        return Ok(TlsContext::default());
    };
    let what = || "the authorities of AWS_CA_BUNDLE".to_owned();
    let mut trust = TrustStore::empty();
    for one in bundle {
        let pem = pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, one);
        let pem = pem.map_err(|why| Error::failed(format!("{}: {why}", what())))?;
        trust.add_pem_certificate(pem);
    }
    let context = TlsContext::builder().with_trust_store(trust).build();
    context.map_err(|why| Error::failed(what()).because(why))
}

type Timeouts = (Option<Duration>, Option<Duration>);

/// One proxy is all that the library's connector knows: there is one for each scheme.
struct Client {
    https: ProxyConfig,
    http: ProxyConfig,
    tls: TlsContext,
    /// Each keeps connections; calls with the same timeouts share one.
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

/// A proxy's URL may hold a password.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(…)")
    }
}

impl Client {
    fn connector(
        &self,
        proxy: &ProxyConfig,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> Connector {
        let mut builder = Connector::builder()
            .connector_settings(settings.clone())
            .proxy_config(proxy.clone())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(self.tls.clone());
        builder.set_sleep_impl(components.sleep_impl());
        builder.build()
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self
            .connectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(timeouts).or_insert_with(|| {
            SharedHttpConnector::new(ByScheme {
                https: self.connector(&self.https, settings, components),
                http: self.connector(&self.http, settings, components),
            })
        });
        connector.clone()
    }
}

#[derive(Debug)]
struct ByScheme {
    https: Connector,
    http: Connector,
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match request.uri().starts_with("http://") {
            true => self.http.call(request),
            false => self.https.call(request),
        }
    }
}
