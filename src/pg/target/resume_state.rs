//! How far a restore has come. In an ordinary target this is recorded in the target itself, so that
//! `--resume` finds it: a part and the row that records it are one transaction. In a drill whatever comes out
//! of the backup could change it there, and nothing is ever resumed: it stays in memory.

mod notes;
mod schema;

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::model::digest::RowDigest;
use crate::opaque;
use crate::pg::session::Session;
use crate::quote::quote_literal;

pub(crate) use notes::{RecordedFinding, TARGET, findings};
use notes::{insert_note, text};
use schema::without_event_triggers;
pub(crate) use schema::{
    Beginning, HOW_TO_REMOVE, Unfinished, adopt, create, create_large_object_table,
    end_leftover_sessions, find_unfinished, lock, remove,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadedPart {
    pub digest: RowDigest,
    /// Its rows went through the topmost parent, not into the partition that they came from.
    pub through_root: bool,
}

/// A right that is granted for the time of the restore, and the statement that revokes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemporaryGrant {
    pub grant: String,
    pub revoke: String,
}

/// Parts by table OID (in the source) and number.
pub(crate) type LoadedParts = BTreeMap<(u32, u64), LoadedPart>;

/// Where the state is kept.
#[derive(Debug)]
pub(crate) enum ResumeState {
    /// Schema `lifeboat_restore` of the target.
    InTarget,
    InMemory(RefCell<Memory>),
}

/// The same as the tables of schema `lifeboat_restore`, as far as a drill needs it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    parts: LoadedParts,
    suspects: BTreeSet<u32>,
    conflicts: BTreeSet<String>,
    /// The statements that revoke the temporary grants.
    revokes: Vec<String>,
    notes: Vec<(String, RecordedFinding)>,
}

impl ResumeState {
    fn is_in_target(&self) -> bool {
        matches!(self, Self::InTarget)
    }

