//! Findings, and all databases in one table.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::chart::{self, Day};
use super::facts::{Database, Facts, Limits, Reading, SECTIONS};
use super::html::{Flagged, Html, Name, Text, clipped, day, not_shown, number, put};
use crate::clock::{self, SECONDS_OF_A_DAY};
use crate::humanize::{age as words, bytes, count, counted, seconds};
use crate::model::attestation::Verdict;
use crate::model::lock::Lock;

/// Days in the strip of each database.
const DAYS: usize = 30;
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

/// While something can still be done, as `status` finds it.
pub(super) fn ends_soon(end: Timestamp, now: Timestamp) -> bool {
    end.duration_since(now) < SignedDuration::from_hours(3 * 24)
}

/// `2026-12-26, 34 d`
fn until(lock: Option<Lock>, now: Timestamp) -> Flagged {
    let Some(end) = lock.map(|lock| lock.retain_until) else {
        return Flagged::bad("not locked");
    };
    let left = end.duration_since(now).as_secs();
    Flagged {
        words: format!("{}, {} d", day(end), left.div_euclid(SECONDS_OF_A_DAY)),
        is_bad: ends_soon(end, now),
    }
}

pub(super) fn findings(page: &mut Html, facts: &Facts) {
    put!(page, "<section id=\"findings\"><h2>Findings</h2>");
    let all = &facts.findings;
    let judged = judged(&facts.options.limits);
    let (shown, more) = all.split_at(all.len().min(FINDINGS_SHOWN));
    match (shown.is_empty(), facts.left_out()) {
        (true, None) => {
            put!(page, "<p>None. {}</p></section>", judged);
            return;
        }
        (_, Some(left_out)) => put!(page, "<p>{}.</p>", Text(&left_out)),
        (false, None) => {}
    }
    list(page, shown);
    if !more.is_empty() {
        let kept = &more[..more.len().min(FINDINGS_KEPT - FINDINGS_SHOWN)];
        let number = counted(more.len() as u64, "more finding", "more findings");
        put!(page, "<details><summary>{}</summary>", number);
        list(page, kept);
        not_shown(page, more.len() - kept.len(), "are");
        put!(page, "</details>");
    }
    put!(page, "<p class=\"muted\">{}</p></section>", judged);
}

fn judged(limits: &Limits) -> String {
    format!(
        "Judged by: the newest export at most {} old and locked, a sound drill at most {} old, snapshot copies at most {} old.",
        words(limits.export_age),
        words(limits.drill_age),
        words(limits.copy_age)
    )
}

pub(super) fn list<'a>(page: &mut Html, findings: impl IntoIterator<Item = &'a String>) {
    put!(page, "<ul class=\"findings\">");
    for finding in findings {
        put!(page, "<li>{}", Name(&clipped(finding, FINDING_CHARS)));
    }
    put!(page, "</ul>");
}

/// How many findings a database has, where it has any.
pub(super) fn number_of_findings(page: &mut Html, findings: &[usize]) {
    if !findings.is_empty() {
        let number = counted(findings.len() as u64, "finding", "findings");
        put!(page, " <span class=\"bad\">▲ {}</span>", number);
    }
}

/// One row for each database, with findings first where not all have room.
pub(super) fn databases(page: &mut Html, facts: &Facts) {
    let databases = &facts.databases;
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
        "<p class=\"key\"><span><i class=\"swatch kept\"></i>day with a restore point</span>\
         <span><i class=\"swatch sound\"></i>drilled, and sound</span>\
         <span><i class=\"swatch none\"></i>none</span>\
         <span><i class=\"swatch half\"></i>drill failed, or not trusted</span>"
    );
    if facts.not_opened() > 0 {
        put!(
            page,
            "<span><i class=\"swatch listed\"></i>restore point that was not opened for this page</span>"
        );
    }
    put!(
        page,
        "</p><table class=\"cards\"><thead><tr><th>Database<th>Last 30 days, UTC\
         <th class=\"n\">Newest export<th class=\"n\">Rows<th class=\"n\">Stored<th>Locked until\
         <th class=\"n\">Sound drill<th class=\"n\">Recovery<th class=\"n\">Points<tbody>"
    );
    let chosen = facts.choose(ROWS);
    let detailed: BTreeSet<usize> = facts.choose(SECTIONS).into_iter().collect();
    for at in &chosen {
        row(page, facts, *at, detailed.contains(at));
    }
    put!(page, "</table>");
    if chosen.len() < databases.len() {
        put!(
            page,
            "<p>These are {} of {} databases, those with findings among them. --source and \
             --database choose others.</p>",
            count(chosen.len() as u64),
            count(databases.len() as u64)
        );
    }
    put!(page, "</section>");
}

