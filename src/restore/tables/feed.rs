//! Hands out parts. Tables whose rows must go one after the other come first, then the biggest. Each
//! worker has a table of its own as long as there are tables: sessions that extend the same one wait
//! for each other. The part after the one that is being loaded is fetched meanwhile.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Load, Run};
use crate::error::Result;
use crate::model::catalog::Name;
use crate::model::manifest::Part;
use crate::pg::target::resume_state::LoadedParts;
use crate::progress::Progress;
use crate::repository::{PartListReader, RestorePoint};

/// A part larger than this holds wide rows and is fetched when its turn comes: memory holds two
/// ordinary parts for each session, or one like this.
const AHEAD_BYTES: u64 = 32 * 1024 * 1024;

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

/// Shared by all workers.
pub struct Feed<'a> {
    point: &'a RestorePoint,
    progress: &'a dyn Progress,
    /// By an earlier run.
    loaded: &'a LoadedParts,
    in_order: Mutex<VecDeque<InOrder<'a>>>,
    tables: Mutex<Tables<'a>>,
    /// What comes next, at most one for each worker; whoever is free may take it. Without bytes where
    /// they are too many.
    ahead: Mutex<VecDeque<(Listed<'a>, Option<Bytes>)>>,
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
        Self {
            point: run.means.point,
            progress: run.means.progress,
            loaded,
            in_order: Mutex::new(by_root.into_values().collect()),
            tables: Mutex::new(Tables::new(tables)),
            ahead: Mutex::default(),
        }
    }

    pub fn next_in_order(&self) -> Option<InOrder<'a>> {
        locked(&self.in_order).pop_front()
    }

    /// Whether a part is still to be loaded.
    pub fn wants(&self, listed: &Listed<'_>) -> bool {
        let Listed { load, number, .. } = listed;
        !load.is_refused() && !self.loaded.contains_key(&(load.parts.oid, *number))
    }

    /// The next part for a worker, preferably of its `own` table, by OID in the source; `None`: nothing
    /// is left to hand out.
    pub async fn next(&self, own: &mut Option<u32>) -> Result<Option<Fetched<'a>>> {
        let is_own = |listed: &Listed<'_>| Some(listed.load.parts.oid) == *own;
        let (listed, stored) = match self.take_ahead(is_own) {
            Some(ahead) => ahead,
            None => match self.choose(own).await? {
                Some(listed) => (listed, None),
                None => match self.take_ahead(|_| true) {
                    Some(ahead) => ahead,
                    None => return Ok(None),
                },
            },
        };
        match stored {
            Some(stored) => Ok(Some(Fetched { listed, stored })),
            None => self.fetch(listed).await.map(Some),
        }
    }

    /// Fetches what comes after a worker's part while that is being loaded.
    pub async fn fetch_ahead(&self, own: &mut Option<u32>) -> Result<()> {
        if let Some(listed) = self.choose(own).await? {
            let object = &listed.part.object;
            let stored = if object.bytes > AHEAD_BYTES {
                None
            } else {
                Some(self.point.fetch(object).await?)
            };
            locked(&self.ahead).push_back((listed, stored));
        }
        Ok(())
    }

    pub async fn fetch(&self, listed: Listed<'a>) -> Result<Fetched<'a>> {
        let stored = self.point.fetch(&listed.part.object).await?;
        Ok(Fetched { listed, stored })
    }

    fn take_ahead(
        &self,
        is_it: impl Fn(&Listed<'a>) -> bool,
    ) -> Option<(Listed<'a>, Option<Bytes>)> {
        let mut ahead = locked(&self.ahead);
        let found = ahead.iter().position(|(listed, _)| is_it(listed))?;
        ahead.remove(found)
    }

    async fn choose(&self, own: &mut Option<u32>) -> Result<Option<Listed<'a>>> {
        loop {
            let Some(table) = locked(&self.tables).next(*own) else {
                return Ok(None);
            };
            *own = Some(table.load.parts.oid);
            match table.next(self.point).await? {
                Some(listed) if self.wants(&listed) => return Ok(Some(listed)),
                Some(listed) => self.progress.advance(listed.part.copy_bytes),
                None => locked(&self.tables).end(&table),
            }
        }
    }
}

