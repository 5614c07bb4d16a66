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

/// A point that its newest drill found sound, and its lock.
struct Candidate {
    found: ListedPoint,
    drilled: Drilled,
    drilled_at: Timestamp,
    locked_until: Timestamp,
}

struct Promotion<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    options: &'a Options,
    context: Context<'a>,
}

pub async fn run(
    repository: &Repository,
    trust: &Trust,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let promotion = Promotion {
        repository,
        trust,
        options,
        context,
    };
    if !repository.has_locks() {
        return Err(Error::refused(format!(
            "{} has no locks, and promoting extends locks",
            repository.url()
        ))
        .hint("use a bucket with Object Lock"));
    }
    let mut report = Report {
        repository: repository.url().to_owned(),
        dry_run: options.dry_run,
        points: Vec::new(),
        findings: Vec::new(),
        failures: Vec::new(),
    };
    let now = context.clock.now();
    for candidates in candidates(&promotion, &mut report).await?.into_values() {
        let drilled: Vec<Drilled> = candidates.iter().map(|one| one.drilled.clone()).collect();
        let choices = choose(&drilled, options.tiers, now, options.max_lock_days);
        for candidate in candidates {
            if let Some(choice) = choices.get(&candidate.drilled.id) {
                promote(&promotion, candidate, choice, &mut report).await?;
            }
        }
    }
    Ok(report)
}

/// Points that drills found sound, by source and database.
async fn candidates(
    promotion: &Promotion<'_>,
    report: &mut Report,
) -> Result<BTreeMap<(String, String), Vec<Candidate>>> {
    let (source, database) = (
        promotion.options.source.as_deref(),
        promotion.options.database.as_deref(),
    );
    let found = promotion.repository.find(source, database).await?;
    let drills = promotion.repository.attestations(source, database).await?;
    let mut candidates: BTreeMap<_, Vec<Candidate>> = BTreeMap::new();
    for one in found {
        if !drills.contains(&one.path()) {
            continue;
        }
        let (place, id) = ((one.source.clone(), one.database.clone()), one.id.clone());
        match candidate(promotion, &drills, one, report).await {
            Ok(Some(candidate)) => candidates.entry(place).or_default().push(candidate),
            Ok(None) => {}
            Err(error) if error.affects_every_point() => return Err(error),
            Err(error) => (report.findings).push(format!("{id}: {}", error.chain())),
        }
    }
    Ok(candidates)
}

async fn candidate(
    promotion: &Promotion<'_>,
    drills: &Attestations,
    found: ListedPoint,
    report: &mut Report,
) -> Result<Option<Candidate>> {
    let point = promotion.repository.open(&found, promotion.trust).await?;
    let id = &point.manifest.id;
    let proof = drills.proof(&point, promotion.trust).await?;
    for why in &proof.passed_over {
        let finding = format!("{id}: a drill's attestation counts as none: {why}");
        report.findings.push(finding);
    }
    let (true, Some(drilled_at)) = (proof.holds(), proof.drilled_at()) else {
        return Ok(None);
    };
    let Some(lock) = point.head(&point.manifest_ref).await?.lock else {
        return Err(Error::refused(
            "its manifest is not locked, and only locks are extended",
        ));
    };
    Ok(Some(Candidate {
        drilled: Drilled {
            id: id.clone(),
            snapshot_at: point.manifest.snapshot_at,
        },
        drilled_at,
        locked_until: lock.retain_until,
        found,
    }))
}

async fn promote(
    promotion: &Promotion<'_>,
    candidate: Candidate,
    choice: &Choice,
    report: &mut Report,
) -> Result<()> {
    let Candidate {
        found,
        drilled: Drilled { id, snapshot_at },
        drilled_at,
        locked_until,
    } = candidate;
    if choice.cut {
        report.findings.push(format!(
            "{id}: locked until {} only: more would be over max_lock_days = {}, counted from now; is its snapshot's time in the future?",
            choice.until, promotion.options.max_lock_days
        ));
    }
    // Of whole seconds, as the store keeps them.
    let extended = locked_until.as_second() < choice.until.as_second();
    let mut objects = 0;
    if extended && !promotion.options.dry_run {
        let point = promotion.repository.open(&found, promotion.trust).await?;
        let now = promotion.context.clock.now();
        let (days, progress) = (promotion.options.max_lock_days, promotion.context.progress);
        let done = point
            .extend_locks(choice.until, days, now, progress)
            .await?;
        objects = done.objects;
        let failures = done.failures.into_iter();
        (report.failures).extend(failures.map(|why| format!("{id}: {why}")));
    }
    report.points.push(Promoted {
        source: found.source,
        database: found.database,
        id,
        snapshot_at,
        drilled_at,
        tiers: choice.tiers.clone(),
        locked_until: locked_until.max(choice.until),
        extended,
        objects,
    });
    Ok(())
}
