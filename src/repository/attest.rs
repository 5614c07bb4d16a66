//! Attestations of drills: written beside a restore point, and read with the same mistrust as its
//! manifest. One that does not read, or is signed by a key that is not pinned, counts as none.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::details::MAX_SEALED_BYTES;
use super::envelope;
use super::handle::Repository;
use super::layout::{self, PointPath};
use super::locks::{CLOCK_TOLERANCE, Locks};
use super::read::RestorePoint;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::{Attestation, Verdict};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::manifest::ObjectRef;
use crate::sign::{Signer, Trust};
use crate::store::ListedObject;

/// The most entries in a list of an attestation: its bytes are bounded, the memory that its entries
/// take is not.
const MAX_LIST: usize = 10_000;

/// Of one point since some time: whoever may write there can store many that count as none.
const MOST_READ_SINCE: usize = 64;

/// What a listing shows of attestations; nothing is known of their soundness yet.
#[derive(Debug, Clone, Default)]
pub struct Attestations {
    /// By source and database, then by the point that they are about, newest drill first.
    of: BTreeMap<(String, String), BTreeMap<PointPath, Vec<ListedObject>>>,
}

/// What an attestation must say of the point that it is about, from the point's signed manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    repository: String,
    manifest_sha256: Sha256,
}

impl About {
    pub(super) fn of(point: &RestorePoint) -> Self {
        Self {
            repository: point.manifest.repository.clone(),
            manifest_sha256: point.body_sha256,
        }
    }
}

/// What drills say about one restore point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proof {
    /// The newest that says it restored and compared equal.
    pub sound: Option<Attestation>,
    /// When the newest drill failed, where none that is sound came after it.
    pub failed_at: Option<Timestamp>,
    /// When the newest drill could prove nothing without a superuser, where none that is sound came
    /// after it. It takes nothing from a sound one before it.
    pub unproven_at: Option<Timestamp>,
    /// Attestations that count as none, and why.
    pub passed_over: Vec<String>,
}

/// Every drill of one restore point, or what a caller keeps of each.
#[derive(Debug, Clone, PartialEq)]
pub struct History<T> {
    /// Newest first.
    pub drills: Vec<T>,
    /// Attestations that count as none, and why.
    pub passed_over: Vec<String>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            drills: Vec::new(),
            passed_over: Vec::new(),
        }
    }
}

impl Proof {
    /// The newest drill that proved anything says that it restores.
    pub fn holds(&self) -> bool {
        self.sound.is_some() && self.failed_at.is_none()
    }

    pub fn drilled_at(&self) -> Option<Timestamp> {
        self.sound.as_ref().map(|sound| sound.drilled_at)
    }
}

impl Repository {
    /// Signs and stores an attestation, locked as a manifest is, and reads it back.
    pub async fn attest(
        &self,
        attestation: &Attestation,
        locks: &Locks,
        signer: &Signer,
    ) -> Result<ObjectRef> {
        let key = key_of(attestation)?;
        check_bounds(attestation, &key)?;
        let envelope = envelope::wrap(&key, attestation, signer).await?;
        self.put_confirmed(key, envelope, locks, true).await
    }

    /// Lists the attestations of a source, of one of its databases, or of all.
    pub async fn attestations(
        &self,
        source: Option<&str>,
        database: Option<&str>,
    ) -> Result<Attestations> {
        let mut listing = self.listing(layout::below(layout::ATTESTATIONS, source, database));
        let mut found = Attestations::default();
        while let Some(listed) = listing.next().await? {
            if let Some(path) = PointPath::from_attestation_key(&listed.key) {
                let of_database = (path.source.clone(), path.database.clone());
                let points = found.of.entry(of_database).or_default();
                points.entry(path).or_default().push(listed);
            }
        }
        for drills in found.of.values_mut().flat_map(BTreeMap::values_mut) {
            drills.sort_by_cached_key(|one| Reverse((drill_time(one), one.key.clone())));
        }
        Ok(found)
    }

    /// Opens a point that attestations are about; `None`: it is gone by now, or not to be trusted.
    pub async fn open_attested(
        &self,
        path: &PointPath,
        trust: &Trust,
    ) -> Result<Option<RestorePoint>> {
        match self.open_at(path, trust).await {
            Ok(point) => Ok(Some(point)),
            Err(error) if error.affects_every_point() => Err(error),
            Err(_) => Ok(None),
        }
    }
}