/// Which table is next.
struct Tables<'a> {
    /// Not begun, biggest first.
    waiting: VecDeque<&'a Load<'a>>,
    begun: Vec<Arc<Begun<'a>>>,
}

impl<'a> Tables<'a> {
    fn new(mut loads: Vec<&'a Load<'a>>) -> Self {
        loads.sort_by_key(|load| Reverse(load.parts.copy_bytes));
        Self {
            waiting: loads.into(),
            begun: Vec::new(),
        }
    }

    /// A worker's own table, else one that nobody began, else the one with most left to do.
    fn next(&mut self, own: Option<u32>) -> Option<Arc<Begun<'a>>> {
        let is_own = |table: &&Arc<Begun<'_>>| Some(table.load.parts.oid) == own;
        if let Some(table) = self.begun.iter().find(is_own) {
            return Some(Arc::clone(table));
        }
        if let Some(load) = self.waiting.pop_front() {
            self.begun.push(Arc::new(Begun::new(load)));
            return self.begun.last().cloned();
        }
        let left = |table: &&Arc<Begun<'_>>| table.copy_bytes.load(Ordering::Relaxed);
        self.begun.iter().max_by_key(left).cloned()
    }

    fn end(&mut self, table: &Arc<Begun<'_>>) {
        self.begun
            .retain(|one| one.load.parts.oid != table.load.parts.oid);
    }
}

struct Begun<'a> {
    load: &'a Load<'a>,
    /// Of the rows that were not handed out.
    copy_bytes: AtomicU64,
    /// The next part's number, and the list from there on once it was fetched.
    list: tokio::sync::Mutex<(u64, Option<PartListReader>)>,
}

impl<'a> Begun<'a> {
    fn new(load: &'a Load<'a>) -> Self {
        Self {
            load,
            copy_bytes: AtomicU64::new(load.parts.copy_bytes),
            list: tokio::sync::Mutex::default(),
        }
    }

    async fn next(&self, point: &RestorePoint) -> Result<Option<Listed<'a>>> {
        let mut list = self.list.lock().await;
        let (number, parts) = &mut *list;
        let parts = match parts {
            Some(parts) => parts,
            None => parts.insert(point.parts(self.load.parts).await?),
        };
        let Some(part) = parts.next().transpose()? else {
            return Ok(None);
        };
        let listed = Listed {
            load: self.load,
            number: *number,
            part,
        };
        *number += 1;
        self.copy_bytes
            .fetch_sub(listed.part.copy_bytes, Ordering::Relaxed);
        Ok(Some(listed))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manifest::TableParts;

    fn parts(oid: u32, copy_bytes: u64) -> TableParts {
        TableParts {
            oid,
            rows: 1,
            parts: 1,
            stored_bytes: 1,
            copy_bytes,
            list: None,
        }
    }

    #[test]
    fn every_worker_has_its_own_table_until_none_is_left_and_then_joins_the_biggest() {
        let parts = [parts(1, 10), parts(2, 1000), parts(3, 100)];
        let loads: Vec<Load<'_>> = parts
            .iter()
            .map(|parts| Load::of_large_objects(parts, "UTF8"))
            .collect();
        let mut tables = Tables::new(loads.iter().collect());
        let oid = |table: Option<Arc<Begun<'_>>>| table.map(|table| table.load.parts.oid);
        assert_eq!(oid(tables.next(None)), Some(2));
        assert_eq!(oid(tables.next(Some(2))), Some(2), "its own");
        assert_eq!(oid(tables.next(None)), Some(3), "another worker");
        let third = tables.next(Some(3)).unwrap();
        tables.end(&third);
        assert_eq!(oid(tables.next(Some(3))), Some(1), "done with it");
        assert_eq!(oid(tables.next(None)), Some(2), "with most to do");
        tables.begun[0].copy_bytes.store(1, Ordering::Relaxed);
        assert_eq!(oid(tables.next(None)), Some(1), "with most left to do");
        for oid in [1, 2] {
            let table = tables.next(Some(oid)).unwrap();
            tables.end(&table);
        }
        assert_eq!(oid(tables.next(Some(2))), None);
    }
}
