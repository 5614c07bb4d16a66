//! `lifeboat snapshot copy`: the newest snapshot of each source, brought into the backup account.
//!
//! In the source account: an automated snapshot becomes a manual one, which alone can be shared,
//! under a key that can be shared. The backup account copies it under its own key; then the
//! sharing ends. Every step looks first whether it has been done: after a crash, or beside another
//! run, the same names lead to the same one copy.

mod choose;
mod job;
mod lend;
mod record;
mod verify;

use jiff::Timestamp;
use serde::Serialize;

use super::{Patience, Source};
use crate::aws::Account;
use crate::aws::rds::Rds;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::lock::LockPolicy;
use crate::model::snapshot::Kind;
use crate::outcome::Outcome;
use crate::repository::Repository;
use crate::sign::{Signer, Trust};

pub struct Options {
    pub sources: Vec<Source>,
    /// A new snapshot for every copy.
    pub take_new: bool,
    /// ARN of the backup account's key, in the region where copies lie.
    pub kms_key: String,
    /// ARN of the key that makes a snapshot shareable.
    pub share_key: String,
    pub patience: Patience,
    /// Look and plan, change nothing.
    pub dry_run: bool,
}

/// Where the settings of instances are kept, which no snapshot carries.
pub struct Records<'a> {
    pub repository: &'a Repository,
    pub signer: &'a Signer,
    /// Pinned verification keys; the signer's must be among them.
    pub trust: &'a Trust,
    pub lock: LockPolicy,
    pub max_lock_days: u32,
}

pub struct Means<'a> {
    /// In the region of the databases.
    pub source: &'a Account,
    /// In the region where copies lie.
    pub backup: &'a Account,
    /// `Err`: why no record can be kept. Copies are made all the same.
    pub records: std::result::Result<Records<'a>, &'a Error>,
    pub context: Context<'a>,
}

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub dry_run: bool,
    /// Copies that are in the backup account now, checked.
    pub copies: Vec<Copied>,
    /// With a dry run: what would be done.
    pub planned: Vec<Planned>,
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

/// A copy, by AWS's own word.
#[derive(Debug, Serialize)]
pub struct Copied {
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
pub struct Planned {
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

/// Both sides, as calls go to them.
pub(super) struct Sides {
    source: Rds,
    backup: Rds,
    /// The backup account in the databases' region, where it sees what is shared with it; `None`:
    /// that is where its copies lie.
    lobby: Option<Rds>,
}

/// Copies a snapshot of every source. One that fails does not stop the others; the report tells.
pub async fn run(means: &Means<'_>, options: &Options) -> Result<Report> {
    let sides = Sides {
        source: Rds::new(means.source),
        backup: Rds::new(means.backup),
        lobby: (means.source.region != means.backup.region)
            .then(|| Rds::new(&means.backup.in_region(&means.source.region))),
    };
    let mut report = Report {
        dry_run: options.dry_run,
        ..Report::default()
    };
    if let Err(error) = means.records
        && !options.dry_run
    {
        report.findings.push(format!(
            "the settings of instances cannot be recorded: {}",
            error.chain()
        ));
    }
    for source in &options.sources {
        means.context.interrupt.check()?;
        let mut job = job::Job::new(means, options, &sides, source);
        let done = job.run().await;
        let findings = std::mem::take(&mut job.findings);
        report.findings.extend(
            findings
                .into_iter()
                .map(|one| format!("{}: {one}", source.name)),
        );
        match done {
            Ok(job::Done::Copied(copied)) => report.copies.push(copied),
            Ok(job::Done::Planned(planned)) => report.planned.push(planned),
            Err(error) => report.failures.push(Failure {
                source: source.name.clone(),
                error: error.chain(),
                hint: error.advice().to_owned(),
            }),
        }
    }
    Ok(report)
}
