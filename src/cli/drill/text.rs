//! The text of a drill.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::render::{self, Page};
use crate::drill::Report;
use crate::model::attestation::{NOT_PROVEN, NotTried, Verdict};

pub(super) fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for one in &report.assertions {
        match (one.ok, &one.value) {
            (true, value) => page.line(format_args!(
                "holds: {} ({})",
                one.name,
                value.as_deref().unwrap_or_default()
            )),
            (false, _) => page.line(format_args!("DOES NOT HOLD: {}: {}", one.name, one.why)),
        }
    }
    for (word, troubles) in [
        ("missing", &report.failures),
        ("unproven", &report.unproven),
        ("finding", &report.findings),
    ] {
        for trouble in troubles {
            page.line(format_args!("{word}: {}: {}", trouble.what, trouble.why));
        }
    }
    show_not_tried(&mut page, &report.not_tried);
    show_place_and_time(&mut page, report);
    if let Some(walls) = &report.walls {
        page.line(walls);
    }
    if report.as_superuser {
        page.line("as superuser: code of the backup ran with every right on that server");
    }
    if let Some(key) = &report.attestation {
        page.line(format_args!("attested: {key}"));
    }
    match report.verdict() {
        Verdict::Sound => page.line("sound"),
        Verdict::Failed => page.line("NOT SOUND: hold and drill another point"),
        Verdict::Unproven => page.line(format_args!("NOT PROVEN: it {NOT_PROVEN}")),
    }
    page
}

fn show_place_and_time(page: &mut Page, report: &Report) {
    let sample = report
        .sample
        .as_ref()
        .map_or_else(String::new, |sample| format!(", a sample: {sample}"));
    page.line(format_args!(
        "{} of {}/{} in {}: {}, {} counted and digested again{sample}",
        report.id,
        report.source,
        report.database,
        report.place,
        render::counted(report.tables, "table", "tables"),
        render::counted(report.rows, "row", "rows"),
    ));
    let seconds = |seconds| render::duration(Duration::from_secs_f64(seconds));
    let first = report
        .seconds_to_first_query
        .map_or_else(String::new, |first| {
            format!("first query after {}, ", seconds(first))
        });
    page.line(format_args!(
        "{first}whole and compared after {}, removed again after {}",
        seconds(report.seconds_to_restore),
        seconds(report.seconds)
    ));
}

/// A line each, by kind.
fn show_not_tried(page: &mut Page, all: &[NotTried]) {
    /// Of one kind.
    const NAMES: usize = 10;
    let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in all {
        of.entry(&one.kind).or_default().push(&one.name);
    }
    for (kind, names) in of {
        for name in names.iter().take(NAMES) {
            page.line(format_args!("not tried: {kind} {name}"));
        }
        if let Some(more @ 1..) = names.len().checked_sub(NAMES) {
            let more = render::count(more as u64);
            page.line(format_args!("not tried: {kind}: {more} more"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_shown_by_kind_and_not_at_length() {
        let one = |kind: &str, name: String| NotTried {
            kind: kind.to_owned(),
            name,
        };
        let mut all: Vec<NotTried> = (0..13)
            .map(|number| one("language", format!("l{number:02}")))
            .collect();
        all.push(one("event trigger", "a\n\u{1b}[2J".to_owned()));
        let mut page = Page::default();
        show_not_tried(&mut page, &all);
        let lines: Vec<&str> = page.as_str().lines().collect();
        assert_eq!(lines[0], "not tried: event trigger a\\n\\u{1b}[2J");
        assert_eq!((lines[1], lines.len()), ("not tried: language l00", 12));
        assert_eq!(lines[11], "not tried: language: 3 more");
    }
}
