use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const TIERS: Tiers = Tiers {
    weekly_days: Some(60),
    monthly_days: Some(190),
    yearly_days: Some(398),
};

const NIGHTLY: Rules = Rules {
    tiers: TIERS,
    daily_days: 35,
    export_every: SignedDuration::from_hours(24),
    contested_limit: 5,
    max_lock_days: 400,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn claimant(text: &str, sound: Option<bool>) -> Claimant {
    let stored_at = at(text);
    Claimant {
        id: Id::new(stored_at, 7),
        stored_at,
        sound,
        locked_until: end(stored_at, days(35)),
        bytes: 1,
    }
}

/// Which days are promoted, and for what.
fn promoted(points: &[Claimant], now: &str) -> Vec<(String, Vec<Tier>)> {
    let choices = choose(points, &NIGHTLY, at(now)).choices.into_iter();
    let promoted = choices.filter(|(_, choice)| !choice.tiers.is_empty());
    promoted
        .map(|(id, choice)| (id.as_str()[..8].to_owned(), choice.tiers))
        .collect()
}

#[test]
fn all_that_came_within_a_window_are_kept_and_none_after_it() {
    use Tier::{Monthly, Weekly, Yearly};
    // 2027-01-01 is a Friday: of the week that began on Monday, 2026-12-28.
    let nights = [
        "2026-12-28T02:00:00Z",
        "2026-12-29T02:00:00Z",
        "2026-12-30T02:00:00Z",
        "2027-01-01T02:00:00Z",
        "2027-01-02T09:00:00Z",
        "2027-01-04T02:00:00Z",
    ];
    let nights = nights.map(|night| claimant(night, Some(true)));
    // January's window and the year's are those of the first; of December the 28th is the first.
    let expected = [
        ("20261228", vec![Weekly, Monthly, Yearly]),
        ("20261229", vec![Weekly, Monthly, Yearly]),
        ("20270101", vec![Monthly, Yearly]),
    ];
    let expected = expected.map(|(day, tiers)| (day.to_owned(), tiers));
    // The week of January 4 is still open.
    assert_eq!(promoted(&nights, "2027-01-05T00:00:00Z"), expected);
    let choices = choose(&nights, &NIGHTLY, at("2027-01-05T00:00:00Z")).choices;
    for night in &nights[..2] {
        assert_eq!(choices[&night.id].until, end(night.stored_at, days(398)));
    }
}

#[test]
fn nothing_is_promoted_while_one_more_may_come() {
    let nights =
        ["2026-11-02T02:00:00Z", "2026-11-02T03:00:00Z"].map(|one| claimant(one, Some(true)));
    assert_eq!(promoted(&nights, "2026-11-03T08:00:00Z"), []);
    let all = promoted(&nights, "2026-11-03T08:00:01Z");
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn what_waits_for_a_drill_is_held_when_its_lock_is_half_gone() {
    let waiting = claimant("2026-11-02T02:00:00Z", None);
    let of = |now: &str| choose(std::slice::from_ref(&waiting), &NIGHTLY, at(now));
    let early = of("2026-11-10T00:00:00Z");
    assert_eq!((early.choices.len(), early.undrilled.len()), (0, 1));
    let late = of("2026-11-25T00:00:00Z");
    let choice = &late.choices[&waiting.id];
    assert_eq!(
        (choice.tiers.len(), choice.until),
        (0, at("2026-12-30T00:00:00Z"))
    );
}

#[test]
fn more_than_the_limit_are_held_and_told_until_a_person_chose() {
    let mut points: Vec<Claimant> = (0..6)
        .map(|hour| claimant(&format!("2026-11-02T0{hour}:00:00Z"), Some(hour != 3)))
        .collect();
    let now = "2026-11-25T00:00:00Z";
    let decisions = choose(&points, &NIGHTLY, at(now));
    let [contested] = &decisions.contested[..] else {
        panic!("{decisions:?}");
    };
    assert_eq!(contested.tiers, [Tier::Weekly, Tier::Monthly, Tier::Yearly]);
    assert_eq!((contested.ids.len(), contested.bytes), (6, 6));
    assert_eq!(contested.ends, end(points[5].stored_at, days(398)));
    assert_eq!(decisions.choices.len(), 6, "unsound or not");
    assert!(decisions.choices.values().all(|one| one.tiers.is_empty()));
    assert_eq!(decisions.undrilled, []);
    // Not by what a run of ours could have done.
    points[1].locked_until = end(points[1].stored_at, days(398));
    assert_eq!(choose(&points, &NIGHTLY, at(now)).contested.len(), 1);
    points[1].locked_until = end(points[1].stored_at, days(399));
    let decisions = choose(&points, &NIGHTLY, at(now));
    assert_eq!((decisions.contested.len(), decisions.choices.len()), (0, 0));
}

#[test]
fn where_drills_found_none_sound_those_that_came_next_claim_the_period() {
    let points = [
        claimant("2026-11-02T02:00:00Z", Some(false)),
        claimant("2026-11-03T02:00:00Z", Some(false)),
        claimant("2026-11-04T02:00:00Z", Some(true)),
    ];
    assert_eq!(promoted(&points, "2026-11-07T00:00:00Z")[0].0, "20261104");
    let mut waiting = points;
    waiting[1].sound = None;
    assert_eq!(promoted(&waiting, "2026-11-07T00:00:00Z"), []);
}

#[test]
fn nobody_inherits_from_what_is_gone() {
    // The year's first point was locked until 2027-02-05 and is gone.
    let rest = [claimant("2026-12-28T02:00:00Z", Some(true))];
    let all = promoted(&rest, "2027-02-03T00:00:00Z");
    assert_eq!(
        all,
        [("20261228".to_owned(), vec![Tier::Weekly, Tier::Monthly])]
    );
}

#[test]
fn no_lock_is_over_the_limit() {
    let one = claimant("2026-11-02T02:00:00Z", Some(true));
    let rules = Rules {
        max_lock_days: 100,
        ..NIGHTLY
    };
    let now = at("2026-11-04T00:00:00Z");
    let choice = &choose(std::slice::from_ref(&one), &rules, now).choices[&one.id];
    assert!(choice.cut);
    assert_eq!(choice.until, end(now, days(98)));
}

/// A bucket over a month: who exports, who stole the signing key, and what `prove` and lifecycle do each day.
struct World {
    rules: Rules,
    now: Timestamp,
    points: Vec<(Claimant, Nature)>,
    next: u32,
    /// How many periods were looked at.
    looked_at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Ours,
    /// Of a thief; a drill finds it sound or not.
    Forged {
        sound: bool,
    },
}

impl World {
    /// A thief's id may be of any day.
    fn store(&mut self, nature: Nature, of_days: i64) {
        self.next += 1;
        let claimant = Claimant {
            id: Id::new(
                end(self.now, SignedDuration::from_hours(24 * of_days)),
                self.next,
            ),
            stored_at: self.now,
            sound: None,
            locked_until: end(self.now, days(self.rules.daily_days)),
            bytes: 1,
        };
        self.points.push((claimant, nature));
    }

    /// Drills the newest point, and claimants up to the limit; then promotes.
    fn prove(&mut self) {
        let decisions = self.decide();
        let newest = self.points.last().map(|(one, _)| one.id.clone());
        let limit = self.rules.contested_limit;
        let drilled: BTreeSet<Id> = decisions
            .undrilled
            .into_iter()
            .take(limit)
            .chain(newest)
            .collect();
        for (one, nature) in &mut self.points {
            if drilled.contains(&one.id) {
                one.sound = Some(*nature != Nature::Forged { sound: false });
            }
        }
        for (id, choice) in self.decide().choices {
            let point = self.points.iter_mut().find(|(one, _)| one.id == id);
            let one = &mut point.unwrap().0;
            one.locked_until = one.locked_until.max(choice.until);
        }
    }

    fn decide(&self) -> Decisions {
        let all: Vec<Claimant> = self.points.iter().map(|(one, _)| one.clone()).collect();
        choose(&all, &self.rules, self.now)
    }

    /// Of each period that is not over, and of which something of ours is old enough, something is there.
    #[track_caller]
    fn has_ours(&mut self, stored: &[Timestamp], what: &str) {
        for (tier, length) in self.rules.tiers.each() {
            let begin = |at: Timestamp| tier.begin(at).unwrap();
            let mut periods: BTreeSet<Timestamp> = stored.iter().map(|at| begin(*at)).collect();
            periods.retain(|period| end(*period, length) > self.now);
            for period in periods {
                self.looked_at += 1;
                let mut there = self
                    .points
                    .iter()
                    .filter(|(_, nature)| *nature == Nature::Ours);
                let has = there.any(|(one, _)| begin(one.stored_at) == period);
                assert!(has, "{what}: {tier:?} of {period} lost at {}", self.now);
            }
        }
    }
}

/// A thief with so many points a night, at hours of its own, from a day on.
#[derive(Debug, Clone)]
struct Thief {
    from_day: i64,
    points: usize,
    hours: Vec<i64>,
    sound: Vec<bool>,
    /// How far the days of its ids are from those of the store.
    ids: Vec<i64>,
}

fn thief() -> impl Strategy<Value = Thief> {
    let few = prop_oneof![1..7_usize, 1..101_usize];
    let sound = vec(any::<bool>(), 101);
    let ids = vec(-9000..9000_i64, 101);
    (0..20_i64, few, vec(0..24_i64, 101), sound, ids).prop_map(
        |(from_day, points, hours, sound, ids)| Thief {
            from_day,
            points,
            hours,
            sound,
            ids,
        },
    )
}

fn no_period_loses_ours(every: i64, export_hour: i64, thief: &Thief) {
    let rules = Rules {
        tiers: Tiers {
            weekly_days: Some(21),
            monthly_days: Some(40),
            yearly_days: None,
        },
        daily_days: 8,
        export_every: SignedDuration::from_hours(every),
        ..NIGHTLY
    };
    let begin = at("2026-11-02T00:00:00Z");
    let mut world = World {
        rules,
        now: begin,
        points: Vec::new(),
        next: 0,
        looked_at: 0,
    };
    let mut ours = Vec::new();
    for hour in 0..30 * 24 {
        let (day, of_day) = (hour / 24, hour % 24);
        world.now = end(begin, SignedDuration::from_hours(hour));
        if day >= thief.from_day {
            for number in 0..thief.points {
                if thief.hours[number] == of_day {
                    let sound = thief.sound[number];
                    world.now = end(world.now, SignedDuration::from_secs(1));
                    world.store(Nature::Forged { sound }, thief.ids[number]);
                }
            }
        }
        if hour % every == export_hour % every {
            world.now = end(world.now, SignedDuration::from_mins(30));
            world.store(Nature::Ours, 0);
            ours.push(world.now);
        }
        if of_day == 8 {
            world.now = end(world.now, SignedDuration::from_mins(10));
            world.prove();
        }
        let now = world.now;
        world.points.retain(|(one, _)| one.locked_until > now);
        if of_day == 9 {
            world.has_ours(&ours, &format!("every {every} h, {thief:?}"));
        }
    }
    // A week and a month at least, on most days.
    assert!(world.looked_at > 40, "only {}", world.looked_at);
}

/// So many points a night from the tenth on, for each number from 1 to 100.
#[test]
fn however_many_come_no_period_loses_its_true_point() {
    for points in 1..=100 {
        let number = 0..101_i64;
        let thief = Thief {
            from_day: 10,
            points,
            hours: number.clone().map(|one| one % 5).collect(),
            sound: number.clone().map(|one| one % 3 > 0).collect(),
            ids: number.map(|one| 180 * (one - 50)).collect(),
        };
        no_period_loses_ours(24, 2, &thief);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn of_a_nightly_exporter_no_period_loses_its_true_point(thief in thief(), hour in 0..24_i64) {
        no_period_loses_ours(24, hour, &thief);
    }

    #[test]
    fn of_an_hourly_exporter_no_period_loses_its_true_point(thief in thief()) {
        no_period_loses_ours(1, 0, &thief);
    }

    #[test]
    fn of_a_weekly_exporter_no_period_loses_its_true_point(thief in thief(), hour in 0..168_i64) {
        no_period_loses_ours(168, hour, &thief);
    }
}

proptest! {
    #[test]
    fn order_does_not_matter((points, shuffled) in points().prop_flat_map(|points| {
        (Just(points.clone()), Just(points).prop_shuffle())
    })) {
        prop_assert_eq!(choose(&points, &NIGHTLY, at(NOW)), choose(&shuffled, &NIGHTLY, at(NOW)));
    }

    #[test]
    fn nothing_is_contested_where_times_are_not_crowded(points in points()) {
        let mut stored: Vec<Timestamp> = points.iter().map(|point| point.stored_at).collect();
        stored.sort();
        let contested = choose(&points, &NIGHTLY, at(NOW)).contested;
        prop_assert!(contested.is_empty() || NIGHTLY.may_contest(&stored));
    }

    #[test]
    fn no_lock_is_longer_than_a_tier_or_the_limit(points in points()) {
        let longest = end(at(NOW), days(400));
        for (id, choice) in choose(&points, &NIGHTLY, at(NOW)).choices {
            let point = points.iter().find(|point| point.id == id).unwrap();
            prop_assert!(choice.until <= end(point.stored_at, days(398)));
            prop_assert!(end(choice.until, MANIFEST_LEAD) <= longest);
        }
    }
}

const NOW: &str = "2026-11-21T12:00:00Z";

/// Points within two and a half years before `NOW`, some at the same moment.
fn points() -> impl Strategy<Value = Vec<Claimant>> {
    let one = (0_i64..900 * 4, any::<u32>(), any::<Option<bool>>());
    vec(one, 0..200).prop_map(|drawn| {
        let at = |quarters: i64| at(NOW) - SignedDuration::from_hours(6 * quarters);
        let points = drawn.into_iter().map(|(quarters, random, sound)| Claimant {
            id: Id::new(at(quarters), random),
            stored_at: at(quarters),
            sound,
            locked_until: end(at(quarters), days(35)),
            bytes: 1,
        });
        let mut points: Vec<Claimant> = points.collect();
        points.sort_by(|a, b| a.id.cmp(&b.id));
        points.dedup_by(|a, b| a.id == b.id);
        points
    })
}

#[test]
fn only_where_times_are_crowded_may_a_period_be_contested() {
    let at = |hours: &[i64]| -> Vec<Timestamp> {
        let begin = at("2026-12-28T02:00:00Z");
        let at = |hours: &i64| begin + SignedDuration::from_hours(*hours);
        hours.iter().map(at).collect()
    };
    assert!(!NIGHTLY.may_contest(&at(&[0, 1, 2, 3, 30])));
    assert!(NIGHTLY.may_contest(&at(&[0, 1, 2, 3, 4, 30])));
    assert!(!NIGHTLY.may_contest(&at(&[0, 1, 2, 3, 4, 31])));
    assert!(NIGHTLY.may_contest(&at(&[0, 24, 48, 49, 50, 51, 52, 53])));
    let none = Rules {
        contested_limit: 0,
        ..NIGHTLY
    };
    assert!(none.may_contest(&at(&[0])));
}
