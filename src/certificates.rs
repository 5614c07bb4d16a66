//! Certificate authorities in files and of this machine.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Error, Result, ResultExt};

/// All certificates of a PEM file; none is an error.
pub(crate) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let what = || format!("root certificate file {}", path.display());
    let bytes = std::fs::read(path).context(what)?;
    let found = parse(&bytes).context(what)?;
    if found.is_empty() {
        return Err(Error::usage(format!("{} holds no certificate", what()))
            .hint("it must be PEM: -----BEGIN CERTIFICATE-----"));
    }
    Ok(found)
}

pub(crate) fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::usage(format!("not PEM: {error}")))
}

/// Those that TLS can use as authorities: bundles hold odd ones.
pub(crate) fn usable(found: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let usable = |one: &CertificateDer<'static>| RootCertStore::empty().add(one.clone()).is_ok();
    found.into_iter().filter(usable).collect()
}

/// The system's; a machine may have none.
pub(crate) fn of_system() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}
