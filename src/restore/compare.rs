//! Restored equals exported: the server's own counts of every table, and on request every row read
//! again.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Report;
use super::run::Run;
use super::tables::{chosen, parts_of};
use super::{constraints, sessions};
use crate::error::{Kind, Result};
use crate::model::catalog::{Name, Table};
use crate::model::digest::RowDigest;
use crate::model::finding::Finding;
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
pub(super) async fn loaded(run: &mut Run<'_>) -> Result<()> {
    let present = server::tables(&run.session).await?;
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    let mut failures = Vec::new();
    for (table, parts) in chosen(run.inputs)? {
        if !present.contains_key(&table.name) {
            failures.extend(absent(run, table, parts));
        } else if !run.report.is_unproven(&table.name) {
            failures.extend(compare_loaded(table, &loaded));
        }
    }
    if run.inputs.selection.whole {
        failures.extend(compare_loaded_objects(run, &loaded));
    }
    add_unknown(&mut run.report, failures);
    Ok(())
}

/// Compares all that is there, and adds what is not equal to the report's failures. It reads in
/// sessions of its own: code of the backup may have left something behind in others.
pub(super) async fn compare(run: &mut Run<'_>) -> Result<()> {
    let inputs = run.inputs;
    let verify = inputs.options.verify;
    let session = Session::connect(inputs.reader(), &inputs.application(), Purpose::Read).await?;
    let pages = server::tables(&session).await?;
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    let mut present = Vec::new();
    let mut failures = Vec::new();
    run.report.copy_bytes = 0;
    for (table, parts) in chosen(inputs)? {
        run.report.copy_bytes += parts.copy_bytes;
        if !pages.contains_key(&table.name) {
            // It may have been dropped since all was loaded.
            failures.extend(absent(run, table, parts));
        } else if compare_loaded(table, &loaded).is_none() {
            present.push(table);
        }
    }
    let groups = grouped(&present, &loaded);
    run.report.tables = present.len() as u64;
    let (rows, wrong) = compare_counts(run, &groups).await?;
    run.report.rows = rows;
    failures.extend(wrong);
    if verify {
        failures.extend(compare_digests(run, &groups, &pages).await?);
    }
    failures.extend(compare_sequences(run, &session).await?);
    run.report.large_objects = count_large_objects(&session).await?;
    let (missing, mut findings) = constraints::missing(run, &session, &pages).await?;
    failures.extend(missing);
    if verify && inputs.selection.whole {
        failures.extend(compare_large_objects(run, &session).await?);
        let only_counted = orders_differ(&groups);
        if inputs.options.is_powerless() {
            // Code of the backup can make rows move so.
            run.report.unproven.extend(only_counted);
        } else {
            findings.extend(only_counted);
        }
    }
    session.close().await;
    run.report.verified = verify;
    add_unknown(&mut run.report, failures);
    run.report.findings.append(&mut findings);
    Ok(())
}

/// A table that is not there, unless it could not be made for want of rights.
fn absent(run: &Run<'_>, table: &Table, parts: &TableParts) -> Option<Finding> {
    let why = format!("it is missing, and its {} rows", parts.rows);
    (!run.report.is_unproven(&table.name))
        .then(|| Finding::new(format!("table {}", table.name), why))
}

/// Adds failures of what the report does not name yet; of several about one object the first, which is
/// the cause.
fn add_unknown(report: &mut Report, failures: Vec<Finding>) {
    let known = report.failures.iter().chain(&report.unproven);
    let mut known: BTreeSet<String> = known.map(|one| one.what.clone()).collect();
    let failures = failures.into_iter();
    let unknown = failures.filter(|one| known.insert(one.what.clone()));
    report.failures.extend(unknown);
}

/// Compares the parts of a table that were loaded with what was exported.
fn compare_loaded(table: &Table, loaded: &LoadedParts) -> Option<Finding> {
    let (digest, exported) = (loaded_digest(table.oid, loaded), table.digest);
    let why = if digest == exported {
        return None;
    } else if digest.rows == exported.rows {
        "the rows of its parts are not those of its catalog".to_owned()
    } else {
        let (rows, exported) = (digest.rows, exported.rows);
        format!("{rows} of its {exported} rows were loaded")
    };
    Some(Finding::new(format!("table {}", table.name), why))
}

fn loaded_digest(oid: u32, loaded: &LoadedParts) -> RowDigest {
    let mut digest = RowDigest::default();
    for part in parts_of(loaded, oid) {
        digest.merge(part.digest);
    }
    digest
}

/// The same for large objects: their content and their properties.
fn compare_loaded_objects(run: &Run<'_>, loaded: &LoadedParts) -> Vec<Finding> {
    let exported = &run.inputs.catalog.large_objects;
    let properties = "the large objects' properties";
    let kinds = [
        ("the large objects", LARGE_OBJECT_PAGES, exported.pages),
        (properties, LARGE_OBJECT_PROPERTIES, exported.properties),
    ];
    let wrong = kinds.into_iter().filter_map(|(what, oid, expected)| {
        let digest = loaded_digest(oid, loaded);
        let (rows, exported) = (digest.rows, expected.rows);
        let why = format!("loaded are {rows} rows, not the {exported} exported");
        (digest != expected).then(|| Finding::new(what, why))
    });
    wrong.collect()
}

