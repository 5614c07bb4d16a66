//! Charts: marks as SVG that stretches with the page, words beside them as HTML that does not.

use jiff::Timestamp;

use super::axis::{self, Span, Unit, WIDE};
use super::html::{Html, put};
use crate::model::attestation::Verdict;

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
            "<figure class=\"chart\"><figcaption>{} <span class=\"muted\">{}</span></figcaption>\
             <div class=\"plot gutter\">\
             <svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
             <path class=\"grid\" d=\"M0 0h1000M0 500h1000\"/>\
             <path class=\"axis\" d=\"M0 1000h1000\"/>",
            self.title,
            self.newest.clone(),
            self.label.clone()
        );
        let (failed, sound): (Vec<&Value>, Vec<&Value>) =
            self.values.iter().partition(|one| one.failed);
        let place = |one: &Value| {
            let y = 1000 - (one.value / top * 1000.0).round() as i64;
            (span.x(one.at), y)
        };
        let sound: Vec<_> = sound.into_iter().map(place).collect();
        if self.joined {
            joined(page, &sound);
        }
        // Many dots would hide the line.
        let dots = match self.joined && sound.len() > MAX_DOTS {
            true => &sound[sound.len() - 1..],
            false => &sound,
        };
        let dots = dots.iter().map(|(x, y)| format!("M{x} {y}h0"));
        path(page, "dots", dots.collect());
        let failed = failed.into_iter().map(place);
        let crosses = failed.map(|(x, y)| format!("M{x} {y}m-8-36l16 72m0-72l-16 72"));
        path(page, "crosses", crosses.collect());
        put!(page, "</svg>");
        for (share, at) in [(top, "0"), (top / 2.0, "50%"), (0.0, "100%")] {
            let words = axis::words(share, self.unit);
            put!(page, "<i class=\"y\" style=\"top:{}\">{}</i>", at, words);
        }
        put!(page, "</div>");
        dates(page, span, 4, "x gutter");
        put!(page, "</figure>");
    }
}

/// A path of the class, where it has a step.
fn path(page: &mut Html, class: &'static str, steps: String) {
    if !steps.is_empty() {
        put!(page, "<path class=\"{}\" d=\"{}\"/>", class, steps);
    }
}

/// An area, and its upper edge.
fn joined(page: &mut Html, places: &[(i64, i64)]) {
    let Some((x, y)) = places.first() else {
        return;
    };
    let steps = places.windows(2);
    let steps = steps.map(|two| format!("l{} {}", two[1].0 - two[0].0, two[1].1 - two[0].1));
    let steps: String = steps.collect();
    path(page, "area", format!("M{x} 1000V{y}{steps}V1000z"));
    path(page, "edge", format!("M{x} {y}{steps}"));
}

/// From the moment that a restore point shows to the end of its lock.
pub(super) struct Line {
    pub from: Timestamp,
    /// `None`: not locked.
    pub to: Option<Timestamp>,
    /// What a drill found; [`Verdict::Unproven`] also where none was made.
    pub proof: Verdict,
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
        "<figure class=\"chart\"><figcaption>Restore points and their locks</figcaption>\
         <div class=\"plot\" style=\"height:{}px\">\
         <svg viewBox=\"0 0 1000 {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\" style=\"stroke-width:{}px\">\
         <path class=\"axis\" d=\"M{} 0V{}\"/>",
        height,
        shown.len() * 2,
        label,
        format!("{width:.1}"),
        span.x(now),
        shown.len() * 2
    );
    for (class, proof, locked) in [
        ("kept", Verdict::Unproven, true),
        ("sound", Verdict::Sound, true),
        ("failed", Verdict::Failed, true),
        ("loose", Verdict::Unproven, false),
        ("loose", Verdict::Failed, false),
        ("loose sound", Verdict::Sound, false),
    ] {
        let numbered = shown.iter().enumerate();
        let of = numbered.filter(|(_, one)| one.proof == proof && one.to.is_some() == locked);
        let steps = of.map(|(at, line)| {
            let (x, y) = (span.x(line.from), at * 2 + 1);
            // Never too short to be seen.
            let wide = line.to.map_or(3, |to| (span.x(to) - x).max(1));
            format!("M{x} {y}h{wide}")
        });
        path(page, class, steps.collect());
    }
    let (side, from) = match span.x(now) {
        x @ 500.. => ("right:", WIDE - x),
        x => ("left:", x),
    };
    put!(
        page,
        "</svg><i class=\"now\" style=\"{}{}\">now</i></div>",
        side,
        percent(from)
    );
    dates(page, span, 8, "x");
    put!(page, "</figure>");
}

/// What one day has of a database. The last one counts, where a day has several points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Day {
    /// Before its first restore point.
    Before,
    None,
    /// A restore point that was not opened.
    Listed,
    Kept,
    Sound,
    /// A restore point that is not trusted, or whose last drill failed.
    Bad,
}

/// A bar for each day, the newest at the right.
pub(super) fn strip(page: &mut Html, label: String, days: &[Day]) {
    put!(
        page,
        "<svg class=\"strip\" viewBox=\"0 0 {} 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        days.len() * 10,
        label
    );
    for (kind, class, bar) in [
        (Day::None, "none", " 9h8v1h-8z"),
        (Day::Listed, "listed", " 0h8v10h-8z"),
        (Day::Kept, "kept", " 0h8v10h-8z"),
        (Day::Sound, "sound", " 0h8v10h-8z"),
        (Day::Bad, "bad", " 3h8v4h-8z"),
    ] {
        let of = days.iter().enumerate().filter(|(_, day)| **day == kind);
        let bars = of.map(|(at, _)| format!("M{}{bar}", at * 10 + 1));
        path(page, class, bars.collect());
    }
    put!(page, "</svg>");
}

fn dates(page: &mut Html, span: Span, most: i64, class: &'static str) {
    put!(page, "<div class=\"{}\"><div>", class);
    for (number, (x, words)) in axis::ticks(span, most).into_iter().enumerate() {
        // Every other one gives way where there is no room.
        match number % 2 == 0 || most < 6 {
            true => put!(page, "<i style=\"left:{}\">{}</i>", percent(x), words),
            false => put!(
                page,
                "<i class=\"wide\" style=\"left:{}\">{}</i>",
                percent(x),
                words
            ),
        }
    }
    put!(page, "</div></div>");
}

fn percent(x: i64) -> String {
    format!("{:.1}%", x as f64 * 100.0 / WIDE as f64)
}
