//! One database under its snapshot: checked, locked, and read but for its rows.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::options::{Run, Source, new_id};
use super::plan::Plan;
use super::report::{DatabaseReport, PlannedTable};
use super::reuse::Reuse;
use super::watchdog::Watchdog;
use super::{checks, records};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::Catalog;
use crate::model::left_out::{LEFT_OUT, counts};
use crate::model::manifest::{FORMAT, Manifest, NotCovered, Previous, TableParts};
use crate::model::pattern::Exclude;
use crate::pg::connect::server::Server;
use crate::pg::definitions;
use crate::pg::local::tools::{self, Tool, ToolPath};
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::{self, Instance, SourceTable};
use crate::pg::source::dump::STATISTICS_SINCE;
use crate::pg::source::left_out;
use crate::pg::source::moment::Until;
use crate::pg::source::reader::SnapshotReader;
use crate::pg::source::slice;
use crate::pg::source::snapshot::ExportedSnapshot;
use crate::pg::source::turn;
use crate::repository::{PointLocks, PointPath};

/// What is exported, where to, and with what.
pub(super) struct DatabaseExport<'a> {
    pub run: &'a Run<'a>,
    pub server: &'a Server,
    exclude: &'a Exclude,
    pub place: PointPath,
    /// What all sessions of this export call themselves.
    pub application: String,
    /// A session beside the snapshot's: sees the present.
    pub scout: Session,
    pub pg_dump: ToolPath,
    /// What can carry statistics, if it is at hand.
    pub statistics_dump: Option<ToolPath>,
    instance: Instance,
    pub started_at: jiff::Timestamp,
    /// What is to be told of who holds this export's turn.
    pub contended: Option<String>,
    /// What is left out on request, as it was found before the snapshot.
    pub excluded: Vec<NotCovered>,
}

/// The snapshot, and what was read in it before the rows.
pub(super) struct SnapshotHeld {
    pub snapshot: ExportedSnapshot,
    pub at_snapshot: CatalogAtSnapshot,
    pub since: Instant,
}

/// Read in the snapshot before the rows.
pub(super) struct CatalogAtSnapshot {
    pub plan: Arc<Plan>,
    pub tables: Vec<SourceTable>,
    pub catalog: Catalog,
    pub large_objects: u64,
}

impl<'a> DatabaseExport<'a> {
    pub(super) async fn prepare(
        run: &'a Run<'_>,
        source: &'a Source,
        server: &'a Server,
    ) -> Result<Self> {
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
        let mut contended = None;
        if run.keys.reuse.is_some() && !run.options.dry_run {
            let one = format!("{} {}", run.marker.repository, source.name);
            let taking = turn::take(&scout, &server.database, &one);
            contended = run.context.interrupt.or(taking).await?;
        }
        let instance = catalog::read_instance(&scout).await?;
        let pg_dump = tools::find(Tool::PgDump, scout.major(), true, &run.options.tool_dirs)?;
        let since = scout.major().max(STATISTICS_SINCE);
        let statistics_dump = tools::find(Tool::PgDump, since, true, &run.options.tool_dirs).ok();
        let now = left_out::resolve(&scout, &server.database, &source.exclude).await?;
        let tables = catalog::lock_targets(&scout, &now.gone).await?.len();
        checks::table_count(tables)?;
        let others = catalog::count_sequences_and_views(&scout).await?;
        checks::lock_slots(&instance, tables as u64, others, run.jobs)?;
        Ok(Self {
            run,
            server,
            exclude: &source.exclude,
            place,
            application,
            scout,
            pg_dump,
            statistics_dump,
            instance,
            started_at,
            contended,
            excluded: counts(&now.left_out.names),
        })
    }

    /// `reuse`: what is named again of what this reads.
    pub(super) async fn take_snapshot(&self, reuse: Option<&Arc<Reuse>>) -> Result<SnapshotHeld> {
        let wait = self.run.options.ddl_wait;
        let (server, exclude) = (self.server, self.exclude);
        let taking = ExportedSnapshot::take(server, &self.application, &self.scout, exclude, wait);
        let snapshot = self.run.context.interrupt.or(taking).await?;
        let since = Instant::now();
        let nothing_read = AtomicU64::new(0);
        let reading = self.read_catalog(&snapshot, reuse);
        let watchdog = self.watchdog(&snapshot);
        let at_snapshot = match watchdog.guard(&nothing_read, reading).await {
            Ok(at_snapshot) => at_snapshot,
            Err(error) => return Err(self.or_changed(&snapshot, error).await),
        };
        Ok(SnapshotHeld {
            snapshot,
            at_snapshot,
            since,
        })
    }

