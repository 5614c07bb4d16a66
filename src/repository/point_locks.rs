//! How long what an export stores stays locked, and how long the lock of a part must hold that it names again. All of
//! it is dates by the store's clock at the start of the run; nothing compares ages.

use jiff::{SignedDuration, Timestamp};

use super::locks::Locks;
use crate::error::{Result, ResultExt};
use crate::model::lock::{Lock, LockPolicy, MANIFEST_LEAD};
use crate::store::Posture;

/// Beyond the time in which parts are named again, so that an export which comes late by a day still names them.
const PARTS_LEAD: SignedDuration = SignedDuration::from_hours(24);

/// How parts are named again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReusePolicy {
    /// How long a part is named again before it is stored anew.
    pub full_every: SignedDuration,
    /// For how many days exports are locked that are not the first of their day; `None`: as the first is.
    pub hourly_days: Option<u32>,
    /// How many full exports a day of others may store beside its first one: those that would store more are skipped.
    pub hourly_budget: u32,
}

/// Of one restore point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PointLocks {
    /// Of the manifest, and of all objects that only this point names.
    pub objects: Locks,
    /// Of parts and their lists, which later points may name.
    pub parts: Locks,
    /// `None`: nothing is named again.
    pub reach: Option<Reach>,
}

/// Until when parts are kept, in whole seconds, as S3 keeps them. In a directory, which locks nothing, until when they
/// are named again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// A part may be named that is kept at least until then.
    pub needed: Timestamp,
    /// What this point stores is kept until then.
    pub stored: Timestamp,
}

impl PointLocks {
    /// Of a point that names no part of another.
    pub(crate) fn full(locks: Locks) -> Self {
        Self {
            objects: locks,
            parts: locks,
            reach: None,
        }
    }

    /// When the lock of the manifest ends.
    pub(crate) fn manifest(&self) -> Option<Lock> {
        self.objects.first_to_end()
    }
}

/// Of all points of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunLocks {
    /// Of the first export of a database on a day, and of all where `others` is `None`.
    pub first: PointLocks,
    pub others: Option<PointLocks>,
    /// An export of this day whose objects are locked until then was the first of it.
    day: (Timestamp, Timestamp),
}

impl RunLocks {
    /// `locks` were settled by the same `posture` and `now`. The parts' locks are bounded by `max_days`, too.
    pub(crate) fn settle(
        locks: Locks,
        reuse: Option<ReusePolicy>,
        posture: &Posture,
        now: Timestamp,
        max_days: u32,
    ) -> Result<Self> {
        let now = posture.server_time.unwrap_or(now);
        let begin = Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(86_400))
            .context(|| "the store's clock is out of range".to_owned())?;
        let mut run = Self {
            first: PointLocks::full(locks),
            others: None,
            day: (begin, begin),
        };
        let Some(policy) = reuse else { return Ok(run) };
        match locks {
            // The bucket counts from when each object arrives: no later point could rely on it.
            Locks::BucketDefault(_) => {}
            Locks::None => {
                let reach = (now, later(now, policy.full_every)?);
                run.first.reach = Some(Reach::of(reach)?);
            }
            Locks::Explicit { objects, manifest } => {
                let longer = MANIFEST_LEAD + policy.full_every + PARTS_LEAD;
                run.first = explicit(objects, manifest, longer, now, max_days)?;
                run.day.1 = later(begin, objects.retain_until.duration_since(now))?;
                if let Some(days) = policy.hourly_days {
                    run.others = Some(hourly(manifest, days, posture, now, max_days)?);
                }
            }
        }
        Ok(run)
    }

    /// Whether a point that the store received at `stored_at`, its objects locked by `lock`, was the first export
    /// of today, so that one after it may be locked for a shorter time.
    pub(crate) fn is_first_of_today(&self, stored_at: Timestamp, lock: Option<Lock>) -> bool {
        let (begin, until) = self.day;
        stored_at >= begin && lock.is_some_and(|lock| lock.retain_until >= until)
    }
}

