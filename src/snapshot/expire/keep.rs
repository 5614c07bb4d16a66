//! Which copies of one instance or cluster stay: a pure function of what there is. It has no
//! clock: where nothing new is made, nothing more goes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::snapshot::list::FoundCopy;

/// How many copies are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest copy of a day is kept, for the last `days` days that have one; likewise for weeks and
    /// months.
    pub days: u32,
    pub weeks: u32,
    pub months: u32,
    /// How many of the newest verified ones are kept, whatever else applies.
    pub verified: u32,
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
    pub verified: bool,
    pub held: bool,
}

impl CopyFacts {
    pub(crate) fn new(found: &FoundCopy) -> Self {
        let snapshot = &found.snapshot;
        Self {
            taken_at: found.point.taken_at,
            state: if snapshot.is_available() {
                CopyState::Available
            } else if snapshot.has_failed() {
                CopyState::Failed
            } else {
                CopyState::UnderWay
            },
            verified: found.point.verified.is_some(),
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

/// What becomes of each copy of one instance or cluster, in the order given.
pub(crate) fn decide(copies: &[CopyFacts], keep: Keep) -> Vec<Decision> {
    let mut newest_first: Vec<usize> = (0..copies.len()).collect();
    newest_first.sort_by_key(|at| std::cmp::Reverse((copies[*at].taken_at, *at)));
    let mut decisions = vec![Decision::goes(String::new()); copies.len()];
    let mut rules = Rules {
        keep,
        any: false,
        days: BTreeSet::new(),
        weeks: BTreeSet::new(),
        months: BTreeSet::new(),
        verified: 0,
    };
    for at in newest_first {
        decisions[at] = rules.apply(&copies[at]);
    }
    decisions
}

/// What has been kept so far, going from the newest copy to the oldest.
struct Rules {
    keep: Keep,
    any: bool,
    days: BTreeSet<String>,
    weeks: BTreeSet<String>,
    months: BTreeSet<String>,
    verified: u32,
}

impl Rules {
    fn apply(&mut self, copy: &CopyFacts) -> Decision {
        match copy.state {
            CopyState::Available => {}
            _ if copy.held => return Decision::stays("held"),
            CopyState::Failed => return Decision::goes("it has failed and cannot be restored"),
            CopyState::UnderWay => return Decision::stays("it is being copied"),
        }
        // Every rule counts every copy, whichever one keeps it.
        let mut reasons = Vec::new();
        if copy.held {
            reasons.push("held".to_owned());
        }
        if !std::mem::replace(&mut self.any, true) {
            reasons.push("the newest".to_owned());
        }
        if copy.verified && self.verified < self.keep.verified {
            self.verified += 1;
            reasons.push(format!(
                "verified, {} of {}",
                self.verified, self.keep.verified
            ));
        }
        let day = copy.taken_at.to_zoned(TimeZone::UTC).date();
        let week = day.iso_week_date();
        let week = format!("week {}-{:02}", week.year(), week.week());
        let month = format!("{}-{:02}", day.year(), day.month());
        let tiers = [
            (&mut self.days, self.keep.days, day.to_string()),
            (&mut self.weeks, self.keep.weeks, week),
            (&mut self.months, self.keep.months, month),
        ];
        for (seen, most, period) in tiers {
            if seen.len() < most as usize && seen.insert(period.clone()) {
                reasons.push(format!("the newest of {period}"));
            }
        }
        if reasons.is_empty() {
            return Decision::goes("not kept by days, weeks, months or as verified");
        }
        Decision::stays(reasons.join(", "))
    }
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
    };

    fn copy(taken_at: &str) -> CopyFacts {
        CopyFacts {
            taken_at: taken_at.parse().unwrap(),
            state: CopyState::Available,
            verified: false,
            held: false,
        }
    }

    fn staying(copies: &[CopyFacts], keep: Keep) -> Vec<usize> {
        let decisions = decide(copies, keep);
        let stays = decisions.iter().enumerate().filter(|(_, one)| !one.goes);
        stays.map(|(at, _)| at).collect()
    }

    #[test]
    fn the_newest_of_days_weeks_and_months_stay() {
        let copies = [
            copy("2026-11-21T02:00:00Z"), // Saturday, week 47
            copy("2026-11-21T01:00:00Z"),
            copy("2026-11-20T02:00:00Z"),
            copy("2026-11-19T02:00:00Z"),
            copy("2026-11-18T02:00:00Z"),
            copy("2026-11-15T02:00:00Z"), // Sunday, week 46
            copy("2026-11-14T02:00:00Z"),
            copy("2026-10-31T02:00:00Z"), // the second month
            copy("2026-10-30T02:00:00Z"),
            copy("2026-09-30T02:00:00Z"),
        ];
        assert_eq!(staying(&copies, KEEP), [0, 2, 3, 5, 7]);
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
            verified: 2,
        };
        assert_eq!(staying(&copies, none), [0, 2, 3, 6, 7]);
        assert!(
            decide(&copies, none)
                .iter()
                .all(|one| !one.reason.is_empty())
        );
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
            (days, weeks, months, verified) in (0u32..9, 0u32..9, 0u32..9, 1u32..5),
        ) {
            let keep = Keep { days, weeks, months, verified };
            let decisions = decide(&copies, keep);
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
            prop_assert!(decide(&rest, keep).iter().all(|one| !one.goes));
        }
    }
}
