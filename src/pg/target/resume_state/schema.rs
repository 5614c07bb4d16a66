//! The restore at work in an ordinary target: it makes schema `lifeboat_restore`, locks it, and goes on
//! with what another one left.

use std::collections::BTreeSet;
use std::time::Duration;

use super::notes::{RecordedFinding, TARGET, insert_note, text};
use crate::error::{Error, Result};
use crate::model::finding::Finding;
use crate::pg::session::{Session, from_row};
use crate::quote::quote_literal;

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
  CREATE TABLE lifeboat_restore.existed (entry bigint PRIMARY KEY);
  CREATE TABLE lifeboat_restore.said (phase text, kind text, what text, why text, sql text);
  CREATE TABLE lifeboat_restore.loan (id bigint GENERATED ALWAYS AS IDENTITY, revoke text);";

/// A publication of all tables is of these as well, and lets nobody delete from one without an identity.
/// Those of an earlier version of lifeboat have none.
/// Only those are altered: event triggers that are restored already would see it.
const IDENTIFY: &str = "
  DO $$DECLARE t pg_catalog.text; BEGIN
    FOR t IN SELECT relname::pg_catalog.text FROM pg_catalog.pg_class
              WHERE relnamespace = pg_catalog.to_regnamespace('lifeboat_restore')::pg_catalog.oid
                AND relname::pg_catalog.text IN ('conflict', 'said', 'loan', 'large_object')
                AND relkind = 'r' AND relreplident <> 'f' LOOP
      EXECUTE pg_catalog.format('ALTER TABLE lifeboat_restore.%I REPLICA IDENTITY FULL', t);
    END LOOP;
  END$$;";

/// Where properties of large objects are kept until they are set.
const CREATE_LARGE_OBJECT: &str = "
  CREATE TABLE lifeboat_restore.large_object (oid oid, owner text, acl text, comment text);";

/// Only this table, for a restore that keeps its state in memory.
pub(crate) async fn create_large_object_table(session: &Session) -> Result<()> {
    let sql = format!("CREATE SCHEMA lifeboat_restore; {CREATE_LARGE_OBJECT}");
    session
        .execute(&sql, "cannot make schema lifeboat_restore")
        .await
}

/// One statement that must not fire the restored event triggers: each is off meanwhile.
pub(super) fn without_event_triggers(sql: &str) -> String {
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
           FOR t IN SELECT u.* FROM unnest(names, hows) AS u(name, how)
                      JOIN pg_catalog.pg_event_trigger ON evtname = u.name LOOP
             EXECUTE pg_catalog.format('ALTER EVENT TRIGGER %I ENABLE %s', t.name,
               CASE t.how WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END);
           END LOOP;
         END",
        quote_literal(sql)
    );
    format!("DO {}", quote_literal(&body))
}

/// A restore that was begun in this database and is not finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// The restore point's id.
    pub id: String,
    pub manifest_sha256: String,
    /// What was chosen to be restored, as the caller wrote it.
    pub choice: Option<String>,
    pub phases: BTreeSet<String>,
}

from_row!(Unfinished: id, manifest_sha256, choice; phases: BTreeSet::new());

/// The unfinished restore in this database, if there is one.
pub(crate) async fn find_unfinished(session: &Session) -> Result<Option<Unfinished>> {
    let what = "cannot read the state of an earlier restore";
    let there = "SELECT pg_catalog.to_regclass('lifeboat_restore.point') IS NOT NULL";
    if !session.row::<bool>(there, what).await? {
        return Ok(None);
    }
    // That of another version of lifeboat may have no choice.
    let point = "SELECT id, manifest_sha256, pg_catalog.to_jsonb(p) ->> 'choice'
                   FROM lifeboat_restore.point p";
    let points: Vec<Unfinished> = session.rows(point, what).await?;
    let Some(mut unfinished) = points.into_iter().next() else {
        return Ok(None);
    };
    let phases = "SELECT name FROM lifeboat_restore.phase";
    unfinished.phases = session.rows(phases, what).await?;
    Ok(Some(unfinished))
}

/// What is noted before the first statement of a restore.
pub(crate) struct Beginning<'a> {
    /// The restore point's id.
    pub id: &'a str,
    pub manifest_sha256: &'a str,
    pub choice: &'a str,
    /// What was found out about the target.
    pub findings: &'a [Finding],
    /// Entries of the archive for which something is there already.
    pub existed: &'a BTreeSet<u32>,
}

