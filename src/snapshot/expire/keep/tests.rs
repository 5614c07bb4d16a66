use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const ONE_A_DAY: Expected = Expected {
    copies: 1,
    of: Period::Day,
};

const KEEP: Keep = Keep {
    days: 3,
    weeks: 2,
    months: 2,
    verified: 2,
    expected: ONE_A_DAY,
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

#[test]
fn of_the_newest_day_or_week_more_may_come() {
    let copies = [
        verified("2026-11-20T04:00:00Z"), // Friday, week 47
        verified("2026-11-20T03:00:00Z"),
        verified("2026-11-20T02:00:00Z"),
        verified("2026-11-16T03:00:00Z"), // Monday of that week
        verified("2026-11-16T02:00:00Z"),
        verified("2026-11-13T03:00:00Z"), // the week before
        verified("2026-11-13T02:00:00Z"),
    ];
    let expecting = |copies, of| Keep {
        days: 1,
        weeks: 0,
        months: 0,
        verified: 1,
        expected: Expected { copies, of },
    };
    assert_eq!(staying(&copies, expecting(9, Period::Day)), [0, 1, 2]);
    assert_eq!(
        staying(&copies, expecting(9, Period::Week)),
        [0, 1, 2, 3, 4]
    );
    let decisions = decide(&copies, expecting(4, Period::Week));
    assert_eq!(decisions.contested, [("2026-11-16".parse().unwrap(), 5)]);
    // What is contested does not count.
    assert_eq!(
        staying(&copies, expecting(4, Period::Week)),
        [0, 1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn unverified_ones_of_a_day_push_nothing_out() {
    let copies = [
        verified("2026-11-20T02:00:00Z"),
        copy("2026-11-19T03:00:00Z"),
        copy("2026-11-19T02:00:00Z"),
        copy("2026-11-19T01:00:00Z"),
    ];
    let keep = Keep {
        expected: Expected {
            copies: 9,
            of: Period::Day,
        },
        ..KEEP
    };
    assert_eq!(staying(&copies, keep), [0, 1, 2, 3]);
}

/// The backup account over a month: who copies, who else can copy, and what a drill and `expire` do each day.
struct Account {
    keep: Keep,
    now: Timestamp,
    copies: Vec<(CopyFacts, Whose)>,
    ours: Vec<Timestamp>,
    looked_at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Theirs,
}

/// What one run deletes of a source at most.
const AT_MOST: usize = 5;

impl Account {
    /// A thief may say of a cluster's copy that it was taken earlier, but not later.
    fn copy(&mut self, whose: Whose, back: SignedDuration) {
        let taken_at = self.now - back;
        let copy = CopyFacts {
            taken_at,
            state: CopyState::Available,
            verified: false,
            held: false,
        };
        self.copies.push((copy, whose));
        if whose == Whose::Ours {
            self.ours.push(taken_at);
        }
    }

    fn visit(&mut self, thief: &Thief, day: i64, half_hour: i64) {
        if day >= thief.from_day {
            for number in (0..thief.copies).filter(|one| thief.half_hours[*one] == half_hour) {
                self.now += SignedDuration::from_secs(1);
                let back = SignedDuration::from_hours(thief.back[number]);
                self.copy(Whose::Theirs, back);
            }
        }
    }

    /// Of the newest copy, whosever it is; all restore.
    fn drill(&mut self) {
        if let Some((newest, _)) = self.copies.iter_mut().max_by_key(|(one, _)| one.taken_at) {
            newest.verified = true;
        }
    }

    fn expire(&mut self) {
        let facts: Vec<CopyFacts> = self.copies.iter().map(|(one, _)| *one).collect();
        let decisions = decide(&facts, self.keep).copies;
        let mut going: Vec<usize> = (0..facts.len()).filter(|at| decisions[*at].goes).collect();
        going.sort_by_key(|at| facts[*at].taken_at);
        going.truncate(AT_MOST);
        let mut at = 0..facts.len();
        self.copies.retain(|_| !going.contains(&at.next().unwrap()));
    }

    /// Of the last days, weeks and months, counted by the calendar, each that had a copy of ours has one.
    #[track_caller]
    fn has_ours(&mut self, what: &str) {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let there: BTreeSet<Date> = (self.copies.iter())
            .filter(|(_, whose)| *whose == Whose::Ours)
            .map(|(one, _)| day(one.taken_at))
            .collect();
        for (tier, most, longest) in [
            (Period::Day, self.keep.days, 1),
            (Period::Week, self.keep.weeks, 7),
            (Period::Month, self.keep.months, 31),
        ] {
            let since = day(self.now).saturating_sub((i64::from(most - 1) * longest).days());
            let begins: BTreeSet<Date> = self.ours.iter().map(|at| tier.begin(day(*at))).collect();
            for begin in begins.range(tier.begin(since)..) {
                self.looked_at += 1;
                let has = there.iter().any(|day| tier.begin(*day) == *begin);
                assert!(has, "{what}: {} lost at {}", tier.name(*begin), self.now);
            }
        }
    }
}

/// So many copies a night, in half hours of its own, from a day on, with times set back by so many hours.
#[derive(Debug, Clone)]
struct Thief {
    from_day: i64,
    copies: usize,
    half_hours: Vec<i64>,
    back: Vec<i64>,
}

fn thief() -> impl Strategy<Value = Thief> {
    let few = prop_oneof![1..7_usize, 1..101_usize];
    let back = prop_oneof![Just(0), 0..48_i64, 0..24 * 20_i64];
    (0..20_i64, few, vec(0..48_i64, 101), vec(back, 101)).prop_map(
        |(from_day, copies, half_hours, back)| Thief {
            from_day,
            copies,
            half_hours,
            back,
        },
    )
}

fn nothing_of_ours_is_lost(every: i64, copy_hour: i64, thief: &Thief) {
    let (copies, of) = match every {
        168 => (1, Period::Week),
        every => (24 / u32::try_from(every).unwrap(), Period::Day),
    };
    let keep = Keep {
        days: if every == 168 { 1 } else { 8 },
        weeks: 3,
        months: 2,
        verified: 2,
        expected: Expected { copies, of },
    };
    // A Monday, as expected weeks begin.
    let begin: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
    let mut account = Account {
        keep,
        now: begin,
        copies: Vec::new(),
        ours: Vec::new(),
        looked_at: 0,
    };
    for hour in 0..30 * 24 {
        let (day, of_day) = (hour / 24, hour % 24);
        account.now = begin + SignedDuration::from_hours(hour);
        account.visit(thief, day, 2 * of_day);
        if hour % every == copy_hour % every {
            account.now += SignedDuration::from_mins(30);
            account.copy(Whose::Ours, SignedDuration::ZERO);
        }
        account.visit(thief, day, 2 * of_day + 1);
        if of_day == 8 {
            account.drill();
        }
        if of_day == 9 {
            account.expire();
            account.has_ours(&format!("every {every} h, {thief:?}"));
        }
    }
    assert!(account.looked_at > 30, "only {}", account.looked_at);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn of_nightly_copies_no_day_week_or_month_loses_the_true_one(thief in thief(), hour in 0..24_i64) {
        nothing_of_ours_is_lost(24, hour, &thief);
    }

    #[test]
    fn of_hourly_copies_no_day_week_or_month_loses_all_true_ones(thief in thief()) {
        nothing_of_ours_is_lost(1, 0, &thief);
    }

    #[test]
    fn of_weekly_copies_no_week_or_month_loses_the_true_one(thief in thief(), hour in 0..168_i64) {
        nothing_of_ours_is_lost(168, hour, &thief);
    }
}

/// So many a night for a month, for each number from 1 to 100.
#[test]
fn however_many_come_no_day_loses_its_true_copy() {
    for copies in 1..=100 {
        let thief = Thief {
            from_day: 10,
            copies,
            half_hours: (0..101).map(|number| number % 10).collect(),
            back: vec![0; 101],
        };
        nothing_of_ours_is_lost(24, 2, &thief);
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
        copies in vec(any_copy(), 0..60),
        (days, weeks, months, verified) in (0u32..9, 0u32..9, 0u32..9, 1u32..5),
        (most, of) in (1u32..3, prop_oneof![Just(Period::Day), Just(Period::Week)]),
    ) {
        let expected = Expected { copies: most, of };
        let keep = Keep { days, weeks, months, verified, expected };
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
