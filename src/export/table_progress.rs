//! What was read of a table so far, over all its slices.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::table_reuse::{TablePart, TableReuse};
use crate::error::{Error, Result};
use crate::model::manifest::TableParts;
use crate::model::table_digest::{RowShape, TableDigest};
use crate::repository::PointWriter;

/// One table's, or one kind of large object data's.
pub(super) struct TableProgress {
    pub oid: u32,
    /// For messages.
    pub name: String,
    pub shape: RowShape,
    /// `None`: nothing is named again.
    pub reuse: Option<TableReuse>,
    next_part: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Slices that are not read yet, and parts that are not stored.
    unfinished: usize,
    digest: TableDigest,
    parts: Vec<TablePart>,
    stored: Option<TableParts>,
}

impl TableProgress {
    pub(super) fn new(
        oid: u32,
        name: String,
        shape: RowShape,
        slices: usize,
        reuse: Option<TableReuse>,
    ) -> Self {
        let first = reuse.as_ref().map_or(0, TableReuse::first_number);
        Self {
            oid,
            name,
            shape,
            reuse,
            next_part: AtomicU64::new(first),
            inner: Mutex::new(Inner {
                unfinished: slices,
                ..Inner::default()
            }),
        }
    }

    /// Of a table of which nothing is read.
    pub(super) fn without_rows(oid: u32, name: String, shape: RowShape) -> Self {
        let progress = Self::new(oid, name, shape, 0, None);
        let nothing = TableParts {
            oid,
            ..TableParts::default()
        };
        progress.lock().stored = Some(nothing);
        progress
    }

    /// The number of a part that is about to be stored. Called before its slice ends.
    pub(super) fn begin_part(&self) -> u64 {
        self.lock().unfinished += 1;
        self.next_part.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) async fn end_part(&self, part: TablePart, writer: &PointWriter) -> Result<()> {
        self.add_named(part);
        self.end_slice(&TableDigest::default(), writer).await
    }

    /// A part that is stored already. Called before its slice ends.
    pub(super) fn add_named(&self, part: TablePart) {
        self.lock().parts.push(part);
    }

    /// A slice was read; parts of it may still be under way. The last slice or part to end stores the
    /// table's part list.
    pub(super) async fn end_slice(&self, digest: &TableDigest, writer: &PointWriter) -> Result<()> {
        let mut parts = {
            let mut inner = self.lock();
            inner.digest.merge(digest);
            inner.unfinished -= 1;
            if inner.unfinished > 0 {
                return Ok(());
            }
            std::mem::take(&mut inner.parts)
        };
        // Parts are listed in the order of their numbers.
        parts.sort_by_key(|one| one.part.number());
        let stored = match &self.reuse {
            Some(reuse) => reuse.finish(parts, writer).await?,
            None => {
                let parts: Vec<_> = parts.into_iter().map(|one| one.part).collect();
                writer.put_part_list(self.oid, &parts).await?
            }
        };
        let mut inner = self.lock();
        let read = inner.digest.rows.rows;
        if stored.rows != read {
            return Err(Error::failed(format!(
                "{}: {read} rows were read, {} are in parts",
                self.name, stored.rows
            )));
        }
        inner.stored = Some(stored);
        Ok(())
    }

    /// What was read and stored, once every slice has ended.
    pub(super) fn finish(&self) -> Result<(TableDigest, TableParts)> {
        let inner = self.lock();
        match &inner.stored {
            Some(stored) => Ok((inner.digest.clone(), stored.clone())),
            None => Err(Error::failed(format!(
                "{} was not read to its end",
                self.name
            ))),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
