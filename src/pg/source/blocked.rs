//! Finds the sessions of production that an export blocks, and ends the export for their sake.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::pg::session::Session;
use crate::quote::quote_literal;

/// Sessions that wait for a lock of ours, with the time when each was first seen waiting.
#[derive(Default)]
pub(crate) struct BlockedSessions {
    since: BTreeMap<i32, Instant>,
}

impl BlockedSessions {
    /// Looks once. A session that has waited for longer than `limit` is an error that names it.
    /// Ours are the backends with this application name, pg_dump's among them.
    pub(crate) async fn check(
        &mut self,
        session: &Session,
        application: &str,
        limit: Duration,
    ) -> Result<()> {
        let sql = format!(
            "WITH ours AS (SELECT pg_catalog.array_agg(pid) AS pids
                             FROM pg_catalog.pg_stat_activity WHERE application_name = {})
             SELECT DISTINCT w.pid, coalesce(a.usename::text, '?'),
                    coalesce(nullif(a.application_name, ''), '?'),
                    coalesce(pg_catalog.left(a.query, 200), '?')
               FROM ours CROSS JOIN pg_catalog.pg_locks w
               LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
              WHERE NOT w.granted AND w.pid <> ALL (ours.pids)
                AND pg_catalog.pg_blocking_pids(w.pid) && ours.pids",
            quote_literal(application)
        );
        let what = "cannot list the sessions that the export blocks";
        let rows: Vec<(i32, String, String, String)> = session.rows(&sql, what).await?;
        let now = Instant::now();
        let since = |pid| (pid, self.since.get(&pid).copied().unwrap_or(now));
        self.since = rows.iter().map(|(pid, ..)| since(*pid)).collect();
        for (pid, user, application, query) in &rows {
            if now.duration_since(self.since[pid]) < limit {
                continue;
            }
            return Err(Error::refused(format!(
                "gave way to production: session {pid} ({user}, {application}) has waited for our \
                 locks for {} s: {}",
                limit.as_secs(),
                query.split_whitespace().collect::<Vec<_>>().join(" ")
            ))
            .hint("run schema changes and exports at different times, or raise ddl_wait"));
        }
        Ok(())
    }
}
