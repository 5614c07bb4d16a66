//! Hands out parts to load. Tables whose rows must go one after the other come first, then the biggest.
//! Each worker has a table of its own as long as there are tables: sessions that extend the same table
//! wait for each other. A worker's next part is fetched while it loads the one before.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;

use super::load::TableLoad;
use crate::error::Result;
use crate::model::catalog::Name;
use crate::model::manifest::Part;
use crate::pg::target::resume_state::LoadedParts;
use crate::repository::{AHEAD_BYTES, PartListReader, RestorePoint};
use crate::restore::run::Inputs;

/// Tables that share a root, to be loaded one after the other.
pub(super) type InOrder<'a> = Vec<&'a TableLoad<'a>>;

pub(super) struct QueuedPart<'a> {
    pub load: &'a TableLoad<'a>,
    /// In the table's part list.
    pub number: u64,
    pub part: Part,
}

pub(super) struct FetchedPart<'a> {
    pub queued: QueuedPart<'a>,
    pub stored: Bytes,
}

/// Shared by all workers.
pub(super) struct PartQueue<'a> {
    inputs: Inputs<'a>,
    /// By an earlier run.
    loaded: &'a LoadedParts,
    in_order: RefCell<VecDeque<InOrder<'a>>>,
    tables: RefCell<TableQueue<'a>>,
    /// Parts that were taken ahead of their turn, at most one for each worker; any worker may load
    /// them. Large ones are not fetched yet.
    ahead: RefCell<VecDeque<(QueuedPart<'a>, Option<Bytes>)>>,
    /// Held while copying through that root: two sessions would deadlock.
    root_locks: BTreeMap<&'a Name, tokio::sync::Mutex<()>>,
}

impl<'a> PartQueue<'a> {
    pub(super) fn new(
        inputs: Inputs<'a>,
        loads: &'a [TableLoad<'a>],
        loaded: &'a LoadedParts,
    ) -> Self {
        let mut by_root: BTreeMap<&Name, InOrder<'_>> = BTreeMap::new();
        let mut tables: Vec<&TableLoad<'_>> = Vec::new();
        for load in loads {
            match &load.root {
                Some((root, _)) if load.goes_through_root() => {
                    by_root.entry(root).or_default().push(load);
                }
                _ => tables.push(load),
            }
        }
        let roots = loads.iter().filter_map(|load| load.root.as_ref());
        Self {
            inputs,
            loaded,
            in_order: RefCell::new(by_root.into_values().collect()),
            tables: RefCell::new(TableQueue::new(tables)),
            ahead: RefCell::default(),
            root_locks: roots.map(|(root, _)| (root, Default::default())).collect(),
        }
    }

    pub(super) fn root_lock(&self, root: &Name) -> Option<&tokio::sync::Mutex<()>> {
        self.root_locks.get(root)
    }

    pub(super) fn next_in_order(&self) -> Option<InOrder<'a>> {
        self.in_order.borrow_mut().pop_front()
    }

    /// Whether a part is still to be loaded; one that is not counts as progress at once.
    pub(super) fn is_pending(&self, queued: &QueuedPart<'_>) -> bool {
        let QueuedPart { load, number, part } = queued;
        let pending =
            load.refusal().is_none() && !self.loaded.contains_key(&(load.parts.oid, *number));
        if !pending {
            self.inputs.context.progress.advance(part.copy_bytes);
        }
        pending
    }

    /// The next part for a worker, preferably of its `own` table, by OID in the source. `None`:
    /// nothing is left to hand out.
    pub(super) async fn next(&self, own: &mut Option<u32>) -> Result<Option<FetchedPart<'a>>> {
        let is_own = |queued: &QueuedPart<'_>| Some(queued.load.parts.oid) == *own;
        let mut next = self.take_ahead(is_own);
        if next.is_none() {
            next = self.choose(own).await?.map(|queued| (queued, None));
        }
        match next.or_else(|| self.take_ahead(|_| true)) {
            None => Ok(None),
            Some((queued, Some(stored))) => Ok(Some(FetchedPart { queued, stored })),
            Some((queued, None)) => self.fetch(queued).await.map(Some),
        }
    }

    /// Fetches what comes after a worker's part while that is being loaded.
    pub(super) async fn fetch_ahead(&self, own: &mut Option<u32>) -> Result<()> {
        if let Some(queued) = self.choose(own).await? {
            let object = &queued.part.object;
            let stored = if object.bytes > AHEAD_BYTES {
                None
            } else {
                Some(self.inputs.point.fetch(object).await?)
            };
            self.ahead.borrow_mut().push_back((queued, stored));
        }
        Ok(())
    }

    pub(super) async fn fetch(&self, queued: QueuedPart<'a>) -> Result<FetchedPart<'a>> {
        let stored = self.inputs.point.fetch(&queued.part.object).await?;
        Ok(FetchedPart { queued, stored })
    }

    fn take_ahead(
        &self,
        is_wanted: impl Fn(&QueuedPart<'a>) -> bool,
    ) -> Option<(QueuedPart<'a>, Option<Bytes>)> {
        let mut ahead = self.ahead.borrow_mut();
        let found = ahead.iter().position(|(queued, _)| is_wanted(queued))?;
        ahead.remove(found)
    }

    async fn choose(&self, own: &mut Option<u32>) -> Result<Option<QueuedPart<'a>>> {
        loop {
            let Some(table) = self.tables.borrow_mut().next(*own) else {
                return Ok(None);
            };
            *own = Some(table.load.parts.oid);
            match table.next(self.inputs.point).await? {
                Some(queued) if self.is_pending(&queued) => return Ok(Some(queued)),
                Some(_) => {}
                None => self.tables.borrow_mut().finish(&table),
            }
        }
    }
}

