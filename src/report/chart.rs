//! Charts: marks as SVG that stretches with the page, words beside them as HTML that does not.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::html::{Html, put};
use crate::figures::{bytes, duration};

/// Marks are placed on a thousand steps, whatever the width.
const WIDE: i64 = 1000;
const DAY: i64 = 24 * 3600;
/// No chart of times is of less than a week.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Values that are joined by a line have a dot each, up to so many.
const MAX_DOTS: usize = 15;
/// The lines of so many restore points fit one below the other.
pub const MAX_LINES: usize = 600;

/// The times that a chart shows.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    from: i64,
    to: i64,
}

impl Span {
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        let from = from.min(to - WEEK).as_second();
        Self {
            from,
            to: to.as_second().max(from + 1),
        }
    }

    fn x(&self, at: Timestamp) -> i64 {
        let at = at.as_second().clamp(self.from, self.to);
        (at - self.from) * WIDE / (self.to - self.from)
    }
}

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Count,
    Seconds,
}

/// One measured value.
pub struct Value {
    pub at: Timestamp,
    pub value: f64,
    /// Marked by a cross: what was measured did not succeed.
    pub failed: bool,
}

/// Values over time, on an axis that begins at zero.
pub struct Series {
    pub title: &'static str,
    /// The newest value, in words.
    pub newest: String,
    /// What it shows, for those who do not see it.
    pub label: String,
    pub unit: Unit,
    pub values: Vec<Value>,
    /// Whether values are of one thing that grows and shrinks, and so joined by a line.
    pub joined: bool,
}

impl Series {
    pub fn draw(&self, page: &mut Html, span: Span) {
        let most = self.values.iter().map(|one| one.value).fold(0.0, f64::max);
        let top = ceiling(most, self.unit);
        put!(
            page,
            "<figure class=\"chart\"><figcaption>",
            self.title,
            " <span class=\"muted\">",
            self.newest.clone(),
            "</span></figcaption><div class=\"plot gutter\"><svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
            self.label.clone(),
            "\"><path class=\"grid\" d=\"M0 0h1000M0 500h1000\"/><path class=\"axis\" d=\"M0 1000h1000\"/>"
        );
        let place = |one: &Value| {
            let y = 1000 - (one.value / top * 1000.0).round() as i64;
            (span.x(one.at), y)
        };
        let sound: Vec<_> = self
            .values
            .iter()
            .filter(|one| !one.failed)
            .map(place)
            .collect();
        if self.joined {
            joined(page, &sound);
        }
        // Where they are dense the line tells, and dots would hide it.
        let dots = match self.joined && sound.len() > MAX_DOTS {
            true => &sound[sound.len() - 1..],
            false => &sound,
        };
        marks(page, "<path class=\"dots\" d=\"", dots, "h0");
        let failed: Vec<_> = self
            .values
            .iter()
            .filter(|one| one.failed)
            .map(place)
            .collect();
        marks(
            page,
            "<path class=\"crosses\" d=\"",
            &failed,
            "m-8-36l16 72m0-72l-16 72",
        );
        put!(page, "</svg>");
        for (share, at) in [(top, "0"), (top / 2.0, "50%"), (0.0, "100%")] {
            put!(
                page,
                "<i class=\"y\" style=\"top:",
                at,
                "\">",
                axis(share, self.unit),
                "</i>"
            );
        }
        put!(page, "</div>");
        dates(page, span, 4, "<div class=\"x gutter\">");
        put!(page, "</figure>");
    }
}

/// An area, and its upper edge.
fn joined(page: &mut Html, places: &[(i64, i64)]) {
    let Some(first) = places.first() else {
        return;
    };
    let steps: String = places
        .windows(2)
        .map(|two| format!("l{} {}", two[1].0 - two[0].0, two[1].1 - two[0].1))
        .collect();
    put!(
        page,
        "<path class=\"area\" d=\"M",
        first.0,
        " 1000V",
        first.1,
        steps.clone(),
        "V1000z\"/>",
        "<path class=\"edge\" d=\"M",
        first.0,
        " ",
        first.1,
        steps,
        "\"/>"
    );
}

fn marks(page: &mut Html, open: &'static str, places: &[(i64, i64)], mark: &str) {
    if places.is_empty() {
        return;
    }
    let path: String = places
        .iter()
        .map(|(x, y)| format!("M{x} {y}{mark}"))
        .collect();
    put!(page, open, path, "\"/>");
}

/// What becomes of a restore point's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Sound,
    Failed,
    None,
}

/// From the moment that a restore point shows to the end of its lock.
pub struct Line {
    pub from: Timestamp,
    /// `None`: not locked.
    pub to: Option<Timestamp>,
    pub proof: Proof,
}

