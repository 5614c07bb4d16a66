//! Exports under writers and schema changes: a restore point shows one moment, or there is none.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Database, Lifeboat, Major};

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_export_verifies_and_holds_what_the_server_counts() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql(
        "CREATE TABLE answer AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 20000) g;
         CREATE TABLE empty ();
         CREATE TABLE nothing (id int);
         INSERT INTO empty DEFAULT VALUES; INSERT INTO empty DEFAULT VALUES;
         SELECT lo_from_bytea(0, '\\x0102');",
    );
    let report = lifeboat.export(&database.url());
    assert_eq!(report["rows"], 20_002);
    assert_eq!(report["large_objects"], 1);
    let verified = lifeboat.verify("latest");
    assert_eq!(verified["rows"], 20_002);
    assert_eq!(verified["problems"], serde_json::json!([]));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn slices_and_sessions_change_nothing_of_the_digests() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    // Wide enough for several slices, with dead rows in between.
    database.sql(
        "CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 40) AS text
           FROM generate_series(1, 150000) g;
         ALTER TABLE wide ALTER text SET STORAGE EXTERNAL;
         DELETE FROM wide WHERE id % 7 = 0;
         UPDATE wide SET text = text || 'x' WHERE id % 11 = 0;",
    );
    let url = database.url();
    let digest = |jobs: &str| {
        let ran = lifeboat
            .run(["export", "--source", &url, "--jobs", jobs])
            .ok();
        let id = ran.json()["result"]["databases"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        lifeboat.verify(&id);
        lifeboat.catalog(&id)["tables"][0]["digest"].clone()
    };
    let one = digest("1");
    assert_eq!(
        one["rows"].to_string(),
        database.sql("SELECT count(*) FROM wide")
    );
    assert_eq!(one, digest("4"));
    assert_ne!(one, {
        database.sql("UPDATE wide SET text = text || 'y' WHERE id = 1");
        digest("2")
    });
}

/// A psql that works in the background and is killed with this value.
struct Background(Child);

