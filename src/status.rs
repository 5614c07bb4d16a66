//! `lifeboat status`: how old, how large and how proven the newest restore points are, read from the
//! repository and never from a log.

mod judge;
mod prometheus;
mod report;

use std::cmp::Reverse;
use std::collections::VecDeque;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::{Attestation, Verdict};
use crate::model::lock::Lock;
use crate::model::snapshot::CopyStatus;
use crate::model::state::{NotShown, State};
use crate::repository::{
    Attestations, ByDatabase, DrilledPoints, Link, ListedPoint, MANIFESTS_AT_A_TIME,
    MOST_PASSED_OVER, Repository, RestorePoint, Room, by_database, missing_points,
};
use crate::sign::Trust;

pub use judge::Limits;
pub(crate) use judge::SHRINK_PERCENT;
pub(crate) use prometheus::text as prometheus;
pub use report::{DatabaseStatus, PastDrill, Report};
pub(crate) use report::{DrillStatus, Finding, PointStatus};

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

/// By how much the point is older, if there is one, that the newest is compared with: nights are not of equal length.
const NEARLY_A_DAY: SignedDuration = SignedDuration::from_hours(20);

/// Reads and judges.
///
/// Opens of each database the newest trusted point and that of the day before, and the newest attestations of drills back to the newest
/// sound one with the points that they are about. Of all others it counts what the listing shows.
pub async fn status(
    repository: &Repository,
    trust: &Trust,
    clock: &dyn Clock,
    options: Options,
) -> Result<Report> {
    let (source, database) = (options.source.as_deref(), options.database.as_deref());
    let found = repository.find(source, database).await?;
    let mut findings: Vec<Finding> = Vec::new();
    let drills = match repository.attestations(source, database).await {
        Err(error) if error.kind() == Kind::Denied => {
            findings.push(format!("drills could not be listed: {}", error.chain()).into());
            Attestations::default()
        }
        drills => drills?,
    };
    let now = clock.now();
    let copies = options.copies.unwrap_or_else(|error| {
        findings.push(format!("snapshot copies could not be listed: {}", error.chain()).into());
        Vec::new()
    });
    let mut report = Report {
        repository: repository.url().to_owned(),
        now,
        databases: Vec::new(),
        copies,
        leftovers: (repository.leftovers(source, database, &found, trust)).await?,
        findings,
        not_shown: NotShown::default(),
    };
    let reader = DatabaseReader {
        repository,
        trust,
        drills: &drills,
        room: &Room::default(),
        now,
    };
    let (of, missing) = with_expected(found, options.expected);
    report.findings.extend(missing);
    let reads = of.into_iter().map(async |((source, database), found)| {
        let (one, passed_over) = reader.read(source, database, &found).await?;
        Ok::<_, Error>(judged(one, passed_over, &options.limits, now))
    });
    let mut reads = std::pin::pin!(stream::iter(reads).buffered(MANIFESTS_AT_A_TIME));
    let mut judged = Vec::new();
    while let Some(read) = reads.next().await {
        judged.push(read?);
    }
    judged.sort_by_key(|(one, findings)| worst_first(one, findings));
    for (one, findings) in judged {
        report.findings.extend(findings);
        report.databases.push(one);
    }
    for one in &report.copies {
        let finding = judge::copies(one, &options.limits, now);
        report.findings.extend(finding);
    }
    Ok(report)
}

/// A database with all findings of it.
fn judged(
    mut one: DatabaseStatus,
    mut findings: Vec<Finding>,
    limits: &Limits,
    now: Timestamp,
) -> (DatabaseStatus, Vec<Finding>) {
    findings.extend(judge::database(&one, limits, now));
    for finding in &mut findings {
        finding.of = Some((one.source.clone(), one.database.clone()));
    }
    one.state = State::of_findings(findings.iter().map(|finding| finding.urgent));
    (one, findings)
}

/// Sorts by it: what has no trusted point comes before all that is urgent, what has most findings before others.
fn worst_first(one: &DatabaseStatus, findings: &[Finding]) -> impl Ord + use<> {
    let (state, findings) = (Reverse(one.state), Reverse(findings.len()));
    let name = (one.source.clone(), one.database.clone());
    (state, one.newest.is_some(), findings, name)
}

/// What is there and what should be; and sources without any.
fn with_expected(found: Vec<ListedPoint>, expected: Vec<Expected>) -> (ByDatabase, Vec<Finding>) {
    let mut of = by_database(found);
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
    room: &'a Room,
    now: Timestamp,
}

