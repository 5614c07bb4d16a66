//! What a run that copies snapshots is given.

use crate::aws::Account;
use crate::model::lock::LockPolicy;
use crate::repository::Repository;
use crate::sign::{Signer, Trust};
use crate::snapshot::source::Source;
use crate::snapshot::wait::WaitLimits;

pub struct Options {
    pub sources: Vec<Source>,
    /// A new snapshot for every copy.
    pub take_new: bool,
    /// ARN of the backup account's key, in the region where copies lie.
    pub kms_key: String,
    /// ARN of the key that makes a snapshot shareable.
    pub share_key: String,
    pub limits: WaitLimits,
    /// Only plan, change nothing.
    pub dry_run: bool,
}

/// Writes records of settings, which no snapshot carries.
pub struct RecordWriter<'a> {
    pub repository: &'a Repository,
    pub signer: &'a Signer,
    /// Pinned verification keys; the signer's must be among them.
    pub trust: &'a Trust,
    pub lock: LockPolicy,
    pub max_lock_days: u32,
}

#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    /// In the region of the databases.
    pub source: &'a Account,
    /// In the region where copies lie.
    pub backup: &'a Account,
}