/// Beyond what hourly parts need: they are named again for two days.
const HOURLY_PARTS: SignedDuration = SignedDuration::from_hours(4 * 24);

fn hourly(
    manifest: Lock,
    days: u32,
    posture: &Posture,
    now: Timestamp,
    max_days: u32,
) -> Result<PointLocks> {
    let policy = LockPolicy::Explicit {
        mode: manifest.mode,
        days,
    };
    match Locks::settle(policy, posture, true, now, max_days)? {
        Locks::Explicit { objects, manifest } => {
            explicit(objects, manifest, HOURLY_PARTS, now, max_days)
        }
        locks => Ok(PointLocks::full(locks)),
    }
}

/// `longer`: by how much the locks of parts outlast the manifest's.
fn explicit(
    objects: Lock,
    manifest: Lock,
    longer: SignedDuration,
    now: Timestamp,
    max_days: u32,
) -> Result<PointLocks> {
    let parts = Lock {
        retain_until: later(manifest.retain_until, longer)?,
        ..objects
    };
    parts.check(now, max_days)?;
    Ok(PointLocks {
        objects: Locks::Explicit { objects, manifest },
        parts: Locks::Explicit {
            objects: parts,
            manifest,
        },
        reach: Some(Reach::of((objects.retain_until, parts.retain_until))?),
    })
}

