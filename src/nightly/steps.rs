//! The steps of a night, of one task or of a shard.

use std::sync::Arc;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::progress::OneOfSeveral;
use crate::repository::{PointPath, Repository};
use crate::schedule::{Export, Notify, SnapshotCopy, SnapshotExpire, StepReport, Steps, verify};
use crate::sign::Trust;
use crate::turns::Turns;

/// What the steps need. An `Err` fails only its own step.
pub(crate) struct Options {
    /// Pairs of source name and export; the outer `Err` says why nothing can be exported.
    pub exports: Result<Vec<(String, Result<Export>)>>,
    pub snapshot_copy: Option<Result<SnapshotCopy>>,
    pub snapshot_expire: Option<Result<SnapshotExpire>>,
    /// Sources whose RDS snapshots are not copied, because `snapshot.kms_key` is not set.
    pub not_copied: Vec<String>,
    pub notify: Notify,
    /// Of the exports as well.
    pub turns: Arc<Turns>,
}

/// A point to be verified, and where it lies.
pub(super) struct Stored<'a> {
    pub repository: &'a Repository,
    pub trust: &'a Trust,
    pub point: PointPath,
}

/// Exports each source and copies snapshots; the points that were stored.
pub(super) async fn store<'a>(
    steps: &mut Steps<'_>,
    exports: &'a [(String, Result<Export>)],
    snapshot_copy: Option<Result<SnapshotCopy>>,
    turns: &Turns,
    context: Context<'_>,
) -> Vec<Stored<'a>> {
    let taker = steps.taker();
    let taken = exports.iter().map(async |(source, export)| {
        let turn = turns.any().await;
        let step = async {
            let export = export.as_ref().map_err(Error::repeat)?;
            Ok(StepReport::Export(export.run(turn, context).await?))
        };
        taker.take(format!("export {source}"), step).await
    });
    let mut stored = Vec::new();
    for (taken, (_, export)) in turns.each(taken).await.into_iter().zip(exports) {
        let report = taken.and_then(|step| steps.add(step));
        if let (Some(report), Ok(export)) = (report, export) {
            stored.extend(report.stored().into_iter().map(|point| Stored {
                repository: &export.repository,
                trust: &export.trust,
                point,
            }));
        }
    }
    if let Some(copy) = snapshot_copy {
        let step = async { Ok(StepReport::SnapshotCopy(copy?.run(context).await?)) };
        steps.take("snapshot copy", step).await;
    }
    stored
}

pub(super) async fn verify_all(
    steps: &mut Steps<'_>,
    stored: Vec<Stored<'_>>,
    turns: &Turns,
    context: Context<'_>,
) {
    let taker = steps.taker();
    let taken = stored.into_iter().map(async |one| {
        let _turn = turns.any().await;
        let PointPath {
            source, database, ..
        } = &one.point;
        let name = format!("verify {source}/{database}");
        let named = OneOfSeveral::new(context.progress, source, database);
        let context = turns.context(context, &named);
        taker.take(name, verify_stored(&one, context)).await
    });
    for step in turns.each(taken).await.into_iter().flatten() {
        steps.add(step);
    }
}

pub(super) async fn expire(
    steps: &mut Steps<'_>,
    snapshot_expire: Option<Result<SnapshotExpire>>,
    context: Context<'_>,
) {
    if let Some(expire) = snapshot_expire {
        let step = async { Ok(StepReport::SnapshotExpire(expire?.run(context).await?)) };
        steps.take("snapshot expire", step).await;
    }
}

async fn verify_stored(stored: &Stored<'_>, context: Context<'_>) -> Result<StepReport> {
    let repository = stored.repository;
    let opened = repository.open_at(&stored.point, stored.trust).await?;
    repository.note_announced(context.progress).await;
    Ok(StepReport::Verify(verify(&opened, None, context).await?))
}

pub(super) fn not_copied(sources: &[String]) -> String {
    format!(
        "RDS snapshots of {} are not copied: set snapshot.kms_key to a key of the backup account, or, \
         if exports are enough, leave `instance` and `cluster` out of [[source]]",
        sources.join(", ")
    )
}
