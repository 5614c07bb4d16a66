//! Batches of rows to stored parts: compress, seal, hash on this thread; upload on the runtime.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use super::queue::{Batch, Receiver};
use super::shared::Shared;
use super::tally::Tally;
use crate::codec::{Compressor, SealedWriter};
use crate::error::{Context, Error, Result};
use crate::model::digest::RowDigest;

/// A part ends on the first row boundary past this many stored bytes. One PUT carries it, so it is
/// atomic, and it lies in memory, so a retry replays it.
const PART_BYTES: u64 = 16 * 1024 * 1024;

/// Reserved for a part: the frame that makes it full has room, however badly it compresses.
const PART_RESERVE: usize = 19 * 1024 * 1024;

/// What may be under way to the store at once: one whole part, or so many small ones.
const UPLOAD_BYTES: usize = PART_RESERVE;
const UPLOADS: usize = 16;

/// A table smaller than this does not reserve a whole part.
const SMALL_ROWS: usize = 512 * 1024;
const SMALL_RESERVE: usize = 64 * 1024;

/// Packs until the worker hangs up or something fails.
pub fn run(shared: &Shared, batches: &Receiver) {
    let packed = Compressor::new().and_then(|compressor| {
        let mut packer = Packer {
            shared,
            compressor,
            part: None,
            slice: RowDigest::default(),
            uploads: JoinSet::new(),
            room: Arc::new(Semaphore::new(UPLOAD_BYTES)),
            spare: Spare::default(),
        };
        packer.pack_all(batches)
    });
    if let Err(error) = packed {
        shared.stop.fail(error);
    }
}

struct Packer<'a> {
    shared: &'a Shared,
    compressor: Compressor,
    part: Option<OpenPart>,
    slice: RowDigest,
    /// While one part is built others are sent; `room` bounds what lies in memory for that.
    uploads: JoinSet<()>,
    room: Arc<Semaphore>,
    spare: Spare,
}

/// Memory of a part that is stored, for the next one: it need not be mapped and cleared again, and a
/// long export holds no more of it than a short one.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Option<Vec<u8>>>>);

impl Spare {
    fn take(&self) -> Vec<u8> {
        let spare = self.lock().take();
        spare.unwrap_or_else(|| Vec::with_capacity(PART_RESERVE))
    }

    /// Keeps one, where nobody else holds it any more.
    fn keep(&self, stored: Bytes) {
        let mut spare = self.lock();
        if spare.is_none() && stored.is_unique() {
            *spare = Some(Vec::from(stored)).filter(|memory| memory.capacity() >= PART_RESERVE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct OpenPart {
    sealed: SealedWriter,
    rows: u64,
    copy_bytes: u64,
}

impl Packer<'_> {
    fn pack_all(&mut self, batches: &Receiver) -> Result<()> {
        while let Some(batch) = batches.receive() {
            let bytes = batch.rows.len();
            self.pack(batch)?;
            batches.done(bytes);
        }
        self.wait_for_uploads()
    }

    fn pack(&mut self, batch: Batch) -> Result<()> {
        let Batch {
            tally,
            rows,
            digest,
            last,
        } = batch;
        self.slice.merge(digest);
        if !rows.is_empty() {
            let part = match &mut self.part {
                Some(part) => part,
                None => {
                    // A block that is not full is a slice's last one.
                    let small = rows.len() < SMALL_ROWS;
                    let memory = if small {
                        Vec::with_capacity(SMALL_RESERVE)
                    } else {
                        self.spare.take()
                    };
                    self.part.insert(OpenPart {
                        sealed: self.shared.sealer.compressed(memory)?,
                        rows: 0,
                        copy_bytes: 0,
                    })
                }
            };
            part.sealed.write(&rows, &mut self.compressor)?;
            part.rows += digest.rows;
            part.copy_bytes += rows.len() as u64;
        }
        drop(rows);
        let full = |part: &OpenPart| part.sealed.stored_bytes() >= PART_BYTES;
        if last || self.part.as_ref().is_some_and(full) {
            self.store(tally, last)?;
        }
        Ok(())
    }

    /// Finishes the open part, if any, and sends it; after the last one the slice ends.
    fn store(&mut self, tally: Arc<Tally>, last: bool) -> Result<()> {
        let part = match self.part.take() {
            Some(part) => Some((
                tally.begin_part(),
                part.sealed.finish()?,
                part.rows,
                part.copy_bytes,
            )),
            None => None,
        };
        let slice = last.then(|| std::mem::take(&mut self.slice));
        let bytes = part.as_ref().map_or(0, |part| part.1.bytes.len());
        let room = self.wait_for_room(bytes)?;
        let (writer, stop) = (self.shared.writer.clone(), self.shared.stop.clone());
        let spare = self.spare.clone();
        let upload = async move {
            if let Some((number, sealed, rows, copy_bytes)) = part {
                let stored = sealed.bytes.clone();
                let part = writer
                    .put_part(tally.oid, number, sealed, rows, copy_bytes)
                    .await
                    .context(|| format!("cannot store rows of {}", tally.name))?;
                spare.keep(stored);
                tally.end_part(part, &writer).await?;
            }
            match slice {
                Some(digest) => tally.end_slice(digest, &writer).await,
                None => Ok(()),
            }
        };
        let reported = async move {
            if let Err(error) = upload.await {
                stop.fail(error);
            }
            drop(room);
        };
        self.uploads.spawn_on(reported, &self.shared.uploads);
        while let Some(ended) = self.uploads.try_join_next() {
            ended.map_err(broken)?;
        }
        Ok(())
    }

    fn wait_for_room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let share = bytes.clamp(UPLOAD_BYTES / UPLOADS, UPLOAD_BYTES);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(share);
        self.shared.uploads.block_on(async {
            tokio::select! {
                biased;
                () = self.shared.stop.wait() => Err(stopped()),
                room = room => room.map_err(|_| stopped()),
            }
        })
    }

    fn wait_for_uploads(&mut self) -> Result<()> {
        let uploads = &mut self.uploads;
        let stop = &self.shared.stop;
        self.shared.uploads.block_on(async {
            let all = async {
                while let Some(ended) = uploads.join_next().await {
                    ended.map_err(broken)?;
                }
                Ok(())
            };
            let done = tokio::select! {
                biased;
                done = all => done,
                () = stop.wait() => Err(stopped()),
            };
            uploads.shutdown().await;
            done
        })
    }
}

fn broken(why: JoinError) -> Error {
    Error::failed("an upload broke").because(why)
}

/// The reason is with [`super::stop::Stop`] already.
fn stopped() -> Error {
    Error::failed("the export stopped")
}