fn grouped<'a>(tables: &[&'a Table], loaded: &LoadedParts) -> Vec<Group<'a>> {
    let moved = |table: &&&Table| parts_of(loaded, table.oid).any(|part| part.through_root);
    let moved = tables.iter().filter(moved);
    let roots: BTreeSet<&Name> = moved.filter_map(|table| table.root.as_ref()).collect();
    let mut groups: BTreeMap<&Name, Group<'_>> = BTreeMap::new();
    for table in tables {
        let root = table.root.as_ref().filter(|root| roots.contains(root));
        let name = root.unwrap_or(&table.name);
        let group = groups.entry(name).or_insert_with(|| Group {
            what: format!("table {name}"),
            tables: Vec::new(),
            expected: RowDigest::default(),
        });
        group.tables.push(table);
        group.expected.merge(table.digest);
    }
    groups.into_values().collect()
}

/// Reads each item in a free session, and merges what it gives into the digest of its group. A group
/// that cannot be read does not keep the others from being compared; a lost server does.
async fn read_groups<T>(
    run: &Run<'_>,
    groups: &[Group<'_>],
    items: Vec<(usize, T)>,
    read: impl AsyncFn(&Session, &str, T) -> Result<RowDigest>,
) -> Result<(Vec<RowDigest>, Vec<Finding>)> {
    let work = async |session: &Session, (at, item): (usize, T)| {
        let digest = match read(session, &groups[at].what, item).await {
            Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Interrupted) => {
                return Err(error);
            }
            other => other.map_err(|error| error.chain()),
        };
        Ok((at, digest))
    };
    let reader = run.inputs.reader();
    let mut found = vec![RowDigest::default(); groups.len()];
    let mut unreadable = Vec::new();
    for (at, digest) in sessions::for_each(run, reader, Purpose::Read, items, work).await? {
        match digest {
            Ok(digest) => found[at].merge(digest),
            Err(why) => unreadable.push(Finding::new(&groups[at].what, why)),
        }
    }
    Ok((found, unreadable))
}

/// All rows that are there, and the groups that have more or fewer than exported.
async fn compare_counts(run: &Run<'_>, groups: &[Group<'_>]) -> Result<(u64, Vec<Finding>)> {
    run.inputs.context.progress.phase("counting", None);
    let numbered = groups.iter().enumerate();
    let tables = numbered.flat_map(|(at, group)| group.tables.iter().map(move |one| (at, *one)));
    let count = async |session: &Session, _: &str, table: &Table| {
        let rows = read_back::count(session, table).await?;
        Ok(RowDigest { rows, sum: 0 })
    };
    let (found, mut wrong) = read_groups(run, groups, tables.collect(), count).await?;
    for (group, RowDigest { rows, .. }) in groups.iter().zip(&found) {
        let exported = group.expected.rows;
        if *rows != exported {
            let why = format!("it has {rows} rows, exported were {exported}");
            wrong.push(Finding::new(&group.what, why));
        }
    }
    let rows = found.iter().map(|found| found.rows).sum();
    Ok((rows, wrong))
}

/// Reads all rows again and compares digests.
async fn compare_digests(
    run: &Run<'_>,
    groups: &[Group<'_>],
    pages: &BTreeMap<Name, u64>,
) -> Result<Vec<Finding>> {
    let mut slices = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        for table in &group.tables {
            let pages = pages.get(&table.name).copied().unwrap_or(0);
            let statements = read_back::slices(table, pages, &run.session.server_encoding);
            slices.extend(statements.into_iter().map(|sql| (at, sql)));
        }
    }
    run.inputs.context.progress.phase("reading again", None);
    let digest = async |session: &Session, what: &str, sql: String| {
        read_back::digest(session, &sql, what).await
    };
    let (found, mut wrong) = read_groups(run, groups, slices, digest).await?;
    for (group, found) in groups.iter().zip(&found) {
        if group.expected != *found && !orders_differ_in(group) {
            let why = "its rows are not those exported";
            wrong.push(Finding::new(&group.what, why));
        }
    }
    Ok(wrong)
}

/// A row that moved to a partition with another order of columns reads otherwise.
fn orders_differ_in(group: &Group<'_>) -> bool {
    let mut pairs = group.tables.windows(2);
    pairs.any(|pair| pair[0].columns != pair[1].columns)
}

fn orders_differ(groups: &[Group<'_>]) -> Vec<Finding> {
    let why = "its rows were counted, not compared: they moved between partitions whose columns come \
               in different orders";
    let groups = groups.iter().filter(|group| orders_differ_in(group));
    groups.map(|group| Finding::new(&group.what, why)).collect()
}

async fn compare_sequences(run: &Run<'_>, session: &Session) -> Result<Vec<Finding>> {
    let mut failures = Vec::new();
    for sequence in &run.inputs.catalog.sequences {
        let why = match read_back::has_exported_value(session, sequence).await {
            Ok(true) => continue,
            Ok(false) => "it does not stand where it stood".to_owned(),
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => error.chain(),
        };
        failures.push(Finding::new(format!("sequence {}", sequence.name), why));
    }
    Ok(failures)
}

async fn compare_large_objects(run: &Run<'_>, session: &Session) -> Result<Option<Finding>> {
    let expected = &run.inputs.catalog.large_objects;
    if run.report.large_objects == 0 && expected.properties.rows == 0 {
        return Ok(None);
    }
    let what = "the large objects";
    let sql = slice::large_object_pages(&run.session.server_encoding);
    let differs = read_back::digest(session, &sql, what).await? != expected.pages;
    Ok(differs.then(|| Finding::new(what, "their content is not what was exported")))
}
