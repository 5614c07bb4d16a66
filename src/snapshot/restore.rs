//! `lifeboat snapshot restore`: a new instance or cluster from a copy, in the backup account, as much
//! like the old one as its record says.

mod groups;
mod job;
mod options;
mod plan;
pub(crate) mod recorded;

use std::time::Instant;

use super::creation::{Creation, new_nonce};
use super::list::choose;
use crate::aws::Account;
use crate::aws::rds::Rds;
use crate::context::Context;
use crate::error::{Error, Result};

use job::Job;
pub use options::{Options, Report};
pub use recorded::RecordReader;

/// Restores a copy from `backup`, the account and region where copies lie. `Err` in `records`: why
/// records cannot be read.
pub async fn run(
    backup: &Account,
    records: Result<RecordReader<'_>, &Error>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let began = Instant::now();
    let (id, source) = (options.which.as_ref(), options.source.as_deref());
    let found = choose(backup, id, source, "restored").await?;
    let mut findings = Vec::new();
    let settings = recorded::recorded(records, &found, &mut findings).await;
    let rds = Rds::new(backup);
    let nonce = new_nonce()?;
    let job = Job {
        rds: &rds,
        options,
        found: &found,
        settings: settings.as_ref(),
        nonce: &nonce,
    };
    job.check_free().await?;
    let plan = job.plan()?;
    let mut report = job.report(&plan, findings);
    if let Some(settings) = &settings {
        // Who has the exporter's key can have written it: a person reads it before anything is made.
        context.progress.note(&recorded::describe(settings));
    }
    if !options.dry_run {
        job.create_groups(&plan, &mut report.findings).await?;
        let creation = Creation {
            rds: &rds,
            limits: options.limits,
            context,
            nonce: &nonce,
        };
        let created = creation.create(&plan).await?;
        (report.address, report.port) = (created.address, created.port);
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}
