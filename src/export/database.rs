//! The export of one database: a recipe that reads from top to bottom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use super::plan::Plan;
use super::report::{DatabaseReport, PlannedTable};
use super::stop::Stop;
use super::watchdog::Watchdog;
use super::worker::{self, RateLimit, Shared};
use super::{Run, Source, new_id, records};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::{FORMAT, Manifest, Previous};
use crate::pg::catalog::{self, Instance, SourceTable};
use crate::pg::conninfo::Server;
use crate::pg::dump;
use crate::pg::names;
use crate::pg::session::{Purpose, Session};
use crate::pg::snapshot::ExportedSnapshot;
use crate::pg::tools::{self, Tool, ToolPath};
use crate::repository::{Place, PointWriter};
use crate::sign::Trust;

/// Exports the database that `server` names. Where values' names changed meanwhile it starts over,
/// once.
pub async fn export(run: &Run<'_>, source: &Source, server: &Server) -> Result<DatabaseReport> {
    match attempt(run, source, server).await {
        Ok(Outcome::Done(report)) => return Ok(*report),
        Ok(Outcome::NamesChanged(what)) => run.means.progress.note(&format!(
            "{what} changed during the export of {}: starting over",
            server.database
        )),
        Err(error) => return Err(error),
    }
    match attempt(run, source, server).await? {
        Outcome::Done(report) => Ok(*report),
        Outcome::NamesChanged(what) => Err(Error::refused(format!(
            "{what} of database {} changed again during the export: its rows would not load",
            server.database
        ))
        .hint("export while no schema migration runs")),
    }
}

enum Outcome {
    Done(Box<DatabaseReport>),
    /// What printed otherwise at the end than at the start.
    NamesChanged(String),
}

async fn attempt(run: &Run<'_>, source: &Source, server: &Server) -> Result<Outcome> {
    let begun = Instant::now();
    let started_at = run.means.clock.now();
    let place = Place {
        source: source.name.clone(),
        database: server.database.clone(),
        id: new_id(started_at)?,
    };
    let application = format!("lifeboat {}", place.id);

    let connecting = Session::connect(server, &application, Purpose::Read);
    let scout = run.means.interrupt.or(connecting).await?;
    scout.refuse_pooler()?;
    let instance = catalog::read_instance(&scout).await?;
    let pg_dump = tools::find(Tool::PgDump, scout.major(), true, &run.options.tool_dirs)?;
    let large_objects = check_large_objects(&scout).await?;
    check_lock_slots(
        &instance,
        catalog::lock_targets(&scout).await?.len(),
        run.jobs,
    )?;

    let taking = ExportedSnapshot::take(server, &application, &scout, run.options.ddl_wait);
    let snapshot = run.means.interrupt.or(taking).await?;
    let held_since = Instant::now();
    let with_objects = snapshot
        .tables
        .iter()
        .any(|source| source.table.has_reg_columns);
    let printed = names::read(&snapshot.session, with_objects).await?;
    let (tables, unread) = readable(&snapshot.tables, &instance);
    let mut catalog = records::read_catalog(&snapshot.session, &tables).await?;
    catalog.not_covered.extend(unread);
    let plan = Arc::new(Plan::new(
        &tables,
        large_objects > 0,
        scout.server_version_num,
        &scout.server_encoding,
    ));
    let mut report = DatabaseReport {
        source: place.source.clone(),
        database: place.database.clone(),
        id: None,
        snapshot_at: snapshot.taken_at,
        tables: tables.len() as u64,
        rows: 0,
        large_objects,
        copy_bytes: plan.estimated_bytes,
        stored_bytes: None,
        parts: 0,
        jobs: run.jobs,
        seconds: 0.0,
        snapshot_seconds: 0.0,
        not_covered: catalog.not_covered.clone(),
        plan: None,
        warnings: Vec::new(),
    };
    if run.options.dry_run {
        report.plan = Some(planned(&tables, &scout));
        return Ok(Outcome::Done(Box::new(report)));
    }

    let writer = run.means.repository.point_writer(place.clone(), run.locks);
    let export = Export {
        run,
        server,
        application: &application,
        scout: &scout,
    };
    let schema = export
        .read_rows(&snapshot, &plan, &pg_dump, &writer)
        .await?;
    let printed_now = names::read(&scout, with_objects).await?;
    if let Some(what) = names::first_change(&printed, &printed_now) {
        return Ok(Outcome::NamesChanged(what));
    }
    snapshot.check_files().await?;
    let snapshot_at = snapshot.taken_at;
    snapshot.release().await?;
    report.snapshot_seconds = held_since.elapsed().as_secs_f64();

    let stored = records::fill_in(&mut catalog, &plan)?;
    let (previous, warning) = find_previous(run, &place).await;
    report.warnings.extend(warning);
    let mut manifest = Manifest {
        format: FORMAT,
        repository: run.marker.repository.clone(),
        id: place.id.clone(),
        run: run.id.clone(),
        source: place.source.clone(),
        database: place.database.clone(),
        tool: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
        server_version: instance.version,
        server_version_num: scout.server_version_num,
        pg_dump_major: pg_dump.major,
        system_identifier: instance.system_identifier,
        started_at,
        snapshot_at,
        finished_at: run.means.clock.now(),
        previous,
        lock: run.locks.promised(),
        recipients: run.means.sealer.recipients(),
        objects: Vec::new(),
        tables: stored,
        not_covered: records::kinds(&catalog.not_covered),
    };
    let config = &run.options.config_text;
    manifest.objects =
        records::store(run.means, &writer, &catalog, &manifest, &schema, config).await?;
    run.means.interrupt.check()?;
    writer.commit(&manifest, run.means.signer).await?;

    report.id = Some(manifest.id.clone());
    report.rows = manifest.rows();
    report.copy_bytes = manifest.copy_bytes();
    report.stored_bytes = Some(manifest.stored_bytes());
    report.parts = manifest.parts();
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(Outcome::Done(Box::new(report)))
}

