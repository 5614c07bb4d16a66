//! Finds what reaches foreign servers; a restore must not touch it.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::catalog::Name;
use crate::pg::session::Session;
use crate::pg::target::statements::drill::REACHING;

const WHAT: &str = "cannot tell what reaches foreign servers";

/// Tables that have a foreign table among their descendants.
pub(crate) async fn roots(session: &Session) -> Result<BTreeSet<Name>> {
    const SQL: &str = "
      WITH RECURSIVE up(oid) AS (
        SELECT i.inhparent FROM pg_catalog.pg_inherits i
          JOIN pg_catalog.pg_class f ON f.oid = i.inhrelid AND f.relkind = 'f'
        UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid)
      SELECT n.nspname::text, c.relname::text FROM up
        JOIN pg_catalog.pg_class c ON c.oid = up.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";
    session.rows(SQL, WHAT).await
}

/// Materialized views that read a foreign table or call a function of an extension that connects
/// to other servers, themselves or through what they read.
pub(crate) async fn views(session: &Session) -> Result<BTreeSet<Name>> {
    let sql = format!(
        "WITH RECURSIVE step(of, oid) AS (
        SELECT w.ev_class, d.refobjid FROM pg_catalog.pg_rewrite w
          JOIN pg_catalog.pg_depend d ON d.objid = w.oid
           AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        UNION SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits),
      reads(view, oid) AS (
        SELECT oid, oid FROM pg_catalog.pg_class WHERE relkind = 'm'
        UNION SELECT r.view, s.oid FROM reads r JOIN step s ON s.of = r.oid),
      calls(oid) AS (
        SELECT w.ev_class FROM pg_catalog.pg_rewrite w
          JOIN pg_catalog.pg_depend d ON d.objid = w.oid
           AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
           AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
          JOIN pg_catalog.pg_depend m ON m.objid = d.refobjid AND m.deptype = 'e'
           AND m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
          JOIN pg_catalog.pg_extension e ON e.oid = m.refobjid
         WHERE e.extname IN {REACHING}),
      reaching(oid) AS (
        SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'f' UNION SELECT oid FROM calls)
      SELECT DISTINCT n.nspname::text, c.relname::text FROM reads r
        JOIN reaching f ON f.oid = r.oid
        JOIN pg_catalog.pg_class c ON c.oid = r.view
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    );
    session.rows(&sql, WHAT).await
}