impl Attestations {
    /// Whether there is any about this point, sound or not.
    pub fn contains(&self, path: &PointPath) -> bool {
        self.at(path).is_some()
    }

    fn at(&self, path: &PointPath) -> Option<&Vec<ListedObject>> {
        self.of_database(&path.source, &path.database)?.get(path)
    }

    /// Of one database, by the point that they are about.
    pub(super) fn of_database(
        &self,
        source: &str,
        database: &str,
    ) -> Option<&BTreeMap<PointPath, Vec<ListedObject>>> {
        self.of.get(&(source.to_owned(), database.to_owned()))
    }

    /// Points of one database that have attestations which the store received after `after`, the newest point first.
    pub(crate) fn attested_since(
        &self,
        source: &str,
        database: &str,
        after: Timestamp,
    ) -> impl Iterator<Item = &PointPath> {
        let points = self.of_database(source, database).into_iter().flatten();
        let recent = move |drills: &[ListedObject]| drills.iter().any(|one| one.stored_at > after);
        points
            .rev()
            .filter(move |(_, drills)| recent(drills))
            .map(|(path, _)| path)
    }

    /// The newest drill of a point that counts, among those whose attestations the store received after `after`.
    pub(crate) async fn drill_since(
        &self,
        point: &RestorePoint,
        after: Timestamp,
        trust: &Trust,
    ) -> Result<Option<Attestation>> {
        let recent = self.about(point).filter(|one| one.stored_at > after);
        for listed in recent.take(MOST_READ_SINCE) {
            let opened = open(listed, &About::of(point), point.repository(), trust).await?;
            // An old one that somebody stored again is no drill since.
            let began = after.checked_sub(CLOCK_TOLERANCE).unwrap_or(Timestamp::MIN);
            if let Some(drill) = opened.ok().filter(|drill| drill.drilled_at >= began) {
                return Ok(Some(drill));
            }
        }
        Ok(None)
    }

    /// Whether something of a point does not come back, as a drill said after the last that was sound; or as any said
    /// whose attestation the store received after `after`: a sound drill of some tables says nothing of the others.
    ///
    /// A question that was answered wrong is about what the rows say, and they came back.
    pub(super) async fn lost_some(
        &self,
        point: &RestorePoint,
        after: Timestamp,
        trust: &Trust,
    ) -> Result<bool> {
        let mut is_settled = false;
        for listed in self.about(point).take(MOST_READ_SINCE) {
            if is_settled && listed.stored_at <= after {
                break;
            }
            let opened = open(listed, &About::of(point), point.repository(), trust).await?;
            let Ok(drill) = opened else { continue };
            let is_answer = drill.failures == 0 && drill.assertions.iter().any(|one| !one.ok);
            match drill.result {
                Verdict::Failed if !is_answer => return Ok(true),
                Verdict::Sound => is_settled = true,
                _ => {}
            }
        }
        Ok(false)
    }

    /// Points of one database that attestations are about, the newest first.
    pub fn newest_first(&self, source: &str, database: &str) -> impl Iterator<Item = &PointPath> {
        let points = self.of_database(source, database).into_iter();
        points.flat_map(|points| points.keys().rev())
    }

    /// Reads what drills say about a point: as far back as the newest that is sound.
    pub async fn proof(&self, point: &RestorePoint, trust: &Trust) -> Result<Proof> {
        let mut proof = Proof::default();
        for listed in self.about(point) {
            match open(listed, &About::of(point), point.repository(), trust).await? {
                Ok(drill) => match drill.result {
                    Verdict::Sound => {
                        proof.sound = Some(drill);
                        break;
                    }
                    Verdict::Failed => {
                        proof.failed_at = proof.failed_at.max(Some(drill.drilled_at))
                    }
                    Verdict::Unproven => {
                        proof.unproven_at = proof.unproven_at.max(Some(drill.drilled_at));
                    }
                },
                Err(why) => proof.passed_over.push(why),
            }
        }
        Ok(proof)
    }

    /// Reads what drills said about a point: the newest `most`, sound or not, and of each what `keep`
    /// makes of it: all of them, whole, could fill the memory.
    pub async fn history<T>(
        &self,
        point: &RestorePoint,
        trust: &Trust,
        most: usize,
        keep: impl Fn(Attestation) -> T,
    ) -> Result<History<T>> {
        let mut history = History::default();
        for listed in self.about(point).take(most) {
            match open(listed, &About::of(point), point.repository(), trust).await? {
                Ok(attestation) => history.drills.push(keep(attestation)),
                Err(why) => history.passed_over.push(why),
            }
        }
        Ok(history)
    }

