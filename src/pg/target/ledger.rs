//! The restore's own notes, inside the target: schema `lifeboat_restore`. A part and its note are
//! one transaction, so what was loaded is known after any failure, and `--resume` goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt as _;

use crate::error::{Error, Result};
use crate::model::catalog::{quote_ident, quote_literal};
use crate::model::digest::RowDigest;
use crate::pg::session::{Session, pg_error};
use crate::pg::target::large_objects::ROOM as LARGE_OBJECTS;

/// Where the notes lie; dropped at the end of a successful restore.
pub const SCHEMA: &str = "lifeboat_restore";

const CREATE: &str = "
  CREATE SCHEMA lifeboat_restore;
  CREATE TABLE lifeboat_restore.point (id text PRIMARY KEY, manifest_sha256 text NOT NULL,
                                       choice text NOT NULL);
  CREATE TABLE lifeboat_restore.phase (name text PRIMARY KEY);
  CREATE TABLE lifeboat_restore.part (table_oid bigint, part bigint, rows text NOT NULL,
                                      digest text NOT NULL, through_root boolean NOT NULL,
                                      PRIMARY KEY (table_oid, part));
  CREATE TABLE lifeboat_restore.suspect (entry bigint PRIMARY KEY);
  CREATE TABLE lifeboat_restore.conflict (sql text);
  CREATE TABLE lifeboat_restore.said (phase text, kind text, what text, why text, sql text);
  CREATE TABLE lifeboat_restore.loan (id bigint GENERATED ALWAYS AS IDENTITY, revoke text);";

/// One statement that the restored event triggers must not see: each is off meanwhile.
fn unseen(sql: &str) -> String {
    let body = format!(
        "DECLARE t record; names text[]; hows text[];
         BEGIN
           SELECT pg_catalog.array_agg(evtname::text), pg_catalog.array_agg(evtenabled::text)
             INTO names, hows FROM pg_catalog.pg_event_trigger
            WHERE evtenabled <> 'D' AND pg_catalog.pg_has_role(evtowner, 'USAGE');
           FOR t IN SELECT * FROM unnest(names) AS u(name) LOOP
             EXECUTE pg_catalog.format('ALTER EVENT TRIGGER %I DISABLE', t.name);
           END LOOP;
           EXECUTE {};
           FOR t IN SELECT * FROM unnest(names, hows) AS u(name, how) LOOP
             EXECUTE pg_catalog.format('ALTER EVENT TRIGGER %I ENABLE %s', t.name,
               CASE t.how WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END);
           END LOOP;
         END",
        quote_literal(sql)
    );
    format!("DO {}", quote_literal(&body))
}

/// What an earlier restore left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// The restore point's id.
    pub id: String,
    pub manifest_sha256: String,
    /// What was chosen to be restored, as the caller wrote it.
    pub choice: Option<String>,
    pub phases: BTreeSet<String>,
}

/// A loaded part, as noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedPart {
    pub digest: RowDigest,
    /// Not into the partition that it came from, but through the topmost parent.
    pub through_root: bool,
}

/// Parts by table OID (in the source) and number.
pub type LoadedParts = BTreeMap<(u32, u64), LoadedPart>;

/// Which restore point an unfinished restore in this database is of, if there is one.
pub async fn find(session: &Session) -> Result<Option<Unfinished>> {
    let failed = |error| pg_error("cannot read the notes of an earlier restore", error);
    let client = &session.client;
    let there = client
        .query_one(
            "SELECT pg_catalog.to_regclass('lifeboat_restore.point') IS NOT NULL",
            &[],
        )
        .await
        .map_err(failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let points = client
        .query(
            // Notes of another version of lifeboat may have no choice.
            "SELECT id, manifest_sha256, pg_catalog.to_jsonb(p) ->> 'choice'
               FROM lifeboat_restore.point p",
            &[],
        )
        .await
        .map_err(failed)?;
    let phases = client
        .query("SELECT name FROM lifeboat_restore.phase", &[])
        .await
        .map_err(failed)?;
    Ok(points.first().map(|row| Unfinished {
        id: row.get(0),
        manifest_sha256: row.get(1),
        choice: row.get(2),
        phases: phases.iter().map(|row| row.get(0)).collect(),
    }))
}

/// Begins the notes; refuses where another restore was faster.
pub async fn create(
    session: &Session,
    id: &str,
    manifest_sha256: &str,
    choice: &str,
) -> Result<()> {
    let point = format!(
        "INSERT INTO lifeboat_restore.point VALUES ({}, {}, {});",
        quote_literal(id),
        quote_literal(manifest_sha256),
        quote_literal(choice)
    );
    run(
        session,
        &format!("{CREATE} {LARGE_OBJECTS} {point}"),
        "cannot make schema lifeboat_restore",
    )
    .await
}

/// Takes the notes away.
pub async fn remove(session: &Session) -> Result<()> {
    let sql = unseen("DROP SCHEMA IF EXISTS lifeboat_restore CASCADE");
    run(session, &sql, "cannot drop schema lifeboat_restore").await
}

/// What a finished phase had to say, for the report of a later run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The reporter's own word for what it is.
    pub kind: String,
    pub what: String,
    pub why: String,
    pub sql: Option<String>,
}

