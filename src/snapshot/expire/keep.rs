//! Which copies of one instance or cluster stay: a pure function of what there is. It has no
//! clock: where nothing new is made, nothing more goes.
//!
//! Who rules the source can have any data copied, as often as it likes. So only copies that a drill restored, under
//! our own key, make another one go; of each day, week and month the first of them stays; and of a day with more
//! copies than there should be, nobody can say which is true: all of them stay, and count for nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::snapshot::list::FoundCopy;

/// How many copies are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The first verified copy of a day is kept, for the last `days` days that have one; likewise for weeks and
    /// months. Where a day has none, its first copy.
    pub days: u32,
    pub weeks: u32,
    pub months: u32,
    /// How many of the newest verified ones are kept, whatever else applies.
    pub verified: u32,
    /// How many copies a day should have.
    pub a_day: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyState {
    Available,
    UnderWay,
    Failed,
}

/// What the decision about a copy depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CopyFacts {
    pub taken_at: Timestamp,
    pub state: CopyState,
    /// A drill restored it, and it lies under our key.
    pub verified: bool,
    pub held: bool,
}

impl CopyFacts {
    /// `kms_key`: the key of the copies; `None`: any.
    pub(crate) fn new(found: &FoundCopy, kms_key: Option<&str>) -> Self {
        let snapshot = &found.snapshot;
        let is_ours = kms_key.is_none_or(|ours| snapshot.kms_key.as_deref() == Some(ours));
        Self {
            taken_at: found.point.taken_at,
            state: if snapshot.is_available() {
                CopyState::Available
            } else if snapshot.has_failed() {
                CopyState::Failed
            } else {
                CopyState::UnderWay
            },
            verified: found.point.verified.is_some() && is_ours,
            held: found.point.held,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub goes: bool,
    pub reason: String,
}

impl Decision {
    pub(crate) fn goes(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { goes: true, reason }
    }

    pub(crate) fn stays(reason: impl Into<String>) -> Self {
        Self {
            goes: false,
            ..Self::goes(reason)
        }
    }
}

/// What becomes of the copies of one instance or cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decisions {
    /// In the order given.
    pub copies: Vec<Decision>,
    /// Days with more copies than there should be, and how many.
    pub contested: Vec<(Date, usize)>,
    /// Whether nothing goes because no copy is verified.
    pub unverified: bool,
}

pub(crate) fn decide(copies: &[CopyFacts], keep: Keep) -> Decisions {
    let mut oldest_first: Vec<usize> = (0..copies.len()).collect();
    oldest_first.sort_by_key(|at| (copies[*at].taken_at, *at));
    let available: Vec<usize> = oldest_first
        .into_iter()
        .filter(|at| copies[*at].state == CopyState::Available)
        .collect();
    let contested = contested(copies, &available, keep);
    let mut reasons: Vec<Vec<String>> = vec![Vec::new(); copies.len()];
    for at in &available {
        let day = day(&copies[*at]);
        if let Some(count) = contested.get(&day) {
            reasons[*at].push(format!("one of {count} of {day}"));
        }
    }
    if let Some(newest) = available.last() {
        reasons[*newest].push("the newest".to_owned());
    }
    let sure: Vec<usize> = available
        .into_iter()
        .filter(|at| !contested.contains_key(&day(&copies[*at])))
        .collect();
    let verified = sure.iter().rev().filter(|at| copies[**at].verified);
    for (number, at) in verified.clone().take(keep.verified as usize).enumerate() {
        reasons[*at].push(format!("verified, {} of {}", number + 1, keep.verified));
    }
    let tiers = [
        (keep.days, day_name as fn(Date) -> String),
        (keep.weeks, week_name),
        (keep.months, month_name),
    ];
    for (most, name) in tiers {
        keep_periods(copies, &sure, most as usize, name, &mut reasons);
    }
    Decisions {
        unverified: !sure.is_empty() && verified.count() == 0,
        copies: copies
            .iter()
            .zip(reasons)
            .map(|(copy, reasons)| decision(copy, reasons))
            .collect(),
        contested: contested.into_iter().collect(),
    }
}

fn contested(copies: &[CopyFacts], available: &[usize], keep: Keep) -> BTreeMap<Date, usize> {
    let mut counts: BTreeMap<Date, usize> = BTreeMap::new();
    for at in available {
        *counts.entry(day(&copies[*at])).or_default() += 1;
    }
    counts.retain(|_, count| *count > keep.a_day as usize);
    counts
}

/// Keeps one copy of each period, until so many newer ones have a verified copy. `sure`: the oldest first.
fn keep_periods(
    copies: &[CopyFacts],
    sure: &[usize],
    most: usize,
    name: fn(Date) -> String,
    reasons: &mut [Vec<String>],
) {
    let period = |at: &usize| name(day(&copies[*at]));
    let mut verified_periods: BTreeSet<String> = BTreeSet::new();
    let mut periods: Vec<&[usize]> = sure.chunk_by(|a, b| period(a) == period(b)).collect();
    periods.reverse();
    for of_period in periods {
        if verified_periods.len() >= most {
            return;
        }
        let verified = of_period.iter().find(|at| copies[**at].verified);
        let of = period(&of_period[0]);
        match verified {
            Some(at) => {
                reasons[*at].push(format!("the first verified of {of}"));
                verified_periods.insert(of);
            }
            None => {
                reasons[of_period[0]].push(format!("the first of {of}, where none is verified"))
            }
        }
    }
}

fn decision(copy: &CopyFacts, reasons: Vec<String>) -> Decision {
    match copy.state {
        _ if copy.held => {
            let all: Vec<String> = ["held".to_owned()].into_iter().chain(reasons).collect();
            Decision::stays(all.join(", "))
        }
        CopyState::Failed => Decision::goes("it has failed and cannot be restored"),
        CopyState::UnderWay => Decision::stays("it is being copied"),
        CopyState::Available if reasons.is_empty() => {
            Decision::goes("not kept by days, weeks, months or as verified")
        }
        CopyState::Available => Decision::stays(reasons.join(", ")),
    }
}

fn day(copy: &CopyFacts) -> Date {
    copy.taken_at.to_zoned(TimeZone::UTC).date()
}

fn day_name(day: Date) -> String {
    day.to_string()
}

fn week_name(day: Date) -> String {
    let week = day.iso_week_date();
    format!("week {}-{:02}", week.year(), week.week())
}

fn month_name(day: Date) -> String {
    format!("{}-{:02}", day.year(), day.month())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    const KEEP: Keep = Keep {
        days: 3,
        weeks: 2,
        months: 2,
        verified: 2,
        a_day: 1,
    };

    fn verified(taken_at: &str) -> CopyFacts {
        CopyFacts {
            verified: true,
            ..copy(taken_at)
        }
    }

    fn copy(taken_at: &str) -> CopyFacts {
        CopyFacts {
            taken_at: taken_at.parse().unwrap(),
            state: CopyState::Available,
            verified: false,
            held: false,
        }
    }

    fn staying(copies: &[CopyFacts], keep: Keep) -> Vec<usize> {
        let decisions = decide(copies, keep).copies;
        let stays = decisions.iter().enumerate().filter(|(_, one)| !one.goes);
        stays.map(|(at, _)| at).collect()
    }

    #[test]
    fn the_first_verified_of_days_weeks_and_months_stay() {
        let copies = [
            verified("2026-11-21T02:00:00Z"), // Saturday, week 47
            copy("2026-11-20T02:00:00Z"),
            verified("2026-11-19T02:00:00Z"),
            verified("2026-11-18T02:00:00Z"), // the third verified day
            copy("2026-11-17T02:00:00Z"),
            verified("2026-11-16T02:00:00Z"), // Monday: the week's first
            verified("2026-11-15T02:00:00Z"), // Sunday, week 46
            copy("2026-11-12T02:00:00Z"),
            verified("2026-11-02T02:00:00Z"), // the month's first, and of week 45
            copy("2026-11-01T02:00:00Z"),
            verified("2026-10-31T02:00:00Z"), // the second month
            copy("2026-09-30T02:00:00Z"),
        ];
        assert_eq!(staying(&copies, KEEP), [0, 1, 2, 3, 5, 6, 8, 10]);
    }

    #[test]
    fn without_a_verified_copy_nothing_goes() {
        let copies: Vec<CopyFacts> = (1..=9)
            .map(|day| copy(&format!("2026-11-0{day}T02:00:00Z")))
            .collect();
        let decisions = decide(&copies, KEEP);
        assert!(decisions.unverified);
        assert!(decisions.copies.iter().all(|one| !one.goes));
    }

    #[test]
    fn of_a_day_with_too_many_none_goes_and_none_counts() {
        let mut copies = vec![
            verified("2026-11-09T03:00:00Z"),
            verified("2026-11-09T02:00:00Z"),
            verified("2026-11-08T02:00:00Z"),
            verified("2026-11-07T02:00:00Z"),
            verified("2026-11-06T02:00:00Z"),
            verified("2026-11-05T02:00:00Z"),
        ];
        let few = Keep {
            days: 2,
            weeks: 0,
            months: 0,
            ..KEEP
        };
        let decisions = decide(&copies, few);
        assert_eq!(decisions.contested, [("2026-11-09".parse().unwrap(), 2)]);
        assert_eq!(staying(&copies, few), [0, 1, 2, 3]);
        // A person deleted one of them.
        copies.remove(0);
        assert_eq!(staying(&copies, few), [0, 1]);
    }

    #[test]
    fn verified_and_held_ones_stay_and_failed_ones_go() {
        let mut copies: Vec<CopyFacts> = (1..=9)
            .map(|day| copy(&format!("2026-11-0{day}T02:00:00Z")))
            .collect();
        copies[0].held = true;
        for at in [1, 2, 3] {
            copies[at].verified = true;
        }
        copies[8].state = CopyState::Failed;
        copies[7].state = CopyState::UnderWay;
        let none = Keep {
            days: 0,
            weeks: 0,
            months: 0,
            ..KEEP
        };
        assert_eq!(staying(&copies, none), [0, 2, 3, 6, 7]);
        let decisions = decide(&copies, none).copies;
        assert!(decisions.iter().all(|one| !one.reason.is_empty()));
    }

    /// Who rules the source has had so many copies made a night, for a month: each day keeps its own true one.
    #[test]
    fn no_day_of_the_last_ones_loses_its_true_copy() {
        for more in 0..=100_i64 {
            let begin: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
            let mut copies: Vec<(CopyFacts, bool)> = Vec::new();
            for day in 0..30_i64 {
                let night = begin + SignedDuration::from_hours(24 * day);
                let at = |hour: i64| CopyFacts {
                    taken_at: night + SignedDuration::from_hours(hour),
                    ..verified("2026-11-02T00:00:00Z")
                };
                copies.push((at(2), true));
                // From the tenth night on, before and after the true one.
                let forged = if day < 10 { 0 } else { more };
                copies.extend((0..forged).map(|number| (at(number % 5), false)));
                let facts: Vec<CopyFacts> = copies.iter().map(|one| one.0).collect();
                let keep = Keep { days: 14, ..KEEP };
                let mut decisions = decide(&facts, keep).copies.into_iter();
                copies.retain(|_| !decisions.next().unwrap().goes);
                let there = |of: i64| {
                    let night = begin + SignedDuration::from_hours(24 * of + 2);
                    copies
                        .iter()
                        .any(|(copy, ours)| *ours && copy.taken_at == night)
                };
                let first = (day - 13).max(0);
                assert!((first..=day).all(there), "{more} more a night, day {day}");
            }
        }
    }

    fn any_copy() -> impl Strategy<Value = CopyFacts> {
        let state = prop_oneof![
            6 => Just(CopyState::Available),
            1 => Just(CopyState::Failed),
            1 => Just(CopyState::UnderWay),
        ];
        (
            0i64..24 * 400,
            state,
            prop::bool::weighted(0.3),
            prop::bool::weighted(0.1),
        )
            .prop_map(|(hours, state, verified, held)| CopyFacts {
                taken_at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(480_000 + hours),
                state,
                verified,
                held,
            })
    }

    proptest! {
        #[test]
        fn no_rule_is_ever_broken(
            copies in prop::collection::vec(any_copy(), 0..60),
            (days, weeks, months, verified, a_day) in (0u32..9, 0u32..9, 0u32..9, 1u32..5, 1u32..3),
        ) {
            let keep = Keep { days, weeks, months, verified, a_day };
            let decisions = decide(&copies, keep).copies;
            let all = || copies.iter().zip(&decisions);
            prop_assert!(all().all(|(copy, one)| !(copy.held && one.goes)));
            prop_assert!(all().all(|(copy, one)| copy.state != CopyState::UnderWay || !one.goes));
            let available = || all().filter(|(copy, _)| copy.state == CopyState::Available);
            if let Some(newest) = available().map(|(copy, _)| copy.taken_at).max() {
                prop_assert!(available().any(|(copy, one)| copy.taken_at == newest && !one.goes));
            }
            let sound = available().filter(|(copy, _)| copy.verified).count();
            let left = available().filter(|(copy, one)| copy.verified && !one.goes).count();
            prop_assert!(left >= sound.min(verified as usize));
            // What stays stays when it is asked again: nothing more goes without a new copy.
            let rest: Vec<CopyFacts> = all().filter(|(_, one)| !one.goes).map(|(copy, _)| *copy).collect();
            prop_assert!(decide(&rest, keep).copies.iter().all(|one| !one.goes));
        }
    }
}
