//! What the newest drills of a database say, read no further back than it takes to know.

use std::collections::BTreeMap;

use super::attest::{About, Attestations, open};
use super::handle::Repository;
use super::layout::PointPath;
use super::read::{ListedPoint, RestorePoint};
use super::room::Room;
use crate::error::Result;
use crate::model::attestation::{Attestation, Verdict};
use crate::model::id::Id;
use crate::sign::Trust;
use crate::store::ListedObject;

/// How many attestations of one database are read: whoever may write there can store many that count as none.
const MOST_READ: usize = 256;

/// The points of one database, and of those that drills are about what their signed manifests say.
pub(crate) struct DrilledPoints<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    room: &'a Room,
    listed: &'a [ListedPoint],
    /// `None`: it cannot be trusted.
    known: BTreeMap<Id, Option<About>>,
}

/// Drills of one database that count.
pub(crate) struct NewestDrills<T> {
    /// Newest first. Where a drill was sound, no older one is among them.
    pub drills: Vec<(Id, T)>,
    /// Attestations that count as none, and why.
    pub passed_over: Vec<String>,
}

impl<T> Default for NewestDrills<T> {
    fn default() -> Self {
        Self {
            drills: Vec::new(),
            passed_over: Vec::new(),
        }
    }
}

impl<'a> DrilledPoints<'a> {
    pub(crate) fn new(
        repository: &'a Repository,
        trust: &'a Trust,
        room: &'a Room,
        listed: &'a [ListedPoint],
    ) -> Self {
        Self {
            repository,
            trust,
            room,
            listed,
            known: BTreeMap::new(),
        }
    }

    /// One that was opened already.
    pub(crate) fn add(&mut self, point: &RestorePoint) {
        let id = point.manifest.id.clone();
        self.known.insert(id, Some(About::of(point)));
    }

    /// `None`: the point is gone by now, or not to be trusted.
    async fn about(&mut self, id: &Id) -> Result<Option<&About>> {
        if !self.known.contains_key(id) {
            let about = match self.listed.iter().find(|one| one.id == *id) {
                Some(listed) => self.open(listed).await?,
                None => None,
            };
            self.known.insert(id.clone(), about);
        }
        Ok(self.known.get(id).and_then(Option::as_ref))
    }

    async fn open(&self, listed: &ListedPoint) -> Result<Option<About>> {
        let _taken = self.room.take(&[listed]).await;
        match self.repository.open_with_lock(listed, self.trust).await {
            Ok((point, _)) => Ok(Some(About::of(&point))),
            Err(error) if error.affects_every_point() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

impl Attestations {
    /// Reads the newest drills of a database, back to the newest one that found a point sound, and keeps of each
    /// what `keep` makes of it.
    pub(crate) async fn newest<T>(
        &self,
        (source, database): (&str, &str),
        points: &mut DrilledPoints<'_>,
        keep: impl Fn(Attestation) -> T,
    ) -> Result<NewestDrills<T>> {
        let mut newest = NewestDrills::default();
        let mut sound = None;
        for (path, listed) in self.newest_drills_first(source, database).take(MOST_READ) {
            let time = drill_time(listed);
            // Two may be of one second.
            if sound.is_some_and(|sound| time < sound) {
                break;
            }
            let (repository, trust) = (points.repository, points.trust);
            let Some(about) = points.about(&path.id).await? else {
                continue;
            };
            match open(listed, about, repository, trust).await? {
                Ok(attestation) => {
                    if attestation.result == Verdict::Sound {
                        sound = sound.or(Some(time));
                    }
                    newest.drills.push((path.id.clone(), keep(attestation)));
                }
                Err(why) => newest.passed_over.push(format!("{}: {why}", path.id)),
            }
        }
        Ok(newest)
    }

    /// Of whatever point: names are times.
    fn newest_drills_first(
        &self,
        source: &str,
        database: &str,
    ) -> impl Iterator<Item = (&PointPath, &ListedObject)> {
        let points = self.of_database(source, database).into_iter().flatten();
        let drills = points.flat_map(|(path, drills)| drills.iter().map(move |one| (path, one)));
        let mut drills: Vec<_> = drills.collect();
        drills.sort_by(|(_, one), (_, other)| other.key.name().cmp(one.key.name()));
        drills.into_iter()
    }
}

/// As its name says it: an attestation that says otherwise counts as none.
fn drill_time(listed: &ListedObject) -> &str {
    let name = listed.key.name();
    name.get(.."20261121T020000Z".len()).unwrap_or(name)
}
