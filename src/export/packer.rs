//! Batches of rows to stored parts: compressed, sealed and hashed by the worker, uploaded beside it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use super::shared::Shared;
use super::table_progress::TableProgress;
use super::table_reuse::{TablePart, TableReuse};
use crate::codec::{ChunkFinder, Compressor, SealedWriter};
use crate::error::{Error, Result, ResultExt};
use crate::model::digest::Mark;
use crate::model::table_digest::TableDigest;

/// A part ends on the first row boundary past this many stored bytes, or with its slice. One PUT carries
/// it, so it is atomic, and it lies in memory, so a retry replays it. Rows that compress as most do end
/// their slice shortly before: rows that nothing compresses then take no more memory than those.
const PART_BYTES: u64 = 12 * 1024 * 1024;

/// Reserved for a part, not used: glibc maps what is over 32 MiB by itself, so what is given back goes
/// to the system. In a heap it would stay as a hole, of up to a part for each session.
const PART_RESERVE: usize = 33 * 1024 * 1024;

/// What may be under way to the store at once: one whole part with the frame that made it full, or
/// `UPLOADS` small ones.
const UPLOAD_BYTES: usize = 15 * 1024 * 1024;
const UPLOADS: usize = 16;

/// A table smaller than this does not reserve a whole part.
const SMALL_ROWS: usize = 512 * 1024;
const SMALL_RESERVE: usize = 64 * 1024;

/// Packs the rows of one worker.
pub(super) struct Packer<'a> {
    shared: &'a Shared,
    compressor: Compressor,
    part: Option<OpenPart>,
    /// Of the slice that is read, where chunks are named again, and the rows of the chunk that has not ended.
    finder: Option<ChunkFinder>,
    held: Vec<u8>,
    slice: TableDigest,
    /// While one part is built others are sent; `room` bounds what lies in memory for that.
    uploads: JoinSet<()>,
    room: Arc<Semaphore>,
    spare: Spare,
}

/// Memory of a part that is stored, for the next one: it need not be mapped and cleared again. Only what
/// an ordinary part takes is kept, and not where the part came out so small that it was given back.
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
            let ordinary = PART_RESERVE..=PART_RESERVE + PART_RESERVE / 4;
            *spare = Some(Vec::from(stored)).filter(|memory| ordinary.contains(&memory.capacity()));
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

impl<'a> Packer<'a> {
    pub(super) fn new(shared: &'a Shared) -> Result<Self> {
        Ok(Self {
            shared,
            compressor: Compressor::new()?,
            part: None,
            finder: None,
            held: Vec::new(),
            slice: TableDigest::default(),
            uploads: JoinSet::new(),
            room: Arc::new(Semaphore::new(UPLOAD_BYTES)),
            spare: Spare::default(),
        })
    }

    /// Packs whole rows of one table, about 1 MiB of them or one that is wider; with the `last` ones its
    /// slice ends. Compressing happens here and now: meanwhile the server fills the socket, which is
    /// then read in large pieces. Waits while the store is behind.
    pub(super) async fn pack(
        &mut self,
        table: Arc<TableProgress>,
        rows: Vec<u8>,
        last: bool,
    ) -> Result<()> {
        let Some(reuse) = &table.reuse else {
            return self.pack_parts(table, rows, last).await;
        };
        self.pack_chunks(&table, reuse, rows, last).await?;
        match last {
            true => self.send(table, None, true).await,
            false => Ok(()),
        }
    }

    /// Parts end by their stored size.
    async fn pack_parts(
        &mut self,
        table: Arc<TableProgress>,
        mut rows: Vec<u8>,
        last: bool,
    ) -> Result<()> {
        let digest = table.shape.digest(&mut rows);
        let digest = digest.context(|| format!("cannot read {}", table.name))?;
        self.slice.merge(&digest);
        if !rows.is_empty() {
            let mut part = match self.part.take() {
                Some(part) => part,
                // The end of a slice, as a rule all of it.
                None => self.open_part(rows.len())?,
            };
            part.sealed.write(&rows, &mut self.compressor)?;
            part.rows += digest.rows.rows;
            part.copy_bytes += rows.len() as u64;
            self.part = Some(part);
        }
        drop(rows);
        let full = |part: &OpenPart| part.sealed.stored_bytes() >= PART_BYTES;
        if last || self.part.as_ref().is_some_and(full) {
            let part = self.part.take().map(|part| (part, None));
            self.send(table, part, last).await?;
        }
        Ok(())
    }

    /// Parts end with their chunk. Its rows are held until it ends: only then it is known whether they are stored
    /// already.
    async fn pack_chunks(
        &mut self,
        table: &Arc<TableProgress>,
        reuse: &TableReuse,
        mut rows: Vec<u8>,
        last: bool,
    ) -> Result<()> {
        let finder = self.finder.get_or_insert_with(|| reuse.finder());
        let (mut at, mut ends) = (0, Vec::new());
        let each = |bytes: usize, digest| {
            let row = finder.row(bytes, digest);
            ends.extend(row.before.map(|rows| (at, rows)));
            at += bytes;
            ends.extend(row.after.map(|rows| (at, rows)));
        };
        let digest = table.shape.digest_each(&mut rows, each);
        let digest = digest.context(|| format!("cannot read {}", table.name))?;
        self.slice.merge(&digest);
        if last && let Some(mut finder) = self.finder.take() {
            let left = finder.end();
            ends.extend((left > 0).then_some((rows.len(), left)));
        }
        let mut from = 0;
        for (end, count) in ends {
            self.hold(&mut rows, from, end);
            from = end;
            self.end_chunk(table, reuse, count).await?;
        }
        let end = rows.len();
        self.hold(&mut rows, from.min(end), end);
        Ok(())
    }

