//! Which points a tier keeps, and until when: a function of what was drilled, the tiers and the time.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::model::id::Id;
use crate::model::lock::MANIFEST_LEAD;

/// How long the oldest drilled point of each period is locked, in days from its snapshot; `None`:
/// no longer than it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tiers {
    pub weekly_days: Option<u32>,
    pub monthly_days: Option<u32>,
    pub yearly_days: Option<u32>,
}

/// Periods in UTC: ISO weeks from Monday to Sunday, months, years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Weekly,
    Monthly,
    Yearly,
}

/// A point that its newest drill found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drilled {
    pub id: Id,
    pub snapshot_at: Timestamp,
}

/// A point that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub tiers: Vec<Tier>,
    /// Its manifest's lock; that of its parts ends two days later.
    pub until: Timestamp,
    /// Less than the tier asks for, as no lock may be longer.
    pub cut: bool,
}

impl Tiers {
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn each(self) -> impl Iterator<Item = (Tier, SignedDuration)> {
        let tiers = [
            (Tier::Weekly, self.weekly_days),
            (Tier::Monthly, self.monthly_days),
            (Tier::Yearly, self.yearly_days),
        ];
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        (tiers.into_iter()).filter_map(move |(tier, count)| Some((tier, days(count?))))
    }
}

