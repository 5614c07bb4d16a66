//! The coordinator: locks first, snapshot second, and the transaction that holds both until the
//! end.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::error::SqlState;

use super::catalog::{self, SourceTable};
use super::conninfo::Server;
use super::session::{Purpose, Session, pg_error};
use crate::error::{Error, Result};
use crate::model::catalog::Name;

/// Tables in one LOCK statement: fewer round trips, and statements of bearable length.
const LOCKS_A_STATEMENT: usize = 500;

/// How often taking locks starts over because tables came, went or were rewritten meanwhile.
const ATTEMPTS: usize = 10;

/// An exported snapshot: its id is good for other sessions while this value lives.
pub struct ExportedSnapshot {
    pub session: Session,
    /// What `SET TRANSACTION SNAPSHOT` takes.
    pub id: String,
    /// The moment that the data shows, by the server's clock.
    pub taken_at: Timestamp,
    /// Every table that the snapshot shows, all of them locked.
    pub tables: Vec<SourceTable>,
}

impl ExportedSnapshot {
    /// Locks every table against being altered, truncated or dropped, then takes the snapshot.
    /// `scout` is another session, used to list tables. Waits for a lock no longer than
    /// `lock_wait`.
    pub async fn take(
        server: &Server,
        application: &str,
        scout: &Session,
        lock_wait: Duration,
    ) -> Result<Self> {
        let mut why = Vec::new();
        for _ in 0..ATTEMPTS {
            let session = Session::connect(server, application, Purpose::Read).await?;
            scout.same_server(&session)?;
            begin(&session, lock_wait).await?;
            let targets = catalog::lock_targets(scout).await?;
            let names: Vec<Name> = targets.into_iter().map(|target| target.name).collect();
            // What is dropped by now, the snapshot will not show.
            lock(&session, &names).await?;
            let (id, taken_at) = export(&session).await?;
            let tables = catalog::read_tables(&session).await?;
            let newcomers = not_locked(&session, &tables).await?;
            let gone = lock(&session, &newcomers).await?;
            if !gone.is_empty() {
                why = gone;
                continue;
            }
            let rewritten = catalog::find_rewritten(&session).await?;
            if rewritten.is_empty() {
                return Ok(Self {
                    session,
                    id,
                    taken_at,
                    tables,
                });
            }
            why = rewritten.iter().map(ToString::to_string).collect();
        }
        Err(Error::refused(format!(
            "tables kept being dropped, truncated or rewritten while {ATTEMPTS} attempts locked them: {}",
            why.join(", ")
        ))
        .hint("export while no schema migration or batch load of these tables runs"))
    }

    /// Asks at the end what was asked at the start: that no table's file was replaced.
    pub async fn check_files(&self) -> Result<()> {
        let rewritten = catalog::find_rewritten(&self.session).await?;
        match rewritten.first() {
            None => Ok(()),
            Some(name) => Err(Error::failed(format!(
                "{name} was truncated or rewritten during the export, in spite of our lock on it"
            ))
            .hint("run the export again; nothing was committed")),
        }
    }

    /// Whether the transaction still lives. Its loss is the loss of the snapshot.
    pub async fn check_alive(&self) -> Result<()> {
        self.session
            .client
            .batch_execute("SELECT")
            .await
            .map_err(|error| {
                pg_error(
                    "the session that holds the exported snapshot was lost",
                    error,
                )
            })
    }

    /// Ends the transaction and returns how long it held back vacuum.
    pub async fn release(self) -> Result<()> {
        self.session
            .client
            .batch_execute("COMMIT")
            .await
            .map_err(|error| pg_error("cannot end the snapshot's transaction", error))
    }
}

async fn begin(session: &Session, lock_wait: Duration) -> Result<()> {
    // SET and BEGIN take no snapshot; any SELECT would.
    let sql = format!(
        "SET lock_timeout = '{}ms'; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        lock_wait.as_millis().max(1)
    );
    session
        .client
        .batch_execute(&sql)
        .await
        .map_err(|error| pg_error("cannot begin the export's transaction", error))
}

/// Locks tables by name and returns those that are gone. Savepoints keep the transaction, and take
/// no snapshot either.
async fn lock(session: &Session, names: &[Name]) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for batch in names.chunks(LOCKS_A_STATEMENT) {
        if lock_batch(session, batch).await? {
            continue;
        }
        for name in batch {
            if !lock_batch(session, std::slice::from_ref(name)).await? {
                gone.push(name.to_string());
            }
        }
    }
    Ok(gone)
}

/// `false`: one of them is gone, and none was locked.
async fn lock_batch(session: &Session, batch: &[Name]) -> Result<bool> {
    const GONE: [SqlState; 3] = [
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::WRONG_OBJECT_TYPE,
    ];
    let list: Vec<String> = batch
        .iter()
        .map(|name| format!("ONLY {}", name.quoted()))
        .collect();
    let sql = format!(
        "SAVEPOINT before; LOCK TABLE {} IN ACCESS SHARE MODE; RELEASE before",
        list.join(", ")
    );
    let Err(error) = session.client.batch_execute(&sql).await else {
        return Ok(true);
    };
    let code = error.code().cloned();
    if code.as_ref().is_some_and(|code| GONE.contains(code)) {
        let back = session
            .client
            .batch_execute("ROLLBACK TO before; RELEASE before")
            .await;
        return back
            .map(|()| false)
            .map_err(|error| pg_error("cannot go on after a table was dropped", error));
    }
    let error = pg_error("cannot lock the tables against being altered", error);
    Err(if code == Some(SqlState::LOCK_NOT_AVAILABLE) {
        error.hint("a session holds an exclusive lock on one of them, or waits for one: export when it is done, or raise ddl_wait")
    } else {
        error
    })
}

async fn export(session: &Session) -> Result<(String, Timestamp)> {
    let row = session
        .client
        .query_one(
            "SELECT pg_catalog.pg_export_snapshot(),
                    (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot export a snapshot", error))?;
    let taken_at = Timestamp::from_microsecond(row.get(1)).map_err(|source| {
        Error::failed("the server's clock shows no valid time").because(source)
    })?;
    Ok((row.get(0), taken_at))
}

/// Tables of the snapshot that this session holds no lock on: made or renamed since they were
/// listed.
async fn not_locked(session: &Session, tables: &[SourceTable]) -> Result<Vec<Name>> {
    let rows = session
        .client
        .query(
            "SELECT relation FROM pg_catalog.pg_locks
              WHERE locktype = 'relation' AND granted AND mode = 'AccessShareLock'
                AND pid = pg_catalog.pg_backend_pid()
                AND database = (SELECT oid FROM pg_catalog.pg_database
                                 WHERE datname = pg_catalog.current_database())",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot list our own locks", error))?;
    let held: BTreeSet<u32> = rows.iter().map(|row| row.get(0)).collect();
    Ok(tables
        .iter()
        .filter(|source| !held.contains(&source.table.oid))
        .map(|source| source.table.name.clone())
        .collect())
}
