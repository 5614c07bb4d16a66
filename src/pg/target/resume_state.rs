//! What a restore knows of its own progress. In an ordinary target it lies in the target itself, so
//! that `--resume` finds it. In a drill whatever comes out of the backup could change it there, and
//! nothing is ever resumed: it stays in memory.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::pg::session::{Session, pg_error};
use crate::pg::target::ledger::{self, LoadedPart, LoadedParts, Said};

/// Where it is kept.
#[derive(Debug)]
pub enum ResumeState {
    /// Schema `lifeboat_restore` of the target.
    InTarget,
    InMemory(Mutex<Memory>),
}

/// The same as the tables of schema `lifeboat_restore`, as far as a drill needs it.
#[derive(Debug, Default)]
pub struct Memory {
    parts: LoadedParts,
    suspects: BTreeSet<u32>,
    conflicts: BTreeSet<String>,
    /// What gives back the rights that were taken for the time of the restore.
    revokes: Vec<String>,
}

impl ResumeState {
    pub fn in_memory() -> Self {
        Self::InMemory(Mutex::default())
    }

    pub fn is_in_target(&self) -> bool {
        matches!(self, Self::InTarget)
    }

    fn memory(&self) -> Option<MutexGuard<'_, Memory>> {
        match self {
            Self::InTarget => None,
            Self::InMemory(memory) => Some(memory.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Notes a phase as finished together with what it said; a drill has no later run to tell.
    pub async fn finish_phase(&self, session: &Session, phase: &str, said: &[Said]) -> Result<()> {
        match self {
            Self::InTarget => ledger::finish_phase(session, phase, said).await,
            Self::InMemory(_) => Ok(()),
        }
    }

    /// Notes entries that failed, to be tried once more at the end, and statements that met something
    /// which was there before us.
    pub async fn add_suspects(
        &self,
        session: &Session,
        entries: &BTreeSet<u32>,
        conflicts: &[&str],
    ) -> Result<()> {
        if let Some(mut memory) = self.memory() {
            memory.suspects.extend(entries);
            memory
                .conflicts
                .extend(conflicts.iter().map(|sql| (*sql).to_owned()));
            return Ok(());
        }
        ledger::add_suspects(session, entries, conflicts).await
    }

    /// All entries that failed so far.
    pub async fn suspects(&self, session: &Session) -> Result<BTreeSet<u32>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.suspects.clone());
        }
        ledger::suspects(session).await
    }

    /// All statements that met something which was there before us.
    pub async fn conflicts(&self, session: &Session) -> Result<BTreeSet<String>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.conflicts.clone());
        }
        ledger::conflicts(session).await
    }

    /// Takes a right for the time of the restore, and notes what gives it back.
    pub async fn take_loan(&self, session: &Session, grant: &str, revoke: &str) -> Result<()> {
        if self.is_in_target() {
            return ledger::take_loan(session, grant, revoke).await;
        }
        run(session, grant).await?;
        if let Some(mut memory) = self.memory() {
            memory.revokes.push(revoke.to_owned());
        }
        Ok(())
    }

    /// What gives the loans back, the last one first.
    pub async fn loans(&self, session: &Session) -> Result<Vec<String>> {
        if let Some(memory) = self.memory() {
            return Ok(memory.revokes.iter().rev().cloned().collect());
        }
        ledger::loans(session).await
    }

    /// Gives one loan back.
    pub async fn return_loan(&self, session: &Session, revoke: &str) -> Result<()> {
        if self.is_in_target() {
            return ledger::return_loan(session, revoke).await;
        }
        if let Some(mut memory) = self.memory() {
            memory.revokes.retain(|one| one != revoke);
        }
        run(session, revoke).await
    }

    /// The note that a part's transaction ends with; empty where it is kept in memory.
    pub fn note_part(&self, table_oid: u32, part: u64, loaded: &LoadedPart) -> String {
        match self {
            Self::InTarget => ledger::note_part(table_oid, part, loaded),
            Self::InMemory(_) => String::new(),
        }
    }

    /// A part's transaction was committed.
    pub fn committed(&self, table_oid: u32, part: u64, loaded: LoadedPart) {
        if let Some(mut memory) = self.memory() {
            memory.parts.insert((table_oid, part), loaded);
        }
    }

    /// All loaded parts, or those of one table.
    pub async fn loaded_parts(
        &self,
        session: &Session,
        table_oid: Option<u32>,
    ) -> Result<LoadedParts> {
        let Some(memory) = self.memory() else {
            return ledger::loaded_parts(session, table_oid).await;
        };
        let parts = memory.parts.iter();
        let chosen = parts.filter(|((oid, _), _)| table_oid.is_none_or(|only| only == *oid));
        Ok(chosen.map(|(key, part)| (*key, *part)).collect())
    }
}

async fn run(session: &Session, sql: &str) -> Result<()> {
    let done = session.client.batch_execute(sql).await;
    done.map_err(|error| pg_error(sql, error))
}
