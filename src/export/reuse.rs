//! What an export names again instead of storing it, and what it leaves for the next one to name.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::budget;
use super::options::Run;
use super::report::{Nameable, Skipped};
use super::under_lock;
use crate::codec::ReuseKey;
use crate::error::{Error, Result};
use crate::model::id::Id;
use crate::model::lock::Lock;
use crate::model::manifest::{NotCovered, ObjectRef};
use crate::repository::{
    About, Base, Found, ListedPoint, PointLocks, PointPath, PointWriter, Reach, Sought, StateTable,
    StateWriter, StoredUnderLock,
};

/// How an export of one database stores its rows.
pub(super) struct Storing {
    pub locks: PointLocks,
    /// `None`: nothing is named again, by this export or by the next.
    pub reuse: Option<Arc<Reuse>>,
    pub findings: Vec<String>,
}

pub(super) struct Reuse {
    pub(super) key: ReuseKey,
    pub(super) base: Option<Base>,
    pub(super) reach: Reach,
    /// Of the point that is being made.
    own: Id,
    begun: Timestamp,
    /// What earlier exports stored under locks that have not ended; `None`: nothing is locked, or it cannot be told.
    stored: Option<Vec<StoredUnderLock>>,
    left: Mutex<Left>,
}

/// What is left for the next export, and what this one named.
pub(super) struct Left {
    pub(super) state: Option<StateWriter>,
    parts_from: BTreeSet<Id>,
    pub(super) named: u64,
    pub(super) named_bytes: u64,
}

/// What comes of what is found out before a row is read.
pub(super) enum Prepared {
    Storing(Storing),
    /// It would store more than a day may.
    Skipped(Skipped),
}

/// What is found out before a row is read. `begun`: when the export was; `excluded`: what it leaves out on request.
pub(super) async fn prepare(
    run: &Run<'_>,
    (place, begun): (&PointPath, Timestamp),
    excluded: &[NotCovered],
) -> Prepared {
    let first = run.locks.first;
    let Some(key) = run.keys.reuse else {
        return Prepared::Storing(Storing::full(first, Vec::new()));
    };
    let mut findings = Vec::new();
    let (source, database) = (Some(&*place.source), Some(&*place.database));
    let found = run.repository.find(source, database).await;
    let found = found.unwrap_or_else(|error| {
        findings.push(cannot_look(&error));
        Vec::new()
    });
    let recipients = run.keys.sealer.recipients();
    let sought = Sought {
        key,
        trust: run.keys.trust,
        repository: &run.marker.repository,
        recipients: &recipients,
        mode: first.objects.promised().map(|lock| lock.mode),
    };
    let has_first = bounds_days(run) && has_export_of_today(run, &found, &sought, excluded).await;
    let locks = (run.locks.others.filter(|_| has_first)).unwrap_or(first);
    let Some(reach) = locks.reach else {
        return Prepared::Storing(Storing::full(locks, findings));
    };
    let base = find_base(run, &found, &sought, &mut findings).await;
    // After damage everything is stored anew, and is not put off.
    if has_first && !base.has_damage {
        // Where it cannot be told, it is stored.
        let over = budget::over_budget(run, place, &found, excluded).await;
        match (over, run.options.full, run.options.dry_run) {
            (Ok(Some(skipped)), false, false) => return Prepared::Skipped(skipped),
            (Ok(Some(skipped)), false, true) => findings.push(skipped.finding()),
            _ => {}
        }
    }
    let reuse = Reuse::new(place, begun, &sought, reach, base);
    Prepared::Storing(match reuse {
        Ok(reuse) => Storing {
            locks,
            reuse: Some(Arc::new(reuse)),
            findings,
        },
        Err(error) => {
            findings.push(error.chain());
            Storing::full(locks, findings)
        }
    })
}

/// Whether a day's first export is another one than those after it: where locks say until when it is kept.
fn bounds_days(run: &Run<'_>) -> bool {
    run.locks.first.reach.is_some() && run.locks.first.objects.promised().is_some()
}

impl Storing {
    fn full(locks: PointLocks, findings: Vec<String>) -> Self {
        Self {
            locks,
            reuse: None,
            findings,
        }
    }
}

/// Asked for a full export, nothing is named, and nothing need be said of what cannot be.
async fn find_base(
    run: &Run<'_>,
    found: &[ListedPoint],
    sought: &Sought<'_>,
    findings: &mut Vec<String>,
) -> Found {
    let result = run.repository.base(found, sought).await;
    let mut result = result.unwrap_or_else(|error| Found {
        findings: vec![cannot_look(&error)],
        ..Found::default()
    });
    match run.options.full {
        true => result.base = None,
        false => findings.append(&mut result.findings),
    }
    if sought.mode.is_some() && result.stored.is_none() {
        result.stored = under_lock::of_manifests(run, found).await.ok();
    }
    result
}

