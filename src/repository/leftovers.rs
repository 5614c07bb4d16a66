//! What failed exports left behind: objects without a manifest. Nothing deletes them; they go by
//! bucket lifecycle once their lock has ended.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::handle::Repository;
use super::layout::{self, PointPath};
use crate::error::Result;
use crate::model::id::Id;
use crate::store::{Cursor, ListedObject};

/// The remains of one export that did not commit, or is still running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    pub source: String,
    pub database: String,
    pub id: Id,
    pub objects: u64,
    pub stored_bytes: u64,
    /// When its objects may be deleted; `None`: not locked.
    pub unlocks_at: Option<Timestamp>,
}

impl Repository {
    /// `committed` are the ids that have a manifest.
    pub async fn leftovers(
        &self,
        source: Option<&str>,
        database: Option<&str>,
        committed: &BTreeSet<Id>,
    ) -> Result<Vec<Leftover>> {
        let prefix = layout::below(layout::PARTS, source, database);
        let mut found: BTreeMap<Id, (Leftover, ListedObject)> = BTreeMap::new();
        let mut from = None;
        loop {
            let page = self.store.list_versions(&prefix, from).await?;
            let last = page
                .objects
                .last()
                .and_then(|last| PointPath::from_object_key(&last.key));
            for listed in page.objects {
                let Some(path) = PointPath::from_object_key(&listed.key) else {
                    continue;
                };
                if committed.contains(&path.id) {
                    continue;
                }
                let (leftover, _) = found
                    .entry(path.id.clone())
                    .or_insert_with(|| (Leftover::of(path), listed.clone()));
                leftover.objects += 1;
                leftover.stored_bytes += listed.bytes;
            }
            from = match (page.next, last) {
                (None, _) => break,
                // What a restore point holds may be millions of objects, and is not looked for.
                (Some(_), Some(path)) if committed.contains(&path.id) => {
                    Some(Cursor::past(&path.folder()))
                }
                (next, _) => next,
            };
        }
        let mut leftovers = Vec::new();
        for (mut leftover, sample) in found.into_values() {
            // One export asks for the same date on every object: one of them is enough.
            let head = self.store.head(&sample.key, &sample.version).await?;
            leftover.unlocks_at = head.lock.map(|lock| lock.retain_until);
            leftovers.push(leftover);
        }
        Ok(leftovers)
    }
}

impl Leftover {
    fn of(path: PointPath) -> Self {
        Self {
            source: path.source,
            database: path.database,
            id: path.id,
            objects: 0,
            stored_bytes: 0,
            unlocks_at: None,
        }
    }
}
