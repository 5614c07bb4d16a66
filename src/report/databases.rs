//! What is known of one database: charts over time, its drills, its restore points.

use jiff::Timestamp;

use super::axis::{Span, Unit};
use super::chart::{self, Line, Series, Value};
use super::facts::{Database, Facts, NewestPoint, SECTIONS, TrustedPoint};
use super::html::{Html, Name, Text, Time, clipped, minute, put};
use super::overview::{age, list, number_of_findings};
use super::{drills, points};
use crate::escape::is_plain;
use crate::humanize::{age as words, bytes, count, counted, seconds};
use crate::model::attestation::Verdict;
use crate::quote::quote_shell;
use crate::sign::Fingerprint;

/// How many are open from the start, if there are no more.
const OPEN: usize = 3;

pub(super) fn sections(page: &mut Html, facts: &Facts) {
    let databases = &facts.databases;
    if databases.is_empty() {
        return;
    }
    put!(page, "<section id=\"details\"><h2>Each database</h2>");
    let chosen = facts.choose(SECTIONS);
    for at in &chosen {
        section(page, facts, *at, chosen.len());
    }
    if chosen.len() < databases.len() {
        put!(
            page,
            "<p>Details of {} more databases are not on this page; --source and --database choose \
             them.</p>",
            count((databases.len() - chosen.len()) as u64)
        );
    }
    put!(page, "</section>");
}

fn section(page: &mut Html, facts: &Facts, at: usize, shown: usize) {
    let one = &facts.databases[at];
    let open = if shown <= OPEN { " open" } else { "" };
    put!(
        page,
        "<details class=\"database\"{}><summary><h3>{}</h3> <span class=\"muted\">{}</span>",
        open,
        Name(&one.name()),
        counted(one.points.len() as u64, "restore point", "restore points")
    );
    let findings = &facts.findings_of[at];
    number_of_findings(page, findings);
    // Inside, so that a link to it opens what is closed.
    put!(
        page,
        "</summary><span class=\"here\" id=\"d{}\"></span>",
        at
    );
    if !findings.is_empty() {
        let findings = findings.iter().map(|at| &facts.findings[*at]);
        list(page, findings.take(20));
    }
    match (one.newest_trusted(), &one.newest) {
        (Some(trusted), Some(newest)) => {
            newest_point(page, one, trusted, newest, facts.options.now);
            // With one point of many days a line would mislead.
            if one.folds_days || one.not_opened() == 0 {
                charts(page, one, facts.options.now);
            }
            drills::of_database(page, one);
            points::listed(page, one, shown);
        }
        _ if one.points.is_empty() => put!(page, "<p>It has no restore point.</p>"),
        _ => {
            put!(
                page,
                "<p>None of its restore points that were opened can be trusted.</p>"
            );
            points::listed(page, one, shown);
        }
    }
    put!(page, "</details>");
}

fn newest_point(
    page: &mut Html,
    one: &Database,
    trusted: &TrustedPoint,
    newest: &NewestPoint,
    now: Timestamp,
) {
    put!(
        page,
        "<dl class=\"facts\"><div><dt>Newest restore point<dd><code>{}</code></div>\
         <div><dt>Shows the data of<dd>{}, {} ago</div>",
        newest.id,
        Time(trusted.snapshot_at),
        words(age(trusted.snapshot_at, now))
    );
    let rows = counted(trusted.rows, "row", "rows");
    let tables = counted(trusted.tables, "table", "tables");
    let large_objects = match newest.large_objects {
        true => ", large objects",
        false => "",
    };
    let (stored, text) = (bytes(trusted.stored_bytes), bytes(trusted.copy_bytes));
    let lock = match trusted.lock {
        None => "not locked".to_owned(),
        Some(lock) => {
            let mode = lock.mode.to_string().to_ascii_lowercase();
            format!("{mode}, until {}", minute(lock.retain_until))
        }
    };
    for (what, is) in [
        ("Holds", format!("{rows}, {tables}{large_objects}")),
        ("Size", format!("{stored} stored, {text} as text")),
        ("Lock", lock),
        ("Export took", seconds(trusted.export_seconds)),
        (
            "Server",
            format!("PostgreSQL {}", clipped(&newest.server_version, 80)),
        ),
    ] {
        put!(page, "<div><dt>{}<dd>{}</div>", what, is);
    }
    if let Some((id, summary)) = &one.since_drill {
        let summary = summary.to_string();
        put!(
            page,
            "<div><dt>In the last drill, since that of <code>{}</code><dd>{}</div>",
            *id,
            Text(&clipped(&summary, 400))
        );
    }
    put!(
        page,
        "<div><dt>Written by<dd>{}, signed by <code>{}</code></div></dl>",
        clipped(&newest.tool, 80),
        short(&trusted.signed_by)
    );
    if let Some(command) = restore_command(one, newest) {
        put!(
            page,
            "<p class=\"command\"><span class=\"muted\">To restore it, with the URL of a server \
             and the identity of the sheet:</span><code>{}</code></p>",
            command
        );
    }
}

