//! Points by their database, and when there are too many of them to open each.

use std::collections::BTreeMap;

use super::read::ListedPoint;

/// Of several databases together, so many points are opened one by one; where there are more, only the newest of
/// each database.
const OPENED_ONE_BY_ONE: usize = 200;

/// By source and database.
pub(crate) type ByDatabase = BTreeMap<(String, String), Vec<ListedPoint>>;

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

/// Whether databases with so many points each are folded to their newest ones.
pub(crate) fn is_folded(points: impl IntoIterator<Item = usize>) -> bool {
    let (mut databases, mut sum) = (0, 0_usize);
    for points in points.into_iter().filter(|points| *points > 0) {
        databases += 1;
        sum = sum.saturating_add(points);
    }
    databases > 1 && sum > OPENED_ONE_BY_ONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_database_is_never_folded_and_several_are_above_two_hundred_points() {
        assert!(!is_folded([]));
        assert!(!is_folded([5000, 0]));
        assert!(!is_folded([100, 100]));
        assert!(is_folded([100, 101]));
    }
}
