//! The tables' rows: parts fetched, checked, opened and copied in parallel, big tables first.

mod feed;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;

use self::feed::Feed;
use self::worker::Worker;
use super::report::Trouble;
use super::{Run, untried};
use crate::error::{Error, Result};
use crate::model::catalog::{Name, Table};
use crate::model::manifest::{self, LARGE_OBJECT_PAGES, TableParts};
use crate::pg::target::load::{self, Destination};
use crate::pg::target::resume_state::LoadedParts;
use crate::pg::target::{foreign, large_objects, server};

/// One table to load, and how it goes.
pub(super) struct Load<'a> {
    pub parts: &'a TableParts,
    pub direct: Destination,
    /// Through the topmost parent: where the rows' partitions may be others than in the source.
    pub root: Option<(Name, Destination)>,
    /// The root, where rows through it could reach a foreign server.
    pub foreign_root: Option<Name>,
    /// From now on all of it goes through the root.
    pub through_root: AtomicBool,
    /// Why the server refuses these rows.
    refused: Mutex<Option<Error>>,
}

impl<'a> Load<'a> {
    /// `off`: no trigger may fire, where true none of a key either.
    fn of_table(table: &Table, parts: &'a TableParts, encoding: &str, off: Option<bool>) -> Self {
        let to = |name: &Name, through_root| Destination {
            table_oid: table.oid,
            before: off.map_or_else(String::new, |keys| load::triggers_off(name, keys)),
            sql: load::copy_in(name, &table.columns, encoding),
            after: off.map_or("", |_| load::TRIGGERS_ON).to_owned(),
            what: format!("table {name}"),
            through_root,
        };
        Self {
            parts,
            direct: to(&table.name, false),
            root: table
                .root
                .as_ref()
                .map(|root| (root.clone(), to(root, true))),
            foreign_root: None,
            through_root: AtomicBool::new(table.through_root && table.root.is_some()),
            refused: Mutex::new(None),
        }
    }

    /// Rows go into their own tables only: through the root they could go to a foreign server.
    fn only_direct(mut self, above_foreign: &BTreeSet<Name>) -> Self {
        if let Some((root, to)) = self.root.take() {
            if above_foreign.contains(&root) {
                self.through_root = AtomicBool::new(false);
                self.foreign_root = Some(root);
            } else {
                self.root = Some((root, to));
            }
        }
        self
    }

    fn of_large_objects(parts: &'a TableParts, encoding: &str) -> Self {
        Self {
            parts,
            direct: match parts.oid {
                LARGE_OBJECT_PAGES => large_objects::pages(encoding),
                _ => large_objects::properties(encoding),
            },
            root: None,
            foreign_root: None,
            through_root: AtomicBool::new(false),
            refused: Mutex::new(None),
        }
    }

    /// The first reason counts.
    pub fn refuse(&self, error: Error) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get_or_insert(error);
    }

    pub fn is_refused(&self) -> bool {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn take_refusal(&self) -> Option<Error> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Tables of the manifest that were chosen, with their catalog entry.
pub(super) fn chosen<'r>(run: &'r Run<'_>) -> Result<Vec<(&'r Table, &'r TableParts)>> {
    let manifest = &run.means.point.manifest;
    let parts: BTreeMap<u32, &TableParts> = manifest
        .tables
        .iter()
        .map(|table| (table.oid, table))
        .collect();
    let mut chosen = Vec::new();
    for table in run
        .catalog
        .tables
        .iter()
        .filter(|table| run.selection.has(table))
    {
        let listed = parts.get(&table.oid);
        if listed.map_or(0, |parts| parts.rows) != table.digest.rows {
            return Err(Error::damaged(format!(
                "manifest and catalog of {} do not agree about table {}",
                manifest.id, table.name
            )));
        }
        if let Some(parts) = listed {
            chosen.push((table, *parts));
        }
    }
    Ok(chosen)
}

/// What rows need may come only later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    First,
    /// Columns may hold names of indexes.
    WithIndexes,
    /// Everything was tried again: tables that the server still refuses are reported.
    Last,
}

