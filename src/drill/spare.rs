//! `lifeboat drill --snapshot`: a snapshot copy becomes an instance that reaches nobody, answers the
//! user's questions, and is kept, stopped, as a warm spare.

mod ask;
mod isolation;
mod make;
mod remove;
mod report;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::assertion::{Question, check_names};
use crate::aws::rds::{DbState, Rds};
use crate::codec::Identities;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::databases::Databases;
use crate::model::id::Id;
use crate::model::snapshot::{Kind, Settings};
use crate::random;
use crate::snapshot::list::{Found, choose};
use crate::snapshot::made::Made;
use crate::snapshot::names::{self, tag, to_second};
use crate::snapshot::{Patience, restore};

pub use crate::snapshot::restore::Means;
pub use report::{Asked, Report};

pub struct Options {
    /// `None`: the newest that is available.
    pub which: Option<Id>,
    pub source: Option<String>,
    /// Of the backup account, in RDS.
    pub subnet_group: String,
    /// The one and only; it must let nothing out.
    pub security_group: String,
    /// Instead of the recorded one.
    pub class: Option<String>,
    /// Of sources by name; of others all.
    pub databases: Vec<(String, Databases)>,
    pub questions: Vec<Question>,
    /// Of those who may read what assertions gave at earlier drills.
    pub identities: Identities,
    pub patience: Patience,
}

/// Restores, looks whether it is isolated, asks, and keeps what is sound as the warm spare. A report
/// that is not `sound` says what is wrong with the copy; an error says that there was no drill. Either
/// way what was made is removed again, and yesterday's spare stays.
pub async fn run(means: &Means<'_>, options: &Options) -> Result<Report> {
    let began = Instant::now();
    check_names(options.questions.iter().map(|one| &one.assertion))?;
    let found = choose(
        means.backup,
        options.which.as_ref(),
        options.source.as_deref(),
    )
    .await?;
    if !found.snapshot.is_available() {
        return Err(Error::refused(format!(
            "copy {} is '{}': only an available one can be drilled",
            found.point.copy, found.point.status
        ))
        .hint("`lifeboat snapshot list` shows others"));
    }
    let mut findings = Vec::new();
    let settings = restore::recorded(&means.records, &found, &mut findings).await;
    let rds = Rds::new(means.backup);
    let nonce = format!("{:032x}", u128::from_ne_bytes(random::bytes()?));
    let now = to_second(means.context.clock.now());
    let drill = Drill {
        means,
        options,
        found: &found,
        settings: settings.as_ref(),
        now,
        name: names::spare(&found.point.source, now),
        made: Made {
            rds: &rds,
            patience: options.patience,
            context: means.context,
            nonce: &nonce,
        },
    };
    let mut report = Report::new(&drill, findings);
    let drilled = drill.run(&mut report).await;
    match (&drilled, report.is_sound()) {
        (Ok(()), true) => drill.keep(&mut report).await,
        _ => drill.leave_nothing(&mut report).await,
    }
    drilled?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// One drill, with all that it goes by.
struct Drill<'a> {
    means: &'a Means<'a>,
    options: &'a Options,
    found: &'a Found,
    settings: Option<&'a Settings>,
    /// Names tell it, to the second.
    now: Timestamp,
    /// Of the instance or cluster, and of its parameter groups.
    name: String,
    made: Made<'a>,
}

impl Drill<'_> {
    fn kind(&self) -> Kind {
        self.found.point.kind
    }

    fn rds(&self) -> &Rds {
        self.made.rds
    }

    async fn run(&self, report: &mut Report) -> Result<()> {
        self.check_egress().await?;
        self.check_free().await?;
        self.make_groups(report).await?;
        let began = Instant::now();
        let standing = self.make().await?;
        report.seconds_to_restore = began.elapsed().as_secs_f64();
        // Rules may have changed while it was made.
        self.check_egress().await?;
        self.check_place(&standing).await?;
        let (server, session) = self.log_in(&standing).await?;
        report.seconds_to_first_query = Some(began.elapsed().as_secs_f64());
        let asked = async {
            isolation::check_server(&session, &self.name).await?;
            self.ask(&server, &session, report).await
        };
        self.made.context.interrupt.or(asked).await?;
        session.close().await;
        Ok(())
    }

    /// Nothing is ever overwritten.
    async fn check_free(&self) -> Result<()> {
        match self.rds().state(self.kind(), &self.name).await? {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Exists,
                format!("{} {} exists", self.kind(), self.name),
            )
            .hint("another drill of this source began in the same second: run it again")),
        }
    }

    /// The copy is sound: says so, stops the new spare, and removes the older ones.
    async fn keep(&self, report: &mut Report) {
        let arn = &self.found.point.copy_arn;
        match self
            .rds()
            .tag(arn, tag::VERIFIED, &self.now.to_string())
            .await
        {
            Ok(()) => report.verified_at = Some(self.now),
            Err(error) => report.finding("the copy's tag lifeboat:verified", &error),
        }
        report.spare = Some(self.name.clone());
        match self.stop().await {
            Ok(stopped) => {
                let now = self.now.to_string();
                if let Err(error) = self.rds().tag(&stopped.arn, tag::KEPT, &now).await {
                    report.finding("the new spare's tag lifeboat:kept", &error);
                }
            }
            Err(error) => report.finding("the new spare was not stopped", &error),
        }
        self.remove_older(report).await;
    }

    async fn stop(&self) -> Result<DbState> {
        let (kind, name) = (self.kind(), self.name.as_str());
        let stop = async || match self.rds().stop_db(kind, name).await {
            // The reply to an earlier attempt may have been lost.
            Err(error) => match self.rds().state(kind, name).await {
                Ok(Some(there)) if there.status.starts_with("stopp") => Ok(()),
                _ => Err(error),
            },
            done => done,
        };
        self.once_available(stop).await?;
        let is_stopped = |there: &DbState| there.status == "stopped";
        self.made.until(kind, name, "stopping", is_stopped).await
    }

    /// RDS refuses changes while it is busy with what comes after a restore, such as a first backup.
    async fn once_available(&self, call: impl AsyncFn() -> Result<()>) -> Result<()> {
        const ATTEMPTS: u32 = 5;
        let (kind, name) = (self.kind(), self.name.as_str());
        for _ in 1..ATTEMPTS {
            match call().await {
                Err(error) if error.kind() == ErrorKind::Failed => {}
                done => return done,
            }
            self.made.available(kind, name).await?;
        }
        call().await
    }

    /// How long RDS may need for what takes it a minute.
    fn soon(&self) -> Instant {
        const SOON: Duration = Duration::from_secs(15 * 60);
        Instant::now() + SOON.min(self.options.patience.wait)
    }
}