/// `is_detailed`: further down there is more, and the name leads there.
fn row(page: &mut Html, facts: &Facts, at: usize, is_detailed: bool) {
    let one = &facts.databases[at];
    let (now, limits) = (facts.options.now, &facts.options.limits);
    let name = one.name();
    match is_detailed {
        true => put!(page, "<tr><td><a href=\"#d{}\">{}</a>", at, Name(&name)),
        false => put!(page, "<tr><td>{}", Name(&name)),
    }
    number_of_findings(page, &facts.findings_of[at]);
    put!(page, "<td class=\"days\">");
    strip(page, one, now);
    match one.newest_trusted() {
        None => {
            number(page, "Newest export", "<b class=\"bad\">none</b>");
            number(page, "Rows", "–");
            number(page, "Stored", "–");
            put!(page, "<td data-l=\"Locked until\">–");
        }
        Some(trusted) => {
            let age = limited(age(trusted.snapshot_at, now), limits.export_age, "");
            number(page, "Newest export", age);
            number(page, "Rows", count(trusted.rows));
            number(page, "Stored", bytes(trusted.stored_bytes));
            let locked = until(trusted.lock, now);
            put!(page, "<td data-l=\"Locked until\">{}", locked);
        }
    }
    match one.sound() {
        Some(drill) => {
            let age = limited(age(drill.at, now), limits.drill_age, " ago");
            number(page, "Sound drill", age);
            number(page, "Recovery", seconds(drill.seconds_to_restore));
        }
        None => {
            match facts.drills_denied {
                true => number(page, "Sound drill", "not known"),
                false => number(page, "Sound drill", Flagged::bad("never")),
            }
            number(page, "Recovery", "–");
        }
    }
    number(page, "Points", count(one.points.len() as u64));
}

/// An age, flagged beyond the limit.
pub(super) fn limited(age: SignedDuration, limit: SignedDuration, behind: &str) -> Flagged {
    Flagged {
        words: words(age) + behind,
        is_bad: age > limit,
    }
}

fn strip(page: &mut Html, one: &Database, now: Timestamp) {
    let days = days(one, now);
    let of = |kind: &[Day]| days.iter().filter(|day| kind.contains(day)).count();
    let mut label = format!(
        "last {DAYS} days: {} with a restore point, of these {} drilled and sound, {} failed or not trusted",
        of(&[Day::Listed, Day::Kept, Day::Sound, Day::Bad]),
        of(&[Day::Sound]),
        of(&[Day::Bad])
    );
    if one.not_opened() > 0 {
        label += &format!(", {} not opened", of(&[Day::Listed]));
    }
    chart::strip(page, label, &days);
}

/// The newest day last; it is today.
fn days(one: &Database, now: Timestamp) -> Vec<Day> {
    let today = clock::day(now);
    let mut days = vec![Day::Before; DAYS];
    let place = |at: Timestamp| usize::try_from(clock::day(at) - today + DAYS as i64 - 1).ok();
    let times = one.points.iter().filter_map(|point| point.id.time().ok());
    if let Some(first) = times.min() {
        let from = place(first).unwrap_or(0).min(DAYS);
        days[from..].fill(Day::None);
    }
    for point in &one.points {
        let (at, kind) = match &point.reading {
            Reading::Refused => (point.id.time().ok(), Day::Bad),
            Reading::NotOpened => (Some(point.stored_at), Day::Listed),
            Reading::Trusted(trusted) => {
                let kind = match trusted.verdict() {
                    Verdict::Unproven => Day::Kept,
                    Verdict::Sound => Day::Sound,
                    Verdict::Failed => Day::Bad,
                };
                (Some(trusted.snapshot_at), kind)
            }
        };
        let place = at.and_then(place);
        if let Some(day) = place.and_then(|place| days.get_mut(place)) {
            *day = kind.max(*day);
        }
    }
    days
}