/// One line for each restore point, oldest first.
pub fn locks(page: &mut Html, label: String, lines: &[Line], now: Timestamp) {
    let shown = &lines[lines.len().saturating_sub(MAX_LINES)..];
    let Some(first) = shown.iter().map(|line| line.from).min() else {
        return;
    };
    let last = shown
        .iter()
        .filter_map(|line| line.to)
        .fold(now, Timestamp::max);
    let span = Span::new(first, last);
    let height = (shown.len() * 6).clamp(60, 240);
    // Of each line's share, what is not white.
    let width = (height as f64 / shown.len() as f64 * 0.6).clamp(0.7, 4.0);
    put!(
        page,
        "<figure class=\"chart\"><figcaption>Restore points and their locks</figcaption>",
        "<div class=\"plot\" style=\"height:",
        height,
        "px\"><svg viewBox=\"0 0 1000 ",
        shown.len() * 2,
        "\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
        label,
        "\" style=\"stroke-width:",
        format!("{width:.1}"),
        "px\"><path class=\"axis\" d=\"M",
        span.x(now),
        " 0V",
        shown.len() * 2,
        "\"/>"
    );
    let paths: [(&'static str, Proof, bool); 5] = [
        ("<path class=\"kept\" d=\"", Proof::None, true),
        ("<path class=\"sound\" d=\"", Proof::Sound, true),
        ("<path class=\"failed\" d=\"", Proof::Failed, true),
        ("<path class=\"loose\" d=\"", Proof::None, false),
        ("<path class=\"loose\" d=\"", Proof::Failed, false),
    ];
    for (open, proof, locked) in paths {
        path(page, open, shown, span, |line| {
            line.proof == proof && line.to.is_some() == locked
        });
    }
    let drilled = |line: &Line| line.proof == Proof::Sound && line.to.is_none();
    path(
        page,
        "<path class=\"loose sound\" d=\"",
        shown,
        span,
        drilled,
    );
    let (side, from) = match span.x(now) {
        x @ 500.. => ("right:", WIDE - x),
        x => ("left:", x),
    };
    put!(
        page,
        "</svg><i class=\"now\" style=\"",
        side,
        percent(from),
        "\">now</i></div>"
    );
    dates(page, span, 8, "<div class=\"x\">");
    put!(page, "</figure>");
}

fn path(
    page: &mut Html,
    open: &'static str,
    lines: &[Line],
    span: Span,
    is_of_it: impl Fn(&Line) -> bool,
) {
    let numbered = lines.iter().enumerate().filter(|(_, line)| is_of_it(line));
    let steps: String = numbered
        .map(|(at, line)| {
            let (x, y) = (span.x(line.from), at * 2 + 1);
            // Never too short to be seen.
            let wide = line.to.map_or(3, |to| (span.x(to) - x).max(1));
            format!("M{x} {y}h{wide}")
        })
        .collect();
    if !steps.is_empty() {
        put!(page, open, steps, "\"/>");
    }
}

/// What one day has of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// Before its first restore point.
    Before,
    None,
    Kept,
    Sound,
    /// A restore point that is not trusted, or whose last drill failed.
    Bad,
}

/// A bar for each day, the newest at the right.
pub fn strip(page: &mut Html, label: String, days: &[Day]) {
    put!(
        page,
        "<svg class=\"strip\" viewBox=\"0 0 ",
        days.len() * 10,
        " 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
        label,
        "\">"
    );
    let kinds: [(Day, &'static str, &'static str); 4] = [
        (Day::None, "<path class=\"none\" d=\"", " 9h8v1h-8z"),
        (Day::Kept, "<path class=\"kept\" d=\"", " 0h8v10h-8z"),
        (Day::Sound, "<path class=\"sound\" d=\"", " 0h8v10h-8z"),
        (Day::Bad, "<path class=\"bad\" d=\"", " 3h8v4h-8z"),
    ];
    for (kind, open, bar) in kinds {
        let bars: String = days
            .iter()
            .enumerate()
            .filter(|(_, day)| **day == kind)
            .map(|(at, _)| format!("M{}{bar}", at * 10 + 1))
            .collect();
        if !bars.is_empty() {
            put!(page, open, bars, "\"/>");
        }
    }
    put!(page, "</svg>");
}

fn dates(page: &mut Html, span: Span, most: i64, open: &'static str) {
    put!(page, open, "<div>");
    for (number, (x, words)) in ticks(span, most).into_iter().enumerate() {
        // Every other one gives way where there is no room.
        let open = if number % 2 == 0 || most < 6 {
            "<i style=\"left:"
        } else {
            "<i class=\"wide\" style=\"left:"
        };
        put!(page, open, percent(x), "\">", words, "</i>");
    }
    put!(page, "</div></div>");
}

fn percent(x: i64) -> String {
    format!("{:.1}%", x as f64 * 100.0 / WIDE as f64)
}

/// At most so many, on round dates in UTC, none at the very edge.
fn ticks(span: Span, most: i64) -> Vec<(i64, String)> {
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
    let step = [1, 2, 3, 6, 12, 24, 60]
        .into_iter()
        .find(|step| days / (step * 30) < most);
    let step = step.unwrap_or(120);
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
fn ceiling(most: f64, unit: Unit) -> f64 {
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
fn axis(value: f64, unit: Unit) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let short = match unit {
        Unit::Bytes => bytes(value as u64),
        Unit::Seconds => match value {
            ..60.0 => format!("{value} s"),
            ..3600.0 => format!("{} min", value / 60.0),
            ..172_800.0 => format!("{} h", value / 3600.0),
            _ => duration(std::time::Duration::from_secs_f64(value)),
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
                (axis(found, unit).as_str(), axis(found / 2.0, unit).as_str()),
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
            ("1980-01-01", "2099-01-01", "Jan 1990"),
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
