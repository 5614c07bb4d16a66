//! A drill as nobody takes nothing away from databases that mean no harm, and compares after the last
//! statement of the backup.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::roundtrip::{Unsubscribe, differs_after_pg_dump_too, roles, zoo};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

/// Drills the newest restore point with programs of this version.
fn drill(lifeboat: &Lifeboat, major: Major) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    // As /tmp: the server is run by another user, where we are root.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let (identity, bin) = (lifeboat.identity(), major.bin());
    let ran = lifeboat.run([
        "drill",
        "--identity",
        identity.to_str().unwrap(),
        "--folder",
        folder.path().to_str().unwrap(),
        "--pg-bin",
        bin.to_str().unwrap(),
    ]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{ran:?}");
    ran
}

fn exported(source: &Database) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    let bin = source.major.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    lifeboat.export(&source.url());
    lifeboat
}

fn result(ran: &Ran) -> Value {
    ran.json()["result"].clone()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    let mut names: Vec<String> = list
        .map(|one| one[key].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// What hangs on base types, operator classes and access methods of the zoo's own.
const ONLY_BY_A_SUPERUSER: [&str; 7] = [
    "CONSTRAINT zoo own_types own_types_pkey",
    "CONSTRAINT zoo ranges ranges_pkey",
    "TABLE zoo by_mint ",
    "TABLE zoo other_access_method ",
    "TABLE zoo own_types ",
    "TABLE zoo ranges ",
    "table zoo.regs",
];

fn zoo_is_drilled(major: Major) {
    roles(major);
    let source = Database::new(major);
    source.script(&zoo("base.sql"), &[]);
    let _free = Unsubscribe(&source);
    let ran = drill(&exported(&source), major);
    let report = result(&ran);
    assert_eq!(report["failures"], serde_json::json!([]), "{report:#}");
    let mut findings = names(&report["findings"], "what");
    findings.retain(|what| !differs_after_pg_dump_too(what));
    assert_eq!(findings, [""; 0], "{report:#}");
    assert_eq!(ran.code, Some(3), "{report:#}");
    let unproven = names(&report["unproven"], "what");
    for what in ONLY_BY_A_SUPERUSER {
        let is_there = unproven.iter().any(|one| one.starts_with(what));
        assert!(is_there, "{what}: {unproven:?}");
    }
    let excused = |one: &String| {
        let words = [
            "by_mint",
            "own_types",
            "ranges",
            "regs",
            "other_access_method",
        ];
        words.iter().any(|word| one.contains(word))
    };
    assert!(unproven.iter().all(excused), "{unproven:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_of_15_is_drilled_but_for_what_only_a_superuser_makes() {
    zoo_is_drilled(Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_of_16_is_drilled_but_for_what_only_a_superuser_makes() {
    zoo_is_drilled(Major::Pg16);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_of_18_is_drilled_but_for_what_only_a_superuser_makes() {
    zoo_is_drilled(Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn as_the_configuration_asks_the_zoo_is_drilled_whole_by_a_superuser() {
    roles(Major::Pg15);
    let source = Database::new(Major::Pg15);
    source.script(&zoo("base.sql"), &[]);
    let _free = Unsubscribe(&source);
    let lifeboat = exported(&source);
    lifeboat.configure("[drill]\nsuperuser = true");
    let ran = drill(&lifeboat, Major::Pg15);
    let report = result(&ran);
    assert_eq!(report["failures"], serde_json::json!([]), "{report:#}");
    assert_eq!(
        (&report["unproven"], &report["not_tried"]),
        (&serde_json::json!([]), &serde_json::json!([])),
        "{report:#}"
    );
    assert_eq!(report["as_superuser"], true);
    assert!(ran.stderr.contains("superuser = true"), "{}", ran.stderr);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_of_many_extensions_loses_nothing() {
    roles(Major::Pg15);
    let source = Database::new(Major::Pg15);
    source.script(&zoo("extensions.sql"), &[]);
    source.sql(
        "CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;
         CREATE EXTENSION IF NOT EXISTS postgis;
         CREATE EXTENSION IF NOT EXISTS postgis_tiger_geocoder;
         CREATE EXTENSION IF NOT EXISTS postgis_topology;
         CREATE TABLE public.places (id int PRIMARY KEY, spot public.geometry(Point, 4326));
         INSERT INTO public.places SELECT n, public.st_setsrid(public.st_makepoint(n, n), 4326)
           FROM generate_series(1, 50) n;
         CREATE INDEX places_spot ON public.places USING gist (spot);",
    );
    let ran = drill(&exported(&source), Major::Pg15);
    let report = result(&ran);
    for list in ["failures", "unproven"] {
        assert_eq!(report[list], serde_json::json!([]), "{report:#}");
    }
    let tables: u64 = source
        .sql("SELECT count(*) FROM pg_stat_user_tables")
        .parse()
        .unwrap();
    assert!(report["tables"].as_u64().unwrap() <= tables);
    assert!(report["rows"].as_u64().unwrap() > 50, "{report:#}");
    // What connects elsewhere, reads files, or needs a superuser's word.
    let kinds = names(&report["not_tried"], "kind");
    let harmless = [
        "acl",
        "comment",
        "foreign table",
        "function",
        "index",
        "materialized view",
        "membership",
        // Of other tests on the same server.
        "parameter privilege",
        "property of the database",
        "server",
        "trigger",
        "user mapping",
        "view",
    ];
    let odd: Vec<_> = kinds
        .iter()
        .filter(|kind| !harmless.contains(&kind.as_str()))
        .collect();
    assert!(odd.is_empty(), "{odd:?}: {report:#}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_a_servers_own_administrator_owns_comes_whole() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE SCHEMA app;
         CREATE TYPE app.mood AS ENUM ('good', 'bad');
         CREATE TABLE app.people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood app.mood,
           name text CHECK (length(name) < 100), upper text GENERATED ALWAYS AS (upper(name)) STORED);
         INSERT INTO app.people (mood, name) SELECT 'good', 'n' || n FROM generate_series(1, 100) n;
         CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER touch BEFORE UPDATE ON app.people FOR EACH ROW EXECUTE FUNCTION app.touch();
         CREATE MATERIALIZED VIEW app.moods AS SELECT mood, count(*) FROM app.people GROUP BY 1;
         ALTER TABLE app.people ENABLE ROW LEVEL SECURITY;
         ALTER TABLE app.people FORCE ROW LEVEL SECURITY;
         CREATE POLICY own ON app.people USING (name = current_user);
         SELECT lo_from_bytea(4711, 'abc');",
    );
    let report = result(&drill(&exported(&source), Major::Pg15).ok());
    // Roles of other tests on the same server may have memberships and privileges.
    let mut kinds = names(&report["not_tried"], "kind");
    kinds.retain(|kind| !["membership", "parameter privilege"].contains(&kind.as_str()));
    assert!(kinds.is_empty(), "{report:#}");
    assert_eq!(report["rows"], 100);
    assert_eq!(report["as_superuser"], false);
    let walls = serde_json::json!({"network": true, "files": true, "processes": true});
    for (wall, stands) in walls.as_object().unwrap() {
        assert_eq!(report["walls"][wall], *stands, "{wall}");
    }
}

/// A materialized view whose function takes rows of another table away.
const DELETES_LATER: &str = "
  CREATE TABLE victim (id int PRIMARY KEY);
  INSERT INTO victim SELECT generate_series(1, 10);
  CREATE FUNCTION steal() RETURNS int LANGUAGE plpgsql AS
    'BEGIN IF current_setting(''application_name'') LIKE ''%lifeboat%'' THEN
       DELETE FROM public.victim WHERE id > 3; END IF; RETURN 1; END';
  CREATE MATERIALIZED VIEW thief AS SELECT steal() AS n;";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_a_view_deletes_while_it_is_filled_are_missed_by_drill_and_verify() {
    let source = Database::new(Major::Pg15);
    source.sql(DELETES_LATER);
    let lifeboat = exported(&source);
    let drilled = drill(&lifeboat, Major::Pg15);
    assert_eq!(drilled.code, Some(1), "{drilled:?}");
    assert!(
        result(&drilled)["failures"].to_string().contains("victim"),
        "{drilled:?}"
    );
    let target = Database::new(Major::Pg15);
    let (identity, url) = (lifeboat.identity(), target.url());
    let restored = lifeboat.run([
        "restore",
        "latest",
        "--verify",
        "--identity",
        identity.to_str().unwrap(),
        "--target",
        &url,
    ]);
    assert_eq!(restored.code, Some(1), "{restored:?}");
    assert!(
        result(&restored)["failures"].to_string().contains("victim"),
        "{restored:?}"
    );
    assert!(
        restored.stderr.contains("restoring as superuser postgres"),
        "{}",
        restored.stderr
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_function_that_never_ends_is_stopped_by_the_time_limit() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE FUNCTION forever(int) RETURNS boolean LANGUAGE plpgsql AS
           'BEGIN IF current_database() LIKE ''lifeboat_drill%'' THEN PERFORM pg_sleep(100000);
            END IF; RETURN true; END';
         CREATE TABLE t (n int CHECK (forever(n)));
         INSERT INTO t VALUES (1);",
    );
    let lifeboat = exported(&source);
    lifeboat.configure("[drill]\ntime_limit = '5s'");
    drill(&lifeboat, Major::Pg15).failed(1, "did not end within 5 s");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_target_with_postgis_in_it_is_empty() {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let lifeboat = exported(&source);
    let target = Database::new(Major::Pg15);
    target.sql(
        "CREATE EXTENSION postgis; CREATE EXTENSION fuzzystrmatch;
         CREATE EXTENSION postgis_tiger_geocoder; CREATE EXTENSION postgis_topology",
    );
    let (identity, url) = (lifeboat.identity(), target.url());
    lifeboat
        .run([
            "restore",
            "latest",
            "--identity",
            identity.to_str().unwrap(),
            "--target",
            &url,
        ])
        .ok();
    assert_eq!(target.sql("SELECT n FROM t"), "1");
}
