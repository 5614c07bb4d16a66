//! The restore points of a database as a table: the newest each, older ones by month.

use jiff::Timestamp;

use super::facts::{Database, Point, Reading};
use super::html::{Html, day, put};
use crate::escape::is_plain;
use crate::humanize::{bytes, count, counted, seconds};
use crate::model::attestation::Verdict;
use crate::model::id::Id;
use crate::quote::quote_shell;

/// Rows of restore points on the whole page: some 150 bytes each.
const ROWS: usize = 10_000;
/// Months that have a row.
const MONTHS: usize = 120;

/// All of them, or how a person gets them. `databases`: how many have a place on the page.
pub(super) fn listed(page: &mut Html, one: &Database, databases: usize) {
    let not_opened = one.not_opened();
    if one.folds_days || not_opened == 0 {
        table(page, one, ROWS / databases.max(1));
    }
    if not_opened > 0 {
        not_opened_note(page, one, not_opened);
    }
}

fn not_opened_note(page: &mut Html, one: &Database, not_opened: usize) {
    put!(
        page,
        "<p>{} of it were not opened for this page, and nothing of them was checked",
        counted(not_opened as u64, "restore point", "restore points")
    );
    if one.folds_days {
        put!(page, "; of days with many, the newest was");
    } else if let (Some(first), Some(last)) = (one.points.first(), one.points.last()) {
        let (first, last) = (day(first.stored_at), day(last.stored_at));
        put!(
            page,
            "; the store received all between {} and {}",
            first,
            last
        );
    }
    put!(page, ".");
    // What the eye sees is what a shell is given, or it is left out.
    if one.name().chars().all(is_plain) {
        let (source, database) = (quote_shell(&one.source), quote_shell(&one.database));
        put!(
            page,
            " A page with all of them: <code>lifeboat report --html FILE --source {} --database {}{}</code>",
            source,
            database,
            if one.folds_days { " --all" } else { "" }
        );
    }
    put!(page, "</p>");
}

fn table(page: &mut Html, one: &Database, rows: usize) {
    let opened = |one: &&Point| !matches!(one.reading, Reading::NotOpened);
    let points: Vec<&Point> = one.points.iter().filter(opened).collect();
    let number = points.len();
    put!(
        page,
        "<details><summary>{}, the newest first</summary><div class=\"scroll\" tabindex=\"0\">\
         <table class=\"points\"><thead><tr><th>Restore point<th class=\"n\">Rows<th class=\"n\">\
         Stored<th>Locked until<th>Drilled<th class=\"n\">Recovery<tbody>",
        counted(number as u64, "restore point", "restore points")
    );
    let (older, newest) = points.split_at(number - number.min(rows));
    for point in newest.iter().rev() {
        row(page, point);
    }
    put!(page, "</table></div>");
    if !older.is_empty() {
        months(page, older);
    }
    put!(page, "</details>");
}

fn row(page: &mut Html, point: &Point) {
    put!(page, "<tr><td><code>{}</code>", point.id);
    let Some(trusted) = point.trusted() else {
        put!(
            page,
            "<td colspan=\"5\" class=\"bad\">▲ not trusted: see findings"
        );
        return;
    };
    let locked = trusted.lock.map(|lock| lock.retain_until);
    put!(
        page,
        "<td class=\"n\">{}<td class=\"n\">{}<td>{}",
        count(trusted.rows),
        bytes(trusted.stored_bytes),
        day_or_not_locked(locked)
    );
    let Some(drill) = trusted.proof() else {
        put!(page, "<td>–<td class=\"n\">–");
        return;
    };
    match drill.verdict {
        Verdict::Sound => put!(page, "<td>"),
        Verdict::Unproven => put!(page, "<td class=\"bad\">▲ not proven "),
        Verdict::Failed => put!(page, "<td class=\"bad\">▲ failed "),
    }
    let (at, took) = (day(drill.at), seconds(drill.seconds_to_restore));
    put!(page, "{}<td class=\"n\">{}", at, took);
}

fn day_or_not_locked(end: Option<Timestamp>) -> String {
    end.map_or_else(|| "not locked".to_owned(), day)
}

fn months(page: &mut Html, older: &[&Point]) {
    put!(
        page,
        "<h4>Older, by month</h4><div class=\"scroll\" tabindex=\"0\"><table class=\"points\">\
         <thead><tr><th>Month<th class=\"n\">Points<th class=\"n\">Rows<th class=\"n\">Stored\
         <th>Locked until<th class=\"n\">Drilled, sound<tbody>"
    );
    let month = |id: &Id| id.to_string().get(..6).unwrap_or_default().to_owned();
    let months: Vec<&[&Point]> = older
        .chunk_by(|one, other| month(&one.id) == month(&other.id))
        .collect();
    for points in months.iter().rev().take(MONTHS) {
        let name = month(&points[0].id);
        let (year, number) = name.split_at(name.len().min(4));
        let (month, points_in_all) = (format!("{year}-{number}"), count(points.len() as u64));
        put!(page, "<tr><td>{}<td class=\"n\">{}", month, points_in_all);
        let trusted = points.iter().filter_map(|one| one.trusted());
        between(page, trusted.clone().map(|one| one.rows), count);
        between(page, trusted.clone().map(|one| one.stored_bytes), bytes);
        let ends = trusted.clone().filter_map(|one| one.lock);
        let last = ends.map(|lock| lock.retain_until).max();
        let sound = trusted.filter(|one| one.verdict() == Verdict::Sound);
        let (locked, sound) = (day_or_not_locked(last), count(sound.count() as u64));
        put!(page, "<td>{}<td class=\"n\">{}", locked, sound);
    }
    put!(page, "</table></div>");
    if months.len() > MONTHS {
        put!(
            page,
            "<p>`lifeboat list` shows those of earlier months.</p>"
        );
    }
}

/// `1.1 GiB – 1.2 GiB`
fn between(page: &mut Html, values: impl Iterator<Item = u64> + Clone, words: fn(u64) -> String) {
    put!(page, "<td class=\"n\">");
    match (values.clone().min(), values.max()) {
        (Some(least), Some(most)) if words(least) == words(most) => put!(page, "{}", words(least)),
        (Some(least), Some(most)) => put!(page, "{} – {}", words(least), words(most)),
        _ => put!(page, "–"),
    }
}
