//! Reads a restored database again, to compare it with what was exported.

use std::collections::BTreeSet;
use std::future::Future;

use crate::error::Result;
use crate::model::catalog::{Name, Sequence, Table};
use crate::model::table_digest::{RowShape, TableDigest};
use crate::pg::session::Session;
use crate::pg::source::slice::{self, Slice};
use crate::quote::quote_literal;

/// Pages of a table that are read at once: 64 MiB.
const SLICE_PAGES: u64 = 8192;

/// The rows of one table, by the server's own count; of an extension's table those that an export
/// takes.
pub(crate) async fn count(session: &Session, table: &Table) -> Result<u64> {
    count_by(session, table, &slice::count(table, &Slice::ALL)).await
}

/// The count of one of the statements of [`counts`].
pub(crate) async fn count_by(session: &Session, table: &Table, sql: &str) -> Result<u64> {
    let what = format!("cannot count the rows of {}", table.name);
    in_read_only_transaction(session, session.row(sql, &what)).await
}

/// The statements that count the rows of a table together.
pub(crate) fn counts(table: &Table, pages: u64) -> Vec<String> {
    let count = |slice| slice::count(table, &slice);
    cut(table, pages).map(count).collect()
}

/// The statements that read a table.
pub(crate) fn slices(table: &Table, pages: u64, encoding: &str) -> Vec<String> {
    let read = |slice| slice::copy_out(table, &slice, encoding);
    cut(table, pages).map(read).collect()
}

/// A table of this number of pages (0: it cannot be cut) in slices, for any order or in parallel.
fn cut(table: &Table, pages: u64) -> impl Iterator<Item = Slice> {
    let count = if table.condition.is_some() {
        1
    } else {
        (pages / SLICE_PAGES).max(1)
    };
    (0..count).map(move |at| Slice {
        first_page: pages * at / count,
        end_page: (at + 1 < count).then_some(pages * (at + 1) / count),
        estimated_bytes: 0,
    })
}

/// Counts and digests the rows of one COPY.
pub(crate) async fn digest(
    session: &Session,
    sql: &str,
    shape: RowShape,
    what: &str,
) -> Result<TableDigest> {
    let mut digest = TableDigest::default();
    let add = |mut block: Vec<u8>| {
        digest.merge(&shape.digest(&mut block)?);
        Ok(())
    };
    for_each_block(session, sql, what, add).await?;
    Ok(digest)
}

/// Hands on the whole rows of one COPY.
pub(crate) async fn for_each_block(
    session: &Session,
    sql: &str,
    what: &str,
    mut work: impl FnMut(Vec<u8>) -> Result<()>,
) -> Result<()> {
    in_read_only_transaction(session, async {
        let mut rows = session.copy_out(sql, what).await?;
        while let Some(block) = rows.next().await? {
            work(block)?;
        }
        Ok(())
    })
    .await
}

/// The statement that finds rows whose generated column holds another value than its expression gives;
/// `None`: there is no such column. `only`: in this table itself.
pub(crate) async fn find_computed_otherwise(
    session: &Session,
    table: &Name,
    only: bool,
    column: &str,
) -> Result<Option<String>> {
    let quoted = quote_literal(&table.quoted());
    let (only, column) = (if only { "ONLY " } else { "" }, quote_literal(column));
    // As text: not every type can be compared, nor every collation with another.
    let sql = format!(
        "SELECT pg_catalog.format(
                  'SELECT * FROM {only}%s WHERE %I::text COLLATE \"C\" IS DISTINCT FROM ((%s)::%s)::text',
                  {quoted}, a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                  pg_catalog.format_type(a.atttypid, a.atttypmod))
           FROM pg_catalog.pg_attribute a
           JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE a.attrelid = pg_catalog.to_regclass({quoted}) AND a.attname = {column}
            AND a.attgenerated <> ''"
    );
    let what = format!("cannot read the expression of {table}");
    let found: Vec<String> = in_read_only_transaction(session, session.rows(&sql, &what)).await?;
    Ok(found.into_iter().next())
}

/// The columns of a table whose values name objects.
pub(crate) async fn reg_columns(session: &Session, table: &Name) -> Result<BTreeSet<String>> {
    let sql = format!(
        "SELECT a.attname::text FROM pg_catalog.pg_attribute a
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          WHERE a.attrelid = pg_catalog.to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped
            AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname ~ '^reg'",
        quote_literal(&table.quoted())
    );
    let what = format!("cannot read the columns of {table}");
    in_read_only_transaction(session, session.rows(&sql, &what)).await
}

/// Planning a query calls functions that a table's indexes and statistics name, with our rights. They
/// can switch `default_transaction_read_only` off for what this session does next, not the mode of a
/// transaction that has begun; and nothing that they did or set outlives it.
async fn in_read_only_transaction<T>(
    session: &Session,
    reading: impl Future<Output = Result<T>>,
) -> Result<T> {
    let what = "cannot read what was restored";
    session.execute("BEGIN READ ONLY", what).await?;
    let read = reading.await;
    let ended = session.execute("ROLLBACK", what).await;
    let read = read?;
    ended.map(|()| read)
}

/// Whether a sequence has the value that was exported.
pub(crate) async fn has_exported_value(session: &Session, sequence: &Sequence) -> Result<bool> {
    let sql = format!(
        "SELECT last_value, is_called FROM {}",
        sequence.name.quoted()
    );
    let what = format!("cannot read sequence {}", sequence.name);
    let now: (i64, bool) = in_read_only_transaction(session, session.row(&sql, &what)).await?;
    Ok(now == (sequence.last_value, sequence.is_called))
}

/// Materialized views that are filled.
pub(crate) async fn filled_views(session: &Session) -> Result<BTreeSet<Name>> {
    let sql = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind = 'm' AND c.relispopulated";
    let what = "cannot list the materialized views";
    let views: Vec<Name> = in_read_only_transaction(session, session.rows(sql, what)).await?;
    Ok(views.into_iter().collect())
}
