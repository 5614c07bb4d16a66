//! Everything but the rows themselves: tables by their digests, sequences, large objects, definitions.

use std::collections::BTreeMap;

use super::definitions;
use super::noted;
use super::report::{Content, LargeObjectsChange, SequenceChange, ViewChange};
use super::side::Side;
use crate::error::{Error, Result};
use crate::model::catalog::{Catalog, Sequence};
use crate::model::definitions::Definitions;
use crate::model::incomparable::Incomparable;
use crate::model::left_out;
use crate::model::name::Name;
use crate::model::table_change::{TableFacts, compare as compare_tables};

pub(super) fn compare([a, b]: [&Side<'_>; 2]) -> Result<Content> {
    let catalogs = a.catalog().zip(b.catalog());
    let mut content = Content {
        by_names: catalogs.is_some(),
        ..Content::default()
    };
    if catalogs.is_none() && b.is_live() {
        return Err(Error::usage(
            "a live database can be compared by names alone, and those of the restore point are sealed",
        )
        .hint("pass --identity FILE"));
    }
    let lacking = lacking([a, b]);
    add_tables(&mut content, [a, b], &lacking);
    if let Some((before, after)) = catalogs {
        content.sequences = sequences(&before.sequences, &after.sequences);
        content.large_objects = large_objects(before, after);
        let (views, unknown) = views(before, after);
        content.materialized_views = views;
        if unknown > 0 {
            let why = "their rows are not known on both sides";
            let what = format!("{unknown} materialized views: {why}");
            content.not_compared.push(what);
        }
        add_definitions(&mut content, [a, b], before, after);
    }
    Ok(content)
}

/// Tables that one side lacks without saying that the database does.
fn lacking(sides: [&Side<'_>; 2]) -> Incomparable {
    let mut lacking = Incomparable::default();
    for side in sides {
        if let Some(catalog) = side.catalog() {
            lacking.add_left_out(catalog, &side.facts.describe());
        }
        for name in side.unreadable() {
            let why = "an unlogged table, which has no rows on a standby";
            lacking.add(name, why.to_owned());
        }
    }
    lacking
}

fn add_tables(content: &mut Content, [a, b]: [&Side<'_>; 2], lacking: &Incomparable) {
    let mut tables = [a.tables(content.by_names), b.tables(content.by_names)];
    let mut one_server =
        a.system_identifier.is_some() && a.system_identifier == b.system_identifier;
    content.rows_compared = content.by_names && lacking.is_empty();
    content.complete = content.by_names && [a, b].iter().all(|side| side.unreadable().is_empty());
    for table in &mut tables {
        lacking.take_from(table, one_server);
    }
    let why = &mut content.not_compared;
    match a.catalog().zip(b.catalog()) {
        Some((before, after)) => {
            let encodings = [&before.database.encoding, &after.database.encoding];
            if encodings[0] != encodings[1] {
                why.push(format!(
                    "rows: they are counted alone, as they are bytes of {}, and of {}",
                    encodings[0], encodings[1]
                ));
                let forget = |table: &mut TableFacts| table.digest = None;
                tables.iter_mut().flatten().for_each(forget);
                content.rows_compared = false;
                content.complete = false;
            }
            why.extend(lacking.lines());
            content.complete &= before.left_out.is_like(&after.left_out);
            if content.complete && !before.left_out.is_empty() {
                let words = left_out::words(a.excluded());
                why.push(format!(
                    "both points leave out the same on request: {words}"
                ));
            }
        }
        None => {
            why.push(
                "rows, sequences, large objects and definitions: no identity opens both points"
                    .to_owned(),
            );
            let line = |side: &Side<'_>| left_out::line(&side.facts.describe(), side.excluded());
            why.extend([a, b].into_iter().filter_map(line));
            one_server &= a.excluded() == b.excluded();
        }
    }
    let [before, after] = &tables;
    if let Some(found) = compare_tables(before, after, one_server) {
        (content.tables, content.same_tables) = found;
        return;
    }
    why.push(
        "which tables came, went or changed: without names nothing tells which is which, as the points are of two servers, or leave different things out".to_owned(),
    );
    let totals = |tables: &[TableFacts]| {
        let rows: u64 = tables.iter().map(|table| table.rows).sum();
        (tables.len(), rows)
    };
    content.totals_differ = a.excluded() == b.excluded() && totals(before) != totals(after);
}

fn by_name<'a, T>(all: &'a [T], name: impl Fn(&'a T) -> &'a Name) -> BTreeMap<&'a Name, &'a T> {
    all.iter().map(|one| (name(one), one)).collect()
}

fn sequences(before: &[Sequence], after: &[Sequence]) -> Vec<SequenceChange> {
    let after = by_name(after, |one| &one.name);
    let changes = before.iter().filter_map(|one| {
        let other = after.get(&one.name)?;
        let is_same = (one.last_value, one.is_called) == (other.last_value, other.is_called);
        (!is_same).then(|| SequenceChange {
            schema: one.name.schema.clone(),
            name: one.name.name.clone(),
            last_value_before: one.last_value,
            last_value_after: other.last_value,
            is_called_before: one.is_called,
            is_called_after: other.is_called,
        })
    });
    changes.collect()
}

fn large_objects(before: &Catalog, after: &Catalog) -> Option<LargeObjectsChange> {
    let (before, after) = (&before.large_objects, &after.large_objects);
    (before != after).then(|| LargeObjectsChange {
        before: before.properties.rows,
        after: after.properties.rows,
        same_content: before.pages == after.pages,
        same_properties: before.properties == after.properties,
    })
}

/// Those that both have and that differ, and how many filled ones cannot be compared.
fn views(then: &Catalog, now: &Catalog) -> (Vec<ViewChange>, u64) {
    let after = by_name(&now.materialized_views, |one| &one.name);
    let (mut changes, mut unknown) = (Vec::new(), 0);
    for one in &then.materialized_views {
        let Some(other) = after.get(&one.name) else {
            continue;
        };
        if [then, now]
            .iter()
            .any(|side| side.left_out.is_unfilled(&one.name))
        {
            unknown += 1;
            continue;
        }
        let same_rows = match (one.digest, other.digest) {
            (Some(one), Some(other)) => one == other,
            _ => {
                unknown += u64::from(one.populated && other.populated);
                true
            }
        };
        if same_rows && one.populated == other.populated {
            continue;
        }
        changes.push(ViewChange {
            schema: one.name.schema.clone(),
            name: one.name.name.clone(),
            populated_before: one.populated,
            populated_after: other.populated,
            rows_before: one.digest.map(|digest| digest.rows),
            rows_after: other.digest.map(|digest| digest.rows),
        });
    }
    (changes, unknown)
}

fn add_definitions(
    content: &mut Content,
    sides: [&Side<'_>; 2],
    before: &Catalog,
    after: &Catalog,
) {
    let (then, now) = match (noted::all(before), noted::all(after)) {
        (Some(then), Some(now)) => (then, now),
        (then, _) => {
            let old = if then.is_none() { sides[0] } else { sides[1] };
            content.not_compared.push(format!(
                "most definitions: {} is of a lifeboat that did not note them; compared are names of tables, columns, keys and indexes, extensions, and roles with their memberships and settings",
                old.facts.describe()
            ));
            (noted::least(before), noted::least(after))
        }
    };
    let (then, now): (Vec<&Definitions>, Vec<&Definitions>) =
        (then.iter().collect(), now.iter().collect());
    let majors = sides.map(|side| side.version_num / 10_000);
    let left_out = |kind: &str, name: &[String]| {
        let mut sides = [before, after].into_iter();
        sides.any(|side| side.left_out.has(kind, name) || side.left_out.has_relation_of(name))
    };
    let found = definitions::compare(&then, &now, majors, &left_out);
    content.definitions = found.changes;
    content.same_definitions = found.same;
    content.not_compared.extend(found.not_compared);
}
