//! Restored equals exported: the server's own counts of every table, and on request every row read
//! again.

mod bare_numbers;
mod groups;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use self::groups::{Digests, Group, grouped};
use super::report::Report;
use super::run::Run;
use super::tables::{chosen, parts_of};
use super::{constraints, parameters};
use crate::error::{Kind, Result};
use crate::model::catalog::{Name, Table};
use crate::model::digest::RowDigest;
use crate::model::finding::Finding;
use crate::model::manifest::{LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, TableParts};
use crate::model::table_digest::RowShape;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::count_large_objects;
use crate::pg::source::slice;
use crate::pg::target::resume_state::LoadedParts;
use crate::pg::target::{read_back, server};

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
    let (rows, mut wrong) = compare_counts(run, &groups, &pages).await?;
    run.report.rows = rows;
    let mut read_again = ReadAgain::default();
    if verify {
        read_again = compare_digests(run, &session, &groups, &pages).await?;
        wrong.append(&mut read_again.wrong);
    }
    let by_hand = mended_by_hand(run, &groups, &mut wrong);
    failures.extend(wrong);
    failures.extend(compare_sequences(run, &session).await?);
    run.report.large_objects = count_large_objects(&session).await?;
    let (missing, mut findings) = constraints::missing(run, &session, &pages).await?;
    failures.extend(missing);
    let expected = constraints::into_left_out(run, &session, &pages).await?;
    run.report.left_out.extend(expected);
    findings.extend(by_hand);
    findings.extend(parameters::compare(run, &session).await?);
    if verify && inputs.selection.whole {
        failures.extend(compare_large_objects(run, &session).await?);
    }
    if inputs.options.is_powerless() {
        // Code of the backup can make rows move so.
        run.report.unproven.append(&mut read_again.only_counted);
    } else {
        findings.append(&mut read_again.only_counted);
    }
    findings.append(&mut read_again.findings);
    if verify {
        findings.extend(views::compare(run, &session).await?);
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

/// Reads tables of groups, each with what says how, in free sessions. A group that cannot be read does
/// not keep the others from being compared; a lost server does.
async fn read_groups<'a, T, R>(
    run: &Run<'_>,
    groups: &[Group<'a>],
    items: Vec<(usize, &'a Table, T)>,
    read: impl AsyncFn(&Session, &Table, T) -> Result<R>,
) -> Result<(Vec<(usize, &'a Table, R)>, Vec<Finding>)> {
    let work = async |session: &Session, (at, table, item): (usize, &'a Table, T)| {
        let read = match read(session, table, item).await {
            Err(error) if error.ends_all() => return Err(error),
            other => other.map_err(|error| error.chain()),
        };
        Ok((at, table, read))
    };
    let sessions = run.sessions(run.inputs.reader(), Purpose::Read);
    let mut found = Vec::new();
    let mut unreadable = Vec::new();
    for (at, table, read) in sessions.for_each(items, work).await? {
        match read {
            Ok(read) => found.push((at, table, read)),
            Err(why) => unreadable.push(Finding::new(groups[at].what(), why)),
        }
    }
    Ok((found, unreadable))
}

/// What is to be read of the tables of all groups, by number of the group; tables are cut by their pages.
fn statements<'a>(
    groups: &[Group<'a>],
    pages: &BTreeMap<Name, u64>,
    of_table: impl Fn(&Table, u64) -> Vec<String>,
) -> Vec<(usize, &'a Table, String)> {
    let mut statements = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        for table in &group.tables {
            let pages = pages.get(&table.name).copied().unwrap_or(0);
            let of_table = of_table(table, pages).into_iter();
            statements.extend(of_table.map(|sql| (at, *table, sql)));
        }
    }
    statements
}

/// Takes out what differs since a person mended rows that broke a constraint: that is as it should be.
fn mended_by_hand(run: &Run<'_>, groups: &[Group<'_>], wrong: &mut Vec<Finding>) -> Vec<Finding> {
    let mut mended: BTreeMap<String, &str> = BTreeMap::new();
    for group in groups {
        let mut tables = group.tables.iter();
        let constraint = tables.find_map(|table| run.mended.get(&table.name));
        mended.extend(constraint.map(|constraint| (group.what(), constraint.as_str())));
    }
    let (by_hand, others): (Vec<_>, Vec<_>) = std::mem::take(wrong)
        .into_iter()
        .partition(|one| mended.contains_key(one.what.as_str()));
    *wrong = others;
    let explain = |one: Finding| {
        let constraint = mended.get(one.what.as_str()).copied().unwrap_or_default();
        let why = format!(
            "{}, since rows that broke {constraint} were mended by hand",
            one.why
        );
        Finding { why, ..one }
    };
    // The count says what the digest says again.
    let mut known = BTreeSet::new();
    let by_hand = by_hand
        .into_iter()
        .filter(|one| known.insert(one.what.clone()));
    by_hand.map(explain).collect()
}

/// All rows that are there, and the groups that have more or fewer than exported.
async fn compare_counts(
    run: &Run<'_>,
    groups: &[Group<'_>],
    pages: &BTreeMap<Name, u64>,
) -> Result<(u64, Vec<Finding>)> {
    run.inputs.context.progress.phase("counting", None);
    let slices = statements(groups, pages, read_back::counts);
    let count = async |session: &Session, table: &Table, sql: String| {
        read_back::count_by(session, table, &sql).await
    };
    let (counted, mut wrong) = read_groups(run, groups, slices, count).await?;
    let mut found = vec![0; groups.len()];
    for (at, _, rows) in counted {
        found[at] += rows;
    }
    for (group, found) in groups.iter().zip(&mut found) {
        // Slices are not of one moment: a row that somebody updates meanwhile moves, and is counted twice or never.
        if *found != group.expected.rows.rows {
            *found = count_whole(run, group).await?.unwrap_or(*found);
        }
    }
    for (group, rows) in groups.iter().zip(&found) {
        let exported = group.expected.rows.rows;
        if *rows != exported {
            let why = format!("it has {rows} rows, exported were {exported}");
            wrong.push(Finding::new(group.what(), why));
        }
    }
    Ok((found.iter().sum(), wrong))
}

/// `None`: a table of the group cannot be read, which is told already.
async fn count_whole(run: &Run<'_>, group: &Group<'_>) -> Result<Option<u64>> {
    let application = run.inputs.application();
    let session = Session::connect(run.inputs.reader(), &application, Purpose::Read).await?;
    let mut rows = 0;
    for table in &group.tables {
        match read_back::count(&session, table).await {
            Ok(count) => rows += count,
            Err(error) if error.ends_all() => return Err(error),
            Err(_) => return Ok(None),
        }
    }
    session.close().await;
    Ok(Some(rows))
}

/// What came out of reading all rows again.
#[derive(Default)]
struct ReadAgain {
    /// Groups whose rows are not those exported.
    wrong: Vec<Finding>,
    /// Groups whose rows moved to where they read otherwise.
    only_counted: Vec<Finding>,
    /// Where the rows are those exported: generated columns that hold other values.
    findings: Vec<Finding>,
}

/// Reads all rows again and compares digests.
async fn compare_digests(
    run: &Run<'_>,
    session: &Session,
    groups: &[Group<'_>],
    pages: &BTreeMap<Name, u64>,
) -> Result<ReadAgain> {
    let encoding = &run.session.server_encoding;
    let read = |table: &Table, pages| read_back::slices(table, pages, encoding);
    let slices = statements(groups, pages, read);
    run.inputs.context.progress.phase("reading again", None);
    let digest = async |session: &Session, table: &Table, sql: String| {
        let what = format!("table {}", table.name);
        read_back::digest(session, &sql, table.row_shape(), &what).await
    };
    let (read, wrong) = read_groups(run, groups, slices, digest).await?;
    let mut found: Vec<Digests<'_>> = groups.iter().map(|_| Digests::default()).collect();
    for (at, table, digest) in read {
        found[at].add(table, digest.rows, digest.generated);
    }
    let mut compared = ReadAgain {
        wrong,
        ..ReadAgain::default()
    };
    for (group, found) in groups.iter().zip(&found) {
        if group.expected.rows == found.rows {
            let columns = compare_generated(session, group, found).await?;
            compared.findings.extend(columns);
        } else if group.orders_differ() {
            let why = "its rows were counted, not compared: they moved between partitions whose \
                       columns come in different orders";
            compared.only_counted.push(Finding::new(group.what(), why));
        } else {
            match explained(run, session, group, found.rows).await? {
                Ok(finding) => compared.findings.push(finding),
                Err(failure) => compared.wrong.push(failure),
            }
        }
    }
    Ok(compared)
}

/// The generated columns of a group that hold other values than were exported.
async fn compare_generated(
    session: &Session,
    group: &Group<'_>,
    found: &Digests<'_>,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (column, expected) in &group.expected.generated {
        // Nothing is read of a table without rows.
        let found = found.generated.get(column).copied();
        if found.unwrap_or_default() != *expected {
            findings.push(computed_otherwise(session, group, column).await?);
        }
    }
    Ok(findings)
}

/// What is said of rows that read otherwise than they were exported: a failure, unless their values are
/// the same.
async fn explained(
    run: &Run<'_>,
    session: &Session,
    group: &Group<'_>,
    found: RowDigest,
) -> Result<Result<Finding, Finding>> {
    let mut why = "its rows are not those exported".to_owned();
    if let [table] = &group.tables[..] {
        match bare_numbers::explain(run, session, table, found).await {
            Ok(Some(finding)) => return Ok(Ok(finding)),
            Ok(None) => {}
            Err(error) if error.ends_all() => return Err(error),
            Err(error) => {
                let _ = write!(
                    why,
                    "; whether only numbers of objects that are gone read otherwise cannot be told: {}",
                    error.chain()
                );
            }
        }
    }
    Ok(Err(Finding::new(group.what(), why)))
}

/// A generated column whose values came out otherwise than they were exported, with what a person can ask
/// the source.
async fn computed_otherwise(session: &Session, group: &Group<'_>, column: &str) -> Result<Finding> {
    let (name, only) = (group.name, !group.moved);
    let sql = match read_back::find_computed_otherwise(session, name, only, column).await {
        Err(error) if error.ends_all() => return Err(error),
        other => other.ok().flatten(),
    };
    let what = format!("generated column {} of {name}", column.escape_debug());
    let mut why = "its values, computed anew, are not those exported".to_owned();
    if let Some(sql) = &sql {
        let _ = write!(
            why,
            "; the source shows rows that it would compute otherwise by: {sql}"
        );
    }
    Ok(Finding {
        sql,
        ..Finding::new(what, why)
    })
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
    let pages = read_back::digest(session, &sql, RowShape::default(), what).await?;
    let differs = pages.rows != expected.pages;
    Ok(differs.then(|| Finding::new(what, "their content is not what was exported")))
}
