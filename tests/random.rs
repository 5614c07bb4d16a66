//! Random schemas and values go round and come back equal.
//!
//! `LIFEBOAT_TEST_CASES` sets how many schemas, 200 unless told; `LIFEBOAT_TEST_SEED` repeats a run.

mod composed;
mod oracle;
mod schema;
mod script;
mod text;
mod types;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::schema::Schema;
use self::text::Charset;
use self::types::Offer;
use crate::support::{Database, Lifeboat, Major};

/// Schemas in one database: one export and one restore for all of them.
const GROUP: usize = 20;

/// Attempts at making a failing case smaller.
const SIMPLER: usize = 40;

/// From one version to another, in a database of an encoding.
struct Trip {
    from: Major,
    to: Major,
    encoding: &'static str,
}

pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}: {text} is no number")),
    )
}

fn major(of: Major) -> u32 {
    let version = of.sql("postgres", "SHOW server_version_num");
    version.parse::<u32>().unwrap() / 10_000
}

fn has_xml(of: Major) -> bool {
    of.try_sql("postgres", "postgres", "SELECT '<a/>'::xml")
        .is_ok()
}

impl Trip {
    fn offer(&self) -> Offer {
        Offer {
            charset: match self.encoding {
                "LATIN1" => Charset::Latin1,
                "SQL_ASCII" => Charset::Bytes,
                _ => Charset::Utf8,
            },
            xml: has_xml(self.from) && has_xml(self.to),
            major: major(self.from),
        }
    }

    /// Makes the schemas, exports, restores with other sessions, and compares.
    fn travel(&self, schemas: &[Schema], jobs: u64) -> Result<(), String> {
        let lifeboat = Lifeboat::init();
        let kind = format!("TEMPLATE template0 ENCODING '{}' LOCALE 'C'", self.encoding);
        let source = Database::with(self.from, &kind);
        let (their_bin, our_bin) = (self.from.bin(), self.to.bin());
        lifeboat.configure(&format!("[export]\npg_bin = [{their_bin:?}]"));
        load(&source, schemas, self.offer(), lifeboat.folder());
        let (reading, writing) = ((1 + jobs % 4).to_string(), (1 + jobs / 4 % 4).to_string());
        let ran = lifeboat.run(["export", "--source", &source.url(), "--jobs", &reading]);
        if ran.code != Some(0) {
            return Err(format!("export: {ran:?}"));
        }
        let target = Database::reserve(self.to);
        let identity = lifeboat.identity();
        let ran = lifeboat.run([
            "restore",
            "latest",
            "--target",
            &target.url(),
            "--pg-bin",
            our_bin.to_str().unwrap(),
            "--identity",
            identity.to_str().unwrap(),
            "--create",
            "--verify",
            "--jobs",
            &writing,
        ]);
        if ran.code != Some(0) {
            return Err(format!("restore: {ran:?}"));
        }
        let there = oracle::fingerprint(&source, lifeboat.folder());
        let back = oracle::fingerprint(&target, lifeboat.folder());
        assert!(there.len() > 4, "the oracle saw nothing: {there:?}");
        oracle::first_difference(&there, &back).map_or(Ok(()), Err)
    }

    /// Like `travel`; a panic is a failure like any other.
    fn fails(&self, schemas: &[Schema], jobs: u64) -> Option<String> {
        let travelled = catch_unwind(AssertUnwindSafe(|| self.travel(schemas, jobs)));
        match travelled {
            Ok(done) => done.err(),
            Err(panic) => Some(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
        }
    }
}

fn load(database: &Database, schemas: &[Schema], offer: Offer, folder: &Path) {
    let scripts: String = schemas
        .iter()
        .map(|one| script::script(one, offer))
        .collect();
    let file = folder.join("schemas.sql");
    std::fs::write(&file, scripts).unwrap();
    oracle::psql(database, &file, "UTF8");
}

/// A database of random schemas, the same for the same seed.
pub fn database(of: Major, encoding: &'static str, schemas: usize, seed: u64) -> Database {
    let trip = Trip {
        from: of,
        to: of,
        encoding,
    };
    let (offer, mut runner) = (trip.offer(), runner(seed, 0));
    let schemas: Vec<Schema> = (0..schemas)
        .map(|at| {
            let tree = schema::schema(at, offer).new_tree(&mut runner);
            tree.unwrap().current()
        })
        .collect();
    let kind = format!("TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
    let database = Database::with(of, &kind);
    let folder = tempfile::tempdir().unwrap();
    load(&database, &schemas, offer, folder.path());
    database
}

fn runner(seed: u64, group: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&group.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), random)
}

/// Every third group of all cases, each by a seed of its own.
fn go_round(share: u64, trips: [Trip; 3]) {
    let cases = number("LIFEBOAT_TEST_CASES").unwrap_or(200);
    let seed = number("LIFEBOAT_TEST_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("LIFEBOAT_TEST_SEED={seed} LIFEBOAT_TEST_CASES={cases}");
    let groups = cases.div_ceil(GROUP as u64);
    for group in (0..groups).filter(|group| group % 3 == share) {
        let count = GROUP.min(usize::try_from(cases).unwrap() - group as usize * GROUP);
        one_group(&trips[(group / 3 % 3) as usize], seed, group, count);
    }
}

fn one_group(trip: &Trip, seed: u64, group: u64, count: usize) {
    let mut runner = runner(seed, group);
    let offer = trip.offer();
    let mut trees: Vec<_> = (0..count)
        .map(|at| schema::schema(at, offer).new_tree(&mut runner).unwrap())
        .collect();
    let schemas: Vec<Schema> = trees.iter().map(|tree| tree.current()).collect();
    let jobs = seed.wrapping_add(group);
    let Some(mut why) = trip.fails(&schemas, jobs) else {
        return;
    };
    assert!(
        !why.starts_with("psql: "),
        "seed {seed}, group {group}: a case that is none: {why}"
    );
    // The first that fails alone, made smaller.
    let alone = trees.iter_mut().find_map(|tree| {
        let why = trip.fails(&[tree.current()], jobs)?;
        Some((tree, why))
    });
    let mut smallest = schemas;
    if let Some((tree, first)) = alone {
        why = first;
        smallest = vec![tree.current()];
        for _ in 0..SIMPLER {
            if !tree.simplify() {
                break;
            }
            while trip.fails(&[tree.current()], jobs).is_none() {
                if !tree.complicate() {
                    break;
                }
            }
            if let Some(still) = trip.fails(&[tree.current()], jobs) {
                why = still;
                smallest = vec![tree.current()];
            }
        }
    }
    let script: String = smallest
        .iter()
        .map(|one| script::script(one, offer))
        .collect();
    panic!(
        "LIFEBOAT_TEST_SEED={seed}, group {group}, {:?} to {:?}, {}:\n{why}\n{}",
        trip.from,
        trip.to,
        trip.encoding,
        script.chars().take(6000).collect::<String>()
    );
}

fn trips(from: Major, to: Major) -> [Trip; 3] {
    ["UTF8", "LATIN1", "SQL_ASCII"].map(|encoding| Trip { from, to, encoding })
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn random_schemas_come_back_equal_from_15_to_15() {
    go_round(0, trips(Major::Pg15, Major::Pg15));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn random_schemas_come_back_equal_from_15_to_18() {
    go_round(1, trips(Major::Pg15, Major::Pg18));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn random_schemas_come_back_equal_from_18_to_18() {
    go_round(2, trips(Major::Pg18, Major::Pg18));
}
