//! Restore points and dates on the command line.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::config::source::check_name;
use crate::error::{Error, Result, ResultExt};
use crate::model::id::Id;
use crate::model::lock::{Lock, LockMode};
use crate::repository::PointSelector;

/// A restore point on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PointArgs {
    /// The restore point: an id as `lifeboat list` shows it, or `latest`
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub filter: DatabaseFilter,
}

/// Whose restore points; `None` means any.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct DatabaseFilter {
    /// Only restore points of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only restore points of this database
    #[arg(long, value_name = "DATABASE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub database: Option<String>,
}

/// Which restore point.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub which: PointSelector,
    pub filter: DatabaseFilter,
}

impl PointArgs {
    pub(super) fn resolve(self) -> Result<Point> {
        Point::new(&self.id, self.filter)
    }
}

impl Point {
    pub(super) fn new(id: &str, filter: DatabaseFilter) -> Result<Self> {
        Ok(Self {
            which: id.parse()?,
            filter: filter.resolve()?,
        })
    }
}

impl DatabaseFilter {
    pub(super) fn resolve(self) -> Result<Self> {
        check_source(self.source.as_deref())?;
        Ok(self)
    }
}

/// Refuses what `--source` cannot mean.
pub(super) fn check_source(name: Option<&str>) -> Result<()> {
    name.map_or(Ok(()), check_name)
        .context(|| "--source".to_owned())
}

/// The copy of a snapshot that is meant: an id, or `None` for the newest.
pub(super) fn which_copy(text: &str) -> Result<Option<Id>> {
    match text {
        "latest" => Ok(None),
        text => text.parse().map(Some),
    }
}

/// The moment that a lock is to hold until: the end of a day in UTC (`2027-01-31`), a moment
/// (`2027-01-31T12:00:00Z`), or a number of days from now (`90d`).
pub(super) fn until(text: &str, now: Timestamp, max_lock_days: u32) -> Result<Timestamp> {
    let at = moment(text, now).ok_or_else(|| {
        Error::usage(format!("'{}' is no date", text.escape_debug()))
            .hint("write 2027-01-31, 2027-01-31T12:00:00Z, or 90d for ninety days from now")
    })?;
    let lock = Lock {
        mode: LockMode::Compliance,
        retain_until: at,
    };
    lock.check(now, max_lock_days)
        .map_err(|error| match error.find_hint() {
            Some(_) => error,
            None => error.hint("name a day to come, or 90d for ninety days from now"),
        })?;
    Ok(at)
}

fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(days) = text.strip_suffix('d') {
        let hours = i64::from(days.parse::<u32>().ok()?) * 24;
        return now.checked_add(SignedDuration::from_hours(hours)).ok();
    }
    if text.len() == "2027-01-31".len() {
        let date: Date = text.parse().ok()?;
        // Through the day that is named, not up to its first second.
        let next = date.tomorrow().ok()?;
        return Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn dates_hold_through_their_day() {
        let now = at("2026-11-21T10:00:00Z");
        for (text, expected) in [
            ("2027-01-31", "2027-02-01T00:00:00Z"),
            ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00Z"),
            ("90d", "2027-02-19T10:00:00Z"),
        ] {
            assert_eq!(until(text, now, 400).unwrap(), at(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_or_too_far_is_refused() {
        let now = at("2026-11-21T10:00:00Z");
        for text in [
            "",
            "tomorrow",
            "2027-02-30",
            "d",
            "-5d",
            "0d",
            "401d",
            "4294967295d",
            "9999-12-31",
            "2026-11-20",
            "2027-01-31T12:00",
            "2101-01-01T00:00:00Z",
        ] {
            assert!(until(text, now, 400).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_that_is_none_is_refused_with_an_example() {
        let error = Point::new("yesterday", DatabaseFilter::default()).unwrap_err();
        assert!(error.find_hint().unwrap().contains("20261121T020000Z"));
    }
}