struct TableQueue<'a> {
    /// Not started, biggest first.
    waiting: VecDeque<&'a TableLoad<'a>>,
    started: Vec<Rc<StartedTable<'a>>>,
}

impl<'a> TableQueue<'a> {
    fn new(mut loads: Vec<&'a TableLoad<'a>>) -> Self {
        loads.sort_by_key(|load| Reverse(load.parts.copy_bytes));
        Self {
            waiting: loads.into(),
            started: Vec::new(),
        }
    }

    /// A worker's own table, else one that was not started, else the one with most left to do.
    fn next(&mut self, own: Option<u32>) -> Option<Rc<StartedTable<'a>>> {
        let is_own = |table: &&Rc<StartedTable<'_>>| Some(table.load.parts.oid) == own;
        if let Some(table) = self.started.iter().find(is_own) {
            return Some(Rc::clone(table));
        }
        if let Some(load) = self.waiting.pop_front() {
            self.started.push(Rc::new(StartedTable::new(load)));
            return self.started.last().cloned();
        }
        let left = |table: &&Rc<StartedTable<'_>>| table.left_bytes.get();
        self.started.iter().max_by_key(left).cloned()
    }

    fn finish(&mut self, table: &Rc<StartedTable<'_>>) {
        let oid = table.load.parts.oid;
        self.started.retain(|one| one.load.parts.oid != oid);
    }
}

struct StartedTable<'a> {
    load: &'a TableLoad<'a>,
    /// COPY text of the parts that were not handed out.
    left_bytes: Cell<u64>,
    /// The next part's number, and the list from there on once it was fetched.
    list: tokio::sync::Mutex<(u64, Option<PartListReader>)>,
}

impl<'a> StartedTable<'a> {
    fn new(load: &'a TableLoad<'a>) -> Self {
        Self {
            load,
            left_bytes: Cell::new(load.parts.copy_bytes),
            list: tokio::sync::Mutex::default(),
        }
    }

    async fn next(&self, point: &RestorePoint) -> Result<Option<QueuedPart<'a>>> {
        let mut list = self.list.lock().await;
        let (next_number, parts) = &mut *list;
        let parts = match parts {
            Some(parts) => parts,
            None => parts.insert(point.parts(self.load.parts).await?),
        };
        let Some(part) = parts.next().transpose()? else {
            return Ok(None);
        };
        let number = *next_number;
        *next_number += 1;
        self.left_bytes
            .update(|left| left.wrapping_sub(part.copy_bytes));
        let load = self.load;
        Ok(Some(QueuedPart { load, number, part }))
    }
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
        let loads: Vec<TableLoad<'_>> = parts
            .iter()
            .map(|parts| TableLoad::of_large_objects(parts, "UTF8"))
            .collect();
        let mut tables = TableQueue::new(loads.iter().collect());
        let oid = |table: Option<Rc<StartedTable<'_>>>| table.map(|table| table.load.parts.oid);
        assert_eq!(oid(tables.next(None)), Some(2));
        assert_eq!(oid(tables.next(Some(2))), Some(2), "its own");
        assert_eq!(oid(tables.next(None)), Some(3), "another worker");
        let third = tables.next(Some(3)).unwrap();
        tables.finish(&third);
        assert_eq!(oid(tables.next(Some(3))), Some(1), "done with it");
        assert_eq!(oid(tables.next(None)), Some(2), "with most to do");
        tables.started[0].left_bytes.set(1);
        assert_eq!(oid(tables.next(None)), Some(1), "with most left to do");
        for oid in [1, 2] {
            let table = tables.next(Some(oid)).unwrap();
            tables.finish(&table);
        }
        assert_eq!(oid(tables.next(Some(2))), None);
    }
}
