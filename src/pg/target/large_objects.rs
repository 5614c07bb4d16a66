//! Large objects: their pages through a temporary table, their properties through the notes.

use crate::error::{Error, Result};
use crate::model::catalog::quote_literal;
use crate::model::manifest::{LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES};
use crate::pg::session::{Session, pg_error};
use crate::pg::target::load::Destination;
use crate::pg::target::statements::LargeObject;

/// Where their properties are kept until they are given.
pub(super) const ROOM: &str = "
  CREATE TABLE lifeboat_restore.large_object (oid oid, owner text, acl text, comment text);";

/// Makes that place where no notes are kept in the target.
pub async fn make_room(session: &Session) -> Result<()> {
    let sql = format!("CREATE SCHEMA lifeboat_restore; {ROOM}");
    let made = session.client.batch_execute(&sql).await;
    made.map_err(|error| pg_error("cannot make schema lifeboat_restore", error))
}

/// Where pages go: made and written in the transaction that notes the part.
pub fn pages(encoding: &str) -> Destination {
    Destination {
        table_oid: LARGE_OBJECT_PAGES,
        before:
            "CREATE TEMPORARY TABLE lifeboat_page (oid oid, page int, data bytea) ON COMMIT DROP"
                .to_owned(),
        sql: format!(
            "COPY pg_temp.lifeboat_page FROM STDIN WITH (ENCODING {})",
            quote_literal(encoding)
        ),
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
pub fn properties(encoding: &str) -> Destination {
    Destination {
        table_oid: LARGE_OBJECT_PROPERTIES,
        before: String::new(),
        sql: format!(
            "COPY lifeboat_restore.large_object FROM STDIN WITH (ENCODING {})",
            quote_literal(encoding)
        ),
        after: String::new(),
        what: "the large objects' properties".to_owned(),
        through_root: false,
    }
}

/// Owners of the large objects whose properties were loaded.
pub async fn owners(session: &Session) -> Result<Vec<String>> {
    let rows = session
        .client
        .query(
            "SELECT DISTINCT owner FROM lifeboat_restore.large_object ORDER BY 1",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the large objects' owners", error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Makes the objects that have properties but no page.
pub async fn create_missing(session: &Session) -> Result<()> {
    session
        .client
        .batch_execute(
            "SELECT pg_catalog.lo_create(o.oid) FROM lifeboat_restore.large_object o
              WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = o.oid)",
        )
        .await
        .map_err(|error| pg_error("cannot make the empty large objects", error))
}

/// Properties of the next objects after this OID, in order; empty at the end.
pub async fn after(session: &Session, oid: u32) -> Result<Vec<LargeObject>> {
    let rows = session
        .client
        .query(
            "SELECT oid, owner, acl, comment FROM lifeboat_restore.large_object
              WHERE oid > $1 ORDER BY oid LIMIT 1000",
            &[&oid],
        )
        .await
        .map_err(|error| pg_error("cannot read the large objects' properties", error))?;
    rows.iter()
        .map(|row| {
            let oid: u32 = row.get(0);
            let acl: Option<String> = row.get(2);
            let acl = acl
                .map(|acl| serde_json::from_str(&acl))
                .transpose()
                .map_err(|source| {
                    Error::damaged(format!("the ACL of large object {oid} does not read"))
                        .because(source)
                })?;
            Ok(LargeObject {
                oid,
                owner: row.get(1),
                acl,
                comment: row.get(3),
            })
        })
        .collect()
}

/// How many there are.
pub async fn count(session: &Session) -> Result<u64> {
    let row = session
        .client
        .query_one(
            "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot count the large objects", error))?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}
