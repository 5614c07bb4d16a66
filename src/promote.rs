//! `lifeboat promote`: exports are locked for the daily tier; of each week, month and year the first points that a
//! drill found sound get the lock of that tier. What was never drilled gets none, so a failing exporter cannot fill
//! a bucket with long locks.

mod claims;
mod decide;
mod tiers;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use self::claims::{Choice, Rules};
use self::decide::{Decided, Point};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::humanize;
use crate::model::id::Id;
use crate::outcome::Outcome;
use crate::repository::Repository;
use crate::sign::Trust;

pub use self::claims::Contested;
pub use self::tiers::{Tier, Tiers};

#[derive(Clone)]
pub struct Options {
    pub source: Option<String>,
    pub database: Option<String>,
    pub tiers: Tiers,
    /// How long an export is locked by itself; what is held gets as much again.
    pub daily_days: u32,
    /// Between two exports of a database: those that come within 1¼ of it claim a period together.
    pub export_every: SignedDuration,
    /// How many points may claim a period before a person must choose, and how many more than the newest one run
    /// of `prove` drills.
    pub contested_limit: usize,
    /// Pass over a fleet's databases with many points of which, by the store's times alone, no period can be
    /// contested: for a reader that mainly asks for these.
    pub only_crowded: bool,
    /// Counted from now; no lock gets longer, whatever the tiers say.
    pub max_lock_days: u32,
    /// Only tell what would be extended.
    pub dry_run: bool,
}

impl Options {
    fn rules(&self) -> Rules {
        Rules {
            tiers: self.tiers,
            daily_days: self.daily_days,
            export_every: self.export_every,
            contested_limit: self.contested_limit,
            max_lock_days: self.max_lock_days,
        }
    }

    async fn decide(
        &self,
        repository: &Repository,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Vec<Decided>> {
        let of = (self.source.as_deref(), self.database.as_deref());
        let rules = self.rules();
        decide::decide(repository, trust, of, &rules, self.only_crowded, now).await
    }
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub repository: String,
    pub dry_run: bool,
    /// Those that a tier keeps or holds, sorted by source, database and id.
    pub points: Vec<Promoted>,
    /// Periods that too many points claim: a person must choose.
    pub contested: Vec<ContestedPeriods>,
    /// What needs the attention of a person, one line each; any makes the exit code 3.
    pub findings: Vec<String>,
    /// What could not be locked; any makes the exit code 1.
    pub failures: Vec<String>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.failures.len(), self.findings.len())
    }
}

/// A point whose lock matters beyond the daily tier.
#[derive(Debug, Serialize)]
pub struct Promoted {
    pub source: String,
    pub database: String,
    pub id: Id,
    pub snapshot_at: Timestamp,
    /// By the store's clock.
    pub stored_at: Timestamp,
    /// `None`: no drill found it sound yet.
    pub drilled_at: Option<Timestamp>,
    /// What it is among the first drilled points of; empty where it is only held: until it is drilled, or until a
    /// person chooses.
    pub tiers: Vec<Tier>,
    /// Its manifest is locked at least until then; its parts two days longer. With `dry_run`: would
    /// be.
    pub locked_until: Timestamp,
    /// Whether this run extended its locks, or would have.
    pub extended: bool,
    /// Objects whose locks this run saw to.
    pub objects: u64,
}

/// Points that came so close together that none can be told to be the first.
#[derive(Debug, Serialize)]
pub struct ContestedPeriods {
    pub source: String,
    pub database: String,
    #[serde(flatten)]
    pub claimed: Contested,
}

/// Claimants of a period that are not decided yet.
pub(crate) struct Undrilled {
    pub source: String,
    pub database: String,
    /// Those that no drill judged yet, the oldest first.
    pub ids: Vec<Id>,
    /// Those of periods that too many claim.
    pub contested: Vec<Id>,
}

