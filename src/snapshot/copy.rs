//! `lifeboat snapshot copy`: the newest snapshot of each source, brought into the backup account.
//!
//! RDS shares only manual snapshots whose key can be shared too. So the source account first copies
//! the automated snapshot to such a manual one and shares it; the backup account copies that under
//! its own key; then the sharing ends. Every step first checks whether it is already done: names are
//! deterministic, so a run after a crash, or a concurrent one, makes no second copy.

mod choose;
mod job;
mod options;
mod record;
mod share;
mod verify;

use crate::context::Context;
use crate::error::{Error, Result};

use job::{Clients, Job, JobResult};
pub use options::{Accounts, Options, RecordWriter, Report};
pub(crate) use options::{CopiedSnapshot, Failure, PlannedCopy};

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
