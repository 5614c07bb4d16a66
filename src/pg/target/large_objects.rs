//! Large objects: their pages through a temporary table, their properties through the table
//! `lifeboat_restore.large_object`.

use crate::error::{Error, Result};
use crate::model::manifest::{LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES};
use crate::pg::session::{FromRow, RowReader, Session};
use crate::pg::target::load::{Destination, copy_from_stdin};
use crate::pg::target::statements::LargeObject;

/// Where pages go. The objects are made and written in the transaction that records the part.
pub(crate) fn pages(encoding: &str) -> Destination {
    Destination {
        table_oid: LARGE_OBJECT_PAGES,
        before:
            "CREATE TEMPORARY TABLE lifeboat_page (oid oid, page int, data bytea) ON COMMIT DROP"
                .to_owned(),
        sql: copy_from_stdin("pg_temp.lifeboat_page", encoding),
        after: "
          SELECT pg_catalog.lo_create(p.oid) FROM (SELECT DISTINCT oid FROM pg_temp.lifeboat_page) p
           WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = p.oid);
          SELECT pg_catalog.lo_put(oid, page::bigint * 1048576, data) FROM pg_temp.lifeboat_page
           WHERE pg_catalog.length(data) > 0;"
            .to_owned(),
        what: "the large objects".to_owned(),
        through_root: false,
    }
}

/// Where properties go first.
pub(crate) fn properties(encoding: &str) -> Destination {
    Destination {
        table_oid: LARGE_OBJECT_PROPERTIES,
        sql: copy_from_stdin("lifeboat_restore.large_object", encoding),
        what: "the large objects' properties".to_owned(),
        ..Destination::default()
    }
}

/// Owners of the large objects whose properties were loaded.
pub(crate) async fn owners(session: &Session) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT owner FROM lifeboat_restore.large_object ORDER BY 1";
    session
        .rows(sql, "cannot read the large objects' owners")
        .await
}

/// Makes the objects that have properties but no page.
pub(crate) async fn create_missing(session: &Session) -> Result<()> {
    session
        .execute(
            "SELECT pg_catalog.lo_create(o.oid) FROM lifeboat_restore.large_object o
              WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = o.oid)",
            "cannot make the empty large objects",
        )
        .await
}

/// Properties of the next objects after this OID, in order; empty at the end.
pub(crate) async fn after(session: &Session, oid: u32) -> Result<Vec<LargeObject>> {
    let sql = format!(
        "SELECT oid, owner, acl, comment FROM lifeboat_restore.large_object
          WHERE oid > {oid} ORDER BY oid LIMIT 1000"
    );
    session
        .rows(&sql, "cannot read the large objects' properties")
        .await
}

impl FromRow for LargeObject {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        let (oid, owner) = row.read()?;
        let acl: Option<String> = row.read()?;
        let acl = acl.map(|acl| serde_json::from_str(&acl)).transpose();
        let wrong = || Error::damaged(format!("the ACL of large object {oid} does not read"));
        Ok(Self {
            oid,
            owner,
            acl: acl.map_err(|source| wrong().because(source))?,
            comment: row.read()?,
        })
    }
}
