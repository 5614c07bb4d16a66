//! Hands out parts, fetched while the ones before them are loaded. Tables whose rows must go one after
//! the other come first, then the biggest. Each worker has a table of its own as long as there are
//! tables: sessions that extend the same one wait for each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::{Load, Run};
use crate::error::Result;
use crate::model::catalog::Name;
use crate::model::manifest::Part;
use crate::pg::ledger::LoadedParts;
use crate::progress::Progress;
use crate::repository::{Parts, RestorePoint};

/// Tables that share a root, to be loaded one after the other.
pub type InOrder<'a> = Vec<&'a Load<'a>>;

/// A part as its list has it.
pub struct Listed<'a> {
    pub load: &'a Load<'a>,
    pub number: u64,
    pub part: Part,
}

/// A part with its stored bytes.
pub struct Fetched<'a> {
    pub listed: Listed<'a>,
    pub stored: Bytes,
}

/// The table that a worker is at, by its OID in the source.
pub type At = Option<u32>;

/// Shared by all workers.
pub struct Feed<'a> {
    point: &'a RestorePoint,
    progress: &'a dyn Progress,
    /// By an earlier run.
    loaded: &'a LoadedParts,
    state: Mutex<State<'a>>,
    /// At most one for each worker: whoever is free may take it.
    ahead: Mutex<VecDeque<Fetched<'a>>>,
}

struct State<'a> {
    in_order: VecDeque<InOrder<'a>>,
    /// Not begun.
    tables: VecDeque<&'a Load<'a>>,
    begun: Vec<Begun<'a>>,
}

struct Begun<'a> {
    load: &'a Load<'a>,
    /// The next part's number, and the rows' bytes from it on.
    number: u64,
    copy_bytes: u64,
    parts: Parts,
}

impl<'a> Feed<'a> {
    pub fn new(run: &'a Run<'_>, loads: &'a [Load<'a>], loaded: &'a LoadedParts) -> Self {
        let mut by_root: BTreeMap<&Name, InOrder<'_>> = BTreeMap::new();
        let mut tables: Vec<&Load<'_>> = Vec::new();
        for load in loads {
            match &load.root {
                Some((root, _)) if load.through_root.load(Ordering::Relaxed) => {
                    by_root.entry(root).or_default().push(load);
                }
                _ => tables.push(load),
            }
        }
        tables.sort_by_key(|load| Reverse(load.parts.copy_bytes));
        let state = State {
            in_order: by_root.into_values().collect(),
            tables: tables.into(),
            begun: Vec::new(),
        };
        Self {
            point: run.means.point,
            progress: run.means.progress,
            loaded,
            state: Mutex::new(state),
            ahead: Mutex::default(),
        }
    }

    pub async fn next_in_order(&self) -> Option<InOrder<'a>> {
        self.state.lock().await.in_order.pop_front()
    }

    /// Whether a part is still to be loaded; else it counts as done.
    pub fn wants(&self, listed: &Listed<'_>) -> bool {
        let Listed { load, number, part } = listed;
        let wanted = !load.is_refused() && !self.loaded.contains_key(&(load.parts.oid, *number));
        if !wanted {
            self.progress.advance(part.copy_bytes);
        }
        wanted
    }

    /// The next part for a worker; `None`: nothing is left to hand out.
    pub async fn next(&self, at: &mut At) -> Result<Option<Fetched<'a>>> {
        if let Some(fetched) = self
            .take(|fetched| Some(fetched.listed.load.parts.oid) == *at)
            .await
        {
            return Ok(Some(fetched));
        }
        match self.choose(at).await? {
            Some(listed) => self.fetch(listed).await.map(Some),
            None => Ok(self.take(|_| true).await),
        }
    }

    /// Fetches what comes after a worker's part while that is being loaded.
    pub async fn fetch_ahead(&self, at: &mut At) -> Result<()> {
        if let Some(listed) = self.choose(at).await? {
            let fetched = self.fetch(listed).await?;
            self.ahead.lock().await.push_back(fetched);
        }
        Ok(())
    }

    pub async fn fetch(&self, listed: Listed<'a>) -> Result<Fetched<'a>> {
        let stored = self.point.fetch(&listed.part.object).await?;
        Ok(Fetched { listed, stored })
    }

    async fn take(&self, is_it: impl Fn(&Fetched<'a>) -> bool) -> Option<Fetched<'a>> {
        let mut ahead = self.ahead.lock().await;
        let found = ahead.iter().position(is_it)?;
        ahead.remove(found)
    }

    /// Of the worker's own table, else of one that nobody began, else of the one with most to do.
    async fn choose(&self, at: &mut At) -> Result<Option<Listed<'a>>> {
        let mut state = self.state.lock().await;
        while let Some(i) = self.table_for(*at, &mut state).await? {
            let table = &mut state.begun[i];
            let Some(part) = table.parts.next().transpose()? else {
                state.begun.swap_remove(i);
                continue;
            };
            *at = Some(table.load.parts.oid);
            let listed = Listed {
                load: table.load,
                number: table.number,
                part,
            };
            table.number += 1;
            table.copy_bytes -= listed.part.copy_bytes;
            if self.wants(&listed) {
                return Ok(Some(listed));
            }
        }
        Ok(None)
    }

    async fn table_for(&self, at: At, state: &mut State<'a>) -> Result<Option<usize>> {
        let mut begun = state.begun.iter();
        let own = begun.position(|table| Some(table.load.parts.oid) == at);
        if own.is_some() {
            return Ok(own);
        }
        let Some(load) = state.tables.pop_front() else {
            return Ok((0..state.begun.len()).max_by_key(|&i| state.begun[i].copy_bytes));
        };
        state.begun.push(Begun {
            load,
            number: 0,
            copy_bytes: load.parts.copy_bytes,
            parts: self.point.parts(load.parts).await?,
        });
        Ok(Some(state.begun.len() - 1))
    }
}
