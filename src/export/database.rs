//! The export of one database: a recipe that reads from top to bottom.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::plan::Plan;
use super::report::{DatabaseReport, PlannedTable};
use super::watchdog::Watchdog;
use super::{Run, Source, checks, new_id, records, rows};
use crate::error::{Error, Result};
use crate::model::catalog::Catalog;
use crate::model::manifest::{FORMAT, Manifest, Previous, TableParts};
use crate::pg::connect::server::Server;
use crate::pg::local::tools::{self, Tool, ToolPath};
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::{self, Instance, SourceTable};
use crate::pg::source::names::{self, Printed};
use crate::pg::source::slice;
use crate::pg::source::snapshot::ExportedSnapshot;
use crate::repository::PointPath;

/// Exports the database that `server` names. Where values' names changed meanwhile it starts over,
/// once.
pub(super) async fn export(
    run: &Run<'_>,
    source: &Source,
    server: &Server,
) -> Result<DatabaseReport> {
    match attempt(run, source, server).await {
        Ok(Outcome::Done(report)) => return Ok(*report),
        Ok(Outcome::NamesChanged(what)) => run.context.progress.note(&format!(
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
        .hint("export while no schema migration and no GRANT ON SCHEMA runs")),
    }
}

enum Outcome {
    Done(Box<DatabaseReport>),
    /// What printed otherwise at the end than at the start.
    NamesChanged(String),
}

async fn attempt(run: &Run<'_>, source: &Source, server: &Server) -> Result<Outcome> {
    let begun = Instant::now();
    let subject = Subject::prepare(run, source, server).await?;
    let held = subject.take_snapshot().await?;
    let mut report = subject.report(&held);
    if run.options.dry_run {
        report.plan = Some(subject.planned(&held.noted.tables));
        return Ok(Outcome::Done(Box::new(report)));
    }

    let writer = run
        .repository
        .point_writer(subject.place.clone(), run.locks);
    let schema = rows::read(&subject, &held, &writer).await?;
    let Held {
        snapshot,
        noted,
        since,
    } = held;
    let printed_now = names::read(&subject.scout, noted.prints_objects).await?;
    if let Some(what) = names::first_change(&noted.printed, &printed_now) {
        return Ok(Outcome::NamesChanged(what));
    }
    snapshot.check_files().await?;
    snapshot.release().await?;
    report.snapshot_seconds = since.elapsed().as_secs_f64();

    let mut catalog = noted.catalog;
    let stored = records::fill_in(&mut catalog, &noted.plan)?;
    let (previous, finding) = find_previous(run, &subject.place).await;
    report.findings.extend(finding);
    let mut manifest = subject.manifest(&catalog, stored, previous, &report);
    manifest.objects = records::store(run, &writer, &catalog, &manifest, &schema).await?;
    run.context.interrupt.check()?;
    writer.commit(&manifest, run.keys.signer).await?;

    report.id = Some(manifest.id.clone());
    report.rows = manifest.rows();
    report.copy_bytes = manifest.copy_bytes();
    report.stored_bytes = Some(manifest.stored_bytes());
    report.parts = manifest.parts();
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(Outcome::Done(Box::new(report)))
}

/// What is exported, where to, and with what.
pub(super) struct Subject<'a> {
    pub run: &'a Run<'a>,
    pub server: &'a Server,
    pub place: PointPath,
    /// What all sessions of this export call themselves.
    pub application: String,
    /// A session beside the snapshot's: sees the present.
    pub scout: Session,
    pub pg_dump: ToolPath,
    instance: Instance,
    started_at: jiff::Timestamp,
}

/// The snapshot, and what was read in it before the rows.
pub(super) struct Held {
    pub snapshot: ExportedSnapshot,
    pub noted: Noted,
    since: Instant,
}

/// Read in the snapshot before the rows.
pub(super) struct Noted {
    pub plan: Arc<Plan>,
    tables: Vec<SourceTable>,
    catalog: Catalog,
    large_objects: u64,
    printed: Printed,
    prints_objects: bool,
}

impl<'a> Subject<'a> {
    async fn prepare(run: &'a Run<'_>, source: &Source, server: &'a Server) -> Result<Self> {
        let started_at = run.context.clock.now();
        let place = PointPath {
            source: source.name.clone(),
            database: server.database.clone(),
            id: new_id(started_at)?,
        };
        let application = format!("lifeboat {}", place.id);
        let connecting = Session::connect(server, &application, Purpose::Read);
        let scout = run.context.interrupt.or(connecting).await?;
        scout.refuse_pooler()?;
        let instance = catalog::read_instance(&scout).await?;
        let pg_dump = tools::find(Tool::PgDump, scout.major(), true, &run.options.tool_dirs)?;
        let tables = catalog::lock_targets(&scout).await?.len();
        checks::table_count(tables)?;
        checks::lock_slots(&instance, tables, run.jobs)?;
        Ok(Self {
            run,
            server,
            place,
            application,
            scout,
            pg_dump,
            instance,
            started_at,
        })
    }

