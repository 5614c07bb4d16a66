//! Restored equals exported: the server's own counts of every table, and on request every row read
//! again.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Report, Trouble};
use super::{Run, constraints, pool, tables};
use crate::error::{Kind, Result};
use crate::model::catalog::{Name, Table};
use crate::model::digest::RowDigest;
use crate::model::manifest::{LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, TableParts};
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::count_large_objects;
use crate::pg::source::slice;
use crate::pg::target::resume_state::LoadedParts;
use crate::pg::target::{read_back, server};

/// Tables whose rows can only be compared together: one table, or the partitions of a root that
/// were loaded through it.
struct Group<'a> {
    what: String,
    tables: Vec<&'a Table>,
    expected: RowDigest,
}

/// What is certain without reading a row: tables that are not there, parts that were not loaded.
pub async fn loaded(run: &mut Run<'_>) -> Result<()> {
    let there = server::tables(&run.session).await?;
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    let mut failures = Vec::new();
    for (table, parts) in tables::chosen(run)? {
        if run.report.is_unproven(&table.name) {
            continue;
        }
        if !there.contains_key(&table.name) {
            failures.extend(absent(run, table, parts));
        } else {
            failures.extend(compare_loaded(table, &loaded));
        }
    }
    if run.selection.whole {
        failures.extend(compare_loaded_objects(run, &loaded));
    }
    add_unknown(&mut run.report, failures);
    Ok(())
}

/// Compares all that is there, and adds what is not equal to the report's failures. It reads in
/// sessions of its own: code of the backup may have left something behind in others.
pub async fn compare(run: &mut Run<'_>) -> Result<()> {
    let session = Session::connect(run.reading(), &run.application, Purpose::Read).await?;
    let there = server::tables(&session).await?;
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    let mut present = Vec::new();
    let mut failures = Vec::new();
    let mut copy_bytes = 0;
    for (table, parts) in tables::chosen(run)? {
        copy_bytes += parts.copy_bytes;
        if !there.contains_key(&table.name) {
            // It may have been dropped since all was loaded.
            failures.extend(absent(run, table, parts));
        } else if compare_loaded(table, &loaded).is_none() {
            present.push(table);
        }
    }
    let groups = grouped(&present, &loaded);
    let (rows, wrong) = count(run, &groups).await?;
    failures.extend(wrong);
    let tables = present.len() as u64;
    if run.options.verify {
        failures.extend(read_back_tables(run, &groups, &there).await?);
    }
    compare_sequences(run, &session, &mut failures).await?;
    let large_objects = count_large_objects(&session).await?;
    let missing = constraints::missing(run, &session, &there).await?;
    failures.extend(missing.failures);
    let mut findings = missing.findings;
    if run.options.verify && run.selection.whole {
        compare_large_objects(run, &session, &mut failures).await?;
        let counted = orders_differ(&groups);
        match run.options.nobody {
            // Code of the backup can make rows move so.
            Some(_) => run.report.unproven.extend(counted),
            None => findings.extend(counted),
        }
    }
    session.close().await;
    let report = &mut run.report;
    report.tables = tables;
    report.rows = rows;
    report.copy_bytes = copy_bytes;
    report.large_objects = large_objects;
    report.verified = run.options.verify;
    add_unknown(report, failures);
    report.findings.extend(findings);
    Ok(())
}

/// A table that is not there, unless it could not be made for want of rights.
fn absent(run: &Run<'_>, table: &Table, parts: &TableParts) -> Option<Trouble> {
    let why = format!("it is missing, and its {} rows", parts.rows);
    (!run.report.is_unproven(&table.name))
        .then(|| Trouble::new(format!("table {}", table.name), why))
}

/// Adds what nothing was said of yet.
fn add_unknown(report: &mut Report, failures: Vec<Trouble>) {
    let mut failures = once_each(failures);
    let is_known = |what: &String| {
        let mut known = report.failures.iter().chain(&report.unproven);
        known.any(|one| one.what == *what)
    };
    failures.retain(|one| !is_known(&one.what));
    report.failures.extend(failures);
}

/// What was sent of a table, by the notes, against what was exported.
fn compare_loaded(table: &Table, loaded: &LoadedParts) -> Option<Trouble> {
    let sent = sent(table.oid, loaded);
    let why = match (sent.rows == table.digest.rows, sent == table.digest) {
        (true, true) => return None,
        (true, false) => "the rows of its parts are not those of its catalog".to_owned(),
        _ => format!(
            "{} of its {} rows were loaded",
            sent.rows, table.digest.rows
        ),
    };
    Some(Trouble::new(format!("table {}", table.name), why))
}

fn sent(oid: u32, loaded: &LoadedParts) -> RowDigest {
    let mut sent = RowDigest::default();
    for (_, part) in loaded.range((oid, 0)..=(oid, u64::MAX)) {
        sent.merge(part.digest);
    }
    sent
}

/// The same for large objects: their content and their properties.
fn compare_loaded_objects(run: &Run<'_>, loaded: &LoadedParts) -> Vec<Trouble> {
    let exported = &run.catalog.large_objects;
    let kinds = [
        ("the large objects", LARGE_OBJECT_PAGES, exported.pages),
        (
            "the large objects' properties",
            LARGE_OBJECT_PROPERTIES,
            exported.properties,
        ),
    ];
    kinds
        .into_iter()
        .filter(|(_, oid, expected)| sent(*oid, loaded) != *expected)
        .map(|(what, oid, expected)| {
            let rows = sent(oid, loaded).rows;
            let why = format!("loaded are {rows} rows, not the {} exported", expected.rows);
            Trouble::new(what, why)
        })
        .collect()
}

