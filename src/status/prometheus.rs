//! The status as Prometheus' text format, for node_exporter's textfile collector.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::report::{DatabaseStatus, Report};
use crate::escape::one_line;

/// The whole file: gauges with `source` and `database` as labels.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, values: Vec<(String, f64)>| {
        if values.is_empty() {
            return;
        }
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let databases = |value: fn(&DatabaseStatus) -> Option<f64>| {
        let labelled = |one: &DatabaseStatus| {
            let labels = labels(&[("source", &one.source), ("database", &one.database)]);
            Some((labels, value(one)?))
        };
        report.databases.iter().filter_map(labelled).collect()
    };
    let whole = |value: f64| vec![(String::new(), value)];
    metric(
        "lifeboat_database_state",
        "How a database stands: 0 ok, 1 findings, 2 urgent.",
        databases(|one| Some(one.state as u8 as f64)),
    );
    metric(
        "lifeboat_export_timestamp_seconds",
        "The moment that the newest trusted export shows.",
        databases(|one| Some(seconds(one.newest.as_ref()?.snapshot_at))),
    );
    metric(
        "lifeboat_export_rows",
        "Rows in the newest trusted export.",
        databases(|one| Some(one.newest.as_ref()?.rows as f64)),
    );
    metric(
        "lifeboat_export_stored_bytes",
        "Stored bytes of the newest trusted export.",
        databases(|one| Some(one.newest.as_ref()?.stored_bytes as f64)),
    );
    metric(
        "lifeboat_export_locked_until_seconds",
        "The end of the newest trusted export's lock.",
        databases(|one| Some(seconds(one.newest.as_ref()?.locked_until?))),
    );
    metric(
        "lifeboat_drill_timestamp_seconds",
        "When a drill last found a restore point sound.",
        databases(|one| Some(seconds(one.drilled.as_ref()?.at))),
    );
    metric(
        "lifeboat_drill_restore_seconds",
        "How long that drill's restore took.",
        databases(|one| Some(one.drilled.as_ref()?.seconds_to_restore)),
    );
    let copies = report.copies.iter();
    metric(
        "lifeboat_snapshot_copy_timestamp_seconds",
        "The moment that the newest snapshot copy shows.",
        copies
            .filter_map(|one| Some((labels(&[("source", &one.source)]), seconds(one.newest_at?))))
            .collect(),
    );
    let leftovers = report.leftovers.iter();
    metric(
        "lifeboat_leftover_bytes",
        "Stored bytes of exports that did not end.",
        whole(leftovers.map(|one| one.stored_bytes as f64).sum()),
    );
    metric(
        "lifeboat_findings",
        "Findings of this status.",
        whole(report.findings.len() as f64),
    );
    metric(
        "lifeboat_status_timestamp_seconds",
        "When this was written.",
        whole(seconds(report.now)),
    );
    text
}

fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", quoted(&shown(value))))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

/// On one line also where the label is shown again. Backslashes are doubled first: no two names may
/// come to be one, as the collector refuses a file that says something twice.
fn shown(name: &str) -> String {
    one_line(&name.replace('\\', r"\\")).into_owned()
}

/// As the format wants a label's value.
fn quoted(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::super::report::PointStatus;
    use super::*;
    use crate::model::state::{NotShown, State};

    #[test]
    fn a_label_is_one_line_and_no_other_ones() {
        let label = |name: &str| labels(&[("database", name)]);
        assert_eq!(label("a\"b"), r#"{database="a\"b"}"#);
        assert_eq!(label("a\n\u{1b}"), r#"{database="a\\n\\u{1b}"}"#);
        assert_ne!(label("a\n"), label(r"a\n"));
        assert_ne!(label("\u{2028}"), label(r"\u{2028}"));
    }

    #[test]
    fn names_are_escaped_and_what_is_not_known_is_left_out() {
        let report = Report {
            repository: "s3://b".into(),
            now: Timestamp::UNIX_EPOCH,
            databases: vec![DatabaseStatus {
                source: "prod".into(),
                state: State::Ok,
                database: "a\"b\\c\nd".into(),
                newest: Some(PointStatus {
                    id: "20261121T020000Z-k3v9q2".parse().unwrap(),
                    snapshot_at: "2026-11-21T02:00:00Z".parse().unwrap(),
                    tables: 1,
                    rows: 1_943_200,
                    copy_bytes: 5,
                    stored_bytes: 4,
                    excluded: Vec::new(),
                    locked_until: None,
                }),
                previous: None,
                drilled: None,
                drill_failed: None,
                drill_unproven: None,
                points: 1,
            }],
            copies: Vec::new(),
            leftovers: Vec::new(),
            findings: Vec::new(),
            not_shown: NotShown::default(),
        };
        let text = text(&report);
        let line = r#"lifeboat_export_rows{source="prod",database="a\"b\\\\c\\nd"} 1943200"#;
        assert!(text.lines().any(|one| one == line), "{text}");
        assert!(!text.contains("drill"), "{text}");
        assert!(text.contains("lifeboat_findings 0\n"), "{text}");
    }
}
