//! Which points a tier keeps, and until when: a function of what the store says of their times, what drills said
//! of them, the tiers and the time.
//!
//! Whoever holds the signing key cannot be told from the exporter, so no choice among its points and ours is safe:
//! those that came first of a period, within little more than one export's interval, are all kept, or, where they
//! are too many, none is chosen and all are held until a person decides. The store's time cannot be set back, so a
//! period that began before a theft is what it was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::tiers::{Tier, Tiers};
use crate::model::id::Id;
use crate::model::lock::MANIFEST_LEAD;

/// A point that a trusted key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimant {
    pub id: Id,
    /// By the store.
    pub stored_at: Timestamp,
    /// What the newest drill found; `None`: there was none.
    pub sound: Option<bool>,
    /// The manifest's lock.
    pub locked_until: Timestamp,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub tiers: Tiers,
    /// How long an export is locked.
    pub daily_days: u32,
    /// Between two exports of a database.
    pub export_every: SignedDuration,
    /// How many points may claim one period.
    pub contested_limit: usize,
    pub max_lock_days: u32,
}

/// A point whose lock matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What it is promoted for; none where it is only held.
    pub tiers: Vec<Tier>,
    /// Its manifest's lock; that of its parts ends two days later.
    pub until: Timestamp,
    /// Less than the tier asks for, as no lock may be longer.
    pub cut: bool,
}

/// Too many points claim the same periods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contested {
    pub tiers: Vec<Tier>,
    pub first_stored_at: Timestamp,
    pub last_stored_at: Timestamp,
    /// In the order of the store's times.
    pub ids: Vec<Id>,
    /// What they take in the store, all together.
    pub bytes: u64,
    /// When the last tier ends that any of them claims: after this nothing of the period is held any more.
    pub ends: Timestamp,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decisions {
    pub choices: BTreeMap<Id, Choice>,
    pub contested: Vec<Contested>,
    /// Claimants without a drill, the oldest first.
    pub undrilled: Vec<Id>,
}

/// Decides for the points of one database, in any order.
///
/// A period that began longer ago than its tier's days is over: what was chosen of it may be gone by now, and the
/// next one must not inherit.
pub(crate) fn choose(points: &[Claimant], rules: &Rules, now: Timestamp) -> Decisions {
    let mut points: Vec<&Claimant> = points.iter().collect();
    points.sort_by_key(|one| (one.stored_at, &one.id));
    let mut decisions = Decisions::default();
    let mut contested: Vec<Group<'_>> = Vec::new();
    let mut undrilled = BTreeSet::new();
    let groups = groups(&points, rules, now);
    let bounds = bounds(&groups);
    for group in groups {
        if group.claimants.len() > rules.contested_limit {
            contested.push(group);
            continue;
        }
        // Until then one more may come.
        let is_closed = end(group.claimants[0].stored_at, rules.window()) < now;
        if is_closed {
            decisions.promote(&group);
        }
        for one in group.claimants {
            if one.sound.is_none() {
                undrilled.insert((one.stored_at, &one.id));
            }
            if one.sound.is_none() || !is_closed {
                decisions.hold(one, &group, rules, now);
            }
        }
    }
    for group in contested {
        let ends = |one: &Claimant| bounds.get(&one.id).copied().unwrap_or_default();
        // A person locked one of them for longer than any run of ours does.
        if group
            .claimants
            .iter()
            .any(|one| one.locked_until > ends(one))
        {
            continue;
        }
        for one in group.claimants {
            decisions.hold(one, &group, rules, now);
        }
        let last = group.claimants.iter().map(|one| ends(one)).max();
        decisions.contest(&group, last.unwrap_or_default());
    }
    decisions.undrilled = undrilled.into_iter().map(|(_, id)| id.clone()).collect();
    // Its parts' lock is the longest that is made.
    let longest = end(now, days(rules.max_lock_days) - MANIFEST_LEAD);
    for choice in decisions.choices.values_mut() {
        choice.cut = choice.until > longest;
        choice.until = choice.until.min(longest);
    }
    decisions
}

/// Those that claim one period of a tier.
struct Group<'a> {
    tier: Tier,
    length: SignedDuration,
    claimants: &'a [&'a Claimant],
}

/// Of each period that is not over, the claimants; `points` are sorted.
fn groups<'a>(points: &'a [&'a Claimant], rules: &Rules, now: Timestamp) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    for (tier, length) in rules.tiers.each() {
        let begin = |one: &Claimant| tier.begin(one.stored_at);
        for period in points.chunk_by(|one, other| begin(one) == begin(other)) {
            let is_over = |begin: Timestamp| end(begin, length) <= now;
            if begin(period[0]).is_none_or(is_over) {
                continue;
            }
            groups.push(Group {
                tier,
                length,
                claimants: first_of(period, rules.window()),
            });
        }
    }
    groups
}

