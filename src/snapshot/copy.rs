//! `lifeboat snapshot copy`: the newest snapshot of each source, brought into the backup account.
//!
//! In the source account: an automated snapshot becomes a manual one, which alone can be shared,
//! under a key that can be shared. The backup account copies it under its own key; then the
//! sharing ends. Every step first looks whether it has been done: after a crash, or beside another
//! run, the same names lead to the same one copy.

mod choose;
mod job;
mod options;
mod record;
mod report;
mod share;
mod verify;

use crate::context::Context;
use crate::error::{Error, Result};

use job::{Clients, Job, JobResult};
pub use options::{Accounts, Options, RecordWriter};
pub use report::Report;
pub(crate) use report::{CopiedSnapshot, Failure, PlannedCopy};

/// Copies a snapshot of every source. One that fails does not stop the others and is in the report.
/// `Err` in `records`: why no record can be kept; copies are made all the same.
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
            "the settings of instances cannot be recorded: {}",
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
            own: Vec::new(),
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
