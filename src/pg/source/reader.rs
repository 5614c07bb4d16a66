//! A worker's session: reads under the exported snapshot, one table at a time.

use crate::error::Result;
use crate::pg::connect::server::Server;
use crate::pg::session::{CopyRows, Purpose, Session};

/// A session that imports the snapshot anew for each table, so that it never holds more than one
/// table's lock.
pub(crate) struct SnapshotReader {
    pub session: Session,
    snapshot_id: String,
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
        })
    }

    /// Starts one COPY in a transaction of its own; [`SnapshotReader::end`] ends it.
    pub(crate) async fn copy(&self, sql: &str, what: &str) -> Result<CopyRows> {
        self.begin(what).await?;
        self.session.copy_out(sql, what).await
    }

    /// A transaction that sees what the snapshot shows; [`SnapshotReader::end`] ends it.
    pub(crate) async fn begin(&self, what: &str) -> Result<()> {
        // An exported id holds digits, letters and dashes only: nothing to quote.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{}'",
            self.snapshot_id
        );
        let cannot = format!("cannot read {what}");
        self.session.execute(&begin, &cannot).await
    }

    pub(crate) async fn end(&self) -> Result<()> {
        self.session
            .execute("COMMIT", "cannot end a reader's transaction")
            .await
    }
}
