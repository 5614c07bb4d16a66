//! What `init` was asked for, and what it writes into its texts.

use std::path::PathBuf;

use crate::model::digest::Sha256;
use crate::model::lock::LockPolicy;
use crate::sign::Fingerprint;

pub(crate) struct Options {
    /// Where the configuration goes.
    pub config: PathBuf,
    /// Where keys and sheet go.
    pub keys_dir: PathBuf,
    pub lock: LockPolicy,
    pub max_lock_days: u32,
    /// A KMS key that signs manifests; `None`: a new key in a file.
    pub kms_signing: Option<KmsSigning>,
    /// Keys of the configuration's `[repository]` besides `url`, with their values.
    pub repository_lines: Vec<(String, String)>,
    /// Sources to begin with.
    pub sources: Vec<NewSource>,
}

/// A signing key that KMS keeps.
pub(crate) struct KmsSigning {
    pub arn: String,
    pub fingerprint: Fingerprint,
}

/// A source to be written into the configuration.
pub(crate) struct NewSource {
    pub name: String,
    /// Without a password.
    pub url: String,
    /// `None`: all.
    pub database: Option<String>,
}

/// What the texts are filled with.
pub(super) struct Facts<'a> {
    pub url: &'a str,
    pub repository_id: &'a str,
    pub fingerprint: &'a str,
    pub recipient: &'a str,
    pub script_sha256: Sha256,
    /// What the configuration says.
    pub signing_key: &'a str,
    pub options: &'a Options,
    pub made_on: String,
}
