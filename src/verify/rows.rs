//! Reads what is inside a stored object, in bounded memory.

use std::io::{ErrorKind, Read};

use crate::error::{Error, Result};
use crate::model::digest::{RowDigest, RowReader};
use crate::model::manifest::MAX_ROW_BYTES;

/// Plain bytes are read in blocks of this size.
const BLOCK_BYTES: usize = 256 * 1024;

/// Counts and digests rows; never reads more than the manifest allows.
pub(super) fn digest_rows(mut plain: impl Read, rows: u64, copy_bytes: u64) -> Result<RowDigest> {
    let mut reader = RowReader::default();
    let mut block = vec![0; BLOCK_BYTES];
    let mut read = 0;
    loop {
        let new = match plain.read(&mut block) {
            Ok(0) => break,
            Ok(new) => new,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::damaged("it does not open").because(error)),
        };
        read += new as u64;
        if read > copy_bytes {
            return Err(Error::damaged(format!(
                "it holds more than the listed {copy_bytes} bytes"
            )));
        }
        reader.add(&block[..new]);
        if reader.begun_bytes > MAX_ROW_BYTES {
            return Err(Error::damaged("a row in it is longer than any row can be"));
        }
    }
    let digest = reader.digest;
    if reader.begun_bytes > 0 || digest.rows != rows || read != copy_bytes {
        return Err(Error::damaged(format!(
            "it holds {} rows in {read} bytes, listed are {rows} rows in {copy_bytes} bytes",
            digest.rows
        )));
    }
    Ok(digest)
}

pub(super) fn drain(mut plain: impl Read) -> Result<()> {
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
