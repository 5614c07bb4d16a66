//! `lifeboat drill --snapshot`: a snapshot copy becomes an instance that reaches nobody, answers the
//! user's questions, and is kept, stopped, as a warm spare.

mod ask;
mod compare;
mod create;
mod export;
mod isolation;
mod job;
mod keep;
mod limits;
mod report;
mod theirs;

use std::time::Instant;

use super::assertion::check_names;
use crate::aws::Account;
use crate::aws::rds::Rds;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::snapshot::creation::{Creation, new_nonce};
use crate::snapshot::list::choose;
use crate::snapshot::names::{self, to_second};
use crate::snapshot::restore::RecordReader;
use crate::snapshot::restore::recorded::recorded;

pub(crate) use job::Options;
use job::SpareDrill;
pub(crate) use limits::size as class_size;
pub(crate) use report::{Compared, Report};

/// Restores, checks the isolation, asks, and keeps what is sound as the warm spare. A report that is not
/// `sound` says what is wrong with the copy; an error says that there was no drill. Either way what was
/// created is removed again, and yesterday's spare stays. `Err` in `records`: why they cannot be read.
pub(crate) async fn run(
    backup: &Account,
    records: Result<RecordReader<'_>, &Error>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let began = Instant::now();
    check_names(options.questions.iter().map(|one| &one.assertion))?;
    let (id, source) = (options.which.as_ref(), options.source.as_deref());
    let found = choose(backup, id, source, "drilled").await?;
    let mut findings = Vec::new();
    let settings = recorded(records, &found, &mut findings).await;
    let settings = settings.map(limits::modest);
    let rds = Rds::new(backup);
    let nonce = new_nonce()?;
    let now = to_second(context.clock.now());
    let drill = SpareDrill {
        backup,
        records,
        options,
        found: &found,
        settings: settings.as_ref(),
        now,
        name: names::spare(&found.point.source, now),
        creation: Creation {
            rds: &rds,
            limits: options.limits,
            context,
            nonce: &nonce,
        },
    };
    let mut report = drill.new_report(findings);
    let drilled = drill.run(&mut report).await;
    match (&drilled, report.is_sound()) {
        (Ok(()), true) => drill.keep(&mut report).await,
        _ => drill.leave_nothing(&mut report).await,
    }
    drilled?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

impl SpareDrill<'_> {
    async fn run(&self, report: &mut Report) -> Result<()> {
        if let (None, Some(class)) = (&self.options.class, self.class()) {
            limits::check_class(&class, &self.options.largest_size)?;
        }
        self.check_egress().await?;
        self.check_name_is_free().await?;
        self.create_groups(report).await?;
        let began = Instant::now();
        let created = self.creation.create(&self.plan()?).await?;
        report.seconds_to_restore = began.elapsed().as_secs_f64();
        // Rules may have changed while it was created.
        self.check_egress().await?;
        self.check_network(&created).await?;
        let (server, session) = self.log_in(&created).await?;
        report.seconds_to_first_query = Some(began.elapsed().as_secs_f64());
        let asked = async {
            isolation::check_server(&session, &self.name).await?;
            self.ask(&server, &session, report).await?;
            // Boxed: the future of all of it would be large.
            Box::pin(self.compare(&server, report)).await;
            Ok(())
        };
        self.creation.context.interrupt.or(asked).await?;
        session.close().await;
        Ok(())
    }
}