impl Reach {
    fn of((needed, stored): (Timestamp, Timestamp)) -> Result<Self> {
        let whole = |time: Timestamp| {
            Timestamp::from_second(time.as_second())
                .context(|| "the lock's date is out of range".to_owned())
        };
        Ok(Self {
            needed: whole(needed)?,
            stored: whole(stored)?,
        })
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Result<Timestamp> {
    time.checked_add(by)
        .context(|| "the lock's date is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::lock::LockMode::Compliance;

    const A_DAY: SignedDuration = SignedDuration::from_hours(24);
    const NOW: &str = "2026-11-21T10:00:00.7Z";

    fn posture() -> Posture {
        Posture {
            versioning: true,
            object_lock: true,
            ..Posture::default()
        }
    }

    fn settle(now: Timestamp, hourly_days: Option<u32>) -> RunLocks {
        let policy = LockPolicy::Explicit {
            mode: Compliance,
            days: 35,
        };
        let locks = Locks::settle(policy, &posture(), true, now, 400).unwrap();
        let reuse = ReusePolicy {
            full_every: A_DAY * 7,
            hourly_days,
            hourly_budget: 2,
        };
        RunLocks::settle(locks, Some(reuse), &posture(), now, 400).unwrap()
    }

    fn until(locks: Locks) -> String {
        locks.for_put(false).unwrap().retain_until.to_string()
    }

    #[test]
    fn parts_are_locked_for_as_long_as_they_are_named_and_those_of_an_hour_for_days() {
        let run = settle(NOW.parse().unwrap(), Some(3));
        let hourly = run.others.unwrap();
        let ends = |locks: PointLocks| {
            let manifest = locks.manifest().unwrap().retain_until.to_string();
            [manifest, until(locks.objects), until(locks.parts)].map(|text| text[..10].to_owned())
        };
        assert_eq!(ends(run.first), ["2026-12-26", "2026-12-28", "2027-01-05"]);
        assert_eq!(ends(hourly), ["2026-11-24", "2026-11-26", "2026-11-28"]);
        let needed = hourly.reach.unwrap().needed.to_string();
        assert_eq!(
            needed, "2026-11-26T10:00:00Z",
            "in whole seconds, as the store keeps them"
        );
        assert_eq!(settle(NOW.parse().unwrap(), None).others, None);
    }

    #[test]
    fn only_a_whole_lock_of_today_makes_others_short() {
        let now: Timestamp = NOW.parse().unwrap();
        let run = settle(now, Some(3));
        let lock = |locks: PointLocks| locks.objects.for_put(false);
        let yesterday = now - SignedDuration::from_hours(11);
        let early = settle(now - SignedDuration::from_hours(9), Some(3));
        assert!(run.is_first_of_today(now, lock(early.first)));
        assert!(
            !run.is_first_of_today(yesterday, lock(early.first)),
            "of yesterday"
        );
        assert!(
            !run.is_first_of_today(now, lock(run.others.unwrap())),
            "an hourly one"
        );
        assert!(!run.is_first_of_today(now, None));
        let late = settle(yesterday, Some(3));
        assert!(
            !run.is_first_of_today(now, lock(late.first)),
            "begun yesterday"
        );
    }

    #[test]
    fn a_directory_names_parts_again_until_they_are_due_and_a_default_retention_never() {
        let now: Timestamp = NOW.parse().unwrap();
        let reuse = ReusePolicy {
            full_every: A_DAY * 7,
            hourly_days: None,
            hourly_budget: 2,
        };
        let settle = |locks| RunLocks::settle(locks, Some(reuse), &posture(), now, 400).unwrap();
        let reach = settle(Locks::None).first.reach.unwrap();
        assert_eq!(reach.stored.duration_since(reach.needed), A_DAY * 7);
        let lock = Lock {
            mode: Compliance,
            retain_until: now + A_DAY,
        };
        assert_eq!(settle(Locks::BucketDefault(lock)).first.reach, None);
    }

    #[test]
    fn a_lock_of_parts_longer_than_allowed_is_refused() {
        let now: Timestamp = NOW.parse().unwrap();
        let policy = LockPolicy::Explicit {
            mode: Compliance,
            days: 35,
        };
        let locks = Locks::settle(policy, &posture(), true, now, 36).unwrap();
        let settle = |max_days| {
            let reuse = ReusePolicy {
                full_every: A_DAY * 7,
                hourly_days: None,
                hourly_budget: 2,
            };
            RunLocks::settle(locks, Some(reuse), &posture(), now, max_days)
        };
        assert!(settle(44).is_err());
        assert!(settle(45).is_ok());
    }

    /// A day of a schedule: how many hours after the one before an export begins, how many exports fail on the way,
    /// and which of some parts changed.
    fn schedules() -> impl Strategy<Value = Vec<(i64, bool, Vec<bool>)>> {
        prop::collection::vec(
            (
                1_i64..40,
                any::<bool>(),
                prop::collection::vec(any::<bool>(), 4),
            ),
            1..120,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// The rule by which an export chooses, over random schedules: what changed, or does not reach, is stored.
        #[test]
        fn no_manifest_outlives_a_part_that_it_names(schedule in schedules(), hourly in prop::option::of(1_u32..10)) {
            let mut now: Timestamp = NOW.parse().unwrap();
            let mut kept = [Timestamp::UNIX_EPOCH; 4];
            let mut points: Vec<(Timestamp, Option<Lock>)> = Vec::new();
            for (hours, fails, changed) in schedule {
                now += SignedDuration::from_hours(hours);
                let run = settle(now, hourly);
                let had_first = points.iter().any(|(at, lock)| run.is_first_of_today(*at, *lock));
                let locks = run.others.filter(|_| had_first).unwrap_or(run.first);
                let reach = locks.reach.unwrap();
                let mut named = kept;
                for (until, changed) in named.iter_mut().zip(changed) {
                    if changed || *until < reach.needed {
                        *until = reach.stored;
                    }
                }
                if fails {
                    continue;
                }
                let manifest = locks.manifest().unwrap().retain_until;
                for until in named {
                    prop_assert!(until.as_second() >= (manifest + MANIFEST_LEAD).as_second());
                }
                kept = named;
                points.push((now, locks.objects.for_put(false)));
            }
        }
    }
}
