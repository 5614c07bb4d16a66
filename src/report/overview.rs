//! Findings, and all databases in one table.

use jiff::{SignedDuration, Timestamp};

use super::chart::{self, Day};
use super::facts::Facts;
use super::gather::{Database, Drill, TrustedPoint};
use super::html::{Html, Name, Text, clipped, day, put};
use super::options::Limits;
use crate::humanize::{age as words, bytes, count, counted, duration};
use crate::model::attestation::Verdict;
use crate::model::id::Id;

/// Days in the strip of each database.
const DAYS: usize = 30;
const SECONDS_OF_A_DAY: i64 = 24 * 3600;
/// Findings that are read without a click, and those that are on the page at all.
const FINDINGS_SHOWN: usize = 12;
const FINDINGS_KEPT: usize = 500;
const FINDING_CHARS: usize = 600;
/// Databases that have a row.
const ROWS: usize = 1000;

/// How old something is; a clock that runs ahead elsewhere makes nothing younger than now.
pub(super) fn age(at: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(at).max(SignedDuration::ZERO)
}

pub(super) fn seconds(time: f64) -> String {
    duration(std::time::Duration::try_from_secs_f64(time).unwrap_or_default())
}

/// While something can still be done, as `status` finds it.
pub(super) fn ends_soon(end: Timestamp, now: Timestamp) -> bool {
    end.duration_since(now) < SignedDuration::from_hours(3 * 24)
}

/// `2026-12-26, 34 d`
fn until(end: Timestamp, now: Timestamp) -> String {
    let days = end
        .duration_since(now)
        .as_secs()
        .div_euclid(SECONDS_OF_A_DAY);
    format!("{}, {days} d", day(end))
}

pub(super) fn findings(page: &mut Html, facts: &Facts) {
    put!(page, "<section id=\"findings\"><h2>Findings</h2>");
    let (shown, more) = facts
        .findings
        .split_at(facts.findings.len().min(FINDINGS_SHOWN));
    if shown.is_empty() {
        put!(
            page,
            "<p>None. ",
            judged(&facts.options.limits),
            "</p></section>"
        );
        return;
    }
    list(page, shown);
    if !more.is_empty() {
        let kept = &more[..more.len().min(FINDINGS_KEPT - FINDINGS_SHOWN)];
        put!(
            page,
            "<details><summary>",
            counted(more.len() as u64, "more finding", "more findings"),
            "</summary>"
        );
        list(page, kept);
        if kept.len() < more.len() {
            put!(
                page,
                "<p>",
                count((more.len() - kept.len()) as u64),
                " more are not on this page.</p>"
            );
        }
        put!(page, "</details>");
    }
    put!(
        page,
        "<p class=\"muted\">",
        judged(&facts.options.limits),
        "</p></section>"
    );
}

fn judged(limits: &Limits) -> String {
    format!(
        "Judged by: the newest export at most {} old and locked, a sound drill at most {} old, snapshot copies at most {} old.",
        words(limits.export_age),
        words(limits.drill_age),
        words(limits.copy_age)
    )
}

pub(super) fn list(page: &mut Html, findings: &[String]) {
    put!(page, "<ul class=\"findings\">");
    for finding in findings {
        put!(
            page,
            "<li><bdi>",
            clipped(finding, FINDING_CHARS).into_owned(),
            "</bdi>"
        );
    }
    put!(page, "</ul>");
}

/// One row for each database, with findings first where not all have room.
pub(super) fn databases(page: &mut Html, facts: &Facts) {
    let databases = &facts.gathered.databases;
    put!(page, "<section id=\"databases\"><h2>Databases</h2>");
    if databases.is_empty() {
        put!(
            page,
            "<p>There is no restore point in this repository.</p></section>"
        );
        return;
    }
    put!(
        page,
        "<p class=\"key\"><span><i class=\"swatch kept\"></i>day with a restore point</span>",
        "<span><i class=\"swatch sound\"></i>drilled, and sound</span>",
        "<span><i class=\"swatch none\"></i>none</span>",
        "<span><i class=\"swatch half\"></i>drill failed, or not trusted</span></p>",
        "<table class=\"cards\"><thead><tr><th>Database<th>Last 30 days, UTC<th class=\"n\">Newest export<th class=\"n\">Rows",
        "<th class=\"n\">Stored<th>Locked until<th class=\"n\">Sound drill<th class=\"n\">Recovery<th class=\"n\">Points<tbody>"
    );
    let chosen = facts.choose(ROWS);
    for at in &chosen {
        row(page, facts, *at);
    }
    put!(page, "</table>");
    if chosen.len() < databases.len() {
        put!(
            page,
            "<p>These are ",
            count(chosen.len() as u64),
            " of ",
            count(databases.len() as u64),
            " databases, those with findings among them. --source and --database choose others.</p>"
        );
    }
    put!(page, "</section>");
}

