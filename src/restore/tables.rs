//! The tables' rows: parts fetched, checked, opened and copied in parallel, big tables first.

mod load;
mod queue;
mod worker;

use futures_util::future::try_join_all;

use self::load::{TableLoad, TargetTables};
use self::queue::PartQueue;
use self::worker::Worker;
use super::phases::TABLES;
use super::run::{Inputs, Run};
use crate::error::Result;
use crate::model::catalog::{Name, Table};
use crate::model::finding::Finding;
use crate::model::manifest::{TableParts, is_large_objects};
use crate::pg::target::resume_state::{LoadedPart, LoadedParts};
use crate::pg::target::{foreign, server};

/// Tables of the manifest that were chosen, with their catalog entry.
pub(super) fn chosen<'a>(inputs: Inputs<'a>) -> Result<Vec<(&'a Table, &'a TableParts)>> {
    let selection = inputs.selection;
    inputs
        .point
        .tables(inputs.catalog, |table| selection.has(table))
}

/// Chosen tables that are there, not all of whose parts are loaded. One that is not there is reported
/// by the comparison.
async fn incomplete<'a>(
    run: &Run<'a>,
    loaded: &LoadedParts,
) -> Result<Vec<(&'a Table, &'a TableParts)>> {
    let present = server::tables(&run.session).await?;
    let mut tables = chosen(run.inputs)?;
    tables.retain(|(table, parts)| {
        let count = parts_of(loaded, parts.oid).count() as u64;
        present.contains_key(&table.name) && count != parts.parts
    });
    Ok(tables)
}

/// Whether every chosen table that is there has all its parts.
pub(super) async fn are_complete(run: &Run<'_>) -> Result<bool> {
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    Ok(incomplete(run, &loaded).await?.is_empty())
}

/// The loaded parts of one table, by its OID in the source.
pub(super) fn parts_of(loaded: &LoadedParts, oid: u32) -> impl Iterator<Item = &LoadedPart> {
    loaded
        .range((oid, 0)..=(oid, u64::MAX))
        .map(|(_, part)| part)
}

/// Names of the tables that are there, not all of whose parts are loaded.
pub(super) async fn incomplete_names(run: &Run<'_>) -> Result<Vec<Name>> {
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    let tables = incomplete(run, &loaded).await?.into_iter();
    Ok(tables.map(|(table, _)| table.name.clone()).collect())
}

/// Loads what is chosen and not loaded yet, as long as a pass brings at least one part more: the rows
/// that a CHECK looks for may be in another table. Whether anything came.
pub(super) async fn load(run: &mut Run<'_>) -> Result<bool> {
    let mut helped = false;
    let mut loaded = run.state.loaded_parts(&run.session, None).await?;
    loop {
        run.refused = load_once(run, &loaded).await?;
        let now = run.state.loaded_parts(&run.session, None).await?;
        let more = now.len() > loaded.len();
        helped |= more;
        if run.refused.is_empty() || !more {
            return Ok(helped);
        }
        loaded = now;
    }
}

/// Returns the tables whose rows the server refused.
async fn load_once(run: &Run<'_>, loaded: &LoadedParts) -> Result<Vec<Finding>> {
    let tables = incomplete(run, loaded).await?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    // The rows are to stay as they were. Keys need no check: all rows are compared, unless some are left
    // out.
    let triggers_off = run.has_triggers.then_some(run.inputs.selection.whole);
    // Two sessions that switch one table's triggers would wait for each other.
    let jobs = if triggers_off.is_some() { 1 } else { run.jobs };
    let target = TargetTables {
        foreign_roots: foreign::roots(&run.session).await?,
        money: server::money_tables(&run.session).await?,
        money_is_plain: run.own.money_is_plain,
    };
    let encoding = &run.session.server_encoding;
    let loads: Vec<_> = tables
        .into_iter()
        .map(|(table, parts)| TableLoad::of_table(table, parts, encoding, triggers_off, &target))
        .collect();
    let total = loads.iter().map(|load| load.parts.copy_bytes).sum();
    let progress = run.inputs.context.progress;
    progress.phase(TABLES, Some(total));
    load_all(run, &loads, loaded, jobs).await
}

/// Reports tables whose rows, and sequences whose values, the server refuses to the last.
pub(super) fn report(run: &mut Run<'_>, refused: Vec<Finding>) {
    let (unproven, failures): (Vec<_>, Vec<_>) = refused
        .into_iter()
        .partition(|one| run.not_tried.excuses(&one.why));
    run.report.unproven.extend(unproven);
    run.report.failures.extend(failures);
}

/// Loads pages and properties of the large objects, one after the other.
pub(super) async fn restore_large_objects(run: &mut Run<'_>) -> Result<()> {
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    let encoding = &run.session.server_encoding;
    let tables = run.inputs.point.manifest.tables.iter();
    let loads: Vec<_> = tables
        .filter(|parts| is_large_objects(parts.oid))
        .map(|parts| TableLoad::of_large_objects(parts, encoding))
        .collect();
    let refused = load_all(run, &loads, &loaded, 1).await?;
    run.report.failures.extend(refused);
    Ok(())
}

/// Loads in parallel, and returns the tables whose rows the server refused.
async fn load_all(
    run: &Run<'_>,
    loads: &[TableLoad<'_>],
    loaded: &LoadedParts,
    jobs: usize,
) -> Result<Vec<Finding>> {
    if loads.is_empty() {
        return Ok(Vec::new());
    }
    let queue = PartQueue::new(run.inputs, loads, loaded);
    let parts: u64 = loads.iter().map(|load| load.parts.parts).sum();
    let jobs = jobs.min(usize::try_from(parts).unwrap_or(usize::MAX));
    let workers = (0..jobs.max(1)).map(|_| async { Worker::connect(run).await?.run(&queue).await });
    try_join_all(workers).await?;
    let refused = loads.iter().filter_map(|load| {
        let error = load.refusal()?;
        Some(Finding::new(load.direct.what.clone(), error.chain()))
    });
    Ok(refused.collect())
}
