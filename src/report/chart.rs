//! Charts: marks as SVG that stretches with the page, words beside them as HTML that does not.

use jiff::Timestamp;

use super::axis::{self, Span, Unit, WIDE};
use super::html::{Html, put};

/// How many values that a line joins have a dot each.
const MAX_DOTS: usize = 15;
/// How many restore points have a line, one below the other.
pub(super) const MAX_LINES: usize = 600;

/// One measured value.
pub(super) struct Value {
    pub at: Timestamp,
    pub value: f64,
    /// Marked by a cross: what was measured did not succeed.
    pub failed: bool,
}

/// Values over time, on an axis that begins at zero.
pub(super) struct Series {
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
    pub(super) fn draw(&self, page: &mut Html, span: Span) {
        let most = self.values.iter().map(|one| one.value).fold(0.0, f64::max);
        let top = axis::ceiling(most, self.unit);
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
        // Many dots would hide the line.
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
                axis::words(share, self.unit),
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
pub(super) enum Proof {
    Sound,
    Failed,
    None,
}

/// From the moment that a restore point shows to the end of its lock.
pub(super) struct Line {
    pub from: Timestamp,
    /// `None`: not locked.
    pub to: Option<Timestamp>,
    pub proof: Proof,
}

/// One line for each restore point, oldest first.
pub(super) fn locks(page: &mut Html, label: String, lines: &[Line], now: Timestamp) {
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
pub(super) enum Day {
    /// Before its first restore point.
    Before,
    None,
    Kept,
    Sound,
    /// A restore point that is not trusted, or whose last drill failed.
    Bad,
}

/// A bar for each day, the newest at the right.
pub(super) fn strip(page: &mut Html, label: String, days: &[Day]) {
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
    for (number, (x, words)) in axis::ticks(span, most).into_iter().enumerate() {
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