/// The part of an export that runs in parallel.
struct Export<'a> {
    run: &'a Run<'a>,
    server: &'a Server,
    application: &'a str,
    scout: &'a Session,
}

impl Export<'_> {
    /// Reads and stores every row, and returns pg_dump's archive of the schema.
    async fn read_rows(
        &self,
        snapshot: &ExportedSnapshot,
        plan: &Arc<Plan>,
        pg_dump: &ToolPath,
        writer: &PointWriter,
    ) -> Result<Vec<u8>> {
        let run = self.run;
        run.means.progress.phase("rows", Some(plan.estimated_bytes));
        let stop = Stop::new();
        let read = Arc::new(AtomicU64::new(0));
        let shared = Shared {
            server: self.server.clone(),
            application: self.application.to_owned(),
            snapshot_id: snapshot.id.clone(),
            plan: Arc::clone(plan),
            writer: writer.clone(),
            sealer: run.means.sealer.clone(),
            stop: stop.clone(),
            limit: run
                .options
                .rate_limit
                .map(|rate| Arc::new(RateLimit::new(rate))),
            read: Arc::clone(&read),
            uploads: tokio::runtime::Handle::current(),
        };
        let mut workers = JoinSet::new();
        for _ in 0..run.jobs.min(plan.slices) {
            let shared = shared.clone();
            workers.spawn_blocking(move || worker::run(shared));
        }
        let watchdog = Watchdog {
            snapshot,
            scout: self.scout,
            application: self.application,
            ddl_wait: run.options.ddl_wait,
            read: &read,
            progress: run.means.progress,
            interrupt: run.means.interrupt,
        };
        let dump = dump::schema(
            pg_dump,
            self.server,
            self.application,
            &snapshot.id,
            run.options.ddl_wait,
        );
        let work = async {
            let all = async { while workers.join_next().await.is_some() {} };
            let (schema, ()) = tokio::join!(stop_on_error(&stop, dump), all);
            schema
        };
        let schema = tokio::select! {
            schema = work => schema,
            Err(error) = watchdog.run() => {
                stop.fail(error);
                None
            }
        };
        // Workers end by themselves once stopped; nothing may still write when we return.
        while workers.join_next().await.is_some() {}
        run.means.progress.advance(read.load(Ordering::Relaxed));
        match (stop.take(), schema) {
            (Some(error), _) => Err(error),
            (None, Some(schema)) => Ok(schema),
            (None, None) => Err(Error::failed("the export stopped without a reason")),
        }
    }
}

