//! Proxies, as `HTTPS_PROXY` and `NO_PROXY` name them.

use std::ffi::OsString;
use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;
use ureq::http::Uri;

use crate::error::{Error, Result};

/// The one that is set first counts, empty or not, as for the AWS CLI.
const HTTPS_NAMES: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
/// In lower case alone, as curl reads it: a server may set `HTTP_PROXY` from a request's header.
const HTTP_NAMES: [&str; 1] = ["http_proxy"];
const DIRECT_NAMES: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Never through a proxy: this machine itself, and where AWS hands out credentials to it (EC2's
/// instance metadata, ECS, EKS), which are nobody else's to see.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,fd00:ec2::/32";

pub(super) struct Proxy {
    /// As in the environment.
    pub name: &'static str,
    /// With scheme; may hold a password.
    pub url: String,
    /// `proxy.example.com:3128`
    shown: String,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.shown, self.name)
    }
}

pub(super) struct Proxies {
    /// For `https://`.
    pub https: Option<Proxy>,
    /// For `http://`.
    pub http: Option<Proxy>,
    /// What is called directly, as the library reads it.
    pub direct: String,
    matcher: Matcher,
}

impl Proxies {
    /// `variable` reads the environment.
    pub(super) fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let https = proxy(&HTTPS_NAMES, &variable)?;
        let http = proxy(&HTTP_NAMES, &variable)?;
        let mut direct = THIS_MACHINE.to_owned();
        if let Some((name, list)) = first(&DIRECT_NAMES, &variable) {
            let list = list.to_str().ok_or_else(|| {
                Error::usage(format!("{name} is no text"))
                    .hint("write host names, joined by commas")
            })?;
            for one in list.split([',', ' ']).map(str::trim) {
                // A name stands for all below it; `*.` in front of it is a habit.
                direct.push(',');
                direct.push_str(
                    one.strip_prefix('*')
                        .filter(|rest| !rest.is_empty())
                        .unwrap_or(one),
                );
            }
        }
        let url = |proxy: &Option<Proxy>| proxy.as_ref().map_or("", |proxy| &proxy.url).to_owned();
        let matcher = Matcher::builder()
            .https(url(&https))
            .http(url(&http))
            .no(direct.as_str())
            .build();
        Ok(Self {
            https,
            http,
            direct,
            matcher,
        })
    }

    /// By which a URL is reached; `None`: directly.
    pub(super) fn of_url(&self, url: &str) -> Option<&Proxy> {
        let uri: Uri = url.parse().ok()?;
        self.matcher.intercept(&uri)?;
        match uri.scheme_str() {
            Some("http") => self.http.as_ref(),
            _ => self.https.as_ref(),
        }
    }
}

