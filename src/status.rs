//! `lifeboat status`: how old, how large and how proven the newest restore points are, read from the
//! repository and never from a log.

mod judge;
mod prometheus;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Clock;
use crate::error::Result;
use crate::repository::{Attestations, Found, Repository, RestorePoint, Which, if_allowed};
use crate::sign::Trust;

pub use judge::Limits;
pub use prometheus::text as prometheus;
pub use report::{CopyStatus, DatabaseStatus, DrillStatus, PointStatus, Report};

/// Newer points that cannot be trusted are passed over, and told; so many at most.
const PASSED_OVER: usize = 8;
/// So many points are looked at for the newest drill.
const DRILLED_AMONG: usize = 64;

pub struct Options {
    pub limits: Limits,
    /// Only of this source, or of this database.
    pub source: Option<String>,
    pub database: Option<String>,
    /// Databases that must have restore points: source and name.
    pub expected: Vec<(String, String)>,
    /// Copies of RDS snapshots, as AWS tells of them.
    pub copies: Vec<CopyStatus>,
    /// What could not be asked.
    pub findings: Vec<String>,
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
    let mut of: BTreeMap<(String, String), Vec<Found>> = BTreeMap::new();
    for name in options.expected {
        of.insert(name, Vec::new());
    }
    for one in found {
        let name = (one.source.clone(), one.database.clone());
        of.entry(name).or_default().push(one);
    }
    let now = clock.now();
    let mut report = Report {
        repository: repository.url().to_owned(),
        now,
        databases: Vec::with_capacity(of.len()),
        copies: options.copies,
        leftovers: repository.leftovers(source, database, &committed).await?,
        findings: options.findings,
    };
    let look = Look {
        repository,
        trust,
        drills: &drills,
    };
    for ((source, database), found) in of {
        let (one, passed_over) = look.at(source, database, &found).await?;
        report.findings.extend(passed_over);
        report
            .findings
            .extend(judge::database(&one, &options.limits, now));
        report.databases.push(one);
    }
    for one in &report.copies {
        let finding = judge::copies(one, &options.limits, now);
        report.findings.extend(finding);
    }
    Ok(report)
}

struct Look<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    drills: &'a Attestations,
}

impl Look<'_> {
    /// The two newest trusted points of a database, its newest drill, and what was passed over.
    async fn at(
        &self,
        source: String,
        database: String,
        found: &[Found],
    ) -> Result<(DatabaseStatus, Vec<String>)> {
        let mut passed_over = Vec::new();
        let mut newest = Vec::new();
        let mut found: Vec<&Found> = found.iter().collect();
        found.sort_by_key(|one| one.order());
        for one in found.iter().rev() {
            if newest.len() == 2 || passed_over.len() == PASSED_OVER {
                break;
            }
            match self.repository.open(one, self.trust).await {
                Ok(point) => newest.push(point_status(&point).await?),
                Err(error) => passed_over.push(format!(
                    "{} cannot be restored from: {}",
                    one.id,
                    error.chain()
                )),
            }
        }
        // Stores tell time in seconds; two may be of one.
        newest.sort_by_key(|point: &PointStatus| std::cmp::Reverse(point.snapshot_at));
        let mut newest = newest.into_iter();
        let status = DatabaseStatus {
            newest: newest.next(),
            previous: newest.next(),
            drilled: self.drilled(&source, &database).await?,
            points: found.len() as u64,
            source,
            database,
        };
        Ok((status, passed_over))
    }

    async fn drilled(&self, source: &str, database: &str) -> Result<Option<DrillStatus>> {
        let mut newest: Option<DrillStatus> = None;
        let places = self.drills.newest_first(source, database);
        for place in places.take(DRILLED_AMONG) {
            let which = Which::Id(place.id.clone());
            let opened = async {
                let found = self
                    .repository
                    .choose(&which, Some(source), Some(database))
                    .await?;
                self.repository.open(&found, self.trust).await
            };
            // Gone by now, or not to be trusted.
            let Ok(point) = opened.await else { continue };
            let proof = if_allowed(self.drills.of(&point, self.trust).await)?;
            let Some(sound) = proof.sound else { continue };
            // An old point may have been drilled after a newer one.
            if newest
                .as_ref()
                .is_none_or(|known| known.at < sound.drilled_at)
            {
                newest = Some(DrillStatus {
                    id: sound.id,
                    at: sound.drilled_at,
                    seconds_to_restore: sound.seconds_to_restore,
                });
            }
        }
        Ok(newest)
    }
}

async fn point_status(point: &RestorePoint) -> Result<PointStatus> {
    let manifest = &point.manifest;
    let lock = point.head(&point.manifest_ref).await?.lock;
    Ok(PointStatus {
        id: manifest.id.clone(),
        snapshot_at: manifest.snapshot_at,
        tables: manifest.user_tables().count() as u64,
        rows: manifest.rows(),
        copy_bytes: manifest.copy_bytes(),
        stored_bytes: manifest.stored_bytes(),
        locked_until: lock.map(|lock| lock.retain_until),
    })
}
