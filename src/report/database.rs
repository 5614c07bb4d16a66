//! Reads one database: each of its restore points, or the newest of each day, or, in a fleet, the newest one and its
//! newest drill.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::drill::drill;
use super::facts::{Database, Drill, NewestPoint, Point, Reading, TrustedPoint};
use crate::codec::Identities;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::{NOT_PROVEN, Verdict};
use crate::model::id::Id;
use crate::model::lock::Lock;
use crate::model::manifest::is_large_objects;
use crate::model::table_change::Summary;
use crate::repository::{
    Attestations, DrilledPoints, Fold, History, ListedPoint, MANIFESTS_AT_A_TIME, MOST_PASSED_OVER,
    Repository, RestorePoint, Room, counts_as_none, if_allowed, written_again,
};
use crate::sign::Trust;

/// How many drills of one restore point are read.
const DRILLS_OF_A_POINT: usize = 64;
/// How many drills of one database are shown with the values of their assertions.
pub(super) const DRILLS_WITH_VALUES: usize = 5;

pub(super) struct Reader<'a> {
    pub repository: &'a Repository,
    pub trust: &'a Trust,
    pub drills: &'a Attestations,
    pub identities: &'a Identities,
    pub contested: Option<&'a [Id]>,
    pub fold: Fold,
    pub room: &'a Room,
}