impl Background {
    fn sql(database: &Database, sql: &str) -> Self {
        let child = Command::new(database.major.bin().join("psql"))
            .args(["-XqAt", "-d", &database.url(), "-c", sql])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn wait(mut self) -> bool {
        self.0.wait().unwrap().success()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Polls until `sql` prints `t`; the bound is only there to fail.
fn wait_until(database: &Database, sql: &str) {
    let begun = Instant::now();
    while database.sql(sql) != "t" {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {sql}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn production_waits_no_longer_than_ddl_wait() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql(
        "CREATE TABLE slow AS SELECT g AS id, repeat('x', 1000) AS text FROM generate_series(1, 60000) g;
         CREATE TABLE altered (id int);",
    );
    lifeboat.configure("[export]\nddl_wait = \"1s\"");
    let url = database.url();
    let export = lifeboat
        .command([
            "export",
            "--source",
            &url,
            "--rate-limit",
            "1MiB/s",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(
        &database,
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE a.application_name LIKE 'lifeboat %' AND l.relation = 'altered'::regclass)",
    );
    let alter = Background::sql(&database, "ALTER TABLE altered ADD COLUMN more int");
    let output = export.wait_with_output().unwrap();
    assert!(alter.wait(), "the ALTER went through");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("gave way to production"), "{text}");
    assert!(
        text.contains("ALTER TABLE altered"),
        "it names the statement: {text}"
    );
    let listing = lifeboat.run(["list"]).json();
    assert_eq!(
        listing["result"]["points"],
        serde_json::json!([]),
        "no restore point"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_interrupted_export_leaves_no_restore_point_and_the_next_one_works() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT g AS id, repeat('x', 1000) AS text FROM generate_series(1, 60000) g");
    let url = database.url();
    for signal in ["TERM", "INT", "KILL"] {
        let export = lifeboat
            .command(["export", "--source", &url, "--rate-limit", "1MiB/s"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until(
            &database,
            "SELECT count(*) > 1 FROM pg_stat_activity WHERE application_name LIKE 'lifeboat %'
                AND query LIKE 'COPY%' OR state = 'idle in transaction'",
        );
        let kill = Command::new("kill")
            .args([&format!("-{signal}"), &export.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let output = export.wait_with_output().unwrap();
        if signal != "KILL" {
            assert_eq!(output.status.code(), Some(1), "{signal}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("stopped on request"));
        }
        wait_until(
            &database,
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'lifeboat %'",
        );
    }
    assert_eq!(
        lifeboat.run(["list"]).json()["result"]["points"],
        serde_json::json!([])
    );
    lifeboat.export(&url);
    lifeboat.verify("latest");
    assert_eq!(
        lifeboat.run(["list"]).json()["result"]["points"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_export_stopped_in_its_second_database_names_the_point_of_the_first() {
    let lifeboat = Lifeboat::init();
    let first = Database::new(Major::Pg15);
    first.sql("CREATE TABLE t AS SELECT 1 AS id");
    let second = Database::new(Major::Pg15);
    second.sql("CREATE TABLE t AS SELECT g AS id, repeat('x', 1000) AS text FROM generate_series(1, 60000) g");
    let url = first.url();
    let export = lifeboat
        .command([
            "export",
            "--source",
            &url,
            "--database",
            &first.name,
            "--database",
            &second.name,
            "--rate-limit",
            "1MiB/s",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(
        &second,
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
            AND application_name LIKE 'lifeboat %' AND query LIKE 'COPY%')",
    );
    let kill = Command::new("kill")
        .args(["-TERM", &export.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = export.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &document["error"];
    assert_eq!(error["kind"], "interrupted", "{document}");
    let listing = lifeboat.run(["list"]).json();
    let points = listing["result"]["points"].as_array().unwrap();
    assert_eq!(points.len(), 1, "{listing}");
    let id = points[0]["id"].as_str().unwrap();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("{id} of ")), "{message}");
    assert!(message.ends_with(&format!("/{}", first.name)), "{message}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("restore points stay"), "{hint}");
    lifeboat.verify(id);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn memory_is_bounded_by_parts_and_the_largest_row_not_by_how_many_rows_wait() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    // Eight rows of 32 MiB of text: together they would be 256 MiB.
    database.sql(
        "CREATE TABLE wide (id int, b bytea);
         ALTER TABLE wide ALTER b SET STORAGE EXTERNAL;
         INSERT INTO wide SELECT g, decode(repeat(md5(g::text), 1 << 20), 'hex') FROM generate_series(1, 8) g;",
    );
    let peak_kib = lifeboat.peak_kib(&["export", "--source", &database.url(), "--jobs", "1"]);
    // A row is held where it is received and where it is packed, and two parts.
    assert!(peak_kib < 200 * 1024, "{peak_kib} KiB");
    lifeboat.verify("latest");
}

/// Of another major, too: its release knows less than the server's.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_pg_dump_older_than_its_server_is_told_once_a_run() {
    let sources = [Database::new(Major::Pg17), Database::new(Major::Pg17)];
    let lifeboat = Lifeboat::init();
    let program = lifeboat.folder().join("pg_dump");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) echo 'pg_dump (PostgreSQL) 18.0';; *) exec {} \"$@\";; esac\n",
        Major::Pg17.bin().join("pg_dump").display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let names = sources.each_ref().map(|source| &source.name);
    lifeboat.configure(&format!(
        "[[source]]\nname = \"prod\"\nurl = {:?}\ndatabases = {names:?}\n[export]\npg_bin = [{:?}]",
        Major::Pg17.url(),
        lifeboat.folder()
    ));
    let ran = lifeboat.run(["export"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let result = ran.json()["result"].clone();
    assert_eq!(result["databases"].as_array().unwrap().len(), 2);
    let findings = result["findings"].as_array().unwrap();
    let older = findings
        .iter()
        .filter(|one| one.to_string().contains("is 18.0, older"));
    assert_eq!(older.count(), 1, "{findings:#?}");
}
