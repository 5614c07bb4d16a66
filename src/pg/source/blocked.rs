//! Finds the sessions of production that an export blocks, and ends the export for their sake.
//!
//! Who waits for the end of our transactions, such as CREATE INDEX CONCURRENTLY, blocks nobody's rows and
//! loses nothing: that is told once, and goes on. A standby's replay waits like a session.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::pg::session::{Session, from_row};
use crate::quote::quote_literal;

/// Sessions that wait for a lock of ours, with the time when each was first seen waiting.
#[derive(Default)]
pub(crate) struct BlockedSessions {
    since: BTreeMap<i32, Instant>,
    /// Those that were told.
    told: BTreeSet<i32>,
}

/// A session that waits for us.
struct Waiting {
    pid: i32,
    user: String,
    application: String,
    query: String,
    /// For the end of our transactions only, not for a lock on a table.
    patient: bool,
}

from_row!(Waiting: pid, user, application, query, patient);

impl BlockedSessions {
    /// Looks once. A session that has waited for longer than `limit` is an error that names it, or a line
    /// of what is returned where it may wait. Ours are the backends with this application name, pg_dump's among them.
    pub(crate) async fn check(
        &mut self,
        session: &Session,
        application: &str,
        limit: Duration,
    ) -> Result<Vec<String>> {
        let sql = format!(
            "WITH ours AS (SELECT pg_catalog.array_agg(pid) AS pids
                             FROM pg_catalog.pg_stat_activity WHERE application_name = {})
             SELECT w.pid, coalesce(a.usename::text, '?'),
                    coalesce(nullif(a.application_name, ''), nullif(a.backend_type, ''), '?'),
                    coalesce(nullif(pg_catalog.left(a.query, 200), ''), '?'),
                    w.locktype = 'virtualxid'
               FROM ours CROSS JOIN pg_catalog.pg_locks w
               LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
              WHERE NOT w.granted AND w.pid <> ALL (ours.pids)
                AND (pg_catalog.pg_blocking_pids(w.pid) && ours.pids
                     -- Of the process that replays, pg_blocking_pids says nothing.
                     OR a.backend_type = 'startup' AND EXISTS (
                       SELECT FROM pg_catalog.pg_locks h
                        WHERE h.granted AND h.pid = ANY (ours.pids) AND h.locktype = 'relation'
                          AND w.locktype = 'relation' AND h.database = w.database
                          AND h.relation = w.relation))",
            quote_literal(application)
        );
        let what = "cannot list the sessions that the export blocks";
        let rows: Vec<Waiting> = session.rows(&sql, what).await?;
        let now = Instant::now();
        let since = |pid| (pid, self.since.get(&pid).copied().unwrap_or(now));
        self.since = rows.iter().map(|waiting| since(waiting.pid)).collect();
        let mut told = Vec::new();
        for waiting in &rows {
            if now.duration_since(self.since[&waiting.pid]) < limit {
                continue;
            }
            let who = waiting.describe();
            if !waiting.patient {
                return Err(Error::refused(format!(
                    "gave way to production: {who} has waited for our locks for {} s: {}",
                    limit.as_secs(),
                    waiting.query()
                ))
                .hint("run schema changes and exports at different times, or raise ddl_wait"));
            }
            if self.told.insert(waiting.pid) {
                told.push(format!(
                    "{who} waits for the end of this export, and goes on then: {}",
                    waiting.query()
                ));
            }
        }
        Ok(told)
    }
}

impl Waiting {
    fn describe(&self) -> String {
        let Self {
            pid,
            user,
            application,
            ..
        } = self;
        format!("session {pid} ({user}, {application})")
    }

    fn query(&self) -> String {
        self.query.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
