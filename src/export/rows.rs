//! The part of an export that runs in parallel: rows by workers, the schema by pg_dump, both under the
//! watchdog's eye.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::shared::{FirstFailure, RateLimit, Shared};
use super::snapshot::{DatabaseExport, SnapshotHeld};
use super::worker;
use crate::error::{Error, Result};
use crate::pg::source::dump::{Dump, Dumped};
use crate::pg::source::moment::Until;
use crate::repository::PointWriter;

/// Reads and stores every row, and returns pg_dump's archives.
pub(super) async fn read(
    export: &DatabaseExport<'_>,
    held: &SnapshotHeld,
    writer: &PointWriter,
) -> Result<Dumped> {
    let run = export.run;
    let progress = run.context.progress;
    progress.phase("rows", Some(held.at_snapshot.plan.estimated_bytes));
    let failure = FirstFailure::new();
    let read = Arc::new(AtomicU64::new(0));
    let mut workers = start(export, held, writer, &failure, &read);
    let work = async {
        let all = all(&mut workers, &failure);
        let dump = async {
            let dumped = dump(export, held).await?;
            let until = Until::Dumped(&dumped.schema);
            held.snapshot.check_names(&export.scout, until).await?;
            Ok(dumped)
        };
        let (dumped, ()) = tokio::join!(stop_on_error(&failure, dump), all);
        Ok(dumped)
    };
    let dumped = export.watchdog(&held.snapshot).guard(&read, work).await;
    let dumped = dumped.unwrap_or_else(|error| {
        failure.set(error);
        None
    });
    // Workers end by themselves once stopped; nothing may still write when we return.
    all(&mut workers, &failure).await;
    progress.advance(read.swap(0, Ordering::Relaxed));
    match (failure.take(), dumped) {
        (Some(error), _) => Err(error),
        (None, Some(dumped)) => Ok(dumped),
        (None, None) => Err(Error::failed("the export stopped without a reason")),
    }
}

/// Statistics are worth no export: a restore gathers them where there are none.
async fn dump(export: &DatabaseExport<'_>, held: &SnapshotHeld) -> Result<Dumped> {
    let dump = Dump {
        server: export.server,
        application: &export.application,
        encoding: &export.scout.server_encoding,
        snapshot_id: &held.snapshot.id,
        left_out: &held.snapshot.left_out,
        lock_wait: export.run.options.lock_wait(),
    };
    let schema = dump.schema(&export.pg_dump).await?;
    let mut statistics = None;
    if let Some(pg_dump) = &export.statistics_dump {
        statistics = match dump.statistics(pg_dump).await {
            Ok(archive) => Some(archive),
            Err(error) => {
                let why = error.chain();
                let what = "statistics are left to the restore to gather";
                export.run.context.progress.note(&format!("{what}: {why}"));
                None
            }
        };
    }
    Ok(Dumped { schema, statistics })
}

fn start(
    export: &DatabaseExport<'_>,
    held: &SnapshotHeld,
    writer: &PointWriter,
    failure: &FirstFailure,
    read: &Arc<AtomicU64>,
) -> JoinSet<()> {
    let run = export.run;
    let rate_limit = run.rate_limit;
    let shared = Shared {
        server: export.server.clone(),
        application: export.application.clone(),
        snapshot_id: held.snapshot.id.clone(),
        lock_wait: run.options.lock_wait(),
        ddl_wait: run.options.ddl_wait,
        plan: Arc::clone(&held.at_snapshot.plan),
        writer: writer.clone(),
        sealer: run.keys.sealer.clone(),
        failure: failure.clone(),
        limit: rate_limit.map(|rate| Arc::new(RateLimit::new(rate))),
        read: Arc::clone(read),
        uploads: tokio::runtime::Handle::current(),
    };
    let mut workers = JoinSet::new();
    for _ in 0..run.jobs.min(held.at_snapshot.plan.slices) {
        let shared = shared.clone();
        workers.spawn_blocking(move || worker::run(&shared));
    }
    workers
}

/// Waits for every worker. A worker reports its failure itself, but for a panic.
async fn all(workers: &mut JoinSet<()>, failure: &FirstFailure) {
    while let Some(ended) = workers.join_next().await {
        if let Err(why) = ended {
            failure.set(Error::failed("a worker of the export broke").because(why));
        }
    }
}

/// A failure stops the others; `read` reports the first one.
async fn stop_on_error<T>(
    failure: &FirstFailure,
    work: impl Future<Output = Result<T>>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => match done {
            Ok(value) => Some(value),
            Err(error) => {
                failure.set(error);
                None
            }
        },
        () = failure.wait() => None,
    }
}
