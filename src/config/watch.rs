//! `[limits]` and `[notify]`: what is too old, and who is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::place::Place;
use super::{units, written};
use crate::error::{Error, Result};

const HOUR: Duration = Duration::from_secs(3600);

/// What `status` and `doctor` go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How old the newest export may be: how much may be lost (RPO).
    pub export_age: Duration,
    pub copy_age: Duration,
    pub drill_age: Duration,
    /// How long ago a break-glass identity may have last opened a restore point.
    pub break_glass_age: Duration,
    /// The beginning of the day on which, by somebody's word, each of them did.
    pub break_glass_opened: Option<Timestamp>,
    /// An export with so many per cent fewer rows or bytes than the one before is a finding.
    pub shrink_percent: u32,
}

/// Who is told how `nightly` and `prove` ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifySettings {
    /// Holds the URL of a webhook that takes Slack's `{"text": …}`.
    pub webhook_file: Option<PathBuf>,
    /// At success too.
    pub webhook_always: bool,
    /// Holds a URL that is asked for at success only.
    pub ping_file: Option<PathBuf>,
    /// A metric of CloudWatch's.
    pub metrics: bool,
}

pub fn limits(written: &written::Limits, place: &Place<'_>) -> Result<Limits> {
    let age = |key, text: &Option<String>, usual: Duration| match text {
        Some(text) => units::duration(text).map_err(|error| place.at("limits", key, error)),
        None => Ok(usual),
    };
    let shrink_percent = written.shrink_percent.unwrap_or(50);
    if !(1..=100).contains(&shrink_percent) {
        let error = Error::usage(format!("{shrink_percent} is no such share"))
            .hint("1 to 100; 50 is the default, 100 never finds any");
        return Err(place.at("limits", "shrink_percent", error));
    }
    Ok(Limits {
        export_age: age("export_age", &written.export_age, 26 * HOUR)?,
        copy_age: age("copy_age", &written.copy_age, 26 * HOUR)?,
        drill_age: age("drill_age", &written.drill_age, 8 * 24 * HOUR)?,
        break_glass_age: age("break_glass_age", &written.break_glass_age, 180 * 24 * HOUR)?,
        break_glass_opened: written
            .break_glass_opened
            .as_ref()
            .map(|text| day(text).map_err(|error| place.at("limits", "break_glass_opened", error)))
            .transpose()?,
        shrink_percent,
    })
}

fn day(text: &str) -> Result<Timestamp> {
    let wrong = || Error::usage(format!("'{text}' is no day")).hint("for example 2026-11-21");
    let day: Date = text.parse().map_err(|_| wrong())?;
    let begins = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(begins.timestamp())
}

pub fn notify(written: &written::Notify, base: &Path) -> NotifySettings {
    let in_base = |path: &Option<PathBuf>| path.as_ref().map(|path| base.join(path));
    NotifySettings {
        webhook_file: in_base(&written.webhook_file),
        webhook_always: written.webhook_on == Some(written::WebhookOn::Always),
        ping_file: in_base(&written.ping_file),
        metrics: written.metrics.unwrap_or(false),
    }
}