/// The beginning of a fingerprint, which the section on keys has whole.
pub(super) fn short(fingerprint: &Fingerprint) -> String {
    clipped(&fingerprint.to_string(), 12).into_owned()
}

/// `None`: what the eye would see is not what a shell would be given.
fn restore_command(one: &Database, newest: &NewestPoint) -> Option<String> {
    if !one.name().chars().all(is_plain) {
        return None;
    }
    Some(format!(
        "lifeboat restore {} --source {} --database {} --create --verify --target URL --identity FILE",
        newest.id,
        quote_shell(&one.source),
        quote_shell(&one.database)
    ))
}

fn charts(page: &mut Html, one: &Database, now: Timestamp) {
    let lines: Vec<Line> = one.trusted_points().map(line).collect();
    let Some(first) = lines.iter().map(|line| line.from).min() else {
        return;
    };
    let locked = |line: &&Line| line.to.is_some_and(|to| to > now);
    let locked = lines.iter().filter(locked).count();
    let label = format!(
        "{} restore points, {locked} of them locked now",
        lines.len()
    );
    chart::locks(page, label, &lines, now);
    put!(
        page,
        "<p class=\"key\"><span><i class=\"swatch kept\"></i>from its snapshot to the end of its lock</span>\
         <span><i class=\"swatch sound\"></i>drilled, and sound</span>\
         <span><i class=\"swatch dashed\"></i>last drill failed</span>\
         <span><i class=\"swatch tick\"></i>not locked</span>"
    );
    if lines.len() > chart::MAX_LINES {
        let all = count(lines.len() as u64);
        put!(
            page,
            "<span>the newest {} of {}</span>",
            chart::MAX_LINES,
            all
        );
    }
    put!(page, "</p><div class=\"small\">");
    let span = Span::new(first, now);
    series(one, "Stored", Unit::Bytes, |trusted| trusted.stored_bytes).draw(page, span);
    series(one, "Rows", Unit::Count, |trusted| trusted.rows).draw(page, span);
    let drills = recoveries(one);
    if !drills.values.is_empty() {
        drills.draw(page, span);
    }
    put!(page, "</div>");
}

fn line(trusted: &TrustedPoint) -> Line {
    Line {
        from: trusted.snapshot_at,
        to: trusted.lock.map(|lock| lock.retain_until),
        proof: trusted.verdict(),
    }
}

fn series(
    one: &Database,
    title: &'static str,
    unit: Unit,
    of: impl Fn(&TrustedPoint) -> u64,
) -> Series {
    let numbers: Vec<u64> = one.trusted_points().map(&of).collect();
    let words = |value: Option<&u64>| {
        let value = value.copied().unwrap_or_default();
        match unit {
            Unit::Bytes => bytes(value),
            _ => count(value),
        }
    };
    let newest = words(numbers.last());
    let (least, most) = (words(numbers.iter().min()), words(numbers.iter().max()));
    let values = one.trusted_points().map(|trusted| Value {
        at: trusted.snapshot_at,
        value: of(trusted) as f64,
        failed: false,
    });
    Series {
        title,
        label: format!("{title}: newest {newest}, least {least}, most {most}"),
        newest,
        unit,
        values: values.collect(),
        joined: true,
    }
}

fn recoveries(one: &Database) -> Series {
    let drills = one.drills().map(|(_, drill)| drill);
    let proved = drills.filter(|drill| drill.verdict != Verdict::Unproven);
    let values = proved.map(|drill| Value {
        at: drill.at,
        value: drill.seconds_to_restore.max(0.0),
        failed: drill.verdict == Verdict::Failed,
    });
    let mut values: Vec<Value> = values.collect();
    values.sort_by_key(|value| value.at);
    let failed = values.iter().filter(|value| value.failed).count();
    let newest = values.last().map(|one| seconds(one.value));
    Series {
        title: "Recovery in drills",
        newest: newest.unwrap_or_default(),
        label: format!("{} drills, {failed} of them failed", values.len()),
        unit: Unit::Seconds,
        values,
        joined: false,
    }
}
