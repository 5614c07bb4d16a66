//! COPY text taken apart, and what is written put together.

use crate::error::Result;

/// Formatted bytes are handed on in blocks of about this size.
pub(super) const BLOCK_BYTES: usize = 1024 * 1024;

/// NULL in COPY text.
pub(super) const NULL: &[u8] = b"\\N";

/// Collects what is written, and hands it on block by block.
pub(super) struct Blocks<'a> {
    block: Vec<u8>,
    send: &'a mut dyn FnMut(Vec<u8>) -> Result<()>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(send: &'a mut dyn FnMut(Vec<u8>) -> Result<()>) -> Self {
        Self {
            block: Vec::with_capacity(BLOCK_BYTES),
            send,
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while self.block.len() + bytes.len() > BLOCK_BYTES {
            let (fits, rest) = bytes.split_at(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(fits);
            bytes = rest;
            self.flush()?;
            self.block.reserve(BLOCK_BYTES);
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    /// At the end.
    pub(super) fn flush(&mut self) -> Result<()> {
        (self.send)(std::mem::take(&mut self.block))
    }
}

/// What a backslash and the byte behind it stand for, and how many bytes they are.
pub(super) fn unescaped(escape: &[u8]) -> (u8, usize) {
    let byte = match escape.get(1) {
        None => return (b'\\', 1),
        Some(b'b') => 8,
        Some(b't') => b'\t',
        Some(b'n') => b'\n',
        Some(b'v') => 11,
        Some(b'f') => 12,
        Some(b'r') => b'\r',
        Some(other) => *other,
    };
    (byte, 2)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// All that `work` writes.
    pub(in crate::extract) fn written(
        work: impl FnOnce(&mut Blocks<'_>) -> Result<()>,
    ) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut send = |mut block: Vec<u8>| {
            assert!(block.len() <= BLOCK_BYTES);
            all.append(&mut block);
            Ok(())
        };
        let mut out = Blocks::new(&mut send);
        work(&mut out)?;
        out.flush()?;
        Ok(all)
    }
}