/// What `prove` should drill beside the newest points.
pub(crate) async fn undrilled(
    repository: &Repository,
    trust: &Trust,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<Undrilled>> {
    if !repository.has_locks() {
        return Ok(Vec::new());
    }
    let decided = options
        .decide(repository, trust, context.clock.now())
        .await?;
    let undrilled = decided.into_iter().map(|one| {
        let contested = one.decisions.contested.into_iter();
        Undrilled {
            source: one.source,
            database: one.database,
            ids: one.decisions.undrilled,
            contested: contested.flat_map(|contested| contested.ids).collect(),
        }
    });
    Ok(undrilled.collect())
}

struct Promotion<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    options: &'a Options,
    context: Context<'a>,
    report: Report,
}

pub async fn run(
    repository: &Repository,
    trust: &Trust,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    if !repository.has_locks() {
        return Err(Error::refused(format!(
            "{} has no locks, and promoting extends locks",
            repository.url()
        ))
        .hint("use a bucket with Object Lock"));
    }
    let mut promotion = Promotion {
        repository,
        trust,
        options,
        context,
        report: Report {
            repository: repository.url().to_owned(),
            dry_run: options.dry_run,
            points: Vec::new(),
            contested: Vec::new(),
            findings: Vec::new(),
            failures: Vec::new(),
        },
    };
    let now = context.clock.now();
    for decided in options.decide(repository, trust, now).await? {
        promotion.carry_out(decided).await?;
    }
    Ok(promotion.report)
}

impl Promotion<'_> {
    async fn carry_out(&mut self, decided: Decided) -> Result<()> {
        let Decided {
            source,
            database,
            decisions,
            points,
            findings,
        } = decided;
        let findings = findings.into_iter();
        let findings = findings.map(|what| format!("{source}/{database}: {what}"));
        self.report.findings.extend(findings);
        for (id, choice) in &decisions.choices {
            if let Some(point) = points.get(id) {
                self.extend(point, choice).await?;
            }
        }
        for contested in decisions.contested {
            self.contest(&source, &database, contested);
        }
        Ok(())
    }

    async fn extend(&mut self, point: &Point, choice: &Choice) -> Result<()> {
        let (id, max_lock_days) = (&point.claimant.id, self.options.max_lock_days);
        if choice.cut {
            self.report.findings.push(format!(
                "{id}: locked until {} only: more would be over max_lock_days = {max_lock_days}, counted from now",
                choice.until
            ));
        }
        let locked_until = point.claimant.locked_until;
        // Of whole seconds, as the store keeps them.
        let extended = locked_until.as_second() < choice.until.as_second();
        let mut objects = 0;
        if extended && !self.options.dry_run {
            let Context {
                clock, progress, ..
            } = self.context;
            let opened = self.repository.open(&point.found, self.trust).await?;
            let extended = opened.extend_locks(choice.until, max_lock_days, clock.now(), progress);
            let extended = extended.await?;
            objects = extended.objects;
            let failures = extended.failures.iter();
            let failures = failures.map(|why| format!("{id}: {why}"));
            self.report.failures.extend(failures);
        }
        self.report.points.push(Promoted {
            source: point.found.source.clone(),
            database: point.found.database.clone(),
            id: id.clone(),
            snapshot_at: point.snapshot_at,
            stored_at: point.claimant.stored_at,
            drilled_at: point.drilled_at,
            tiers: choice.tiers.clone(),
            locked_until: locked_until.max(choice.until),
            extended,
            objects,
        });
        Ok(())
    }

    fn contest(&mut self, source: &str, database: &str, claimed: Contested) {
        let of: Vec<&str> = claimed.tiers.iter().map(|tier| tier.period()).collect();
        self.report.findings.push(format!(
            "{source}/{database}: {} restore points of {} were stored between {} and {}, and any of them may be the first of its {}: none is promoted, all are held, at most until {}. Who else can sign? Drill them, and choose: lifeboat hold ID --until DAY, the day after that",
            claimed.ids.len(),
            humanize::bytes(claimed.bytes),
            claimed.first_stored_at,
            claimed.last_stored_at,
            of.join(" and "),
            claimed.ends,
        ));
        self.report.contested.push(ContestedPeriods {
            source: source.to_owned(),
            database: database.to_owned(),
            claimed,
        });
    }
}
