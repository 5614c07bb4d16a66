//! Reads the rows of one table, or of all its partitions, on either side.

use std::ops::ControlFlow;

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc::{Sender, channel};

use super::digests::{Batch, Pick, Picker};
use crate::codec::Identities;
use crate::compute;
use crate::error::{Error, Result, ResultExt as _};
use crate::model::manifest::{Part, TableParts};
use crate::model::rows::{Listed, read_rows};
use crate::pg::source::live::LiveSnapshot;
use crate::progress::Progress;
use crate::repository::RestorePoint;

/// Plain bytes are read in blocks of this size.
const BLOCK_BYTES: usize = 256 * 1024;
/// Batches that may wait, for each job.
const BATCHES: usize = 2;

/// What `take` answers where it needs no more rows.
pub(super) type Taken = Result<ControlFlow<()>>;

/// The same tables of both sides, each with what is done with its rows.
pub(super) enum Rows<'a> {
    Point {
        point: &'a RestorePoint,
        identities: &'a Identities,
        tables: Vec<(&'a TableParts, Pick)>,
    },
    Live {
        live: &'a LiveSnapshot,
        /// By their places in the snapshot.
        tables: Vec<(usize, Pick)>,
    },
}

impl Rows<'_> {
    /// Reads until all is read or `take` needs no more. Nothing goes on in the background that holds what `take`
    /// holds.
    pub(super) async fn read(
        &self,
        jobs: usize,
        progress: &dyn Progress,
        take: &mut (dyn FnMut(Batch) -> Taken + Send),
    ) -> Result<()> {
        match self {
            Self::Live { live, tables } => read_live(live, tables, progress, take).await,
            Self::Point {
                point,
                identities,
                tables,
            } => {
                let (sender, mut batches) = channel(jobs * BATCHES);
                let reader = PointReader {
                    point,
                    identities,
                    progress,
                };
                let reading = async {
                    if let Err(error) = reader.tables(tables, jobs, &sender).await {
                        // Whoever takes has gone.
                        let _ = sender.send(Err(error)).await;
                    }
                    drop(sender);
                };
                let taking = async {
                    while let Some(batch) = batches.recv().await {
                        if take(batch?)?.is_break() {
                            break;
                        }
                    }
                    Ok(())
                };
                let mut taking = std::pin::pin!(taking);
                tokio::select! {
                    biased;
                    taken = &mut taking => taken,
                    () = reading => taking.await,
                }
            }
        }
    }
}

async fn read_live(
    live: &LiveSnapshot,
    tables: &[(usize, Pick)],
    progress: &dyn Progress,
    take: &mut (dyn FnMut(Batch) -> Taken + Send),
) -> Result<()> {
    let reader = live.reader().await?;
    for (at, pick) in tables {
        let what = format!("table {}", live.catalog.tables[*at].name);
        for sql in live.statements(*at) {
            let mut rows = reader.copy(&sql, &what).await?;
            while let Some(block) = rows.next().await? {
                progress.advance(block.len() as u64);
                let mut picker = Picker::new(pick.clone());
                let mut full = Vec::new();
                picker.add(&block, |batch| {
                    full.push(batch);
                    Ok(())
                })?;
                full.push(picker.rest());
                for batch in full {
                    // Rows that were looked for were found by their digests: they are what they should be.
                    if take(batch)?.is_break() {
                        return Ok(());
                    }
                }
            }
            live.check_read(&reader, *at).await?;
            reader.end().await?;
        }
    }
    reader.session.close().await;
    Ok(())
}

#[derive(Clone, Copy)]
struct PointReader<'a> {
    point: &'a RestorePoint,
    identities: &'a Identities,
    progress: &'a dyn Progress,
}

impl PointReader<'_> {
    async fn tables(
        self,
        tables: &[(&TableParts, Pick)],
        jobs: usize,
        to: &Sender<Result<Batch>>,
    ) -> Result<()> {
        for (table, pick) in tables {
            let parts = self.point.parts(table).await?;
            let mut read = stream::iter(parts)
                .map(|part| async move { self.part(part?, pick.clone(), to.clone()).await })
                .buffer_unordered(jobs);
            while let Some(done) = read.next().await {
                done?;
            }
        }
        Ok(())
    }

    async fn part(self, part: Part, pick: Pick, to: Sender<Result<Batch>>) -> Result<()> {
        let stored = self.point.fetch(&part.object).await?;
        let identities = self.identities.clone();
        let listed = Listed::from(&part);
        let read = compute::on_own_thread(move || {
            let plain = identities.open_compressed(stored)?;
            let gone = || Error::failed("nobody takes the rows any more");
            let send = |batch| to.blocking_send(Ok(batch)).map_err(|_| gone());
            let mut picker = Picker::new(pick);
            read_rows(plain, listed, BLOCK_BYTES, |block| picker.add(block, send))?;
            send(picker.rest())
        });
        read.await?
            .context(|| format!("{} does not read", part.object.key))?;
        self.progress.advance(part.copy_bytes);
        Ok(())
    }
}
