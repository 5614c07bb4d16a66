//! A worker: one session on a thread of its own, and the packer that it feeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Handle};

use super::packer::{self, Batch};
use super::plan::{Job, Plan};
use super::queue::{self, Sender};
use super::stop::Stop;
use crate::codec::Sealer;
use crate::error::{Context, Error, Result};
use crate::model::digest::RowDigest;
use crate::pg::conninfo::Server;
use crate::pg::reader::SnapshotReader;
use crate::repository::PointWriter;

/// What all workers of an export share.
#[derive(Clone)]
pub struct Shared {
    pub server: Server,
    pub application: String,
    pub snapshot_id: String,
    pub plan: Arc<Plan>,
    pub writer: PointWriter,
    pub sealer: Sealer,
    pub stop: Stop,
    pub limit: Option<Arc<RateLimit>>,
    /// Bytes of the source's tables read since the watchdog asked last.
    pub read: Arc<AtomicU64>,
    /// Where uploads run.
    pub uploads: Handle,
}

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

/// Keeps all workers together below a rate.
pub struct RateLimit {
    bytes_per_second: u64,
    next: tokio::sync::Mutex<tokio::time::Instant>,
}

impl RateLimit {
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            next: tokio::sync::Mutex::new(tokio::time::Instant::now()),
        }
    }

    /// Waits until what was read before has had its time.
    async fn take(&self, bytes: u64) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let until = {
            let mut next = self.next.lock().await;
            *next = (*next).max(tokio::time::Instant::now()) + cost;
            *next
        };
        tokio::time::sleep_until(until).await;
    }
}
