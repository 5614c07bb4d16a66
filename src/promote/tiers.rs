//! The tiers above the daily one, and their periods.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// How long the first points of each period are locked, in days from when they were stored; `None`: no longer
/// than they are.
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

impl Tiers {
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(super) fn each(self) -> impl Iterator<Item = (Tier, SignedDuration)> {
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
    /// `week`, `month` or `year`.
    pub fn period(self) -> &'static str {
        match self {
            Self::Weekly => "week",
            Self::Monthly => "month",
            Self::Yearly => "year",
        }
    }

    /// The first moment of the period that holds `at`; `None` at the end of time.
    pub(super) fn begin(self, at: Timestamp) -> Option<Timestamp> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday_whatever_the_year() {
        let begin = |tier: Tier, at: &str| tier.begin(at.parse().unwrap()).unwrap().to_string();
        // 2027-01-01 is a Friday.
        for day in [
            "2026-12-28T00:00:00Z",
            "2027-01-01T00:00:00Z",
            "2027-01-03T23:59:59Z",
        ] {
            assert_eq!(begin(Tier::Weekly, day), "2026-12-28T00:00:00Z");
        }
        assert_eq!(
            begin(Tier::Weekly, "2027-01-04T00:00:00Z"),
            "2027-01-04T00:00:00Z"
        );
        assert_eq!(
            begin(Tier::Monthly, "2027-01-03T00:00:00Z"),
            "2027-01-01T00:00:00Z"
        );
        assert_eq!(
            begin(Tier::Yearly, "2026-12-28T00:00:00Z"),
            "2026-01-01T00:00:00Z"
        );
    }

    #[test]
    fn each_tier_that_is_configured_lasts_for_its_days() {
        assert!(Tiers::default().is_empty());
        assert_eq!(Tiers::default().each().count(), 0);
        let tiers = Tiers {
            weekly_days: Some(35),
            yearly_days: Some(3653),
            ..Tiers::default()
        };
        assert!(!tiers.is_empty());
        let days = |days: i64| SignedDuration::from_secs(days * 86_400);
        let each: Vec<_> = tiers.each().collect();
        assert_eq!(each, [(Tier::Weekly, days(35)), (Tier::Yearly, days(3653))]);
        let words = [Tier::Weekly, Tier::Monthly, Tier::Yearly].map(Tier::period);
        assert_eq!(words, ["week", "month", "year"]);
    }
}
