//! Reads what is inside a stored object, in bounded memory.

use std::io::Read;

use crate::error::{Error, Result};
use crate::model::digest::RowDigest;
use crate::model::manifest::MAX_ROW_BYTES;

/// Plain bytes are read in blocks of this size.
const BLOCK_BYTES: usize = 256 * 1024;

/// Counts and digests rows; never reads more than the manifest allows.
pub fn digest_rows(mut plain: impl Read, rows: u64, copy_bytes: u64) -> Result<RowDigest> {
    let mut digest = RowDigest::default();
    let mut buffer = Vec::with_capacity(BLOCK_BYTES);
    let mut read = 0;
    loop {
        let before = buffer.len();
        let block = (&mut plain)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut buffer);
        block.map_err(|source| Error::damaged("it does not open").because(source))?;
        read += (buffer.len() - before) as u64;
        if read > copy_bytes {
            return Err(Error::damaged(format!(
                "it holds more than the listed {copy_bytes} bytes"
            )));
        }
        if buffer.len() == before {
            break;
        }
        if buffer.len() > MAX_ROW_BYTES {
            return Err(Error::damaged("a row in it is longer than any row can be"));
        }
        // Only what is new can hold a newline: a long row is not searched again and again.
        let whole = memchr::memrchr(b'\n', &buffer[before..]).map_or(0, |end| before + end + 1);
        digest.add_rows(&buffer[..whole]);
        buffer.drain(..whole);
    }
    if !buffer.is_empty() || digest.rows != rows || read != copy_bytes {
        return Err(Error::damaged(format!(
            "it holds {} rows in {read} bytes, listed are {rows} rows in {copy_bytes} bytes",
            digest.rows
        )));
    }
    Ok(digest)
}

pub fn drain(mut plain: impl Read) -> Result<()> {
    std::io::copy(&mut plain, &mut std::io::sink())
        .map(|_| ())
        .map_err(|source| Error::damaged("it does not open").because(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_no_more_is_read_than_listed() {
        let text = b"1\ta\n2\tb\n";
        let digest = digest_rows(&text[..], 2, 8).unwrap();
        assert_eq!(digest.rows, 2);
        assert!(digest_rows(&text[..], 3, 8).is_err(), "a row is missing");
        assert!(digest_rows(&text[..], 2, 9).is_err(), "bytes are missing");
        assert!(
            digest_rows(&text[..7], 2, 7).is_err(),
            "the last row is cut"
        );
        assert!(digest_rows(std::io::repeat(b'\n'), 2, 8).is_err(), "a bomb");
    }
}
