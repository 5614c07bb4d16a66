//! Random histories of a database and of its exports: each point is whole, and stays so for as long as its lock.
//!
//! `LIFEBOAT_HISTORY_CASES` sets how many exports, 40 unless told; `LIFEBOAT_HISTORY_SEED` repeats what happens, but not
//! at which instant an export is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use lifeboat::testing::Clock;
use lifeboat::testing::codec::{Sealer, new_identity};
use lifeboat::testing::export;
use lifeboat::testing::model::{Id, Key};
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::Store;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{Scene, is_as_told, key, lies_in};
use crate::random::number;
use crate::support::{Database, Major};

/// Several chunks in a table, and what has its own ways.
const SCHEMA: &str = "
  CREATE TYPE mood AS ENUM ('calm', 'tired');
  CREATE TABLE answer (id int PRIMARY KEY, mood mood, text text, n int);
  CREATE INDEX answer_n ON answer (n);
  INSERT INTO answer SELECT g, 'calm', repeat(md5(g::text), 12), g FROM generate_series(1, 12000) g;
  CREATE TABLE event (id int, at date, what text) PARTITION BY RANGE (id);
  CREATE TABLE event_0 PARTITION OF event FOR VALUES FROM (0) TO (10000);
  INSERT INTO event SELECT g, now(), md5(g::text) FROM generate_series(1, 5000) g;
  CREATE TABLE small (id int, long text GENERATED ALWAYS AS (id::text || '!') STORED);
  INSERT INTO small (id) VALUES (1), (1), (2);
  SELECT lo_from_bytea(9, convert_to(repeat('x', 300000), 'UTF8'))";

struct History {
    scene: Scene,
    random: TestRunner,
    /// Named in statements that must not clash.
    step: u32,
    points: Vec<Id>,
    /// Points of which an administrator lost something.
    hurt: BTreeSet<Id>,
    hourly: bool,
    told: Vec<String>,
}

