//! A worker: one session, and the packing of what it reads, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Builder;

use super::packer::Packer;
use super::plan::{Job, Rows};
use super::shared::Shared;
use super::table_progress::TableProgress;
use super::views;
use crate::error::{Result, ResultExt};
use crate::pg::source::reader::SnapshotReader;

/// How long a server may take to accept that a statement be cancelled.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// Runs until no job is left or the export stops. Blocks its thread: rows stay in its core's cache from
/// the socket into the part, and wake no other.
pub(super) fn run(shared: &Shared) {
    if let Err(error) = work(shared) {
        shared.failure.set(error);
    }
}

fn work(shared: &Shared) -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context(|| "cannot start a runtime".to_owned())?;
    runtime.block_on(async {
        let mut packer = Packer::new(shared)?;
        if let Err(error) = read_jobs(shared, &mut packer).await {
            shared.failure.set(error);
        }
        packer.end().await
    })
}

async fn read_jobs(shared: &Shared, packer: &mut Packer<'_>) -> Result<()> {
    let Shared {
        server,
        application,
        snapshot_id,
        lock_wait,
        failure,
        ..
    } = shared;
    let reader = SnapshotReader::connect(server, application, snapshot_id).await?;
    reader.session.set_lock_timeout(*lock_wait).await?;
    loop {
        let job = shared.plan.next();
        let is_last = job.is_none();
        let work = async {
            match job {
                Some(job) => read_job(shared, &reader, job, packer).await,
                None => reader.finish().await,
            }
        };
        let read = tokio::select! {
            biased;
            read = work => read,
            () = failure.wait() => Ok(()),
        };
        if read.is_err() || failure.is_set() {
            // The server may sit in a long scan or a lock queue: do not leave it there. One that does
            // not even take this is not waited for.
            let _ = tokio::time::timeout(CANCEL_WAIT, reader.session.cancel()).await;
            return read;
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn read_job(
    shared: &Shared,
    reader: &SnapshotReader,
    job: Job,
    packer: &mut Packer<'_>,
) -> Result<()> {
    match &job.rows {
        Rows::Stored(table) => read_slice(shared, reader, &job, table, packer).await,
        Rows::Digested(view) => views::read(shared, reader, &job.sql, view).await,
    }
}

async fn read_slice(
    shared: &Shared,
    reader: &SnapshotReader,
    job: &Job,
    table: &Arc<TableProgress>,
    packer: &mut Packer<'_>,
) -> Result<()> {
    let mut rows = reader.copy(&job.sql, &table.name).await?;
    let mut unread = job.progress_bytes;
    loop {
        let block = rows.next().await?;
        let last = block.is_none();
        let rows = block.unwrap_or_default();
        let bytes = rows.len() as u64;
        packer.pack(Arc::clone(table), rows, last).await?;
        // Text is smaller or larger than the heap that was planned: the slice's end makes up for it.
        let progress = if last { unread } else { bytes.min(unread) };
        unread -= progress;
        shared.read.fetch_add(progress, Ordering::Relaxed);
        if last {
            return reader.copied(&job.sql).await;
        }
        if let Some(limit) = &shared.limit {
            limit.take(bytes).await;
        }
    }
}
