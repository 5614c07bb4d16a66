//! Schema and statistics, by PostgreSQL's own pg_dump: it knows its catalogs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use tokio::process::Command;

use crate::error::{Error, Result};
use crate::model::catalog::Name;
use crate::opaque;
use crate::pg::connect::server::Server;
use crate::pg::connect::tool_env::database_argument;
use crate::pg::local::tools::{self, ToolPath};
use crate::pg::session::hint_for_words;
use crate::pg::source::catalog::RESUME_STATE_SCHEMA;
use crate::pg::source::left_out::Resolved;
use crate::quote::quote_ident;

/// What is dumped, by what and as whom.
pub(crate) struct Dump<'a> {
    pub server: &'a Server,
    pub application: &'a str,
    /// The database's own, in which the archive is.
    pub encoding: &'a str,
    pub snapshot_id: &'a str,
    pub left_out: &'a Resolved,
    pub lock_wait: Duration,
}

/// What pg_dump wrote.
pub(crate) struct Dumped {
    pub schema: Vec<u8>,
    /// `None`: no pg_dump at hand can carry statistics, or it could not.
    pub statistics: Option<Vec<u8>>,
}

/// More are not carried: they are held in memory.
const MAX_STATISTICS_BYTES: usize = 256 * 1024 * 1024;

/// pg_dump asks the server once for each pattern, and a server takes long for a long one.
const NAMES_IN_A_PATTERN: usize = 64;

/// The first pg_dump that can carry statistics, and the first server that takes them.
pub(crate) const STATISTICS_SINCE: u32 = 18;

impl Dump<'_> {
    /// Runs `pg_dump --schema-only -Fc` under the exported snapshot and returns the archive.
    pub(crate) async fn schema(&self, pg_dump: &ToolPath) -> Result<Vec<u8>> {
        let names = self.left_out.relations.iter();
        let mut command = self.command(pg_dump, "--schema-only", names).await?;
        let dumped = tools::run(&mut command, &self.what(pg_dump)).await;
        let dumped = dumped.map_err(|error| with_hint(error, self.server, self.lock_wait));
        Ok(dumped?.stdout)
    }

    /// The same of statistics: those hold values of rows, and so none of tables whose rows are left out, of what
    /// stands above those, nor of what is computed from them.
    pub(crate) async fn statistics(&self, pg_dump: &ToolPath) -> Result<Vec<u8>> {
        let Resolved {
            relations,
            unfilled,
            ancestors,
            left_out,
            ..
        } = self.left_out;
        let names = relations.iter().chain(unfilled).chain(ancestors);
        let names = names.chain(&left_out.rows).chain(&left_out.computed);
        let mut command = self.command(pg_dump, "--statistics-only", names).await?;
        let dumped =
            tools::run_up_to(&mut command, &self.what(pg_dump), MAX_STATISTICS_BYTES).await;
        let dumped = dumped.map_err(|error| with_hint(error, self.server, self.lock_wait));
        dumped?.ok_or_else(|| {
            Error::refused(format!("they take more than {MAX_STATISTICS_BYTES} bytes"))
        })
    }

    fn what(&self, pg_dump: &ToolPath) -> String {
        format!("{} of database {}", pg_dump.tool, self.server.database)
    }

    async fn command<'b>(
        &'b self,
        pg_dump: &ToolPath,
        what: &str,
        without: impl Iterator<Item = &'b Name>,
    ) -> Result<Command> {
        let (server, lock_wait) = (self.server, self.lock_wait);
        let env = server.for_login().await?.tool_env()?;
        let mut command = tools::command(pg_dump, &env);
        command
            .env("PGAPPNAME", self.application)
            // A role's or database's client_encoding may not know every character of a name.
            .env("PGCLIENTENCODING", self.encoding)
            // Whatever the server's or the role's settings say: no timeout may end it half-way, and money in
            // definitions is printed as a restore reads it. The rest pg_dump pins itself.
            .env(
                "PGOPTIONS",
                "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c row_security=off \
                 -c lc_monetary=C",
            )
            .arg(database_argument(&server.database))
            .arg(what)
            .arg("--format=custom")
            .arg(format!("--exclude-schema={RESUME_STATE_SCHEMA}"))
            .arg(format!("--snapshot={}", self.snapshot_id))
            .args(leave_out(&self.left_out.schemas, without))
            // Behind a waiting ALTER it would wait forever, as the ALTER waits for us.
            .arg(format!(
                "--lock-wait-timeout={}ms",
                lock_wait.as_millis().max(1)
            ));
        Ok(command)
    }
}

/// Exact names, many in a pattern: within quotes, no character of one means anything.
fn leave_out<'a>(
    schemas: &BTreeSet<String>,
    tables: impl Iterator<Item = &'a Name>,
) -> Vec<OsString> {
    let mut by_schema: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for name in tables.filter(|name| !schemas.contains(&name.schema)) {
        let names = by_schema.entry(&name.schema).or_default();
        names.insert(quote_ident(&name.name));
    }
    let flags = one_of(schemas.iter().map(|name| quote_ident(name)).collect());
    let mut flags: Vec<String> = (flags.iter())
        .map(|schemas| format!("--exclude-schema={schemas}"))
        .collect();
    for (schema, names) in by_schema {
        let schema = quote_ident(schema);
        let names = one_of(names.into_iter().collect());
        let of_schema = names.iter();
        flags.extend(of_schema.map(|names| format!("--exclude-table={schema}.{names}")));
    }
    let flags = flags.iter();
    flags
        .map(|flag| OsString::from_vec(opaque::bytes(flag).into_owned()))
        .collect()
}

fn one_of(names: Vec<String>) -> Vec<String> {
    let patterns = names.chunks(NAMES_IN_A_PATTERN);
    patterns
        .map(|names| format!("({})", names.join("|")))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_few_patterns_and_nothing_of_a_name_is_one() {
        let name = |schema: &str, name: String| Name {
            schema: schema.to_owned(),
            name,
        };
        let mut names: Vec<Name> = (0..65).map(|at| name("s", format!("t{at:02}"))).collect();
        names.push(name("o.|", "a\"(b".to_owned()));
        names.push(name("gone", "t".to_owned()));
        let flags = leave_out(&["gone".to_owned()].into(), names.iter());
        let flags: Vec<&str> = flags.iter().map(|flag| flag.to_str().unwrap()).collect();
        assert_eq!(flags.len(), 4, "{flags:?}");
        assert_eq!(flags[0], "--exclude-schema=(\"gone\")");
        assert_eq!(flags[1], "--exclude-table=\"o.|\".(\"a\"\"(b\")");
        assert!(flags[2].starts_with("--exclude-table=\"s\".(\"t00\"|\"t01\"|"));
        assert_eq!(flags[3], "--exclude-table=\"s\".(\"t64\")");
    }
}
