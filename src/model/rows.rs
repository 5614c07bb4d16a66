//! Rows out of a part's plain bytes: in bounded memory, digested, held to what the signed list says of them.

use std::io::Read;

use super::digest::{RowDigest, RowReader};
use super::manifest::{MAX_ROW_BYTES, Part};
use crate::error::{Error, Result};

/// What a part's list says of the rows inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub rows: u64,
    pub copy_bytes: u64,
}

impl From<&Part> for Listed {
    fn from(part: &Part) -> Self {
        Self {
            rows: part.rows,
            copy_bytes: part.copy_bytes,
        }
    }
}

/// Reads all rows in blocks of `block_bytes`, cut anywhere, and hands each on; what takes a block may keep it
/// and leave another one. Never reads more than is listed, and fails where less or something else comes.
pub(crate) fn read_rows(
    mut plain: impl Read,
    listed: Listed,
    block_bytes: usize,
    mut take: impl FnMut(&mut Vec<u8>) -> Result<()>,
) -> Result<RowDigest> {
    let mut reader = RowReader::default();
    let (mut block, mut read) = (Vec::new(), 0);
    loop {
        block.clear();
        block.reserve(block_bytes);
        (&mut plain)
            .take(block_bytes as u64)
            .read_to_end(&mut block)
            .map_err(|source| Error::damaged("it does not open").because(source))?;
        if block.is_empty() {
            break;
        }
        read += block.len() as u64;
        if read > listed.copy_bytes {
            let listed = listed.copy_bytes;
            let why = format!("it holds more than the listed {listed} bytes");
            return Err(Error::damaged(why));
        }
        reader.add(&block);
        if reader.begun_bytes > MAX_ROW_BYTES {
            return Err(Error::damaged("a row in it is longer than any row can be"));
        }
        take(&mut block)?;
    }
    let digest = reader.digest;
    if reader.begun_bytes > 0 || digest.rows != listed.rows || read != listed.copy_bytes {
        return Err(Error::damaged(format!(
            "it holds {} whole rows in {read} bytes, listed are {} rows in {} bytes",
            digest.rows, listed.rows, listed.copy_bytes
        )));
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK_BYTES: usize = 1024;

    fn read(plain: &[u8], rows: u64, copy_bytes: u64) -> (Result<RowDigest>, Vec<u8>) {
        let mut passed = Vec::new();
        let listed = Listed { rows, copy_bytes };
        let digest = read_rows(plain, listed, BLOCK_BYTES, |block| {
            assert!(block.len() <= BLOCK_BYTES);
            passed.append(block);
            Ok(())
        });
        (digest, passed)
    }

    #[test]
    fn rows_longer_than_a_block_pass_whole() {
        let mut rows = vec![b'x'; 3 * BLOCK_BYTES];
        rows.push(b'\n');
        rows.extend(b"1\ta\n\n".repeat(BLOCK_BYTES));
        let mut expected = RowDigest::default();
        expected.add_rows(&rows);
        let (digest, passed) = read(&rows, expected.rows, rows.len() as u64);
        assert_eq!(digest.unwrap(), expected);
        assert!(passed == rows);
    }

    #[test]
    fn other_rows_than_listed_are_refused() {
        assert!(read(b"1\n2\n", 2, 4).0.is_ok());
        assert!(read(b"", 0, 0).0.is_ok());
        assert!(read(b"1\n2\n", 3, 4).0.is_err(), "a row is missing");
        assert!(read(b"1\n2\n", 1, 2).0.is_err(), "more");
        assert!(read(b"1\n2\n", 2, 6).0.is_err(), "bytes are missing");
        assert!(read(b"1\n2", 2, 3).0.is_err(), "the last row is cut");
    }

    #[test]
    fn no_more_is_read_than_listed() {
        let listed = Listed {
            rows: 2,
            copy_bytes: 8,
        };
        let mut taken = 0;
        let bomb = read_rows(std::io::repeat(b'\n'), listed, BLOCK_BYTES, |block| {
            taken += block.len();
            Ok(())
        });
        assert!(bomb.is_err());
        assert_eq!(taken, 0);
    }

    #[test]
    fn foreign_rows_pass_as_listed_or_are_refused() {
        crate::foreign::each("rows", |plain| {
            let rows = plain.iter().filter(|byte| **byte == b'\n').count() as u64;
            let bytes = plain.len() as u64;
            let is_whole = plain.is_empty() || plain.ends_with(b"\n");
            let (digest, passed) = read(plain, rows, bytes);
            assert_eq!((digest.is_ok(), passed == plain), (is_whole, true));
            assert!(read(plain, rows + 1, bytes).0.is_err());
            assert!(read(plain, rows, bytes + 1).0.is_err());
        });
    }

    #[test]
    fn a_row_may_be_as_long_as_a_server_prints_it_and_no_longer() {
        let block = 16 << 20;
        let row = |bytes: u64| {
            let plain = std::io::repeat(b'x').take(bytes).chain(&b"\n"[..]);
            let copy_bytes = bytes + 1;
            let listed = Listed {
                rows: 1,
                copy_bytes,
            };
            read_rows(plain, listed, block, |_| Ok(()))
        };
        assert_eq!(row(MAX_ROW_BYTES as u64).unwrap().rows, 1);
        assert!(row(MAX_ROW_BYTES as u64 + block as u64).is_err());
    }
}
