//! How a drill is told.

use std::collections::BTreeMap;

use crate::cli::render::{self, Page, seconds};
use crate::cli::run::Answer;
use crate::drill::{AssertionResult, Report};
use crate::error::Result;
use crate::humanize::first_names;
use crate::model::attestation::{NOT_PROVEN, NotTried, Verdict};
use crate::model::finding::Finding;

pub(crate) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text(report), report.outcome())
}

pub(super) fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for one in &report.assertions {
        show_assertion(&mut page, "", one);
    }
    show_troubles(&mut page, "missing", &report.failures);
    show_troubles(&mut page, "unproven", &report.unproven);
    show_troubles(&mut page, "finding", &report.findings);
    page.lines("not compared:", &report.not_compared);
    show_not_tried(&mut page, &report.not_tried);
    page.lines("left out:", &report.left_out);
    for left_out in &report.excluded {
        let (kind, names) = (&left_out.kind, first_names(&left_out.names, 8));
        page.line(format_args!(
            "left out of the backup on request: {kind}: {names}"
        ));
    }
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
        Verdict::Failed => page.line(report.not_sound()),
        Verdict::Unproven => page.line(format_args!("NOT PROVEN: it {NOT_PROVEN}")),
    }
    page
}

/// `place`: where it was asked, if that is to be said, as in ` in courses`.
pub(super) fn show_assertion(page: &mut Page, place: &str, one: &AssertionResult) {
    let name = &one.name;
    if one.ok {
        let value = one.value.as_deref().unwrap_or_default();
        page.line(format_args!("holds{place}: {name} ({value})"));
    } else {
        page.line(format_args!("DOES NOT HOLD{place}: {name}: {}", one.why));
    }
}

pub(super) fn show_troubles(page: &mut Page, word: &str, troubles: &[Finding]) {
    for trouble in troubles {
        page.line(format_args!("{word}: {}: {}", trouble.what, trouble.why));
    }
}

fn show_place_and_time(page: &mut Page, report: &Report) {
    let sample = report.sample.as_ref();
    let sample = sample.map(|sample| format!(", a sample: {sample}"));
    page.line(format_args!(
        "{} of {}/{} in {}: {}, {} counted and digested again{}",
        report.id,
        report.source,
        report.database,
        report.place,
        render::counted(report.tables, "table", "tables"),
        render::counted(report.rows, "row", "rows"),
        sample.unwrap_or_default(),
    ));
    let first = report.seconds_to_first_query;
    let first = first.map(|first| format!("first query after {}, ", seconds(first)));
    page.line(format_args!(
        "{}whole and compared after {}, removed again after {}",
        first.unwrap_or_default(),
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
    use crate::model::attestation::Walls;
    use crate::outcome::Outcome;

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
    /// Of a drill that found nothing wrong.
    fn report() -> Report {
        Report {
            id: "20261121T020000Z-k3v9q2".parse().unwrap(),
            source: "prod".to_owned(),
            database: "courses".to_owned(),
            locked: true,
            snapshot_at: jiff::Timestamp::UNIX_EPOCH,
            place: "a throwaway PostgreSQL 15.20".to_owned(),
            server_version: "15.20".to_owned(),
            opened_by: None,
            sample: None,
            tables: 1,
            rows: 1,
            seconds_to_first_query: None,
            seconds_to_restore: 1.0,
            seconds: 1.0,
            phases: Vec::new(),
            assertions: Vec::new(),
            failures: Vec::new(),
            unproven: Vec::new(),
            findings: Vec::new(),
            not_compared: Vec::new(),
            not_tried: Vec::new(),
            left_out: Vec::new(),
            excluded: Vec::new(),
            as_superuser: false,
            walls: None,
            attestation: None,
        }
    }

    #[test]
    fn only_what_may_be_lost_or_is_not_known_changes_the_exit_code() {
        let trouble = || vec![Finding::new("table public.t", "a base type")];
        let (mut whole, mut unproven, mut failed) = (report(), report(), report());
        whole.not_tried = vec![NotTried {
            kind: "event trigger".to_owned(),
            name: "on_ddl".to_owned(),
        }];
        unproven.unproven = trouble();
        (failed.unproven, failed.failures) = (trouble(), trouble());
        for (report, expected, last) in [
            (&whole, Outcome::Done, "sound"),
            (&unproven, Outcome::Findings, "NOT PROVEN: it cannot be "),
            (&failed, Outcome::Failed, "NOT SOUND"),
        ] {
            assert_eq!(report.outcome(), expected);
            let text = text(report);
            let text = text.as_str();
            assert!(text.lines().last().unwrap().starts_with(last), "{text}");
        }
        let shown = text(&unproven);
        assert!(
            shown
                .as_str()
                .contains("unproven: table public.t: a base type\n")
        );
    }

    #[test]
    fn a_drill_says_by_which_rights_and_behind_which_walls() {
        let mut one = report();
        let shown = text(&one);
        assert!(!shown.as_str().contains("superuser") && !shown.as_str().contains("walled"));
        one.as_superuser = true;
        one.walls = Some(Walls::default());
        let text = text(&one);
        let text = text.as_str();
        assert!(text.contains("\nas superuser: "), "{text}");
        assert!(
            text.contains("\nwalled: nothing; not walled: network, "),
            "{text}"
        );
    }
}
