//! Rows into the new tables: a part is one transaction, as in every restore. Nothing is noted in the target.

use std::cell::RefCell;
use std::collections::VecDeque;

use futures_util::future::try_join_all;
use tokio::sync::Mutex;

use super::plan::NewTable;
use crate::codec::Identities;
use crate::error::{Error, Result};
use crate::model::manifest::{Part, TableParts};
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::load::{Destination, Failure, Money, Open, copy_in, load_part};
use crate::pg::target::resume_state::{LoadedParts, ResumeState};
use crate::progress::Progress;
use crate::repository::{PartListReader, RestorePoint};

pub(super) struct Loading<'a> {
    pub point: &'a RestorePoint,
    pub identities: &'a Identities,
    pub progress: &'a dyn Progress,
    pub target: &'a Server,
    pub jobs: usize,
}

/// A table's parts, and where their rows go.
struct Source<'a> {
    parts: &'a TableParts,
    to: Destination,
}

/// Parts in their order, whoever takes them.
struct Queue<'a> {
    point: &'a RestorePoint,
    waiting: VecDeque<&'a Source<'a>>,
    /// The next part's number, and the rest of the list.
    begun: Option<(&'a Source<'a>, u64, PartListReader)>,
}

impl<'a> Queue<'a> {
    async fn next(&mut self) -> Result<Option<(&'a Source<'a>, u64, Part)>> {
        loop {
            if let Some((source, next, list)) = &mut self.begun
                && let Some(part) = list.next().transpose()?
            {
                *next += 1;
                return Ok(Some((source, *next - 1, part)));
            }
            let Some(source) = self.waiting.pop_front() else {
                return Ok(None);
            };
            let list = self.point.parts(source.parts).await?;
            self.begun = Some((source, 0, list));
        }
    }
}

impl Loading<'_> {
    /// Loads all parts, and returns what was loaded by table.
    pub(super) async fn load(
        &self,
        tables: &[NewTable<'_>],
        encoding: &str,
    ) -> Result<LoadedParts> {
        let sources: Vec<Source<'_>> = tables
            .iter()
            .flat_map(|one| sources(one, encoding))
            .collect();
        let total = sources.iter().map(|one| one.parts.copy_bytes).sum();
        self.progress.phase("tables", Some(total));
        let parts: u64 = sources.iter().map(|one| one.parts.parts).sum();
        let jobs = self.jobs.min(usize::try_from(parts).unwrap_or(usize::MAX));
        let queue = Mutex::new(Queue {
            point: self.point,
            waiting: sources.iter().collect(),
            begun: None,
        });
        let state = ResumeState::InMemory(RefCell::default());
        let workers = (0..jobs).map(|_| self.work(&queue, &state));
        try_join_all(workers).await?;
        // In memory: no session is asked.
        let session = self.connect().await?;
        let loaded = state.loaded_parts(&session, None).await?;
        session.close().await;
        Ok(loaded)
    }

    async fn connect(&self) -> Result<Session> {
        let application = format!("lifeboat {}", self.point.manifest.id);
        Session::connect(self.target, &application, Purpose::Write).await
    }

    async fn work(&self, queue: &Mutex<Queue<'_>>, state: &ResumeState) -> Result<()> {
        let session = self.connect().await?;
        loop {
            let Some((source, number, part)) = queue.lock().await.next().await? else {
                break;
            };
            let stored = self.point.fetch(&part.object).await?;
            let identities = self.identities.clone();
            let open: Open = Box::new(move || identities.open_compressed(stored));
            let loaded = load_part(&session, state, &source.to, number, &part, open).await;
            loaded.map_err(reason)?;
            self.progress.advance(part.copy_bytes);
        }
        session.close().await;
        Ok(())
    }
}

fn sources<'a>(table: &NewTable<'a>, encoding: &str) -> Vec<Source<'a>> {
    let sources = table.tables.iter().filter_map(|(from, parts)| {
        // In the order in which these rows have them.
        let columns = &from.columns;
        let to = Destination {
            table_oid: from.oid,
            sql: copy_in(&table.name, columns, encoding),
            what: format!("table {}", table.name),
            ..Destination::default()
        };
        let to = to.with_money(Money::Plain, &table.name, columns);
        parts.map(|parts| Source { parts, to })
    });
    sources.collect()
}

/// No part is tried again: nobody else is at work in this schema.
fn reason(failure: Failure) -> Error {
    match failure {
        Failure::WrongPartition(why)
        | Failure::TryAgain(why)
        | Failure::Lost(why)
        | Failure::Rows(why)
        | Failure::Fatal(why) => why,
    }
}