impl Tier {
    /// The first moment of the period that holds `at`; `None` at the end of time.
    fn begin(self, at: Timestamp) -> Option<Timestamp> {
        let date = at.to_zoned(TimeZone::UTC).date();
        let first: Date = match self {
            Self::Weekly => {
                let week = date.iso_week_date();
                jiff::civil::ISOWeekDate::new(week.year(), week.week(), Weekday::Monday)
                    .ok()?
                    .date()
            }
            Self::Monthly => date.first_of_month(),
            Self::Yearly => date.first_of_year(),
        };
        Some(first.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }
}

/// The oldest of each period, for each tier. The points are those of one database, in any order.
///
/// A period that began longer ago than its tier's days is over: what was chosen of it may be gone by
/// now, and the next one must not inherit.
pub(crate) fn choose(
    points: &[Drilled],
    tiers: Tiers,
    now: Timestamp,
    max_lock_days: u32,
) -> BTreeMap<Id, Choice> {
    let mut choices: BTreeMap<Id, Choice> = BTreeMap::new();
    for (tier, length) in tiers.each() {
        let mut oldest: BTreeMap<Timestamp, &Drilled> = BTreeMap::new();
        for point in points {
            let Some(begin) = tier.begin(point.snapshot_at) else {
                continue;
            };
            let held = oldest.entry(begin).or_insert(point);
            if (point.snapshot_at, &point.id) < (held.snapshot_at, &held.id) {
                *held = point;
            }
        }
        oldest.retain(|begin, _| end(*begin, length) > now);
        for point in oldest.into_values() {
            let until = end(point.snapshot_at, length);
            let choice = choices.entry(point.id.clone()).or_insert(Choice {
                tiers: Vec::new(),
                until,
                cut: false,
            });
            choice.tiers.push(tier);
            choice.until = choice.until.max(until);
        }
    }
    // Its parts' lock is the longest that is made.
    let days = SignedDuration::from_hours(24 * i64::from(max_lock_days)) - MANIFEST_LEAD;
    let longest = end(now, days);
    for choice in choices.values_mut() {
        choice.cut = choice.until > longest;
        choice.until = choice.until.min(longest);
    }
    choices
}

fn end(from: Timestamp, length: SignedDuration) -> Timestamp {
    from.checked_add(length).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const TIERS: Tiers = Tiers {
        weekly_days: Some(60),
        monthly_days: Some(190),
        yearly_days: Some(398),
    };
    const MAX: u32 = 400;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn point(text: &str) -> Drilled {
        let snapshot_at = at(text);
        Drilled {
            id: Id::new(snapshot_at, 7),
            snapshot_at,
        }
    }

    fn chosen(points: &[&str], now: &str) -> Vec<(String, Vec<Tier>)> {
        let points: Vec<Drilled> = points.iter().map(|text| point(text)).collect();
        let choices = choose(&points, TIERS, at(now), MAX).into_iter();
        choices
            .map(|(id, choice)| (id.as_str()[..8].to_owned(), choice.tiers))
            .collect()
    }

    #[test]
    fn weeks_begin_on_monday_whatever_the_year() {
        use Tier::{Monthly, Weekly, Yearly};
        // 2027-01-01 is a Friday: of the week that began on Monday, 2026-12-28.
        let days = [
            "2026-12-28T00:00:00Z",
            "2027-01-01T00:00:00Z",
            "2027-01-03T23:59:59Z",
            "2027-01-04T00:00:00Z",
        ];
        let expected = [
            ("20261228", vec![Weekly, Monthly, Yearly]),
            ("20270101", vec![Monthly, Yearly]),
            ("20270104", vec![Weekly]),
        ];
        let expected = expected.map(|(day, tiers)| (day.to_owned(), tiers));
        assert_eq!(chosen(&days, "2027-01-05T00:00:00Z"), expected);
    }

    #[test]
    fn a_lock_counts_from_the_snapshot_and_the_longest_tier_wins() {
        let days = ["2026-11-02T02:00:00Z", "2026-11-09T02:00:00Z"].map(point);
        let choices = choose(&days, TIERS, at("2026-11-21T00:00:00Z"), MAX);
        let until = |day: &Drilled| choices[&day.id].until;
        assert_eq!(until(&days[0]), at("2027-12-05T02:00:00Z"));
        assert_eq!(until(&days[1]), at("2027-01-08T02:00:00Z"));
        assert!(choices.values().all(|choice| !choice.cut));
    }

    #[test]
    fn nobody_inherits_from_what_is_gone() {
        // The year's first point was locked until 2027-02-05 and is gone.
        let rest = ["2026-12-28T02:00:00Z"];
        assert_eq!(
            chosen(&rest, "2027-02-03T00:00:00Z"),
            [("20261228".to_owned(), vec![Tier::Weekly, Tier::Monthly])]
        );
    }

    #[test]
    fn a_snapshot_from_the_future_gets_what_is_allowed_and_is_told() {
        let future = point("2027-11-21T00:00:00Z");
        let now = at("2026-11-21T00:00:00Z");
        let choice = &choose(std::slice::from_ref(&future), TIERS, now, MAX)[&future.id];
        assert!(choice.cut);
        assert_eq!(choice.until, end(now, SignedDuration::from_hours(24 * 398)));
    }

    /// Points within two and a half years before `NOW`, some at the same moment.
    fn points() -> impl Strategy<Value = Vec<Drilled>> {
        let one = (0_i64..900 * 4, any::<u32>());
        vec(one, 0..200).prop_map(|drawn| {
            let at = |quarters: i64| at(NOW) - SignedDuration::from_hours(6 * quarters);
            let mut points: Vec<Drilled> = (drawn.into_iter())
                .map(|(quarters, random)| Drilled {
                    id: Id::new(at(quarters), random),
                    snapshot_at: at(quarters),
                })
                .collect();
            points.sort_by(|a, b| a.id.cmp(&b.id));
            points.dedup_by(|a, b| a.id == b.id);
            points
        })
    }

    const NOW: &str = "2026-11-21T12:00:00Z";

    /// Locks as they hold after runs of `promote`: a lock is only ever extended.
    #[derive(Debug, Default, PartialEq)]
    struct Bucket(BTreeMap<Id, Timestamp>);

    impl Bucket {
        /// Which points are newly extended.
        fn promote(&mut self, points: &[Drilled], now: Timestamp) -> Vec<(Id, Choice)> {
            let choices = choose(points, TIERS, now, MAX).into_iter();
            let extended: Vec<(Id, Choice)> = choices
                .filter(|(id, choice)| self.0.get(id).is_none_or(|held| *held < choice.until))
                .collect();
            for (id, choice) in &extended {
                self.0.insert(id.clone(), choice.until);
            }
            extended
        }

        /// What lifecycle leaves of points whose daily tier is 35 days.
        fn left(&self, points: &[Drilled], now: Timestamp) -> Vec<Drilled> {
            let daily = SignedDuration::from_hours(24 * 35);
            let lives = |point: &&Drilled| {
                let held = self.0.get(&point.id).copied();
                held.max(Some(end(point.snapshot_at, daily))) > Some(now)
            };
            points.iter().filter(lives).cloned().collect()
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter((points, shuffled) in points().prop_flat_map(|points| {
            (Just(points.clone()), Just(points).prop_shuffle())
        })) {
            let choose = |points: &[Drilled]| choose(points, TIERS, at(NOW), MAX);
            prop_assert_eq!(choose(&points), choose(&shuffled));
        }

        #[test]
        fn a_second_run_changes_nothing(points in points()) {
            let mut bucket = Bucket::default();
            bucket.promote(&points, at(NOW));
            prop_assert_eq!(bucket.promote(&points, at(NOW)), []);
        }

        #[test]
        fn one_point_of_each_period_and_never_over_the_limit(points in points()) {
            let mut seen = std::collections::BTreeSet::new();
            let longest = end(at(NOW), SignedDuration::from_hours(24 * i64::from(MAX)));
            for (id, choice) in choose(&points, TIERS, at(NOW), MAX) {
                let point = points.iter().find(|point| point.id == id).unwrap();
                for tier in &choice.tiers {
                    let begin = tier.begin(point.snapshot_at).unwrap();
                    prop_assert!(seen.insert((*tier, begin)), "{:?} of {} twice", tier, begin);
                    let older = |other: &&Drilled| {
                        other.snapshot_at >= begin && other.snapshot_at < point.snapshot_at
                    };
                    prop_assert_eq!(points.iter().find(older), None);
                }
                prop_assert!(end(choice.until, MANIFEST_LEAD) <= longest);
            }
        }

        /// Points come, runs happen or do not, and what lifecycle takes is gone: the locks are those
        /// that one run after each point would have made.
        #[test]
        fn runs_in_between_change_nothing(points in points(), runs in vec(any::<bool>(), 200)) {
            let mut always = Bucket::default();
            let mut sometimes = Bucket::default();
            let mut last_run = Timestamp::MIN;
            for (index, point) in points.iter().enumerate() {
                let (arrived, now) = (&points[..=index], point.snapshot_at);
                always.promote(&always.left(arrived, now), now);
                // Within the daily tier's days: a point that is gone cannot be locked.
                let next = points.get(index + 1).map(|next| next.snapshot_at);
                let later = SignedDuration::from_hours(24 * 30);
                if !runs[index] && next.is_some_and(|next| next < end(last_run, later)) {
                    continue;
                }
                sometimes.promote(&sometimes.left(arrived, now), now);
                last_run = now;
            }
            prop_assert_eq!(always, sometimes);
        }

        /// A drill of an older point that comes late adds a lock, and takes none away.
        #[test]
        fn late_drills_never_shorten(points in points().prop_shuffle()) {
            let mut late = Bucket::default();
            for index in 0..points.len() {
                late.promote(&points[..=index], at(NOW));
            }
            let mut at_once = Bucket::default();
            at_once.promote(&points, at(NOW));
            for (id, until) in at_once.0 {
                prop_assert!(late.0[&id] >= until);
            }
        }
    }
}
