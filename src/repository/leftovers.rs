//! What failed exports left behind: objects without a manifest. Nothing deletes them; they go by
//! bucket lifecycle once their lock has ended.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::handle::Repository;
use super::layout::{self, PointPath};
use super::read::ListedPoint;
use crate::error::Result;
use crate::model::id::Id;
use crate::sign::Trust;
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
    /// `points` are all that have a manifest. Folders of points that are gone, in which parts lie that others name,
    /// are none: the manifests of those are opened, where a trusted key signed them. A folder of which that is not
    /// known, as there are too many later points or no key is trusted, is none either.
    pub async fn leftovers(
        &self,
        source: Option<&str>,
        database: Option<&str>,
        points: &[ListedPoint],
        trust: &Trust,
    ) -> Result<Vec<Leftover>> {
        let committed: BTreeSet<&Id> = points.iter().map(|one| &one.id).collect();
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
        self.forget_named(&mut found, points, trust).await?;
        let mut leftovers = Vec::new();
        for (mut leftover, sample) in found.into_values() {
            // Parts come first, and no object is locked for longer: one of them is enough.
            let head = self.store.head(&sample.key, &sample.version).await?;
            leftover.unlocks_at = head.lock.map(|lock| lock.retain_until);
            leftovers.push(leftover);
        }
        Ok(leftovers)
    }

    /// Forgets what points that are there name, or may name: nobody may call a living part a leftover.
    async fn forget_named(
        &self,
        found: &mut BTreeMap<Id, (Leftover, ListedObject)>,
        points: &[ListedPoint],
        trust: &Trust,
    ) -> Result<()> {
        let of_database = |one: &Leftover| (one.source.clone(), one.database.clone());
        let databases: BTreeSet<_> = found.values().map(|(one, _)| of_database(one)).collect();
        for (source, database) in databases {
            let of_same =
                |point: &&ListedPoint| point.source == source && point.database == database;
            let later: Vec<&ListedPoint> = points.iter().filter(of_same).collect();
            let is_of_same = |one: &Leftover| one.source == source && one.database == database;
            let ids = found.values().map(|(one, _)| one);
            let ids = ids.filter(|one| is_of_same(one)).map(|one| one.id.clone());
            let unnamed = self.unnamed(ids.collect(), later, trust).await?;
            found.retain(|id, (one, _)| !is_of_same(one) || unnamed.contains(id));
        }
        Ok(())
    }

    /// Those of `ids` that no later point of the same database names. Those that came next are asked first, as they name
    /// most.
    async fn unnamed(
        &self,
        mut ids: BTreeSet<Id>,
        mut points: Vec<&ListedPoint>,
        trust: &Trust,
    ) -> Result<BTreeSet<Id>> {
        points.sort_by_key(|one| one.order());
        let mut asked = 0;
        for point in points {
            if !ids.iter().any(|id| *id < point.id) {
                continue;
            }
            if asked == MOST_ASKED || trust.fingerprints.is_empty() {
                // Nobody knows.
                ids.retain(|id| *id > point.id);
                continue;
            }
            asked += 1;
            match self.open(point, trust).await {
                Ok(opened) => ids.retain(|id| !opened.manifest.parts_from.contains(id)),
                Err(error) if error.affects_every_point() => return Err(error),
                // What nobody trusts keeps nothing alive; `list` and `status` report it.
                Err(_) => {}
            }
        }
        Ok(ids)
    }
}

/// Manifests of one database that are opened to learn whose parts they name.
const MOST_ASKED: usize = 64;
