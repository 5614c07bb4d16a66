//! Reads a restored database again, to compare it with what was exported.

use std::future::Future;

use crate::error::Result;
use crate::model::catalog::{Sequence, Table};
use crate::model::digest::RowDigest;
use crate::pg::session::{Session, pg_error};
use crate::pg::source::slice::{self, Slice};

/// Pages of a table that are read at once: 64 MiB.
const SLICE_PAGES: u64 = 8192;

/// The rows of one table, by the server's own count; of an extension's table those that an export
/// takes.
pub async fn count(session: &Session, table: &Table) -> Result<u64> {
    let condition = table.condition.as_deref().unwrap_or_default();
    let sql = format!(
        "SELECT count(*) FROM ONLY {} {condition}",
        table.name.quoted()
    );
    let what = format!("cannot count the rows of {}", table.name);
    let row = apart(session, async {
        let row = session.client.query_one(&sql, &[]).await;
        row.map_err(|error| pg_error(what, error))
    })
    .await?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

/// The statements that read a table of so many pages (0: in one go), in any order or in parallel.
pub fn slices(table: &Table, pages: u64, encoding: &str) -> Vec<String> {
    let count = if table.condition.is_some() {
        1
    } else {
        (pages / SLICE_PAGES).max(1)
    };
    (0..count)
        .map(|at| {
            let slice = Slice {
                first_page: pages * at / count,
                end_page: (at + 1 < count).then_some(pages * (at + 1) / count),
                estimated_bytes: 0,
            };
            slice::copy_out(table, &slice, encoding)
        })
        .collect()
}

/// Counts and digests the rows of one COPY.
pub async fn digest(session: &Session, sql: &str, what: &str) -> Result<RowDigest> {
    apart(session, async {
        let mut rows = session.copy_out(sql, what).await?;
        let mut digest = RowDigest::default();
        while let Some(block) = rows.next().await? {
            digest.add_rows(&block);
        }
        Ok(digest)
    })
    .await
}

/// Whoever plans a query calls functions that a table's indexes and statistics name, as whom it is. They
/// can switch `default_transaction_read_only` off for what this session does next, not the mode of a
/// transaction that has begun; and nothing that they did or set outlives it.
async fn apart<T>(session: &Session, reading: impl Future<Output = Result<T>>) -> Result<T> {
    let failed = |error| session.error("cannot read what was restored", error);
    let client = &session.client;
    (client.batch_execute("BEGIN READ ONLY").await).map_err(failed)?;
    let read = reading.await;
    let ended = client.batch_execute("ROLLBACK").await.map_err(failed);
    let read = read?;
    ended.map(|()| read)
}

/// Whether a sequence stands where it stood.
pub async fn sequence_is(session: &Session, sequence: &Sequence) -> Result<bool> {
    let sql = format!(
        "SELECT last_value, is_called FROM {}",
        sequence.name.quoted()
    );
    let what = format!("cannot read sequence {}", sequence.name);
    let row = apart(session, async {
        let row = session.client.query_one(&sql, &[]).await;
        row.map_err(|error| pg_error(what, error))
    })
    .await?;
    Ok((row.get(0), row.get(1)) == (sequence.last_value, sequence.is_called))
}
