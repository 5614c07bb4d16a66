//! What no export carries is listed by name, and stops no restore.

use crate::support::cluster::{Cluster, ClusterOptions};
use crate::support::{Database, Lifeboat, Major, Reading, unique};

async fn listed(lifeboat: &Lifeboat, url: &str) -> Vec<(String, Vec<String>)> {
    let exported = lifeboat.export(url);
    let id = exported["id"].as_str().unwrap();
    let reading = Reading::open(lifeboat, id).await;
    let kinds = reading.catalog.not_covered.into_iter();
    kinds.map(|one| (one.kind, one.names)).collect()
}

fn has(listed: &[(String, Vec<String>)], kind: &str, name: &str) -> bool {
    let of = |(is, names): &(String, Vec<String>)| {
        is == kind && names.iter().any(|one| one.contains(name))
    };
    listed.iter().any(of)
}

/// The URL of the cluster's database `app`.
fn app(cluster: &Cluster) -> String {
    format!("{}/app", cluster.url().strip_suffix("/postgres").unwrap())
}

const LEFT_OUT: [(&str, &str); 4] = [
    (
        "tables of extensions that are not their configuration",
        "public.queue",
    ),
    ("indexes added to tables of extensions", "public.queue_body"),
    ("objects in pg_catalog", "function our_answer()"),
    ("objects in pg_catalog", "our_view"),
];

/// As a queue extension adds a table to itself for each queue.
const MADE: &str = "
  CREATE TABLE queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
  INSERT INTO queue (body) SELECT 'b' FROM generate_series(1, 10);
  ALTER EXTENSION plpgsql ADD TABLE queue;
  CREATE TABLE kept (i int); INSERT INTO kept VALUES (1);
  CREATE FUNCTION pg_catalog.our_answer() RETURNS int LANGUAGE sql AS 'SELECT 42';
  CREATE VIEW information_schema.our_view AS SELECT 1 AS one;";

async fn is_listed_and_the_rest_comes_back(major: Major) {
    let source = Database::new(major);
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", major.bin()));
    source.sql("CREATE TABLE kept (i int)");
    let plain = listed(&lifeboat, &source.url()).await;
    for (kind, name) in LEFT_OUT {
        assert!(!has(&plain, kind, ""), "{kind}, {name}: {plain:?}");
    }
    source.sql("DROP TABLE kept");
    source.sql(MADE);
    source.sql("CREATE INDEX queue_body ON queue (body)");
    let found = listed(&lifeboat, &source.url()).await;
    for (kind, name) in LEFT_OUT {
        assert!(has(&found, kind, name), "{kind}, {name}: {found:?}");
    }
    let target = Database::new(major);
    let (bin, identity) = (major.bin(), lifeboat.identity());
    let ran = lifeboat.run([
        "restore",
        "latest",
        "--verify",
        "--identity",
        identity.to_str().unwrap(),
        "--target",
        &target.url(),
        "--pg-bin",
        bin.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(target.sql("SELECT i FROM kept"), "1");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_pg_dump_leaves_out_is_listed_and_the_rest_comes_back_15() {
    is_listed_and_the_rest_comes_back(Major::Pg15).await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_pg_dump_leaves_out_is_listed_and_the_rest_comes_back_18() {
    is_listed_and_the_rest_comes_back(Major::Pg18).await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn settings_of_alter_system_that_may_not_be_read_are_listed_as_such() {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE t (i int)");
    let user = unique("reads");
    source.sql(&format!(
        "CREATE ROLE {user} LOGIN; GRANT pg_read_all_data TO {user}"
    ));
    let lifeboat = Lifeboat::init();
    let kind = "ALTER SYSTEM settings";
    let by_user = listed(&lifeboat, &source.url_as(&user)).await;
    assert!(has(&by_user, kind, "pg_read_all_settings"), "{by_user:?}");
    source.sql(&format!("GRANT pg_read_all_settings TO {user}"));
    let by_user = listed(&lifeboat, &source.url_as(&user)).await;
    assert!(!has(&by_user, kind, "pg_read_all_settings"), "{by_user:?}");
    source.sql(&format!("DROP ROLE {user}"));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_tablespace_of_the_database_itself_is_listed() {
    let options = ClusterOptions {
        settings: &[("allow_in_place_tablespaces", "on")],
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(Major::Pg15.bin().to_str().unwrap(), &options);
    cluster.sql("CREATE TABLESPACE fast LOCATION ''");
    cluster.sql("CREATE DATABASE app TABLESPACE fast");
    let url = app(&cluster);
    let found = listed(&Lifeboat::init(), &url).await;
    assert!(has(&found, "tablespaces", "fast"), "{found:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_postgres_with_anything_in_it_is_not_passed_over() {
    let cluster = Cluster::start(
        Major::Pg15.bin().to_str().unwrap(),
        &ClusterOptions::default(),
    );
    cluster.sql("CREATE DATABASE app");
    let url = app(&cluster);
    let uncovered = || {
        let lifeboat = Lifeboat::init();
        let ran = lifeboat.run(["export", "--source", &url]);
        assert!(matches!(ran.code, Some(0 | 3)), "{ran:?}");
        ran.json()["result"]["uncovered"]
            .to_string()
            .contains("\"postgres\"")
    };
    cluster.sql("CREATE EXTENSION pgcrypto");
    assert!(!uncovered(), "an extension brings nothing of a user's");
    for (make, undo) in [
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION f()",
        ),
        ("CREATE SEQUENCE invoice_no", "DROP SEQUENCE invoice_no"),
        (
            "SELECT lo_from_bytea(4711, 'only')",
            "SELECT lo_unlink(4711)",
        ),
        ("CREATE VIEW v AS SELECT 1 AS one", "DROP VIEW v"),
        ("CREATE TYPE mood AS ENUM ('sad')", "DROP TYPE mood"),
        ("CREATE SCHEMA mine", "DROP SCHEMA mine"),
        ("CREATE PUBLICATION p FOR ALL TABLES", "DROP PUBLICATION p"),
    ] {
        cluster.sql(make);
        assert!(uncovered(), "{make}");
        cluster.sql(undo);
        assert!(!uncovered(), "{undo}");
    }
}
