//! Targets that cannot take what they are given, and servers that cannot be exported from as they
//! are.

use super::{complains, no_points, restoring};
use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::{Database, Lifeboat, Major};

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_pg_dump_older_than_the_server_is_refused_with_what_was_found() {
    let lifeboat = Lifeboat::init();
    let bin = Major::Pg15.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    let database = Database::new(Major::Pg18);
    let ran = lifeboat.bare(["export", "--source", &database.url()]);
    complains(
        &ran,
        1,
        &["pg_dump 18", bin.to_str().unwrap(), "postgresql-client-18"],
    );
    no_points(&lifeboat);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_target_without_a_database_is_not_taken_for_the_users_own() {
    let source = Database::new(Major::Pg15);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let url = source.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let ran = lifeboat.bare(restoring(&lifeboat, server, &[]));
    complains(
        &ran,
        2,
        &["--target names no database", "host:port/database"],
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_older_target_is_refused_in_one_list_with_all_else() {
    let lifeboat = Lifeboat::init();
    let bin = Major::Pg18.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    let source = Database::new(Major::Pg18);
    source.sql("CREATE TABLE t AS SELECT 1 AS id");
    lifeboat.export(&source.url());
    let target = Database::with(
        Major::Pg15,
        "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
    );
    target.sql("CREATE TABLE mine (id int)");
    let url = target.url();
    let flags = ["--pg-bin", bin.to_str().unwrap()];
    let ran = lifeboat.bare(restoring(&lifeboat, &url, &flags));
    let words = [
        "restore into 18 or later",
        "not empty",
        "mine",
        "LATIN1",
        "nothing was changed",
    ];
    complains(&ran, 1, &words);
    let dry = lifeboat.run(restoring(
        &lifeboat,
        &url,
        &[&flags[..], &["--dry-run"]].concat(),
    ));
    assert_eq!(dry.code, Some(1), "{dry:?}");
    assert_eq!(
        dry.json()["result"]["problems"].as_array().unwrap().len(),
        3,
        "{dry:?}"
    );
    let own =
        "SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(target.sql(own), "mine");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_extension_that_the_target_lacks_is_listed_and_everything_else_comes() {
    let lifeboat = Lifeboat::init();
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE EXTENSION hstore; CREATE EXTENSION citext;
         CREATE TABLE plain AS SELECT g AS id FROM generate_series(1, 100) g;
         CREATE TABLE odd AS SELECT 'a=>1'::hstore AS h;",
    );
    lifeboat.export(&source.url());
    let target = Database::new(Major::Pg18);
    let (url, bin) = (target.url(), Major::Pg18.bin());
    let flags = ["--pg-bin", bin.to_str().unwrap()];
    let dry = lifeboat.run(restoring(
        &lifeboat,
        &url,
        &[&flags[..], &["--dry-run"]].concat(),
    ));
    assert_eq!(dry.code, Some(3), "{dry:?}");
    let findings = dry.json()["result"]["findings"].to_string();
    assert!(
        findings.contains("hstore") && findings.contains("citext"),
        "{findings}"
    );
    let ran = lifeboat.run(restoring(&lifeboat, &url, &flags));
    assert_eq!(ran.code, Some(1), "a table is missing: {ran:?}");
    let failures = ran.json()["result"]["failures"].to_string();
    assert!(
        failures.contains("odd") && !failures.contains("plain"),
        "{failures}"
    );
    assert_eq!(target.sql("SELECT count(*) FROM plain"), "100");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_export_that_would_take_the_applications_locks_is_refused() {
    let cluster = server_of_few_locks();
    for part in 0..10 {
        let tables = (0..50).map(|table| format!("CREATE TABLE t{part}_{table} ();"));
        cluster.sql(&tables.collect::<String>());
    }
    let lifeboat = Lifeboat::init();
    let ran = lifeboat.bare(["export", "--source", &cluster.url()]);
    complains(
        &ran,
        1,
        &["500 tables", "lock slots", "max_locks_per_transaction"],
    );
    no_points(&lifeboat);
    let held = "SELECT count(*) FROM pg_locks WHERE relation >= 16384";
    assert_eq!(cluster.sql(held), "0");
}

/// A server with 200 lock slots.
fn server_of_few_locks() -> Cluster {
    let settings = [
        ("max_locks_per_transaction", "10"),
        ("max_connections", "20"),
    ];
    let options = ClusterOptions {
        settings: &settings,
        ..ClusterOptions::default()
    };
    Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &options)
}

/// pg_dump locks the views that it prints, and what sequences hold is read from them.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn sequences_views_and_partitioned_tables_are_among_the_locks_of_an_export() {
    let cluster = server_of_few_locks();
    cluster
        .sql("CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE q PARTITION OF p DEFAULT");
    for part in 0..7 {
        let sequences = (0..50).map(|one| format!("CREATE SEQUENCE s{part}_{one};"));
        cluster.sql(&sequences.collect::<String>());
    }
    let views = (0..50).map(|one| format!("CREATE VIEW v{one} AS SELECT * FROM p;"));
    cluster.sql(&views.collect::<String>());
    let lifeboat = Lifeboat::init();
    let ran = lifeboat.bare(["export", "--source", &cluster.url()]);
    let words = ["2 tables", "400 sequences and views", "lock slots"];
    complains(&ran, 1, &words);
    no_points(&lifeboat);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_target_that_is_full_fails_by_name_and_resume_goes_on() {
    // Small segments of the log, so that only tables meet the limit.
    let initdb = ["--encoding=UTF8", "--locale=C", "--wal-segsize=1"];
    let options = ClusterOptions {
        initdb: &initdb,
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &options);
    let source = Database::with(Major::Pg15, "TEMPLATE template0 LOCALE 'C'");
    source.sql(
        "CREATE TABLE small AS SELECT 1 AS id;
         CREATE TABLE large AS SELECT g AS id, repeat('x', 1000) AS t FROM generate_series(1, 8000) g",
    );
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    cluster.limit_files("4000000");
    let url = cluster.url();
    let ran = lifeboat.bare(restoring(&lifeboat, &url, &[]));
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(1), "{all}");
    assert!(!all.contains("panicked"), "{all}");
    assert!(
        all.contains("large") && all.contains("could not extend file"),
        "{all}"
    );
    assert!(all.contains("--resume"), "{all}");
    cluster.limit_files("unlimited");
    lifeboat
        .bare(restoring(&lifeboat, &url, &["--resume", "--verify"]))
        .ok();
    assert_eq!(
        cluster.sql("SELECT count(*), sum(id) FROM large"),
        "8000|32004000"
    );
    assert_eq!(cluster.sql("SELECT count(*) FROM small"), "1");
}
