//! Writers and schema changes at random moments: what is exported is one moment, or nothing.

mod gate;
mod names;
pub mod storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::support::{Database, Lifeboat, Major, Reading};

/// Reasons for which an export under DDL may fail; each names what happened.
const HONEST_REASONS: [&str; 4] = [
    "gave way to production",
    "could not all be locked at one moment",
    "changed again during the export",
    "pg_dump of database",
];

async fn connect(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// How long writers pause after each statement, in milliseconds.
type Pause = Arc<AtomicU64>;
const STOP: u64 = u64::MAX;

/// Repeats a statement with a growing number until told to stop. Deadlocks and lock timeouts among
/// the writers themselves are part of the weather.
async fn repeat(client: Client, pause: Pause, statement: impl Fn(u64) -> String) -> u64 {
    let mut succeeded = 0;
    for number in 0.. {
        match pause.load(Ordering::Relaxed) {
            STOP => break,
            millis => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
        if client.batch_execute(&statement(number)).await.is_ok() {
            succeeded += 1;
        } else {
            let _ = client.batch_execute("ROLLBACK").await;
        }
    }
    succeeded
}

type Statement = Box<dyn Fn(u64) -> String + Send>;

/// Each keeps the rule that `one` and `two` hold the same numbers, and that `registry` names exactly
/// the tables of schema `made`.
fn weather() -> Vec<Statement> {
    let both = |writer: u32| -> Statement {
        Box::new(move |n| {
            format!(
                "BEGIN; INSERT INTO one VALUES ({writer}, {n}); INSERT INTO two VALUES ({writer}, {n});
                 COMMIT"
            )
        })
    };
    vec![
        both(1),
        both(2),
        Box::new(|n| {
            format!(
                "BEGIN; LOCK one, two; TRUNCATE one, two; INSERT INTO two VALUES (3, {n});
                 INSERT INTO one VALUES (3, {n}); COMMIT; SELECT pg_sleep(random())"
            )
        }),
        Box::new(|n| {
            format!(
                "BEGIN; CREATE TABLE made.t{n} AS SELECT {n} AS n; INSERT INTO registry VALUES ('t{n}');
                 DROP TABLE IF EXISTS made.t{old}; DELETE FROM registry WHERE name = 't{old}'; COMMIT;
                 SELECT pg_sleep(0.2 * random())",
                old = n.wrapping_sub(5)
            )
        }),
        Box::new(|n| {
            let kind = if n % 2 == 0 { "bigint" } else { "int" };
            format!(
                "BEGIN; ALTER TABLE rewritten ALTER n TYPE {kind}; COMMIT; SELECT pg_sleep(random())"
            )
        }),
    ]
}

async fn check_moment(lifeboat: &Lifeboat, id: &str) {
    let reading = Reading::open(lifeboat, id).await;
    let (one, two) = (reading.rows("one").await, reading.rows("two").await);
    assert!(!one.is_empty(), "a TRUNCATE reads as empty");
    assert_eq!(one, two, "two tables at two moments");
    let mut made = reading.tables("made");
    made.sort();
    assert_eq!(
        made,
        reading.rows("registry").await,
        "tables and their registry"
    );
    for table in made {
        assert_eq!(reading.rows(&table).await, [table.trim_start_matches('t')]);
    }
    assert_eq!(
        reading.rows("rewritten").await.len(),
        1000,
        "a rewrite reads as empty"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_restore_point_shows_one_moment_under_writers_and_ddl() {
    let rounds: usize = std::env::var("LIFEBOAT_TEST_MOMENTS").map_or(12, |n| n.parse().unwrap());
    let lifeboat = Lifeboat::init();
    lifeboat.configure("[export]\nddl_wait = \"1s\"");
    let database = Database::new(Major::Pg15);
    database.sql(
        "CREATE TABLE one (w int, n bigint); CREATE TABLE two (w int, n bigint);
         INSERT INTO one VALUES (0, 0); INSERT INTO two VALUES (0, 0);
         CREATE SCHEMA made; CREATE TABLE registry (name text);
         CREATE TABLE rewritten AS SELECT g::int AS n FROM generate_series(1, 1000) g;",
    );
    let pause = Pause::default();
    let mut writers = Vec::new();
    for statement in weather() {
        let client = connect(&database).await;
        writers.push(tokio::spawn(repeat(client, Arc::clone(&pause), statement)));
    }
    let mut points = Vec::new();
    // On a slow machine the weather would win every time: it calms down with each export that failed.
    for round in 0..10 * rounds {
        if round >= rounds && !points.is_empty() {
            break;
        }
        let ran = lifeboat.run(["export", "--source", &database.url()]);
        if ran.code == Some(0) {
            let id = ran.json()["result"]["databases"][0]["id"]
                .as_str()
                .unwrap()
                .to_owned();
            check_moment(&lifeboat, &id).await;
            points.push(id);
        } else {
            assert_eq!(ran.code, Some(1), "round {round}: {ran:?}");
            let honest = HONEST_REASONS
                .iter()
                .any(|reason| ran.stdout.contains(reason));
            assert!(honest, "round {round}: {}", ran.stdout);
            pause.fetch_add(50, Ordering::Relaxed);
        }
    }
    pause.store(STOP, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0, "a writer never got through");
    }
    assert!(!points.is_empty(), "no export ever succeeded");
    let listed = lifeboat.run(["list"]).json()["result"]["points"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(listed, points.len(), "failed exports left no restore point");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn labels_renamed_in_mid_export_start_it_over_and_then_fail_it() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'glad');
         CREATE TABLE moods AS SELECT 'sad'::mood AS mood, repeat('x', 1000) AS text
           FROM generate_series(1, 3000);",
    );
    let client = connect(&database).await;
    // Between two changes there is time for a snapshot, not for an export.
    let pause = Pause::new(AtomicU64::new(400));
    let renaming = tokio::spawn(repeat(client, Arc::clone(&pause), |n| {
        let (from, to) = if n % 2 == 0 {
            ("sad", "blue")
        } else {
            ("blue", "sad")
        };
        format!("ALTER TYPE mood RENAME VALUE '{from}' TO '{to}'")
    }));
    let url = database.url();
    let ran = lifeboat.run(["export", "--source", &url, "--rate-limit", "2MiB/s"]);
    pause.store(STOP, Ordering::Relaxed);
    assert!(renaming.await.unwrap() > 0);
    ran.failed(1, "enum label");
    assert_eq!(
        lifeboat.run(["list"]).json()["result"]["points"],
        serde_json::json!([])
    );
    lifeboat.export(&url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn schemas_swapped_in_mid_export_do_not_swap_their_rows() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql(
        "CREATE SCHEMA live; CREATE SCHEMA staging;
         CREATE TABLE live.t AS SELECT 'live' AS whose;
         CREATE TABLE staging.t AS SELECT 'staging' AS whose;
         CREATE TABLE slow AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 3000);",
    );
    let client = connect(&database).await;
    let pause = Pause::new(AtomicU64::new(400));
    let swapping = tokio::spawn(repeat(client, Arc::clone(&pause), |_| {
        "BEGIN; ALTER SCHEMA live RENAME TO other; ALTER SCHEMA staging RENAME TO live;
         ALTER SCHEMA other RENAME TO staging; COMMIT"
            .to_owned()
    }));
    let url = database.url();
    let ran = lifeboat.run([
        "export",
        "--source",
        &url,
        "--jobs",
        "1",
        "--rate-limit",
        "2MiB/s",
    ]);
    pause.store(STOP, Ordering::Relaxed);
    assert!(swapping.await.unwrap() > 0);
    ran.failed(1, "schema");
    assert_eq!(
        lifeboat.run(["list"]).json()["result"]["points"],
        serde_json::json!([])
    );
}

/// Waits until `sql` prints `t`; the bound is only there to fail.
async fn until(client: &Client, sql: &str) {
    let begun = std::time::Instant::now();
    while !client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(begun.elapsed().as_secs() < 60, "never: {sql}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn waiting_for_one_lock_holds_no_other_and_misses_no_large_object() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE a (n int); CREATE TABLE b (n int)");
    let (holder, other) = (connect(&database).await, connect(&database).await);
    holder
        .batch_execute("BEGIN; LOCK TABLE b IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut command = lifeboat.command(["export", "--source", &database.url(), "--json"]);
    let export = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until(
        &other,
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                          AND application_name LIKE 'lifeboat %' AND query = 'ROLLBACK')",
    )
    .await;
    // While the export cannot have b, it does not keep a: neither this nor the holder waits for it.
    other
        .batch_execute("BEGIN; ALTER TABLE a ADD COLUMN more int; COMMIT")
        .await
        .unwrap();
    holder
        .batch_execute(
            "SELECT lo_from_bytea(0, '\\x0102'); ALTER TABLE a ADD COLUMN last int; COMMIT",
        )
        .await
        .unwrap();
    let output = tokio::task::spawn_blocking(move || export.wait_with_output().unwrap());
    let output = output.await.unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let reading = Reading::open(&lifeboat, "latest").await;
    assert_eq!(
        reading.catalog.large_objects.pages.rows, 1,
        "made before the snapshot"
    );
    let a = reading
        .catalog
        .tables
        .iter()
        .find(|table| table.name.name == "a")
        .unwrap();
    assert_eq!(a.columns, ["n", "more", "last"]);
}
