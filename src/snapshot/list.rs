//! Which copies there are, by AWS's word.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::names::{self, Origin, tag, to_second};
use crate::aws::Account;
use crate::aws::rds::{Rds, Snapshot, SnapshotFilter};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::id::Id;
use crate::model::snapshot::{CopyStatus, Kind, id};

/// How far an exporter's clock may be before RDS's.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

pub(crate) const KINDS: [Kind; 2] = [Kind::Instance, Kind::Cluster];

/// A copy as a restore point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CopyPoint {
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
    /// The value of the tag `lifeboat:verified`; `None`: not restored yet.
    pub verified: Option<String>,
    /// It has the tag `lifeboat:hold`.
    pub held: bool,
}

impl CopyPoint {
    /// The family of parameter groups for its engine, such as `postgres16`.
    pub(crate) fn parameter_family(&self) -> String {
        let major = self.engine_version.split('.').next().unwrap_or_default();
        format!("{}{major}", self.engine)
    }
}

/// A copy of ours: as a restore point, and as RDS describes it.
#[derive(Debug, Clone)]
pub(crate) struct FoundCopy {
    pub point: CopyPoint,
    pub origin: Origin,
    pub snapshot: Snapshot,
}

impl FoundCopy {
    /// Whether its tag says that it was taken later than RDS says.
    pub(crate) fn is_of_the_future(&self) -> bool {
        let by_rds = names::taken_at(&self.snapshot);
        by_rds.is_some_and(|by_rds| self.origin.taken_at > by_rds + CLOCKS_DIFFER)
    }
}

/// All copies that lifeboat made in the account's region; sorted by source and time.
pub(crate) async fn find(account: &Account) -> Result<Vec<FoundCopy>> {
    let rds = Rds::new(account);
    let mut found = Vec::new();
    for kind in KINDS {
        let all = rds.snapshots(kind, SnapshotFilter::Own).await?;
        found.extend(
            all.into_iter()
                .filter_map(|one| found_copy(one, &rds.region)),
        );
    }
    found.sort_by_cached_key(|one| (one.point.source.clone(), one.point.taken_at));
    Ok(found)
}

/// What `snapshot list` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    pub account: String,
    pub region: String,
    /// Sorted by source and time.
    pub copies: Vec<CopyPoint>,
}

/// The copies of one source, or of all.
pub(crate) async fn list(account: &Account, source: Option<&str>) -> Result<Listing> {
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
pub(crate) async fn status(account: &Account, sources: &[String]) -> Result<Vec<CopyStatus>> {
    let found = find(account).await?;
    let status = |source: &String| {
        let usable = |one: &&FoundCopy| one.point.source == *source && one.snapshot.is_available();
        let usable = found.iter().filter(usable);
        CopyStatus {
            source: source.clone(),
            newest_at: usable.clone().map(|one| one.point.taken_at).max(),
            copies: usable.count() as u64,
        }
    };
    Ok(sources.iter().map(status).collect())
}

/// Chooses a copy that is available: the one of an id, or the newest. `purpose` is what is to be done
/// with it, for messages.
pub(crate) async fn choose(
    account: &Account,
    id: Option<&Id>,
    source: Option<&str>,
    purpose: &str,
) -> Result<FoundCopy> {
    let found = choose_any(account, id, source).await?;
    if found.snapshot.is_available() {
        return Ok(found);
    }
    Err(Error::refused(format!(
        "copy {} is '{}': only an available one can be {purpose}",
        found.point.copy, found.point.status
    ))
    .hint("`lifeboat snapshot list` shows others"))
}

async fn choose_any(account: &Account, id: Option<&Id>, source: Option<&str>) -> Result<FoundCopy> {
    let mut found = find(account).await?;
    found.retain(|one| source.is_none_or(|source| one.point.source == source));
    match id {
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
        let what = match id {
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
fn found_copy(snapshot: Snapshot, region: &str) -> Option<FoundCopy> {
    let origin = Origin::from_tags(&snapshot)?;
    let taken_at = taken_at(&snapshot, &origin);
    Some(FoundCopy {
        point: CopyPoint {
            source: origin.source.clone(),
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
        origin,
        snapshot,
    })
}

/// What RDS itself says, which nobody can write. Of a copy of a cluster's snapshot it says when that was copied at the
/// latest: whoever copied wrote in the tag when it was taken, which is believed as far as that is possible.
fn taken_at(snapshot: &Snapshot, origin: &Origin) -> Timestamp {
    let by_rds = names::taken_at(snapshot).map(to_second);
    match (snapshot.kind, by_rds) {
        (_, None) => origin.taken_at,
        (Kind::Cluster, Some(by_rds)) if origin.taken_at <= by_rds + CLOCKS_DIFFER => {
            origin.taken_at
        }
        (_, Some(by_rds)) => by_rds,
    }
}