    /// Holds more rows of a chunk. A block that is all of it is not copied: it may be one huge row.
    fn hold(&mut self, rows: &mut Vec<u8>, from: usize, end: usize) {
        if self.held.is_empty() && from == 0 && end == rows.len() {
            self.held = std::mem::take(rows);
        } else {
            self.held.extend_from_slice(&rows[from..end]);
        }
    }

    /// Names the held rows where they are stored already, or stores them.
    async fn end_chunk(
        &mut self,
        table: &Arc<TableProgress>,
        reuse: &TableReuse,
        rows: u64,
    ) -> Result<()> {
        let mut held = std::mem::take(&mut self.held);
        let mark = reuse.mark(&held);
        let copy_bytes = held.len() as u64;
        let writer = &self.shared.writer;
        let named = reuse.name_again(mark, (rows, copy_bytes), writer).await;
        match named.context(|| format!("cannot name rows of {} again", table.name))? {
            Some(part) => table.add_named(part),
            None => {
                let mut part = self.open_part(held.len())?;
                part.sealed.write(&held, &mut self.compressor)?;
                (part.rows, part.copy_bytes) = (rows, copy_bytes);
                self.send(Arc::clone(table), Some((part, Some(mark))), false)
                    .await?;
            }
        }
        // A huge row's memory is given back.
        if held.capacity() <= PART_RESERVE {
            held.clear();
            self.held = held;
        }
        Ok(())
    }

    fn open_part(&self, bytes: usize) -> Result<OpenPart> {
        let memory = match bytes < SMALL_ROWS {
            true => Vec::with_capacity(SMALL_RESERVE),
            false => self.spare.take(),
        };
        Ok(OpenPart {
            sealed: self.shared.sealer.compressed(memory)?,
            rows: 0,
            copy_bytes: 0,
        })
    }

    /// Finishes a part, if any, and sends it; after the last one the slice ends.
    async fn send(
        &mut self,
        table: Arc<TableProgress>,
        part: Option<(OpenPart, Option<Mark>)>,
        last: bool,
    ) -> Result<()> {
        let part = match part {
            Some((part, mark)) => Some((
                table.begin_part(),
                part.sealed.finish()?,
                (part.rows, part.copy_bytes),
                mark,
            )),
            None => None,
        };
        let slice = last.then(|| std::mem::take(&mut self.slice));
        let bytes = part.as_ref().map_or(0, |part| part.1.bytes.len());
        let room = self.wait_for_room(bytes).await?;
        let (writer, failure) = (self.shared.writer.clone(), self.shared.failure.clone());
        let spare = self.spare.clone();
        let upload = async move {
            if let Some((number, sealed, (rows, copy_bytes), mark)) = part {
                let stored = sealed.bytes.clone();
                let part = writer
                    .put_part(table.oid, number, sealed, rows, copy_bytes)
                    .await
                    .context(|| format!("cannot store rows of {}", table.name))?;
                spare.keep(stored);
                let until = None;
                let part = TablePart { part, mark, until };
                table.end_part(part, &writer).await?;
            }
            match slice {
                Some(digest) => table.end_slice(&digest, &writer).await,
                None => Ok(()),
            }
        };
        let reported = async move {
            if let Err(error) = upload.await {
                failure.set(error);
            }
            drop(room);
        };
        self.uploads.spawn_on(reported, &self.shared.uploads);
        while let Some(ended) = self.uploads.try_join_next() {
            ended.map_err(broken)?;
        }
        Ok(())
    }

    async fn wait_for_room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let share = bytes.clamp(UPLOAD_BYTES / UPLOADS, UPLOAD_BYTES);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(share);
        tokio::select! {
            biased;
            () = self.shared.failure.wait() => Err(stopped()),
            room = room => room.map_err(|_| stopped()),
        }
    }

    /// Waits until everything is stored; after a stop, ends what is under way.
    pub(super) async fn end(mut self) -> Result<()> {
        let uploads = &mut self.uploads;
        let all = async {
            while let Some(ended) = uploads.join_next().await {
                ended.map_err(broken)?;
            }
            Ok(())
        };
        let done = tokio::select! {
            biased;
            done = all => done,
            () = self.shared.failure.wait() => Err(stopped()),
        };
        self.uploads.shutdown().await;
        done
    }
}

fn broken(why: JoinError) -> Error {
    Error::failed("an upload broke").because(why)
}

/// The reason is with [`super::shared::FirstFailure`] already.
fn stopped() -> Error {
    Error::failed("the export stopped")
}
