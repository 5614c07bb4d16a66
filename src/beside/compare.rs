//! Restored equals exported: what was sent, the server's own count, and every row read again.

use super::plan::NewTable;
use crate::error::Result;
use crate::model::catalog::Table;
use crate::model::digest::RowDigest;
use crate::model::finding::Finding;
use crate::model::table_digest::RowShape;
use crate::pg::session::Session;
use crate::pg::target::read_back;
use crate::pg::target::resume_state::LoadedParts;

pub(super) struct Compared {
    pub rows: u64,
    /// Whether digests of what is there were compared, not its count alone.
    pub verified: bool,
    pub failure: Option<Finding>,
}

pub(super) async fn compare(
    session: &Session,
    table: &NewTable<'_>,
    loaded: &LoadedParts,
    encoding: &str,
) -> Result<Compared> {
    let what = format!("table {}", table.name);
    let mut expected = RowDigest::default();
    let mut failure = None;
    for (from, _) in &table.tables {
        expected.merge(from.digest);
        let mut sent = RowDigest::default();
        let parts = loaded.range((from.oid, 0)..=(from.oid, u64::MAX));
        parts.for_each(|(_, part)| sent.merge(part.digest));
        if sent != from.digest {
            let (sent, rows) = (sent.rows, from.digest.rows);
            let why = format!("loaded are {sent} rows, and not the {rows} that were exported");
            failure = Some(Finding::new(&what, why));
        }
    }
    let there = as_table(table);
    let rows = read_back::count(session, &there).await?;
    let shape = RowShape {
        has_stored_columns: !there.columns.is_empty(),
        generated: 0,
    };
    // Rows of partitions whose columns stand in another order print otherwise here.
    let verified = table
        .tables
        .iter()
        .all(|(from, _)| from.columns == table.columns);
    let mut found = RowDigest::default();
    if verified {
        for sql in read_back::slices(&there, 0, encoding) {
            found.merge(read_back::digest(session, &sql, shape, &what).await?.rows);
        }
    }
    if rows != expected.rows {
        let why = format!("it has {rows} rows, exported were {}", expected.rows);
        failure.get_or_insert_with(|| Finding::new(&what, why));
    } else if verified && found != expected {
        let why = "its rows are not those that were exported";
        failure.get_or_insert_with(|| Finding::new(&what, why));
    }
    Ok(Compared {
        rows,
        verified,
        failure,
    })
}

/// As what reads tables of the catalog takes it.
fn as_table(table: &NewTable<'_>) -> Table {
    Table {
        oid: 0,
        name: table.name.clone(),
        columns: table.columns.clone(),
        condition: None,
        root: None,
        through_root: false,
        extension: None,
        table_bytes: 0,
        has_reg_columns: false,
        digest: RowDigest::default(),
        generated: Vec::new(),
    }
}