    fn about(&self, point: &RestorePoint) -> impl Iterator<Item = &ListedObject> {
        self.at(&point.path()).into_iter().flatten()
    }
}

/// The most attestations that are read to find one that counts.
const MAX_OPENINGS_READ: usize = 8;

impl Attestations {
    /// When this recipient's identity, given as a file, last opened a restore point in a drill, however
    /// that ended. The point itself may have aged out since: its attestation stays.
    pub async fn last_opening(
        &self,
        recipient: &str,
        repository: &Repository,
        trust: &Trust,
    ) -> Result<Option<Timestamp>> {
        let id = repository.marker().await?.repository;
        let points = self.of.values().flat_map(BTreeMap::values);
        let named = points.flatten();
        let mut named: Vec<(&str, &ListedObject)> = named
            .filter_map(|listed| Some((PointPath::opening_time(&listed.key, recipient)?, listed)))
            .collect();
        named.sort_by(|(one, _), (other, _)| other.cmp(one));
        for (_, listed) in named.into_iter().take(MAX_OPENINGS_READ) {
            match read(listed, repository, trust).await {
                Err(error) if error.affects_every_point() => return Err(error),
                Ok(read) if read.repository == id && read.offline() == Some(recipient) => {
                    // A clock that ran ahead must not silence anybody for long.
                    return Ok(Some(read.drilled_at.min(listed.stored_at)));
                }
                // As everywhere, it counts as none.
                Err(_) | Ok(_) => {}
            }
        }
        Ok(None)
    }
}

/// For a reader without rights on attestations there are none: it may well restore.
pub(crate) fn if_allowed<T: Default>(read: Result<T>) -> Result<T> {
    match read {
        Err(error) if error.kind() == Kind::Denied => Ok(T::default()),
        read => read,
    }
}

/// Opens one about a point that is there; the inner error says why it counts as none.
pub(super) async fn open(
    listed: &ListedObject,
    about: &About,
    repository: &Repository,
    trust: &Trust,
) -> Result<Result<Attestation, String>> {
    let about_this = |mut body: Attestation| {
        if body.repository != about.repository {
            return Err(about_another(listed, "repository"));
        }
        if body.manifest_sha256 != about.manifest_sha256 {
            return Err(about_another(listed, "manifest of this id"));
        }
        // A clock that ran ahead must not silence the drills after it.
        body.drilled_at = body.drilled_at.min(listed.stored_at);
        Ok(body)
    };
    let read = read(listed, repository, trust).await;
    match read.and_then(about_this) {
        Err(error) if error.affects_every_point() => Err(error),
        read => Ok(read.map_err(|error| error.chain())),
    }
}

/// As its name says it, for an attestation that says otherwise counts as none; at the latest when the store received
/// it.
pub(super) fn drill_time(listed: &ListedObject) -> Timestamp {
    let named = PointPath::drill_time(&listed.key);
    named.unwrap_or_default().min(listed.stored_at)
}

/// Opens one for what it says of itself: a pinned key signed it, and it lies where it belongs.
async fn read(
    listed: &ListedObject,
    repository: &Repository,
    trust: &Trust,
) -> Result<Attestation> {
    let key = &listed.key;
    let body: Attestation = repository.open_signed(listed, trust).await?.body;
    if key_of(&body)? != *key {
        return Err(about_another(listed, "restore point or drill"));
    }
    check_bounds(&body, key)?;
    Ok(body)
}

/// What a writer keeps to and a reader insists on.
fn check_bounds(body: &Attestation, key: &Key) -> Result<()> {
    let sealed = body.sealed.as_ref().map_or(0, String::len);
    let longest = body.assertions.len().max(body.not_tried.len());
    if sealed > MAX_SEALED_BYTES || longest > MAX_LIST {
        return Err(Error::damaged(format!(
            "{key} lists or seals more than a reader accepts"
        )));
    }
    Ok(())
}

fn about_another(listed: &ListedObject, what: &str) -> Error {
    Error::untrusted(format!("{} is about another {what}", listed.key))
}

fn key_of(attestation: &Attestation) -> Result<Key> {
    let path = PointPath::new(&attestation.source, &attestation.database, &attestation.id);
    path.attestation(attestation.drilled_at, attestation.offline())
}
