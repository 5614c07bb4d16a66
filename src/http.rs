//! HTTP to the outside. Every call that leaves this program, an SDK's or another, goes the way that the
//! environment names: `HTTPS_PROXY`, `NO_PROXY`, `AWS_CA_BUNDLE`.

mod proxy;
mod sdk;

use std::path::Path;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::certificates;
use crate::error::{Error, Result, ResultExt};
use proxy::Proxies;

const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The way to the outside.
pub(crate) struct Outbound {
    proxies: Proxies,
    /// Of `AWS_CA_BUNDLE`.
    bundle: Option<Vec<CertificateDer<'static>>>,
}

/// Whose certificates an agent believes.
#[derive(Clone, Copy)]
pub(crate) enum Believes {
    /// As AWS's own tools: the bundle instead of the system's authorities, where there is one.
    AsAwsDoes,
    /// The system's authorities, and the bundle's.
    System,
}

impl Outbound {
    /// What cannot be used is `Usage`: to go another way than the one asked for could be worse than not
    /// to go.
    pub(crate) fn from_environment() -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name);
        let bundle = match variable(CA_BUNDLE).filter(|path| !path.is_empty()) {
            None => None,
            Some(path) => Some(bundle(Path::new(&path)).context(|| CA_BUNDLE.to_owned())?),
        };
        Ok(Self {
            proxies: Proxies::of(variable)?,
            bundle,
        })
    }

    /// How messages name the proxy that a URL is reached by: host, port and variable, no password.
    /// `None`: it is called directly.
    pub(crate) fn proxy_of(&self, url: &str) -> Option<String> {
        self.proxies.of_url(url).map(ToString::to_string)
    }

    /// For the SDKs of AWS.
    pub(crate) fn sdk_client(&self) -> Result<SharedHttpClient> {
        sdk::client(&self.proxies, self.bundle.as_deref())
    }

    /// For the few calls that no SDK makes, of one URL. A status is an answer, never an error;
    /// redirects are not followed. `timeout` is for a whole call.
    pub(crate) fn agent(&self, url: &str, timeout: Duration, believes: Believes) -> Result<Agent> {
        let proxy = self.proxies.of_url(url).map(|proxy| {
            let made = ureq::Proxy::new(&proxy.url);
            made.map_err(|_| proxy::unusable(proxy.name))
        });
        let proxy = proxy.transpose()?;
        let roots = roots(self.bundle.as_deref(), believes);
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .max_redirects(0)
            .http_status_as_error(false)
            // Else it reads the environment by rules of its own.
            .proxy(proxy);
        Ok(config.build().into())
    }
}

fn bundle(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = certificates::usable(certificates::read(path)?);
    match found.is_empty() {
        false => Ok(found),
        true => {
            let what = format!("{} holds no authority that TLS can use", path.display());
            Err(Error::usage(what).hint("it must be PEM, with the authority's own certificate"))
        }
    }
}

/// Built-in ones where the system has none.
fn roots(bundle: Option<&[CertificateDer<'static>]>, believes: Believes) -> RootCerts {
    let mut believed = bundle.map(<[_]>::to_vec).unwrap_or_default();
    if believed.is_empty() || matches!(believes, Believes::System) {
        believed.extend(certificates::of_system());
    }
    if believed.is_empty() {
        return RootCerts::WebPki;
    }
    let believed = believed
        .iter()
        .map(|one| Certificate::from_der(one).to_owned());
    RootCerts::from(believed.collect::<Vec<_>>())
}

/// What to do about a call that got no answer, where its error is of the way to the outside.
pub(crate) fn hint_on(error: &str) -> Option<&'static str> {
    // The words of hyper-util, ureq and rustls.
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["tunnel error", "CONNECT proxy"]) {
        return Some(
            "is the proxy that HTTPS_PROXY names up, does it take the user and password given there, and does it let \
             this host through? NO_PROXY names hosts that are called directly",
        );
    }
    says(&["invalid peer certificate"]).then_some(
        "does this machine know the authority that signed it? AWS_CA_BUNDLE=FILE names the PEM file of one, such as \
         that of a store or of a proxy that opens TLS",
    )
}
