//! SnapshotFilter copies there are, by AWS's word.

use jiff::Timestamp;
use serde::Serialize;

use super::names::{Mark, tag, to_second, told_time};
use crate::aws::Account;
use crate::aws::rds::{Rds, Snapshot, SnapshotFilter};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::id::Id;
use crate::model::snapshot::{CopyStatus, Kind, id};

pub const KINDS: [Kind; 2] = [Kind::Instance, Kind::Cluster];

/// A copy as a restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyPoint {
    pub source: String,
    pub kind: Kind,
    /// Of the instance or cluster that it is a snapshot of.
    pub identifier: String,
    pub id: Id,
    /// Its name in RDS.
    pub copy: String,
    pub copy_arn: String,
    pub region: String,
    /// When the original snapshot was taken.
    pub taken_at: Timestamp,
    /// `available`, or what else RDS says; only an available one can be restored.
    pub status: String,
    pub percent: u8,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub engine: String,
    pub engine_version: String,
    pub allocated_gib: u64,
    /// What the tag `lifeboat:verified` says; `None`: not restored yet.
    pub verified: Option<String>,
    /// It has the tag `lifeboat:hold`.
    pub held: bool,
}

/// A copy of ours with the snapshot that it is.
#[derive(Debug, Clone)]
pub struct Found {
    pub point: CopyPoint,
    pub mark: Mark,
    pub snapshot: Snapshot,
}

/// All copies that lifeboat made in the account's region; sorted by source and time.
pub async fn find(account: &Account) -> Result<Vec<Found>> {
    let rds = Rds::new(account);
    let mut found = Vec::new();
    for kind in KINDS {
        let all = rds.snapshots(kind, SnapshotFilter::Own).await?;
        found.extend(all.into_iter().filter_map(|one| of(one, &rds.region)));
    }
    found.sort_by(|a, b| {
        let key = |one: &Found| (one.point.source.clone(), one.point.taken_at);
        key(a).cmp(&key(b))
    });
    Ok(found)
}

/// What `snapshot list` prints.
#[derive(Debug, Serialize)]
pub struct Listing {
    pub account: String,
    pub region: String,
    /// Sorted by source and time.
    pub copies: Vec<CopyPoint>,
}

/// The copies of one source, or of all.
pub async fn list(account: &Account, source: Option<&str>) -> Result<Listing> {
    let found = find(account).await?.into_iter().map(|one| one.point);
    Ok(Listing {
        account: account.id.clone(),
        region: account.region.clone(),
        copies: found
            .filter(|one| source.is_none_or(|source| one.source == source))
            .collect(),
    })
}

/// The available copies of each of these sources.
pub async fn status(account: &Account, sources: &[String]) -> Result<Vec<CopyStatus>> {
    let found = find(account).await?;
    let status = |source: &String| {
        let usable = |one: &&Found| one.point.source == *source && one.snapshot.is_available();
        let usable = found.iter().filter(usable);
        CopyStatus {
            source: source.clone(),
            newest_at: usable.clone().map(|one| one.point.taken_at).max(),
            copies: usable.count() as u64,
        }
    };
    Ok(sources.iter().map(status).collect())
}

/// The one copy that is meant: of an id, or the newest that is available.
pub async fn choose(account: &Account, which: Option<&Id>, source: Option<&str>) -> Result<Found> {
    let mut found = find(account).await?;
    found.retain(|one| source.is_none_or(|source| one.point.source == source));
    match which {
        Some(id) => found.retain(|one| one.point.id == *id),
        None => found.retain(|one| one.snapshot.is_available()),
    }
    let mut sources: Vec<&str> = found.iter().map(|one| one.point.source.as_str()).collect();
    sources.dedup();
    if sources.len() > 1 {
        return Err(Error::usage(format!(
            "copies of several sources could be meant: {}",
            sources.join(", ")
        ))
        .hint("name one by --source"));
    }
    found.sort_by_key(|one| one.point.taken_at);
    found.pop().ok_or_else(|| {
        let what = match which {
            Some(id) => format!("no snapshot copy {id}"),
            None => "no snapshot copy that is available".to_owned(),
        };
        Error::new(
            ErrorKind::NotFound,
            format!("{what} in account {}, {}", account.id, account.region),
        )
        .hint("`lifeboat snapshot list` shows what is there")
    })
}

/// `None`: not ours.
fn of(snapshot: Snapshot, region: &str) -> Option<Found> {
    let mark = Mark::of(&snapshot)?;
    let taken_at = taken_at(&snapshot, &mark);
    Some(Found {
        point: CopyPoint {
            source: mark.source.clone(),
            kind: snapshot.kind,
            identifier: snapshot.identifier.clone(),
            id: id(taken_at, &snapshot.arn),
            copy: snapshot.name.clone(),
            copy_arn: snapshot.arn.clone(),
            region: region.to_owned(),
            taken_at,
            status: snapshot.status.clone(),
            percent: snapshot.percent,
            encrypted: snapshot.encrypted,
            kms_key: snapshot.kms_key.clone(),
            engine: snapshot.engine.clone(),
            engine_version: snapshot.engine_version.clone(),
            allocated_gib: snapshot.allocated_gib,
            verified: snapshot.tags.get(tag::VERIFIED).cloned(),
            held: snapshot.tags.contains_key(tag::HOLD),
        },
        mark,
        snapshot,
    })
}

/// RDS's own word, which nobody can write; of clusters there is only the tag.
fn taken_at(snapshot: &Snapshot, mark: &Mark) -> Timestamp {
    match snapshot.kind {
        Kind::Instance => told_time(snapshot).map_or(mark.taken_at, to_second),
        Kind::Cluster => mark.taken_at,
    }
}
