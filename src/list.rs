//! `lifeboat list` and `lifeboat show`: what a repository holds.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::codec::Identities;
use crate::error::{Error, Result};
use crate::model::attestation::NOT_PROVEN;
use crate::model::catalog::Catalog;
use crate::model::lock::Lock;
use crate::model::manifest::{Manifest, NotCovered};
use crate::model::state::{NotShown, State};
use crate::outcome::Outcome;
use crate::repository::{
    Attestations, Fold, Leftover, Link, ListedPoint, MANIFESTS_AT_A_TIME, MOST_PASSED_OVER, Proof,
    Repository, RestorePoint, Room, by_database, counts_as_none, if_allowed, missing_points,
    unknown, written_again,
};
use crate::sign::Trust;

/// What is listed.
pub struct Options {
    /// Only of this source, or of this database.
    pub source: Option<String>,
    pub database: Option<String>,
    /// Open every point, however many there are.
    pub all: bool,
    pub now: Timestamp,
}

/// What `list` prints.
#[derive(Debug, Serialize)]
pub struct Listing {
    pub repository: String,
    /// The worst first.
    pub databases: Vec<DatabaseLine>,
    /// Those that were opened, sorted by source, database and id.
    pub points: Vec<Point>,
    /// How many points were listed and not opened.
    pub not_opened: u64,
    /// What failed or running exports left without a manifest.
    pub leftovers: Vec<Leftover>,
    /// What needs the attention of a person, one line each; any makes the exit code 3.
    pub findings: Vec<String>,
    /// By [`Listing::show_only`].
    #[serde(flatten)]
    pub not_shown: NotShown,
}

/// A database, as far as the listing of keys shows it.
#[derive(Debug, Serialize)]
pub struct DatabaseLine {
    pub source: String,
    pub database: String,
    /// By what was found of the points that were opened; `None`: no key was pinned, nothing was checked.
    pub state: Option<State>,
    pub points: u64,
    pub not_opened: u64,
    /// Points beside which attestations of drills lie. They were not opened for this.
    pub attested: u64,
    /// When the store received the manifests, opened or not, of the oldest and of the newest point.
    pub oldest_stored_at: Timestamp,
    pub newest_stored_at: Timestamp,
    /// Of this database.
    #[serde(skip)]
    findings: Vec<String>,
}

impl Listing {
    pub fn outcome(&self) -> Outcome {
        let not_shown = usize::try_from(self.not_shown.findings).unwrap_or(usize::MAX);
        Outcome::from_counts(0, self.findings.len().saturating_add(not_shown))
    }

    /// Leaves out databases in other states, with their points, and what was found of them.
    pub(crate) fn show_only(&mut self, states: &[State]) {
        let is_shown = |one: &DatabaseLine| one.state.is_some_and(|state| states.contains(&state));
        let (shown, others): (_, Vec<_>) = std::mem::take(&mut self.databases)
            .into_iter()
            .partition(is_shown);
        self.databases = shown;
        let names: BTreeSet<(&str, &str)> = self
            .databases
            .iter()
            .map(|one| (&*one.source, &*one.database))
            .collect();
        self.points
            .retain(|one| names.contains(&(&*one.source, &*one.database)));
        self.not_opened = self.databases.iter().map(|one| one.not_opened).sum();
        self.findings = findings_of(&self.databases);
        self.not_shown = NotShown {
            databases: others.len() as u64,
            findings: findings_of(&others).len() as u64,
        };
    }
}

fn findings_of(databases: &[DatabaseLine]) -> Vec<String> {
    let findings = databases.iter().flat_map(|one| &one.findings);
    findings.cloned().collect()
}

/// A restore point.
#[derive(Debug, Default, Serialize)]
pub struct Point {
    pub source: String,
    pub database: String,
    pub id: String,
    /// When the store received the manifest, by its own clock.
    pub stored_at: Option<Timestamp>,
    /// Whether a pinned key signed the manifest; `null`: no key was pinned, nothing was checked.
    /// All that follows is `null` then.
    pub trusted: Option<bool>,
    pub snapshot_at: Option<Timestamp>,
    /// What a reader must know beyond the repository's format.
    pub requires: Option<Vec<String>>,
    /// What is left out on request, by kind.
    pub excluded: Option<Vec<NotCovered>>,
    pub tables: Option<u64>,
    pub rows: Option<u64>,
    pub stored_bytes: Option<u64>,
    pub copy_bytes: Option<u64>,
    /// The lock of the manifest as the store reports it now; its parts are locked for longer.
    pub lock: Option<Lock>,
    /// When a drill last found that it restores; `null`: none is known of.
    pub drilled_at: Option<Timestamp>,
}

