//! Drills: how long recovery took, and what the questions to the restored database gave.

use std::collections::BTreeMap;

use super::database::DRILLS_WITH_VALUES;
use super::facts::{Database, Drill, Facts};
use super::html::{Html, Name, Text, Time, clipped, day, not_shown, number, put};
use crate::humanize::{count, counted, seconds};
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
    for one in &facts.databases {
        all.extend(one.drills().map(|(id, drill)| (one, id, drill)));
    }
    all.sort_by_key(|(_, _, drill)| std::cmp::Reverse(drill.at));
    if all.is_empty() {
        let why = match facts.drills_denied {
            true => "These credentials may not read attestations, so nothing is known of drills.",
            false => "None: no restore point was ever restored in a drill.",
        };
        put!(page, "<p>{}</p></section>", Text(why));
        return;
    }
    put!(
        page,
        "<table class=\"cards\"><thead><tr><th>Database<th>Drilled<th>Result<th class=\"n\">Recovery\
         <th class=\"n\">First query<th class=\"n\">Rows compared<th>Assertions<th>Restore point<tbody>"
    );
    for (one, id, drill) in all.iter().take(NEWEST) {
        let (name, at) = (one.name(), Time(drill.at));
        put!(page, "<tr><td>{}<td data-l=\"Drilled\">{}", Name(&name), at);
        row(page, id, drill);
    }
    put!(page, "</table>");
    if all.len() > NEWEST {
        put!(
            page,
            "<p class=\"muted\">{} in all; those of each database are below.</p>",
            counted(all.len() as u64, "drill", "drills")
        );
    }
    put!(page, "</section>");
}

fn row(page: &mut Html, id: &Id, drill: &Drill) {
    result(page, drill);
    let first = drill.seconds_to_first_query;
    number(page, "Recovery", seconds(drill.seconds_to_restore));
    number(
        page,
        "First query",
        first.map_or_else(|| "–".to_owned(), seconds),
    );
    number(page, "Rows compared", count(drill.rows));
    put!(page, "<td data-l=\"Assertions\">");
    match (drill.held, drill.asked) {
        (_, 0) => put!(page, "none asked"),
        (held, asked) if held == asked => put!(page, "all {} hold", asked),
        (held, asked) => put!(page, "<b class=\"bad\">▲ {} of {} hold</b>", held, asked),
    }
    put!(page, "<td data-l=\"Restore point\"><code>{}</code>", *id);
}

/// How it ended, by which rights and behind which walls, and what it left out.
fn result(page: &mut Html, drill: &Drill) {
    put!(page, "<td data-l=\"Result\">");
    match (drill.verdict, &drill.sample) {
        (Verdict::Sound, None) => put!(page, "sound"),
        (Verdict::Sound, Some(sample)) => put!(page, "sound, of {}", Text(sample)),
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
        put!(page, "<br><small>{}</small>", Text(&line));
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
        "<h4>What assertions gave in the newest drills</h4><div class=\"scroll\" tabindex=\"0\">\
         <table class=\"answers\"><thead><tr><th>Assertion"
    );
    for drill in &newest {
        put!(page, "<th class=\"n\">{}", day(drill.at));
    }
    put!(page, "<tbody>");
    for (name, given) in asked.iter().take(ASSERTIONS) {
        put!(page, "<tr><td>{}", Name(&clipped(name, NAME_CHARS)));
        for one in given {
            answer(page, *one);
        }
    }
    put!(page, "</table></div>");
    let more = asked.len().saturating_sub(ASSERTIONS);
    not_shown(page, more, "assertions are");
}

fn answer(page: &mut Html, one: Option<&Assertion>) {
    put!(page, "<td class=\"n\">");
    let Some(one) = one else {
        put!(page, "<span class=\"muted\">not asked</span>");
        return;
    };
    let held = if one.ok { "ok" } else { "not ok" };
    let value = clipped(one.value.as_deref().unwrap_or(held), VALUE_CHARS);
    match one.ok {
        true => put!(page, "{}", Name(&value)),
        false => put!(page, "<b class=\"bad\">▲ {}</b>", Name(&value)),
    }
}
