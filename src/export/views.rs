//! Materialized views: their rows are read and digested, not stored, so that a restore can tell whether what it
//! computes anew is what was there.

use super::plan::ViewProgress;
use super::shared::Shared;
use crate::error::Result;
use crate::model::digest::RowDigest;
use crate::pg::source::reader::SnapshotReader;
use crate::quote::quote_literal;

/// Reads one. No export fails for it, as pg_dump needs nothing of its rows: a view that is being filled at this
/// moment, that we may not read, or that takes so long that whoever fills it would wait for us, is not known.
pub(super) async fn read(
    shared: &Shared,
    reader: &SnapshotReader,
    sql: &str,
    view: &ViewProgress,
) -> Result<()> {
    let what = format!("materialized view {}", view.name);
    reader.begin(&what).await?;
    match digest(shared, reader, sql, view, &what).await {
        Ok(Some(digest)) => {
            let _ = view.digest.set(digest);
        }
        Ok(None) => {}
        Err(error) if error.ends_all() => return Err(error),
        Err(_) => {}
    }
    reader.end().await
}

async fn digest(
    shared: &Shared,
    reader: &SnapshotReader,
    sql: &str,
    view: &ViewProgress,
    what: &str,
) -> Result<Option<RowDigest>> {
    let session = &reader.session;
    // Filling one takes as long as it takes.
    let limits = format!(
        "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = {}",
        shared.ddl_wait.as_millis()
    );
    session.execute(&limits, what).await?;
    let mut rows = session.copy_out(sql, what).await?;
    let mut digest = RowDigest::default();
    while let Some(block) = rows.next().await? {
        digest.add_rows(&block);
        if let Some(limit) = &shared.limit {
            limit.take(block.len() as u64).await;
        }
    }
    Ok(is_of_the_snapshot(reader, view, what)
        .await?
        .then_some(digest))
}

/// A refresh puts another file in the old one's place, and its rows are seen by every snapshot. The catalog's row is
/// the snapshot's; the function looks at what is there now, which stays while we hold the view's lock.
async fn is_of_the_snapshot(
    reader: &SnapshotReader,
    view: &ViewProgress,
    what: &str,
) -> Result<bool> {
    let sql = format!(
        "SELECT relfilenode = pg_catalog.pg_relation_filenode(oid) FROM pg_catalog.pg_class
          WHERE oid = pg_catalog.to_regclass({})",
        quote_literal(&view.name.quoted())
    );
    let same: Vec<bool> = reader.session.rows(&sql, what).await?;
    Ok(same == [true])
}
