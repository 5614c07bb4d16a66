//! What no lock on a table protects changes between the snapshot and pg_dump.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::gate::Gate;
use crate::support::cluster::{Cluster, ClusterOptions};
use crate::support::lane::Lane;
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

/// What a database is made of, and one statement each that changes something of it.
const MADE: &str = "
  CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN small AS int CHECK (VALUE < 100);
  CREATE FUNCTION one(a int DEFAULT 1) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a';
  CREATE FUNCTION lonely() RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE SCHEMA elsewhere; CREATE SCHEMA app; CREATE TABLE app.t (n int);
  CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm;
  CREATE COLLATION sorted FROM \"C\";
  CREATE TEXT SEARCH CONFIGURATION simply (COPY = simple);
  CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
  CREATE TABLE t (m mood DEFAULT 'sad', p pair, s small, n int DEFAULT one() CHECK (n >= one()), h hstore,
                  w text COLLATE sorted, CHECK (n OPERATOR(public.===) n));
  CREATE INDEX t_n ON t (n); CREATE STATISTICS t_stat ON m, n FROM t;
  CREATE TRIGGER on_t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fires('one');
  INSERT INTO t (p, s, h, w) VALUES ((1, 'a'), 2, 'a=>1', 'x');
  CREATE SEQUENCE seq; CREATE VIEW v AS SELECT n FROM t; CREATE VIEW v2 AS SELECT n FROM v;
  CREATE MATERIALIZED VIEW mv AS SELECT n FROM t;";

const MATTERS: &[(&str, &str)] = &[
    ("type", "ALTER TYPE mood RENAME TO mood_v1"),
    ("enum label", "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"),
    ("attribute", "ALTER TYPE pair RENAME ATTRIBUTE a TO z"),
    ("type", "ALTER DOMAIN small SET SCHEMA elsewhere"),
    ("function", "ALTER FUNCTION one RENAME TO uno"),
    ("function", "DROP FUNCTION lonely()"),
    (
        "function",
        "CREATE OR REPLACE FUNCTION one(a int DEFAULT 2) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a'",
    ),
    ("type", "ALTER EXTENSION hstore SET SCHEMA elsewhere"),
    ("type", "DROP EXTENSION pg_trgm"),
    ("collation", "ALTER COLLATION sorted RENAME TO ordered"),
    (
        "text search configuration",
        "ALTER TEXT SEARCH CONFIGURATION simply RENAME TO plainly",
    ),
    (
        "operator",
        "ALTER OPERATOR === (int, int) SET SCHEMA elsewhere",
    ),
    ("relation", "ALTER VIEW v RENAME TO w"),
    (
        "column",
        "CREATE OR REPLACE VIEW v2 AS SELECT n, 1 AS more FROM v",
    ),
    ("relation", "ALTER INDEX t_n RENAME TO t_m"),
    (
        "relation",
        "ALTER MATERIALIZED VIEW mv SET SCHEMA elsewhere",
    ),
    (
        "statistics object",
        "ALTER STATISTICS t_stat RENAME TO t_other",
    ),
    (
        "trigger",
        "CREATE OR REPLACE TRIGGER on_t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fires('two')",
    ),
    ("schema", "ALTER SCHEMA app RENAME TO application"),
    // There and back, in two transactions: whoever looks in between sees it changed.
    (
        "schema app was changed",
        "ALTER SCHEMA app RENAME TO application; ALTER SCHEMA application RENAME TO app",
    ),
    (
        "type public.mood was changed",
        "ALTER TYPE mood RENAME TO mood_v1; ALTER TYPE mood_v1 RENAME TO mood",
    ),
];

const HARMLESS: &str = "
  GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT USAGE ON SCHEMA public TO pg_monitor;
  GRANT EXECUTE ON FUNCTION one TO pg_monitor; GRANT USAGE ON TYPE mood TO pg_monitor;
  GRANT SELECT ON v TO PUBLIC; GRANT SELECT (n) ON v TO pg_monitor; GRANT SELECT ON t TO pg_monitor;
  COMMENT ON SCHEMA app IS 'ours'; COMMENT ON TYPE mood IS 'how'; COMMENT ON VIEW v IS 'what';
  CREATE OR REPLACE FUNCTION lonely() RETURNS int LANGUAGE sql AS 'SELECT 2';
  CREATE FUNCTION newer() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA newer;
  CREATE TABLE newer.t (n int); CREATE VIEW newer.v AS SELECT n FROM newer.t; ALTER VIEW newer.v RENAME TO w;
  CREATE TEMPORARY TABLE passing (n int); DROP SCHEMA elsewhere;
  ALTER TABLE t ADD CONSTRAINT later FOREIGN KEY (n) REFERENCES app.u (n) NOT VALID;
  CREATE INDEX t_later ON t (w); REFRESH MATERIALIZED VIEW mv; REFRESH MATERIALIZED VIEW mv;
  REINDEX INDEX t_n; ANALYZE; ALTER TABLE t DISABLE TRIGGER on_t; ALTER VIEW v SET (security_barrier = true);
  ALTER COLLATION sorted REFRESH VERSION; ALTER TYPE mood ADD VALUE 'so so' BEFORE 'glad'";

