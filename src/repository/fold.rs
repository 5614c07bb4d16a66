//! Points by their database, and when there are too many of them to open each.

use std::collections::BTreeMap;

use super::attest::Attestations;
use super::read::ListedPoint;
use crate::clock;

/// Of all databases together, so many points are opened one by one.
const OF_ALL: usize = 200;
/// Of one database, so many are opened one by one whatever else is stored: whoever may write could store points of
/// others that do not exist.
const OF_ONE_DATABASE: usize = 20;

/// Of one day, so many are opened one by one: a nightly export, and what people export before they change something.
const OF_A_DAY: usize = 4;
/// The newest days, in UTC, of which every point is opened, whatever their number: the day that begins may be empty.
const WHOLE_DAYS: i64 = 2;

/// Where only the newest trusted point is asked for, so many that cannot be trusted are opened in all: whoever may
/// write could store any number of them.
pub(crate) const MOST_PASSED_OVER: usize = 9;

/// By source and database.
pub(crate) type ByDatabase = BTreeMap<(String, String), Vec<ListedPoint>>;

/// What the listing alone shows of a point: somebody stored its manifest more than once.
pub(crate) fn written_again(found: &ListedPoint) -> Option<String> {
    let (id, versions) = (&found.id, found.versions());
    (versions > 1)
        .then(|| format!("{id}: its manifest was written {versions} times; the first counts"))
}

/// The newest last, by the store's time.
pub(crate) fn by_database(found: Vec<ListedPoint>) -> ByDatabase {
    let mut of = ByDatabase::new();
    for one in found {
        let name = (one.source.clone(), one.database.clone());
        of.entry(name).or_default().push(one);
    }
    for points in of.values_mut() {
        points.sort_by_key(ListedPoint::order);
    }
    of
}

/// Which points are opened, of how many.
pub(crate) struct Fold {
    is_fleet: bool,
    folds_days: bool,
}

impl Fold {
    /// Every point.
    pub(crate) fn never() -> Self {
        Self {
            is_fleet: false,
            folds_days: false,
        }
    }

    /// Where databases have so many points each.
    pub(crate) fn of(points: impl IntoIterator<Item = usize>) -> Self {
        let (mut databases, mut sum) = (0, 0_usize);
        for points in points.into_iter().filter(|points| *points > 0) {
            databases += 1;
            sum = sum.saturating_add(points);
        }
        Self {
            is_fleet: databases > 1 && sum > OF_ALL,
            folds_days: sum > OF_ALL,
        }
    }

    /// Whether only the newest trusted one is opened of so many points of one database.
    pub(crate) fn is_newest_only(&self, points: usize) -> bool {
        self.is_fleet && points > OF_ONE_DATABASE
    }

    /// Points of one database in groups; of each, only the newest trusted point is opened.
    ///
    /// `found`, and each group: the newest last. Where exports are made every hour, older days are groups; otherwise each
    /// point is one, and so is one that was drilled.
    pub(crate) fn groups<'a>(
        &self,
        found: &'a [ListedPoint],
        drills: &Attestations,
    ) -> Vec<Vec<&'a ListedPoint>> {
        if self.is_newest_only(found.len()) {
            return vec![found.iter().collect()];
        }
        let day = |one: &ListedPoint| clock::day(one.stored_at());
        let newest = found.last().map(day).unwrap_or_default();
        let mut groups = Vec::new();
        for of_a_day in found.chunk_by(|one, other| day(one) == day(other)) {
            let is_old = newest - day(&of_a_day[0]) >= WHOLE_DAYS;
            let folds = self.folds_days && is_old && of_a_day.len() > OF_A_DAY;
            let is_apart = |one: &&ListedPoint| !folds || drills.contains(&one.path());
            let (apart, folded): (Vec<_>, Vec<_>) = of_a_day.iter().partition(is_apart);
            groups.extend(apart.into_iter().map(|one| vec![one]));
            groups.push(folded);
        }
        groups.retain(|group| !group.is_empty());
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_database_is_never_folded_and_several_are_above_two_hundred_points() {
        let folds = |points: &[usize]| {
            let fold = Fold::of(points.iter().copied());
            points.iter().any(|points| fold.is_newest_only(*points))
        };
        assert!(!folds(&[]));
        assert!(!folds(&[5000, 0]));
        assert!(!folds(&[100, 100]));
        assert!(folds(&[100, 101]));
    }

    #[test]
    fn a_database_with_few_points_is_not_folded_whatever_others_have() {
        let fold = Fold::of([20, 21, 100_000]);
        assert_eq!(
            [20, 21].map(|points| fold.is_newest_only(points)),
            [false, true]
        );
        assert!(!Fold::never().is_newest_only(100_000));
    }
}