/// Creates the schema; refuses where another restore was faster.
pub(crate) async fn create(session: &Session, beginning: &Beginning<'_>) -> Result<()> {
    let mut sql = format!(
        "{CREATE} {CREATE_LARGE_OBJECT} {IDENTIFY}
         INSERT INTO lifeboat_restore.point VALUES ({}, {}, {});",
        quote_literal(beginning.id),
        quote_literal(beginning.manifest_sha256),
        quote_literal(beginning.choice)
    );
    let phase = text(TARGET);
    // The empty one tells a later run that this was noted, also where nothing was found.
    let nothing = Finding::new("", "");
    for finding in beginning.findings.iter().chain([&nothing]) {
        let note = RecordedFinding {
            kind: String::new(),
            finding: finding.clone(),
        };
        sql.push_str(&insert_note(&phase, &note));
    }
    for entry in beginning.existed {
        sql.push_str(&format!(
            "INSERT INTO lifeboat_restore.existed VALUES ({entry});"
        ));
    }
    session
        .execute(&sql, "cannot make schema lifeboat_restore")
        .await
}

/// Makes what an earlier run left fit to go on with, also where it was of another version of lifeboat.
pub(crate) async fn adopt(session: &Session) -> Result<()> {
    let what = "cannot go on with schema lifeboat_restore";
    session.execute(IDENTIFY, what).await?;
    let there = "SELECT pg_catalog.to_regclass('lifeboat_restore.existed') IS NOT NULL";
    if session.row(there, what).await? {
        return Ok(());
    }
    let sql =
        without_event_triggers("CREATE TABLE lifeboat_restore.existed (entry bigint PRIMARY KEY)");
    session.execute(&sql, what).await
}

/// Drops the schema, at the end of a successful restore, and in the same transaction gives the last borrowed right back.
pub(crate) async fn remove(session: &Session, revoke: Option<&str>) -> Result<()> {
    let mut sql = without_event_triggers("DROP SCHEMA IF EXISTS lifeboat_restore CASCADE");
    if let Some(revoke) = revoke {
        sql.push_str("; ");
        sql.push_str(revoke);
    }
    session
        .execute(&sql, "cannot drop schema lifeboat_restore")
        .await
}

/// Ends sessions that an earlier run of this restore left at work, by their application name, and
/// waits until they are gone. A pg_restore that outlived a killed lifeboat may only just be logging
/// in: twice in a row there must be none.
pub(crate) async fn end_leftover_sessions(session: &Session, application: &str) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(200);
    const ATTEMPTS: u32 = 150;
    let sql = format!(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity
          WHERE application_name = {} AND datname = pg_catalog.current_database()
            AND usename = current_user AND pid <> pg_catalog.pg_backend_pid()",
        quote_literal(application)
    );
    let what = "cannot end the sessions of an interrupted restore";
    let mut quiet = 0;
    for _ in 0..ATTEMPTS {
        let ended: u64 = session.row(&sql, what).await?;
        quiet = if ended == 0 { quiet + 1 } else { 0 };
        if quiet == 2 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::refused(format!("{what}: they go on"))
        .hint("end the sessions called lifeboat in pg_stat_activity, then --resume"))
}

/// Locks the database against a second restore for as long as this session lives. False where another
/// session keeps the lock: that of a lifeboat that was killed may need a moment to end.
pub(crate) async fn lock(session: &Session) -> Result<bool> {
    const PAUSE: Duration = Duration::from_millis(250);
    const ATTEMPTS: u32 = 60;
    let what = "cannot lock the target against a second restore";
    let sql = "SELECT pg_catalog.pg_try_advisory_lock(7809644614863449697)";
    if session.server_version_num >= 140_000 {
        // Should we be killed, the server ends what it does for us, so that --resume may go on.
        // Not every platform offers it.
        let check = "SET client_connection_check_interval = '1s'";
        let _ = session.execute(check, what).await;
    }
    for _ in 0..ATTEMPTS {
        if session.row(sql, what).await? {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(false)
}

/// For messages: the statement by which a person drops the schema.
pub(crate) const HOW_TO_REMOVE: &str = "DROP SCHEMA \"lifeboat_restore\" CASCADE";
