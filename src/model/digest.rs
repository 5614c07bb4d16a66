//! The two digests of the format: SHA-256 of stored bytes, and the additive digest of rows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest as _;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::error::Error;

/// 32 bytes of a hash, written as 64 hex digits.
macro_rules! hash_of_32_bytes {
    ($(#[$meta:meta])* $name:ident, $called:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let bytes = bytes_of_hex(text).ok_or_else(|| {
                    Error::usage(format!(concat!("'{}' is not ", $called, " (64 hex digits)"), text))
                })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

hash_of_32_bytes!(
    /// SHA-256 of an object's stored bytes.
    Sha256, "a SHA-256"
);
hash_of_32_bytes!(
    /// Keyed hash of the rows of a chunk: the same rows in the same order have the same one.
    Mark, "a mark"
);

fn bytes_of_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // Reading a number would take a sign, too.
    if text.len() != 64 || !is_hex(text) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Sha256 {
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

/// Count and digest of a set of rows: xxh3-128 of each row's COPY bytes (the newline included),
/// added modulo 2^128. Independent of the order of rows and of how they were sliced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowDigest {
    pub rows: u64,
    pub sum: u128,
}

impl RowDigest {
    /// Adds one row: its COPY text with the final newline. Returns the digest of this row alone.
    #[inline]
    pub fn add_row(&mut self, row: &[u8]) -> u128 {
        let digest = xxh3_128(row);
        self.rows += 1;
        self.sum = self.sum.wrapping_add(digest);
        digest
    }

    /// Adds every row of a block of COPY text that ends on a row boundary.
    pub fn add_rows(&mut self, block: &[u8]) {
        self.add_each_row(block, |_, _| {});
    }

    /// As [`RowDigest::add_rows`]; `each` is told the length of every row and its digest.
    #[inline]
    pub fn add_each_row(&mut self, mut block: &[u8], mut each: impl FnMut(usize, u128)) {
        // In COPY text a newline inside a value is written as \n: a raw newline ends a row.
        while let Some(end) = memchr::memchr(b'\n', block) {
            let digest = self.add_row(&block[..=end]);
            each(end + 1, digest);
            block = &block[end + 1..];
        }
        debug_assert!(block.is_empty(), "a block ends on a row boundary");
    }

    pub fn merge(&mut self, other: RowDigest) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Digests rows that arrive in blocks cut anywhere: a row as long as any may be costs no memory.
#[derive(Default)]
pub(crate) struct RowReader {
    /// Of all whole rows so far.
    pub(crate) digest: RowDigest,
    /// Of the row whose end has not arrived.
    begun: Option<Box<Xxh3>>,
    /// Bytes of that row.
    pub(crate) begun_bytes: usize,
}

impl RowReader {
    pub(crate) fn add(&mut self, block: &[u8]) {
        let mut rows = block;
        if let Some(mut hash) = self.begun.take() {
            let Some(end) = memchr::memchr(b'\n', rows) else {
                return self.begin(hash, rows);
            };
            hash.update(&rows[..=end]);
            self.digest.merge(RowDigest {
                rows: 1,
                sum: hash.digest128(),
            });
            self.begun_bytes = 0;
            rows = &rows[end + 1..];
        }
        let whole = memchr::memrchr(b'\n', rows).map_or(0, |end| end + 1);
        self.digest.add_rows(&rows[..whole]);
        if whole < rows.len() {
            self.begin(Box::new(Xxh3::new()), &rows[whole..]);
        }
    }

    fn begin(&mut self, mut hash: Box<Xxh3>, bytes: &[u8]) {
        hash.update(bytes);
        self.begun_bytes += bytes.len();
        self.begun = Some(hash);
    }
}

/// As stored: `{"rows": 3, "digest": "32 hex digits"}`.
#[derive(Serialize, Deserialize)]
#[serde(rename = "RowDigest")]
struct RowDigestText {
    rows: u64,
    digest: String,
}

impl Serialize for RowDigest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        RowDigestText {
            rows: self.rows,
            digest: format!("{:032x}", self.sum),
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for RowDigest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = RowDigestText::deserialize(from)?;
        if text.digest.len() != 32 || !is_hex(&text.digest) {
            return Err(de::Error::custom("a digest is 32 hex digits"));
        }
        let sum = u128::from_str_radix(&text.digest, 16).map_err(de::Error::custom)?;
        Ok(Self {
            rows: text.rows,
            sum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_depend_on_order_or_slicing() {
        let mut whole = RowDigest::default();
        whole.add_rows(b"1\ta\n2\tb\\n\n\n");
        let (mut one, mut two) = (RowDigest::default(), RowDigest::default());
        two.add_rows(b"\n1\ta\n");
        one.add_rows(b"2\tb\\n\n");
        one.merge(two);
        assert_eq!(whole, one);
        assert_eq!(whole.rows, 3);
    }

    #[test]
    fn rows_may_be_cut_anywhere() {
        let rows = [b"1\ta\n".as_slice(), &[b'x'; 1000], b"\n\n", b"2\n"].concat();
        let mut whole = RowDigest::default();
        whole.add_rows(&rows);
        for size in [1, 2, 3, 7, 500, 2000] {
            let mut reader = RowReader::default();
            rows.chunks(size).for_each(|block| reader.add(block));
            assert_eq!(reader.digest, whole, "in blocks of {size}");
            assert_eq!(reader.begun_bytes, 0);
            reader.add(b"3");
            reader.add(b"4");
            assert_eq!((reader.digest, reader.begun_bytes), (whole, 2));
        }
    }

    #[test]
    fn a_changed_row_or_a_repeated_row_changes_the_digest() {
        let of = |block: &[u8]| {
            let mut digest = RowDigest::default();
            digest.add_rows(block);
            digest
        };
        assert_ne!(of(b"1\n"), of(b"2\n"));
        assert_ne!(of(b"1\n"), of(b"1\n1\n"));
    }

    #[test]
    fn foreign_hashes_are_refused_or_written_again_as_read() {
        crate::foreign::each_text("texts", |text| {
            if let Ok(hash) = text.parse::<Sha256>() {
                assert_eq!(hash.to_string(), text.to_ascii_lowercase());
            }
            let json = serde_json::json!({"rows": 1, "digest": text});
            if let Ok(digest) = serde_json::from_value::<RowDigest>(json) {
                let written = serde_json::to_value(digest).unwrap();
                assert_eq!(written["digest"], text.to_ascii_lowercase());
            }
        });
    }

    #[test]
    fn signs_are_no_hex_digits_and_a_digest_has_all_of_its_own() {
        assert!("+1".repeat(32).parse::<Sha256>().is_err());
        let read = |digest: &str| {
            let json = serde_json::json!({"rows": 1, "digest": digest});
            serde_json::from_value::<RowDigest>(json).ok()
        };
        let sound = read("0000000000000000000000000000000a").unwrap();
        assert_eq!(sound, RowDigest { rows: 1, sum: 10 });
        for wrong in ["a", "", "+000000000000000000000000000000a", &"0".repeat(33)] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
