//! How ready a restored database is to serve queries.

use serde::Serialize;

use crate::error::Result;
use crate::pg::session::{Session, from_row};

/// Of tables and materialized views.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub tables: u64,
    /// Of these, what the planner knows something about.
    pub with_statistics: u64,
    /// 8 KiB each, as the planner knows them.
    pub pages: u64,
    /// Of these, what an index-only scan need not look at, by the server's own count.
    pub all_visible_pages: u64,
    /// Transactions since the oldest row that is not frozen may have been written; autovacuum freezes from
    /// `autovacuum_freeze_max_age` on, 200 million unless set.
    pub oldest_age: u64,
}

from_row!(Readiness: tables, with_statistics, pages, all_visible_pages, oldest_age);

impl Readiness {
    pub(crate) async fn read(session: &Session) -> Result<Self> {
        // Below 14 a table that was never analyzed looks like an empty one.
        let sql = "
          SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE c.reltuples >= 0),
                 coalesce(pg_catalog.sum(c.relpages), 0)::bigint,
                 coalesce(pg_catalog.sum(c.relallvisible), 0)::bigint,
                 coalesce(pg_catalog.max(pg_catalog.age(c.relfrozenxid))
                          FILTER (WHERE c.relfrozenxid <> '0'), 0)::bigint
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
             AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')";
        session
            .row(sql, "cannot tell how ready the tables are")
            .await
    }
}
