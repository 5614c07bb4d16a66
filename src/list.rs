//! `lifeboat list` and `lifeboat show`: what a repository holds.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::codec::Identities;
use crate::error::{Error, Result};
use crate::model::attestation::NOT_PROVEN;
use crate::model::catalog::Catalog;
use crate::model::lock::Lock;
use crate::model::manifest::{Manifest, NotCovered};
use crate::repository::{
    Attestations, Leftover, Link, ListedPoint, MANIFESTS_AT_A_TIME, Proof, Repository,
    RestorePoint, Room, if_allowed, missing_points, unknown,
};
use crate::sign::Trust;

/// What `list` prints.
#[derive(Debug, Serialize)]
pub struct Listing {
    pub repository: String,
    /// Sorted by source, database and time.
    pub points: Vec<Point>,
    /// What failed or running exports left without a manifest.
    pub leftovers: Vec<Leftover>,
    /// What needs the attention of a person, one line each; any makes the exit code 3.
    pub findings: Vec<String>,
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
pub async fn list(
    repository: &Repository,
    trust: &Trust,
    (source, database): (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<Listing> {
    let found = repository.find(source, database).await?;
    let drills = if_allowed(repository.attestations(source, database).await)?;
    let committed: BTreeSet<_> = found.iter().map(|one| one.id.clone()).collect();
    let mut findings = Vec::new();
    let mut points = Vec::with_capacity(found.len());
    let room = Room::default();
    let mut opened = stream::iter(&found)
        .map(async |one| {
            let taken = room.take(one).await;
            let point = point(repository, trust, &drills, one).await;
            drop(taken);
            point
        })
        .buffered(MANIFESTS_AT_A_TIME);
    let mut links = Vec::new();
    while let Some((point, link, told)) = opened.next().await {
        points.push(point);
        links.extend(link);
        findings.extend(told);
    }
    findings.extend(missing_points(&links, &found, now));
    let leftovers = repository.leftovers(source, database, &committed).await?;
    Ok(Listing {
        repository: repository.url().to_owned(),
        points,
        leftovers,
        findings,
    })
}

/// A manifest that does not open is listed and is a finding; it must not hide the others.
async fn point(
    repository: &Repository,
    trust: &Trust,
    drills: &Attestations,
    found: &ListedPoint,
) -> (Point, Option<Link>, Vec<String>) {
    let mut point = Point {
        source: found.source.clone(),
        database: found.database.clone(),
        id: found.id.to_string(),
        stored_at: Some(found.stored_at()),
        ..Point::default()
    };
    if trust.fingerprints.is_empty() {
        return (point, None, Vec::new());
    }
    let read = async {
        let opened = repository.open(found, trust).await?;
        let lock = opened.head(&opened.manifest_ref).await?.lock;
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
            (point, link, findings)
        }
        Err(error) => {
            point.trusted = Some(false);
            let why = error.chain();
            let finding = format!("{} cannot be restored from: {why}", found.id);
            (point, None, vec![finding])
        }
    }
}

fn findings(found: &ListedPoint, proof: Proof) -> Vec<String> {
    let id = &found.id;
    let mut findings = Vec::new();
    if found.versions() > 1 {
        findings.push(format!(
            "{id}: its manifest was written {} times; the first counts",
            found.versions()
        ));
    }
    if let Some(failed_at) = proof.failed_at {
        findings.push(format!("{id}: its last drill failed, at {failed_at}"));
    } else if let Some(at) = proof.unproven_at {
        findings.push(format!("{id} {NOT_PROVEN} (drilled at {at})"));
    }
    let passed_over = proof.passed_over.into_iter();
    findings.extend(
        passed_over.map(|why| format!("{id}: a drill's attestation counts as none: {why}")),
    );
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
