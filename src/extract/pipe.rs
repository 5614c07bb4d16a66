//! Parts on their way from the store to the output: fetched, opened and formatted in parallel, written one
//! after the other. Each ordinary part that is ahead takes its stored bytes and a few blocks of rows.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::output::Output;
use super::rows::{RowFormat, RowWriter};
use super::text::{BLOCK_BYTES, Blocks};
use crate::codec::Identities;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::digest::RowDigest;
use crate::model::manifest::{Part, TableParts};
use crate::model::rows::{Listed, read_rows};
use crate::progress::Progress;
use crate::repository::{AHEAD_BYTES, RestorePoint};

/// Formatted blocks of one part that wait for their turn.
const BLOCKS: usize = 2;

pub(super) struct Pipe {
    pub point: RestorePoint,
    pub identities: Identities,
    /// Parts that are fetched and opened ahead.
    pub jobs: usize,
}

/// A part that is being read on a thread of its own.
struct Reading {
    blocks: mpsc::Receiver<Vec<u8>>,
    end: JoinHandle<Result<RowDigest>>,
}

impl Pipe {
    /// Writes all rows of a table; returns what was read, and what is damaged or missing.
    pub(super) async fn write(
        &self,
        table: &TableParts,
        format: &Arc<RowFormat>,
        output: &mut Output,
        progress: &dyn Progress,
    ) -> Result<(RowDigest, Vec<String>)> {
        let (mut whole, mut damage) = (RowDigest::default(), Vec::new());
        let parts = match self.point.parts(table).await {
            Ok(parts) => parts,
            Err(why) if is_damage(&why) => return Ok((whole, vec![why.chain()])),
            Err(why) => return Err(why),
        };
        let ahead = stream::iter(parts).map(|part| self.ahead(part, format));
        let mut ahead = std::pin::pin!(ahead.buffered(self.jobs));
        while let Some(next) = ahead.next().await {
            match self.drain(next, format, output).await {
                Ok((digest, copy_bytes)) => {
                    whole.merge(digest);
                    progress.advance(copy_bytes);
                }
                Err(why) if is_damage(&why) => damage.push(why.chain()),
                Err(why) => return Err(why),
            }
        }
        Ok((whole, damage))
    }

    /// Begins to read a part, unless it is a large one: that waits for its turn.
    async fn ahead(
        &self,
        part: Result<Part>,
        format: &Arc<RowFormat>,
    ) -> Result<(Part, Option<Reading>)> {
        let part = part?;
        if part.object.bytes > AHEAD_BYTES {
            return Ok((part, None));
        }
        let begun = Fetch(tokio::spawn(self.begin(part.clone(), Arc::clone(format))));
        let reading = begun.done(&part).await?;
        Ok((part, Some(reading)))
    }

    /// To be polled wherever: it borrows nothing.
    fn begin(
        &self,
        part: Part,
        format: Arc<RowFormat>,
    ) -> impl Future<Output = Result<Reading>> + Send + use<> {
        let (point, identities) = (self.point.clone(), self.identities.clone());
        async move {
            let stored = point.fetch(&part.object).await?;
            let (send, blocks) = mpsc::channel(BLOCKS);
            let listed = Listed::from(&part);
            let end = tokio::task::spawn_blocking(move || {
                let plain = identities.open_compressed(stored)?;
                let mut send = |block| {
                    let sent = send.blocking_send(block);
                    // The other end has a better reason than ours.
                    sent.map_err(|_| Error::failed("writing stopped"))
                };
                let mut out = Blocks::new(&mut send);
                let mut writer = RowWriter::new(&format);
                let digest = read_rows(plain, listed, BLOCK_BYTES, |block| {
                    writer.take(block, &mut out)
                });
                // What was read before the damage is written.
                out.flush()?;
                digest
            });
            Ok(Reading { blocks, end })
        }
    }

    /// Writes a part whose turn it is.
    async fn drain(
        &self,
        next: Result<(Part, Option<Reading>)>,
        format: &Arc<RowFormat>,
        output: &mut Output,
    ) -> Result<(RowDigest, u64)> {
        let (part, reading) = next?;
        let mut reading = match reading {
            Some(reading) => reading,
            None => self.begin(part.clone(), Arc::clone(format)).await?,
        };
        while let Some(block) = reading.blocks.recv().await {
            output.write(block).await?;
        }
        let what = || part.object.key.to_string();
        let digest = reading.end.await.context(what)?.context(what)?;
        Ok((digest, part.copy_bytes))
    }
}

/// Damage of one object, of which the rest can be read all the same.
fn is_damage(why: &Error) -> bool {
    why.kind() == Kind::Damaged
}

/// A fetch that goes on while others are written, and ends with this value.
struct Fetch(JoinHandle<Result<Reading>>);

impl Fetch {
    async fn done(mut self, part: &Part) -> Result<Reading> {
        (&mut self.0)
            .await
            .context(|| part.object.key.to_string())?
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