/// No reason to have no backup: all is stored anew.
fn cannot_look(error: &Error) -> String {
    format!(
        "everything is stored anew: what could be named again cannot be read: {}",
        error.chain()
    )
}

/// Whether an export of ours was the first of today, and is still locked as one. As a rule it is the oldest of them;
/// where nobody can tell, this one is locked as the first.
///
/// Its state counts, so that nobody without the reuse key can plant it; it leaves out what this one leaves out; and the
/// store reports its lock.
async fn has_export_of_today(
    run: &Run<'_>,
    found: &[ListedPoint],
    sought: &Sought<'_>,
    excluded: &[NotCovered],
) -> bool {
    let lock = run.locks.first.objects.promised();
    let may_be = |one: &&ListedPoint| run.locks.is_first_of_today(one.stored_at(), lock);
    let mut today: Vec<&ListedPoint> = found.iter().filter(may_be).collect();
    today.sort_by_key(|one| one.order());
    for one in today.into_iter().take(MOST_OF_A_DAY) {
        let opened = run.repository.open_with_lock(one, run.keys.trust).await;
        let Ok((point, Some(now))) = opened else {
            continue;
        };
        let manifest = &point.manifest;
        let is_first = (run.locks).is_first_of_today(one.stored_at(), manifest.lock);
        let promised = manifest.lock.map(Lock::of_manifest);
        if is_first
            && promised.is_some_and(|promised| now.covers(&promised))
            && manifest.excluded == excluded
            && matches!(point.state_of(sought).await, Ok(Some(_)))
        {
            return true;
        }
    }
    false
}

/// How many points of a day are asked: one every five minutes.
const MOST_OF_A_DAY: usize = 288;

impl Reuse {
    fn new(
        place: &PointPath,
        begun: Timestamp,
        sought: &Sought<'_>,
        reach: Reach,
        base: Found,
    ) -> Result<Self> {
        let about = About::new(sought.repository, place, sought.recipients, sought.mode);
        let mut stored = base.stored.filter(|_| sought.mode.is_some());
        if let Some(stored) = &mut stored {
            stored.retain(|one| one.until > begun);
        }
        Ok(Self {
            key: sought.key.clone(),
            base: base.base,
            reach,
            own: place.id.clone(),
            begun,
            stored,
            left: Mutex::new(Left {
                state: Some(StateWriter::new(sought.key, &about)?),
                parts_from: BTreeSet::new(),
                named: 0,
                named_bytes: 0,
            }),
        })
    }

    pub(super) fn base_of(&self, oid: u32) -> Option<&StateTable> {
        self.base.as_ref()?.state.tables.get(&oid)
    }

    /// Stores the state, unless it would list too much, and tells what was named.
    pub(super) async fn finish(&self, writer: &PointWriter) -> Result<Finished> {
        let (mut state, parts_from, named) = {
            let mut left = self.left();
            let state = left.state.take();
            let named = (left.named, left.named_bytes);
            (state, std::mem::take(&mut left.parts_from), named)
        };
        let mut stored = self.stored.clone();
        if let Some(stored) = &mut stored {
            stored.push(StoredUnderLock {
                at: self.begun,
                bytes: writer.stored_bytes(),
                until: self.reach.stored,
            });
        }
        if let (Some(state), Some(stored)) = (&mut state, &stored) {
            state.stored(stored)?;
        }
        let state = match state.map(StateWriter::finish).transpose()?.flatten() {
            Some(state) => Some(writer.put_state(state).await?),
            None => None,
        };
        Ok(Finished {
            state,
            parts_from: parts_from.into_iter().collect(),
            named,
            stored,
        })
    }

    /// What the base has of parts that are kept for long enough.
    pub(super) fn nameable(&self) -> Option<Nameable> {
        let state = &self.base.as_ref()?.state;
        let tables = state.tables.values();
        let kept = tables.map(|table| table.kept_until(self.reach.needed));
        let (parts, stored_bytes) = kept.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Some(Nameable {
            base: state.about.id.clone(),
            parts,
            stored_bytes,
        })
    }

    pub(super) fn stored_before(&self) -> Option<&[StoredUnderLock]> {
        self.stored.as_deref()
    }

    pub(super) fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In whose folder an object lies.
    pub(super) fn note_place(&self, left: &mut Left, object: &ObjectRef) {
        let place = PointPath::from_object_key(&object.key).map(|place| place.id);
        left.parts_from.extend(place.filter(|id| *id != self.own));
    }
}

/// What the manifest says of it.
#[derive(Default)]
pub(super) struct Finished {
    pub state: Option<ObjectRef>,
    pub parts_from: Vec<Id>,
    /// Parts, and their stored bytes.
    pub named: (u64, u64),
    /// What this export and earlier ones stored under locks, but for what this one has beside parts.
    pub stored: Option<Vec<StoredUnderLock>>,
}
