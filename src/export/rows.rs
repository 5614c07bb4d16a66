//! The part of an export that runs in parallel: rows by workers, the schema by pg_dump, both under the
//! watchdog's eye.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::shared::{FirstFailure, RateLimit, Shared};
use super::snapshot::{DatabaseExport, SnapshotHeld};
use super::worker;
use crate::error::{Error, Result};
use crate::pg::source::dump;
use crate::pg::source::moment::Until;
use crate::repository::PointWriter;

/// Reads and stores every row, and returns pg_dump's archive of the schema.
pub(super) async fn read(
    export: &DatabaseExport<'_>,
    held: &SnapshotHeld,
    writer: &PointWriter,
) -> Result<Vec<u8>> {
    let run = export.run;
    let progress = run.context.progress;
    progress.phase("rows", Some(held.at_snapshot.plan.estimated_bytes));
    let failure = FirstFailure::new();
    let read = Arc::new(AtomicU64::new(0));
    let mut workers = start(export, held, writer, &failure, &read);
    let dump = dump::schema(
        &export.pg_dump,
        export.server,
        &export.application,
        &export.scout.server_encoding,
        &held.snapshot.id,
        &held.snapshot.left_out,
        run.options.lock_wait(),
    );
    let work = async {
        let all = all(&mut workers, &failure);
        let dump = async {
            let schema = dump.await?;
            let until = Until::Dumped(&schema);
            held.snapshot.check_names(&export.scout, until).await?;
            Ok(schema)
        };
        let (schema, ()) = tokio::join!(stop_on_error(&failure, dump), all);
        Ok(schema)
    };
    let schema = export.watchdog(&held.snapshot).guard(&read, work).await;
    let schema = schema.unwrap_or_else(|error| {
        failure.set(error);
        None
    });
    // Workers end by themselves once stopped; nothing may still write when we return.
    all(&mut workers, &failure).await;
    progress.advance(read.swap(0, Ordering::Relaxed));
    match (failure.take(), schema) {
        (Some(error), _) => Err(error),
        (None, Some(schema)) => Ok(schema),
        (None, None) => Err(Error::failed("the export stopped without a reason")),
    }
}

fn start(
    export: &DatabaseExport<'_>,
    held: &SnapshotHeld,
    writer: &PointWriter,
    failure: &FirstFailure,
    read: &Arc<AtomicU64>,
) -> JoinSet<()> {
    let run = export.run;
    let rate_limit = run.options.rate_limit;
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
