//! What was read of a table so far, over all its slices.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::model::digest::RowDigest;
use crate::model::manifest::{Part, TableParts};
use crate::repository::PointWriter;

/// One table's, or one kind of large object data's.
pub struct Tally {
    pub oid: u32,
    /// For messages.
    pub name: String,
    next_part: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    open_slices: usize,
    digest: RowDigest,
    parts: Vec<Part>,
    stored: Option<TableParts>,
}

impl Tally {
    pub fn new(oid: u32, name: String, slices: usize) -> Self {
        Self {
            oid,
            name,
            next_part: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                open_slices: slices,
                ..Inner::default()
            }),
        }
    }

    pub fn next_part(&self) -> u64 {
        self.next_part.fetch_add(1, Ordering::Relaxed)
    }

    pub fn add_part(&self, part: Part) {
        self.lock().parts.push(part);
    }

    /// A slice was read and its parts are stored. The last one stores the table's part list.
    pub async fn end_slice(&self, digest: RowDigest, writer: &PointWriter) -> Result<()> {
        // Parts are listed in the order of their numbers.
        let mut parts = {
            let mut inner = self.lock();
            inner.digest.merge(digest);
            inner.open_slices -= 1;
            if inner.open_slices > 0 {
                return Ok(());
            }
            std::mem::take(&mut inner.parts)
        };
        parts.sort_by_key(Part::number);
        let stored = writer.put_part_list(self.oid, &parts).await?;
        let mut inner = self.lock();
        if stored.rows != inner.digest.rows {
            return Err(Error::failed(format!(
                "{}: {} rows were read, {} are in parts",
                self.name, inner.digest.rows, stored.rows
            )));
        }
        inner.stored = Some(stored);
        Ok(())
    }

    /// What was read and stored, once every slice has ended.
    pub fn finish(&self) -> Result<(RowDigest, TableParts)> {
        let inner = self.lock();
        match &inner.stored {
            Some(stored) => Ok((inner.digest, stored.clone())),
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
