//! The schema, by PostgreSQL's own pg_dump: it knows its catalogs.

use std::time::Duration;

use super::conninfo::Server;
use super::tools::{self, ToolPath};
use crate::error::Result;

/// Runs `pg_dump --schema-only -Fc` under the exported snapshot and returns the archive.
pub async fn schema(
    pg_dump: &ToolPath,
    server: &Server,
    application: &str,
    snapshot_id: &str,
    lock_wait: Duration,
) -> Result<Vec<u8>> {
    let env = server.tool_env()?;
    let mut command = tools::command(pg_dump, &env);
    command
        .env("PGAPPNAME", application)
        // Whatever the server's or the role's settings say: no timeout may end it half-way.
        .env(
            "PGOPTIONS",
            "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c row_security=off",
        )
        .arg("--schema-only")
        .arg("--format=custom")
        .arg(format!("--snapshot={snapshot_id}"))
        // Behind a waiting ALTER it would wait for ever, as the ALTER waits for us.
        .arg(format!(
            "--lock-wait-timeout={}ms",
            lock_wait.as_millis().max(1)
        ));
    let what = format!("{} of database {}", pg_dump.tool, server.database);
    Ok(tools::run(&mut command, &what).await?.stdout)
}
