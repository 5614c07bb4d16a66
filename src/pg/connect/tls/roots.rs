//! Which certificate authorities are trusted.

use std::collections::HashSet;
use std::io::Write as _;

use pem_rfc7468::LineEnding;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tempfile::NamedTempFile;

use crate::certificates;
use crate::error::{Error, Result, ResultExt};
use crate::pg::connect::server::RootCert;

/// Amazon's authorities for RDS, so that verify-full works without a download.
const RDS: &[u8] = include_bytes!("../rds-ca.pem");

#[derive(Debug)]
pub(crate) struct Roots {
    pub store: RootCertStore,
    /// Certificates that are trusted by themselves: a self-signed server certificate may be
    /// named as its own root.
    pub exact: HashSet<CertificateDer<'static>>,
    /// In words, for messages.
    pub from: String,
}

impl Roots {
    /// Trusts nobody.
    pub(crate) fn none() -> Self {
        Self {
            store: RootCertStore::empty(),
            exact: HashSet::new(),
            from: "none".to_owned(),
        }
    }
}

pub(crate) fn load(which: &RootCert) -> Result<Roots> {
    let (found, from) = match which {
        RootCert::File(path) => (
            certificates::read(path)?,
            format!("only those in {}", path.display()),
        ),
        RootCert::Default => {
            let mut all = certificates::parse(RDS)
                .context(|| "the RDS authorities shipped with lifeboat".to_owned())?;
            // A machine without any still reaches RDS.
            all.extend(certificates::of_system());
            (all, "the system's authorities and those of RDS".to_owned())
        }
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.iter().cloned());
    let exact = match which {
        RootCert::File(_) => found.into_iter().collect(),
        RootCert::Default => HashSet::new(),
    };
    Ok(Roots { store, exact, from })
}

/// Writes the default authorities to a file, for libpq.
pub(crate) fn to_file() -> Result<NamedTempFile> {
    let what = || "writing root certificates to a temporary file".to_owned();
    let mut file = tempfile::Builder::new()
        .prefix("lifeboat-roots-")
        .suffix(".pem")
        .tempfile()
        .context(what)?;
    file.write_all(RDS).context(what)?;
    for cert in certificates::of_system() {
        let pem = pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, &cert)
            .map_err(|error| Error::failed(what()).because(Error::failed(error.to_string())))?;
        file.write_all(pem.as_bytes()).context(what)?;
    }
    file.flush().context(what)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_shipped_authority_can_be_trusted() {
        let shipped = certificates::parse(RDS).unwrap();
        let count = shipped.len();
        let mut store = RootCertStore::empty();
        assert_eq!(store.add_parsable_certificates(shipped), (count, 0));
        assert!(count > 80, "{count}");
    }

    #[test]
    fn what_libpq_gets_is_what_we_trust() {
        let file = to_file().unwrap();
        let (written, ours) = (
            certificates::read(file.path()).unwrap(),
            load(&RootCert::Default).unwrap(),
        );
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(written);
        assert_eq!(store.len(), ours.store.len());
    }
}
