//! Which copies of one instance or cluster stay: a pure function of what there is. It has no
//! clock: where nothing new is made, nothing more goes.
//!
//! Who rules the source can have any data copied, as often as it likes. So only copies that a drill restored, under
//! our own key, make another one go; of each day, week and month the first of them stays; and of a day with more
//! copies than there should be, nobody can say which is true: all of them stay, and count for nothing. Of the newest
//! day more may come, so none of it goes either.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::snapshot::list::FoundCopy;

/// How many copies are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The first verified copy of a day is kept, for the last `days` days that have one; likewise for weeks and
    /// months. Where one has none: all copies of a day, the first of a week and of a month.
    pub days: u32,
    pub weeks: u32,
    pub months: u32,
    /// How many of the newest verified ones are kept, whatever else applies.
    pub verified: u32,
    pub expected: Expected,
}

/// How many copies there should be of each day or week: where there are more, somebody else may have had some made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub copies: u32,
    pub of: Period,
}

/// In UTC; weeks from Monday to Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    Day,
    Week,
    Month,
}

impl Period {
    /// `day`, `week` or `month`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first day of the one that holds `day`.
    fn begin(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => {
                let after_monday = day.weekday().to_monday_zero_offset();
                day.saturating_sub(i64::from(after_monday).days())
            }
            Self::Month => day.first_of_month(),
        }
    }

    /// Of the one that begins on a day: `2026-11-21`, `week 2026-47`, `2026-11`.
    pub(crate) fn name(self, begin: Date) -> String {
        match self {
            Self::Day => begin.to_string(),
            Self::Week => {
                let week = begin.iso_week_date();
                format!("week {}-{:02}", week.year(), week.week())
            }
            Self::Month => format!("{}-{:02}", begin.year(), begin.month()),
        }
    }
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
    /// First days of the days or weeks with more copies than there should be, and how many.
    pub contested: Vec<(Date, usize)>,
    /// Whether nothing goes because no copy is verified.
    pub unverified: bool,
}

pub(crate) fn decide(copies: &[CopyFacts], keep: Keep) -> Decisions {
    let mut available: Vec<usize> = (0..copies.len())
        .filter(|at| copies[*at].state == CopyState::Available)
        .collect();
    available.sort_by_key(|at| (copies[*at].taken_at, *at));
    let mut reasons = Reasons {
        copies,
        days: copies.iter().map(day).collect(),
        all: vec![Vec::new(); copies.len()],
    };
    let contested = reasons.keep_undecided(&available, keep.expected);
    let unit = keep.expected.of;
    let is_sure = |at: &usize| !contested.contains_key(&unit.begin(reasons.days[*at]));
    let sure: Vec<usize> = available.into_iter().filter(is_sure).collect();
    let verified: Vec<usize> = (sure.iter().rev().copied())
        .filter(|at| copies[*at].verified)
        .collect();
    for (number, at) in verified.iter().take(keep.verified as usize).enumerate() {
        reasons.add(
            *at,
            format!("verified, {} of {}", number + 1, keep.verified),
        );
    }
    for (tier, most) in [
        (Period::Day, keep.days),
        (Period::Week, keep.weeks),
        (Period::Month, keep.months),
    ] {
        reasons.keep_periods(&sure, tier, most as usize, unit);
    }
    Decisions {
        unverified: !sure.is_empty() && verified.is_empty(),
        copies: (copies.iter().zip(reasons.all))
            .map(|(copy, reasons)| decision(copy, reasons))
            .collect(),
        contested: contested.into_iter().collect(),
    }
}

/// Why copies stay; those without a reason may go.
struct Reasons<'a> {
    copies: &'a [CopyFacts],
    days: Vec<Date>,
    all: Vec<Vec<String>>,
}

impl Reasons<'_> {
    fn add(&mut self, at: usize, why: impl Into<String>) {
        self.all[at].push(why.into());
    }

    /// Keeps all of the newest day or week, of which more may come, and of those with too many, which it returns.
    /// `available`: the oldest first.
    fn keep_undecided(&mut self, available: &[usize], expected: Expected) -> BTreeMap<Date, usize> {
        let unit = expected.of;
        let mut places: BTreeMap<Date, Vec<usize>> = BTreeMap::new();
        for at in available {
            let place = unit.begin(self.days[*at]);
            places.entry(place).or_default().push(*at);
        }
        if let Some((newest, others)) = places
            .values()
            .next_back()
            .and_then(|last| last.split_last())
        {
            self.add(*newest, "the newest");
            for at in others {
                self.add(*at, format!("of the newest {}", unit.word()));
            }
        }
        places.retain(|_, copies| copies.len() > expected.copies as usize);
        for (begin, copies) in &places {
            let why = format!("one of {} of {}", copies.len(), unit.name(*begin));
            for at in copies {
                self.add(*at, &*why);
            }
        }
        let counts = places
            .into_iter()
            .map(|(begin, copies)| (begin, copies.len()));
        counts.collect()
    }

    /// Keeps the first verified copy of each period, until so many newer ones have one. `sure`: the oldest first.
    fn keep_periods(&mut self, sure: &[usize], tier: Period, most: usize, unit: Period) {
        let begins: Vec<Date> = self.days.iter().map(|day| tier.begin(*day)).collect();
        let periods: Vec<&[usize]> = (sure.chunk_by(|a, b| begins[*a] == begins[*b])).collect();
        let mut verified_periods = 0;
        for period in periods.into_iter().rev() {
            if verified_periods >= most {
                return;
            }
            let of = tier.name(begins[period[0]]);
            match period.iter().find(|at| self.copies[**at].verified) {
                Some(at) => {
                    self.add(*at, format!("the first verified of {of}"));
                    verified_periods += 1;
                }
                // Nothing says that one of them is worth more than another.
                None if tier <= unit => {
                    for at in period {
                        self.add(*at, format!("of {of}, where none is verified"));
                    }
                }
                None => self.add(
                    period[0],
                    format!("the first of {of}, where none is verified"),
                ),
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

#[cfg(test)]
mod tests;
