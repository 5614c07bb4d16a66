//! `lifeboat status`: how old, how large and how proven the newest restore points are, read from the
//! repository and never from a log.

mod judge;
mod prometheus;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::clock::Clock;
use crate::error::Result;
use crate::model::snapshot::CopyStatus;
use crate::repository::{
    Attestations, Link, ListedPoint, Repository, RestorePoint, if_allowed, missing_points,
};
use crate::sign::Trust;

pub use judge::Limits;
pub(crate) use judge::SHRINK_PERCENT;
pub(crate) use prometheus::text as prometheus;
pub use report::Report;
pub(crate) use report::{DatabaseStatus, DrillStatus, Finding, PointStatus};

/// How many newer points without trust are passed over, each with a finding.
const PASSED_OVER: usize = 8;
/// How many points are searched for the newest drill.
const DRILLED_AMONG: usize = 64;

pub struct Options {
    pub limits: Limits,
    /// Only of this source, or of this database.
    pub source: Option<String>,
    pub database: Option<String>,
    /// What must have restore points.
    pub expected: Vec<Expected>,
    /// Copies of RDS snapshots, as AWS lists them; `Err`: why it could not.
    pub copies: Result<Vec<CopyStatus>>,
}

/// What the configuration says is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub source: String,
    /// `None`: any, of a source whose databases only the server knows.
    pub database: Option<String>,
}

/// Reads and judges.
pub async fn status(
    repository: &Repository,
    trust: &Trust,
    clock: &dyn Clock,
    options: Options,
) -> Result<Report> {
    let (source, database) = (options.source.as_deref(), options.database.as_deref());
    let found = repository.find(source, database).await?;
    let committed: BTreeSet<_> = found.iter().map(|one| one.id.clone()).collect();
    let drills = if_allowed(repository.attestations(source, database).await)?;
    let now = clock.now();
    let (copies, findings) = match options.copies {
        Ok(copies) => (copies, Vec::new()),
        Err(error) => {
            let why = format!("snapshot copies could not be listed: {}", error.chain());
            (Vec::new(), vec![why.into()])
        }
    };
    let mut report = Report {
        repository: repository.url().to_owned(),
        now,
        databases: Vec::new(),
        copies,
        leftovers: repository.leftovers(source, database, &committed).await?,
        findings,
    };
    let reader = DatabaseReader {
        repository,
        trust,
        drills: &drills,
        now,
    };
    let (of, missing) = by_database(found, options.expected);
    report.findings.extend(missing);
    for ((source, database), found) in of {
        let (one, passed_over) = reader.read(source, database, &found).await?;
        report.findings.extend(passed_over);
        let judged = judge::database(&one, &options.limits, now);
        report.findings.extend(judged);
        report.databases.push(one);
    }
    for one in &report.copies {
        let finding = judge::copies(one, &options.limits, now);
        report.findings.extend(finding);
    }
    Ok(report)
}

type ByDatabase = BTreeMap<(String, String), Vec<ListedPoint>>;

/// What is there and what should be, the newest last by the store's time; and sources without any.
fn by_database(found: Vec<ListedPoint>, expected: Vec<Expected>) -> (ByDatabase, Vec<Finding>) {
    let mut of = ByDatabase::new();
    for one in found {
        let name = (one.source.clone(), one.database.clone());
        of.entry(name).or_default().push(one);
    }
    for points in of.values_mut() {
        points.sort_by_key(|one| one.order());
    }
    let mut missing = Vec::new();
    for Expected { source, database } in expected {
        match database {
            Some(database) => {
                of.entry((source, database)).or_default();
            }
            None if of.keys().any(|(known, _)| *known == source) => {}
            None => missing.push(Finding::urgent(format!(
                "{source}: there is no restore point of any of its databases"
            ))),
        }
    }
    if of.is_empty() && missing.is_empty() {
        missing.push(Finding::urgent("there is no restore point at all"));
    }
    (of, missing)
}

