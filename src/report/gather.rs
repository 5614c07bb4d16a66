//! Reads a repository into plain facts: one small record for each restore point and each drill.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::facts::{
    Database, Drill, Facts, NewestPoint, Options, Point, TrustedPoint, by_database,
};
use super::html::clipped;
use crate::codec::Identities;
use crate::error::{Kind, Result};
use crate::model::attestation::{Answer, Assertion, Attestation, NOT_PROVEN, Verdict};
use crate::model::id::Id;
use crate::model::manifest::is_large_objects;
use crate::model::table_change::Summary;
use crate::repository::{
    Announcement, Attestations, History, ListedPoint, MANIFESTS_AT_A_TIME, Repository,
    RestorePoint, Room, details,
};
use crate::sign::Trust;

/// How many drills of one restore point are read.
const DRILLS_OF_A_POINT: usize = 64;
/// How many drills of one database are shown with the values of their assertions.
pub(super) const DRILLS_WITH_VALUES: usize = 5;
/// Limits of what is kept of one drill.
const ASSERTIONS: usize = 200;
const TEXT_CHARS: usize = 120;
const KINDS: usize = 32;

pub(super) async fn gather<'a>(
    repository: &'a Repository,
    trust: &'a Trust,
    mut options: Options,
) -> Result<Facts<'a>> {
    let (source, database) = (options.source.as_deref(), options.database.as_deref());
    let mut found = repository.find(source, database).await?;
    found.sort_by_key(ListedPoint::order);
    let (drills, drills_denied) = match repository.attestations(source, database).await {
        Err(error) if error.kind() == Kind::Denied => (Attestations::default(), true),
        drills => (drills?, false),
    };
    let known = options.databases.iter();
    let mut points: BTreeMap<(String, String), Vec<Point>> =
        known.map(|name| (name.clone(), Vec::new())).collect();
    let mut findings = std::mem::take(&mut options.findings);
    let reader = PointReader {
        repository,
        trust,
        drills: &drills,
        identities: &options.identities,
    };
    let room = Room::default();
    let mut read = stream::iter(&found)
        .map(async |one| {
            let taken = room.take(one).await;
            let read = point(&reader, one).await;
            drop(taken);
            (one, read)
        })
        .buffered(MANIFESTS_AT_A_TIME);
    while let Some((one, read)) = read.next().await {
        let (point, found) = read?;
        findings.extend(found);
        let name = (one.source.clone(), one.database.clone());
        points.entry(name).or_default().push(point);
    }
    drop(read);
    let mut databases = Vec::with_capacity(points.len());
    for ((source, database), points) in points {
        let mut one = Database {
            source,
            database,
            points,
            newest: None,
            since_drill: None,
        };
        drop_old_assertions(&mut one);
        one.newest = newest(repository, trust, &found, &one).await?;
        one.since_drill = since_drill(&reader, &found, &one, options.contested.as_deref()).await?;
        let finding = match one.newest.as_ref().map(|newest| &newest.keys) {
            Some(Ok(ring)) => ring.finding(),
            Some(Err(why)) if why.kind() == Kind::Damaged => Some(why.chain()),
            _ => None,
        };
        findings.extend(finding.map(|finding| format!("{}: {finding}", one.name())));
        databases.push(one);
    }
    // Some of them `status` has found, too.
    let mut known = BTreeSet::new();
    findings.retain(|finding| known.insert(finding.clone()));
    Ok(Facts {
        repository: repository.url(),
        trust: &trust.fingerprints,
        options,
        findings_of: by_database(&findings, &databases),
        databases,
        announced: announced(repository).await,
        drills_denied,
        findings,
    })
}

/// Reads single restore points.
struct PointReader<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    drills: &'a Attestations,
    identities: &'a Identities,
}

/// A manifest that cannot be opened makes an untrusted point and a finding, not an error, so that the
/// others are still shown. An unavailable store is an error: it says nothing about the point.
async fn point(reader: &PointReader<'_>, found: &ListedPoint) -> Result<(Point, Vec<String>)> {
    let id = found.id.clone();
    let mut findings = Vec::new();
    if found.versions() > 1 {
        findings.push(format!(
            "{id}: its manifest was written {} times; the first counts",
            found.versions()
        ));
    }
    let trusted = match read_point(reader, found).await {
        Ok((trusted, passed_over)) => {
            findings.extend(trusted.proof().and_then(|drill| not_sound(&id, drill)));
            let passed_over = passed_over.into_iter();
            findings.extend(
                passed_over.map(|why| format!("{id}: a drill's attestation counts as none: {why}")),
            );
            Some(trusted)
        }
        Err(error) if error.kind() == Kind::Unavailable => return Err(error),
        Err(error) => {
            let why = error.chain();
            findings.push(format!("{id} cannot be restored from: {why}"));
            None
        }
    };
    Ok((Point { id, trusted }, findings))
}

fn not_sound(id: &Id, drill: &Drill) -> Option<String> {
    let at = drill.at;
    match drill.verdict {
        Verdict::Sound => None,
        Verdict::Failed => Some(format!("{id}: its last drill failed, at {at}")),
        Verdict::Unproven => Some(format!("{id} {NOT_PROVEN} (drilled at {at})")),
    }
}

