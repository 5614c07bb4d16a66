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
use crate::model::catalog::Catalog;
use crate::model::table_digest::{RowShape, TableDigest};
use crate::pg::connect::server::Server;
use crate::pg::definitions;
use crate::pg::session::{Purpose, Session};

pub(crate) struct LiveSnapshot {
    server: Server,
    application: String,
    session: Session,
    id: String,
    /// By the server's clock.
    pub taken_at: Timestamp,
    pub instance: Instance,
    /// Those whose rows can be read, sorted by schema and name.
    pub tables: Vec<SourceTable>,
    /// Their catalog, definitions included. Digests are empty.
    pub catalog: Catalog,
    /// Unlogged tables of a standby, which have no rows there.
    pub unreadable: Vec<String>,
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
        let unreadable = unreadable.iter().map(|one| one.table.name.to_string());
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
        rows: &Rows,
        sql: &str,
        read: impl Fn(u64),
    ) -> Result<TableDigest> {
        let (shape, what) = match rows {
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

    /// Ends it; an error where a table was truncated or rewritten meanwhile, which the snapshot shows as empty.
    pub(crate) async fn end(self) -> Result<()> {
        let rewritten = catalog::find_rewritten(&self.session, &BTreeSet::new()).await?;
        let ended = self.session.execute("COMMIT", "cannot end the reading");
        ended.await?;
        self.session.close().await;
        match rewritten.first() {
            None => Ok(()),
            Some(name) => Err(Error::refused(format!(
                "{name} was truncated, rewritten or dropped while it was read"
            ))
            .hint("compare while no schema migration or batch load runs")),
        }
    }
}
