//! What the newest drills of a database say, read no further back than it takes to know.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

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
    /// Newest first. Those are not among them after which a sound drill of the same point or of a newer one came.
    pub drills: Vec<(Id, T)>,
    /// Attestations that count as none, with the id of the point that they are about, and why.
    pub passed_over: Vec<(Id, String)>,
    /// Points beside which drills lie, that are listed and do not open, and why; not those that the caller opened.
    pub refused: Vec<(Id, Error)>,
    /// Why older drills were not read, where they were not.
    pub cut_short: Option<String>,
}

impl<T> NewestDrills<T> {
    /// What is not as it should be, beside what the drills say themselves: each begins with the id of its point, where
    /// it is of one.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let refused = self.refused.iter();
        let refused =
            refused.map(|(id, why)| format!("{id} cannot be restored from: {}", why.chain()));
        let passed_over = self.passed_over.iter();
        let passed_over = passed_over.map(|(id, why)| counts_as_none(id, why));
        let cut_short = self.cut_short.iter().cloned();
        refused.chain(passed_over).chain(cut_short).collect()
    }
}

/// Of an attestation about this point.
pub(crate) fn counts_as_none(id: &Id, why: &str) -> String {
    format!("{id}: a drill's attestation counts as none: {why}")
}

impl<T> Default for NewestDrills<T> {
    fn default() -> Self {
        Self {
            drills: Vec::new(),
            passed_over: Vec::new(),
            refused: Vec::new(),
            cut_short: None,
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
                let about = About::of(&self.repository.open(listed, self.trust).await?);
                self.known.insert(id.clone(), Some(about));
            }
        }
        Ok(self.known.get(id).and_then(Option::as_ref))
    }
}

/// The sound drills that were read: when, and of which point by its place in the order of the store's time.
#[derive(Default)]
struct Sound(Vec<(When, usize)>);

/// By the store's time, as far as it tells drills apart, then by their own.
type When = (Timestamp, Option<Timestamp>);

impl Sound {
    /// Whether one after `time` was of this point, or of a newer one: what an older drill found is mended then.
    fn mends(&self, place: usize, when: When) -> bool {
        // Two may be of one second.
        self.0.iter().any(|(at, of)| when < *at && place <= *of)
    }
}

impl Attestations {
    /// Reads the newest drills of a database, and leaves out those after which a sound one of the same point or of a
    /// newer one came. Keeps of each what `keep` makes of it.
    pub(crate) async fn newest<T>(
        &self,
        (source, database): (&str, &str),
        points: &mut DrilledPoints<'_>,
        keep: impl Fn(Attestation) -> T,
    ) -> Result<NewestDrills<T>> {
        let mut newest = NewestDrills::default();
        let places: BTreeMap<&Id, usize> =
            points.listed.iter().map(|one| &one.id).zip(0..).collect();
        let mut sound = Sound::default();
        let mut read = 0;
        for (path, listed) in self.newest_drills_first(source, database) {
            let (id, time) = (&path.id, drill_time(listed));
            let when = (time, PointPath::drill_time(&listed.key));
            // Of a point that is gone nothing is to be told.
            let Some(place) = places.get(id).filter(|place| !sound.mends(**place, when)) else {
                continue;
            };
            if read == MOST_READ {
                let why =
                    format!("drills before {time} were not read: {MOST_READ} newer ones were");
                newest.cut_short = Some(why);
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
                        sound.0.push((when, *place));
                    }
                    newest.drills.push((id.clone(), keep(attestation)));
                }
                Ok(Err(why)) => newest.passed_over.push((id.clone(), why)),
                Err(error) if error.kind() == Kind::Denied => {
                    let why = format!("drills up to {time} were not read: {}", error.chain());
                    newest.cut_short = Some(why);
                    break;
                }
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
