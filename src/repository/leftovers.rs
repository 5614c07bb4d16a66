//! What failed exports left behind: objects without a manifest. Nothing deletes them; they go by
//! bucket lifecycle once their lock has ended.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::handle::Repository;
use super::layout::{self, PointPath};
use crate::error::Result;
use crate::model::id::Id;
use crate::store::ListedObject;

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
        let mut listing = self.listing(layout::below(layout::PARTS, source, database));
        let mut found: BTreeMap<Id, (Leftover, ListedObject)> = BTreeMap::new();
        while let Some(listed) = listing.next().await? {
            let Some(path) = PointPath::from_object_key(&listed.key) else {
                continue;
            };
            if committed.contains(&path.id) {
                // What a restore point holds may be millions of objects, and is not looked for.
                listing.skip(&path.folder());
                continue;
            }
            let new = Leftover {
                source: path.source,
                database: path.database,
                id: path.id.clone(),
                objects: 0,
                stored_bytes: 0,
                unlocks_at: None,
            };
            let bytes = listed.bytes;
            let (leftover, _) = found.entry(path.id).or_insert((new, listed));
            leftover.objects += 1;
            leftover.stored_bytes += bytes;
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
