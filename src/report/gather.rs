//! From a repository to plain facts, one small record for each restore point and drill.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::Options;
use super::html::clipped;
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

/// Manifests are read so many at a time, and of these so many MiB: nothing is known of who wrote
/// them before they are read.
const AT_A_TIME: usize = 16;
const MIB_AT_A_TIME: u32 = 128;
/// So many drills of one restore point are read.
const DRILLS_OF_A_POINT: usize = 64;
/// So many drills of one database are told with what their assertions gave.
pub const DRILLS_WITH_VALUES: usize = 5;
/// What is kept of a drill while all are gathered: of how many assertions, and how much of each text.
const ASSERTIONS: usize = 200;
const TEXT_CHARS: usize = 120;
const KINDS: usize = 32;

pub struct Gathered {
    /// Sorted by source and name.
    pub databases: Vec<Database>,
    /// Keys that are believed because a pinned one announced them.
    pub announced: Vec<Announcement>,
    /// These credentials may not read attestations.
    pub drills_denied: bool,
    pub findings: Vec<String>,
}

pub struct Database {
    pub source: String,
    pub database: String,
    /// Oldest first.
    pub points: Vec<Point>,
    /// Of its newest restore point that is trusted.
    pub newest: Option<Newest>,
}

pub struct Point {
    pub id: Id,
    /// `None`: no trusted key signed it, or it does not read.
    pub seen: Option<Seen>,
}

/// What a signed manifest says, and the store of its lock.
pub struct Seen {
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

pub struct Drill {
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

/// What is told of the newest point alone.
pub struct Newest {
    pub id: Id,
    pub server_version: String,
    pub tool: String,
    pub large_objects: bool,
    pub not_covered: Vec<NotCovered>,
    /// Who opens it, or why that is not known.
    pub keys: Result<KeyRing>,
}

impl Drill {
    pub fn is_sound(&self) -> bool {
        self.verdict == Verdict::Sound
    }
}

impl Seen {
    /// The newest drill that found the point sound or not; an unproven one only where none did.
    pub fn proof(&self) -> Option<&Drill> {
        let mut drills = self.drills.iter();
        let proved = drills.find(|one| one.verdict != Verdict::Unproven);
        proved.or(self.drills.first())
    }
}

impl Database {
    pub fn name(&self) -> String {
        format!("{}/{}", self.source, self.database)
    }

    /// Trusted points, oldest first.
    pub fn seen(&self) -> impl DoubleEndedIterator<Item = (&Id, &Seen)> {
        let points = self.points.iter();
        points.filter_map(|point| Some((&point.id, point.seen.as_ref()?)))
    }

    /// All drills, by point.
    pub fn drills(&self) -> impl Iterator<Item = (&Id, &Drill)> {
        self.seen()
            .flat_map(|(id, seen)| seen.drills.iter().map(move |drill| (id, drill)))
    }

