//! Reads a repository into plain facts: one small record for each restore point and each drill.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::html::clipped;
use super::options::Options;
use crate::codec::Identities;
use crate::error::{Kind, Result};
use crate::model::attestation::{
    Answer, Assertion, Attestation, NOT_PROVEN, NotTriedCount, Verdict, Walls,
};
use crate::model::id::Id;
use crate::model::keys::KeyRing;
use crate::model::lock::Lock;
use crate::model::manifest::{NotCovered, is_large_objects};
use crate::repository::{Announcement, Attestations, History, ListedPoint, Repository, details};
use crate::sign::{Fingerprint, Trust};

/// Limits of concurrent reads: until a manifest's signature is checked, anybody may have written it.
const MANIFESTS_AT_A_TIME: usize = 16;
const MIB_AT_A_TIME: u32 = 128;
/// How many drills of one restore point are read.
const DRILLS_OF_A_POINT: usize = 64;
/// How many drills of one database are shown with the values of their assertions.
pub(super) const DRILLS_WITH_VALUES: usize = 5;
/// Limits of what is kept of one drill.
const ASSERTIONS: usize = 200;
const TEXT_CHARS: usize = 120;
const KINDS: usize = 32;

pub(super) struct Gathered {
    /// Sorted by source and name.
    pub databases: Vec<Database>,
    /// Keys that are believed because a pinned one announced them.
    pub announced: Vec<Announcement>,
    /// These credentials may not read attestations.
    pub drills_denied: bool,
    pub findings: Vec<String>,
}

pub(super) struct Database {
    pub source: String,
    pub database: String,
    /// Oldest first.
    pub points: Vec<Point>,
    /// Of its newest restore point that is trusted.
    pub newest: Option<NewestPoint>,
}

pub(super) struct Point {
    pub id: Id,
    /// `None`: no trusted key signed it, or it cannot be read.
    pub trusted: Option<TrustedPoint>,
}

/// What a signed manifest says, and its lock as the store reports it.
pub(super) struct TrustedPoint {
    pub snapshot_at: Timestamp,
    pub export_seconds: f64,
    pub tables: u64,
    pub rows: u64,
    pub copy_bytes: u64,
    pub stored_bytes: u64,
    pub lock: Option<Lock>,
    pub signed_by: Fingerprint,
    /// Newest first.
    pub drills: Vec<Drill>,
}

pub(super) struct Drill {
    pub at: Timestamp,
    pub verdict: Verdict,
    pub seconds_to_restore: f64,
    pub seconds_to_first_query: Option<f64>,
    pub rows: u64,
    /// What was restored, where it was not all.
    pub sample: Option<String>,
    /// How many assertions held, of how many.
    pub held: usize,
    pub asked: usize,
    /// Of the newest drills only; with values where an identity opens them.
    pub assertions: Vec<Assertion>,
    pub as_superuser: Option<bool>,
    pub walls: Option<Walls>,
    pub not_tried: Vec<NotTriedCount>,
}

/// What is shown of the newest point alone.
pub(super) struct NewestPoint {
    pub id: Id,
    pub server_version: String,
    pub tool: String,
    pub large_objects: bool,
    pub not_covered: Vec<NotCovered>,
    /// Who opens it, or why that is not known.
    pub keys: Result<KeyRing>,
}

impl Drill {
    pub(super) fn is_sound(&self) -> bool {
        self.verdict == Verdict::Sound
    }
}

impl TrustedPoint {
    /// The newest drill that was sound or failed; if there is none, the newest unproven one.
    pub(super) fn proof(&self) -> Option<&Drill> {
        let mut drills = self.drills.iter();
        let proved = drills.find(|one| one.verdict != Verdict::Unproven);
        proved.or(self.drills.first())
    }
}