/// Lists restore points and leftovers. Without a pinned key only keys are listed, nothing that a
/// manifest says.
pub async fn list(repository: &Repository, trust: &Trust, options: &Options) -> Result<Listing> {
    let (source, database) = (options.source.as_deref(), options.database.as_deref());
    let found = repository.find(source, database).await?;
    let leftovers = repository.leftovers(source, database, &found, trust);
    let leftovers = leftovers.await?;
    let drills = if_allowed(repository.attestations(source, database).await)?;
    let of = by_database(found);
    let reader = Reader {
        repository,
        trust,
        drills: &drills,
        room: &Room::default(),
        // Without a key nothing is opened anyway.
        fold: match options.all || trust.fingerprints.is_empty() {
            true => Fold::never(),
            false => Fold::of(of.values().map(Vec::len)),
        },
        now: options.now,
    };
    let reads = of
        .iter()
        .map(async |((source, database), found)| reader.database(source, database, found).await);
    let mut reads = std::pin::pin!(stream::iter(reads).buffered(MANIFESTS_AT_A_TIME));
    let (mut databases, mut points) = (Vec::with_capacity(of.len()), Vec::new());
    while let Some(read) = reads.next().await {
        let (line, opened) = read?;
        databases.push(line);
        points.extend(opened);
    }
    databases.sort_by_key(|one| (Reverse(one.state), Reverse(one.findings.len())));
    Ok(Listing {
        repository: repository.url().to_owned(),
        not_opened: databases.iter().map(|one| one.not_opened).sum(),
        findings: findings_of(&databases),
        databases,
        points,
        leftovers,
        not_shown: NotShown::default(),
    })
}

struct Reader<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    drills: &'a Attestations,
    room: &'a Room,
    fold: Fold,
    now: Timestamp,
}

impl Reader<'_> {
    /// A database, and its points that were opened, the newest last.
    async fn database(
        &self,
        source: &str,
        database: &str,
        found: &[ListedPoint],
    ) -> Result<(DatabaseLine, Vec<Point>)> {
        let opened = self.opened(found).await?;
        let (mut points, mut links) = (Vec::new(), Vec::new());
        let mut findings: Vec<_> = found.iter().filter_map(written_again).collect();
        if self.trust.fingerprints.is_empty() {
            // Nothing is checked.
            findings.clear();
        }
        for (point, link, told) in opened {
            points.push(point);
            links.extend(link);
            findings.extend(told);
        }
        points.sort_by(|one: &Point, other| one.id.cmp(&other.id));
        let (repository, trust, room) = (self.repository, self.trust, self.room);
        findings.extend(missing_points(repository, trust, room, &links, found, self.now).await?);
        let findings = findings.into_iter();
        let findings: Vec<_> = findings
            .map(|what| format!("{source}/{database}: {what}"))
            .collect();
        let is_urgent = !points.iter().any(|point| point.trusted == Some(true));
        let state = State::of_findings(findings.iter().map(|_| is_urgent));
        let stored_at = |one: Option<&ListedPoint>| one.map(ListedPoint::stored_at);
        let attested = found.iter().filter(|one| self.drills.contains(&one.path()));
        let line = DatabaseLine {
            source: source.to_owned(),
            database: database.to_owned(),
            state: (!self.trust.fingerprints.is_empty()).then_some(state),
            points: found.len() as u64,
            not_opened: (found.len() - points.len()) as u64,
            attested: attested.count() as u64,
            oldest_stored_at: stored_at(found.first()).unwrap_or_default(),
            newest_stored_at: stored_at(found.last()).unwrap_or_default(),
            findings,
        };
        Ok((line, points))
    }

    async fn opened(&self, found: &[ListedPoint]) -> Result<Vec<Opened>> {
        let groups = self.fold.groups(found, self.drills).into_iter();
        let reads = stream::iter(groups.map(async |group| self.newest(&group).await));
        let read: Vec<Vec<Opened>> = reads.buffered(MANIFESTS_AT_A_TIME).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// The newest point that can be trusted, after those that were passed over for it.
    async fn newest(&self, found: &[&ListedPoint]) -> Result<Vec<Opened>> {
        let mut opened = Vec::new();
        for one in found.iter().rev().take(MOST_PASSED_OVER) {
            let point = self.point(one).await?;
            let is_last = point.0.trusted != Some(false);
            opened.push(point);
            if is_last {
                break;
            }
        }
        Ok(opened)
    }

    async fn point(&self, found: &ListedPoint) -> Result<Opened> {
        let _taken = self.room.take(&[found]).await;
        point(self.repository, self.trust, self.drills, found).await
    }
}