/// Each statement as a transaction of its own, as DDL is sent.
fn each(database: &Database, statements: &str) {
    for statement in statements.split(';').filter(|one| !one.trim().is_empty()) {
        database.sql(statement);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_name_that_no_lock_protects_is_of_the_snapshots_moment_or_the_export_starts_over() {
    let try_one = |(what, change): (&str, &str)| {
        let database = Database::new(Major::Pg15);
        database.sql(MADE);
        let lifeboat = Lifeboat::init();
        let gate = Gate::closed(&lifeboat, Major::Pg15);
        let ran = gate.export(&lifeboat, &database, || each(&database, change));
        let told = ran.stderr.contains(what) && ran.stderr.contains("starting over");
        let right = ran.code == Some(0) && gate.runs() == 2 && told;
        (!right).then(|| format!("{change}: {} runs, {ran:?}", gate.runs()))
    };
    let lane = Lane::current();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let all = MATTERS.chunks(MATTERS.len().div_ceil(3)).map(|some| {
            scope.spawn(move || {
                lane.enter();
                some.iter()
                    .filter_map(|one| try_one(*one))
                    .collect::<Vec<_>>()
            })
        });
        let all: Vec<_> = all.collect();
        all.into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_was_there_before_and_prints_the_same_starts_nothing_over() {
    let database = Database::new(Major::Pg15);
    database.sql(MADE);
    database.sql("CREATE TABLE app.u (n int PRIMARY KEY)");
    let lifeboat = Lifeboat::init();
    let gate = Gate::closed(&lifeboat, Major::Pg15);
    gate.export(&lifeboat, &database, || each(&database, HARMLESS))
        .ok();
    assert_eq!(gate.runs(), 1);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_role_that_is_gone_matters_where_its_number_would_be_printed() {
    for (granted, runs) in [("", 1), ("GRANT SELECT ON t TO $r", 2)] {
        let role = unique("lease");
        let database = Database::new(Major::Pg15);
        let run = |sql: &str| drop(database.sql(&sql.replace("$r", &role)));
        run(&format!(
            "CREATE TABLE t (n int); CREATE ROLE $r LOGIN; {granted}"
        ));
        let lifeboat = Lifeboat::init();
        let gate = Gate::closed(&lifeboat, Major::Pg15);
        gate.export(&lifeboat, &database, || {
            run("DROP OWNED BY $r; DROP ROLE $r")
        })
        .ok();
        assert_eq!(gate.runs(), runs, "{granted}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn leases_that_come_and_go_all_the_time_stop_no_export() {
    let (role, other) = (unique("lease"), unique("lease"));
    let database = Database::new(Major::Pg15);
    database.sql(&format!(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE {role}; CREATE ROLE {other};
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    ));
    let lifeboat = Lifeboat::init();
    let gate = Gate::closed(&lifeboat, Major::Pg15);
    let (done, leases) = (AtomicBool::new(false), AtomicU32::new(0));
    let lease = || {
        database.sql(&format!(
            "GRANT USAGE ON SCHEMA public TO {role}; GRANT EXECUTE ON FUNCTION f() TO {other}"
        ));
        database.sql(&format!(
            "REVOKE USAGE ON SCHEMA public FROM {role}; REVOKE EXECUTE ON FUNCTION f() FROM {other}"
        ));
    };
    let lane = Lane::current();
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            lane.enter();
            while !done.load(Ordering::Relaxed) {
                lease();
                leases.fetch_add(1, Ordering::Relaxed);
            }
        });
        let ran = gate.export(&lifeboat, &database, || {
            let enough = leases.load(Ordering::Relaxed) + 3;
            let begun = Instant::now();
            while leases.load(Ordering::Relaxed) < enough && begun.elapsed().as_secs() < 60 {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        done.store(true, Ordering::Relaxed);
        ran
    });
    ran.ok();
    assert!(leases.into_inner() > 3, "no leases came and went");
    database.sql(&format!(
        "DROP OWNED BY {role}, {other}; DROP ROLE {role}, {other}"
    ));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_index_that_is_built_concurrently_waits_is_told_and_neither_fails() {
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT 1 AS n");
    let lifeboat = Lifeboat::init();
    let gate = Gate::closed(&lifeboat, Major::Pg15);
    let mut export = gate.start(&lifeboat, &database.url());
    gate.wait();
    let lane = Lane::current();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            lane.enter();
            database.sql("CREATE INDEX CONCURRENTLY t_n ON t (n)")
        });
        let mut told = String::new();
        let stderr = std::io::BufReader::new(export.stderr.take().unwrap());
        for line in std::io::BufRead::lines(stderr) {
            told += &line.unwrap();
            if told.contains("waits for the end of this export") {
                break;
            }
        }
        gate.open();
        assert!(told.contains("CREATE INDEX CONCURRENTLY"), "{told}");
    });
    let output = export.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(gate.runs(), 1);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass";
    assert_eq!(database.sql(valid), "t");
}

struct Standby {
    server: std::process::Child,
    port: u16,
}

impl Standby {
    /// `delay`: how long its replay waits before it cancels what is in its way.
    fn of(primary: &Cluster, delay: &str) -> Self {
        let data = primary.socket().join("standby");
        let copied = primary
            .client("pg_basebackup")
            .args(["-U", "postgres", "-R", "-X", "stream", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(copied.status.success(), "{copied:?}");
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = primary
            .program("postgres")
            .args([
                "-p",
                &port.to_string(),
                "-c",
                &format!("max_standby_streaming_delay={delay}"),
            ])
            .arg("-k")
            .arg(primary.socket())
            .arg("-D")
            .arg(&data)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let standby = Self { server, port };
        let begun = Instant::now();
        let is_up = || {
            let mut ask = primary.program("psql");
            ask.args([
                "-XAtq",
                "-h",
                "127.0.0.1",
                "-U",
                "postgres",
                "-c",
                "SELECT 1",
            ]);
            let asked = ask.args(["-p", &port.to_string()]).output();
            asked.unwrap().status.success()
        };
        while !is_up() {
            assert!(begun.elapsed().as_secs() < 60, "the standby does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        standby
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn primary() -> Cluster {
    let options = ClusterOptions {
        hba: Some("local all all trust\nlocal replication all trust\nhost all all all trust\n"),
        ..ClusterOptions::default()
    };
    let primary = Cluster::start(Major::Pg15.bin().to_str().unwrap(), &options);
    primary.sql("CREATE TABLE t AS SELECT 1 AS n");
    primary
}

/// The standby cancels what needs rows that its primary has removed.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_export_that_a_standbys_replay_ends_names_the_setting_that_prevents_it() {
    let primary = primary();
    let standby = Standby::of(&primary, "0");
    let url = format!("postgresql://postgres@127.0.0.1:{}/postgres", standby.port);
    let lifeboat = Lifeboat::init();
    let gate = Gate::closed(&lifeboat, Major::Pg15);
    let export = gate.start(&lifeboat, &url);
    gate.wait();
    primary.sql("DELETE FROM t");
    primary.sql("VACUUM t");
    let ran = Ran::of(&export.wait_with_output().unwrap());
    gate.open();
    let ran = ran.failed(1, "conflict with recovery");
    let hint = ran.json()["result"]["failures"][0]["hint"].to_string();
    assert!(hint.contains("hot_standby_feedback"), "{ran:?}");
}

/// The standby never cancels what is in the way of its replay, as those for reports are set.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_export_gives_way_to_a_standbys_replay() {
    let primary = primary();
    let standby = Standby::of(&primary, "-1");
    let url = format!("postgresql://postgres@127.0.0.1:{}/postgres", standby.port);
    let lifeboat = Lifeboat::init();
    let gate = Gate::closed(&lifeboat, Major::Pg15);
    let export = gate.start(&lifeboat, &url);
    gate.wait();
    primary.sql("ALTER TABLE t ADD COLUMN more int");
    let ran = Ran::of(&export.wait_with_output().unwrap());
    gate.open();
    ran.failed(1, "gave way to production").failed(1, "startup");
}