struct DatabaseReader<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    drills: &'a Attestations,
    now: Timestamp,
}

impl DatabaseReader<'_> {
    /// The two newest trusted points of a database, its newest drill, and what was passed over, or cannot
    /// be read by this version.
    async fn read(
        &self,
        source: String,
        database: String,
        found: &[ListedPoint],
    ) -> Result<(DatabaseStatus, Vec<Finding>)> {
        let mut passed_over = Vec::new();
        let mut newest = Vec::new();
        let mut links = Vec::new();
        for one in found.iter().rev() {
            if newest.len() == 2 || passed_over.len() == PASSED_OVER {
                break;
            }
            match self.repository.open(one, self.trust).await {
                Ok(point) => {
                    links.extend(Link::of(&point.manifest));
                    let unreadable = point.check_requirements().err();
                    passed_over.extend(unreadable.map(|why| why.chain().into()));
                    newest.push((one.stored_at(), point_status(&point, one).await?));
                }
                Err(error) if error.affects_every_point() => return Err(error),
                Err(error) => {
                    let why = error.chain();
                    let what = format!("{} cannot be restored from: {why}", one.id);
                    passed_over.push(what.into());
                }
            }
        }
        let missing = missing_points(&links, found, self.now).into_iter();
        passed_over.extend(missing.map(Finding::from));
        // Stores keep time in seconds; two points may have the same.
        newest.sort_by_key(|(stored_at, point)| std::cmp::Reverse((*stored_at, point.snapshot_at)));
        let mut newest = newest.into_iter().map(|(_, point)| point);
        let mut status = DatabaseStatus {
            source,
            database,
            newest: newest.next(),
            previous: newest.next(),
            drilled: None,
            drill_failed_at: None,
            drill_unproven_at: None,
            points: found.len() as u64,
        };
        self.add_drills(&mut status).await?;
        Ok((status, passed_over))
    }

    async fn add_drills(&self, status: &mut DatabaseStatus) -> Result<()> {
        let places = self.drills.newest_first(&status.source, &status.database);
        let (mut drilled, mut failed_at, mut unproven_at) = (None::<DrillStatus>, None, None);
        for place in places.take(DRILLED_AMONG) {
            let Some(point) = self.repository.open_attested(place, self.trust).await? else {
                continue;
            };
            let proof = if_allowed(self.drills.proof(&point, self.trust).await)?;
            failed_at = failed_at.max(proof.failed_at);
            unproven_at = unproven_at.max(proof.unproven_at);
            let Some(sound) = proof.sound else { continue };
            // An old point may have been drilled after a newer one.
            if drilled
                .as_ref()
                .is_none_or(|known| known.at < sound.drilled_at)
            {
                drilled = Some(DrillStatus {
                    id: sound.id,
                    at: sound.drilled_at,
                    seconds_to_restore: sound.seconds_to_restore,
                });
            }
        }
        let since = drilled.as_ref().map(|sound| sound.at);
        status.drill_failed_at = failed_at.filter(|failed| Some(*failed) > since);
        status.drill_unproven_at = unproven_at.filter(|at| Some(*at) > since);
        status.drilled = drilled;
        Ok(())
    }
}

async fn point_status(point: &RestorePoint, found: &ListedPoint) -> Result<PointStatus> {
    let manifest = &point.manifest;
    let lock = point.head(&point.manifest_ref).await?.lock;
    Ok(PointStatus {
        id: manifest.id.clone(),
        // An exporter whose clock runs ahead, or a thief of its key, must not look fresh for long.
        snapshot_at: manifest.snapshot_at.min(found.stored_at()),
        tables: manifest.user_tables().count() as u64,
        rows: manifest.rows(),
        copy_bytes: manifest.copy_bytes(),
        stored_bytes: manifest.stored_bytes(),
        excluded: manifest.excluded.clone(),
        locked_until: lock.map(|lock| lock.retain_until),
    })
}