/// Notes a phase as finished together with what it said.
pub async fn finish_phase(session: &Session, phase: &str, said: &[Said]) -> Result<()> {
    let text = |text: &str| quote_literal(&text.replace('\0', ""));
    let phase = text(phase);
    let mut sql = format!("DELETE FROM lifeboat_restore.said WHERE phase = {phase};");
    for one in said {
        let (kind, what, why) = (text(&one.kind), text(&one.what), text(&one.why));
        let statement = one.sql.as_deref().map_or("NULL".to_owned(), text);
        sql.push_str(&format!(
            "INSERT INTO lifeboat_restore.said VALUES ({phase}, {kind}, {what}, {why}, {statement});"
        ));
    }
    sql.push_str(&format!(
        "INSERT INTO lifeboat_restore.phase VALUES ({phase}) ON CONFLICT DO NOTHING"
    ));
    run(session, &sql, "cannot note a finished phase").await
}

/// What finished phases had to say.
pub async fn said(session: &Session) -> Result<Vec<(String, Said)>> {
    let rows = session
        .client
        .query(
            "SELECT phase, kind, what, why, sql FROM lifeboat_restore.said",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the notes on findings", error))?;
    let one = |row: &tokio_postgres::Row| {
        let said = Said {
            kind: row.get(1),
            what: row.get(2),
            why: row.get(3),
            sql: row.get(4),
        };
        (row.get(0), said)
    };
    Ok(rows.iter().map(one).collect())
}

/// Notes entries that failed, to be tried once more at the end, and statements that met something
/// which was there before us.
pub async fn add_suspects(
    session: &Session,
    entries: &BTreeSet<u32>,
    conflicts: &[&str],
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let values: Vec<String> = entries.iter().map(|entry| format!("({entry})")).collect();
    let mut sql = format!(
        "INSERT INTO lifeboat_restore.suspect VALUES {} ON CONFLICT DO NOTHING;",
        values.join(", ")
    );
    for conflict in conflicts {
        let conflict = quote_literal(&conflict.replace('\0', ""));
        sql.push_str(&format!(
            "INSERT INTO lifeboat_restore.conflict VALUES ({conflict});"
        ));
    }
    run(session, &sql, "cannot note failed entries of the schema").await
}

/// All entries that failed so far.
pub async fn suspects(session: &Session) -> Result<BTreeSet<u32>> {
    let rows = session
        .client
        .query("SELECT entry FROM lifeboat_restore.suspect", &[])
        .await
        .map_err(|error| pg_error("cannot read the notes on failed entries", error))?;
    let entries = rows.iter().map(|row| u32::try_from(row.get::<_, i64>(0)));
    Ok(entries.filter_map(std::result::Result::ok).collect())
}

/// All statements that met something which was there before us.
pub async fn conflicts(session: &Session) -> Result<BTreeSet<String>> {
    let rows = session
        .client
        .query("SELECT sql FROM lifeboat_restore.conflict", &[])
        .await
        .map_err(|error| pg_error("cannot read the notes on conflicts", error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Takes a right for the time of the restore; what gives it back is noted in the same transaction.
pub async fn take_loan(session: &Session, grant: &str, revoke: &str) -> Result<()> {
    let sql = format!(
        "{grant}; INSERT INTO lifeboat_restore.loan (revoke) VALUES ({});",
        quote_literal(revoke)
    );
    run(session, &sql, grant).await
}

/// What gives the loans back, the last one first.
pub async fn loans(session: &Session) -> Result<Vec<String>> {
    let rows = session
        .client
        .query(
            "SELECT revoke FROM lifeboat_restore.loan ORDER BY id DESC",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the notes on loans", error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Gives one loan back.
pub async fn return_loan(session: &Session, revoke: &str) -> Result<()> {
    let sql = format!(
        "{}; DELETE FROM lifeboat_restore.loan WHERE revoke = {};",
        unseen(revoke),
        quote_literal(revoke)
    );
    run(session, &sql, revoke).await
}

/// The note that a part's transaction ends with.
pub fn note_part(table_oid: u32, part: u64, loaded: &LoadedPart) -> String {
    format!(
        "INSERT INTO lifeboat_restore.part VALUES ({table_oid}, {part}, '{}', '{:032x}', {})",
        loaded.digest.rows, loaded.digest.sum, loaded.through_root
    )
}

/// All loaded parts, or those of one table.
pub async fn loaded_parts(session: &Session, table_oid: Option<u32>) -> Result<LoadedParts> {
    let only = table_oid.map_or(String::new(), |oid| format!(" WHERE table_oid = {oid}"));
    let sql = format!(
        "SELECT table_oid, part, rows, digest, through_root FROM lifeboat_restore.part{only}"
    );
    let failed = |error| pg_error("cannot read the notes on loaded parts", error);
    let none = std::iter::empty::<&str>();
    let rows = session.client.query_raw(&sql, none).await.map_err(failed)?;
    let mut rows = pin!(rows);
    let mut parts = LoadedParts::new();
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let odd = || Error::failed("the notes in lifeboat_restore.part are not lifeboat's");
        let oid = u32::try_from(row.get::<_, i64>(0)).map_err(|_| odd())?;
        let part = u64::try_from(row.get::<_, i64>(1)).map_err(|_| odd())?;
        let digest = RowDigest {
            rows: row.get::<_, String>(2).parse().map_err(|_| odd())?,
            sum: u128::from_str_radix(&row.get::<_, String>(3), 16).map_err(|_| odd())?,
        };
        let through_root = row.get(4);
        parts.insert(
            (oid, part),
            LoadedPart {
                digest,
                through_root,
            },
        );
    }
    Ok(parts)
}

/// Ends sessions that an earlier run of this restore left at work, by their application name, and
/// waits until they are gone. A pg_restore that outlived a killed lifeboat may only just be logging
/// in: twice in a row there must be none.
pub async fn end_leftover_sessions(session: &Session, application: &str) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(200);
    const PATIENCE: u32 = 150;
    let sql = format!(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity
          WHERE application_name = {} AND datname = pg_catalog.current_database()
            AND usename = current_user AND pid <> pg_catalog.pg_backend_pid()",
        quote_literal(application)
    );
    let what = "cannot end the sessions of an interrupted restore";
    let mut quiet = 0;
    for _ in 0..PATIENCE {
        let row = session
            .client
            .query_one(&sql, &[])
            .await
            .map_err(|error| pg_error(what, error))?;
        quiet = if row.get::<_, i64>(0) == 0 {
            quiet + 1
        } else {
            0
        };
        if quiet == 2 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::refused(format!("{what}: they go on"))
        .hint("end the sessions called lifeboat in pg_stat_activity, then --resume"))
}

/// Holds off a second restore into the same database for as long as this session lives. The
/// session of a lifeboat that was killed may need a moment to notice.
pub async fn lock(session: &Session) -> Result<bool> {
    const PAUSE: Duration = Duration::from_millis(250);
    const PATIENCE: u32 = 60;
    let failed = |error| pg_error("cannot lock the target against a second restore", error);
    if session.server_version_num >= 140_000 {
        // Should we be killed, the server ends what it does for us, so that --resume may go on.
        // Not every platform offers it.
        let check = "SET client_connection_check_interval = '1s'";
        let _ = session.client.batch_execute(check).await;
    }
    for _ in 0..PATIENCE {
        let row = session
            .client
            .query_one(
                "SELECT pg_catalog.pg_try_advisory_lock(7809644614863449697)",
                &[],
            )
            .await
            .map_err(failed)?;
        if row.get(0) {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(false)
}

/// For messages: how a person takes the notes away.
pub fn how_to_remove() -> String {
    format!("DROP SCHEMA {} CASCADE", quote_ident(SCHEMA))
}

async fn run(session: &Session, sql: &str, what: &str) -> Result<()> {
    session
        .client
        .batch_execute(sql)
        .await
        .map_err(|error| pg_error(what, error))
}
