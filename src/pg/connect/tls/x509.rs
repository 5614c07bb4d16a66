//! The few facts of a certificate that rustls does not give.

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::{rfc4519, rfc5912};
use x509_cert::der::{Decode as _, asn1};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub common_name: Option<String>,
    /// DNS names and addresses among the alternative names.
    pub alternative: Vec<String>,
    pub issuer: String,
    pub not_after: String,
}

impl Facts {
    /// For error messages.
    pub(super) fn names_text(&self) -> String {
        let common = self
            .common_name
            .iter()
            .filter(|_| self.alternative.is_empty());
        let names = self.alternative.iter().chain(common);
        names
            .map(|name| format!("{name:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Whether the common name stands for the host, as libpq has it.
    pub(super) fn common_name_fits(&self, host: &str) -> bool {
        let Some(name) = &self.common_name else {
            return false;
        };
        if !self.alternative.is_empty() {
            return false;
        }
        if let Some(domain) = name.strip_prefix("*.") {
            let is_address = host.parse::<std::net::IpAddr>().is_ok();
            return !is_address
                && host.split_once('.').is_some_and(|(first, rest)| {
                    !first.is_empty() && rest.eq_ignore_ascii_case(domain)
                });
        }
        name.eq_ignore_ascii_case(host)
    }
}

/// Reads a certificate's facts; `None` where it is not one.
pub(super) fn facts(der: &CertificateDer<'_>) -> Option<Facts> {
    let cert = Certificate::from_der(der).ok()?;
    let body = &cert.tbs_certificate;
    let alternative = match body.get::<SubjectAltName>() {
        Ok(Some((_, names))) => names.0.iter().filter_map(general_name).collect(),
        _ => Vec::new(),
    };
    Some(Facts {
        common_name: common_name(&body.subject),
        alternative,
        issuer: body.issuer.to_string(),
        not_after: body.validity.not_after.to_date_time().to_string(),
    })
}

fn general_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
            let v6 = <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn common_name(subject: &Name) -> Option<String> {
    let mut attributes = subject.0.iter().flat_map(|part| part.0.iter());
    let value = &attributes.find(|one| one.oid == rfc4519::CN)?.value;
    let utf8 = value.decode_as::<asn1::Utf8StringRef<'_>>();
    let printable = value.decode_as::<asn1::PrintableStringRef<'_>>();
    let utf8 = utf8.map(|text| text.as_str().to_owned());
    utf8.or_else(|_| printable.map(|text| text.as_str().to_owned()))
        .ok()
}

/// Whether the certificate's own dates include `now`.
pub(super) fn valid_at(der: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let cert = Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let validity = &cert.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet);
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired);
    }
    Ok(())
}

/// RFC 5929: the certificate's hash by its own signature's hash, at least SHA-256. `None` where
/// the signature names no hash, as with Ed25519.
pub(super) fn end_point_hash(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    const SHA1_RSA: ObjectIdentifier = rfc5912::SHA_1_WITH_RSA_ENCRYPTION;
    let cert = Certificate::from_der(der).ok()?;
    match cert.signature_algorithm.oid {
        SHA1_RSA | rfc5912::SHA_256_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_256 => {
            Some(Sha256::digest(der).to_vec())
        }
        rfc5912::SHA_384_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_384 => {
            Some(Sha384::digest(der).to_vec())
        }
        rfc5912::SHA_512_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_512 => {
            Some(Sha512::digest(der).to_vec())
        }
        _ => None,
    }
}
