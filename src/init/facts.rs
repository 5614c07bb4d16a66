//! What `init` was asked for, and what it made.

use std::path::PathBuf;

use serde::Serialize;

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

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub repository: String,
    pub repository_id: String,
    /// Whether the repository was there already; keys and configuration were added for it.
    pub existed: bool,
    pub config: PathBuf,
    pub identity: PathBuf,
    /// Path of the file, or a KMS key's ARN.
    pub signing_key: String,
    /// Where the key is under which exports know stored rows again.
    pub reuse_key: PathBuf,
    pub sheet: PathBuf,
    /// What `--trust` takes.
    pub fingerprint: String,
    pub recipient: String,
    /// SHA-256 of the restore.sh in every restore point of this version.
    pub script_sha256: Sha256,
    /// Whether the lock of a canary was seen to refuse its deletion; `None`: nothing locks here.
    pub lock_held: Option<bool>,
    /// What the trial of the store did not prove, or what it costs.
    pub notes: Vec<String>,
}
