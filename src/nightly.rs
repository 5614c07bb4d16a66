//! `lifeboat nightly`: everything that runs each night in the source account.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::repository::PointPath;
use crate::schedule::{
    Export, Notify, Report, Schedule, SnapshotCopy, SnapshotExpire, StepReport, Steps, verify,
};

/// What the steps need. An `Err` fails only its own step.
pub(crate) struct Options {
    /// Pairs of source name and export; the outer `Err` says why nothing can be exported.
    pub exports: Result<Vec<(String, Result<Export>)>>,
    pub snapshot_copy: Option<Result<SnapshotCopy>>,
    pub snapshot_expire: Option<Result<SnapshotExpire>>,
    /// Sources whose RDS snapshots are not copied, because `snapshot.kms_key` is not set.
    pub not_copied: Vec<String>,
    pub notify: Notify,
}

/// Exports each source, copies snapshots, verifies what the exports stored, and removes intermediate
/// snapshots that are no longer needed.
pub(crate) async fn run(options: Options, context: Context<'_>) -> Result<Report> {
    let mut steps = Steps::new(Schedule::Nightly, context);
    let exports = match options.exports {
        Ok(exports) => exports,
        Err(error) => {
            steps.take("export", async { Err(error) }).await;
            Vec::new()
        }
    };
    let mut stored = Vec::new();
    for (source, export) in &exports {
        let step = async {
            let export = export.as_ref().map_err(Error::repeat)?;
            Ok(StepReport::Export(export.run(context).await?))
        };
        let report = steps.take(format!("export {source}"), step).await;
        if let (Some(report), Ok(export)) = (report, export) {
            stored.extend(report.stored().into_iter().map(|point| (export, point)));
        }
    }
    if let Some(copy) = options.snapshot_copy {
        let step = async { Ok(StepReport::SnapshotCopy(copy?.run(context).await?)) };
        steps.take("snapshot copy", step).await;
    }
    for (export, point) in stored {
        let name = format!("verify {}/{}", point.source, point.database);
        steps
            .take(name, verify_stored(export, point, context))
            .await;
    }
    if let Some(expire) = options.snapshot_expire {
        let step = async { Ok(StepReport::SnapshotExpire(expire?.run(context).await?)) };
        steps.take("snapshot expire", step).await;
    }
    if !options.not_copied.is_empty() {
        steps.add_finding(not_copied(&options.not_copied));
    }
    steps.finish(&options.notify).await
}

async fn verify_stored(
    export: &Export,
    point: PointPath,
    context: Context<'_>,
) -> Result<StepReport> {
    let repository = &export.repository;
    let opened = repository.open_at(&point, &export.trust).await?;
    repository.note_announced(context.progress).await;
    Ok(StepReport::Verify(verify(&opened, None, context).await?))
}

fn not_copied(sources: &[String]) -> String {
    format!(
        "RDS snapshots of {} are not copied: set snapshot.kms_key to a key of the backup account, or, \
         if exports are enough, leave `instance` and `cluster` out of [[source]]",
        sources.join(", ")
    )
}
