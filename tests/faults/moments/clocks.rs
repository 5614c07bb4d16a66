//! A clock that is wrong at one reading, or from one on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::codec::ReuseKey;
use lifeboat::testing::model::{Id, Lock, Manifest};
use lifeboat::testing::repository::PointSelector;
use lifeboat::testing::{Clock, SystemClock};

use crate::faults::files::with_server::SOURCE;
use crate::faults::tally::{Cases, Outcome, Tally, spread};
use crate::support::forge::Forge;
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major, next_second};

/// What an export allows for, five minutes, and what it may take.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(330);

/// Lock days of the forge's exports.
const DAYS: i64 = 35;

const JUMPS: [(&str, SignedDuration); 8] = [
    (
        "forty years back",
        SignedDuration::from_hours(-24 * 365 * 40),
    ),
    ("a month back", SignedDuration::from_hours(-24 * 30)),
    ("a day back", SignedDuration::from_hours(-24)),
    ("six minutes back", SignedDuration::from_mins(-6)),
    ("six minutes ahead", SignedDuration::from_mins(6)),
    ("a day ahead", SignedDuration::from_hours(24)),
    ("a month ahead", SignedDuration::from_hours(24 * 30)),
    (
        "forty years ahead",
        SignedDuration::from_hours(24 * 365 * 40),
    ),
];

struct Jumping {
    reads: AtomicUsize,
    at: usize,
    for_good: bool,
    by: SignedDuration,
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let number = self.reads.fetch_add(1, Ordering::SeqCst);
        let jumps = number == self.at || (self.for_good && number > self.at);
        let now = Timestamp::now();
        if jumps { now + self.by } else { now }
    }
}

impl Jumping {
    fn new(at: usize, for_good: bool, by: SignedDuration) -> Arc<Self> {
        let reads = AtomicUsize::new(0);
        Arc::new(Self {
            reads,
            at,
            for_good,
            by,
        })
    }
}

/// The point is whole, locked as long as was asked by the true time, the latest, and of the same rows.
async fn wrong(forge: &Forge, id: &Id, reference: &Manifest) -> Option<String> {
    let problems = forge.problems(id, true).await;
    if !problems.is_empty() {
        return Some(format!("verify: {problems:?}"));
    }
    let point = forge.open(id).await.unwrap();
    let rows = |manifest: &Manifest| -> Vec<(u32, u64)> {
        let tables = manifest.tables.iter();
        tables.map(|table| (table.oid, table.rows)).collect()
    };
    if rows(&point.manifest) != rows(reference) {
        return Some("other rows".to_owned());
    }
    let asked = Timestamp::now() + SignedDuration::from_hours(24 * DAYS) - TOLERANCE;
    let lock: Option<Lock> = point.manifest.lock;
    if lock.is_none_or(|lock| lock.retain_until < asked) {
        return Some(format!("its lock is {lock:?}"));
    }
    let latest = forge.repository.choose(&PointSelector::Latest, None, None);
    let latest = latest.await.unwrap();
    (latest.id != *id).then(|| format!("the latest point is {}", latest.id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_clock_that_is_wrong_at_any_reading_makes_no_false_point() {
    let database = Database::new(Major::Pg15);
    database.sql(SOURCE);
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let mut forge = Forge::new(store).await;
    forge.reuse = Some(ReuseKey::parse(&"1".repeat(64)).unwrap());
    let reference = Box::pin(forge.export(&database)).await.manifest;
    let counting = Jumping::new(usize::MAX, false, SignedDuration::ZERO);
    forge.clock = counting.clone();
    Box::pin(forge.export(&database)).await;
    let reads = counting.reads.load(Ordering::SeqCst);
    assert!(reads > 1, "{reads} readings");
    let space = u64::try_from(reads * 2 * JUMPS.len()).unwrap();
    let mut tally = Tally::new("moments");
    for seed in Cases::of("moments, clocks", 8).seeds() {
        let at = usize::try_from(spread(seed, space)).unwrap();
        let (jump, by) = JUMPS[at % JUMPS.len()];
        let (for_good, at) = (at / JUMPS.len() % 2 == 1, at / JUMPS.len() / 2);
        forge.clock = Jumping::new(at, for_good, by);
        // The store's time, by which the latest is known, has whole seconds.
        next_second();
        let ran = Box::pin(forge.export_through(forge.store.clone(), &database)).await;
        let first = ran
            .as_ref()
            .ok()
            .and_then(|report| report.databases.first());
        let id = first.and_then(|database| database.id.clone());
        let outcome = match (&ran, &id) {
            (_, Some(id)) => match wrong(&forge, id, &reference).await {
                None => Outcome::Retried,
                Some(wrong) => Outcome::False(format!("reading {at}, {jump}: {wrong}")),
            },
            (Ok(report), None) => {
                let failures = format!("{:?}", report.failures);
                names_the_clock(at, jump, &failures)
            }
            (Err(error), None) => names_the_clock(at, jump, &error.chain()),
        };
        let kind = if for_good {
            "clock wrong from a reading on"
        } else {
            "clock wrong at a reading"
        };
        tally.count(kind, seed, outcome);
    }
    tally.end();
}

fn names_the_clock(at: usize, jump: &str, said: &str) -> Outcome {
    match said.contains("clock") {
        true => Outcome::Clean,
        false => Outcome::False(format!("reading {at}, {jump}: it says {said}")),
    }
}
