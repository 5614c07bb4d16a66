//! Rows become digests, and those that were asked for stay rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::columns::Projection;
use crate::error::Result;
use crate::model::digest::RowDigest;

/// Digests that are handed on together: 256 KiB of them.
const BATCH: usize = 16 * 1024;
/// Of a row that is shown.
const SHOWN_BYTES: usize = 4096;

/// What is done with the rows of one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Pick {
    pub projection: Projection,
    /// Rows with these digests are handed on, and no digests; `None`: all digests are.
    pub wanted: Option<Arc<BTreeSet<u128>>>,
}

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub digests: Vec<u128>,
    pub rows: Vec<FoundRow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundRow {
    pub digest: u128,
    /// COPY text without its newline; of a long row the beginning.
    pub text: Vec<u8>,
    /// Of the whole row.
    pub bytes: u64,
}

/// Takes blocks that are cut anywhere. Holds at most one row.
pub(super) struct Picker {
    pick: Pick,
    /// The beginning of a row.
    begun: Vec<u8>,
    buffer: Vec<u8>,
    batch: Batch,
}

impl Picker {
    pub(super) fn new(pick: Pick) -> Self {
        Self {
            pick,
            begun: Vec::new(),
            buffer: Vec::new(),
            batch: Batch::default(),
        }
    }

    /// `full` takes each batch that is large enough.
    pub(super) fn add(
        &mut self,
        mut block: &[u8],
        mut full: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        // In COPY text a newline inside a value is written as \n.
        while let Some(end) = memchr::memchr(b'\n', block) {
            let (row, rest) = block.split_at(end + 1);
            block = rest;
            if self.begun.is_empty() {
                self.row(row)?;
            } else {
                let mut whole = std::mem::take(&mut self.begun);
                whole.extend_from_slice(row);
                self.row(&whole)?;
            }
            if self.batch.digests.len() >= BATCH {
                full(std::mem::take(&mut self.batch))?;
            }
        }
        self.begun.extend_from_slice(block);
        Ok(())
    }

    /// What no batch took yet.
    pub(super) fn rest(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    fn row(&mut self, row: &[u8]) -> Result<()> {
        let row = self.pick.projection.apply(row, &mut self.buffer)?;
        let mut digest = RowDigest::default();
        digest.add_row(row);
        let digest = digest.sum;
        match &self.pick.wanted {
            None => self.batch.digests.push(digest),
            Some(wanted) if wanted.contains(&digest) => {
                let text = row.strip_suffix(b"\n").unwrap_or(row);
                self.batch.rows.push(FoundRow {
                    digest,
                    text: text[..text.len().min(SHOWN_BYTES)].to_vec(),
                    bytes: text.len() as u64,
                });
            }
            Some(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(blocks: &[&[u8]]) -> Vec<u128> {
        let mut picker = Picker::new(Pick::default());
        for block in blocks {
            picker.add(block, |_| Ok(())).unwrap();
        }
        picker.rest().digests
    }

    fn of(row: &[u8]) -> u128 {
        let mut digest = RowDigest::default();
        digest.add_row(row);
        digest.sum
    }

    #[test]
    fn rows_may_be_cut_anywhere() {
        let whole = [of(b"1\ta\n"), of(b"\n"), of(b"2\tb\n")];
        assert_eq!(digests(&[b"1\ta\n\n2\tb\n"]), whole);
        let bytes: Vec<&[u8]> = b"1\ta\n\n2\tb\n".chunks(1).collect();
        assert_eq!(digests(&bytes), whole);
        assert_eq!(digests(&[b"1\ta\n\n", b"2\t", b"b\n"]), whole);
    }

    #[test]
    fn only_rows_that_are_wanted_are_handed_on_and_long_ones_are_cut() {
        let long = [&b"x".repeat(2 * SHOWN_BYTES)[..], b"\n"].concat();
        let wanted = BTreeSet::from([of(b"2\n"), of(&long)]);
        let mut picker = Picker::new(Pick {
            wanted: Some(Arc::new(wanted)),
            ..Pick::default()
        });
        let rows = [&b"1\n2\n"[..], &long, b"2\n"].concat();
        picker.add(&rows, |_| Ok(())).unwrap();
        let batch = picker.rest();
        assert!(batch.digests.is_empty());
        let found: Vec<_> = batch
            .rows
            .iter()
            .map(|row| (row.text.len(), row.bytes))
            .collect();
        let bytes = 2 * SHOWN_BYTES as u64;
        assert_eq!(found, [(1, 1), (SHOWN_BYTES, bytes), (1, 1)]);
    }

    #[test]
    fn digests_are_handed_on_in_batches_of_256_kib() {
        let mut picker = Picker::new(Pick::default());
        let mut batches = Vec::new();
        let rows = b"1\n".repeat(40_000);
        let full = |batch: Batch| {
            batches.push(batch.digests.len());
            Ok(())
        };
        picker.add(&rows, full).unwrap();
        batches.push(picker.rest().digests.len());
        assert_eq!(batches, [16_384, 16_384, 7_232]);
    }
}