impl Reader<'_> {
    /// What the page shows of it, and what was found. `found`: the newest last.
    pub(super) async fn database(
        &self,
        source: &str,
        database: &str,
        found: &[ListedPoint],
    ) -> Result<(Database, Vec<String>)> {
        let mut one = Database {
            source: source.to_owned(),
            database: database.to_owned(),
            points: Vec::new(),
            folds_days: false,
            newest: None,
            since_drill: None,
        };
        let mut findings = Vec::new();
        match self.fold.is_newest_only(found.len()) {
            true => self.newest_of(found, &mut one, &mut findings).await?,
            false => self.groups(found, &mut one, &mut findings).await?,
        }
        drop_old_assertions(&mut one);
        one.newest = self.newest(found, &one).await?;
        one.since_drill = self.since_drill(found, &one).await?;
        let finding = match one.newest.as_ref().map(|newest| &newest.keys) {
            Some(Ok(ring)) => ring.finding(),
            Some(Err(why)) if why.kind() == Kind::Damaged => Some(why.chain()),
            _ => None,
        };
        findings.extend(finding);
        let again = found.iter().filter_map(written_again);
        let findings = again
            .chain(findings)
            .map(|what| format!("{}: {what}", one.name()));
        let findings = findings.collect();
        Ok((one, findings))
    }

    /// Opens every point, or, of days with many, the newest trusted one and those that were drilled.
    async fn groups(
        &self,
        found: &[ListedPoint],
        one: &mut Database,
        findings: &mut Vec<String>,
    ) -> Result<()> {
        let groups = self.fold.groups(found, self.drills).into_iter();
        one.folds_days = groups.len() < found.len();
        let reads = stream::iter(groups.map(async |group| self.group(&group).await));
        let mut reads = std::pin::pin!(reads.buffered(MANIFESTS_AT_A_TIME));
        while let Some(read) = reads.next().await {
            let (points, told) = read?;
            one.points.extend(points);
            findings.extend(told);
        }
        let order = |point: &Point| (point.stored_at, point.id.clone());
        one.points.sort_by_key(order);
        Ok(())
    }

    /// Opens the newest trusted one of them.
    async fn group(&self, found: &[&ListedPoint]) -> Result<(Vec<Point>, Vec<String>)> {
        let (mut points, mut findings) = (Vec::new(), Vec::new());
        let mut newest_first = found.iter().rev();
        for listed in newest_first.by_ref().take(MOST_PASSED_OVER) {
            let _taken = self.room.take(&[listed]).await;
            let (point, told) = self.point(listed).await?;
            findings.extend(told);
            let is_last = point.trusted().is_some();
            points.push(point);
            if is_last {
                break;
            }
        }
        points.extend(newest_first.map(|listed| not_opened(listed)));
        Ok((points, findings))
    }

    /// Opens the newest trusted point, the newest drills, and the points that these are about.
    async fn newest_of(
        &self,
        found: &[ListedPoint],
        one: &mut Database,
        findings: &mut Vec<String>,
    ) -> Result<()> {
        one.points = found.iter().map(not_opened).collect();
        let mut drilled = DrilledPoints::new(self.repository, self.trust, self.room, found);
        for at in (0..found.len()).rev().take(MOST_PASSED_OVER) {
            let _taken = self.room.take(&[&found[at]]).await;
            let opened = self.open(&found[at]).await;
            drilled.add(&found[at], &opened);
            let (reading, told) = reading(&found[at], opened)?;
            findings.extend(told);
            one.points[at].reading = reading;
            if one.points[at].trusted().is_some() {
                break;
            }
        }
        let of = (&*one.source, &*one.database);
        let keep = |one| drill(one, self.identities);
        let newest = self.drills.newest(of, &mut drilled, keep).await?;
        findings.extend(newest.troubles());
        for (id, _) in &newest.refused {
            if let Some(at) = found.iter().position(|point| point.id == *id) {
                one.points[at].reading = Reading::Refused;
            }
        }
        for (id, drill) in newest.drills {
            let Some(at) = one.points.iter().position(|point| point.id == id) else {
                continue;
            };
            if matches!(one.points[at].reading, Reading::NotOpened) {
                let _taken = self.room.take(&[&found[at]]).await;
                let (reading, told) = reading(&found[at], self.open(&found[at]).await)?;
                findings.extend(told);
                one.points[at].reading = reading;
            }
            if let Reading::Trusted(trusted) = &mut one.points[at].reading {
                trusted.drills.push(drill);
            }
        }
        for point in &one.points {
            let proof = point.trusted().and_then(TrustedPoint::proof);
            findings.extend(proof.and_then(|drill| not_sound(&point.id, drill)));
        }
        Ok(())
    }

    async fn open(&self, found: &ListedPoint) -> Result<(RestorePoint, Option<Lock>)> {
        self.repository.open_with_lock(found, self.trust).await
    }

    /// With all its drills.
    async fn point(&self, found: &ListedPoint) -> Result<(Point, Vec<String>)> {
        let opened = self.open(found).await;
        let history = match &opened {
            Ok((point, _)) => self.history(point).await,
            Err(_) => Ok(History::default()),
        };
        let (mut reading, refused) = match history {
            Ok(_) => reading(found, opened)?,
            Err(error) if error.is_no_answer() => return Err(error),
            Err(ref error) => (Reading::Refused, Some(cannot_be_restored(found, error))),
        };
        let mut findings = Vec::from_iter(refused);
        if let (Reading::Trusted(trusted), Ok(history)) = (&mut reading, history) {
            trusted.drills = history.drills;
            let proof = trusted.proof();
            findings.extend(proof.and_then(|drill| not_sound(&found.id, drill)));
            let passed_over = history.passed_over.into_iter();
            findings.extend(passed_over.map(|why| counts_as_none(&found.id, &why)));
        }
        let mut point = not_opened(found);
        point.reading = reading;
        Ok((point, findings))
    }

    async fn history(&self, point: &RestorePoint) -> Result<History<Drill>> {
        let keep = |attestation| drill(attestation, self.identities);
        let history = self
            .drills
            .history(point, self.trust, DRILLS_OF_A_POINT, keep);
        if_allowed(history.await)
    }

    async fn newest(&self, found: &[ListedPoint], one: &Database) -> Result<Option<NewestPoint>> {
        let mut points = one.points.iter();
        let Some(newest) = points.rfind(|point| point.trusted().is_some()) else {
            return Ok(None);
        };
        let Some(found) = found.iter().find(|one| one.id == newest.id) else {
            return Ok(None);
        };
        // Its manifest is kept until its recipients are known.
        let _taken = self.room.take(&[found]).await;
        let point = self.repository.open(found, self.trust).await?;
        let keys = match point.key_ring().await {
            Err(error) if error.is_no_answer() => return Err(error),
            keys => keys,
        };
        let manifest = point.manifest;
        Ok(Some(NewestPoint {
            id: manifest.id,
            server_version: manifest.server_version,
            tool: manifest.tool,
            large_objects: manifest
                .tables
                .iter()
                .any(|table| is_large_objects(table.oid) && table.rows > 0),
            not_covered: manifest.not_covered,
            excluded: manifest.excluded,
            keys,
        }))
    }

    /// What the point that was drilled last holds beside the one before it; by names and digests where the
    /// identities open both. Not of a fleet: it would open more.
    async fn since_drill(
        &self,
        found: &[ListedPoint],
        one: &Database,
    ) -> Result<Option<(Id, Summary)>> {
        let Some(contested) = self
            .contested
            .filter(|_| !self.fold.is_newest_only(found.len()))
        else {
            return Ok(None);
        };
        let sound = one.points.iter().filter_map(|point| {
            let drill = point.trusted()?.proof()?;
            (drill.verdict == Verdict::Sound).then_some((drill.at, &point.id))
        });
        let mut sound: Vec<(Timestamp, &Id)> = sound.collect();
        sound.sort_by(|one, other| other.cmp(one));
        let Some(((_, last), others)) = sound.split_first() else {
            return Ok(None);
        };
        let mut others = others.iter().filter(|(_, id)| !contested.contains(id));
        let Some((_, before)) = others.next() else {
            return Ok(None);
        };
        let listed = |id: &Id| found.iter().find(|one| one.id == *id);
        let (Some(last), Some(before)) = (listed(last), listed(before)) else {
            return Ok(None);
        };
        let _taken = self.room.take(&[last, before]).await;
        let last = self.repository.open(last, self.trust).await?;
        let before = self.repository.open(before, self.trust).await?;
        match last.since(&before, self.identities).await {
            Ok(summary) => Ok(Some((before.manifest.id, summary))),
            Err(error) if error.is_no_answer() => Err(error),
            // Whoever verifies it hears why.
            Err(_) => Ok(None),
        }
    }
}

