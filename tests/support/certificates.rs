//! Certificates of the tests' own making.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub enum Span {
    Now,
    /// Until the end of 2020.
    Past,
    /// From 3000 on.
    Future,
}

/// An authority.
pub struct Authority {
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Self {
            name: name.to_owned(),
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    /// Writes its certificate into a folder.
    pub fn save(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.pem", self.name));
        fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// A server's certificate and key for these alternative names.
    pub fn issue(&self, names: &[&str], span: Span) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = match span {
            Span::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(3000, 1, 1)),
            Span::Past => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
            Span::Future => (date_time_ymd(3000, 1, 1), date_time_ymd(3001, 1, 1)),
        };
        self.sign(&params)
    }

    /// One with a common name only, as older guides make it.
    pub fn issue_common_name(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }
}

/// What `openssl req -new -x509 -subj /CN=host` makes: its own authority, no alternative names.
pub fn self_signed(host: &str) -> (String, String) {
    let authority = Authority::new(host);
    let key = authority.issuer.key().serialize_pem();
    (authority.issuer.pem(), key)
}
