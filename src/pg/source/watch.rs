//! Production comes first: whom do we block?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::pg::session::{Session, pg_error};

/// Sessions that wait for one of ours, and since when we have seen it.
#[derive(Default)]
pub struct Blocked {
    since: BTreeMap<i32, Instant>,
}

impl Blocked {
    /// Asks once. A session that has waited for longer than `limit` is an error that names it.
    /// Ours are the backends that call themselves `application`, pg_dump's among them.
    pub async fn check(
        &mut self,
        session: &Session,
        application: &str,
        limit: Duration,
    ) -> Result<()> {
        let rows = session
            .client
            .query(
                "WITH ours AS (SELECT pg_catalog.array_agg(pid) AS pids
                                  FROM pg_catalog.pg_stat_activity WHERE application_name = $1)
                 SELECT DISTINCT w.pid, coalesce(a.usename::text, '?'),
                        coalesce(nullif(a.application_name, ''), '?'),
                        coalesce(pg_catalog.left(a.query, 200), '?')
                   FROM ours CROSS JOIN pg_catalog.pg_locks w
                   LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
                  WHERE NOT w.granted AND w.pid <> ALL (ours.pids)
                    AND pg_catalog.pg_blocking_pids(w.pid) && ours.pids",
                &[&application],
            )
            .await
            .map_err(|error| pg_error("cannot ask whom the export blocks", error))?;
        let now = Instant::now();
        let waiting: BTreeMap<i32, Instant> = rows
            .iter()
            .map(|row| {
                let pid = row.get(0);
                (pid, self.since.get(&pid).copied().unwrap_or(now))
            })
            .collect();
        self.since = waiting;
        for row in &rows {
            let (pid, user, application, query): (i32, String, String, String) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            if now.duration_since(self.since[&pid]) >= limit {
                return Err(Error::new(
                    Kind::Refused,
                    format!(
                        "gave way to production: session {pid} ({user}, {application}) has waited for our \
                         locks for {} s: {}",
                        limit.as_secs(),
                        query.split_whitespace().collect::<Vec<_>>().join(" ")
                    ),
                )
                .hint("run schema changes and exports at different times, or raise ddl_wait"));
            }
        }
        Ok(())
    }
}
