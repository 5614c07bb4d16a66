//! A live database as one snapshot shows it, for whoever only looks: no lock outlives the reading of one table, so
//! that nobody waits for us.

use std::cell::RefCell;
use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::catalog::{self, Instance, SourceTable};
use super::reader::SnapshotReader;
use super::slice;
use super::snapshot::export;
use crate::error::{Error, Result};
use crate::model::catalog::{Catalog, Name};
use crate::model::table_digest::{RowShape, TableDigest};
use crate::pg::connect::server::Server;
use crate::pg::definitions;
use crate::pg::session::{Purpose, Session};

/// The least OID that initdb gives to nothing of its own.
const FIRST_OF_USERS: u32 = 16_384;

pub(crate) struct LiveSnapshot {
    server: Server,
    application: String,
    session: Session,
    /// Sees the present.
    scout: Session,
    id: String,
    /// By the server's clock.
    pub taken_at: Timestamp,
    pub instance: Instance,
    /// Those whose rows can be read, sorted by schema and name.
    pub tables: Vec<SourceTable>,
    /// Their catalog, definitions included. Digests are empty.
    pub catalog: Catalog,
    /// Unlogged tables of a standby, which have no rows there.
    pub unreadable: Vec<Name>,
}

/// What one COPY reads.
enum Rows {
    /// Of the table at this place.
    Table(usize),
    LargeObjectPages,
    LargeObjectProperties,
}

impl LiveSnapshot {
    /// `Denied` names tables that may not be read.
    pub(crate) async fn take(server: &Server, application: &str) -> Result<Self> {
        let session = Session::connect(server, application, Purpose::Read).await?;
        session.refuse_pooler()?;
        let scout = Session::connect(server, application, Purpose::Read).await?;
        scout.same_server(&session)?;
        let instance = catalog::read_instance(&session).await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        session.execute(begin, "cannot begin to read").await?;
        let (id, taken_at) = export(&session).await?;
        let left_out = BTreeSet::new();
        catalog::lock_targets(&session, &left_out).await?;
        let tables = catalog::read_tables(&session, &left_out).await?.into_iter();
        let tables = tables.filter(|one| !one.partitioned);
        let (unreadable, tables): (Vec<_>, Vec<_>) =
            tables.partition(|one| instance.in_recovery && one.unlogged);
        let mut catalog = catalog::read_catalog(&session, &tables, &left_out).await?;
        // In a session of its own: printing a view locks what it reads until the transaction ends.
        let reader = SnapshotReader::connect(server, application, &id).await?;
        reader.begin("the definitions").await?;
        catalog.definitions = Some(definitions::read(&reader.session).await?);
        catalog.columns_full = definitions::read_columns(&reader.session).await?;
        reader.end().await?;
        reader.session.close().await;
        let unreadable = unreadable.into_iter().map(|one| one.table.name);
        Ok(Self {
            server: server.clone(),
            application: application.to_owned(),
            id,
            taken_at,
            instance,
            unreadable: unreadable.collect(),
            tables,
            catalog,
            session,
            scout,
        })
    }

    pub(crate) fn server_version_num(&self) -> u32 {
        self.session.server_version_num
    }

    /// A session that reads what the snapshot shows.
    pub(crate) async fn reader(&self) -> Result<SnapshotReader> {
        SnapshotReader::connect(&self.server, &self.application, &self.id).await
    }

    /// The statements that read all rows of a table, stored columns alone, biggest tables in slices.
    pub(crate) fn statements(&self, at: usize) -> Vec<String> {
        let mut source = self.tables[at].clone();
        source.table.generated.clear();
        self.slices(&source)
    }

    fn slices(&self, source: &SourceTable) -> Vec<String> {
        let slices = slice::cut(source, self.session.server_version_num);
        let encoding = &self.session.server_encoding;
        let sql = |slice| slice::copy_out(&source.table, slice, encoding);
        slices.iter().map(sql).collect()
    }

