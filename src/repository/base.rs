//! The base of an export: the point whose stored parts it may name again.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

use super::handle::Repository;
use super::layout::{MAX_STATE_BYTES, PointPath};
use super::locks::CLOCK_TOLERANCE;
use super::read::{ListedPoint, RestorePoint};
use super::state::State;
use super::state_lines::{About, StoredUnderLock};
use crate::codec::ReuseKey;
use crate::compute;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::id::Id;
use crate::model::lock::LockMode;
use crate::model::manifest::ObjectRef;
use crate::sign::Trust;

/// How many points that we trust are looked at, the newest first.
const MOST_LOOKED_AT: usize = 16;
/// How many are opened to find those: whoever may write could store any number of others.
const MOST_LISTED: usize = 100;

/// What is looked for.
pub(crate) struct Sought<'a> {
    pub key: &'a ReuseKey,
    pub trust: &'a Trust,
    /// The repository's id.
    pub repository: &'a str,
    pub recipients: &'a [String],
    /// In which new objects are locked; `None`: they are not.
    pub mode: Option<LockMode>,
}

#[derive(Debug)]
pub(crate) struct Base {
    pub state: State,
}

/// What was found, and what a person should know of what was not.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub base: Option<Base>,
    /// What the exports up to the newest one whose state counts stored, as far as it is locked; `None`: none counts.
    pub stored: Option<Vec<StoredUnderLock>>,
    /// A point that does not restore has parts that would be named again.
    pub has_damage: bool,
    pub findings: Vec<String>,
}

impl Repository {
    /// The newest of these points, by the store's time, that we trust, and whose state is ours and for the same
    /// recipients. Parts that are not there any more are left out of it.
    pub(crate) async fn base(&self, found: &[ListedPoint], sought: &Sought<'_>) -> Result<Found> {
        let mut found: Vec<&ListedPoint> = found.iter().collect();
        found.sort_by_key(|one| Reverse(one.order()));
        let (mut result, mut refused, mut trusted) = (Found::default(), Refused::default(), 0);
        for one in found.iter().take(MOST_LISTED) {
            if trusted == MOST_LOOKED_AT {
                break;
            }
            let point = match self.open(one, sought.trust).await {
                Ok(point) => point,
                Err(error) if error.affects_every_point() => return Err(error),
                // `status` reports it.
                Err(_) => continue,
            };
            trusted += 1;
            let mut state = match point.state_of(sought).await {
                Ok(Some(state)) => state,
                Ok(None) => continue,
                Err(error) if error.affects_every_point() => return Err(error),
                Err(error) => {
                    refused.add(&point.manifest.id, error.chain());
                    continue;
                }
            };
            let mut stored = std::mem::take(&mut state.stored);
            stored.extend(StoredUnderLock::beside_parts(&point.manifest));
            result.stored = Some(stored);
            result.findings.extend(refused.findings(true));
            let failed = match self.failed(&point, sought.trust).await {
                Err(error) if error.kind() == Kind::Denied => {
                    let why = error.chain();
                    result.findings.push(format!(
                        "whether a drill found damage in what is named again is not known: {why}"
                    ));
                    None
                }
                failed => failed?,
            };
            if let Some(failed) = failed {
                result.has_damage = true;
                result.findings.push(format!(
                    "everything is stored anew: a drill or verification of {failed} failed, and parts that it has would be named again"
                ));
                return Ok(result);
            }
            let state = self.only_what_is_there(state).await?;
            result.base = Some(Base { state });
            return Ok(result);
        }
        if trusted == 0 && found.len() > MOST_LISTED {
            result.findings.push(format!(
                "everything is stored anew: none of the {MOST_LISTED} newest restore points can be trusted"
            ));
        }
        result.findings.extend(refused.findings(false));
        Ok(result)
    }

    /// A point that does not restore, as a drill or prove's verification says, and has parts in the same folders as this
    /// one. The base itself named nothing of what was said to fail before it was begun: unless it is about points in
    /// whose folders its parts lie, that is not read again.
    async fn failed(&self, point: &RestorePoint, trust: &Trust) -> Result<Option<Id>> {
        let path = point.path();
        let of_database = self.attestations(Some(&path.source), Some(&path.database));
        let drills = of_database.await?;
        let since = point.manifest.started_at.checked_sub(CLOCK_TOLERANCE);
        let since = since.unwrap_or(Timestamp::MIN);
        let news = drills.attested_since(&path.source, &path.database, since);
        let own = std::iter::once(&path.id).chain(&point.manifest.parts_from);
        let own = own.map(|id| PointPath::new(&path.source, &path.database, id));
        let asked: BTreeSet<PointPath> = own
            .filter(|place| drills.contains(place))
            .chain(news.cloned())
            .collect();
        for place in asked {
            let Some(other) = self.open_attested(&place, trust).await? else {
                continue;
            };
            if !self.shares_folders(point, &other) {
                continue;
            }
            if drills.lost_some(&other, since, trust).await? {
                return Ok(Some(place.id));
            }
        }
        Ok(None)
    }

