//! How far a restore has come. In an ordinary target this is recorded in the target itself, so that
//! `--resume` finds it. In a drill whatever comes out of the backup could change it there, and
//! nothing is ever resumed: it stays in memory.

mod in_target;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::pg::session::Session;

pub(crate) use in_target::{
    HOW_TO_REMOVE, LoadedPart, LoadedParts, RecordedFinding, TemporaryGrant, Unfinished, create,
    create_large_object_table, end_leftover_sessions, find_unfinished, findings, lock, remove,
};

/// Where the state is kept.
#[derive(Debug)]
pub(crate) enum ResumeState {
    /// Schema `lifeboat_restore` of the target.
    InTarget,
    InMemory(Mutex<Memory>),
}

/// The same as the tables of schema `lifeboat_restore`, as far as a drill needs it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    parts: LoadedParts,
    suspects: BTreeSet<u32>,
    conflicts: BTreeSet<String>,
    /// The statements that revoke the temporary grants.
    revokes: Vec<String>,
}

impl ResumeState {
    pub(crate) fn in_memory() -> Self {
        Self::InMemory(Mutex::default())
    }

    pub(crate) fn is_in_target(&self) -> bool {
        matches!(self, Self::InTarget)
    }

    fn memory(&self) -> Option<MutexGuard<'_, Memory>> {
        match self {
            Self::InTarget => None,
            Self::InMemory(memory) => Some(memory.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Records a phase as finished, together with its findings. After a drill no later run asks.
    pub(crate) async fn finish_phase(
        &self,
        session: &Session,
        phase: &str,
        findings: &[RecordedFinding],
    ) -> Result<()> {
        match self {
            Self::InTarget => in_target::finish_phase(session, phase, findings).await,
            Self::InMemory(_) => Ok(()),
        }
    }

    /// Records entries that failed, to be tried once more at the end, and statements that met something
    /// which was there before us.
    pub(crate) async fn add_suspects(
        &self,
        session: &Session,
        entries: &BTreeSet<u32>,
        conflicts: &[&str],
    ) -> Result<()> {
        if let Some(mut memory) = self.memory() {
            let conflicts = conflicts.iter().map(|sql| (*sql).to_owned());
            memory.suspects.extend(entries);
            memory.conflicts.extend(conflicts);
            return Ok(());
        }
        in_target::add_suspects(session, entries, conflicts).await
    }

    /// All entries that failed so far.
    pub(crate) async fn suspects(&self, session: &Session) -> Result<BTreeSet<u32>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.suspects.clone());
        }
        in_target::suspects(session).await
    }

    /// All statements that met something which was there before us.
    pub(crate) async fn conflicts(&self, session: &Session) -> Result<BTreeSet<String>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.conflicts.clone());
        }
        in_target::conflicts(session).await
    }

    /// Grants a right for the time of the restore, and records the statement that revokes it.
    pub(crate) async fn grant_temporarily(
        &self,
        session: &Session,
        grant: &TemporaryGrant,
    ) -> Result<()> {
        if self.is_in_target() {
            return in_target::grant_temporarily(session, grant).await;
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
        in_target::revokes(session).await
    }

    /// Runs one of these statements, and forgets it.
    pub(crate) async fn revoke(&self, session: &Session, revoke: &str) -> Result<()> {
        if self.is_in_target() {
            return in_target::revoke(session, revoke).await;
        }
        if let Some(mut memory) = self.memory() {
            memory.revokes.retain(|one| one != revoke);
        }
        session.execute(revoke, revoke).await
    }

    /// The statement that records a part, in the transaction that loads it; empty where the state is
    /// kept in memory.
    pub(crate) fn record_part_sql(&self, table_oid: u32, part: u64, loaded: &LoadedPart) -> String {
        match self {
            Self::InTarget => in_target::record_part_sql(table_oid, part, loaded),
            Self::InMemory(_) => String::new(),
        }
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
        let Some(memory) = self.memory() else {
            return in_target::loaded_parts(session, table_oid).await;
        };
        let parts = memory.parts.iter();
        let chosen = parts.filter(|((oid, _), _)| table_oid.is_none_or(|only| only == *oid));
        Ok(chosen.map(|(key, part)| (*key, *part)).collect())
    }
}