/// A failure stops the others; the first one is reported by whoever waits for all.
async fn stop_on_error<T>(stop: &Stop, work: impl Future<Output = Result<T>>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => match done {
            Ok(value) => Some(value),
            Err(error) => {
                stop.fail(error);
                None
            }
        },
        () = stop.wait() => None,
    }
}

/// Each table is locked twice, by us and by pg_dump. An application must still find its own locks.
fn check_lock_slots(instance: &Instance, tables: usize, jobs: usize) -> Result<()> {
    let needed = 2 * tables as u64 + jobs as u64;
    let free = instance.lock_slots.saturating_sub(instance.locks_held);
    if free >= needed + instance.lock_slots / 4 {
        return Ok(());
    }
    let wanted = (needed + instance.locks_held) * 4 / 3 / (instance.lock_slots / 64).max(1) + 1;
    Err(Error::refused(format!(
        "{tables} tables need {needed} lock slots; {free} of {} are free, and a quarter must stay free",
        instance.lock_slots
    ))
    .hint(format!(
        "raise max_locks_per_transaction (about {} times its value) and restart the server",
        wanted.div_ceil(64).max(2)
    )))
}

async fn check_large_objects(scout: &Session) -> Result<u64> {
    let count = catalog::count_large_objects(scout).await?;
    let unreadable = if count > 0 {
        catalog::unreadable_large_objects(scout).await?
    } else {
        0
    };
    if unreadable == 0 {
        return Ok(count);
    }
    Err(Error::new(
        Kind::Denied,
        format!("{unreadable} of {count} large objects may not be read by this user"),
    )
    .hint("pg_read_all_data does not cover them: GRANT SELECT ON LARGE OBJECT, or make the user a member of their owners"))
}

/// The tables that hold rows we can read, and what is left out.
fn readable(
    tables: &[SourceTable],
    instance: &Instance,
) -> (
    Vec<SourceTable>,
    Option<crate::model::catalog::NotCoveredNames>,
) {
    let with_rows = tables.iter().filter(|source| !source.partitioned);
    // A standby has no rows of unlogged tables.
    let (read, left): (Vec<_>, Vec<_>) = with_rows
        .cloned()
        .partition(|source| !(instance.in_recovery && source.unlogged));
    let left: Vec<String> = left
        .iter()
        .map(|source| source.table.name.to_string())
        .collect();
    let left = (!left.is_empty()).then(|| crate::model::catalog::NotCoveredNames {
        kind: "unlogged tables of a standby".to_owned(),
        names: left,
    });
    (read, left)
}

fn planned(tables: &[SourceTable], scout: &Session) -> Vec<PlannedTable> {
    tables
        .iter()
        .map(|source| PlannedTable {
            table: source.table.name.to_string(),
            table_bytes: source.table.table_bytes,
            slices: crate::pg::slice::cut(source, scout.server_version_num).len(),
        })
        .collect()
}

/// The newest restore point before this one; a reader that follows the chain notices a missing one.
async fn find_previous(run: &Run<'_>, place: &Place) -> (Option<Previous>, Option<String>) {
    let look = async {
        let repository = run.means.repository;
        let found = repository
            .find(Some(&place.source), Some(&place.database))
            .await?;
        let Some(newest) = found.last() else {
            return Ok(None);
        };
        let trust = Trust {
            fingerprints: vec![run.means.signer.fingerprint()?],
        };
        let point = repository.open(newest, &trust).await?;
        Ok::<_, Error>(Some(Previous {
            id: newest.id.clone(),
            sha256: point.body_sha256,
        }))
    };
    match look.await {
        Ok(previous) => (previous, None),
        // Not a reason to have no backup tonight.
        Err(error) => (
            None,
            Some(format!(
                "the previous restore point cannot be read: {}",
                error.chain()
            )),
        ),
    }
}