impl DatabaseReader<'_> {
    /// The newest trusted point of a database and that of the day before, its newest drill, and what was passed over, or cannot
    /// be read by this version.
    async fn read(
        &self,
        source: String,
        database: String,
        found: &[ListedPoint],
    ) -> Result<(DatabaseStatus, Vec<Finding>)> {
        let mut told = Vec::new();
        let mut newest: Vec<(Timestamp, PointStatus)> = Vec::new();
        let mut links = Vec::new();
        let mut drilled = DrilledPoints::new(self.repository, self.trust, self.room, found);
        let mut refused = 0;
        let mut queue: VecDeque<&ListedPoint> = found.iter().rev().collect();
        while let Some(one) = queue.pop_front() {
            if newest.len() == 2 || refused == MOST_PASSED_OVER {
                break;
            }
            let _taken = self.room.take(&[one]).await;
            let opened = self.repository.open_with_lock(one, self.trust).await;
            drilled.add(one, &opened);
            match opened {
                Ok((point, lock)) => {
                    links.extend(Link::of(&point.manifest));
                    told.extend(point.check_requirements().err().map(|why| why.chain()));
                    newest.push((one.stored_at(), point_status(&point, one, lock)));
                    from_the_day_before(&mut queue, one.stored_at());
                }
                Err(error) if error.affects_every_point() => return Err(error),
                Err(error) => {
                    refused += 1;
                    told.push(format!(
                        "{} cannot be restored from: {}",
                        one.id,
                        error.chain()
                    ));
                }
            }
        }
        let (repository, trust, room) = (self.repository, self.trust, self.room);
        told.extend(missing_points(repository, trust, room, &links, found, self.now).await?);
        // Stores keep time in seconds; two points may have the same.
        newest.sort_by_key(|(stored_at, point)| Reverse((*stored_at, point.snapshot_at)));
        let mut newest = newest.into_iter().map(|(_, point)| point);
        let mut status = DatabaseStatus {
            source,
            database,
            state: State::Ok,
            newest: newest.next(),
            previous: newest.next(),
            drilled: None,
            drill_failed: None,
            drill_unproven: None,
            points: found.len() as u64,
        };
        told.extend(self.add_drills(&mut status, drilled).await?);
        let name = format!("{}/{}", status.source, status.database);
        let told = told
            .into_iter()
            .map(|what| format!("{name}: {what}").into());
        Ok((status, told.collect()))
    }

    /// Returns which points that were drilled are there and cannot be restored from, and which attestations count as
    /// none.
    async fn add_drills(
        &self,
        status: &mut DatabaseStatus,
        mut points: DrilledPoints<'_>,
    ) -> Result<Vec<String>> {
        let of = (&*status.source, &*status.database);
        let keep = |drill: Attestation| (drill.result, drill.drilled_at, drill.seconds_to_restore);
        let newest = self.drills.newest(of, &mut points, keep).await?;
        let last = |wanted: Verdict| {
            let drills = newest.drills.iter();
            let drills = drills.filter(|(_, (verdict, ..))| *verdict == wanted);
            let (id, (_, at, seconds)) = drills.max_by_key(|(_, (_, at, _))| *at)?;
            let (id, at) = (id.clone(), *at);
            Some((PastDrill { id, at }, *seconds))
        };
        status.drilled = last(Verdict::Sound).map(|(drill, seconds_to_restore)| DrillStatus {
            id: drill.id,
            at: drill.at,
            seconds_to_restore,
        });
        status.drill_failed = last(Verdict::Failed).map(|(drill, _)| drill);
        status.drill_unproven = last(Verdict::Unproven).map(|(drill, _)| drill);
        Ok(newest.troubles())
    }
}

/// Puts points, the newest first, that are a day older than `newest` before those that are not, but for one that the
/// store received in the same second: that may be the newer one.
///
/// Where exports are made every hour, a table that is lost would be a finding for one hour only.
fn from_the_day_before(points: &mut VecDeque<&ListedPoint>, newest: Timestamp) {
    let is_near = |one: &&ListedPoint| {
        let before = newest.duration_since(one.stored_at());
        before > SignedDuration::ZERO && before < NEARLY_A_DAY
    };
    let (near, others): (Vec<_>, Vec<_>) = points.drain(..).partition(is_near);
    points.extend(others.into_iter().chain(near));
}

/// `lock`: the manifest's, as the store reports it now.
fn point_status(point: &RestorePoint, found: &ListedPoint, lock: Option<Lock>) -> PointStatus {
    let manifest = &point.manifest;
    PointStatus {
        id: manifest.id.clone(),
        // An exporter whose clock runs ahead, or a thief of its key, must not look fresh for long.
        snapshot_at: manifest.snapshot_at.min(found.stored_at()),
        tables: manifest.user_tables().count() as u64,
        rows: manifest.rows(),
        copy_bytes: manifest.copy_bytes(),
        stored_bytes: manifest.stored_bytes(),
        excluded: manifest.excluded.clone(),
        locked_until: lock.map(|lock| lock.retain_until),
    }
}
