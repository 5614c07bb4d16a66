//! How much the exports of a day may store that are not its first: nobody can delete it before its lock ends. Updates
//! that are scattered over a table leave no part as it was, and then each export stores nearly all of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::options::Run;
use super::report::Skipped;
use crate::clock::{self, SECONDS_OF_A_DAY};
use crate::error::Result;
use crate::model::id::Id;
use crate::model::manifest::NotCovered;
use crate::repository::{ListedPoint, PointPath};

/// What a day may store in any case: less is not worth a lost hour.
const ALWAYS_ALLOWED: u64 = 1 << 30;

/// How many exports must agree: one alone may have stored everything for another reason.
const AGREEING: usize = 2;

/// What came before says nothing of today.
const MOST_OLD: SignedDuration = SignedDuration::from_hours(48);

/// How many points are looked at, the newest first.
const MOST_LOOKED_AT: usize = 16;

/// What the last exports show, where a day of them would store too much. `found`: all points of the database; the one to
/// be made is not the first of its day, and leaves out `excluded`.
///
/// The time between exports is that between their starts: how long one takes says nothing of how often they come.
pub(super) async fn over_budget(
    run: &Run<'_>,
    place: &PointPath,
    found: &[ListedPoint],
    excluded: &[NotCovered],
) -> Result<Option<Skipped>> {
    let now = run.context.clock.now();
    let firsts = firsts_of_days(found);
    let mut newest: Vec<&ListedPoint> = found.iter().collect();
    newest.sort_by_key(|one| Reverse(one.order()));
    let (mut last, mut stored) = (None, Vec::new());
    for one in newest.into_iter().take(MOST_LOOKED_AT) {
        if stored.len() == AGREEING || now.duration_since(one.stored_at()) > MOST_OLD {
            break;
        }
        let manifest = match run.repository.open(one, run.keys.trust).await {
            Ok(point) => point.manifest,
            Err(error) if error.affects_every_point() => return Err(error),
            // `status` reports it.
            Err(_) => continue,
        };
        if manifest.excluded != excluded {
            continue;
        }
        let began = manifest.started_at.min(one.stored_at());
        last.get_or_insert((began, manifest.parts_bytes()));
        if !firsts.contains(&one.id) {
            stored.push(manifest.parts_stored_anew());
        }
    }
    let (Some((began, full)), AGREEING) = (last, stored.len()) else {
        return Ok(None);
    };
    let least = stored.into_iter().min().unwrap_or(0);
    let allowed = u64::from(run.options.reuse.hourly_budget).saturating_mul(full);
    let pace = Pace::new(least, allowed, now.duration_since(began));
    Ok(pace.map(|pace| Skipped {
        source: place.source.clone(),
        database: place.database.clone(),
        stored_bytes: least,
        day_bytes: pace.day_bytes,
        allowed_bytes: pace.allowed_bytes,
        budget: run.options.reuse.hourly_budget,
        again_at: began.checked_add(pace.apart).unwrap_or(now),
    }))
}

/// The first point that the store received on each day.
fn firsts_of_days(found: &[ListedPoint]) -> BTreeSet<Id> {
    let mut firsts: BTreeMap<i64, (Timestamp, Id)> = BTreeMap::new();
    for one in found {
        let day = clock::day(one.stored_at());
        let first = firsts.entry(day).or_insert_with(|| one.order());
        if one.order() < *first {
            *first = one.order();
        }
    }
    firsts.into_values().map(|(_, id)| id).collect()
}

/// A pace that is too fast.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    day_bytes: u64,
    allowed_bytes: u64,
    /// How far apart exports are to be.
    apart: SignedDuration,
}

impl Pace {
    /// `None`: exports that store as much, and begin so long after each other, stay within what a day may store beside
    /// its first one.
    fn new(stored: u64, allowed: u64, apart: SignedDuration) -> Option<Self> {
        let allowed_bytes = allowed.max(ALWAYS_ALLOWED);
        // Schedules are late by seconds.
        let bound = u128::from(allowed_bytes) * 105 / 100;
        let (stored, apart) = (
            u128::from(stored),
            u128::try_from(apart.as_secs()).unwrap_or(0),
        );
        let a_day = stored * u128::from(SECONDS_OF_A_DAY.unsigned_abs());
        let others = (a_day / apart.max(1)).saturating_sub(stored);
        let due = i64::try_from(a_day.div_ceil(bound + stored)).unwrap_or(i64::MAX);
        (others > bound).then(|| Self {
            day_bytes: u64::try_from(others).unwrap_or(u64::MAX),
            allowed_bytes,
            apart: SignedDuration::from_secs(due),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

    #[test]
    fn exports_that_store_nearly_everything_are_made_as_often_as_the_budget_allows() {
        let every = |hours: i64| Pace::new(90 * GIB, 2 * 100 * GIB, AN_HOUR * hours as i32);
        let skipped = every(1).unwrap();
        assert_eq!(
            skipped.day_bytes,
            23 * 90 * GIB,
            "beside the first of the day"
        );
        assert_eq!(skipped.apart, SignedDuration::from_secs(25_920), "7.2 h");
        assert!(every(7).is_some());
        assert_eq!(every(8), None);
        // Three a day store two full ones beside the first, some seconds late or early.
        let a_third = SignedDuration::from_secs(8 * 3600 - 15);
        assert_eq!(Pace::new(100 * GIB, 200 * GIB, a_third), None);
    }

    #[test]
    fn exports_that_store_little_are_always_made() {
        assert_eq!(Pace::new(8 * GIB, 200 * GIB, AN_HOUR), None);
        // All of a small database, and nothing of an empty one.
        assert_eq!(Pace::new(40 << 20, 80 << 20, AN_HOUR), None);
        assert_eq!(Pace::new(0, 0, SignedDuration::ZERO), None);
        assert!(Pace::new(GIB, GIB, -AN_HOUR).is_some(), "a clock set back");
        assert!(Pace::new(u64::MAX, u64::MAX, SignedDuration::MIN).is_some());
    }
}
