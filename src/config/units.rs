//! Durations, sizes and rates with their units.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::error::{Error, Result};

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const DURATIONS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Bytes a second from `50MiB/s` (the `/s` may be left out); `None` from `none`.
pub(crate) fn rate(text: &str) -> Result<Option<u64>> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let hint = "write for example 50MiB/s, 400kB/s, or none";
    let wrong = |why: String| Error::usage(format!("rate '{text}' {why}")).hint(hint);
    let amount = text.strip_suffix("/s").unwrap_or(text);
    if amount.ends_with("bit") || amount.ends_with('b') {
        return Err(wrong("is in bits; rates are in bytes".to_owned()));
    }
    let bytes = with_unit(amount, SIZES).map_err(wrong)?;
    if bytes == 0 {
        return Err(wrong("would never finish".to_owned()));
    }
    Ok(Some(bytes))
}

/// A length of time from `10s`, `500ms`, `5m`, `2h` or `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Interval(pub Duration);

impl Interval {
    /// No text is too long for it.
    pub(crate) fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }
}

impl TryFrom<String> for Interval {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let millis = with_unit(text.trim(), DURATIONS).map_err(|why| {
            format!("duration '{text}' {why}; write for example 500ms, 10s, 5m, 2h or 1d")
        })?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// Bytes a second, as [`rate`] reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Rate(pub Option<u64>);

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = rate(&text).map_err(|error| format!("{error}; {}", error.advice()))?;
        Ok(Self(bytes))
    }
}

/// `number unit` in the smallest unit; the error completes the sentence "it …".
fn with_unit(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let (number, unit) = (&text[..text.len() - unit.len()], unit.trim_start());
    if number.is_empty() {
        return Err("does not begin with a number".to_owned());
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let known: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        let what = match unit {
            "" => "no unit".to_owned(),
            unit => format!("the unknown unit '{unit}'"),
        };
        return Err(format!("has {what} (one of {})", known.join(", ")));
    };
    scaled(number, *factor).ok_or_else(|| "is not a number that fits".to_owned())
}

/// `number` × `factor`, rounded down; `None` where it is no number or does not fit.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let scale = 10u64.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u64 = fraction.parse().ok()?;
    let part = u128::from(fraction) * u128::from(factor) / u128::from(scale);
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(factor)?
        .checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(text: &str) -> Result<Duration, String> {
        Interval::try_from(text.to_owned()).map(|interval| interval.0)
    }

    #[test]
    fn rates_are_bytes_a_second() {
        assert_eq!(rate("50MiB/s").unwrap(), Some(50 << 20));
        assert_eq!(rate("1.5 kB").unwrap(), Some(1500));
        assert_eq!(rate("none").unwrap(), None);
        for wrong in [
            "",
            "50",
            "50Mb/s",
            "400Mbit/s",
            "fast",
            "0MiB/s",
            "1..5MB",
            "9999999999999TB",
        ] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(duration("1.5h").unwrap(), Duration::from_secs(5400));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        for wrong in ["10", "s", "-1s", "10 parsecs", "1.s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_unit_is_answered_with_the_known_ones() {
        let error = duration("10sec").unwrap_err();
        assert!(
            error.contains("'sec'") && error.contains("ms, s, m"),
            "{error}"
        );
    }
}