    async fn take_snapshot(&self) -> Result<Held> {
        let wait = self.run.options.ddl_wait;
        let taking = ExportedSnapshot::take(self.server, &self.application, &self.scout, wait);
        let snapshot = self.run.context.interrupt.or(taking).await?;
        let since = Instant::now();
        let nothing_read = AtomicU64::new(0);
        let reading = self.read_catalog(&snapshot);
        let watchdog = self.watchdog(&snapshot);
        let noted = watchdog.guard(&nothing_read, reading).await?;
        Ok(Held {
            snapshot,
            noted,
            since,
        })
    }

    /// Reads all but the rows, under the snapshot.
    async fn read_catalog(&self, snapshot: &ExportedSnapshot) -> Result<Noted> {
        let session = &snapshot.session;
        // In the snapshot: what is made now is in it or not, never counted wrong.
        let large_objects = checks::large_objects(session).await?;
        let prints_objects = names::prints_objects(session).await?;
        let printed = names::read(session, prints_objects).await?;
        let (tables, unread) = checks::readable(&snapshot.tables, &self.instance);
        let mut catalog = records::read_catalog(session, &tables).await?;
        catalog.not_covered.extend(unread);
        let plan = Arc::new(Plan::new(
            &tables,
            large_objects > 0,
            self.scout.server_version_num,
            &self.scout.server_encoding,
        ));
        Ok(Noted {
            plan,
            tables,
            catalog,
            large_objects,
            printed,
            prints_objects,
        })
    }

    pub(super) fn watchdog<'b>(&'b self, snapshot: &'b ExportedSnapshot) -> Watchdog<'b> {
        Watchdog {
            context: self.run.context,
            holder: &snapshot.session,
            scout: &self.scout,
            application: &self.application,
            ddl_wait: self.run.options.ddl_wait,
        }
    }

    fn report(&self, held: &Held) -> DatabaseReport {
        DatabaseReport {
            source: self.place.source.clone(),
            database: self.place.database.clone(),
            id: None,
            snapshot_at: held.snapshot.taken_at,
            tables: held.noted.tables.len() as u64,
            rows: 0,
            large_objects: held.noted.large_objects,
            copy_bytes: held.noted.plan.estimated_bytes,
            stored_bytes: None,
            parts: 0,
            jobs: self.run.jobs,
            seconds: 0.0,
            snapshot_seconds: 0.0,
            not_covered: held.noted.catalog.not_covered.clone(),
            plan: None,
            findings: checks::stale_pg_dump(&self.pg_dump, self.scout.server_version_num)
                .into_iter()
                .collect(),
        }
    }

    fn planned(&self, tables: &[SourceTable]) -> Vec<PlannedTable> {
        let planned = tables.iter().map(|source| PlannedTable {
            table: source.table.name.to_string(),
            table_bytes: source.table.table_bytes,
            slices: slice::cut(source, self.scout.server_version_num).len(),
        });
        planned.collect()
    }

    /// All of the manifest but the objects that are stored next.
    fn manifest(
        &self,
        catalog: &Catalog,
        tables: Vec<TableParts>,
        previous: Option<Previous>,
        report: &DatabaseReport,
    ) -> Manifest {
        let run = self.run;
        Manifest {
            format: FORMAT,
            repository: self.run.marker.repository.clone(),
            id: self.place.id.clone(),
            run: self.run.id.clone(),
            source: self.place.source.clone(),
            database: self.place.database.clone(),
            tool: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
            server_version: self.instance.version.clone(),
            server_version_num: self.scout.server_version_num,
            pg_dump_major: self.pg_dump.major,
            system_identifier: self.instance.system_identifier.clone(),
            started_at: self.started_at,
            snapshot_at: report.snapshot_at,
            finished_at: run.context.clock.now(),
            previous,
            lock: self.run.locks.promised(),
            recipients: run.keys.sealer.recipients(),
            objects: Vec::new(),
            tables,
            not_covered: records::kinds(&catalog.not_covered),
        }
    }
}

/// The newest restore point before this one; a reader that follows the chain notices a missing one.
async fn find_previous(run: &Run<'_>, place: &PointPath) -> (Option<Previous>, Option<String>) {
    let look = async {
        let repository = run.repository;
        let found = repository
            .find(Some(&place.source), Some(&place.database))
            .await?;
        let Some(newest) = found.last() else {
            return Ok(None);
        };
        let point = repository.open(newest, run.keys.trust).await?;
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
