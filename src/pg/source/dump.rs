//! The schema, by PostgreSQL's own pg_dump: it knows its catalogs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::opaque;
use crate::pg::connect::server::Server;
use crate::pg::connect::tool_env::database_argument;
use crate::pg::local::tools::{self, ToolPath};
use crate::pg::session::hint_for_words;
use crate::pg::source::catalog::RESUME_STATE_SCHEMA;
use crate::pg::source::left_out::Resolved;
use crate::quote::quote_ident;

/// Runs `pg_dump --schema-only -Fc` under the exported snapshot and returns the archive, in
/// `encoding`: the database's own.
pub(crate) async fn schema(
    pg_dump: &ToolPath,
    server: &Server,
    application: &str,
    encoding: &str,
    snapshot_id: &str,
    left_out: &Resolved,
    lock_wait: Duration,
) -> Result<Vec<u8>> {
    let env = server.for_login().await?.tool_env()?;
    let mut command = tools::command(pg_dump, &env);
    command
        .env("PGAPPNAME", application)
        // A role's or database's client_encoding may not know every character of a name.
        .env("PGCLIENTENCODING", encoding)
        // Whatever the server's or the role's settings say: no timeout may end it half-way, and money in
        // definitions is printed as a restore reads it. The rest pg_dump pins itself.
        .env(
            "PGOPTIONS",
            "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c row_security=off \
             -c lc_monetary=C",
        )
        .arg(database_argument(&server.database))
        .arg("--schema-only")
        .arg("--format=custom")
        .arg(format!("--exclude-schema={RESUME_STATE_SCHEMA}"))
        .arg(format!("--snapshot={snapshot_id}"))
        .args(leave_out(left_out))
        // Behind a waiting ALTER it would wait forever, as the ALTER waits for us.
        .arg(format!(
            "--lock-wait-timeout={}ms",
            lock_wait.as_millis().max(1)
        ));
    let what = format!("{} of database {}", pg_dump.tool, server.database);
    let dumped = tools::run(&mut command, &what).await;
    let dumped = dumped.map_err(|error| with_hint(error, server, lock_wait));
    Ok(dumped?.stdout)
}

/// Exact names: within quotes, no character of a pattern means anything.
fn leave_out(left_out: &Resolved) -> impl Iterator<Item = OsString> {
    let schemas = left_out.schemas.iter();
    let schemas = schemas.map(|name| format!("--exclude-schema={}", quote_ident(name)));
    let tables = left_out.relations.iter();
    let tables = tables.filter(|name| !left_out.schemas.contains(&name.schema));
    let tables = tables.map(|name| format!("--exclude-table={}", name.quoted()));
    schemas
        .chain(tables)
        .map(|flag| OsString::from_vec(opaque::bytes(&flag).into_owned()))
}

/// Only the text of pg_dump says why it failed.
fn with_hint(error: Error, server: &Server, lock_wait: Duration) -> Error {
    if let Some(hint) = server.on_refusal()
        && error.chain().contains("authentication failed")
    {
        return error.hint(hint);
    }
    if let Some(hint) = hint_for_words(&error.chain()) {
        return error.hint(hint);
    }
    if error.chain().contains("LOCK TABLE") {
        return error.hint(format!(
            "for {} s a session waited for an exclusive lock behind us, and pg_dump behind it: export when no \
             schema change runs, or raise ddl_wait",
            lock_wait.as_secs()
        ));
    }
    error.hint("pg_dump reads the schema: what it complains about is of the source")
}
