//! A drill says of a restore point what is true of it, and leaves nothing behind.

mod ask;
mod bare_numbers;
mod extensions;
mod server;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lifeboat::testing::codec::Identities;
use lifeboat::testing::model::Details;
use lifeboat::testing::repository::details;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

const USERS: &str = "
  CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, seen timestamptz DEFAULT now());
  CREATE INDEX users_name ON users (name);
  INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 1000) n;
  CREATE TABLE small (id int PRIMARY KEY);
  INSERT INTO small VALUES (1);";

/// A repository with one restore point, and a folder for drills.
struct Bench {
    lifeboat: Lifeboat,
    folder: TempDir,
}

impl Bench {
    fn new(sql: &str) -> Self {
        let source = Database::new(Major::Pg15);
        source.sql(sql);
        let lifeboat = Lifeboat::init();
        lifeboat.export(&source.url());
        Self::of(lifeboat)
    }

    fn of(lifeboat: Lifeboat) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As /tmp: the server is run by another user, where we are root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        Self { lifeboat, folder }
    }

    fn command(&self, flags: &[&str]) -> Command {
        let identity = self.lifeboat.identity();
        let mut args = vec!["drill", "--json", "--identity", identity.to_str().unwrap()];
        if !flags.contains(&"--server") {
            args.extend(["--folder", self.folder.path().to_str().unwrap()]);
        }
        args.extend(flags);
        self.lifeboat.command(args)
    }

    fn drill(&self, flags: &[&str]) -> Ran {
        let ran = Ran::of(&self.command(flags).output().unwrap());
        self.nothing_is_left();
        ran
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// A drill that is at its assertions, and stays there.
    fn stuck(&self) -> Child {
        self.lifeboat
            .configure("[[drill.assert]]\nname='stuck'\nsql='SELECT pg_sleep(1000)'\nequals=''");
        let mut child = self
            .command(&[])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let arrived = stderr
            .lines()
            .map(|line| line.unwrap())
            .any(|line| line.contains("\"assertions\""));
        assert!(arrived, "it ended before its assertions");
        assert!(fs::read_dir(self.folder.path()).unwrap().count() > 0);
        child
    }
}

fn assertion(name: &str, sql: &str, must: &str) -> String {
    format!("[[drill.assert]]\nname = '{name}'\nsql = '{sql}'\n{must}\n")
}