/// Until when runs of ours may lock each claimant, whatever tiers it claims.
fn bounds(groups: &[Group<'_>]) -> BTreeMap<Id, Timestamp> {
    let mut bounds = BTreeMap::new();
    for group in groups {
        for one in group.claimants {
            let bound: &mut Timestamp = bounds.entry(one.id.clone()).or_default();
            *bound = group.ends(one).max(*bound);
        }
    }
    bounds
}

/// All that claim a period that is not over.
pub(crate) fn claimants(points: &[Claimant], rules: &Rules, now: Timestamp) -> BTreeSet<Id> {
    let mut points: Vec<&Claimant> = points.iter().collect();
    points.sort_by_key(|one| (one.stored_at, &one.id));
    let groups = groups(&points, rules, now);
    let all = groups.iter().flat_map(|group| group.claimants);
    all.map(|one| one.id.clone()).collect()
}

/// Those stored within the window of the first one. Where drills found none of them sound, those that came after
/// them, and so on.
fn first_of<'a>(mut rest: &'a [&'a Claimant], window: SignedDuration) -> &'a [&'a Claimant] {
    loop {
        let close = end(rest[0].stored_at, window);
        let count = rest.partition_point(|one| one.stored_at <= close);
        let (group, later) = rest.split_at(count);
        let is_unsound = |one: &&Claimant| one.sound == Some(false);
        if later.is_empty() || !group.iter().all(is_unsound) {
            return group;
        }
        rest = later;
    }
}

impl Rules {
    /// Long enough for the next export to come, a bit late.
    fn window(&self) -> SignedDuration {
        self.export_every + self.export_every / 4
    }

    /// Whether of points stored at these times, the oldest first, more may claim one period than are allowed. Which
    /// of them can be trusted and are sound takes points from a claim and shifts its beginning; it adds none to it.
    pub(crate) fn may_contest(&self, stored: &[Timestamp]) -> bool {
        let windows = stored.windows(self.contested_limit.saturating_add(1));
        let is_crowded = |claim: &[Timestamp]| match claim {
            [first, .., last] => *last <= end(*first, self.window()),
            _ => true,
        };
        windows.into_iter().any(is_crowded)
    }
}

impl Group<'_> {
    fn ends(&self, one: &Claimant) -> Timestamp {
        end(one.stored_at, self.length)
    }
}

impl Decisions {
    fn promote(&mut self, group: &Group<'_>) {
        for one in group.claimants.iter().filter(|one| one.sound == Some(true)) {
            let choice = self.choice(one);
            choice.tiers.push(group.tier);
            choice.until = choice.until.max(group.ends(one));
        }
    }

    /// For one daily tier more where its lock is half gone, at most to the tier's end.
    fn hold(&mut self, one: &Claimant, group: &Group<'_>, rules: &Rules, now: Timestamp) {
        let daily = days(rules.daily_days);
        if one.locked_until < end(now, daily / 2) {
            let until = end(now, daily).min(group.ends(one));
            let choice = self.choice(one);
            choice.until = choice.until.max(until);
        }
    }

    fn choice(&mut self, one: &Claimant) -> &mut Choice {
        self.choices.entry(one.id.clone()).or_insert(Choice {
            tiers: Vec::new(),
            until: Timestamp::MIN,
            cut: false,
        })
    }

    /// The same points may claim a week, a month and a year.
    fn contest(&mut self, group: &Group<'_>, ends: Timestamp) {
        let ids: Vec<Id> = group.claimants.iter().map(|one| one.id.clone()).collect();
        if let Some(known) = self.contested.iter_mut().find(|one| one.ids == ids) {
            known.tiers.push(group.tier);
            known.ends = known.ends.max(ends);
            return;
        }
        let stored_at = |at: Option<&&Claimant>| at.map_or(Timestamp::MIN, |one| one.stored_at);
        self.contested.push(Contested {
            tiers: vec![group.tier],
            first_stored_at: stored_at(group.claimants.first()),
            last_stored_at: stored_at(group.claimants.last()),
            ids,
            bytes: group.claimants.iter().map(|one| one.bytes).sum(),
            ends,
        });
    }
}

fn days(count: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(count))
}

fn end(from: Timestamp, length: SignedDuration) -> Timestamp {
    from.checked_add(length).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
