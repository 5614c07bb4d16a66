//! What one table names again of its parts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::reuse::Reuse;
use crate::codec::{ChunkFinder, ChunkSize};
use crate::error::{Error, Result};
use crate::model::digest::Mark;
use crate::model::manifest::{Part, TableParts};
use crate::repository::{Kept, ListedPart, PointWriter, Reach, StateTable};

/// A part of a table, stored or named.
pub(super) struct TablePart {
    pub part: Part,
    /// `None`: without a reuse key.
    pub mark: Option<Mark>,
    /// Of a part that is named: until when it is kept.
    pub until: Option<Timestamp>,
}

/// One table's.
pub(super) struct TableReuse {
    reuse: Arc<Reuse>,
    oid: u32,
    size: ChunkSize,
    /// Which of the base's parts are named; a list names each once.
    taken: Mutex<Vec<bool>>,
}

impl TableReuse {
    pub(super) fn new(reuse: &Arc<Reuse>, oid: u32, table_bytes: u64) -> Self {
        let base = reuse.base_of(oid);
        let size = ChunkSize::of_table(table_bytes, base.map(|base| base.size));
        // Of another size no chunk has the same ends.
        let known = base.map_or(0, StateTable::known);
        Self {
            reuse: Arc::clone(reuse),
            oid,
            size,
            taken: Mutex::new(vec![false; known]),
        }
    }

    pub(super) fn finder(&self) -> ChunkFinder {
        ChunkFinder::new(&self.reuse.key, self.size)
    }

    pub(super) fn mark(&self, rows: &[u8]) -> Mark {
        self.reuse.key.mark(rows)
    }

    /// New parts count on from the base's: numbers of a list are all different, whoever stored them.
    pub(super) fn first_number(&self) -> u64 {
        let base = self.reuse.base_of(self.oid);
        base.and_then(|base| base.highest)
            .map_or(0, |highest| highest + 1)
    }

    /// Names the stored part with exactly these rows again. `None`: there is none, or it is not kept for long enough.
    pub(super) async fn name_again(
        &self,
        mark: Mark,
        (rows, copy_bytes): (u64, u64),
        writer: &PointWriter,
    ) -> Result<Option<TablePart>> {
        let Some(base) = &self.reuse.base else {
            return Ok(None);
        };
        let found = {
            let mut taken = self.taken();
            let wanted = (mark, rows, copy_bytes);
            let needed = self.reuse.reach.needed;
            base.state.take(self.oid, wanted, needed, &mut taken)?
        };
        let Some(listed) = found else { return Ok(None) };
        let part = match writer.names_in_place() {
            true => Some(listed.part),
            false => writer.link_part(self.oid, &listed.part).await?,
        };
        Ok(part.map(|part| TablePart {
            part,
            mark: Some(mark),
            until: Some(listed.until),
        }))
    }

    /// Stores the list of the table's parts, or names the base's where it lists the same, and notes both for the next
    /// export.
    pub(super) async fn finish(
        &self,
        parts: Vec<TablePart>,
        writer: &PointWriter,
    ) -> Result<TableParts> {
        let Reach { needed, stored } = self.reuse.reach;
        let again = parts.iter().filter(|one| one.until.is_some());
        let (named, named_bytes) = again.fold((0, 0), |(named, bytes), one| {
            (named + 1, bytes + one.part.object.bytes)
        });
        let marked = parts.into_iter().map(|one| {
            let mark = one
                .mark
                .ok_or_else(|| Error::failed("a part without a mark"))?;
            Ok(ListedPart {
                mark,
                part: one.part,
                until: one.until.unwrap_or(stored),
            })
        });
        let listed: Vec<ListedPart> = marked.collect::<Result<_>>()?;
        let parts: Vec<Part> = listed.iter().map(|one| one.part.clone()).collect();
        let base = self.reuse.base_of(self.oid);
        let unchanged = base
            .filter(|base| writer.names_in_place() && named == parts.len() && named == base.listed);
        let again = unchanged.and_then(|base| base.list.clone());
        let list = again.filter(|list| list.until >= needed);
        let (table, list) = match list {
            Some(list) => {
                let object = Some(list.object.clone());
                (TableParts::of(self.oid, &parts, object), Some(list))
            }
            None => {
                let table = writer.put_part_list(self.oid, &parts).await?;
                let list = table.list.clone().map(|object| Kept {
                    object,
                    until: stored,
                });
                (table, list)
            }
        };
        self.note((named as u64, named_bytes), list, listed)?;
        Ok(table)
    }

    fn note(
        &self,
        (named, named_bytes): (u64, u64),
        list: Option<Kept>,
        parts: Vec<ListedPart>,
    ) -> Result<()> {
        let mut left = self.reuse.left();
        left.named += named;
        left.named_bytes += named_bytes;
        let objects = parts.iter().map(|one| &one.part.object);
        for object in objects.chain(list.iter().map(|list| &list.object)) {
            self.reuse.note_place(&mut left, object);
        }
        match &mut left.state {
            Some(state) => state.table(self.oid, self.size, list, parts),
            None => Ok(()),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Vec<bool>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