    /// In a directory what is named again has a second name in the point's own folder: nothing tells whose it is.
    fn shares_folders(&self, one: &RestorePoint, other: &RestorePoint) -> bool {
        fn folders(point: &RestorePoint) -> impl Iterator<Item = &Id> {
            std::iter::once(&point.manifest.id).chain(&point.manifest.parts_from)
        }
        !self.has_locks() || folders(one).any(|id| folders(other).any(|other| other == id))
    }

    /// Asks one listing for each folder. A directory is asked part by part, where one is given a second name.
    async fn only_what_is_there(&self, mut state: State) -> Result<State> {
        if !self.has_locks() {
            return Ok(state);
        }
        let hash = |key: &str, version: &str, bytes: u64| {
            xxh3_128(format!("{key} {version} {bytes}").as_bytes())
        };
        let mut seen: HashMap<u128, bool> = HashMap::new();
        for object in state.objects() {
            let object = object?;
            let one = hash(object.key.as_str(), &object.version, object.bytes);
            seen.insert(one, false);
        }
        for folder in state.folders() {
            let mut listing = self.listing(folder);
            while let Some(listed) = listing.next().await? {
                let one = hash(listed.key.as_str(), &listed.version, listed.bytes);
                seen.entry(one).and_modify(|is_there| *is_there = true);
            }
        }
        state.retain(|object| {
            let one = hash(object.key.as_str(), &object.version, object.bytes);
            seen.get(&one) == Some(&true)
        })?;
        Ok(state)
    }
}

/// States that do not count, by why: after a change of the reuse key all are of the old one.
#[derive(Default)]
struct Refused(Vec<(String, Vec<Id>)>);

impl Refused {
    fn add(&mut self, id: &Id, why: String) {
        match self.0.iter_mut().find(|(known, _)| *known == why) {
            Some((_, ids)) => ids.push(id.clone()),
            None => self.0.push((why, vec![id.clone()])),
        }
    }

    /// `has_base`: parts of another point are named.
    fn findings(&self, has_base: bool) -> impl Iterator<Item = String> {
        self.0.iter().map(move |(why, ids)| {
            let more = match ids.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let of = format!("{}{more}", ids[0]);
            match has_base {
                true => {
                    format!("no part of {of} is named again, as the state does not count: {why}")
                }
                false => {
                    format!("everything is stored anew, as the state of {of} does not count: {why}")
                }
            }
        })
    }
}

impl RestorePoint {
    /// The state that an export with this key may go by. `None`: the point has none, or its parts are for others.
    pub(crate) async fn state_of(&self, sought: &Sought<'_>) -> Result<Option<State>> {
        let Some(stored) = &self.manifest.state else {
            return Ok(None);
        };
        let (path, mode) = (self.path(), sought.mode);
        let about = About::new(sought.repository, &path, sought.recipients, mode);
        if about != About::of(self) || self.check_requirements().is_err() {
            return Ok(None);
        }
        read(self, stored, Some(sought.key)).await.map(Some)
    }

    /// What the signed manifest says of its parts beside their lists, for a reader that may not read those. `None`: it
    /// says nothing.
    pub(crate) async fn state(&self) -> Result<Option<State>> {
        match &self.manifest.state {
            Some(stored) => {
                let read = read(self, stored, None).await;
                read.map(Some).context(|| stored.key.to_string())
            }
            None => Ok(None),
        }
    }
}

async fn read(point: &RestorePoint, stored: &ObjectRef, key: Option<&ReuseKey>) -> Result<State> {
    if stored.key != point.path().state()? || stored.bytes > MAX_STATE_BYTES {
        let what = format!("{} is not where the state of it belongs", stored.key);
        return Err(Error::damaged(what));
    }
    let body = point.fetch(stored).await?;
    let (key, about) = (key.cloned(), About::of(point));
    compute::on_own_thread(move || State::read(body, key.as_ref(), &about)).await?
}