/// Loads what is chosen and not loaded yet.
pub async fn restore(run: &mut Run<'_>, chance: Chance) -> Result<()> {
    let there = server::tables(&run.session).await?;
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    // An earlier run may have made the triggers already, and the rows are to stay as they were. Keys
    // need no check: all rows are compared, unless some are left out.
    let later = chance != Chance::First;
    let off = (later && run.report.resumed).then_some(run.selection.whole);
    // Two sessions that switch one table's triggers would wait for each other.
    let jobs = if off.is_some() { 1 } else { run.jobs };
    // A table that is not there is reported when all is compared.
    let above_foreign = foreign::roots(&run.session).await?;
    let loads: Vec<Load<'_>> = chosen(run)?
        .into_iter()
        .filter(|(table, parts)| there.contains_key(&table.name) && !is_loaded(parts, &loaded))
        .map(|(table, parts)| {
            Load::of_table(table, parts, &run.encoding, off).only_direct(&above_foreign)
        })
        .collect();
    let total = loads.iter().map(|load| load.parts.copy_bytes).sum();
    run.means.progress.phase("tables", Some(total));
    all(run, &loads, &loaded, jobs).await?;
    let refused: Vec<Trouble> = loads
        .iter()
        .filter_map(|load| {
            let error = load.take_refusal()?;
            Some(Trouble::new(load.direct.what.clone(), error.chain()))
        })
        .collect();
    if chance == Chance::Last {
        let nobody = run.options.nobody.is_some();
        let (unproven, failures): (Vec<_>, Vec<_>) = refused.into_iter().partition(|one| {
            nobody && (untried::is_powerless(&one.why) || run.left_out.is_missed_by(&one.why))
        });
        run.report.unproven.extend(unproven);
        run.report.failures.extend(failures);
    }
    Ok(())
}

/// Loads pages and properties of the large objects, one after the other.
pub(super) async fn restore_large_objects(run: &mut Run<'_>) -> Result<()> {
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    let manifest = &run.means.point.manifest;
    let of_large_objects = |parts: &&TableParts| manifest::is_large_objects(parts.oid);
    let loads: Vec<Load<'_>> = manifest
        .tables
        .iter()
        .filter(of_large_objects)
        .map(|parts| Load::of_large_objects(parts, &run.encoding))
        .collect();
    all(run, &loads, &loaded, 1).await?;
    for load in &loads {
        if let Some(error) = load.take_refusal() {
            run.report
                .failures
                .push(Trouble::new(load.direct.what.clone(), error.chain()));
        }
    }
    Ok(())
}

/// Whether every chosen table that is there has all its parts.
pub async fn are_complete(run: &Run<'_>) -> Result<bool> {
    let there = server::tables(&run.session).await?;
    let loaded = run.state.loaded_parts(&run.session, None).await?;
    Ok(chosen(run)?
        .iter()
        .filter(|(table, _)| there.contains_key(&table.name))
        .all(|(_, parts)| is_loaded(parts, &loaded)))
}

fn is_loaded(parts: &TableParts, loaded: &LoadedParts) -> bool {
    let noted = loaded.range((parts.oid, 0)..=(parts.oid, u64::MAX)).count();
    noted as u64 == parts.parts
}

async fn all(run: &Run<'_>, loads: &[Load<'_>], loaded: &LoadedParts, jobs: usize) -> Result<()> {
    if loads.is_empty() {
        return Ok(());
    }
    let feed = Feed::new(run, loads, loaded);
    let roots: BTreeSet<&Name> = loads
        .iter()
        .filter_map(|load| Some(&load.root.as_ref()?.0))
        .collect();
    let roots: BTreeMap<&Name, tokio::sync::Mutex<()>> = roots
        .into_iter()
        .map(|root| (root, tokio::sync::Mutex::new(())))
        .collect();
    let parts: u64 = loads.iter().map(|load| load.parts.parts).sum();
    let jobs = jobs
        .min(usize::try_from(parts).unwrap_or(usize::MAX))
        .max(1);
    let workers =
        (0..jobs).map(|_| async { Worker::connect(run, &roots).await?.work(&feed).await });
    try_join_all(workers).await.map(drop)
}
