//! Which way do calls to the store take?

use super::facts::Facts;
use super::finding::{Finding, Severity};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let finding = |proxy: &String| {
        Severity::Info.finding(
            "proxy",
            format!("{} is reached through the proxy {proxy}", facts.repository_url),
            "whoever runs it sees which hosts are called and can stop the calls; over https it can neither read nor \
             change them",
            "NO_PROXY names hosts that are called directly",
        )
    };
    facts.proxy.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_in_between_is_named() {
        assert_eq!(check(&Facts::none()), []);
        let facts = Facts {
            proxy: Some("proxy.example.com:3128 (HTTPS_PROXY)".to_owned()),
            ..Facts::none()
        };
        let found = check(&facts);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Info));
        assert!(
            found[0]
                .what
                .contains("proxy.example.com:3128 (HTTPS_PROXY)")
        );
    }
}
