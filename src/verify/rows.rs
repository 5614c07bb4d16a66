//! Reads what is inside a stored object, in bounded memory.

use std::io::Read;

use crate::error::{Error, Result};
use crate::model::digest::RowDigest;
use crate::model::rows::{Listed, read_rows};

/// Plain bytes are read in blocks of this size.
const BLOCK_BYTES: usize = 256 * 1024;

/// Counts and digests rows.
pub(super) fn digest_rows(plain: impl Read, listed: Listed) -> Result<RowDigest> {
    read_rows(plain, listed, BLOCK_BYTES, |_| Ok(()))
}

pub(super) fn drain(mut plain: impl Read) -> Result<()> {
    std::io::copy(&mut plain, &mut std::io::sink())
        .map(|_| ())
        .map_err(|source| Error::damaged("it does not open").because(source))
}
