//! `lifeboat snapshot copy`: the newest snapshot of each source, brought into the backup account.
//!
//! RDS shares only manual snapshots whose key can be shared too. So the source account first copies
//! the automated snapshot to such a manual one and shares it; the backup account copies that under
//! its own key; then the sharing ends. Every step first checks whether it is already done: names are
//! deterministic, so a run after a crash, or a concurrent one, makes no second copy.

mod choose;
mod job;
mod record;
mod report;
mod share;
mod verify;

use super::{Source, WaitLimits};
use crate::aws::Account;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::lock::LockPolicy;
use crate::repository::Repository;
use crate::sign::{Signer, Trust};

use job::{Clients, Job, JobResult};
pub use report::Report;
pub(crate) use report::{CopiedSnapshot, Failure, PlannedCopy};

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

/// Copies the newest snapshot of every source. A source that fails is reported; the others go on.
/// `records` is `Err` if instance settings cannot be recorded: a finding; copies are still made.
pub async fn run(
    accounts: Accounts<'_>,
    records: Result<RecordWriter<'_>, &Error>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let clients = Clients::new(accounts);
    let mut report = Report {
        dry_run: options.dry_run,
        ..Report::default()
    };
    if let Err(error) = &records
        && !options.dry_run
    {
        report.findings.push(format!(
            "instance settings cannot be recorded: {}",
            error.chain()
        ));
    }
    for source in &options.sources {
        context.interrupt.check()?;
        let mut job = Job {
            accounts,
            records: records.as_ref().ok(),
            options,
            context,
            clients: &clients,
            source,
            source_snapshots: Vec::new(),
            copies: Vec::new(),
            shared: Vec::new(),
            findings: Vec::new(),
        };
        let outcome = job.run().await;
        let findings = job.findings.into_iter();
        report
            .findings
            .extend(findings.map(|one| format!("{}: {one}", source.name)));
        match outcome {
            Ok(JobResult::Copied(copy)) => report.copies.push(copy),
            Ok(JobResult::Planned(planned)) => report.planned.push(planned),
            Err(error) => report.failures.push(Failure {
                source: source.name.clone(),
                error: error.chain(),
                hint: error.advice().to_owned(),
            }),
        }
    }
    Ok(report)
}