    /// Why it failed, where names that changed meanwhile made it fail.
    pub(super) async fn or_changed(&self, snapshot: &ExportedSnapshot, error: Error) -> Error {
        if matches!(
            error.kind(),
            Kind::Changed | Kind::Interrupted | Kind::Refused
        ) {
            return error;
        }
        match snapshot.check_names(&self.scout, Until::Begin).await {
            Err(changed) if changed.kind() == Kind::Changed => changed.because(error),
            _ => error,
        }
    }

    /// Reads all but the rows, under the snapshot.
    async fn read_catalog(
        &self,
        snapshot: &ExportedSnapshot,
        reuse: Option<&Arc<Reuse>>,
    ) -> Result<CatalogAtSnapshot> {
        let session = &snapshot.session;
        // In the snapshot: what is made now is in it or not, never counted wrong.
        let large_objects = checks::large_objects(session).await?;
        let (tables, unread) = checks::readable(&snapshot.tables, &self.instance);
        let mut catalog = catalog::read_catalog(session, &tables, &snapshot.left_out.gone).await?;
        self.read_definitions(snapshot, &mut catalog).await?;
        records::leave_out(&mut catalog, &snapshot.left_out);
        catalog.not_covered.extend(unread);
        let odd = records::in_another_encoding(&catalog);
        catalog.not_covered.extend(odd);
        let plan = Arc::new(Plan::new(
            &tables,
            large_objects > 0,
            &catalog.materialized_views,
            self.scout.server_version_num,
            &self.scout.server_encoding,
            reuse,
        ));
        Ok(CatalogAtSnapshot {
            plan,
            tables,
            catalog,
            large_objects,
        })
    }

    /// In a session of its own: printing a view locks what it reads until the transaction ends.
    async fn read_definitions(
        &self,
        snapshot: &ExportedSnapshot,
        catalog: &mut Catalog,
    ) -> Result<()> {
        let (server, application) = (self.server, &self.application);
        let reader = SnapshotReader::connect(server, application, &snapshot.id).await?;
        let session = &reader.session;
        session
            .set_lock_timeout(self.run.options.lock_wait())
            .await?;
        reader.begin("the definitions").await?;
        catalog.definitions = Some(definitions::read(session).await?);
        catalog.columns_full = definitions::read_columns(session).await?;
        reader.end().await?;
        reader.session.close().await;
        Ok(())
    }

    pub(super) fn watchdog<'b>(&'b self, snapshot: &'b ExportedSnapshot) -> Watchdog<'b> {
        Watchdog {
            context: self.run.context,
            snapshot,
            scout: &self.scout,
            application: &self.application,
            ddl_wait: self.run.options.ddl_wait,
        }
    }

    pub(super) fn report(&self, held: &SnapshotHeld) -> DatabaseReport {
        DatabaseReport {
            source: self.place.source.clone(),
            database: self.place.database.clone(),
            id: None,
            snapshot_at: held.snapshot.taken_at,
            tables: held.at_snapshot.tables.len() as u64,
            rows: 0,
            large_objects: held.at_snapshot.large_objects,
            copy_bytes: held.at_snapshot.plan.estimated_bytes,
            lock: None,
            stored_bytes: None,
            stored_anew_bytes: None,
            parts: 0,
            parts_named: 0,
            named_bytes: 0,
            under_lock: None,
            nameable: None,
            jobs: self.run.jobs,
            seconds: 0.0,
            snapshot_seconds: 0.0,
            not_covered: held.at_snapshot.catalog.not_covered.clone(),
            excluded: held.at_snapshot.catalog.left_out.names.clone(),
            plan: None,
            findings: checks::stale_pg_dump(&self.pg_dump, self.scout.server_version_num)
                .into_iter()
                .collect(),
        }
    }

    pub(super) fn planned(&self, tables: &[SourceTable]) -> Vec<PlannedTable> {
        let planned = tables.iter().map(|source| PlannedTable {
            table: source.table.name.to_string(),
            table_bytes: source.table.table_bytes,
            slices: slice::cut(source, self.scout.server_version_num).len(),
        });
        planned.collect()
    }

    /// All of the manifest but the objects that are stored next.
    pub(super) fn manifest(
        &self,
        catalog: &Catalog,
        tables: Vec<TableParts>,
        previous: Option<Previous>,
        locks: &PointLocks,
        report: &DatabaseReport,
    ) -> Manifest {
        let run = self.run;
        Manifest {
            format: FORMAT,
            requires: match catalog.left_out.is_empty() {
                true => Vec::new(),
                false => vec![LEFT_OUT.to_owned()],
            },
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
            lock: locks.objects.promised(),
            recipients: run.keys.sealer.recipients(),
            objects: Vec::new(),
            tables,
            not_covered: counts(&catalog.not_covered),
            excluded: counts(&catalog.left_out.names),
            parts_from: Vec::new(),
            stored_anew: None,
            state: None,
        }
    }
}
