//! What the newest drills of a database say, read no further back than it takes to know.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::attest::{About, Attestations, drill_time, open};
use super::handle::Repository;
use super::layout::PointPath;
use super::read::{ListedPoint, RestorePoint};
use super::room::Room;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::{Attestation, Verdict};
use crate::model::id::Id;
use crate::model::lock::Lock;
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
    /// `None`: it cannot be trusted, or is gone.
    known: BTreeMap<Id, Option<About>>,
}

/// Drills of one database that count.
pub(crate) struct NewestDrills<T> {
    /// Newest first. Older ones than a sound one are not among them, but those of the newest point.
    pub drills: Vec<(Id, T)>,
    /// Attestations that count as none, and why.
    pub passed_over: Vec<String>,
    /// Points beside which drills lie, that are listed and do not open, and why; not those that the caller opened.
    pub refused: Vec<(Id, Error)>,
}

impl<T> Default for NewestDrills<T> {
    fn default() -> Self {
        Self {
            drills: Vec::new(),
            passed_over: Vec::new(),
            refused: Vec::new(),
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

    /// One that the caller opened, or tried to.
    pub(crate) fn add(
        &mut self,
        found: &ListedPoint,
        opened: &Result<(RestorePoint, Option<Lock>)>,
    ) {
        let about = opened.as_ref().ok().map(|(point, _)| About::of(point));
        self.known.insert(found.id.clone(), about);
    }

    /// What an attestation about it must say; `None`: it is gone by now, or was refused before.
    async fn about(&mut self, id: &Id) -> Result<Option<&About>> {
        if !self.known.contains_key(id) {
            // What does not open is asked for once.
            self.known.insert(id.clone(), None);
            if let Some(listed) = self.listed.iter().find(|one| one.id == *id) {
                let _taken = self.room.take(&[listed]).await;
                let opened = self.repository.open_with_lock(listed, self.trust).await;
                let about = About::of(&opened?.0);
                self.known.insert(id.clone(), Some(about));
            }
        }
        Ok(self.known.get(id).and_then(Option::as_ref))
    }
}

impl Attestations {
    /// Reads the newest drills of a database, back to the newest one that found a point sound; those of
    /// `newest_point` back to one that found that point sound. Keeps of each what `keep` makes of it. Where one may
    /// not be read, those before it count.
    pub(crate) async fn newest<T>(
        &self,
        (source, database): (&str, &str),
        newest_point: Option<&Id>,
        points: &mut DrilledPoints<'_>,
        keep: impl Fn(Attestation) -> T,
    ) -> Result<NewestDrills<T>> {
        let mut newest = NewestDrills::default();
        let (mut sound, mut is_newest_sound) = (None, false);
        let mut read = 0;
        for (path, listed) in self.newest_drills_first(source, database) {
            let (id, time) = (&path.id, drill_time(listed));
            // Two may be of one second.
            let is_older = sound.is_some_and(|sound| time < sound);
            let is_of_newest = newest_point == Some(id);
            if is_older && (is_newest_sound || !is_of_newest) {
                continue;
            }
            if read == MOST_READ {
                break;
            }
            read += 1;
            let (repository, trust) = (points.repository, points.trust);
            let opened = match points.about(id).await {
                Ok(Some(about)) => open(listed, about, repository, trust).await,
                Ok(None) => continue,
                Err(error) if error.affects_every_point() => Err(error),
                Err(error) => {
                    newest.refused.push((id.clone(), error));
                    continue;
                }
            };
            match opened {
                Ok(Ok(attestation)) => {
                    if attestation.result == Verdict::Sound {
                        sound = sound.or(Some(time));
                        is_newest_sound |= is_of_newest;
                    }
                    newest.drills.push((id.clone(), keep(attestation)));
                }
                Ok(Err(why)) => newest.passed_over.push(format!("{id}: {why}")),
                Err(error) if error.kind() == Kind::Denied => break,
                Err(error) => return Err(error),
            }
        }
        Ok(newest)
    }

    /// Of whatever point.
    fn newest_drills_first(
        &self,
        source: &str,
        database: &str,
    ) -> impl Iterator<Item = (&PointPath, &ListedObject)> {
        let points = self.of_database(source, database).into_iter().flatten();
        let drills = points.flat_map(|(path, drills)| drills.iter().map(move |one| (path, one)));
        let mut drills: Vec<_> = drills.collect();
        drills.sort_by_cached_key(|(_, one)| Reverse((drill_time(one), one.key.name())));
        drills.into_iter()
    }
}
