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
use crate::model::manifest::Manifest;
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

    /// Those of `ids` that no later point of the same database names.
    ///
    /// An export names what the one before it names or has: once some that came next name nothing of a folder, no later
    /// one does.
    async fn unnamed(
        &self,
        ids: BTreeSet<Id>,
        mut points: Vec<&ListedPoint>,
        trust: &Trust,
    ) -> Result<BTreeSet<Id>> {
        points.sort_by_key(|one| one.order());
        let mut asked: BTreeMap<&Id, Option<Manifest>> = BTreeMap::new();
        let mut unnamed = BTreeSet::new();
        'ids: for id in ids {
            let mut settled = 0;
            for point in points.iter().filter(|point| point.id > id) {
                if !asked.contains_key(&point.id) {
                    if asked.len() == MOST_ASKED || trust.fingerprints.is_empty() {
                        // Nobody knows.
                        continue 'ids;
                    }
                    asked.insert(&point.id, self.if_trusted(point, trust).await?);
                }
                // What nobody trusts keeps nothing alive; `list` and `status` report it.
                let Some(Some(manifest)) = asked.get(&point.id) else {
                    continue;
                };
                if manifest.parts_from.contains(&id) {
                    continue 'ids;
                }
                settled += if manifest.state.is_some() {
                    ENOUGH / 3
                } else {
                    1
                };
                if settled >= ENOUGH {
                    break;
                }
            }
            unnamed.insert(id);
        }
        Ok(unnamed)
    }

    async fn if_trusted(&self, point: &ListedPoint, trust: &Trust) -> Result<Option<Manifest>> {
        match self.open(point, trust).await {
            Ok(opened) => Ok(Some(opened.manifest)),
            Err(error) if error.affects_every_point() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// Three exports that may name parts, or so many that may not, as they had no reuse key.
const ENOUGH: u32 = 24;

/// Manifests of one database that are opened to learn whose parts they name.
const MOST_ASKED: usize = 64;