    /// The newest drill that found a point sound.
    pub fn sound(&self) -> Option<(&Id, &Drill)> {
        let sound = self.drills().filter(|(_, drill)| drill.is_sound());
        sound.max_by_key(|(_, drill)| drill.at)
    }
}

pub async fn gather(repository: &Repository, trust: &Trust, options: &Options) -> Result<Gathered> {
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
    let look = Look {
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
            let read = point(&look, one).await;
            drop(taken);
            (one, read)
        })
        .buffered(AT_A_TIME);
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
        keep_newest_values(one);
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

/// What points are looked at with.
struct Look<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    drills: &'a Attestations,
    identities: &'a Identities,
}

/// A manifest that does not open is shown and is a finding; it must not hide the others. A store that
/// does not answer says nothing of a restore point.
async fn point(look: &Look<'_>, found: &ListedPoint) -> Result<(Point, Vec<String>)> {
    let id = found.id.clone();
    let mut findings = Vec::new();
    if found.versions() > 1 {
        findings.push(format!(
            "{id}: its manifest was written {} times; the first counts",
            found.versions()
        ));
    }
    let seen = match seen(look, found).await {
        Ok((seen, passed_over)) => {
            findings.extend(seen.proof().and_then(|drill| not_sound(&id, drill)));
            let passed_over = passed_over.into_iter();
            findings.extend(
                passed_over.map(|why| format!("{id}: a drill's attestation counts as none: {why}")),
            );
            Some(seen)
        }
        Err(error) if error.kind() == Kind::Unavailable => return Err(error),
        Err(error) => {
            let why = error.chain();
            findings.push(format!("{id} cannot be restored from: {why}"));
            None
        }
    };
    Ok((Point { id, seen }, findings))
}

fn not_sound(id: &Id, drill: &Drill) -> Option<String> {
    let at = drill.at;
    match drill.verdict {
        Verdict::Sound => None,
        Verdict::Failed => Some(format!("{id}: its last drill failed, at {at}")),
        Verdict::Unproven => Some(format!("{id} {NOT_PROVEN} (drilled at {at})")),
    }
}

async fn seen(look: &Look<'_>, found: &ListedPoint) -> Result<(Seen, Vec<String>)> {
    let point = look.repository.open(found, look.trust).await?;
    let lock = point.head(&point.manifest_ref).await?.lock;
    let keep = |told| drill(told, look.identities);
    let history = look
        .drills
        .history(&point, look.trust, DRILLS_OF_A_POINT, keep);
    let history = match history.await {
        Err(error) if error.kind() == Kind::Denied => History::default(),
        history => history?,
    };
    let manifest = &point.manifest;
    let seen = Seen {
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
    Ok((seen, history.passed_over))
}

fn drill(told: Attestation, identities: &Identities) -> Drill {
    let mut not_tried = told.not_tried;
    not_tried.truncate(KINDS);
    for one in &mut not_tried {
        one.kind = clipped(&one.kind, TEXT_CHARS).into_owned();
    }
    Drill {
        at: told.drilled_at,
        verdict: told.result,
        seconds_to_restore: told.seconds_to_restore,
        seconds_to_first_query: told.seconds_to_first_query,
        rows: told.rows,
        sample: told
            .sample
            .map(|sample| clipped(&sample, TEXT_CHARS).into_owned()),
        held: told.assertions.iter().filter(|one| one.ok).count(),
        asked: told.assertions.len(),
        assertions: assertions(told.assertions, told.sealed.as_deref(), identities),
        as_superuser: told.as_superuser,
        walls: told.walls,
        not_tried,
    }
}

/// With what they gave, where the reader has an identity that opens it. Who has none is not shown what
/// early versions wrote in clear either.
fn assertions(
    mut told: Vec<Assertion>,
    sealed: Option<&str>,
    identities: &Identities,
) -> Vec<Assertion> {
    told.truncate(ASSERTIONS);
    let answers: Vec<Answer> = match sealed {
        Some(sealed) if !identities.is_empty() => {
            details::open(sealed, identities).map_or_else(|_| Vec::new(), |open| open.assertions)
        }
        _ => Vec::new(),
    };
    for one in &mut told {
        if identities.is_empty() {
            one.value = None;
        } else if let Some(answer) = answers.iter().find(|answer| answer.name == one.name) {
            one.value.clone_from(&answer.value);
        }
        let value = one.value.take();
        one.value = value.map(|value| clipped(&value, TEXT_CHARS).into_owned());
        one.name = clipped(&one.name, TEXT_CHARS).into_owned();
    }
    told
}

/// Values of thousands of drills would be held for nothing.
fn keep_newest_values(database: &mut Database) {
    let mut times: Vec<Timestamp> = database.drills().map(|(_, drill)| drill.at).collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    let Some(oldest) = times.get(DRILLS_WITH_VALUES) else {
        return;
    };
    let seen = database
        .points
        .iter_mut()
        .filter_map(|one| one.seen.as_mut());
    for drill in seen.flat_map(|seen| &mut seen.drills) {
        if drill.at <= *oldest {
            drill.assertions = Vec::new();
        }
    }
}

async fn newest(
    repository: &Repository,
    trust: &Trust,
    found: &[ListedPoint],
    database: &Database,
) -> Result<Option<Newest>> {
    let Some((id, _)) = database.seen().next_back() else {
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
    Ok(Some(Newest {
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
