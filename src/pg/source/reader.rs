//! A worker's session: reads under the exported snapshot, a few tables in a transaction.

use std::cell::Cell;

use crate::error::Result;
use crate::pg::connect::server::Server;
use crate::pg::session::{CopyRows, Purpose, Session};

/// Small tables of one transaction: as many locks fit into the places that each session of a server has of its own, 16
/// before PostgreSQL 18 and more since, and take none of the table that all sessions share.
const COPIES: u32 = 8;

/// How a COPY of a query begins. It is planned, and planning locks every index of its table, too.
const OF_A_QUERY: &str = "COPY (";

/// A session that imports the snapshot anew after a few COPYs, so that it never holds many locks.
pub(crate) struct SnapshotReader {
    pub session: Session,
    snapshot_id: String,
    /// COPYs of the transaction that is open.
    copies: Cell<u32>,
}

impl SnapshotReader {
    pub(crate) async fn connect(
        server: &Server,
        application: &str,
        snapshot_id: &str,
    ) -> Result<Self> {
        let session = Session::connect(server, application, Purpose::Read).await?;
        Ok(Self {
            session,
            snapshot_id: snapshot_id.to_owned(),
            copies: Cell::new(0),
        })
    }

    /// Starts one COPY. Then comes [`SnapshotReader::copied`], or [`SnapshotReader::end`] where the next one is to
    /// have a transaction of its own; after the last one [`SnapshotReader::finish`].
    pub(crate) async fn copy(&self, sql: &str, what: &str) -> Result<CopyRows> {
        if self.copies.get() == 0 {
            self.open(what).await?;
        }
        self.session.copy_out(sql, what).await
    }

    /// This COPY has come to its end.
    pub(crate) async fn copied(&self, sql: &str) -> Result<()> {
        self.copies.update(|copies| copies + 1);
        match self.copies.get() < COPIES && !sql.starts_with(OF_A_QUERY) {
            true => Ok(()),
            false => self.end().await,
        }
    }

    /// After all COPYs. What the server says at the end of the last one is heard only with its answer to this: that it
    /// sent more rows than arrived, for example.
    pub(crate) async fn finish(&self) -> Result<()> {
        match self.copies.get() {
            0 => Ok(()),
            _ => self.end().await,
        }
    }

    /// A transaction that sees what the snapshot shows, and holds nothing of COPYs before it;
    /// [`SnapshotReader::end`] ends it.
    pub(crate) async fn begin(&self, what: &str) -> Result<()> {
        if self.copies.get() > 0 {
            self.end().await?;
        }
        self.open(what).await
    }

    async fn open(&self, what: &str) -> Result<()> {
        // An exported id holds digits, letters and dashes only: nothing to quote.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{}'",
            self.snapshot_id
        );
        let cannot = format!("cannot read {what}");
        self.session.execute(&begin, &cannot).await
    }

    pub(crate) async fn end(&self) -> Result<()> {
        self.copies.set(0);
        self.session
            .execute("COMMIT", "cannot end a reader's transaction")
            .await
    }
}
