//! What is known of one database: charts over time, its drills, its restore points.

use jiff::Timestamp;

use super::axis::{Span, Unit};
use super::chart::{self, Line, Proof, Series, Value};
use super::facts::Facts;
use super::gather::{Database, NewestPoint, TrustedPoint};
use super::html::{Html, Name, Text, Time, clipped, put};
use super::overview::{age, list, seconds};
use super::{drills, points};
use crate::escape::is_plain;
use crate::humanize::{age as words, bytes, count, counted};
use crate::model::attestation::Verdict;
use crate::quote::quote_shell;

/// How many databases are shown in detail.
const SECTIONS: usize = 120;
/// How many are open from the start, if there are no more.
const OPEN: usize = 3;

pub(super) fn sections(page: &mut Html, facts: &Facts) {
    let databases = &facts.gathered.databases;
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
            "<p>Details of ",
            count((databases.len() - chosen.len()) as u64),
            " more databases are not on this page; --source and --database choose them.</p>"
        );
    }
    put!(page, "</section>");
}

fn section(page: &mut Html, facts: &Facts, at: usize, shown: usize) {
    let one = &facts.gathered.databases[at];
    put!(page, "<details class=\"database\"");
    if shown <= OPEN {
        put!(page, " open");
    }
    put!(
        page,
        "><summary><h3>",
        Name(&one.name()),
        "</h3> <span class=\"muted\">"
    );
    put!(
        page,
        counted(one.points.len() as u64, "restore point", "restore points"),
        "</span>"
    );
    let findings = &facts.findings_of[at];
    if !findings.is_empty() {
        let number = counted(findings.len() as u64, "finding", "findings");
        put!(page, " <span class=\"bad\">▲ ", number, "</span>");
    }
    // Inside, so that a link to it opens what is closed.
    put!(
        page,
        "</summary><span class=\"here\" id=\"d",
        at,
        "\"></span>"
    );
    let findings: Vec<String> = findings
        .iter()
        .take(20)
        .map(|at| facts.findings[*at].clone())
        .collect();
    if !findings.is_empty() {
        list(page, &findings);
    }
    match (one.trusted_points().next_back(), &one.newest) {
        (Some((_, trusted)), Some(newest)) => {
            newest_point(page, one, trusted, newest, facts.options.now);
            charts(page, one, facts.options.now);
            drills::of_database(page, one);
            points::table(page, one, points::share(shown));
        }
        _ if one.points.is_empty() => put!(page, "<p>It has no restore point.</p>"),
        _ => {
            put!(page, "<p>None of its restore points can be trusted.</p>");
            points::table(page, one, points::share(shown));
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
    let lock = trusted.lock.map_or_else(
        || "not locked".to_owned(),
        |lock| {
            let mode = lock.mode.to_string().to_ascii_lowercase();
            format!("{mode}, until {}", super::html::minute(lock.retain_until))
        },
    );
    let large_objects = if newest.large_objects {
        ", large objects"
    } else {
        ""
    };
    put!(
        page,
        "<dl class=\"facts\"><div><dt>Newest restore point<dd><code>",
        newest.id.to_string(),
        "</code></div>",
        "<div><dt>Shows the data of<dd>",
        Time(trusted.snapshot_at),
        ", ",
        words(age(trusted.snapshot_at, now)),
        " ago</div>",
        "<div><dt>Holds<dd>",
        counted(trusted.rows, "row", "rows"),
        ", ",
        counted(trusted.tables, "table", "tables"),
        Text(large_objects),
        "</div>",
        "<div><dt>Size<dd>",
        bytes(trusted.stored_bytes),
        " stored, ",
        bytes(trusted.copy_bytes),
        " as text</div>",
        "<div><dt>Lock<dd>",
        lock,
        "</div>",
        "<div><dt>Export took<dd>",
        seconds(trusted.export_seconds),
        "</div>",
        "<div><dt>Server<dd>PostgreSQL ",
        clipped(&newest.server_version, 80).into_owned(),
        "</div>",
        "<div><dt>Written by<dd>",
        clipped(&newest.tool, 80).into_owned(),
        ", signed by <code>",
        short(&trusted.signed_by.to_string()),
        "</code></div></dl>"
    );
    if let Some(command) = restore_command(one, newest) {
        put!(
            page,
            "<p class=\"command\"><span class=\"muted\">To restore it, with the URL of a server and the identity of the sheet:</span><code>",
            command,
            "</code></p>"
        );
    }
}

/// The beginning of a fingerprint, which the section on keys has whole.
pub(super) fn short(fingerprint: &str) -> String {
    format!("{}…", fingerprint.get(..12).unwrap_or(fingerprint))
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
    let lines: Vec<Line> = one
        .trusted_points()
        .map(|(_, trusted)| line(trusted))
        .collect();
    let locked = lines
        .iter()
        .filter(|line| line.to.is_some_and(|to| to > now))
        .count();
    let label = format!(
        "{} restore points, {locked} of them locked now",
        lines.len()
    );
    chart::locks(page, label, &lines, now);
    put!(
        page,
        "<p class=\"key\"><span><i class=\"swatch kept\"></i>from its snapshot to the end of its lock</span>",
        "<span><i class=\"swatch sound\"></i>drilled, and sound</span>",
        "<span><i class=\"swatch dashed\"></i>last drill failed</span>",
        "<span><i class=\"swatch tick\"></i>not locked</span>"
    );
    if lines.len() > chart::MAX_LINES {
        put!(
            page,
            "<span>the newest ",
            chart::MAX_LINES,
            " of ",
            count(lines.len() as u64),
            "</span>"
        );
    }
    put!(page, "</p><div class=\"small\">");
    let Some(first) = one
        .trusted_points()
        .map(|(_, trusted)| trusted.snapshot_at)
        .min()
    else {
        return;
    };
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
        proof: match trusted.proof().map(|drill| drill.verdict) {
            None | Some(Verdict::Unproven) => Proof::None,
            Some(Verdict::Sound) => Proof::Sound,
            Some(Verdict::Failed) => Proof::Failed,
        },
    }
}

fn series(
    one: &Database,
    title: &'static str,
    unit: Unit,
    of: impl Fn(&TrustedPoint) -> u64,
) -> Series {
    let values: Vec<u64> = one
        .trusted_points()
        .map(|(_, trusted)| of(trusted))
        .collect();
    let words = |value: Option<&u64>| {
        let value = value.copied().unwrap_or_default();
        if unit == Unit::Bytes {
            bytes(value)
        } else {
            count(value)
        }
    };
    let newest = words(values.last());
    let label = format!(
        "{title}: newest {newest}, least {}, most {}",
        words(values.iter().min()),
        words(values.iter().max())
    );
    let values = one.trusted_points().map(|(_, trusted)| Value {
        at: trusted.snapshot_at,
        value: of(trusted) as f64,
        failed: false,
    });
    Series {
        title,
        newest,
        label,
        unit,
        values: values.collect(),
        joined: true,
    }
}

fn recoveries(one: &Database) -> Series {
    let mut values: Vec<Value> = one
        .drills()
        .filter(|(_, drill)| drill.verdict != Verdict::Unproven)
        .map(|(_, drill)| Value {
            at: drill.at,
            value: drill.seconds_to_restore.max(0.0),
            failed: drill.verdict == Verdict::Failed,
        })
        .collect();
    values.sort_by_key(|value| value.at);
    let failed = values.iter().filter(|value| value.failed).count();
    let newest = values
        .last()
        .map_or_else(String::new, |one| seconds(one.value));
    Series {
        title: "Recovery in drills",
        newest,
        label: format!("{} drills, {failed} of them failed", values.len()),
        unit: Unit::Seconds,
        values,
        joined: false,
    }
}
