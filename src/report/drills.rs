//! Drills: how long recovery took, and what the questions to the restored database gave.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::gather::{DRILLS_WITH_VALUES, Database, Drill};
use super::html::{Html, Name, Text, Time, clipped, day, put};
use super::overview::seconds;
use crate::humanize::{count, counted};
use crate::model::attestation::{Assertion, Verdict};
use crate::model::id::Id;

/// Of all databases together.
const NEWEST: usize = 10;
/// Of one database.
const ASSERTIONS: usize = 60;
const NAME_CHARS: usize = 120;
const VALUE_CHARS: usize = 60;

pub(super) fn newest(page: &mut Html, facts: &Facts) {
    put!(page, "<section id=\"drills\"><h2>Newest drills</h2>");
    let mut all: Vec<(&Database, &Id, &Drill)> = Vec::new();
    for one in &facts.gathered.databases {
        all.extend(one.drills().map(|(id, drill)| (one, id, drill)));
    }
    all.sort_by_key(|(_, _, drill)| std::cmp::Reverse(drill.at));
    if all.is_empty() {
        let why = match facts.gathered.drills_denied {
            true => "These credentials may not read attestations, so nothing is known of drills.",
            false => "None: no restore point was ever restored in a drill.",
        };
        put!(page, "<p>", Text(why), "</p></section>");
        return;
    }
    put!(
        page,
        "<table class=\"cards\"><thead><tr><th>Database<th>Drilled<th>Result<th class=\"n\">Recovery",
        "<th class=\"n\">First query<th class=\"n\">Rows compared<th>Assertions<th>Restore point<tbody>"
    );
    for (one, id, drill) in all.iter().take(NEWEST) {
        put!(
            page,
            "<tr><td>",
            Name(&one.name()),
            "<td data-l=\"Drilled\">",
            Time(drill.at)
        );
        row(page, id, drill);
    }
    put!(page, "</table>");
    if all.len() > NEWEST {
        put!(
            page,
            "<p class=\"muted\">",
            counted(all.len() as u64, "drill", "drills"),
            " in all; those of each database are below.</p>"
        );
    }
    put!(page, "</section>");
}

fn row(page: &mut Html, id: &Id, drill: &Drill) {
    result(page, drill);
    let none = || "–".to_owned();
    put!(
        page,
        "<td class=\"n\" data-l=\"Recovery\">",
        seconds(drill.seconds_to_restore),
        "<td class=\"n\" data-l=\"First query\">",
        drill.seconds_to_first_query.map_or_else(none, seconds),
        "<td class=\"n\" data-l=\"Rows compared\">",
        count(drill.rows),
        "<td data-l=\"Assertions\">"
    );
    match (drill.held, drill.asked) {
        (_, 0) => put!(page, "none asked"),
        (held, asked) if held == asked => put!(page, "all ", asked, " hold"),
        (held, asked) => put!(
            page,
            "<b class=\"bad\">▲ ",
            held,
            " of ",
            asked,
            " hold</b>"
        ),
    }
    put!(
        page,
        "<td data-l=\"Restore point\"><code>",
        id.to_string(),
        "</code>"
    );
}

/// How it ended, by which rights and behind which walls, and what it left out.
fn result(page: &mut Html, drill: &Drill) {
    put!(page, "<td data-l=\"Result\">");
    match (drill.verdict, &drill.sample) {
        (Verdict::Sound, None) => put!(page, "sound"),
        (Verdict::Sound, Some(sample)) => put!(page, "sound, of ", Text(sample)),
        (Verdict::Unproven, _) => put!(page, "<b class=\"bad\">▲ not proven</b>"),
        (Verdict::Failed, _) => put!(page, "<b class=\"bad\">▲ failed</b>"),
    }
    let mut more = Vec::new();
    if drill.as_superuser == Some(true) {
        more.push("as superuser".to_owned());
    }
    more.extend(drill.walls.map(|walls| walls.to_string()));
    for one in &drill.not_tried {
        more.push(format!("not tried: {} × {}", count(one.count), one.kind));
    }
    for line in more {
        put!(page, "<br><small>", Text(&line), "</small>");
    }
}

/// What the same questions gave in the newest drills, side by side.
pub(super) fn of_database(page: &mut Html, one: &Database) {
    let mut newest: Vec<&Drill> = one.drills().map(|(_, drill)| drill).collect();
    newest.sort_by_key(|drill| std::cmp::Reverse(drill.at));
    newest.truncate(DRILLS_WITH_VALUES);
    let mut asked: BTreeMap<&str, Vec<Option<&Assertion>>> = BTreeMap::new();
    for (at, drill) in newest.iter().enumerate() {
        for one in &drill.assertions {
            let given = asked.entry(&one.name).or_default();
            given.resize(newest.len(), None);
            given[at] = Some(one);
        }
    }
    if asked.is_empty() {
        return;
    }
    put!(
        page,
        "<h4>What assertions gave in the newest drills</h4><div class=\"scroll\" tabindex=\"0\"><table class=\"answers\"><thead><tr><th>Assertion"
    );
    for drill in &newest {
        put!(page, "<th class=\"n\">", day(drill.at));
    }
    put!(page, "<tbody>");
    for (name, given) in asked.iter().take(ASSERTIONS) {
        put!(page, "<tr><td>", Name(&clipped(name, NAME_CHARS)));
        for one in given {
            answer(page, *one);
        }
    }
    put!(page, "</table></div>");
    if asked.len() > ASSERTIONS {
        put!(
            page,
            "<p>",
            count((asked.len() - ASSERTIONS) as u64),
            " more assertions are not on this page.</p>"
        );
    }
}

fn answer(page: &mut Html, one: Option<&Assertion>) {
    put!(page, "<td class=\"n\">");
    let Some(one) = one else {
        put!(page, "<span class=\"muted\">not asked</span>");
        return;
    };
    let held = if one.ok { "ok" } else { "not ok" };
    let value = clipped(one.value.as_deref().unwrap_or(held), VALUE_CHARS);
    if one.ok {
        put!(page, Name(&value));
    } else {
        put!(page, "<b class=\"bad\">▲ ", Name(&value), "</b>");
    }
}
