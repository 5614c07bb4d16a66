//! Batches of rows to stored parts: compress, seal, hash on this thread; upload on the runtime.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::queue::Receiver;
use super::tally::Tally;
use super::worker::Shared;
use crate::codec::SealedWriter;
use crate::error::{Context, Error, Result};
use crate::model::digest::RowDigest;

/// A part ends on the first row boundary past this many stored bytes. One PUT carries it, so it is
/// atomic, and it lies in memory, so a retry replays it.
const PART_BYTES: u64 = 16 * 1024 * 1024;

/// Reserved for a part: what the compressor still holds at the end has room.
const PART_RESERVE: usize = 17 * 1024 * 1024;

/// A table smaller than this does not reserve a whole part.
const SMALL_RESERVE: usize = 64 * 1024;

/// Whole rows of one table.
pub struct Batch {
    pub tally: Arc<Tally>,
    pub rows: Bytes,
    pub digest: RowDigest,
    /// The slice ends with it.
    pub last: bool,
}

impl Batch {
    pub fn new(tally: &Arc<Tally>, rows: Bytes, digest: RowDigest) -> Self {
        Self {
            tally: Arc::clone(tally),
            rows,
            digest,
            last: false,
        }
    }
}

/// Packs until the worker hangs up or something fails.
pub fn run(shared: &Shared, batches: &Receiver) {
    let mut packer = Packer {
        shared,
        part: None,
        slice: RowDigest::default(),
        upload: None,
    };
    let packed = packer.pack_all(batches);
    if let Err(error) = packed {
        shared.stop.fail(error);
    }
}

struct Packer<'a> {
    shared: &'a Shared,
    part: Option<OpenPart>,
    slice: RowDigest,
    /// The one upload under way: one part is built while another is sent, no more lie in memory.
    upload: Option<JoinHandle<Result<()>>>,
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
        self.wait_for_upload()
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
                    let reserve = if last { SMALL_RESERVE } else { PART_RESERVE };
                    self.part.insert(OpenPart {
                        sealed: self.shared.sealer.compressed(reserve)?,
                        rows: 0,
                        copy_bytes: 0,
                    })
                }
            };
            part.sealed.write(&rows)?;
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
            Some(part) => Some((part.sealed.finish()?, part.rows, part.copy_bytes)),
            None => None,
        };
        let slice = last.then(|| std::mem::take(&mut self.slice));
        self.wait_for_upload()?;
        let writer = self.shared.writer.clone();
        self.upload = Some(self.shared.uploads.spawn(async move {
            if let Some((sealed, rows, copy_bytes)) = part {
                let number = tally.next_part();
                let part = writer
                    .put_part(tally.oid, number, sealed, rows, copy_bytes)
                    .await
                    .context(|| format!("cannot store rows of {}", tally.name))?;
                tally.add_part(part);
            }
            match slice {
                Some(digest) => tally.end_slice(digest, &writer).await,
                None => Ok(()),
            }
        }));
        Ok(())
    }

    fn wait_for_upload(&mut self) -> Result<()> {
        let Some(upload) = self.upload.take() else {
            return Ok(());
        };
        let stop = &self.shared.stop;
        let abort = upload.abort_handle();
        self.shared.uploads.block_on(async {
            tokio::select! {
                biased;
                done = upload => done.unwrap_or_else(|why| Err(Error::failed("an upload broke").because(why))),
                () = stop.wait() => {
                    abort.abort();
                    Err(Error::failed("the export stopped"))
                }
            }
        })
    }
}
