//! The digests of one table: of its rows as they are stored, and of its stored generated columns, whose
//! values are read with the rows and not stored.

use xxhash_rust::xxh3::Xxh3;

use super::digest::RowDigest;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDigest {
    pub rows: RowDigest,
    /// One of each stored generated column: of the rows as they are stored, with its value after them.
    pub generated: Vec<RowDigest>,
}

impl TableDigest {
    pub fn merge(&mut self, other: &Self) {
        self.rows.merge(other.rows);
        let columns = self.generated.len().max(other.generated.len());
        self.generated.resize(columns, RowDigest::default());
        for (mine, other) in self.generated.iter_mut().zip(&other.generated) {
            mine.merge(*other);
        }
    }
}

/// What COPY sends of each row: the columns that are stored, then the generated ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowShape {
    pub has_stored_columns: bool,
    pub generated: usize,
}

impl RowShape {
    /// Digests whole rows, and leaves of them what is stored.
    pub fn digest(self, rows: &mut Vec<u8>) -> Result<TableDigest> {
        self.digest_each(rows, |_, _| {})
    }

    /// As [`RowShape::digest`]; `each` is told the length and the digest of every row as it is stored.
    pub fn digest_each(
        self,
        rows: &mut Vec<u8>,
        each: impl FnMut(usize, u128),
    ) -> Result<TableDigest> {
        if self.generated > 0 {
            return self.take_generated(rows, each).ok_or_else(|| {
                Error::failed("the server sent a row with another number of columns")
            });
        }
        let mut digest = TableDigest::default();
        digest.rows.add_each_row(rows, each);
        Ok(digest)
    }

    /// `None`: a row has too few columns or too many.
    fn take_generated(
        self,
        rows: &mut Vec<u8>,
        mut each: impl FnMut(usize, u128),
    ) -> Option<TableDigest> {
        let mut digest = TableDigest {
            rows: RowDigest::default(),
            generated: vec![RowDigest::default(); self.generated],
        };
        let (mut next, mut kept) = (0, 0);
        while let Some(length) = memchr::memchr(b'\n', &rows[next..]) {
            let row = &rows[next..next + length];
            let values = self.start_of_generated(row)?;
            let (stored, values) = row.split_at(values);
            // In COPY text a tab inside a value is written as \t.
            let mut values = values.split(|byte| *byte == b'\t');
            for column in &mut digest.generated {
                // Not put together: a row may be as wide as the server can send.
                let mut hash = Xxh3::new();
                for bytes in [stored, values.next()?, b"\n"] {
                    hash.update(bytes);
                }
                let sum = hash.digest128();
                column.merge(RowDigest { rows: 1, sum });
            }
            if values.next().is_some() {
                return None;
            }
            let end = kept + stored.len().saturating_sub(1);
            rows.copy_within(next..next + (end - kept), kept);
            rows[end] = b'\n';
            each(end + 1 - kept, digest.rows.add_row(&rows[kept..=end]));
            kept = end + 1;
            next += length + 1;
        }
        rows.truncate(kept);
        Some(digest)
    }

    /// Behind the tab that ends the stored columns.
    fn start_of_generated(self, row: &[u8]) -> Option<usize> {
        if !self.has_stored_columns {
            return Some(0);
        }
        let tab = memchr::memrchr_iter(b'\t', row).nth(self.generated - 1)?;
        Some(tab + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[u8]) -> RowDigest {
        let mut digest = RowDigest::default();
        digest.add_rows(rows);
        digest
    }

    #[track_caller]
    fn leaves(shape: (bool, usize), rows: &[u8], stored: &[u8], generated: &[&[u8]]) {
        let shape = RowShape {
            has_stored_columns: shape.0,
            generated: shape.1,
        };
        let mut left = rows.to_vec();
        let digest = shape.digest(&mut left).unwrap();
        assert_eq!(left, stored);
        assert_eq!(digest.rows, of(stored));
        let expected: Vec<_> = generated.iter().map(|lines| of(lines)).collect();
        assert_eq!(digest.generated, expected);
    }

    #[test]
    fn generated_values_are_taken_off_and_digested_behind_what_is_stored() {
        leaves((true, 0), b"1\ta\n\n", b"1\ta\n\n", &[]);
        leaves(
            (true, 1),
            b"1\ta\tx\n\t\\N\t\n",
            b"1\ta\n\t\\N\n",
            &[b"1\ta\tx\n\t\\N\t\n"],
        );
        leaves(
            (true, 2),
            b"1\tx\ty\n2\t\tz\n",
            b"1\n2\n",
            &[b"1\tx\n2\t\n", b"1\ty\n2\tz\n"],
        );
        leaves((true, 2), b"\t\t\n", b"\n", &[b"\t\n", b"\t\n"]);
        leaves((false, 1), b"x\n\n", b"\n\n", &[b"x\n\n"]);
        leaves((false, 2), b"x\ty\n\t\n", b"\n\n", &[b"x\n\n", b"y\n\n"]);
        leaves((true, 1), b"", b"", &[b""]);
    }

    #[test]
    fn a_row_of_other_columns_is_refused() {
        let digest = |has_stored_columns, generated, row: &[u8]| {
            let shape = RowShape {
                has_stored_columns,
                generated,
            };
            shape.digest(&mut row.to_vec())
        };
        assert!(digest(true, 1, b"1\n").is_err());
        assert!(digest(false, 1, b"1\t2\n").is_err());
        assert!(digest(false, 2, b"1\n").is_err());
    }

    #[test]
    fn blocks_of_one_table_add_up() {
        let shape = RowShape {
            has_stored_columns: true,
            generated: 1,
        };
        let digest = |rows: &[u8]| shape.digest(&mut rows.to_vec()).unwrap();
        let mut sum = TableDigest::default();
        sum.merge(&digest(b"2\tb\n"));
        sum.merge(&digest(b"1\ta\n"));
        assert_eq!(sum, digest(b"1\ta\n2\tb\n"));
        assert_ne!(sum, digest(b"1\tb\n2\ta\n"));
    }

    #[test]
    fn foreign_rows_keep_their_number_and_lose_their_generated_values_alone() {
        crate::foreign::each("rows", |rows| {
            let whole = memchr::memrchr(b'\n', rows).map_or(0, |end| end + 1);
            for (has_stored_columns, generated) in
                [(true, 0), (true, 1), (true, 2), (false, 1), (false, 3)]
            {
                let shape = RowShape {
                    has_stored_columns,
                    generated,
                };
                let (mut left, mut told) = (rows[..whole].to_vec(), 0);
                let mut sum = 0_u128;
                let count = |bytes, digest| {
                    told += bytes;
                    sum = sum.wrapping_add(digest);
                };
                if let Ok(digest) = shape.digest_each(&mut left, count) {
                    let lines = rows.iter().filter(|byte| **byte == b'\n').count() as u64;
                    assert_eq!((digest.rows, digest.rows.rows), (of(&left), lines));
                    assert_eq!(sum, digest.rows.sum);
                    assert_eq!((told, digest.generated.len()), (left.len(), generated));
                    assert!(digest.generated.iter().all(|one| one.rows == lines));
                }
            }
        });
    }
}