fn first(
    names: &[&'static str],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<(&'static str, OsString)> {
    let mut set = names
        .iter()
        .filter_map(|name| Some((*name, variable(name)?)));
    set.next()
}

fn proxy(
    names: &[&'static str],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Proxy>> {
    let Some((name, value)) = first(names, variable).filter(|(_, value)| !value.is_empty()) else {
        return Ok(None);
    };
    let read = value.to_str().and_then(|text| read(name, text));
    read.map(Some).ok_or_else(|| unusable(name))
}

fn read(name: &'static str, text: &str) -> Option<Proxy> {
    let url = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let uri: Uri = url.parse().ok()?;
    let (authority, host) = (uri.authority()?.as_str(), uri.host()?);
    let host_and_port = authority.rsplit('@').next()?;
    // The parser takes any text for a port.
    let port = host_and_port.strip_prefix(host)?;
    let sound_port = port.is_empty() || uri.port_u16().is_some();
    if !matches!(uri.scheme_str(), Some("http" | "https")) || host.is_empty() || !sound_port {
        return None;
    }
    // What the library does not take it would leave out, and go directly.
    let anywhere = Uri::from_static("https://example.com/");
    let taken = Matcher::builder().all(url.as_str()).build();
    let shown = taken.intercept(&anywhere)?.uri().authority()?.to_string();
    Some(Proxy { name, url, shown })
}

/// The value may hold a password, and is not shown.
pub(super) fn unusable(name: &str) -> Error {
    Error::usage(format!("{name} names no proxy that lifeboat can use")).hint(
        "write http://host:port or https://host:port, with user:password@ in front of the host where the proxy asks \
         for them; SOCKS is not supported",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(set: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::of(|name| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn way(set: &[(&str, &str)], url: &str) -> String {
        let proxies = proxies(set).unwrap();
        let proxy = proxies.of_url(url).map(ToString::to_string);
        proxy.unwrap_or_else(|| "direct".to_owned())
    }

    const AWS: &str = "https://kms.eu-central-1.amazonaws.com/";
    const STORE: &str = "http://store.example.com:9000/bucket";

    #[test]
    fn each_scheme_has_its_variable_and_lower_case_wins() {
        let one = ("HTTPS_PROXY", "http://one:3128");
        assert_eq!(way(&[], AWS), "direct");
        assert_eq!(way(&[one], AWS), "one:3128 (HTTPS_PROXY)");
        assert_eq!(way(&[one], STORE), "direct");
        let two = ("https_proxy", "two:8080");
        assert_eq!(way(&[one, two], AWS), "two:8080 (https_proxy)");
        assert_eq!(way(&[one, ("https_proxy", "")], AWS), "direct");
        assert_eq!(way(&[("HTTP_PROXY", "http://one:1")], STORE), "direct");
        let http = ("http_proxy", "https://secure.example.com/");
        assert_eq!(way(&[http], STORE), "secure.example.com (http_proxy)");
        assert_eq!(way(&[http], AWS), "direct");
    }

    #[test]
    fn what_no_proxy_names_is_called_directly() {
        for (list, url, direct) in [
            ("amazonaws.com", AWS, true),
            (".amazonaws.com", AWS, true),
            ("*.amazonaws.com", AWS, true),
            ("other.com amazonaws.com", AWS, true),
            ("*", AWS, true),
            ("aws.com", AWS, false),
            ("s3.amazonaws.com", AWS, false),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("", AWS, false),
        ] {
            for name in ["no_proxy", "NO_PROXY"] {
                let set = [("HTTPS_PROXY", "http://p:1"), (name, list)];
                assert_eq!(way(&set, url) == "direct", direct, "{name}={list} {url}");
            }
        }
    }

    #[test]
    fn credentials_of_this_machine_are_never_fetched_through_a_proxy() {
        let set = [
            ("HTTPS_PROXY", "http://p:1"),
            ("http_proxy", "http://p:1"),
            ("NO_PROXY", "x"),
        ];
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/latest/meta-data/",
            "http://169.254.170.2/v2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://localhost:51679/",
            "http://127.0.0.1:51679/",
            "https://[::1]:51679/",
        ] {
            assert_eq!(way(&set, url), "direct", "{url}");
        }
        assert_eq!(way(&set, "http://169.255.0.1/"), "p:1 (http_proxy)");
    }

    #[test]
    fn what_names_no_proxy_is_refused_without_its_password() {
        for value in [
            "socks5://user:secret@host:1080",
            "ftp://user:secret@host",
            "http://",
            "http://user:secret@",
            "http://user:secret@host:port",
            "http://us er:secret@host:1",
        ] {
            let Err(error) = proxies(&[("https_proxy", value)]) else {
                panic!("{value} is taken");
            };
            let said = format!("{} {}", error.chain(), error.advice());
            assert!(
                said.contains("https_proxy") && !said.contains("secret"),
                "{said}"
            );
        }
        let set = [(
            "HTTPS_PROXY",
            "http://user:se%2Fcret@proxy.example.com:3128",
        )];
        assert_eq!(way(&set, AWS), "proxy.example.com:3128 (HTTPS_PROXY)");
    }
}