    fn memory(&self) -> Option<RefMut<'_, Memory>> {
        match self {
            Self::InTarget => None,
            Self::InMemory(memory) => Some(memory.borrow_mut()),
        }
    }

    /// Records a phase as finished, together with its findings. After a drill no later run asks.
    pub(crate) async fn finish_phase(
        &self,
        session: &Session,
        phase: &str,
        findings: &[RecordedFinding],
    ) -> Result<()> {
        if !self.is_in_target() {
            return Ok(());
        }
        let phase = text(phase);
        let mut sql = format!("DELETE FROM lifeboat_restore.said WHERE phase = {phase};");
        for finding in findings {
            sql.push_str(&insert_note(&phase, finding));
        }
        sql.push_str(&format!(
            "INSERT INTO lifeboat_restore.phase VALUES ({phase}) ON CONFLICT DO NOTHING"
        ));
        session
            .execute(&sql, "cannot record a finished phase")
            .await
    }

    /// Records entries that failed, to be tried once more at the end, and statements that met something
    /// which was there before us, as [`opaque::shown`] writes them.
    pub(crate) async fn add_suspects(
        &self,
        session: &Session,
        entries: &BTreeSet<u32>,
        conflicts: &[&str],
    ) -> Result<()> {
        if let Some(mut memory) = self.memory() {
            let conflicts = conflicts.iter().map(|sql| opaque::shown(sql).into_owned());
            memory.suspects.extend(entries);
            memory.conflicts.extend(conflicts);
            return Ok(());
        }
        if entries.is_empty() {
            return Ok(());
        }
        let values: Vec<String> = entries.iter().map(|entry| format!("({entry})")).collect();
        let mut sql = format!(
            "INSERT INTO lifeboat_restore.suspect VALUES {} ON CONFLICT DO NOTHING;",
            values.join(", ")
        );
        for conflict in conflicts {
            sql.push_str(&format!(
                "INSERT INTO lifeboat_restore.conflict VALUES ({});",
                text(conflict)
            ));
        }
        session
            .execute(&sql, "cannot record failed entries of the schema")
            .await
    }

    pub(crate) async fn suspects(&self, session: &Session) -> Result<BTreeSet<u32>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.suspects.clone());
        }
        entries(session, "suspect", "cannot read which entries failed").await
    }

    /// All statements that met something which was there before us.
    pub(crate) async fn conflicts(&self, session: &Session) -> Result<BTreeSet<String>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.conflicts.clone());
        }
        let sql = "SELECT sql FROM lifeboat_restore.conflict";
        session
            .rows(sql, "cannot read the recorded conflicts")
            .await
    }

    /// Entries for which something was there before the first statement.
    pub(crate) async fn existed(&self, session: &Session) -> Result<BTreeSet<u32>> {
        if !self.is_in_target() {
            return Ok(BTreeSet::new());
        }
        entries(session, "existed", "cannot read what existed before").await
    }

    /// Grants a right for the time of the restore, and records the statement that revokes it.
    pub(crate) async fn grant_temporarily(
        &self,
        session: &Session,
        grant: &TemporaryGrant,
    ) -> Result<()> {
        if self.is_in_target() {
            let sql = format!(
                "{}; INSERT INTO lifeboat_restore.loan (revoke) VALUES ({});",
                grant.grant,
                quote_literal(&grant.revoke)
            );
            return session.execute(&sql, &grant.grant).await;
        }
        session.execute(&grant.grant, &grant.grant).await?;
        if let Some(mut memory) = self.memory() {
            memory.revokes.push(grant.revoke.clone());
        }
        Ok(())
    }

    /// The statements that revoke the temporary grants, the last grant's first.
    pub(crate) async fn revokes(&self, session: &Session) -> Result<Vec<String>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.revokes.iter().rev().cloned().collect());
        }
        let sql = "SELECT revoke FROM lifeboat_restore.loan ORDER BY id DESC";
        session.rows(sql, "cannot read the temporary grants").await
    }

    /// Runs one of these statements, and forgets it.
    pub(crate) async fn revoke(&self, session: &Session, revoke: &str) -> Result<()> {
        if self.is_in_target() {
            let sql = format!(
                "{}; DELETE FROM lifeboat_restore.loan WHERE revoke = {};",
                without_event_triggers(revoke),
                quote_literal(revoke)
            );
            return session.execute(&sql, revoke).await;
        }
        if let Some(mut memory) = self.memory() {
            memory.revokes.retain(|one| one != revoke);
        }
        session.execute(revoke, revoke).await
    }

    /// The statement that records a note under this name, in the transaction of what it is about; empty where
    /// the state is kept in memory.
    pub(crate) fn note_sql(&self, name: &str, note: &RecordedFinding) -> String {
        match self {
            Self::InTarget => insert_note(&text(name), note),
            Self::InMemory(_) => String::new(),
        }
    }

    /// To be called once that is done.
    pub(crate) fn noted(&self, name: &str, note: RecordedFinding) {
        if let Some(mut memory) = self.memory() {
            memory.notes.push((name.to_owned(), note));
        }
    }

    /// The statement that takes away the note of this name and object; as [`Self::note_sql`].
    pub(crate) fn forget_sql(&self, name: &str, what: &str) -> String {
        let (name, what) = (text(name), text(what));
        match self {
            Self::InTarget => {
                format!("DELETE FROM lifeboat_restore.said WHERE phase = {name} AND what = {what};")
            }
            Self::InMemory(_) => String::new(),
        }
    }

    /// To be called once that is done.
    pub(crate) fn forgotten(&self, name: &str, what: &str) {
        if let Some(mut memory) = self.memory() {
            let is_it =
                |(one, note): &(String, RecordedFinding)| one == name && note.finding.what == what;
            memory.notes.retain(|note| !is_it(note));
        }
    }

    /// The notes of this name.
    pub(crate) async fn notes(
        &self,
        session: &Session,
        name: &str,
    ) -> Result<Vec<RecordedFinding>> {
        if let Some(memory) = self.memory() {
            let notes = memory.notes.iter().filter(|(one, _)| one == name);
            return Ok(notes.map(|(_, note)| note.clone()).collect());
        }
        let notes = findings(session).await?.into_iter();
        let notes = notes.filter(|(one, _)| one == name);
        Ok(notes.map(|(_, note)| note).collect())
    }

    /// The statement that records a part, in the transaction that loads it; empty where the state is
    /// kept in memory.
    pub(crate) fn record_part_sql(&self, table_oid: u32, part: u64, loaded: &LoadedPart) -> String {
        if !self.is_in_target() {
            return String::new();
        }
        format!(
            "INSERT INTO lifeboat_restore.part VALUES ({table_oid}, {part}, '{}', '{:032x}', {})",
            loaded.digest.rows, loaded.digest.sum, loaded.through_root
        )
    }

    /// To be called once a part's transaction is committed.
    pub(crate) fn part_committed(&self, table_oid: u32, part: u64, loaded: LoadedPart) {
        if let Some(mut memory) = self.memory() {
            memory.parts.insert((table_oid, part), loaded);
        }
    }

    /// All loaded parts, or those of one table.
    pub(crate) async fn loaded_parts(
        &self,
        session: &Session,
        table_oid: Option<u32>,
    ) -> Result<LoadedParts> {
        if let Some(memory) = self.memory() {
            let parts = memory.parts.iter();
            let chosen = parts.filter(|((oid, _), _)| table_oid.is_none_or(|only| only == *oid));
            return Ok(chosen.map(|(key, part)| (*key, *part)).collect());
        }
        let only = table_oid.map_or(String::new(), |oid| format!(" WHERE table_oid = {oid}"));
        let sql = format!(
            "SELECT table_oid, part, rows, digest, through_root FROM lifeboat_restore.part{only}"
        );
        let what = "cannot read which parts were loaded";
        let rows: Vec<(u64, u64, String, String, bool)> = session.rows(&sql, what).await?;
        let parse = |(oid, part, rows, sum, through_root): (u64, u64, String, String, bool)| {
            let digest = RowDigest {
                rows: rows.parse().ok()?,
                sum: u128::from_str_radix(&sum, 16).ok()?,
            };
            let key = (u32::try_from(oid).ok()?, part);
            Some((
                key,
                LoadedPart {
                    digest,
                    through_root,
                },
            ))
        };
        let parts: Option<LoadedParts> = rows.into_iter().map(parse).collect();
        parts.ok_or_else(|| Error::failed("the rows of lifeboat_restore.part are not lifeboat's"))
    }
}

/// Ids of entries of the archive, from a table of schema `lifeboat_restore`.
async fn entries(session: &Session, table: &str, what: &str) -> Result<BTreeSet<u32>> {
    let sql = format!("SELECT entry FROM lifeboat_restore.{table}");
    let entries: Vec<i64> = session.rows(&sql, what).await?;
    let entries = entries.into_iter();
    Ok(entries
        .filter_map(|entry| u32::try_from(entry).ok())
        .collect())
}
