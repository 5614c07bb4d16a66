//! `lifeboat snapshot expire`: which snapshots of ours may go, and on demand their deletion.
//!
//! RDS cannot lock snapshots. Copies are protected by the rules of [`keep`], and by roles that may delete
//! by name and tag only.

mod intermediates;
mod keep;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::list::{CopyPoint, FoundCopy, KINDS, find};
use crate::aws::Account;
use crate::aws::rds::{Rds, SnapshotFilter};
use crate::context::Context;
use crate::error::Result;
use crate::model::choice::Choice;
use crate::model::snapshot::Kind;
use crate::outcome::Outcome;

use keep::{CopyFacts, Decisions, decide};
pub use keep::{Expected, Keep, Period};

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
        /// Only snapshots of its sources are looked at.
        choice: &'a Choice,
    },
    /// Copies in the backup account.
    Backup {
        backup: &'a Account,
        keep: Keep,
        /// Only copies under it count; `None`: all.
        kms_key: Option<&'a str>,
    },
}

/// What a run may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub deletes: bool,
    /// Of one source and one side: whoever makes more than that go at once has to say so.
    pub at_most: usize,
}

/// Without a person's word for more.
pub(crate) const AT_MOST: usize = 5;

/// How many manual snapshots of one kind an account may have in a region, unless AWS was asked for more: then a copy
/// fails. [Source](https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html)
const QUOTA: usize = 100;

#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether the run may delete: the configuration decides.
    pub deletes: bool,
    /// Every snapshot of lifeboat, newest first within its source.
    pub snapshots: Vec<SnapshotDecision>,
    pub deleted: u64,
    /// What a person must look at, a line each; any makes the exit code 3.
    pub findings: Vec<String>,
    /// Snapshots that could not be deleted.
    pub failures: Vec<String>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.failures.len(), self.findings.len())
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

/// Decides about the snapshots of all sides, and deletes those that may go, the oldest first, if `deletes` is true. One
/// that cannot be deleted does not keep the others.
pub async fn run(sides: &[Side<'_>], limits: Limits, context: Context<'_>) -> Result<Report> {
    let mut report = Report {
        deletes: limits.deletes,
        ..Report::default()
    };
    for side in sides {
        let (rds, decisions) = match side {
            Side::Source {
                source,
                backup,
                kms_key,
                choice,
            } => {
                let mut decisions = decide_in_source(source, backup, kms_key).await?;
                decisions.retain(|one| choice.has_source(&one.source));
                (Rds::new(source), decisions)
            }
            Side::Backup {
                backup,
                keep,
                kms_key,
            } => {
                let decided = decide_in_backup(backup, *keep, *kms_key).await?;
                report.findings.extend(decided.findings);
                (Rds::new(backup), decided.snapshots)
            }
        };
        delete(&rds, decisions, limits, &mut report, context).await?;
    }
    Ok(report)
}

async fn delete(
    rds: &Rds,
    mut decisions: Vec<SnapshotDecision>,
    limits: Limits,
    report: &mut Report,
    context: Context<'_>,
) -> Result<()> {
    let mut attempts: BTreeMap<String, usize> = BTreeMap::new();
    for snapshot in decisions.iter_mut().rev().filter(|one| one.goes) {
        let of_source = attempts.entry(snapshot.source.clone()).or_default();
        if *of_source >= limits.at_most {
            let most = limits.at_most;
            let later = format!("; later: a run deletes {most} of a source at most");
            snapshot.reason.push_str(&later);
            continue;
        }
        *of_source += 1;
        if !limits.deletes {
            continue;
        }
        context.interrupt.check()?;
        match rds.delete_snapshot(snapshot.kind, &snapshot.name).await {
            Ok(()) => {
                snapshot.deleted = true;
                report.deleted += 1;
            }
            Err(error) => report.failures.push(error.chain()),
        }
    }
    report.snapshots.extend(decisions);
    Ok(())
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

struct DecidedInBackup {
    snapshots: Vec<SnapshotDecision>,
    findings: Vec<String>,
}

async fn decide_in_backup(
    backup: &Account,
    keep: Keep,
    kms_key: Option<&str>,
) -> Result<DecidedInBackup> {
    let mut found = find(backup).await?;
    found.sort_by_cached_key(|FoundCopy { point, .. }| {
        (point.source.clone(), point.kind, Reverse(point.taken_at))
    });
    let (mut snapshots, mut findings) = (Vec::new(), Vec::new());
    for group in found.chunk_by(|a, b| database(a) == database(b)) {
        let copies: Vec<CopyFacts> = group
            .iter()
            .map(|one| CopyFacts::new(one, kms_key))
            .collect();
        let decided = decide(&copies, keep);
        findings.extend(told(&group[0], &decided, keep));
        findings.extend(group.iter().filter_map(of_the_future));
        for (one, decision) in group.iter().zip(decided.copies) {
            snapshots.push(SnapshotDecision {
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
    findings.extend(full_quotas(backup).await?);
    Ok(DecidedInBackup {
        snapshots,
        findings,
    })
}

/// What a person must decide about the copies of one instance or cluster.
fn told(one: &FoundCopy, decided: &Decisions, keep: Keep) -> Vec<String> {
    let CopyPoint {
        source, identifier, ..
    } = &one.point;
    let Expected { copies, of } = keep.expected;
    let contested = decided.contested.iter().map(|(begin, count)| {
        format!(
            "{source}: {count} copies of {identifier} are of {}, and a {} should have {copies}: who else can copy? None of them goes, and none counts as verified, until you delete those that you did not make",
            of.name(*begin),
            of.word()
        )
    });
    let unverified = decided.unverified.then(|| {
        format!(
            "{source}: no copy of {identifier} is verified, so none goes: `lifeboat drill --snapshot`, which prove runs, restores the newest one"
        )
    });
    contested.chain(unverified).collect()
}

/// lifeboat writes no such tag.
fn of_the_future(one: &FoundCopy) -> Option<String> {
    let CopyPoint { source, copy, .. } = &one.point;
    one.is_of_the_future().then(|| {
        format!(
            "{source}: the tags of copy {copy} say that it was taken at {}, and RDS that this was at {} at the latest, which counts: who else can copy?",
            one.origin.taken_at, one.point.taken_at
        )
    })
}

async fn full_quotas(backup: &Account) -> Result<Vec<String>> {
    let rds = Rds::new(backup);
    let mut findings = Vec::new();
    for kind in KINDS {
        let count = rds.snapshots(kind, SnapshotFilter::Own).await?.len();
        if count >= QUOTA {
            findings.push(format!(
                "account {} has {count} manual {kind} snapshots in {}, and AWS lets an account have {QUOTA} unless asked for more: the next copy may fail",
                backup.id, backup.region
            ));
        }
    }
    Ok(findings)
}

fn database(FoundCopy { point, .. }: &FoundCopy) -> (&str, Kind, &str) {
    (&point.source, point.kind, &point.identifier)
}