fn result(ran: &Ran) -> Value {
    ran.json()["result"].clone()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_sound_point_is_restored_read_again_and_asked() {
    let bench = Bench::new(USERS);
    let asked = [
        assertion("count", "SELECT count(*) FROM users", "equals = 1000"),
        assertion("many", "SELECT count(*) FROM users", "at_least = 900"),
        assertion(
            "fresh",
            "SELECT max(seen) FROM users",
            "not_older_than = '1h'",
        ),
        assertion(
            "else",
            "SELECT * FROM nowhere",
            "equals = 1\nsource = 'another'",
        ),
    ];
    bench.lifeboat.configure(&asked.concat());
    let ran = bench.drill(&[]).ok();
    let report = result(&ran);
    assert_eq!(
        (&report["rows"], &report["tables"]),
        (&1001.into(), &2.into())
    );
    assert_eq!(
        report["assertions"].as_array().unwrap().len(),
        3,
        "{report}"
    );
    assert_eq!(report["sample"], Value::Null);
    let attestation = report["attestation"].as_str().unwrap();
    let (body, sealed) = attested(&bench, &report);
    let place = report["place"].as_str().unwrap();
    let version = body["server_version"].as_str().unwrap();
    assert!(
        !version.is_empty() && place.ends_with(&format!(" {version}")),
        "{place}: {body}"
    );
    let identity = fs::read_to_string(bench.lifeboat.identity()).unwrap();
    let recipient = report["opened_by"]["recipient"].as_str().unwrap();
    assert!(identity.contains(recipient), "{recipient}");
    assert_eq!(report["opened_by"]["kms_key"], Value::Null);
    assert_eq!(body["opened_by"], report["opened_by"]);
    // What was asked is in clear, and what it gave is not.
    let clear = serde_json::json!([
        {"name": "count", "ok": true},
        {"name": "many", "ok": true},
        {"name": "fresh", "ok": true},
    ]);
    assert_eq!(body["assertions"], clear);
    assert_eq!(body["as_superuser"], report["as_superuser"]);
    assert_eq!(body["walls"], report["walls"]);
    let given = sealed.assertions.iter().map(|one| one.value.as_deref());
    let given: Vec<&str> = given.map(Option::unwrap).collect();
    assert_eq!(given[..2], ["1000", "1000"]);
    let by = format!("Z-by-{}.json", &recipient[recipient.len() - 8..]);
    assert!(attestation.ends_with(&by), "{attestation}");
    let seconds = |name: &str| report[name].as_f64().unwrap();
    assert!(seconds("seconds_to_first_query") <= seconds("seconds_to_restore"));
    assert!(seconds("seconds_to_restore") <= seconds("seconds"));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_assertion_that_does_not_hold_or_is_no_sql_fails_the_drill() {
    for (sql, must) in [
        ("SELECT count(*) FROM users", "equals = 999"),
        ("SELECT count(*) FROM userz", "at_least = 1"),
        ("SELEKT 1", "equals = 1"),
        ("SELECT 1, 2", "equals = 1"),
        ("SELECT id FROM users", "equals = 1"),
        ("SELECT NULL", "equals = 1"),
        ("DELETE FROM users RETURNING 1", "equals = 1"),
    ] {
        let bench = Bench::new(USERS);
        bench.lifeboat.configure(&assertion("it", sql, must));
        let ran = bench.drill(&[]);
        assert_eq!(ran.code, Some(1), "{sql}: {ran:?}");
        let report = result(&ran);
        let one = &report["assertions"][0];
        assert_eq!(one["ok"], false, "{sql}");
        assert!(!one["why"].as_str().unwrap().is_empty(), "{sql}");
        assert!(
            report["failures"].as_array().unwrap().is_empty(),
            "{report}"
        );
    }
}

/// A pg_restore that runs SQL in the target once its keys are made, beside the other programs.
fn meddler(folder: &Path, sql: &str) {
    let bin = Major::Pg15.bin();
    for tool in ["initdb", "postgres", "pg_ctl"] {
        std::os::unix::fs::symlink(bin.join(tool), folder.join(tool)).unwrap();
    }
    let (real, psql) = (bin.join("pg_restore"), bin.join("psql"));
    let script = format!(
        "#!/bin/bash\n{real:?} \"$@\" || exit\n\
         [[ \"$*\" == *--section=pre-data* || \"$*\" != *--use-list=* ]] && exit\n\
         {psql:?} -XqAt -v ON_ERROR_STOP=1 -c \"{sql}\" >&2 2>/dev/null\nexit 0\n"
    );
    let path = folder.join("pg_restore");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_was_changed_after_loading_is_found() {
    for (sql, what) in [
        ("DELETE FROM users WHERE id = 7", "users"),
        ("UPDATE users SET name = 'else' WHERE id = 7", "users"),
        ("INSERT INTO users VALUES (0, 'one more')", "users"),
        ("DROP INDEX users_name", "users_name"),
        ("ALTER TABLE users DROP CONSTRAINT users_pkey", "users_pkey"),
    ] {
        let bench = Bench::new(USERS);
        let tools = tempfile::tempdir().unwrap();
        fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).unwrap();
        meddler(tools.path(), sql);
        let ran = bench.drill(&["--pg-bin", tools.path().to_str().unwrap()]);
        let report = result(&ran);
        let said = format!("{}{}", report["failures"], report["findings"]);
        assert!(matches!(ran.code, Some(1 | 3)), "{sql}: {ran:?}");
        assert!(said.contains(what), "{sql}: {said}");
        if !sql.contains("INDEX") {
            assert_eq!(ran.code, Some(1), "{sql}: {said}");
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_assertion_is_compared_with_what_it_gave_at_the_drill_before() {
    let bench = Bench::new(USERS);
    let asked = |sql: &str| assertion("many", sql, "within_percent = 10");
    bench
        .lifeboat
        .configure(&asked("SELECT count(*) FROM users"));
    bench.drill(&[]).ok();
    let config = bench.lifeboat.folder().join("lifeboat.toml");
    let text = fs::read_to_string(&config).unwrap();
    let fewer = text.replace("FROM users", "FROM users WHERE id > 200");
    fs::write(&config, fewer).unwrap();
    let ran = bench.drill(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let why = result(&ran)["assertions"][0]["why"].to_string();
    assert!(
        why.contains("it is 800, at the drill before it was 1000"),
        "{why}"
    );
}

/// The attestation's body, and what it seals.
fn attested(bench: &Bench, report: &Value) -> (Value, Details) {
    let key = report["attestation"].as_str().unwrap();
    let stored = fs::read(bench.lifeboat.repository().join(key)).unwrap();
    let envelope: Value = serde_json::from_slice(&stored).unwrap();
    let body: Value = serde_json::from_str(envelope["body"].as_str().unwrap()).unwrap();
    let identities = Identities::from_files(&[bench.lifeboat.identity()]).unwrap();
    let sealed = details::open(body["sealed"].as_str().unwrap(), &identities);
    (body, sealed.unwrap())
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_only_a_superuser_makes_is_counted_in_clear_and_named_under_seal() {
    let trigger = "
      CREATE FUNCTION secret_guard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
      CREATE EVENT TRIGGER secret_trigger ON ddl_command_end EXECUTE FUNCTION secret_guard();";
    let key = "
      CREATE FUNCTION secret_check() RETURNS int LANGUAGE internal AS 'pg_backend_pid';
      CREATE TABLE secret_table (
        id int GENERATED ALWAYS AS IDENTITY, n int CHECK (n < secret_check() + n + 1));";
    for (sql, code, verdict) in [(trigger, 0, "sound"), (key, 3, "unproven")] {
        let bench = Bench::new(&format!("{USERS} {sql}"));
        let ran = bench.drill(&[]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let report = result(&ran);
        let (body, sealed) = attested(&bench, &report);
        assert_eq!(body["result"], verdict, "{report}");
        assert!(!body.to_string().contains("secret_"), "{body}");
        let named = format!("{sealed:?}");
        assert!(named.contains("secret_"), "{named}");
        assert_eq!(sealed.unproven.len(), body["unproven"], "{body}");
        assert_eq!(verdict == "unproven", !sealed.unproven.is_empty());
        let counts = body["not_tried"].as_array().unwrap();
        let counted: u64 = counts
            .iter()
            .map(|one| one["count"].as_u64().unwrap())
            .sum();
        assert_eq!(counted, sealed.not_tried.len() as u64, "{body}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_a_drill_found_is_counted_in_clear_and_told_under_seal() {
    let broken = "
      CREATE TABLE secret_orphans (id int REFERENCES users);
      SET session_replication_role = replica; INSERT INTO secret_orphans VALUES (0);";
    let computed = "
      CREATE FUNCTION secret_day(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
      CREATE TABLE secret_days (n int, day int GENERATED ALWAYS AS (secret_day(n)) STORED);
      INSERT INTO secret_days VALUES (1);
      CREATE OR REPLACE FUNCTION secret_day(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2';";
    for (sql, code, list) in [(broken, 1, "failures"), (computed, 3, "findings")] {
        let bench = Bench::new(&format!("{USERS} {sql}"));
        let ran = bench.drill(&[]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let report = result(&ran);
        let (body, sealed) = attested(&bench, &report);
        assert_eq!(body[list], 1, "{body}");
        assert!(!body.to_string().contains("secret_"), "{body}");
        let said = match list {
            "failures" => &sealed.failures[0],
            _ => &sealed.findings[0],
        };
        assert_eq!(report[list][0]["what"], said.what, "{report}");
        // On the screen a value is one line.
        let why = said.why.replace('\n', "\\n");
        assert_eq!(report[list][0]["why"], why, "{report}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_sample_says_that_it_is_one() {
    let bench = Bench::new(USERS);
    let report = result(&bench.drill(&["--sample", "1"]).ok());
    assert_eq!(report["tables"], 1);
    assert!(
        report["sample"].as_str().unwrap().contains("1 of 2 tables"),
        "{report}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn nothing_stays_after_an_interrupt() {
    let bench = Bench::new(USERS);
    let mut child = bench.stuck();
    let pid = child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    bench.nothing_is_left();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn nothing_stays_after_a_kill_that_nobody_survives() {
    let bench = Bench::new(USERS);
    let mut child = bench.stuck();
    child.kill().unwrap();
    child.wait().unwrap();
    // The server's keeper notices by itself.
    let limit = Instant::now() + Duration::from_secs(60);
    while fs::read_dir(bench.folder.path()).unwrap().count() > 0 {
        assert!(Instant::now() < limit, "the drill's server is still there");
        sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_a_drill_cannot_do_it_says_before_it_begins() {
    let bench = Bench::new(USERS);
    let empty = tempfile::tempdir().unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let without_identity = ["drill", "--folder", &path(bench.folder.path())].map(str::to_owned);
    bench.lifeboat.run(without_identity).failed(2, "identity");
    bench
        .drill(&["--folder", &path(&empty.path().join("nowhere"))])
        .failed(2, "--folder");
    let bench = Bench::new("CREATE TABLE t (x int)");
    let far = empty.path().join("a".repeat(80));
    fs::create_dir(&far).unwrap();
    let identity = bench.lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let long = ["drill", "--identity", identity, "--folder", &path(&far)].map(str::to_owned);
    bench.lifeboat.run(long).failed(2, "too long");
    let file = empty.path().join("file");
    fs::write(&file, "").unwrap();
    let on_file = ["drill", "--identity", identity, "--folder", &path(&file)].map(str::to_owned);
    bench.lifeboat.run(on_file).failed(1, "file");
}

/// Attestations are named by their second; those of the next ones are taken.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_of_a_second_that_has_one_is_attested_in_the_next_free_one() {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE t AS SELECT 1 AS n");
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let identity = lifeboat.identity();
    let drilled = || {
        let ran = lifeboat
            .run(["drill", "--identity", identity.to_str().unwrap()])
            .ok();
        ran.json()["result"]["attestation"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = drilled();
    let (folder, name) = first.rsplit_once('/').unwrap();
    let (_, by) = name.split_once('Z').unwrap();
    let named = |at: jiff::Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string() + by;
    let now = jiff::Timestamp::now();
    let later = |seconds| now + jiff::SignedDuration::from_secs(seconds);
    for seconds in 0..45 {
        let file = lifeboat
            .repository()
            .join(folder)
            .join(named(later(seconds)));
        if !file.exists() {
            std::fs::write(file, "taken").unwrap();
        }
    }
    let second = drilled();
    let (_, name) = second.rsplit_once('/').unwrap();
    assert!(name >= &*named(later(45)), "{second}");
}