    /// Reads every row in so many sessions, and fills the catalog's digests in. `read` is told of bytes.
    pub(crate) async fn digest(&mut self, jobs: usize, read: impl Fn(u64)) -> Result<()> {
        let mut work = Vec::new();
        for (at, source) in self.tables.iter().enumerate() {
            let slices = self.slices(source).into_iter();
            work.extend(slices.map(|sql| (Rows::Table(at), sql)));
        }
        let encoding = &self.session.server_encoding;
        let objects = [
            (Rows::LargeObjectPages, slice::large_object_pages(encoding)),
            (
                Rows::LargeObjectProperties,
                slice::large_object_properties(encoding),
            ),
        ];
        work.extend(objects);
        let work = RefCell::new(work.into_iter());
        let next = || work.borrow_mut().next();
        let (this, told) = (&*self, &read);
        let workers = (0..jobs.max(1)).map(|_| async move {
            let reader = this.reader().await?;
            let mut done = Vec::new();
            while let Some((rows, sql)) = next() {
                let digest = this.digest_one(&reader, &rows, &sql, told).await?;
                done.push((rows, digest));
            }
            reader.session.close().await;
            Ok::<_, Error>(done)
        });
        let digests = try_join_all(workers).await?;
        for (rows, digest) in digests.into_iter().flatten() {
            self.add(&rows, &digest);
        }
        Ok(())
    }

    async fn digest_one(
        &self,
        reader: &SnapshotReader,
        of: &Rows,
        sql: &str,
        read: impl Fn(u64),
    ) -> Result<TableDigest> {
        let (shape, what) = match of {
            Rows::Table(at) => {
                let table = &self.catalog.tables[*at];
                (table.row_shape(), format!("table {}", table.name))
            }
            _ => (RowShape::default(), "the large objects".to_owned()),
        };
        let mut digest = TableDigest::default();
        let mut rows = reader.copy(sql, &what).await?;
        while let Some(mut block) = rows.next().await? {
            read(block.len() as u64);
            digest.merge(&shape.digest(&mut block)?);
        }
        if let Rows::Table(at) = of {
            self.check_read(reader, *at).await?;
        }
        reader.end().await?;
        Ok(digest)
    }

    fn add(&mut self, rows: &Rows, digest: &TableDigest) {
        let objects = &mut self.catalog.large_objects;
        match rows {
            Rows::LargeObjectPages => objects.pages.merge(digest.rows),
            Rows::LargeObjectProperties => objects.properties.merge(digest.rows),
            Rows::Table(at) => {
                let table = &mut self.catalog.tables[*at];
                table.digest.merge(digest.rows);
                for (column, digest) in table.generated.iter_mut().zip(&digest.generated) {
                    column.digest.merge(*digest);
                }
            }
        }
    }

    /// After a COPY, in its transaction: an error where it read another relation than the snapshot shows by that
    /// name, or other columns. COPY finds both by their names of the moment, and keeps its lock, so that what holds
    /// now held all the time.
    pub(crate) async fn check_read(&self, reader: &SnapshotReader, at: usize) -> Result<()> {
        let table = &self.tables[at].table;
        let cannot = format!("cannot check what was read of table {}", table.name);
        let columns = format!(
            "(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attnum, a.atttypid,
                       pg_catalog.quote_ident(a.attname)), ',' ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = {} AND a.attnum > 0 AND NOT a.attisdropped)",
            table.oid
        );
        let is_locked = format!(
            "(SELECT pg_catalog.{}(c.oid = {})
                FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
                JOIN pg_catalog.pg_database d ON d.oid = l.database
               WHERE d.datname = pg_catalog.current_database() AND l.locktype = 'relation' AND l.pid = {}
                 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid >= {FIRST_OF_USERS})",
            // An extension's own condition may look at other tables.
            match table.condition {
                None => "bool_and",
                Some(_) => "bool_or",
            },
            table.oid,
            reader.session.pid
        );
        let then = format!("SELECT true, {columns}");
        let now = format!("SELECT {is_locked}, {columns}");
        let then: (Option<bool>, Option<String>) = reader.session.row(&then, &cannot).await?;
        let now: (Option<bool>, Option<String>) = self.scout.row(&now, &cannot).await?;
        if then == now {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{} is not what it was when the comparison began: another table has its name, or it was altered",
            table.name
        ))
        .hint("run it again while no schema migration runs"))
    }

    /// Ends it; an error where one of these tables was truncated or rewritten meanwhile, which the snapshot shows
    /// as empty.
    pub(crate) async fn end(self, read: &BTreeSet<Name>) -> Result<()> {
        let rewritten = catalog::find_rewritten(&self.session, &BTreeSet::new()).await?;
        let ended = self.session.execute("COMMIT", "cannot end the reading");
        ended.await?;
        self.session.close().await;
        self.scout.close().await;
        match rewritten.iter().find(|name| read.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(Error::refused(format!(
                "{name} was truncated, rewritten or dropped while it was read"
            ))
            .hint("compare while no schema migration or batch load runs")),
        }
    }
}
