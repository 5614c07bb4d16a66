//! Rows that only one side has, counted and shown.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use lifeboat::testing::diff::{self, Opened, Options, Other, RowsOptions, SpillOptions};
use lifeboat::testing::pg::{Input, Server};
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::{Context, Interrupt, Kind, Result, Silent, SystemClock, interrupt};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{MAJOR, Scene};
use crate::support::Database;
use crate::support::forge::Forge;
use crate::support::memory::{MemoryStore, TestClock};

fn rows(scene: &Scene, args: &[&str], code: i32) -> Value {
    let ran = scene.diff(&[args, &["--rows"]].concat());
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    let result = ran.json()["result"].clone();
    assert_eq!(result["content"], Value::Null);
    result["rows"].clone()
}

/// Rows of A, of B, of both, only in A, only in B.
fn counts(rows: &Value) -> Value {
    json!([
        rows["rows_of_a"],
        rows["rows_of_b"],
        rows["same"],
        rows["only_in_a"]["rows"],
        rows["only_in_b"]["rows"]
    ])
}

fn examples(rows: &Value, side: &str) -> Value {
    let examples = rows[side]["examples"].as_array().unwrap().iter();
    examples
        .map(|one| json!([one["row"], one["times"]]))
        .collect()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn each_row_that_only_one_side_has_is_counted_and_shown() {
    let scene = Scene::new(
        "CREATE TABLE t (id int, t text);
         INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g;
         INSERT INTO t SELECT 7777, 'twice' FROM generate_series(1, 5) g;",
    );
    let before = scene.export();
    scene.source.sql(
        "DELETE FROM t WHERE id <= 20; UPDATE t SET t = E'y\\t\\n\\033[2J' WHERE id = 500;
         DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE id = 7777);
         INSERT INTO t VALUES (7777, NULL), (7777, NULL)",
    );
    let after = scene.export();
    let args = [before.as_str(), &after, "--table", "public.t"];
    let found = rows(&scene, &args, 3);
    assert_eq!(counts(&found), json!([1005, 986, 983, 22, 3]));
    assert_eq!(examples(&found, "only_in_a"), json!([]));
    let found = rows(&scene, &[&args[..], &["--show", "100"]].concat(), 3);
    let only_in_b = json!([["500\ty\\t\\n\u{1b}[2J", 1], ["7777\t\\N", 2]]);
    assert_eq!(examples(&found, "only_in_b"), only_in_b);
    let only_in_a = examples(&found, "only_in_a").as_array().unwrap().clone();
    assert_eq!(only_in_a.len(), 22);
    assert!(only_in_a.contains(&json!(["7777\ttwice", 1])));
    assert!(only_in_a.contains(&json!(["500\tx", 1])));
    let found = rows(&scene, &[&args[..], &["--show", "2"]].concat(), 3);
    assert_eq!(examples(&found, "only_in_a").as_array().unwrap().len(), 2);

    // On the screen one line each, whatever is in it.
    let identity = scene.lifeboat.identity();
    let more = [
        "--rows",
        "--show",
        "9",
        "--identity",
        identity.to_str().unwrap(),
    ];
    let text = scene.lifeboat.bare([&["diff"], &args[..], &more].concat());
    assert!(text.stdout.contains("only in B: 3 rows\n"), "{text:?}");
    assert!(
        text.stdout.contains("  B (2 times): 7777\\t\\N\n"),
        "{text:?}"
    );
    assert!(!text.stdout.contains('\u{1b}'), "{text:?}");
    rows(&scene, &[&after, &after, "--table", "t"], 0);
    scene
        .diff(&[&args[..3], &["publik.t", "--rows"]].concat())
        .failed(1, "no such table");
    scene.diff(&args).failed(2, "--rows");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn partitions_are_one_table_and_other_columns_are_left_out() {
    let scene = Scene::new(
        "CREATE TABLE p (k int, v text) PARTITION BY RANGE (k);
         CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (100);
         CREATE TABLE p_2 (v text, dropped int, k int); ALTER TABLE p_2 DROP dropped;
         ALTER TABLE p ATTACH PARTITION p_2 FOR VALUES FROM (100) TO (1000);
         INSERT INTO p SELECT g, 'v' || g FROM generate_series(1, 900) g",
    );
    let before = scene.export();
    // The rows move to a partition with another order of columns, and stay the same.
    scene.source.sql(
        "ALTER TABLE p DETACH PARTITION p_1; CREATE TABLE p_3 (v text, k int);
         ALTER TABLE p ATTACH PARTITION p_3 FOR VALUES FROM (0) TO (100);
         INSERT INTO p SELECT * FROM p_1; DROP TABLE p_1",
    );
    let moved = scene.export();
    let found = rows(&scene, &[&before, &moved, "--table", "p"], 0);
    assert_eq!(counts(&found), json!([900, 900, 900, 0, 0]));
    assert_eq!(found["name"], "p");
    scene
        .source
        .sql("ALTER TABLE p ADD note text; DELETE FROM p WHERE k IN (5, 500)");
    let wider = scene.export();
    let args = [before.as_str(), &wider, "--table", "p", "--show", "5"];
    let found = rows(&scene, &args, 3);
    assert_eq!(counts(&found), json!([900, 898, 898, 2, 0]));
    assert_eq!(found["columns"], json!(["k", "v"]));
    assert_eq!(found["columns_left_out"], json!(["note"]));
    let gone = json!([["5\tv5", 1], ["500\tv500", 1]]);
    assert_eq!(examples(&found, "only_in_a"), gone);
    scene
        .source
        .sql("ALTER TABLE p RENAME k TO kk; ALTER TABLE p RENAME v TO vv");
    let other = scene.export();
    let args = [before.as_str(), &other, "--table", "p", "--rows"];
    scene
        .diff(&args)
        .failed(1, "no column is there on both sides");
}

/// Does something as soon as a phase begins.
struct AtPhase<F>(&'static str, F);

impl<F: Fn() + Send + Sync> lifeboat::testing::Progress for AtPhase<F> {
    fn phase(&self, name: &str, _: Option<u64>) {
        if name.starts_with(self.0) {
            (self.1)();
        }
    }
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}

/// Two points in memory, and a folder for digests.
struct Bench {
    forge: Forge,
    points: [RestorePoint; 2],
    folder: TempDir,
}

impl Bench {
    async fn new(source: &Database, change: &str) -> Self {
        let clock = TestClock::at("2026-11-21T02:00:00Z");
        clock.set(jiff::Timestamp::now());
        let forge = Forge::new(Arc::new(MemoryStore::new(clock))).await;
        let before = forge.export(source).await;
        source.sql(change);
        let after = forge.export(source).await;
        Self {
            forge,
            points: [before, after],
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn diff(
        &self,
        bucket_bytes: u64,
        progress: &dyn lifeboat::testing::Progress,
        interrupt: &Interrupt,
    ) -> Result<Value> {
        let [a, b] = &self.points;
        let b = Other::Point(self.opened(b));
        let done = self.compare(a, b, Some(bucket_bytes), progress, interrupt);
        done.await.map(|report| report["rows"].clone())
    }

    fn opened<'a>(&'a self, point: &'a RestorePoint) -> Opened<'a> {
        Opened {
            point,
            identities: &self.forge.identities,
        }
    }

    /// Of the rows of `t`, or without `bucket_bytes` of everything.
    async fn compare(
        &self,
        a: &RestorePoint,
        b: Other<'_>,
        bucket_bytes: Option<u64>,
        progress: &dyn lifeboat::testing::Progress,
        interrupt: &Interrupt,
    ) -> Result<Value> {
        let rows = bucket_bytes.map(|bucket_bytes| RowsOptions {
            table: "t".parse().unwrap(),
            show: 3,
            spill: SpillOptions {
                folder: self.folder.path().to_owned(),
                bucket_bytes,
            },
        });
        let options = Options {
            rows,
            jobs: Some(2),
        };
        let context = Context {
            clock: &SystemClock,
            progress,
            interrupt,
        };
        let done = diff::run(self.opened(a), b, &options, context).await;
        assert!(files(self.folder.path()).is_empty(), "nothing stays");
        done.map(|report| serde_json::to_value(report).unwrap())
    }

    /// The second point beside what it was made of, while `sql` happens as a phase begins.
    async fn live(
        &self,
        source: &Database,
        bucket_bytes: Option<u64>,
        (phase, sql): (&'static str, &str),
    ) -> Result<Value> {
        let url = source.url();
        let input = Input {
            url: Some(&url),
            ..Input::default()
        };
        let server = Server::resolve(input, &|_| None).unwrap();
        let met = Mutex::new(false);
        let progress = AtPhase(phase, || {
            source.sql(sql);
            *met.lock().unwrap() = true;
        });
        let never = Interrupt::never();
        let live = Other::Live(&server);
        let done = self.compare(&self.points[1], live, bucket_bytes, &progress, &never);
        let done = done.await;
        let met = met.into_inner().unwrap();
        assert!(met, "{phase}: {sql}: {:?}", done.map(|one| one.to_string()));
        done
    }
}

/// As soon as a live database is read, after its catalog was.
const READING: &str = "reading the server";
const ROWS: &str = "rows of postgresql";

// A comparison that failed lets its sessions go while psql waits for their locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn rows_of_another_table_are_never_shown_as_those_of_the_one_that_had_its_name() {
    let source = Database::new(MAJOR);
    source.sql(
        "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2);
         CREATE TABLE other (a int, b int); INSERT INTO other VALUES (7, 7)",
    );
    let bench = Bench::new(&source, "SELECT").await;
    let swap = "BEGIN; ALTER TABLE t RENAME TO was; ALTER TABLE other RENAME TO t;
                ALTER TABLE was RENAME TO other; COMMIT";
    let schemas = "BEGIN; ALTER SCHEMA public RENAME TO was; CREATE SCHEMA public;
                   CREATE TABLE public.t (a int, b int); CREATE TABLE public.other (a int, b int); COMMIT";
    let schemas_back = "DROP SCHEMA public CASCADE; ALTER SCHEMA was RENAME TO public";
    let columns = "BEGIN; ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a;
                   ALTER TABLE t RENAME c TO b; COMMIT";
    for (change, back) in [(swap, swap), (columns, columns), (schemas, schemas_back)] {
        for (phase, bucket_bytes) in [(READING, None), (ROWS, Some(1000))] {
            let done = bench.live(&source, bucket_bytes, (phase, change)).await;
            let error = done.map(|report| report.to_string()).unwrap_err();
            let said = error.chain();
            assert!(said.contains("is not what it was"), "{change}: {said}");
            assert!(error.advice().contains("again"), "{}", error.advice());
            source.sql(back);
            let same = bench.live(&source, bucket_bytes, (phase, "SELECT")).await;
            assert_eq!(same.unwrap()["same"], true, "{change}");
        }
    }
}

// A comparison that failed lets its sessions go while psql waits for their locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_truncated_table_spoils_only_what_read_it() {
    let source = Database::new(MAJOR);
    source.sql(
        "CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE other AS SELECT 1 AS a;
         CREATE TABLE more AS SELECT 1 AS a",
    );
    let bench = Bench::new(&source, "SELECT").await;
    let other = "TRUNCATE other; DROP TABLE more";
    let done = bench.live(&source, Some(1000), ("comparing", other)).await;
    assert_eq!(done.unwrap()["rows"]["same"], 1);
    for (phase, bucket_bytes) in [(READING, None), (ROWS, Some(1000))] {
        let done = bench
            .live(&source, bucket_bytes, (phase, "TRUNCATE t"))
            .await;
        let error = done.map(|report| report.to_string()).unwrap_err();
        let said = error.chain();
        assert!(said.contains("public.t was truncated"), "{said}");
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn bytes_of_two_encodings_are_not_compared() {
    let options = |encoding| format!("ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
    let sql = "CREATE TABLE t AS SELECT 'e' || chr(233) AS a";
    let [latin, utf8] = ["LATIN1", "UTF8"].map(|encoding| {
        let database = Database::with(MAJOR, &options(encoding));
        database.sql(sql);
        database
    });
    let bench = Bench::new(&latin, "SELECT").await;
    let rows = bench.live(&utf8, Some(1000), ("catalogs", "SELECT")).await;
    let error = rows.map(|report| report.to_string()).unwrap_err();
    let said = error.chain();
    assert!(
        said.contains("bytes of LATIN1, rows of B of UTF8"),
        "{said}"
    );
    let all = bench.live(&utf8, None, (READING, "SELECT")).await.unwrap();
    assert_eq!(all["content"]["rows_compared"], false);
}

/// Contents of all files below.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(fs::read(&path).unwrap()),
        }
    }
    found
}

/// By no more than the lists of both tables, as PostgreSQL counts them.
fn expected(source: &Database) -> (u64, u64) {
    let count = |one: &str, other: &str| {
        let sql = format!("SELECT count(*) FROM (TABLE {one} EXCEPT ALL TABLE {other}) d");
        source.sql(&sql).parse().unwrap()
    };
    (count("before", "t"), count("t", "before"))
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn random_edits_of_a_table_beyond_all_buckets_are_counted_as_postgresql_counts_them() {
    let source = Database::new(MAJOR);
    // Many rows are there several times.
    source.sql(
        "SELECT setseed(0.4); CREATE TABLE t AS
           SELECT (random() * 60000)::int AS a, 'a row of some length, ' || (random() * 3)::int AS b
             FROM generate_series(1, 120000);
         CREATE TABLE before AS TABLE t;",
    );
    let change = "
      SELECT setseed(0.7);
      DELETE FROM t WHERE random() < 0.02;
      UPDATE t SET b = b || '!' WHERE random() < 0.03;
      INSERT INTO t SELECT * FROM t WHERE random() < 0.01;
      INSERT INTO t SELECT (random() * 60000)::int, 'new' FROM generate_series(1, 500);";
    let bench = Bench::new(&source, change).await;
    let (only_a, only_b) = expected(&source);
    assert!(only_a > 3000 && only_b > 3000, "{only_a}, {only_b}");
    // One bucket for everything, some, and 4096 of which none holds more than 100 rows.
    for bucket_bytes in [1 << 40, 2_000_000, 5000] {
        let disk = Mutex::new(Vec::new());
        let folder = bench.folder.path().to_owned();
        let progress = AtPhase("comparing", || *disk.lock().unwrap() = files(&folder));
        let found = bench
            .diff(bucket_bytes, &progress, &Interrupt::never())
            .await;
        let found = found.unwrap();
        assert_eq!(found["only_in_a"]["rows"], only_a);
        assert_eq!(found["only_in_b"]["rows"], only_b);
        let examples = found["only_in_a"]["examples"].as_array().unwrap();
        assert_eq!(examples.len(), 3);
        for one in examples {
            let (a, b) = one["row"].as_str().unwrap().split_once('\t').unwrap();
            let count = |table: &str| -> i64 {
                let sql = format!("SELECT count(*) FROM {table} WHERE a = {a} AND b = '{b}'");
                source.sql(&sql).parse().unwrap()
            };
            assert_eq!(one["times"], count("before") - count("t"), "{one}");
        }
        let disk = disk.into_inner().unwrap();
        let bytes: usize = disk.iter().map(Vec::len).sum();
        let all = found["rows_of_a"].as_u64().unwrap() + found["rows_of_b"].as_u64().unwrap();
        // What little waits in memory is written later.
        assert!(bytes > 0 || bucket_bytes == 5000);
        assert!(bytes as u64 <= 16 * all, "{bytes}");
        for file in disk {
            assert!(
                !file.windows(5).any(|some| some == b"a row"),
                "rows on disk"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn whoever_is_stopped_leaves_no_digests_behind() {
    let source = Database::new(MAJOR);
    source.sql("CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 20000) g");
    let bench = Bench::new(&source, "DELETE FROM t WHERE a < 10").await;
    let phases = ["rows of", "comparing", "looking for"];
    for phase in phases {
        let (trigger, interrupt) = interrupt();
        let met = Mutex::new(false);
        let progress = AtPhase(phase, || {
            // There is something to be removed.
            *met.lock().unwrap() = true;
            trigger.set();
        });
        let stopped = bench.diff(1000, &progress, &interrupt).await;
        assert_eq!(stopped.unwrap_err().kind(), Kind::Interrupted, "{phase}");
        assert!(*met.lock().unwrap(), "{phase}");
    }
    let found = bench
        .diff(1000, &Silent, &Interrupt::never())
        .await
        .unwrap();
    assert_eq!(found["only_in_a"]["rows"], 9);
}