impl Database {
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.source, self.database)
    }

    /// Trusted points, oldest first.
    pub(super) fn trusted_points(&self) -> impl DoubleEndedIterator<Item = (&Id, &TrustedPoint)> {
        let points = self.points.iter();
        points.filter_map(|point| Some((&point.id, point.trusted.as_ref()?)))
    }

    /// All drills, by point.
    pub(super) fn drills(&self) -> impl Iterator<Item = (&Id, &Drill)> {
        self.trusted_points()
            .flat_map(|(id, trusted)| trusted.drills.iter().map(move |drill| (id, drill)))
    }

    /// The newest drill that found a point sound.
    pub(super) fn sound(&self) -> Option<(&Id, &Drill)> {
        let sound = self.drills().filter(|(_, drill)| drill.is_sound());
        sound.max_by_key(|(_, drill)| drill.at)
    }
}

pub(super) async fn gather(
    repository: &Repository,
    trust: &Trust,
    options: &Options,
) -> Result<Gathered> {
    let (source, database) = (options.source.as_deref(), options.database.as_deref());
    let mut found = repository.find(source, database).await?;
    found.sort_by_key(ListedPoint::order);
    let (drills, drills_denied) = match repository.attestations(source, database).await {
        Err(error) if error.kind() == Kind::Denied => (Attestations::default(), true),
        drills => (drills?, false),
    };
    let mut databases: BTreeMap<(String, String), Database> = BTreeMap::new();
    for (source, name) in &options.databases {
        databases.insert((source.clone(), name.clone()), empty(source, name));
    }
    let mut findings = Vec::new();
    let reader = PointReader {
        repository,
        trust,
        drills: &drills,
        identities: &options.identities,
    };
    let room = Semaphore::new(MIB_AT_A_TIME as usize);
    let mut read = stream::iter(&found)
        .map(async |one| {
            let mib = u32::try_from(one.manifest_bytes() >> 20).unwrap_or(u32::MAX);
            let taken = room.acquire_many(mib.min(MIB_AT_A_TIME - 1) + 1).await;
            let read = point(&reader, one).await;
            drop(taken);
            (one, read)
        })
        .buffered(MANIFESTS_AT_A_TIME);
    while let Some((one, read)) = read.next().await {
        let (point, found) = read?;
        findings.extend(found);
        let name = (one.source.clone(), one.database.clone());
        let at = databases.entry(name);
        at.or_insert_with(|| empty(&one.source, &one.database))
            .points
            .push(point);
    }
    let mut databases: Vec<Database> = databases.into_values().collect();
    for one in &mut databases {
        drop_old_assertions(one);
        one.newest = newest(repository, trust, &found, one).await?;
        let finding = match one.newest.as_ref().map(|newest| &newest.keys) {
            Some(Ok(ring)) => ring.finding(),
            Some(Err(why)) if why.kind() == Kind::Damaged => Some(why.chain()),
            _ => None,
        };
        findings.extend(finding.map(|finding| format!("{}: {finding}", one.name())));
    }
    Ok(Gathered {
        databases,
        announced: announced(repository).await,
        drills_denied,
        findings,
    })
}

fn empty(source: &str, database: &str) -> Database {
    Database {
        source: source.to_owned(),
        database: database.to_owned(),
        points: Vec::new(),
        newest: None,
    }
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
    let Some((id, _)) = database.trusted_points().next_back() else {
        return Ok(None);
    };
    let here = |one: &&ListedPoint| {
        one.id == *id && one.source == database.source && one.database == database.database
    };
    let Some(found) = found.iter().find(here) else {
        return Ok(None);
    };
    let point = repository.open(found, trust).await?;
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
        keys,
    }))
}

async fn announced(repository: &Repository) -> Vec<Announcement> {
    let mut announced: Vec<Announcement> = repository
        .accepted_announcements()
        .await
        .into_iter()
        .flatten()
        .collect();
    announced.sort_by_key(|one| (one.announced_at, one.key));
    announced.dedup();
    announced
}