async fn read_point(
    reader: &PointReader<'_>,
    found: &ListedPoint,
) -> Result<(TrustedPoint, Vec<String>)> {
    let point = reader.repository.open(found, reader.trust).await?;
    let lock = point.head(&point.manifest_ref).await?.lock;
    let keep = |attestation| drill(attestation, reader.identities);
    let history = reader
        .drills
        .history(&point, reader.trust, DRILLS_OF_A_POINT, keep);
    let history = match history.await {
        Err(error) if error.kind() == Kind::Denied => History::default(),
        history => history?,
    };
    let manifest = &point.manifest;
    let trusted = TrustedPoint {
        snapshot_at: manifest.snapshot_at,
        export_seconds: manifest
            .finished_at
            .duration_since(manifest.started_at)
            .as_secs_f64(),
        tables: manifest.user_tables().count() as u64,
        rows: manifest.rows(),
        copy_bytes: manifest.copy_bytes(),
        stored_bytes: manifest.stored_bytes(),
        lock,
        signed_by: point.signed_by,
        drills: history.drills,
    };
    Ok((trusted, history.passed_over))
}

fn drill(attestation: Attestation, identities: &Identities) -> Drill {
    let mut not_tried = attestation.not_tried;
    not_tried.truncate(KINDS);
    for one in &mut not_tried {
        one.kind = clipped(&one.kind, TEXT_CHARS).into_owned();
    }
    Drill {
        at: attestation.drilled_at,
        verdict: attestation.result,
        seconds_to_restore: attestation.seconds_to_restore,
        seconds_to_first_query: attestation.seconds_to_first_query,
        rows: attestation.rows,
        sample: attestation
            .sample
            .map(|sample| clipped(&sample, TEXT_CHARS).into_owned()),
        held: attestation.assertions.iter().filter(|one| one.ok).count(),
        asked: attestation.assertions.len(),
        assertions: assertions(
            attestation.assertions,
            attestation.sealed.as_deref(),
            identities,
        ),
        as_superuser: attestation.as_superuser,
        walls: attestation.walls,
        not_tried,
    }
}

/// Fills in the sealed values if an identity opens them. Without an identity no values are kept, not
/// even those that early versions wrote in the clear.
fn assertions(
    mut assertions: Vec<Assertion>,
    sealed: Option<&str>,
    identities: &Identities,
) -> Vec<Assertion> {
    assertions.truncate(ASSERTIONS);
    let answers: Vec<Answer> = match sealed {
        Some(sealed) if !identities.is_empty() => {
            details::open(sealed, identities).map_or_else(|_| Vec::new(), |open| open.assertions)
        }
        _ => Vec::new(),
    };
    for one in &mut assertions {
        if identities.is_empty() {
            one.value = None;
        } else if let Some(answer) = answers.iter().find(|answer| answer.name == one.name) {
            one.value.clone_from(&answer.value);
        }
        let value = one.value.take();
        one.value = value.map(|value| clipped(&value, TEXT_CHARS).into_owned());
        one.name = clipped(&one.name, TEXT_CHARS).into_owned();
    }
    assertions
}

/// Drops the assertions of all but the newest drills: the page does not show them.
fn drop_old_assertions(database: &mut Database) {
    let mut times: Vec<Timestamp> = database.drills().map(|(_, drill)| drill.at).collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    let Some(newest_dropped) = times.get(DRILLS_WITH_VALUES) else {
        return;
    };
    let trusted = database
        .points
        .iter_mut()
        .filter_map(|one| one.trusted.as_mut());
    for drill in trusted.flat_map(|trusted| &mut trusted.drills) {
        if drill.at <= *newest_dropped {
            drill.assertions = Vec::new();
        }
    }
}

async fn newest(
    repository: &Repository,
    trust: &Trust,
    found: &[ListedPoint],
    database: &Database,
) -> Result<Option<NewestPoint>> {
    let mut points = database.points.iter();
    let Some(newest) = points.rfind(|point| point.trusted.is_some()) else {
        return Ok(None);
    };
    let Some(point) = open(repository, trust, found, database, &newest.id).await? else {
        return Ok(None);
    };
    let keys = match point.key_ring().await {
        Err(error) if error.kind() == Kind::Unavailable => return Err(error),
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

/// Opens one of the database's points again.
async fn open(
    repository: &Repository,
    trust: &Trust,
    found: &[ListedPoint],
    database: &Database,
    id: &Id,
) -> Result<Option<RestorePoint>> {
    let here = |one: &&ListedPoint| {
        one.id == *id && one.source == database.source && one.database == database.database
    };
    match found.iter().find(here) {
        Some(found) => Ok(Some(repository.open(found, trust).await?)),
        None => Ok(None),
    }
}

/// What the point that was drilled last holds beside the one before it; by names and digests where the
/// identities open both.
async fn since_drill(
    reader: &PointReader<'_>,
    found: &[ListedPoint],
    database: &Database,
    contested: Option<&[Id]>,
) -> Result<Option<(Id, Summary)>> {
    let Some(contested) = contested else {
        return Ok(None);
    };
    let sound = database.points.iter().filter_map(|point| {
        let drill = point.trusted.as_ref()?.proof()?;
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
    let again = |id| open(reader.repository, reader.trust, found, database, id);
    let (Some(last), Some(before)) = (again(last).await?, again(before).await?) else {
        return Ok(None);
    };
    match last.since(&before, reader.identities).await {
        Ok(summary) => Ok(Some((before.manifest.id, summary))),
        Err(error) if error.kind() == Kind::Unavailable => Err(error),
        // Whoever verifies it hears why.
        Err(_) => Ok(None),
    }
}

async fn announced(repository: &Repository) -> Vec<Announcement> {
    let accepted = repository.accepted_announcements().await;
    let mut announced: Vec<Announcement> = accepted.into_iter().flatten().collect();
    announced.sort_by_key(|one| (one.announced_at, one.key));
    announced.dedup();
    announced
}
