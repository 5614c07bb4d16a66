//! What is copied and how, and what came of it.

use jiff::Timestamp;
use serde::Serialize;

use crate::aws::Account;
use crate::model::lock::LockPolicy;
use crate::model::snapshot::Kind;
use crate::outcome::Outcome;
use crate::repository::Repository;
use crate::sign::{Signer, Trust};
use crate::snapshot::{Source, WaitLimits};

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

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub dry_run: bool,
    /// Copies that are in the backup account now, checked.
    pub copies: Vec<CopiedSnapshot>,
    /// With a dry run: what would be done.
    pub planned: Vec<PlannedCopy>,
    /// Sources without a copy of this run.
    pub failures: Vec<Failure>,
    /// What needs the attention of a person, one line each; any makes the exit code 3.
    pub findings: Vec<String>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.failures.len(), self.findings.len())
    }
}

/// A copy, as AWS describes it.
#[derive(Debug, Serialize)]
pub struct CopiedSnapshot {
    pub source: String,
    pub kind: Kind,
    /// Of the instance or cluster.
    pub identifier: String,
    /// As a restore point.
    pub id: String,
    /// The original snapshot's name.
    pub snapshot: String,
    pub taken_at: Timestamp,
    /// The copy's name in the backup account.
    pub copy: String,
    pub copy_arn: String,
    pub region: String,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub engine: String,
    pub engine_version: String,
    pub allocated_gib: u64,
    /// An earlier run had made it.
    pub was_there: bool,
    /// The settings of the instance or cluster are in the repository.
    pub recorded: bool,
    pub seconds: f64,
}

/// What a run would do for one source.
#[derive(Debug, Serialize)]
pub struct PlannedCopy {
    pub source: String,
    pub kind: Kind,
    pub identifier: String,
    /// The original snapshot; `null`: a new one would be taken.
    pub snapshot: Option<String>,
    pub taken_at: Option<Timestamp>,
    /// It lies under a key of AWS's own and would be brought under another one first.
    pub re_encrypted: Option<bool>,
    /// The copy's name; `null`: it follows from when the new snapshot will have been taken.
    pub copy: Option<String>,
    /// The copy is there.
    pub was_there: bool,
}

#[derive(Debug, Serialize)]
pub struct Failure {
    pub source: String,
    pub error: String,
    pub hint: String,
}
