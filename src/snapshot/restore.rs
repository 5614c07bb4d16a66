//! `lifeboat snapshot restore`: a new instance or cluster from a copy, in the backup account, as much
//! like the old one as its record says.

mod groups;
mod job;
mod plan;
pub(crate) mod recorded;

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::WaitLimits;
use super::creation::{Creation, new_nonce};
use super::list::choose;
use crate::aws::Account;
use crate::aws::rds::Rds;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::id::Id;
use crate::model::snapshot::Kind;

use job::Job;
pub use recorded::RecordReader;

pub struct Options {
    /// `None`: the newest that is available.
    pub which: Option<Id>,
    pub source: Option<String>,
    /// The new identifier in RDS.
    pub identifier: String,
    /// `None`: the default VPC's.
    pub subnet_group: Option<String>,
    /// Empty: the VPC's default one.
    pub security_groups: Vec<String>,
    /// Instead of the recorded one.
    pub class: Option<String>,
    pub limits: WaitLimits,
    pub dry_run: bool,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub dry_run: bool,
    pub source: String,
    pub kind: Kind,
    /// Of the copy as a restore point.
    pub id: Id,
    pub copy: String,
    pub taken_at: Timestamp,
    /// Of the new instance or cluster.
    pub identifier: String,
    /// Of a cluster: its instance.
    pub member: Option<String>,
    pub region: String,
    /// `null`: as RDS has it for the snapshot.
    pub class: Option<String>,
    /// Created for it; `null`: the default one.
    pub parameter_group: Option<String>,
    pub option_group: Option<String>,
    /// `null`: the default VPC's.
    pub subnet_group: Option<String>,
    /// `[]`: the default one of the VPC.
    pub security_groups: Vec<String>,
    pub address: Option<String>,
    pub port: Option<u32>,
    /// The settings of the old one were found in the repository.
    pub recorded: bool,
    pub seconds: f64,
    /// What needs the attention of a person; any makes the exit code 3.
    pub findings: Vec<String>,
    /// What did not travel, and is to be done by hand.
    pub to_do: Vec<String>,
}

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
