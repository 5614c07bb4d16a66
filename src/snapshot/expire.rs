//! `lifeboat snapshot expire`: which snapshots of ours may go, and on demand their deletion.
//!
//! RDS cannot lock snapshots. Copies are protected by the rules of [`keep`], and by roles that may delete
//! by name and tag only.

mod intermediates;
mod keep;

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::Serialize;

use super::list::{FoundCopy, KINDS, find};
use crate::aws::Account;
use crate::aws::rds::{Rds, SnapshotFilter};
use crate::context::Context;
use crate::error::Result;
use crate::model::snapshot::Kind;
use crate::outcome::Outcome;

pub use keep::Keep;
pub(crate) use keep::{CopyFacts, decide};

/// Which side, and as whom.
pub enum Side<'a> {
    /// Intermediates in the source account, whose copies the backup account shows.
    Source {
        /// May delete.
        source: &'a Account,
        /// May list.
        backup: &'a Account,
        /// Encrypts the copies.
        kms_key: &'a str,
    },
    /// Copies in the backup account.
    Backup { backup: &'a Account, keep: Keep },
}

#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether the run may delete: the configuration decides.
    pub deletes: bool,
    /// Every snapshot of lifeboat, newest first within its source.
    pub snapshots: Vec<SnapshotDecision>,
    pub deleted: u64,
    /// Snapshots that could not be deleted.
    pub failures: Vec<String>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.failures.len(), 0)
    }
}

/// A snapshot, what becomes of it, and why.
#[derive(Debug, Serialize)]
pub struct SnapshotDecision {
    /// `source account` or `backup account`.
    pub side: &'static str,
    pub source: String,
    pub kind: Kind,
    pub name: String,
    pub taken_at: Timestamp,
    pub goes: bool,
    pub reason: String,
    pub deleted: bool,
}

/// Decides about the snapshots of all sides, and deletes those that may go if `deletes` is true. One
/// that cannot be deleted does not keep the others.
pub async fn run(sides: &[Side<'_>], deletes: bool, context: Context<'_>) -> Result<Report> {
    let mut report = Report {
        deletes,
        ..Report::default()
    };
    for side in sides {
        let (rds, decisions) = match side {
            Side::Source {
                source,
                backup,
                kms_key,
            } => (
                Rds::new(source),
                decide_in_source(source, backup, kms_key).await?,
            ),
            Side::Backup { backup, keep } => {
                (Rds::new(backup), decide_in_backup(backup, *keep).await?)
            }
        };
        for mut snapshot in decisions {
            if deletes && snapshot.goes {
                context.interrupt.check()?;
                match rds.delete_snapshot(snapshot.kind, &snapshot.name).await {
                    Ok(()) => {
                        snapshot.deleted = true;
                        report.deleted += 1;
                    }
                    Err(error) => report.failures.push(error.chain()),
                }
            }
            report.snapshots.push(snapshot);
        }
    }
    Ok(report)
}

async fn decide_in_source(
    source: &Account,
    backup: &Account,
    kms_key: &str,
) -> Result<Vec<SnapshotDecision>> {
    let copies = find(backup).await?;
    let rds = Rds::new(source);
    let mut decisions = Vec::new();
    for kind in KINDS {
        let mut all = rds.snapshots(kind, SnapshotFilter::Own).await?;
        all.sort_by_key(|one| Reverse(one.created_at));
        decisions.extend(all.iter().filter_map(|one| {
            let (origin, decision) = intermediates::decide(one, &copies, kms_key)?;
            Some(SnapshotDecision {
                side: rds.side,
                source: origin.source,
                kind,
                name: one.name.clone(),
                taken_at: origin.taken_at,
                goes: decision.goes,
                reason: decision.reason,
                deleted: false,
            })
        }));
    }
    Ok(decisions)
}

async fn decide_in_backup(backup: &Account, keep: Keep) -> Result<Vec<SnapshotDecision>> {
    let mut found = find(backup).await?;
    found.sort_by_cached_key(|FoundCopy { point, .. }| {
        (point.source.clone(), point.kind, Reverse(point.taken_at))
    });
    let mut decisions = Vec::new();
    for group in found.chunk_by(|a, b| database(a) == database(b)) {
        let copies: Vec<CopyFacts> = group.iter().map(CopyFacts::new).collect();
        for (one, decision) in group.iter().zip(decide(&copies, keep)) {
            decisions.push(SnapshotDecision {
                side: backup.side(),
                source: one.point.source.clone(),
                kind: one.point.kind,
                name: one.point.copy.clone(),
                taken_at: one.point.taken_at,
                goes: decision.goes,
                reason: decision.reason,
                deleted: false,
            });
        }
    }
    Ok(decisions)
}

fn database(FoundCopy { point, .. }: &FoundCopy) -> (&str, Kind, &str) {
    (&point.source, point.kind, &point.identifier)
}
