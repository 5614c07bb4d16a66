//! Which cases a run has, and what came of them.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::random::number;

/// What a fault led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command failed, or told of the damage: nothing false is there, and the message names the cause.
    Clean,
    /// It succeeded, and what is there equals the source.
    Retried,
    /// It says success and there is none, or it names no cause, or it does not end. What was seen.
    False(String),
}

/// The cases of a test: a seed determines one.
#[derive(Debug, Clone, Copy)]
pub struct Cases {
    pub seed: u64,
    pub count: u64,
}

impl Cases {
    /// As many as are the place's share of a normal run, unless told otherwise.
    pub fn of(place: &str, share: u64) -> Self {
        let seed = number("LIFEBOAT_FAULTS_SEED").unwrap_or(1);
        let count = number("LIFEBOAT_FAULTS_CASES").unwrap_or(share);
        eprintln!("{place}: {count} cases from seed {seed} on");
        Self { seed, count }
    }

    pub fn seeds(self) -> Range<u64> {
        self.seed..self.seed + self.count
    }
}

/// The place of a seed among `space` ones. As many seeds in a row as there are places have each place once; fewer lie
/// evenly between each other.
pub fn spread(seed: u64, space: u64) -> u64 {
    // The golden section of the space leaves no large gap, wherever one stops.
    let mut step = ((space as f64 * 0.618_033_988_75) as u64).max(1);
    while greatest_common_divisor(step, space) != 1 {
        step += 1;
    }
    let place = u128::from(seed) * u128::from(step) % u128::from(space);
    u64::try_from(place).unwrap()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => greatest_common_divisor(b, a % b),
    }
}

#[derive(Default)]
struct Figures {
    injected: u64,
    clean: u64,
    retried: u64,
}

/// Counts what came of the cases of a place, by kind of fault.
pub struct Tally {
    place: &'static str,
    kinds: BTreeMap<String, Figures>,
    /// Kind, seed, and what was seen.
    lies: Vec<(String, u64, String)>,
}

impl Tally {
    pub fn new(place: &'static str) -> Self {
        Self {
            place,
            kinds: BTreeMap::new(),
            lies: Vec::new(),
        }
    }

    pub fn count(&mut self, kind: &str, seed: u64, outcome: Outcome) {
        let figures = self.kinds.entry(kind.to_owned()).or_default();
        figures.injected += 1;
        match outcome {
            Outcome::Clean => figures.clean += 1,
            Outcome::Retried => figures.retried += 1,
            Outcome::False(seen) => self.lies.push((kind.to_owned(), seed, seen)),
        }
    }

    /// Says a line for each kind, and fails where an outcome was false.
    pub fn end(self) {
        let place = self.place;
        for (kind, figures) in &self.kinds {
            let Figures {
                injected,
                clean,
                retried,
            } = figures;
            let lies = injected - clean - retried;
            // On a line of its own, whatever the test's name is printed before.
            println!("\nLIFEBOAT_FAULTS {place}|{kind}|{injected}|{clean}|{retried}|{lies}");
        }
        let lies = self.lies.iter();
        let told: Vec<String> = lies
            .map(|(kind, seed, seen)| format!("LIFEBOAT_FAULTS_SEED={seed}, {kind}: {seen}"))
            .collect();
        assert!(told.is_empty(), "{place}:\n{}", told.join("\n"));
        assert!(!self.kinds.is_empty(), "{place}: no fault was injected");
    }
}

#[test]
fn seeds_in_a_row_have_each_place_once_and_few_of_them_lie_far_apart() {
    for space in [1, 2, 3, 10, 997, 1000] {
        let mut places: Vec<u64> = (7..7 + space).map(|seed| spread(seed, space)).collect();
        places.sort_unstable();
        assert_eq!(places, (0..space).collect::<Vec<u64>>(), "{space}");
    }
    let mut places: Vec<u64> = (1..=100).map(|seed| spread(seed, 100_000)).collect();
    places.sort_unstable();
    let gaps = places.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max().unwrap() < 3000);
}

#[test]
#[should_panic(expected = "LIFEBOAT_FAULTS_SEED=2, cut: it said nothing")]
fn a_false_success_fails_with_its_seed() {
    let mut tally = Tally::new("here");
    tally.count("cut", 1, Outcome::Clean);
    tally.count("cut", 2, Outcome::False("it said nothing".to_owned()));
    tally.end();
}
