//! The top of the page: how things stand, in one look.

use super::facts::Facts;
use super::gather::Database;
use super::html::{Html, Name, Time, day, put};
use super::overview::{age, ends_soon, flagged, seconds};
use crate::humanize::{age as words, bytes, counted};
use crate::model::lock::Lock;

pub(super) fn head(page: &mut Html, facts: &Facts) {
    put!(
        page,
        "<header><p class=\"kind\">Backup report</p><h1>",
        Name(facts.repository),
        "</h1><p class=\"muted\">As of ",
        Time(facts.options.now),
        ", read by lifeboat ",
        env!("CARGO_PKG_VERSION")
    );
    for (what, only) in [
        (" · only source ", &facts.options.source),
        (" · only database ", &facts.options.database),
    ] {
        if let Some(only) = only {
            put!(page, what, Name(only));
        }
    }
    put!(page, "</p></header><main>");
    match facts.findings.len() {
        0 => put!(
            page,
            "<p class=\"verdict\"><span class=\"good\">✓</span> No findings</p>"
        ),
        findings => put!(
            page,
            "<p class=\"verdict\"><a href=\"#findings\" class=\"bad\">▲ ",
            counted(findings as u64, "finding", "findings"),
            "</a></p>"
        ),
    }
    put!(page, "<dl class=\"figures\">");
    figures(page, facts);
    put!(page, "</dl>");
}

/// The worst of each, for the worst is what counts.
fn figures(page: &mut Html, facts: &Facts) {
    let databases = &facts.gathered.databases;
    lost(page, facts);
    first_lock(page, facts);
    undrilled(page, facts);
    let drilled = databases
        .iter()
        .filter_map(|one| Some((one, one.sound()?.1)));
    let longest = drilled
        .max_by(|(_, one), (_, other)| one.seconds_to_restore.total_cmp(&other.seconds_to_restore));
    let (recovery, of) = match longest {
        Some((one, drill)) => (seconds(drill.seconds_to_restore), one.name()),
        None => ("not known".to_owned(), String::new()),
    };
    figure(
        page,
        "Longest recovery",
        recovery,
        false,
        "in the last sound drill of ",
        of,
    );
    let trusted = databases.iter().flat_map(Database::trusted_points);
    let stored: u64 = trusted.map(|(_, trusted)| trusted.stored_bytes).sum();
    let points: usize = databases.iter().map(|one| one.points.len()).sum();
    let what = format!(
        "{}, {}",
        counted(points as u64, "restore point", "restore points"),
        counted(databases.len() as u64, "database", "databases")
    );
    figure(page, "Stored", bytes(stored), false, "", what);
}

/// Whatever changed since the newest export.
fn lost(page: &mut Html, facts: &Facts) {
    const WHAT: &str = "Changes not backed up";
    let now = facts.options.now;
    let newest = |one: &Database| {
        one.trusted_points()
            .next_back()
            .map(|(_, trusted)| trusted.snapshot_at)
    };
    match facts
        .gathered
        .databases
        .iter()
        .min_by_key(|one| newest(one))
    {
        None => figure(page, WHAT, "everything".to_owned(), true, "", String::new()),
        Some(one) => match newest(one) {
            None => figure(page, WHAT, "everything".to_owned(), true, "of ", one.name()),
            Some(at) => {
                let age = age(at, now);
                let is_bad = age > facts.options.limits.export_age;
                figure(
                    page,
                    WHAT,
                    words(age),
                    is_bad,
                    "since the newest export of ",
                    one.name(),
                );
            }
        },
    }
}

fn first_lock(page: &mut Html, facts: &Facts) {
    let newest = facts.gathered.databases.iter();
    let newest = newest.filter_map(|one| Some((one, one.trusted_points().next_back()?.1.lock)));
    let end = |lock: Option<Lock>| lock.map(|lock| lock.retain_until);
    let Some((one, lock)) = newest.min_by_key(|(_, lock)| end(*lock)) else {
        return figure(
            page,
            "First lock to end",
            "none".to_owned(),
            true,
            "",
            String::new(),
        );
    };
    let (value, is_bad) = match end(lock) {
        None => ("not locked".to_owned(), true),
        Some(end) => (day(end), ends_soon(end, facts.options.now)),
    };
    figure(
        page,
        "First lock to end",
        value,
        is_bad,
        "newest export of ",
        one.name(),
    );
}

fn undrilled(page: &mut Html, facts: &Facts) {
    const WHAT: &str = "Longest without a drill";
    let drilled = |one: &Database| one.sound().map(|(_, drill)| drill.at);
    if facts.gathered.drills_denied {
        return figure(page, WHAT, "not known".to_owned(), false, "", String::new());
    }
    match facts
        .gathered
        .databases
        .iter()
        .min_by_key(|one| drilled(one))
    {
        None => figure(page, WHAT, "never".to_owned(), true, "", String::new()),
        Some(one) => {
            let age = drilled(one).map(|at| age(at, facts.options.now));
            let is_bad = age.is_none_or(|age| age > facts.options.limits.drill_age);
            let (value, before) = match age {
                Some(age) => (words(age), "last sound one of "),
                None => ("never drilled".to_owned(), ""),
            };
            figure(page, WHAT, value, is_bad, before, one.name());
        }
    }
}

fn figure(
    page: &mut Html,
    what: &'static str,
    value: String,
    is_bad: bool,
    before: &'static str,
    of: String,
) {
    put!(page, "<div><dt>", what, "</dt><dd>");
    flagged(page, value, is_bad);
    put!(page, "<small>");
    if !of.is_empty() {
        put!(page, before, Name(&of));
    }
    put!(page, "</small></dd></div>");
}
