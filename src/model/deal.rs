//! Deals databases to shards: the biggest first, each to the shard that has least.

use std::collections::BTreeMap;

use super::run::Assignment;

/// What is to be dealt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dealt {
    pub source: String,
    /// `None`: the source as a whole.
    pub database: Option<String>,
    /// Databases of one server have the same.
    pub server: String,
    /// What its newest point took; `None`: it has none.
    pub bytes: Option<u64>,
}

/// Deals to `shards` shards, counted from 0; a server's databases together unless they are `spread`. One whose size
/// is not known counts as the median of the others. Sorted by source and database.
pub(crate) fn deal(databases: &[Dealt], shards: u32, spread: bool) -> Vec<Assignment> {
    let median = median(databases.iter().filter_map(|one| one.bytes).collect());
    // Nothing weighs nothing: many empty databases are work, too.
    let bytes = |one: &Dealt| u128::from(one.bytes.unwrap_or(median).max(1));
    let mut bundles: BTreeMap<_, Vec<&Dealt>> = BTreeMap::new();
    for one in databases {
        let apart = spread.then_some((&one.source, &one.database));
        bundles.entry((&one.server, apart)).or_default().push(one);
    }
    let weigh = |bundle: Vec<&'_ Dealt>| {
        let weight: u128 = bundle.iter().map(|one| bytes(one)).sum();
        (weight, bundle.into_iter().cloned().collect::<Vec<_>>())
    };
    let mut bundles: Vec<(u128, Vec<Dealt>)> = bundles.into_values().map(weigh).collect();
    // Stable: what weighs the same stays in its order.
    bundles.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let mut loads = vec![0_u128; shards.max(1) as usize];
    let mut dealt = Vec::with_capacity(databases.len());
    for (weight, bundle) in bundles {
        let least = (0_u32..).zip(&mut loads).min_by_key(|(_, load)| **load);
        let Some((shard, load)) = least else { continue };
        *load += weight;
        dealt.extend(bundle.into_iter().map(|one| Assignment {
            source: one.source,
            database: one.database,
            shard,
        }));
    }
    dealt.sort();
    dealt
}

fn median(mut sizes: Vec<u64>) -> u64 {
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(source: &str, database: &str, bytes: Option<u64>) -> Dealt {
        Dealt {
            source: source.to_owned(),
            database: Some(database.to_owned()),
            server: source.to_owned(),
            bytes,
        }
    }

    fn shards(dealt: &[Assignment]) -> Vec<u32> {
        dealt.iter().map(|one| one.shard).collect()
    }

    #[test]
    fn the_biggest_go_first_to_whoever_has_least_and_an_unknown_size_is_the_median() {
        let databases = [
            one("a", "1", Some(10)),
            one("a", "2", Some(90)),
            one("a", "3", None),
            one("a", "4", Some(60)),
        ];
        // 90 | 60, then the unknown 60 | then 10.
        assert_eq!(shards(&deal(&databases, 2, true)), [0, 0, 1, 1]);
        assert_eq!(shards(&deal(&databases, 2, false)), [0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn every_database_is_in_exactly_one_shard(
            sizes in prop::collection::vec((0..5_u8, prop::option::of(any::<u64>())), 0..40),
            count in 1..12_u32,
            spread: bool,
        ) {
            let databases: Vec<Dealt> = sizes.iter().enumerate()
                .map(|(number, (source, bytes))| one(&format!("s{source}"), &format!("{number:02}"), *bytes))
                .collect();
            let dealt = deal(&databases, count, spread);
            prop_assert!(dealt.iter().all(|one| one.shard < count));
            let mut before: Vec<_> = databases.iter().map(|one| (&one.source, &one.database)).collect();
            before.sort();
            let after: Vec<_> = dealt.iter().map(|one| (&one.source, &one.database)).collect();
            prop_assert_eq!(before, after);
            if !spread {
                for two in dealt.windows(2) {
                    prop_assert!(two[0].source != two[1].source || two[0].shard == two[1].shard);
                }
            }
            prop_assert_eq!(&deal(&databases, count, spread), &dealt);
        }
    }
}