impl History {
    async fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            scene: Scene::of(SCHEMA).await,
            random: TestRunner::new_with_rng(Config::default(), random),
            step: 0,
            points: Vec::new(),
            hurt: BTreeSet::new(),
            hourly: false,
            told: Vec::new(),
        }
    }

    fn below(&mut self, limit: u32) -> u32 {
        let drawn = (0..limit).new_tree(&mut self.random);
        drawn.unwrap().current()
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }

    fn change_rows(&mut self) {
        self.step += 1;
        let (step, rows, from) = (self.step, 1 + self.below(3000), self.below(12_000));
        let next = "(SELECT coalesce(max(id), 0) FROM answer)";
        let sql = match self.below(20) {
            0..4 => format!(
                "INSERT INTO answer SELECT {next} + g, 'tired', repeat(md5(random()::text), 12), g
                   FROM generate_series(1, {rows}) g"
            ),
            4..6 => format!("UPDATE answer SET n = n + 1 WHERE id % {} = 0", 2 + from),
            6 => "UPDATE answer SET text = text || 'x' WHERE random() < 0.02".to_owned(),
            7 => format!("DELETE FROM answer WHERE id < (SELECT min(id) FROM answer) + {}", rows / 4),
            8 => "DELETE FROM answer WHERE random() < 0.001".to_owned(),
            9 => "TRUNCATE small; INSERT INTO small (id) SELECT g % 3 FROM generate_series(1, 20) g".to_owned(),
            10 => format!(
                "CREATE TABLE event_{step} PARTITION OF event FOR VALUES FROM ({0}) TO ({0} + 10000);
                 INSERT INTO event SELECT {0} + g, now(), md5(g::text) FROM generate_series(1, 500) g",
                10_000 * step
            ),
            11 => format!("INSERT INTO event SELECT g % 9999, now(), '{step}' FROM generate_series(1, {rows}) g"),
            12 => format!("ALTER TABLE answer ADD COLUMN c{step} int DEFAULT {step}"),
            13 => format!("ALTER TYPE mood RENAME VALUE 'calm' TO 'calm{step}'; ALTER TYPE mood RENAME VALUE 'calm{step}' TO 'calm'"),
            14 => format!("ALTER TYPE mood ADD VALUE 'm{step}'"),
            15 => format!("SELECT lo_put(9, {from}, convert_to('{step}', 'UTF8'))"),
            16 => format!("CREATE TABLE t{step} AS SELECT * FROM answer LIMIT {rows}"),
            17 => "CLUSTER answer USING answer_n".to_owned(),
            18 => format!("BEGIN; UPDATE answer SET n = 0 WHERE id % 100 = {}; ROLLBACK", from % 100),
            _ => String::new(),
        };
        let seeded = format!("SELECT setseed({from} / 12000.0); {sql}");
        self.scene.source.sql(&seeded);
        self.tell(sql);
        match self.below(12) {
            0 => self.scene.source.sql("VACUUM FULL answer"),
            1..4 => self.scene.source.sql("VACUUM FREEZE"),
            _ => String::new(),
        };
    }

    /// Hours or days pass, and the bucket's lifecycle takes all whose lock has ended.
    async fn pass_time(&mut self) {
        let hours = match self.below(12) {
            0 => 24 * (1 + self.below(12)),
            1..4 => 5 + self.below(30),
            _ => 1,
        };
        self.scene.hours(i64::from(hours));
        let now = self.scene.clock.now();
        for key in self.scene.store.keys() {
            let version = self.scene.store.newest(&key).unwrap();
            let head = self.scene.store.head(&key, &version).await.unwrap();
            if head.lock.is_some_and(|lock| lock.retain_until <= now) {
                self.scene.store.remove(&key, &version);
            }
        }
        let keys: BTreeSet<String> = self.scene.store.keys().iter().map(Key::to_string).collect();
        let is_there = |id: &Id| keys.iter().any(|key| key.ends_with(&format!("{id}.json")));
        let before = self.points.len();
        self.points.retain(is_there);
        let gone = before - self.points.len();
        self.tell(format!("{hours} hours pass, {gone} points age out"));
    }

    async fn change_keys(&mut self) {
        match self.below(30) {
            0 => {
                let digit = ["a", "b", "c"][self.below(3) as usize];
                self.scene.forge.reuse = Some(key(digit));
                self.tell(format!("reuse key {digit}"));
            }
            1 => {
                let own = self.scene.forge.sealer.recipients()[0].clone();
                let other = new_identity().1;
                self.scene.forge.sealer = Sealer::new([own.as_str(), other.as_str()]).unwrap();
                self.tell("another recipient");
            }
            2..4 => {
                self.hourly = !self.hourly;
                self.tell(format!("hourly: {}", self.hourly));
            }
            4 => self.lose_a_part().await,
            5 => self.kill_an_export().await,
            6 => self.two_at_once().await,
            _ => {}
        }
    }

    /// An administrator under governance, or a disk of a store.
    async fn lose_a_part(&mut self) {
        let keys = self.scene.store.keys();
        let parts: Vec<&Key> = keys
            .iter()
            .filter(|key| key.as_str().ends_with(".copy.zst.age"))
            .collect();
        if parts.is_empty() {
            return;
        }
        let at = self.below(u32::try_from(parts.len()).unwrap()) as usize;
        let lost = parts[at].clone();
        for id in self.points.clone() {
            let point = self.scene.forge.open(&id).await.unwrap();
            if names(&point, &lost).await {
                self.hurt.insert(id);
            }
        }
        let version = self.scene.store.newest(&lost).unwrap();
        self.scene.store.remove(&lost, &version);
        self.tell(format!("{lost} is lost"));
    }

    async fn kill_an_export(&mut self) {
        let after = Duration::from_millis(u64::from(self.below(1500)));
        let hourly = options(self.hourly, false);
        let store: std::sync::Arc<dyn Store> = self.scene.store.clone();
        let exporting = Box::pin(
            self.scene
                .forge
                .export_with(store, &self.scene.source, hourly),
        );
        let ended = tokio::time::timeout(after, exporting).await;
        self.note_points().await;
        self.tell(format!(
            "an export killed after {after:?}: {}",
            ended.is_err()
        ));
    }

    async fn two_at_once(&mut self) {
        let export = || {
            let store: std::sync::Arc<dyn Store> = self.scene.store.clone();
            let change = options(self.hourly, false);
            Box::pin(
                self.scene
                    .forge
                    .export_with(store, &self.scene.source, change),
            )
        };
        let (one, other) = tokio::join!(export(), export());
        let failed = [one, other].map(|report| report.unwrap().failures.len());
        assert!(failed.iter().sum::<usize>() <= 1, "{failed:?}");
        self.note_points().await;
        self.tell("two exports at once");
    }

    /// Those that an export made whose report nobody has.
    async fn note_points(&mut self) {
        let found = self.scene.forge.repository.find(None, None).await.unwrap();
        self.points = found.into_iter().map(|one| one.id).collect();
    }

    async fn export(&mut self) {
        let full = self.below(25) == 0;
        let (point, _) = self.scene.export_with(options(self.hourly, full)).await;
        let manifest = &point.manifest;
        let anew = manifest.stored_anew.unwrap_or_default();
        let from = manifest.parts_from.len();
        let told = format!(
            "{}: {anew} of {} bytes, from {from}",
            manifest.id,
            manifest.stored_bytes()
        );
        self.tell(told);
        self.points.push(manifest.id.clone());
        self.scene.sound(&point).await;
        is_as_told(&point).await;
    }

    /// Every point whose lock has not ended.
    async fn all_are_whole(&self) {
        for id in self.points.iter().filter(|id| !self.hurt.contains(*id)) {
            assert_eq!(self.scene.forge.problems(id, false).await, [""; 0], "{id}");
        }
    }

    async fn restores(&self) {
        let (target, id) = (Database::new(Major::Pg15), self.points.last().unwrap());
        let restored = self
            .scene
            .forge
            .restore(id, &target, |options| options.verify = true);
        assert_eq!(crate::support::forge::why(restored.await), None);
        assert_eq!(rows(&target), rows(&self.scene.source), "{id}");
    }
}

