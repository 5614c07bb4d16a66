//! Names that appear in keys.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::error::{Error, Result};
use crate::percent;

/// Six characters of Crockford's base 32, lower case: 30 bits keep two runs of one second apart.
const SUFFIX_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 6;

/// Id of a restore point or a run, for example `20261121T020000Z-k3v9q2`. Sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Id(String);

impl Id {
    /// An id for this moment; `random` keeps two ids of the same second apart.
    pub fn new(now: Timestamp, random: u32) -> Self {
        let suffix: String = (0..SUFFIX_LEN)
            .map(|digit| SUFFIX_ALPHABET[(random >> (5 * digit)) as usize & 31] as char)
            .collect();
        Self(format!("{}-{suffix}", now.strftime("%Y%m%dT%H%M%SZ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The moment in the id, to the second.
    pub fn time(&self) -> Result<Timestamp> {
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &self.0[..16])
            .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
            .map(|time| time.timestamp())
            .map_err(|source| Error::usage(format!("'{self}' holds no valid time")).because(source))
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = text.as_bytes();
        let well_formed = bytes.len() == 17 + SUFFIX_LEN
            && bytes[8] == b'T'
            && &bytes[15..17] == b"Z-"
            && bytes[..8]
                .iter()
                .chain(&bytes[9..15])
                .all(u8::is_ascii_digit)
            && bytes[17..]
                .iter()
                .all(|byte| SUFFIX_ALPHABET.contains(byte));
        if !well_formed {
            return Err(
                Error::usage(format!("'{text}' is not an id of a restore point"))
                    .hint("ids look like 20261121T020000Z-k3v9q2; `lifeboat list` shows them"),
            );
        }
        let id = Self(text.to_owned());
        id.time()?;
        Ok(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A key in a store: segments of `[A-Za-z0-9._%-]` joined by `/`, no empty, `.` or `..` segment.
/// The only way from a manifest's text to a file path, so a hostile manifest cannot leave the
/// repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key(String);

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._%-".contains(&byte);
        let sound = text.len() <= 900
            && text
                .split('/')
                .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain));
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::damaged(format!(
                "'{text}' is not a key of format v1"
            )))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A name as one segment of a key: every byte outside `[A-Za-z0-9_-]`, and a dot in front, is
/// written as `%XX`, so any database name makes a sound and unambiguous segment.
pub fn segment(name: &str) -> String {
    percent::encode_unless(name, |at, byte| {
        byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || (byte == b'.' && at > 0)
    })
}

/// The name that a segment stands for; `None` where it is not one that [`segment`] writes.
pub(crate) fn from_segment(text: &str) -> Option<String> {
    percent::decode(text).filter(|name| segment(name) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let early = Id::new("2026-11-21T02:00:00Z".parse().unwrap(), u32::MAX);
        let late = Id::new("2026-11-21T02:00:01Z".parse().unwrap(), 0);
        assert!(early < late);
        assert_eq!(early.as_str().parse::<Id>().unwrap(), early);
        assert_eq!(
            late.time().unwrap(),
            "2026-11-21T02:00:01Z".parse().unwrap()
        );
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "latest",
            "20261121T020000Z-k3v9qU",
            "20261121T020000Z-k3v9q",
            "20261321T020000Z-k3v9q2",
            "../../20261121T0200",
        ] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn keys_cannot_leave_the_repository() {
        for text in [
            "",
            "/etc/passwd",
            "a//b",
            "a/../b",
            "a/./b",
            "a/b\0",
            "a\\b",
            "a b",
        ] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
        assert!("parts/prod/a%20b/x.copy.zst.age".parse::<Key>().is_ok());
    }

    #[test]
    fn any_name_makes_a_sound_segment_and_comes_back() {
        for name in ["courses", "..", ".", "a/b", "ü 🚤", "%41", "a.b", "x\n"] {
            let text = segment(name);
            assert!(text.parse::<Key>().is_ok(), "{text}");
            assert_eq!(from_segment(&text).as_deref(), Some(name));
        }
        assert_eq!(from_segment("%zz"), None);
        assert_eq!(from_segment("%61"), None, "one spelling a name");
    }

    #[test]
    fn foreign_texts_are_refused_or_written_again_as_read() {
        crate::foreign::each_text("texts", |text| {
            if let Ok(id) = text.parse::<Id>() {
                assert_eq!(id.to_string(), text);
                assert!(id.time().is_ok());
            }
            if let Ok(key) = text.parse::<Key>() {
                assert_eq!(key.to_string(), text);
                assert!(text.ends_with(key.name()));
                assert!(!text.split('/').any(|one| matches!(one, "" | "." | "..")));
            }
            if let Some(name) = from_segment(text) {
                assert_eq!(segment(&name), text);
            }
        });
    }
}