fn grouped<'a>(tables: &[&'a Table], loaded: &LoadedParts) -> Vec<Group<'a>> {
    let moved = |table: &Table| {
        let parts = loaded.range((table.oid, 0)..=(table.oid, u64::MAX));
        parts.into_iter().any(|(_, part)| part.through_root)
    };
    let roots: BTreeSet<&Name> = tables
        .iter()
        .filter(|table| moved(table))
        .filter_map(|table| table.root.as_ref())
        .collect();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut by_root: BTreeMap<&Name, usize> = BTreeMap::new();
    for table in tables {
        let root = table.root.as_ref().filter(|root| roots.contains(root));
        let at = match root {
            Some(root) => *by_root.entry(root).or_insert(groups.len()),
            None => groups.len(),
        };
        if at == groups.len() {
            groups.push(Group {
                what: format!("table {}", root.unwrap_or(&table.name)),
                tables: Vec::new(),
                expected: RowDigest::default(),
            });
        }
        groups[at].tables.push(table);
        groups[at].expected.merge(table.digest);
    }
    groups
}

/// All rows that are there, and the groups that have more or fewer than exported.
async fn count(run: &Run<'_>, groups: &[Group<'_>]) -> Result<(u64, Vec<Trouble>)> {
    run.means.progress.phase("counting", None);
    let tables: Vec<(usize, &Table)> = groups
        .iter()
        .enumerate()
        .flat_map(|(at, group)| group.tables.iter().map(move |table| (at, *table)))
        .collect();
    let counted = pool::each(
        run,
        run.reading(),
        Purpose::Read,
        tables,
        async |session, (at, table)| Ok((at, tolerated(read_back::count(session, table).await)?)),
    )
    .await?;
    let mut found = vec![RowDigest::default(); groups.len()];
    let mut wrong = Vec::new();
    for (at, count) in counted {
        match count {
            Ok(rows) => found[at].rows += rows,
            Err(why) => wrong.push(Trouble::new(groups[at].what.clone(), why)),
        }
    }
    for (group, found) in groups.iter().zip(&found) {
        if group.expected.rows != found.rows {
            let why = format!(
                "it has {} rows, exported were {}",
                found.rows, group.expected.rows
            );
            wrong.push(Trouble::new(group.what.clone(), why));
        }
    }
    Ok((found.iter().map(|found| found.rows).sum(), once_each(wrong)))
}

/// Of several troubles with one thing the first, which is the cause.
fn once_each(mut troubles: Vec<Trouble>) -> Vec<Trouble> {
    let mut known = BTreeSet::new();
    troubles.retain(|one| known.insert(one.what.clone()));
    troubles
}

/// A table that cannot be read does not keep the others from being compared; a lost server does.
fn tolerated<T>(result: Result<T>) -> Result<Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Interrupted) => Err(error),
        Err(error) => Ok(Err(error.chain())),
    }
}

/// Reads all rows again and compares digests.
async fn read_back_tables(
    run: &Run<'_>,
    groups: &[Group<'_>],
    pages: &BTreeMap<Name, u64>,
) -> Result<Vec<Trouble>> {
    let mut work = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        for table in &group.tables {
            let pages = pages.get(&table.name).copied().unwrap_or(0);
            for sql in read_back::slices(table, pages, &run.encoding) {
                work.push((at, &group.what, sql));
            }
        }
    }
    run.means.progress.phase("reading again", None);
    let digests = pool::each(
        run,
        run.reading(),
        Purpose::Read,
        work,
        async |session, (at, what, sql)| {
            Ok((at, tolerated(read_back::digest(session, &sql, what).await)?))
        },
    )
    .await?;
    let mut found = vec![RowDigest::default(); groups.len()];
    let mut wrong = Vec::new();
    for (at, digest) in digests {
        match digest {
            Ok(digest) => found[at].merge(digest),
            Err(why) => wrong.push(Trouble::new(groups[at].what.clone(), why)),
        }
    }
    for (group, found) in groups.iter().zip(&found) {
        if group.expected != *found && !orders_differ_in(group) {
            let why = "its rows are not those exported";
            wrong.push(Trouble::new(group.what.clone(), why));
        }
    }
    Ok(once_each(wrong))
}

/// A row that moved to a partition with another order of columns reads otherwise.
fn orders_differ_in(group: &Group<'_>) -> bool {
    group
        .tables
        .windows(2)
        .any(|pair| pair[0].columns != pair[1].columns)
}

fn orders_differ(groups: &[Group<'_>]) -> Vec<Trouble> {
    let groups = groups.iter().filter(|group| orders_differ_in(group));
    groups
        .map(|group| {
            let why = "its rows were counted, not compared: they moved between partitions whose \
                       columns come in different orders";
            Trouble::new(group.what.clone(), why)
        })
        .collect()
}

async fn compare_sequences(
    run: &Run<'_>,
    session: &Session,
    failures: &mut Vec<Trouble>,
) -> Result<()> {
    for sequence in &run.catalog.sequences {
        let why = match read_back::has_exported_value(session, sequence).await {
            Ok(true) => continue,
            Ok(false) => "it does not stand where it stood".to_owned(),
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => error.chain(),
        };
        failures.push(Trouble::new(format!("sequence {}", sequence.name), why));
    }
    Ok(())
}

async fn compare_large_objects(
    run: &Run<'_>,
    session: &Session,
    failures: &mut Vec<Trouble>,
) -> Result<()> {
    let expected = &run.catalog.large_objects;
    if count_large_objects(session).await? == 0 && expected.properties.rows == 0 {
        return Ok(());
    }
    let what = "the large objects";
    let sql = slice::large_object_pages(&run.encoding);
    if read_back::digest(session, &sql, what).await? != expected.pages {
        failures.push(Trouble::new(what, "their content is not what was exported"));
    }
    Ok(())
}
