//! The top of the page: how things stand, in one look.

use super::facts::{Database, Facts};
use super::html::{Flagged, Html, Name, Piece, Text, Time, day, put};
use super::overview::{age, ends_soon, limited};
use crate::humanize::{bytes, counted, seconds};
use crate::model::lock::Lock;

const LOST: &str = "Changes not backed up";
const FIRST_LOCK: &str = "First lock to end";
const UNDRILLED: &str = "Longest without a drill";

pub(super) fn head(page: &mut Html, facts: &Facts) {
    put!(
        page,
        "<header><p class=\"kind\">Backup report</p><h1>{}</h1><p class=\"muted\">As of {}, read \
         by lifeboat {}",
        Name(facts.repository),
        Time(facts.options.now),
        env!("CARGO_PKG_VERSION")
    );
    for (what, only) in [
        (" · only source ", &facts.options.source),
        (" · only database ", &facts.options.database),
    ] {
        if let Some(only) = only {
            put!(page, "{}{}", what, Name(only));
        }
    }
    if !facts.options.states.is_empty() {
        let states = facts.options.states.iter().map(|state| state.as_str());
        let states = states.collect::<Vec<_>>().join(", ");
        put!(page, " · only databases in state {}", states);
    }
    put!(page, "</p></header><main>");
    match (facts.findings.len(), facts.left_out()) {
        (0, None) => put!(
            page,
            "<p class=\"verdict\"><span class=\"good\">✓</span> No findings</p>"
        ),
        (0, Some(left_out)) => put!(
            page,
            "<p class=\"verdict\"><a href=\"#findings\" class=\"bad\">▲ {}</a></p>",
            Text(&left_out)
        ),
        (findings, left_out) => put!(
            page,
            "<p class=\"verdict\"><a href=\"#findings\" class=\"bad\">▲ {}{}</a></p>",
            counted(findings as u64, "finding", "findings"),
            left_out.map(|more| format!(", {more}")).unwrap_or_default()
        ),
    }
    if !facts.none_in_these_states() {
        put!(page, "<dl class=\"figures\">");
        figures(page, facts);
        put!(page, "</dl>");
    }
}

/// The worst of each, for the worst is what counts.
fn figures(page: &mut Html, facts: &Facts) {
    let databases = &facts.databases;
    lost(page, facts);
    first_lock(page, facts);
    undrilled(page, facts);
    let drilled = databases.iter();
    let drilled = drilled.filter_map(|one| Some((one, one.sound()?.seconds_to_restore)));
    let (recovery, of) = match drilled.max_by(|(_, one), (_, other)| one.total_cmp(other)) {
        Some((one, longest)) => (seconds(longest), one.name()),
        None => ("not known".to_owned(), String::new()),
    };
    let before = "in the last sound drill of ";
    figure(page, "Longest recovery", recovery, before, of);
    let trusted = databases.iter().flat_map(Database::trusted_points);
    // What several points name is stored once.
    let stored = trusted.map(|trusted| trusted.stored_anew.unwrap_or(trusted.stored_bytes));
    let stored = stored.sum();
    let points: usize = databases.iter().map(|one| one.points.len()).sum();
    let what = format!(
        "{}, {}",
        counted(points as u64, "restore point", "restore points"),
        counted(databases.len() as u64, "database", "databases")
    );
    match facts.not_opened() {
        0 => figure(page, "Stored", bytes(stored), "", what),
        _ => figure(page, "Stored by those opened", bytes(stored), "of ", what),
    }
}

/// Whatever changed since the newest export.
fn lost(page: &mut Html, facts: &Facts) {
    let newest = |one: &Database| one.newest_trusted().map(|trusted| trusted.snapshot_at);
    let databases = facts.databases.iter();
    let Some(one) = databases.min_by_key(|one| newest(one)) else {
        return figure(page, LOST, Flagged::bad("everything"), "", String::new());
    };
    let (value, before) = match newest(one) {
        None => (Flagged::bad("everything"), "of "),
        Some(at) => {
            let age = age(at, facts.options.now);
            let age = limited(age, facts.options.limits.export_age, "");
            (age, "since the newest export of ")
        }
    };
    figure(page, LOST, value, before, one.name());
}

fn first_lock(page: &mut Html, facts: &Facts) {
    let newest = facts.databases.iter();
    let newest = newest.filter_map(|one| Some((one, one.newest_trusted()?.lock)));
    let end = |lock: &Option<Lock>| lock.map(|lock| lock.retain_until);
    let Some((one, lock)) = newest.min_by_key(|(_, lock)| end(lock)) else {
        return figure(page, FIRST_LOCK, Flagged::bad("none"), "", String::new());
    };
    let value = match end(&lock) {
        None => Flagged::bad("not locked"),
        Some(end) => Flagged {
            words: day(end),
            is_bad: ends_soon(end, facts.options.now),
        },
    };
    figure(page, FIRST_LOCK, value, "newest export of ", one.name());
}

fn undrilled(page: &mut Html, facts: &Facts) {
    if facts.drills_denied {
        return figure(page, UNDRILLED, "not known", "", String::new());
    }
    let drilled = |one: &Database| one.sound().map(|drill| drill.at);
    let databases = facts.databases.iter();
    let Some(one) = databases.min_by_key(|one| drilled(one)) else {
        return figure(page, UNDRILLED, Flagged::bad("never"), "", String::new());
    };
    let (value, before) = match drilled(one) {
        None => (Flagged::bad("never drilled"), ""),
        Some(at) => {
            let age = age(at, facts.options.now);
            let age = limited(age, facts.options.limits.drill_age, "");
            (age, "last sound one of ")
        }
    };
    figure(page, UNDRILLED, value, before, one.name());
}

/// `before`: what stands in front of `of`, the name of a database; nothing does where `of` is empty.
fn figure(
    page: &mut Html,
    what: &'static str,
    value: impl Piece,
    before: &'static str,
    of: String,
) {
    put!(page, "<div><dt>{}</dt><dd>{}<small>", what, value);
    if !of.is_empty() {
        put!(page, "{}{}", before, Name(&of));
    }
    put!(page, "</small></dd></div>");
}