/// A point, the one before it by name, and what was found.
type Opened = (Point, Option<Link>, Vec<String>);

/// A manifest that does not open is listed and is a finding; it must not hide the others. A store that does not answer
/// says nothing of it, and is an error.
async fn point(
    repository: &Repository,
    trust: &Trust,
    drills: &Attestations,
    found: &ListedPoint,
) -> Result<Opened> {
    let mut point = Point {
        source: found.source.clone(),
        database: found.database.clone(),
        id: found.id.to_string(),
        stored_at: Some(found.stored_at()),
        ..Point::default()
    };
    if trust.fingerprints.is_empty() {
        return Ok((point, None, Vec::new()));
    }
    let read = async {
        let (opened, lock) = repository.open_with_lock(found, trust).await?;
        let proof = if_allowed(drills.proof(&opened, trust).await)?;
        let unreadable = opened.check_requirements().err();
        Ok::<_, Error>((opened.manifest, unreadable, lock, proof))
    };
    match read.await {
        Ok((manifest, unreadable, lock, proof)) => {
            let link = Link::of(&manifest);
            point.trusted = Some(true);
            point.snapshot_at = Some(manifest.snapshot_at);
            point.tables = Some(manifest.user_tables().count() as u64);
            point.rows = Some(manifest.rows());
            point.stored_bytes = Some(manifest.stored_bytes());
            point.copy_bytes = Some(manifest.copy_bytes());
            point.lock = lock;
            point.drilled_at = proof.drilled_at();
            point.requires = Some(manifest.requires);
            point.excluded = Some(manifest.excluded);
            let mut findings = findings(found, proof);
            findings.extend(unreadable.map(|why| why.chain()));
            Ok((point, link, findings))
        }
        Err(error) if error.is_no_answer() => Err(error),
        Err(error) => {
            point.trusted = Some(false);
            let why = error.chain();
            let finding = format!("{} cannot be restored from: {why}", found.id);
            Ok((point, None, vec![finding]))
        }
    }
}

fn findings(found: &ListedPoint, proof: Proof) -> Vec<String> {
    let id = &found.id;
    let mut findings = Vec::new();
    if let Some(failed_at) = proof.failed_at {
        findings.push(format!("{id}: its last drill failed, at {failed_at}"));
    } else if let Some(at) = proof.unproven_at {
        findings.push(format!("{id} {NOT_PROVEN} (drilled at {at})"));
    }
    let passed_over = proof.passed_over.into_iter();
    findings.extend(passed_over.map(|why| counts_as_none(id, &why)));
    findings
}

/// What `show` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub repository: String,
    pub signed_by: String,
    /// The lock of the manifest as the store reports it now.
    pub lock: Option<Lock>,
    pub rows: u64,
    pub parts: u64,
    pub stored_bytes: u64,
    pub copy_bytes: u64,
    pub manifest: Manifest,
    /// Only with an identity, and of a point that this version can read: names, columns, digests, roles.
    pub catalog: Option<Catalog>,
    /// Of what the point requires, what this version does not know.
    #[serde(skip)]
    pub unknown: Vec<String>,
}

pub(crate) async fn show(
    point: &RestorePoint,
    url: &str,
    identities: &Identities,
) -> Result<Shown> {
    let catalog = match identities.is_empty() || point.check_requirements().is_err() {
        true => None,
        false => Some(point.catalog(identities).await?),
    };
    let manifest = point.manifest.clone();
    Ok(Shown {
        repository: url.to_owned(),
        signed_by: point.signed_by.to_string(),
        lock: point.head(&point.manifest_ref).await?.lock,
        rows: manifest.rows(),
        parts: manifest.parts(),
        unknown: unknown(&manifest).map(str::to_owned).collect(),
        stored_bytes: manifest.stored_bytes(),
        copy_bytes: manifest.copy_bytes(),
        manifest,
        catalog,
    })
}
