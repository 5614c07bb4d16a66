//! Extensions that a server must load as it starts, and those that the drill's server lacks.

use serde_json::{Value, json};

use super::{Bench, assertion, attested, result};
use crate::support::cluster::{Cluster, ClusterOptions};
use crate::support::{Database, Lifeboat, Major, unique};

const TRUST: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";

/// Jobs, one of another role, and a table of the database's own. The job of each minute would add a row.
fn jobs(role: &str) -> String {
    format!(
        "CREATE EXTENSION pg_cron;
         CREATE ROLE {role} LOGIN;
         GRANT USAGE ON SCHEMA cron TO {role};
         CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
         INSERT INTO t DEFAULT VALUES;
         SELECT cron.schedule('each minute', '* * * * *', 'INSERT INTO t DEFAULT VALUES');
         SELECT cron.schedule('nightly', '0 3 * * *', 'VACUUM');
         UPDATE cron.job SET username = '{role}' WHERE jobname = 'nightly'"
    )
}

/// A database with jobs of pg_cron, exported; the source's own server runs none.
fn with_jobs() -> Bench {
    let server = Cluster::start(
        Major::Pg15.bin().to_str().unwrap(),
        &ClusterOptions {
            settings: &[
                ("shared_preload_libraries", "pg_cron"),
                ("max_worker_processes", "0"),
            ],
            hba: Some(TRUST),
            ..ClusterOptions::default()
        },
    );
    server.sql(&jobs(&unique("jobs")));
    exported(&format!(
        "postgresql://postgres@127.0.0.1:{}/postgres",
        server.port
    ))
}

fn exported(url: &str) -> Bench {
    let lifeboat = Lifeboat::init();
    lifeboat.export(url);
    Bench::of(lifeboat)
}

/// 16 of the tests has no extension but its own language and pgvector.
fn drill_with_16(bench: &Bench, flags: &[&str]) -> Value {
    let bin = Major::Pg16.bin();
    let flags = [&["--pg-bin", bin.to_str().unwrap()], flags].concat();
    let ran = bench.drill(&flags);
    let report = result(&ran);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(report["failures"], json!([]), "{report:#}");
    report
}

fn texts<'a>(report: &'a Value, list: &str, key: &str) -> Vec<&'a str> {
    let list = report[list].as_array().unwrap().iter();
    list.map(|one| one[key].as_str().unwrap()).collect()
}

fn not_tried(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name})
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn jobs_of_pg_cron_are_restored_and_do_not_run() {
    let bench = with_jobs();
    let asked = |name: &str, sql: &str, wanted: &str| {
        assertion(name, sql, &format!("equals = \"{wanted}\""))
    };
    bench.lifeboat.configure(&format!(
        "{}{}{}",
        asked("jobs", "SELECT count(*) FROM cron.job WHERE active", "2"),
        // The superuser, as whom its scheduler would have connected, has no session left.
        asked(
            "sessions of the superuser",
            "SELECT count(*) FROM pg_stat_activity WHERE usesysid = 10",
            "0"
        ),
        asked(
            "workers",
            "SELECT current_setting($$max_worker_processes$$)",
            "0"
        ),
    ));
    let report = result(&bench.drill(&[]).ok());
    assert_eq!(report["rows"], 3, "{report:#}");
    assert_eq!(report["unproven"], json!([]), "{report:#}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_server_without_pg_cron_names_it_and_calls_no_point_broken() {
    let bench = with_jobs();
    pg_cron_is_named(&bench, &[]);
    pg_cron_is_named(&bench, &["--server", &Major::Pg16.url()]);
    bench.lifeboat.configure("[drill]\nsuperuser = true");
    pg_cron_is_named(&bench, &[]);
}

fn pg_cron_is_named(bench: &Bench, flags: &[&str]) {
    let report = drill_with_16(bench, flags);
    let unproven = texts(&report, "unproven", "what");
    let jobs = "TABLE cron job of extension pg_cron";
    assert!(unproven.contains(&jobs), "{report:#}");
    assert!(
        unproven.iter().all(|what| what.contains("cron")),
        "{report:#}"
    );
    let left_out = report["not_tried"].as_array().unwrap();
    let extension = not_tried("extension", "pg_cron");
    assert!(left_out.contains(&extension), "{report:#}");
    let findings = texts(&report, "findings", "what");
    assert!(findings[0].starts_with("extension pg_cron "), "{report:#}");
    assert!(
        findings.iter().all(|what| what.contains("pg_cron")),
        "{report:#}"
    );
    assert_eq!(report["rows"], 1, "{report:#}");
    let (body, _) = attested(bench, &report);
    assert_eq!(body["result"], "unproven");
    let counted = body["not_tried"].as_array().unwrap();
    assert!(
        counted.contains(&json!({"kind": "extension", "count": 1})),
        "{body}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_hangs_on_an_extension_that_is_not_there_is_unproven_or_not_tried() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE EXTENSION citext; CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gist;
         CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
         INSERT INTO people SELECT n, 'name ' || n FROM generate_series(1, 100) n;
         CREATE INDEX people_name ON people USING gin (name gin_trgm_ops);
         CREATE VIEW alike AS SELECT id FROM people WHERE similarity(name, 'name 7') > 0.5;
         CREATE TABLE mails (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail citext UNIQUE);
         INSERT INTO mails (mail) VALUES ('A@example.org');
         CREATE TABLE rooms (room int, held tsrange, EXCLUDE USING gist (room WITH =, held WITH &&));
         INSERT INTO rooms VALUES (1, '[2026-01-01, 2026-01-02)');",
    );
    let bench = exported(&source.url());
    let report = drill_with_16(&bench, &[]);
    let unproven = texts(&report, "unproven", "what");
    for what in [
        "TABLE public mails ",
        "CONSTRAINT public rooms rooms_room_held_excl ",
    ] {
        let is_there = unproven.iter().any(|one| one.starts_with(what));
        assert!(is_there, "{what}: {report:#}");
    }
    let excused = |what: &&str| what.contains("mails") || what.contains("rooms_room_held_excl");
    assert!(unproven.iter().all(excused), "{report:#}");
    let left_out = report["not_tried"].as_array().unwrap();
    for (kind, name) in [
        ("extension", "btree_gist"),
        ("extension", "citext"),
        ("extension", "pg_trgm"),
        ("index", "public.people_name"),
        ("view", "public.alike"),
    ] {
        assert!(
            left_out.contains(&not_tried(kind, name)),
            "{name}: {report:#}"
        );
    }
    // Everything else was compared.
    assert_eq!(report["rows"], 101, "{report:#}");
    let findings = texts(&report, "findings", "what");
    let of_extensions = |what: &&str| what.starts_with("extension ");
    assert!(findings.iter().all(of_extensions), "{report:#}");
    the_next_export_tells(&bench, &source.url(), report["id"].as_str().unwrap());
}

/// Whoever added the extension reads the report of the export, and not that of `prove`.
fn the_next_export_tells(bench: &Bench, url: &str, drilled: &str) {
    let ran = bench.lifeboat.run(["export", "--source", url]);
    let report = result(&ran);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let [finding] = report["findings"].as_array().unwrap().as_slice() else {
        panic!("{report:#}");
    };
    let finding = finding.as_str().unwrap();
    assert!(finding.contains(drilled), "{finding}");
    assert!(finding.contains("lacks 3 extensions"), "{finding}");
}
