//! `lifeboat promote`: exports are locked for the daily tier; the oldest drilled point of each week,
//! month and year gets the lock of that tier. What was never drilled gets none, so a failing exporter
//! cannot fill a bucket with long locks.

mod tiers;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::id::Id;
use crate::outcome::Outcome;
use crate::repository::{Attestations, ListedPoint, Repository};
use crate::sign::Trust;

pub(crate) use self::tiers::{Choice, Drilled, choose};
pub use self::tiers::{Tier, Tiers};

pub struct Options {
    pub source: Option<String>,
    pub database: Option<String>,
    pub tiers: Tiers,
    /// Counted from now; no lock gets longer, whatever the tiers say.
    pub max_lock_days: u32,
    /// Only tell what would be extended.
    pub dry_run: bool,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub repository: String,
    pub dry_run: bool,
    /// Those that a tier keeps, sorted by source, database and id.
    pub points: Vec<Promoted>,
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

/// A point that is the oldest drilled one of its week, month or year.
#[derive(Debug, Serialize)]
pub struct Promoted {
    pub source: String,
    pub database: String,
    pub id: Id,
    pub snapshot_at: Timestamp,
    pub drilled_at: Timestamp,
    /// What it is the oldest drilled point of.
    pub tiers: Vec<Tier>,
    /// Its manifest is locked at least until then; its parts two days longer. With `dry_run`: would
    /// be.
    pub locked_until: Timestamp,
    /// Whether this run extended its locks, or would have.
    pub extended: bool,
    /// Objects whose locks this run saw to.
    pub objects: u64,
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
            findings: Vec::new(),
            failures: Vec::new(),
        },
    };
    let now = context.clock.now();
    for candidates in promotion.candidates().await?.into_values() {
        let drilled = candidates.iter().map(|(_, point)| Drilled {
            id: point.id.clone(),
            snapshot_at: point.snapshot_at,
        });
        let drilled: Vec<Drilled> = drilled.collect();
        let choices = choose(&drilled, options.tiers, now, options.max_lock_days);
        for (found, point) in candidates {
            if let Some(choice) = choices.get(&point.id) {
                promotion.promote(&found, point, choice).await?;
            }
        }
    }
    Ok(promotion.report)
}

/// Where a point that drills found sound is listed, and the point as no tier has chosen it yet.
type Candidate = (ListedPoint, Promoted);

impl Promotion<'_> {
    /// By source and database.
    async fn candidates(&mut self) -> Result<BTreeMap<(String, String), Vec<Candidate>>> {
        let (source, database) = (&self.options.source, &self.options.database);
        let (source, database) = (source.as_deref(), database.as_deref());
        let found = self.repository.find(source, database).await?;
        let drills = self.repository.attestations(source, database).await?;
        let mut candidates: BTreeMap<_, Vec<Candidate>> = BTreeMap::new();
        for one in found {
            if !drills.contains(&one.path()) {
                continue;
            }
            match self.candidate(&drills, &one).await {
                Ok(Some(point)) => {
                    let place = (one.source.clone(), one.database.clone());
                    candidates.entry(place).or_default().push((one, point));
                }
                Ok(None) => {}
                Err(error) if error.affects_every_point() => return Err(error),
                Err(error) => {
                    let finding = format!("{}: {}", one.id, error.chain());
                    self.report.findings.push(finding);
                }
            }
        }
        Ok(candidates)
    }

    async fn candidate(
        &mut self,
        drills: &Attestations,
        found: &ListedPoint,
    ) -> Result<Option<Promoted>> {
        let point = self.repository.open(found, self.trust).await?;
        point.check_requirements()?;
        let proof = drills.proof(&point, self.trust).await?;
        let id = &found.id;
        let passed_over = proof.passed_over.iter();
        let findings =
            passed_over.map(|why| format!("{id}: a drill's attestation counts as none: {why}"));
        self.report.findings.extend(findings);
        let (true, Some(drilled_at)) = (proof.holds(), proof.drilled_at()) else {
            return Ok(None);
        };
        let Some(lock) = point.head(&point.manifest_ref).await?.lock else {
            return Err(Error::refused(
                "its manifest is not locked, and only locks are extended",
            ));
        };
        Ok(Some(Promoted {
            source: found.source.clone(),
            database: found.database.clone(),
            id: id.clone(),
            snapshot_at: point.manifest.snapshot_at,
            drilled_at,
            tiers: Vec::new(),
            locked_until: lock.retain_until,
            extended: false,
            objects: 0,
        }))
    }

    async fn promote(
        &mut self,
        found: &ListedPoint,
        mut point: Promoted,
        choice: &Choice,
    ) -> Result<()> {
        let (id, max_lock_days) = (&point.id, self.options.max_lock_days);
        if choice.cut {
            self.report.findings.push(format!(
                "{id}: locked until {} only: more would be over max_lock_days = {max_lock_days}, counted from now; is its snapshot's time in the future?",
                choice.until
            ));
        }
        // Of whole seconds, as the store keeps them.
        point.extended = point.locked_until.as_second() < choice.until.as_second();
        if point.extended && !self.options.dry_run {
            let Context {
                clock, progress, ..
            } = self.context;
            let opened = self.repository.open(found, self.trust).await?;
            let extended = opened.extend_locks(choice.until, max_lock_days, clock.now(), progress);
            let extended = extended.await?;
            point.objects = extended.objects;
            let failures = extended.failures.iter();
            let failures = failures.map(|why| format!("{id}: {why}"));
            self.report.failures.extend(failures);
        }
        point.tiers = choice.tiers.clone();
        point.locked_until = point.locked_until.max(choice.until);
        self.report.points.push(point);
        Ok(())
    }
}
