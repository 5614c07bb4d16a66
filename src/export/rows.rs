//! The part of an export that runs in parallel: rows by workers, the schema by pg_dump, both under the
//! watchdog's eye.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::shared::{RateLimit, Shared};
use super::snapshot::{Held, Subject};
use super::stop::Stop;
use super::worker;
use crate::error::{Error, Result};
use crate::pg::source::dump;
use crate::repository::PointWriter;

/// Reads and stores every row, and returns pg_dump's archive of the schema.
pub(super) async fn read(
    subject: &Subject<'_>,
    held: &Held,
    writer: &PointWriter,
) -> Result<Vec<u8>> {
    let run = subject.run;
    let progress = run.context.progress;
    progress.phase("rows", Some(held.noted.plan.estimated_bytes));
    let stop = Stop::new();
    let read = Arc::new(AtomicU64::new(0));
    let mut workers = start(subject, held, writer, &stop, &read);
    let dump = dump::schema(
        &subject.pg_dump,
        subject.server,
        &subject.application,
        &subject.scout.server_encoding,
        &held.snapshot.id,
        // The watchdog gives way first, and can name whom it gives way to.
        run.options.ddl_wait * 2,
    );
    let work = async {
        let all = all(&mut workers, &stop);
        let (schema, ()) = tokio::join!(stop_on_error(&stop, dump), all);
        Ok(schema)
    };
    let schema = subject.watchdog(&held.snapshot).guard(&read, work).await;
    let schema = schema.unwrap_or_else(|error| {
        stop.fail(error);
        None
    });
    // Workers end by themselves once stopped; nothing may still write when we return.
    all(&mut workers, &stop).await;
    progress.advance(read.swap(0, Ordering::Relaxed));
    match (stop.take(), schema) {
        (Some(error), _) => Err(error),
        (None, Some(schema)) => Ok(schema),
        (None, None) => Err(Error::failed("the export stopped without a reason")),
    }
}

fn start(
    subject: &Subject<'_>,
    held: &Held,
    writer: &PointWriter,
    stop: &Stop,
    read: &Arc<AtomicU64>,
) -> JoinSet<()> {
    let run = subject.run;
    let rate_limit = run.options.rate_limit;
    let shared = Shared {
        server: subject.server.clone(),
        application: subject.application.clone(),
        snapshot_id: held.snapshot.id.clone(),
        plan: Arc::clone(&held.noted.plan),
        writer: writer.clone(),
        sealer: run.keys.sealer.clone(),
        stop: stop.clone(),
        limit: rate_limit.map(|rate| Arc::new(RateLimit::new(rate))),
        read: Arc::clone(read),
        uploads: tokio::runtime::Handle::current(),
    };
    let mut workers = JoinSet::new();
    for _ in 0..run.jobs.min(held.noted.plan.slices) {
        let shared = shared.clone();
        workers.spawn_blocking(move || worker::run(&shared));
    }
    workers
}

/// Waits for every worker. They tell their failures themselves, but for a panic.
async fn all(workers: &mut JoinSet<()>, stop: &Stop) {
    while let Some(ended) = workers.join_next().await {
        if let Err(why) = ended {
            stop.fail(Error::failed("a worker of the export broke").because(why));
        }
    }
}

/// A failure stops the others; the first one is reported by whoever waits for all.
async fn stop_on_error<T>(stop: &Stop, work: impl Future<Output = Result<T>>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => match done {
            Ok(value) => Some(value),
            Err(error) => {
                stop.fail(error);
                None
            }
        },
        () = stop.wait() => None,
    }
}
