//! HTTP for the few calls that no SDK makes.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Trusts the system's authorities, as the SDKs do, and built-in ones where it has none. A status is
/// an answer, never an error; redirects are not followed.
///
/// `timeout` is for a whole call. Proxies such as `HTTPS_PROXY` are used only where `proxies` says so.
pub(crate) fn agent(timeout: Duration, proxies: bool) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .tls_config(TlsConfig::builder().root_certs(roots()).build())
        .max_redirects(0)
        .http_status_as_error(false);
    if !proxies {
        config = config.proxy(None);
    }
    config.build().into()
}

fn roots() -> RootCerts {
    let system = rustls_native_certs::load_native_certs().certs;
    if system.is_empty() {
        return RootCerts::WebPki;
    }
    let system = system
        .iter()
        .map(|one| Certificate::from_der(one).to_owned());
    RootCerts::from(system.collect::<Vec<_>>())
}
