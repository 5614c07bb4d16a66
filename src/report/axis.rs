//! Axes: which times and values a chart spans, and the round ones among them that are named.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::humanize::{bytes, seconds};

/// Marks are placed on a thousand steps, whatever the width.
pub(super) const WIDE: i64 = 1000;
const DAY: i64 = 24 * 3600;
/// No chart of times is of less than a week.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The times that a chart shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    from: i64,
    to: i64,
}

impl Span {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        let from = from.min(to - WEEK).as_second();
        Self {
            from,
            to: to.as_second().max(from + 1),
        }
    }

    /// Where a moment has its place, from 0 to [`WIDE`].
    pub(super) fn x(&self, at: Timestamp) -> i64 {
        let at = at.as_second().clamp(self.from, self.to);
        (at - self.from) * WIDE / (self.to - self.from)
    }
}

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Count,
    Seconds,
}

/// At most `most` marks, on round dates in UTC, none at the very edge.
pub(super) fn ticks(span: Span, most: i64) -> Vec<(i64, String)> {
    let days = (span.to - span.from) / DAY;
    let step = [1, 2, 7, 14].into_iter().find(|step| days / step < most);
    let dates: Vec<Date> = match step {
        Some(step) => {
            let first = span.from.div_euclid(DAY) + 1;
            // The first of January 1970 was a Thursday: weeks begin on Monday.
            let days = (first..=span.to.div_euclid(DAY)).filter(|day| (day + 3) % step == 0);
            days.filter_map(|day| date(day * DAY)).collect()
        }
        None => months(span, days, most),
    };
    let months = step.is_none();
    let placed = dates.into_iter().filter_map(|date| {
        let at = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let words = if months {
            date.strftime("%b %Y")
        } else {
            date.strftime("%-d %b")
        };
        Some((span.x(at), words.to_string()))
    });
    placed.filter(|(x, _)| (60..=940).contains(x)).collect()
}

fn months(span: Span, days: i64, most: i64) -> Vec<Date> {
    let step = [1, 2, 3, 6, 12, 24, 60, 120, 240]
        .into_iter()
        .find(|step| days / (step * 30) < most);
    let step = step.unwrap_or(1200);
    let (Some(from), Some(to)) = (date(span.from), date(span.to)) else {
        return Vec::new();
    };
    let number = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
    (number(from) + 1..=number(to))
        .filter(|month| month % step == 0)
        .filter_map(|month| {
            let year = i16::try_from(month.div_euclid(12)).ok()?;
            let month = i8::try_from(month.rem_euclid(12) + 1).ok()?;
            Date::new(year, month, 1).ok()
        })
        .collect()
}

fn date(second: i64) -> Option<Date> {
    let at = Timestamp::from_second(second).ok()?;
    Some(at.to_zoned(TimeZone::UTC).date())
}

/// The least round value that is not below `most`, and whose half is round.
pub(super) fn ceiling(most: f64, unit: Unit) -> f64 {
    const TIMES: [f64; 18] = [
        2.0, 4.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0, 600.0, 1200.0, 2400.0, 3600.0, 7200.0,
        14_400.0, 28_800.0, 43_200.0, 86_400.0, 172_800.0,
    ];
    let (base, most) = match unit {
        Unit::Seconds => match TIMES.into_iter().find(|time| *time >= most) {
            Some(time) => return time,
            None => (172_800.0, most),
        },
        Unit::Count => (1.0, most.max(2.0)),
        Unit::Bytes => {
            let mut base = 1.0;
            while most > base * 1000.0 {
                base *= 1024.0;
            }
            (base, most.max(2.0))
        }
    };
    let mut ten = base;
    loop {
        let round = [1.0, 2.0, 4.0, 6.0, 8.0].map(|step| step * ten);
        if let Some(found) = round.into_iter().find(|round| *round >= most) {
            return found;
        }
        ten *= 10.0;
    }
}

/// `0`, `512 MiB`, `2.5 M`, `30 min`
pub(super) fn words(value: f64, unit: Unit) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let short = match unit {
        Unit::Bytes => bytes(value as u64),
        Unit::Seconds => match value {
            ..60.0 => format!("{value} s"),
            ..3600.0 => format!("{} min", value / 60.0),
            ..172_800.0 => format!("{} h", value / 3600.0),
            _ => seconds(value),
        },
        Unit::Count => match value {
            ..1e3 => format!("{value}"),
            ..1e6 => format!("{} k", value / 1e3),
            ..1e9 => format!("{} M", value / 1e6),
            _ => format!("{} bn", value / 1e9),
        },
    };
    short.replace(".0 ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str) -> Span {
        let at = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
        Span::new(at(from), at(to))
    }

    #[test]
    fn axes_end_at_round_values() {
        const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
        for (most, unit, top, half) in [
            (0.0, Unit::Count, "2", "1"),
            (1_943_200.0, Unit::Count, "2 M", "1 M"),
            (2_000_001.0, Unit::Count, "4 M", "2 M"),
            (5.2 * GIB, Unit::Bytes, "6 GiB", "3 GiB"),
            (0.9 * GIB, Unit::Bytes, "1000 MiB", "500 MiB"),
            (GIB, Unit::Bytes, "1 GiB", "512 MiB"),
            (41.0 * 60.0, Unit::Seconds, "1 h", "30 min"),
            (22.0 * 60.0, Unit::Seconds, "40 min", "20 min"),
            (95.0, Unit::Seconds, "2 min", "1 min"),
            (1.5, Unit::Seconds, "2 s", "1 s"),
            (3.0 * 86_400.0, Unit::Seconds, "4 d 00 h", "2 d 00 h"),
        ] {
            let found = ceiling(most, unit);
            assert!(found >= most);
            assert_eq!(
                (
                    words(found, unit).as_str(),
                    words(found / 2.0, unit).as_str()
                ),
                (top, half)
            );
        }
    }

    #[test]
    fn dates_are_round_and_few() {
        for (from, to, first) in [
            ("2026-11-14", "2026-11-21", "15 Nov"),
            ("2026-10-01", "2026-11-21", "5 Oct"),
            ("2026-01-01", "2026-11-21", "Mar 2026"),
            ("2020-01-01", "2026-11-21", "Jan 2021"),
            ("1980-01-01", "2099-01-01", "Jan 2000"),
        ] {
            let found = ticks(span(from, to), 8);
            assert!((2..=8).contains(&found.len()), "{found:?}");
            assert_eq!(found[0].1, first, "{found:?}");
        }
    }

    #[test]
    fn a_span_is_a_week_at_least_and_holds_all_its_marks() {
        let one = span("2026-11-21", "2026-11-21");
        assert_eq!(one.to - one.from, 7 * DAY);
        assert_eq!(one.x("2030-01-01T00:00:00Z".parse().unwrap()), WIDE);
        assert_eq!(one.x("2020-01-01T00:00:00Z".parse().unwrap()), 0);
    }
}
