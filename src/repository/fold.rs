//! Points by their database, and when there are too many of them to open each.

use std::collections::BTreeMap;

use super::read::ListedPoint;

/// Of all databases together, so many points are opened one by one.
const OF_ALL: usize = 200;
/// Of one database, so many are opened one by one whatever else is stored: whoever may write could store points of
/// others that do not exist.
const OF_ONE_DATABASE: usize = 20;

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

/// Of which databases only the newest points are opened.
pub(crate) struct Fold {
    is_fleet: bool,
}

impl Fold {
    /// Of none.
    pub(crate) fn never() -> Self {
        Self { is_fleet: false }
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
        }
    }

    /// Whether it is one with so many points.
    pub(crate) fn folds(&self, points: usize) -> bool {
        self.is_fleet && points > OF_ONE_DATABASE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_database_is_never_folded_and_several_are_above_two_hundred_points() {
        let folds = |points: &[usize]| {
            let fold = Fold::of(points.iter().copied());
            points.iter().any(|points| fold.folds(*points))
        };
        assert!(!folds(&[]));
        assert!(!folds(&[5000, 0]));
        assert!(!folds(&[100, 100]));
        assert!(folds(&[100, 101]));
    }

    #[test]
    fn a_database_with_few_points_is_not_folded_whatever_others_have() {
        let fold = Fold::of([20, 21, 100_000]);
        assert_eq!([20, 21].map(|points| fold.folds(points)), [false, true]);
        assert!(!Fold::never().folds(100_000));
    }
}