fn options(hourly: bool, full: bool) -> impl FnOnce(&mut export::Options) {
    move |options| {
        options.full = full;
        options.reuse.hourly_days = hourly.then_some(3);
    }
}

async fn names(point: &RestorePoint, key: &Key) -> bool {
    if !lies_in(key.as_str(), &point.manifest.id)
        && !point
            .manifest
            .parts_from
            .iter()
            .any(|id| lies_in(key.as_str(), id))
    {
        return false;
    }
    for table in &point.manifest.tables {
        let mut parts = point.parts(table).await.unwrap();
        if parts.any(|part| part.unwrap().object.key == *key) {
            return true;
        }
    }
    false
}

/// Of each table how many there are, and a sum over all of them.
fn rows(database: &Database) -> BTreeMap<String, String> {
    let tables = database.sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
    );
    let large = database.sql("SELECT md5(lo_get(9))");
    let sums = tables.lines().map(|table| {
        let sql = format!("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {table} t");
        (table.to_owned(), database.sql(&sql))
    });
    sums.chain([("large objects".to_owned(), large)]).collect()
}

/// Told, with the seed, where an assertion fails.
impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.told.join("\n"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn whatever_happens_every_point_is_whole_until_its_lock_ends() {
    let seed = number("LIFEBOAT_HISTORY_SEED").unwrap_or(1);
    let exports = number("LIFEBOAT_HISTORY_CASES").unwrap_or(40);
    let mut history = History::new(seed).await;
    history.tell(format!("LIFEBOAT_HISTORY_SEED={seed}"));
    history.export().await;
    for done in 2..=exports {
        for _ in 0..history.below(3) {
            history.change_rows();
        }
        history.pass_time().await;
        history.change_keys().await;
        history.export().await;
        if done % 10 == 0 {
            history.all_are_whole().await;
            history.restores().await;
        }
    }
    let age = SignedDuration::from_hours(24 * 50);
    history.scene.clock.advance(age);
    history.pass_time().await;
    assert_eq!(history.points, [], "everything ages out");
    eprintln!(
        "LIFEBOAT_HISTORY_SEED={seed}: {exports} exports, {} points hurt",
        history.hurt.len()
    );
}
