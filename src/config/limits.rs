//! `[limits]`: from which age on a backup or a drill is too old.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::position::KeyError;
use super::raw;
use super::units::Interval;
use crate::error::{Error, Result};

const HOUR: Duration = Duration::from_secs(3600);

/// The limits of `status` and `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How old the newest export may be: how much may be lost (RPO).
    pub export_age: Duration,
    pub copy_age: Duration,
    pub drill_age: Duration,
    /// How long ago a break-glass identity may have last opened a restore point.
    pub break_glass_age: Duration,
    /// The day, from its beginning in UTC, on which somebody says that each of them did.
    pub break_glass_opened: Option<Timestamp>,
    /// An export is a finding when it has this many per cent fewer rows or bytes than the one before.
    pub shrink_percent: u32,
}

pub(super) fn resolve(raw: &raw::Limits) -> Result<Limits, KeyError> {
    let age = |age: Option<Interval>, default| age.map_or(default, |age| age.0);
    let shrink_percent = raw.shrink_percent.unwrap_or(50);
    if !(1..=100).contains(&shrink_percent) {
        let error = Error::usage(format!("{shrink_percent} is not a percentage of a loss"))
            .hint("1 to 100; 50 is the default, 100 never finds any");
        return Err(("shrink_percent", error));
    }
    let opened = raw.break_glass_opened.as_deref().map(day).transpose();
    Ok(Limits {
        export_age: age(raw.export_age, 26 * HOUR),
        copy_age: age(raw.copy_age, 26 * HOUR),
        drill_age: age(raw.drill_age, 8 * 24 * HOUR),
        break_glass_age: age(raw.break_glass_age, 180 * 24 * HOUR),
        break_glass_opened: opened.map_err(|error| ("break_glass_opened", error))?,
        shrink_percent,
    })
}

/// The beginning of a day in UTC.
fn day(text: &str) -> Result<Timestamp> {
    let zoned = text
        .parse()
        .and_then(|day: Date| day.to_zoned(TimeZone::UTC))
        .map_err(|_| {
            Error::usage(format!("'{text}' is not a day")).hint("for example 2026-11-21")
        })?;
    Ok(zoned.timestamp())
}