fn not_opened(found: &ListedPoint) -> Point {
    Point {
        id: found.id.clone(),
        stored_at: found.stored_at(),
        reading: Reading::NotOpened,
    }
}

/// A manifest that cannot be opened makes an untrusted point and a finding, not an error, so that the
/// others are still shown. An unavailable store is an error: it says nothing about the point.
fn reading(
    found: &ListedPoint,
    opened: Result<(RestorePoint, Option<Lock>)>,
) -> Result<(Reading, Option<String>)> {
    match opened {
        Ok((point, lock)) => {
            let trusted = Box::new(trusted(&point, lock));
            Ok((Reading::Trusted(trusted), None))
        }
        Err(error) if error.is_no_answer() => Err(error),
        Err(error) => Ok((Reading::Refused, Some(cannot_be_restored(found, &error)))),
    }
}

fn cannot_be_restored(found: &ListedPoint, error: &Error) -> String {
    format!("{} cannot be restored from: {}", found.id, error.chain())
}

fn trusted(point: &RestorePoint, lock: Option<Lock>) -> TrustedPoint {
    let manifest = &point.manifest;
    TrustedPoint {
        snapshot_at: manifest.snapshot_at,
        export_seconds: manifest
            .finished_at
            .duration_since(manifest.started_at)
            .as_secs_f64(),
        tables: manifest.user_tables().count() as u64,
        rows: manifest.rows(),
        copy_bytes: manifest.copy_bytes(),
        stored_bytes: manifest.stored_bytes(),
        stored_anew: manifest.stored_anew,
        lock,
        signed_by: point.signed_by,
        drills: Vec::new(),
    }
}

fn not_sound(id: &Id, drill: &Drill) -> Option<String> {
    let at = drill.at;
    match drill.verdict {
        Verdict::Sound => None,
        Verdict::Failed => Some(format!("{id}: its last drill failed, at {at}")),
        Verdict::Unproven => Some(format!("{id} {NOT_PROVEN} (drilled at {at})")),
    }
}

/// Drops the assertions of all but the newest drills: the page does not show them.
fn drop_old_assertions(database: &mut Database) {
    let mut times: Vec<Timestamp> = database.drills().map(|(_, drill)| drill.at).collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    let Some(newest_dropped) = times.get(DRILLS_WITH_VALUES) else {
        return;
    };
    let points = database.points.iter_mut();
    let trusted = points.filter_map(|one| match &mut one.reading {
        Reading::Trusted(trusted) => Some(trusted),
        _ => None,
    });
    for drill in trusted.flat_map(|trusted| &mut trusted.drills) {
        if drill.at <= *newest_dropped {
            drill.assertions = Vec::new();
        }
    }
}
