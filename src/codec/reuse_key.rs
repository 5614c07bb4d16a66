//! The exporter's secret under which it knows stored chunks again. Who does not hold it can neither tell from a
//! state what a database holds, nor make one that counts.

use crate::error::{Error, Result};
use crate::model::digest::Mark;
use crate::random;

const MARKS: &str = "lifeboat format 1: mark of a chunk of rows";
const ENDS: &str = "lifeboat format 1: ends of chunks of rows";
const STATES: &str = "lifeboat format 1: code of a state";

/// 32 random bytes, and the keys for each use that follow from them.
#[derive(Clone)]
pub struct ReuseKey {
    marks: [u8; 32],
    ends: [u64; 4],
    states: [u8; 32],
}

impl ReuseKey {
    /// The text of a new key: 64 hex digits.
    pub fn generate() -> Result<String> {
        Ok(Mark(random::bytes()?).to_string())
    }

    /// Reads 64 hex digits on a line of their own; comments begin with `#`.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = match (lines.next(), lines.next()) {
            (Some(line), None) => line.parse::<Mark>().ok(),
            _ => None,
        };
        // Whatever it is, it is secret: never part of a message.
        let Some(Mark(key)) = key else {
            return Err(Error::usage("it is no reuse key").hint(
                "a reuse key is 64 hex digits: `lifeboat init` writes one, `openssl rand -hex 32` prints one",
            ));
        };
        let ends = blake3::derive_key(ENDS, &key);
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&ends[8 * at..8 * at + 8]);
            u64::from_le_bytes(word)
        };
        Ok(Self {
            marks: blake3::derive_key(MARKS, &key),
            ends: [word(0), word(1), word(2), word(3)],
            states: blake3::derive_key(STATES, &key),
        })
    }

    /// The mark of a chunk with these rows, as they are stored.
    pub fn mark(&self, rows: &[u8]) -> Mark {
        Mark(*blake3::keyed_hash(&self.marks, rows).as_bytes())
    }

    /// Authenticates a state.
    pub fn mac(&self) -> Mac {
        Mac(blake3::Hasher::new_keyed(&self.states))
    }

    /// Whether a chunk may end after a row with this digest: mixed with the key it has as many low bits zero.
    #[inline]
    pub(super) fn ends(&self, digest: u128, zero_bits: u32) -> bool {
        let [first, second, third, fourth] = self.ends;
        let (low, high) = (digest as u64, (digest >> 64) as u64);
        let mut mixed = (low ^ first).wrapping_mul(second | 1);
        mixed ^= mixed >> 29;
        mixed = (mixed ^ high ^ third).wrapping_mul(fourth | 1);
        mixed ^= mixed >> 32;
        mixed.trailing_zeros() >= zero_bits
    }
}

/// An authentication code in the making.
pub struct Mac(blake3::Hasher);

impl Mac {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> Mark {
        Mark(*self.0.finalize().as_bytes())
    }

    /// Whether this is the code of what was given. Takes the same time for every wrong one.
    pub fn is(self, code: &Mark) -> bool {
        self.0.finalize() == blake3::Hash::from_bytes(code.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_was_made_and_nothing_else_does() {
        let text = ReuseKey::generate().unwrap();
        let key = ReuseKey::parse(&format!("# lifeboat reuse key\n\n{text}\n")).unwrap();
        assert_eq!(
            key.mark(b"1\n"),
            ReuseKey::parse(&text).unwrap().mark(b"1\n")
        );
        assert_ne!(text, ReuseKey::generate().unwrap());
        for wrong in [
            "",
            "# only a comment",
            &text[1..],
            &format!("{text}\n{text}"),
        ] {
            let error = ReuseKey::parse(wrong).err().unwrap().chain();
            assert!(!error.contains(&text[2..]), "{error}");
        }
    }

    #[test]
    fn another_key_gives_other_marks_and_other_codes() {
        let one = ReuseKey::parse(&"1".repeat(64)).unwrap();
        let other = ReuseKey::parse(&"2".repeat(64)).unwrap();
        assert_eq!(one.mark(b"1\n"), one.mark(b"1\n"));
        assert_ne!(one.mark(b"1\n"), one.mark(b"2\n"));
        assert_ne!(one.mark(b"1\n"), other.mark(b"1\n"));
        let code = |key: &ReuseKey, text: &[u8]| {
            let mut mac = key.mac();
            mac.update(text);
            mac
        };
        let sound = code(&one, b"state").finish();
        assert!(code(&one, b"state").is(&sound));
        assert!(!code(&one, b"State").is(&sound));
        assert!(!code(&other, b"state").is(&sound));
        assert_ne!(sound, one.mark(b"state"), "one use of a key is not another");
    }

    /// Exports compare with what earlier versions left: with other marks, codes or ends all would be stored anew. The
    /// numbers were computed in Python, with the libraries blake3 and xxhash.
    #[test]
    fn a_key_gives_what_it_gave_in_the_first_version() {
        let key = ReuseKey::parse(&"0123456789abcdef".repeat(4)).unwrap();
        assert_eq!(key.mark(b"1\tone\n").to_string(), MARK);
        let mut code = key.mac();
        code.update(b"{\"about\":");
        code.update(b"1}\n");
        assert_eq!(code.finish().to_string(), CODE);
        let digests = (0..4096_u64).map(|row| xxhash_rust::xxh3::xxh3_128(&row.to_le_bytes()));
        let ends = |zero_bits| -> Vec<usize> {
            let ends = digests.clone().enumerate();
            let ends = ends.filter(|(_, digest)| key.ends(*digest, zero_bits));
            ends.map(|(row, _)| row).collect()
        };
        assert_eq!(ends(9), ENDS_OF_9_BITS);
        assert_eq!(ends(0).len(), 4096);
    }

    const MARK: &str = "9969b91ca33d2533d7d1be7f4a14dd054e4cf7c7775f9f8ff34c60c69eaa001d";
    const CODE: &str = "c0ba19036f8647e99d32b533ce1ff4e0baede0239b846be6e211087d01399d8f";
    const ENDS_OF_9_BITS: [usize; 13] = [
        135, 372, 504, 875, 1896, 1925, 2393, 2605, 2686, 2751, 3540, 3925, 3929,
    ];
}
