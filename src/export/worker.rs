//! A worker: one session on a thread of its own, and the packer that it feeds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::runtime::Builder;

use super::packer;
use super::plan::Job;
use super::queue::{self, Batch, Sender};
use super::shared::Shared;
use crate::error::{Context, Error, Result};
use crate::model::digest::RowDigest;
use crate::pg::reader::SnapshotReader;

/// Runs until no job is left or the export stops. Blocks its thread: the session's I/O, row by row,
/// stays on one thread and wakes no other.
pub fn run(shared: Shared) {
    let stop = shared.stop.clone();
    if let Err(error) = work(shared) {
        stop.fail(error);
    }
}

fn work(shared: Shared) -> Result<()> {
    let (batches, packing) = queue::queue();
    let packer = {
        let shared = shared.clone();
        std::thread::Builder::new()
            .name("lifeboat-pack".to_owned())
            .spawn(move || packer::run(&shared, &packing))
            .context(|| "cannot start a thread".to_owned())?
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context(|| "cannot start a runtime".to_owned())?;
    let read = runtime.block_on(read_jobs(&shared, &batches));
    drop(batches);
    packer
        .join()
        .map_err(|_| Error::failed("a packer panicked"))?;
    read
}

async fn read_jobs(shared: &Shared, batches: &Sender) -> Result<()> {
    let Shared {
        server,
        application,
        snapshot_id,
        stop,
        ..
    } = shared;
    let reader = SnapshotReader::connect(server, application, snapshot_id).await?;
    while let Some(job) = shared.plan.next() {
        tokio::select! {
            biased;
            done = read_slice(shared, &reader, job, batches) => done?,
            () = stop.wait() => {
                // The server may sit in a long scan or a lock queue: do not leave it there.
                let _ = reader.session().cancel().await;
                return Ok(());
            }
        }
        if stop.is_set() {
            return Ok(());
        }
    }
    Ok(())
}

async fn read_slice(
    shared: &Shared,
    reader: &SnapshotReader,
    job: Job,
    batches: &Sender,
) -> Result<()> {
    let mut rows = reader.copy(&job.sql, &job.tally.name).await?;
    let mut unread = job.progress_bytes;
    loop {
        let block = rows.next().await?;
        let last = block.is_none();
        let rows = Bytes::from(block.unwrap_or_default());
        let mut digest = RowDigest::default();
        digest.add_rows(&rows);
        let bytes = rows.len() as u64;
        let batch = Batch {
            tally: Arc::clone(&job.tally),
            rows,
            digest,
            last,
        };
        if batches.send(batch).is_err() {
            // The packer has failed and said why.
            return Ok(());
        }
        // Text is smaller or larger than the heap that was planned: the slice's end makes up for it.
        let progress = if last { unread } else { bytes.min(unread) };
        unread -= progress;
        shared.read.fetch_add(progress, Ordering::Relaxed);
        if last {
            return reader.end().await;
        }
        if let Some(limit) = &shared.limit {
            limit.take(bytes).await;
        }
    }
}