fn row(page: &mut Html, facts: &Facts, at: usize) {
    let one = &facts.gathered.databases[at];
    let now = facts.options.now;
    put!(
        page,
        "<tr><td><a href=\"#d",
        at,
        "\">",
        Name(&one.name()),
        "</a>"
    );
    match facts.findings_of[at].len() {
        0 => {}
        findings => put!(
            page,
            " <span class=\"bad\">▲ ",
            counted(findings as u64, "finding", "findings"),
            "</span>"
        ),
    }
    put!(page, "<td class=\"days\">");
    strip(page, one, now);
    let newest = one.trusted_points().next_back();
    put!(page, "<td class=\"n\" data-l=\"Newest export\">");
    match newest {
        None => put!(page, "<b class=\"bad\">none</b>"),
        Some((_, trusted)) => {
            let age = age(trusted.snapshot_at, now);
            flagged(page, words(age), age > facts.options.limits.export_age);
        }
    }
    sizes(page, newest, now);
    drilled(page, one.sound(), facts);
    put!(
        page,
        "<td class=\"n\" data-l=\"Points\">",
        count(one.points.len() as u64)
    );
}

fn sizes(page: &mut Html, newest: Option<(&Id, &TrustedPoint)>, now: Timestamp) {
    let none = || "–".to_owned();
    let trusted = newest.map(|(_, trusted)| trusted);
    put!(
        page,
        "<td class=\"n\" data-l=\"Rows\">",
        trusted.map_or_else(none, |trusted| count(trusted.rows)),
        "<td class=\"n\" data-l=\"Stored\">",
        trusted.map_or_else(none, |trusted| bytes(trusted.stored_bytes)),
        "<td data-l=\"Locked until\">"
    );
    match trusted.map(|trusted| trusted.lock) {
        None => put!(page, "–"),
        Some(None) => flagged(page, "not locked".to_owned(), true),
        Some(Some(lock)) => {
            let end = lock.retain_until;
            flagged(page, until(end, now), ends_soon(end, now));
        }
    }
}

fn drilled(page: &mut Html, sound: Option<(&Id, &Drill)>, facts: &Facts) {
    put!(page, "<td class=\"n\" data-l=\"Sound drill\">");
    match sound {
        None if facts.gathered.drills_denied => put!(page, "not known"),
        None => flagged(page, "never".to_owned(), true),
        Some((_, drill)) => {
            let age = age(drill.at, facts.options.now);
            flagged(
                page,
                format!("{} ago", words(age)),
                age > facts.options.limits.drill_age,
            );
        }
    }
    put!(
        page,
        "<td class=\"n\" data-l=\"Recovery\">",
        sound.map_or_else(
            || "–".to_owned(),
            |(_, drill)| seconds(drill.seconds_to_restore)
        )
    );
}

/// What is beyond its limit is said by more than a colour.
pub(super) fn flagged(page: &mut Html, words: String, is_bad: bool) {
    if is_bad {
        put!(page, "<b class=\"bad\">▲ ", words, "</b>");
    } else {
        put!(page, Text(&words));
    }
}

fn strip(page: &mut Html, one: &Database, now: Timestamp) {
    let days = days(one, now);
    let of = |kind: &[Day]| days.iter().filter(|day| kind.contains(day)).count();
    let label = format!(
        "last {DAYS} days: {} with a restore point, of these {} drilled and sound, {} failed or not trusted",
        of(&[Day::Kept, Day::Sound, Day::Bad]),
        of(&[Day::Sound]),
        of(&[Day::Bad])
    );
    chart::strip(page, label, &days);
}

/// The newest day last; it is today.
fn days(one: &Database, now: Timestamp) -> Vec<Day> {
    let number = |at: Timestamp| at.as_second().div_euclid(SECONDS_OF_A_DAY);
    let today = number(now);
    let mut days = vec![Day::Before; DAYS];
    let place = |at: Timestamp| usize::try_from(number(at) - today + DAYS as i64 - 1).ok();
    let times = one.points.iter().filter_map(|point| point.id.time().ok());
    if let Some(first) = times.min() {
        let from = place(first).unwrap_or(0).min(DAYS);
        days[from..].fill(Day::None);
    }
    for point in &one.points {
        let found = match &point.trusted {
            None => point.id.time().ok().map(|at| (at, Day::Bad)),
            Some(trusted) => Some((
                trusted.snapshot_at,
                match trusted.proof().map(|drill| drill.verdict) {
                    None | Some(Verdict::Unproven) => Day::Kept,
                    Some(Verdict::Sound) => Day::Sound,
                    Some(Verdict::Failed) => Day::Bad,
                },
            )),
        };
        let Some((at, kind)) = found else { continue };
        if let Some(day) = place(at).and_then(|place| days.get_mut(place)) {
            *day = worse(*day, kind);
        }
    }
    days
}

/// Of several points of one day, trouble is shown first, then proof.
fn worse(one: Day, other: Day) -> Day {
    [Day::Bad, Day::Sound, Day::Kept]
        .into_iter()
        .find(|kind| *kind == one || *kind == other)
        .unwrap_or(one)
}
