//! Indexes and keys of large tables, each by a pg_restore of its own: those of the largest tables first, and with
//! workers of the server's where fewer are built than there are jobs. pg_restore alone knows no sizes here, and may
//! begin with the longest one last.

mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use self::schedule::{Build, Schedule};
use super::outcomes::record;
use super::run::Run;
use super::tables::chosen;
use crate::error::{Error, Result};
use crate::model::catalog::{Constraint, ConstraintKind, Name};
use crate::pg::session::{Purpose, Session};
use crate::pg::target::archive::{IndexBuild, Outcome};
use crate::pg::target::server;
use crate::pg::target::toc::{Entry, Section};

/// COPY text from which a table's indexes are worth a pg_restore each: it reads the whole table of contents,
/// some 30 ms for 5,000 tables.
const LARGE_BYTES: u64 = 32 << 20;

/// Builds those of large tables that are among the chosen entries. Returns the ids of the entries that were tried:
/// what failed of them is recorded.
pub(super) async fn build_large(
    run: &mut Run<'_>,
    is_chosen: impl Fn(&Entry) -> bool,
) -> Result<BTreeSet<u32>> {
    let builds = large(run, is_chosen)?;
    if builds.is_empty() {
        return Ok(BTreeSet::new());
    }
    let application = run.inputs.application();
    let session = Session::connect(&run.own.server, &application, Purpose::Compute).await?;
    let memory_kb = server::maintenance_work_mem(&session).await?;
    session.close().await;
    let (built, failure) = build(run, Schedule::new(builds, run.jobs), memory_kb).await;
    let mut tried = BTreeSet::new();
    for (id, outcome) in &built {
        record(run, outcome).await?;
        tried.insert(*id);
    }
    match failure {
        Some(error) if error.ends_all() => Err(error),
        _ => Ok(tried),
    }
}

/// What became of each entry that was tried. After a failure of pg_restore itself, for which there was no session
/// left for example, nothing more is started, and what runs comes to its end: it may be hours old.
async fn build(
    run: &Run<'_>,
    mut schedule: Schedule,
    memory_kb: u64,
) -> (Vec<(u32, Outcome)>, Option<Error>) {
    let archive = &run.archive;
    let (mut built, mut failure) = (Vec::new(), None);
    let mut running = FuturesUnordered::new();
    loop {
        while failure.is_none()
            && let Some((build, processes)) = schedule.start()
        {
            running.push(async move {
                let with = IndexBuild::with(processes, memory_kb);
                let outcome = archive.build_index(&build.entry, with).await;
                (build.entry.id, outcome)
            });
        }
        let Some((id, outcome)) = running.next().await else {
            return (built, failure);
        };
        schedule.end(id);
        match outcome {
            Ok(outcome) => built.push((id, outcome)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
}

/// The catalog knows tables and indexes by name, as the entries do, and a name with spaces may be taken for another's:
/// an entry is taken once, and what is passed over is built with all others.
fn large(run: &Run<'_>, is_chosen: impl Fn(&Entry) -> bool) -> Result<Vec<Build>> {
    let tables = chosen(run.inputs)?.into_iter();
    let large: BTreeMap<&Name, u64> = tables
        .map(|(table, parts)| (&table.name, parts.copy_bytes))
        .filter(|(_, bytes)| *bytes >= LARGE_BYTES)
        .collect();
    let made = |entry: &&Entry| {
        entry.section == Section::PostData
            && matches!(entry.kind.as_str(), "INDEX" | "CONSTRAINT")
            && is_chosen(entry)
    };
    let entries = run.entries.iter().filter(made);
    let by_names: BTreeMap<(&str, &str), &Entry> = entries
        .map(|entry| ((entry.kind.as_str(), entry.names.as_str()), entry))
        .collect();
    let constraints = run.inputs.catalog.constraints.iter();
    let mut taken = BTreeSet::new();
    let builds = constraints.filter_map(|constraint| {
        let bytes = *large.get(&constraint.on)?;
        let (is_key, names) = listed(constraint)?;
        let kind = if is_key { "CONSTRAINT" } else { "INDEX" };
        let (_, entry) = by_names.range((kind, names.as_str())..).next()?;
        let is_its_own = entry.kind == kind && entry.names.starts_with(&names);
        (is_its_own && taken.insert(entry.id)).then(|| Build {
            entry: (*entry).clone(),
            table: constraint.on.clone(),
            bytes,
            is_key,
        })
    });
    Ok(builds.collect())
}

/// Whether it is a key, and how the names of its entry begin.
fn listed(constraint: &Constraint) -> Option<(bool, String)> {
    let Constraint { on, name, kind, .. } = constraint;
    match kind {
        ConstraintKind::Index | ConstraintKind::UniqueIndex => {
            Some((false, format!("{} {name} ", on.schema)))
        }
        ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::Exclusion => {
            Some((true, format!("{} {} {name} ", on.schema, on.name)))
        }
        ConstraintKind::ForeignKey | ConstraintKind::Check => None,
    }
}
