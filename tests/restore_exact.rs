//! What a restore says of a target that is not as the source was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

/// Exports, and drops the source.
fn exported(sql: &str) -> Lifeboat {
    let source = Database::new(Major::Pg15);
    source.sql(sql);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    lifeboat
}

fn restore(lifeboat: &Lifeboat, target: &Database, flags: &[&str]) -> Ran {
    restore_into(lifeboat, &target.url(), flags)
}

fn restore_into(lifeboat: &Lifeboat, url: &str, flags: &[&str]) -> Ran {
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let fixed = ["restore", "latest", "--identity", identity, "--target", url];
    lifeboat.run(fixed.iter().chain(flags))
}

fn of<'a>(report: &'a Value, list: &str) -> Vec<(&'a str, &'a str)> {
    let list = report["result"][list].as_array().unwrap().iter();
    let text = |one: &'a Value, key: &str| one[key].as_str().unwrap();
    list.map(|one| (text(one, "what"), text(one, "why")))
        .collect()
}

fn names<'a>(report: &'a Value, list: &str) -> Vec<&'a str> {
    of(report, list).into_iter().map(|one| one.0).collect()
}

/// A pg_restore that leaves out entries of these kinds and says nothing.
fn forgetful(folder: &Path, kinds: &str) {
    let real = Major::Pg15.bin().join("pg_restore");
    let script = format!(
        "#!/bin/bash\n\
         args=()\n\
         for arg; do\n\
           case $arg in --use-list=*)\n\
             for id in $({real:?} --list \"${{@: -1}}\" | grep -E ' ({kinds}) ' | cut -d';' -f1); do\n\
               sed -i \"/^$id;/d\" \"${{arg#*=}}\"\n\
             done ;;\n\
           esac\n\
           args+=(\"$arg\")\n\
         done\n\
         exec {real:?} \"${{args[@]}}\"\n"
    );
    let path = folder.join("pg_restore");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

const KEYS: &str = "
  CREATE TABLE a (id int PRIMARY KEY, n int UNIQUE, CHECK (n > 0));
  CREATE TABLE b (id int, a int CONSTRAINT b_to_a REFERENCES a, CONSTRAINT apart EXCLUDE (id WITH =));
  CREATE INDEX plain ON b (a);
  -- Names as an index may share them with a key and a check.
  CREATE INDEX b_to_a ON b (a);
  ALTER TABLE b ADD CONSTRAINT plain CHECK (a > 0);
  CREATE UNIQUE INDEX only_once ON b (a, id);
  CREATE TABLE p (k int PRIMARY KEY) PARTITION BY LIST (k);
  CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1);
  INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1); INSERT INTO p VALUES (1);";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_key_that_is_not_there_is_a_failure_even_where_nothing_failed() {
    let lifeboat = exported(KEYS);
    let target = Database::new(Major::Pg15);
    assert_eq!(restore(&lifeboat, &target, &[]).code, Some(0));
    let cases = [
        ("FK CONSTRAINT", &["foreign key b_to_a of public.b"][..]),
        ("INDEX ATTACH", &["primary key p_pkey of public.p"]),
        ("INDEX", &["unique index only_once of public.b"]),
        (
            "CONSTRAINT",
            &[
                "primary key a_pkey of public.a",
                "unique constraint a_n_key of public.a",
                "exclusion constraint apart of public.b",
            ],
        ),
    ];
    for (kinds, missing) in cases {
        let tools = tempfile::tempdir().unwrap();
        forgetful(tools.path(), kinds);
        let target = Database::new(Major::Pg15);
        let bin = tools.path().to_str().unwrap();
        let ran = restore(&lifeboat, &target, &["--pg-bin", bin]);
        assert_eq!(ran.code, Some(1), "{kinds}: {ran:?}");
        let report = ran.json();
        let failures = of(&report, "failures");
        for wanted in missing {
            assert!(
                failures.iter().any(|(what, _)| what == wanted),
                "{wanted}: {report}"
            );
        }
        if kinds == "INDEX" {
            let findings = of(&report, "findings");
            assert!(
                findings
                    .iter()
                    .any(|(what, _)| *what == "index plain of public.b"),
                "{report}"
            );
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_belongs_to_foreign_tables_is_not_missed() {
    let wrapper = unique("fdw");
    let lifeboat = exported(&format!(
        "CREATE EXTENSION postgres_fdw;
         CREATE SERVER {wrapper} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'none');
         CREATE FOREIGN TABLE far (a int, CONSTRAINT positive CHECK (a > 0)) SERVER {wrapper};
         CREATE TABLE p (a int) PARTITION BY LIST (a);
         CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1);
         CREATE FOREIGN TABLE p_2 PARTITION OF p FOR VALUES IN (2) SERVER {wrapper};
         CREATE INDEX over ON p (a);"
    ));
    let target = Database::new(Major::Pg15);
    let ran = restore(&lifeboat, &target, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // A server without the wrapper: a partition is missing, and nothing is said of its check.
    let (bin, other) = (Major::Pg16.bin(), Database::new(Major::Pg16));
    let flags = ["--pg-bin", bin.to_str().unwrap()];
    let report = restore_into(&lifeboat, &other.url(), &flags).json();
    let failures = names(&report, "failures");
    assert_eq!(failures, ["TABLE ATTACH public p_2 postgres"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_schema_public_that_is_gone_or_was_made_anew_is_told() {
    let lifeboat = exported("CREATE TABLE t (a int)");
    let target = Database::new(Major::Pg15);
    target.sql("DROP SCHEMA public");
    restore(&lifeboat, &target, &[]).failed(1, "it has no schema public");
    target.sql("CREATE SCHEMA public");
    let ran = restore(&lifeboat, &target, &[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report = ran.json();
    let findings = names(&report, "findings");
    let expected = [
        "privileges of the schema public",
        "owner of schema public",
        "comment on schema public",
    ];
    assert_eq!(findings, expected);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn privileges_that_the_target_had_before_are_a_finding() {
    let lifeboat = exported("CREATE TABLE t (a int)");
    let target = Database::new(Major::Pg15);
    let name = target.name.clone();
    target.sql(&format!(
        "GRANT CREATE ON SCHEMA public TO PUBLIC; REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"
    ));
    let ran = restore(&lifeboat, &target, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    assert_eq!(names(&report, "failures"), ["privileges of schema public"]);
    let findings = names(&report, "findings");
    assert_eq!(
        findings,
        [
            "privileges of the database",
            "privileges of the schema public"
        ]
    );
    // Granted and taken back is as it was.
    let target = Database::new(Major::Pg15);
    target
        .sql("GRANT CREATE ON SCHEMA public TO PUBLIC; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    assert_eq!(restore(&lifeboat, &target, &[]).code, Some(0));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_role_that_is_there_with_other_rights_is_a_finding_and_stays() {
    // Roles are the whole server's: other tests would meet this one.
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    cluster.sql("CREATE ROLE app LOGIN BYPASSRLS; CREATE TABLE t (a int)");
    cluster.sql("CREATE DATABASE target TEMPLATE template0");
    let source = cluster.url();
    let target = format!("{}/target", source.trim_end_matches("/postgres"));
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source);
    cluster.sql("ALTER ROLE app NOBYPASSRLS CREATEDB");
    let ran = restore_into(&lifeboat, &target, &[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let why = "it is there already, without BYPASSRLS and with CREATEDB, and stays as it is";
    assert_eq!(of(&ran.json(), "findings"), [("role \"app\"", why)]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_lay_in_a_missing_tablespace_lies_in_the_default_one() {
    let (space, folder) = (unique("space"), tempfile::tempdir().unwrap());
    // The server runs as another user.
    let chown = std::process::Command::new("chown")
        .arg("postgres")
        .arg(folder.path())
        .status();
    if !chown.unwrap().success() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let server = Major::Pg15;
    server.sql(
        "postgres",
        &format!(
            "CREATE TABLESPACE {space} LOCATION '{}'",
            folder.path().display()
        ),
    );
    let source = Database::new(server);
    source.sql(&format!(
        "CREATE TABLE t (a int PRIMARY KEY USING INDEX TABLESPACE {space}) TABLESPACE {space};
         INSERT INTO t VALUES (1)"
    ));
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let there = Database::new(server);
    let ran = restore(&lifeboat, &there, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let place =
        "SELECT count(*) FROM pg_class WHERE relname IN ('t', 't_pkey') AND reltablespace <> 0";
    assert_eq!(there.sql(place), "2");
    drop((source, there));
    server.sql("postgres", &format!("DROP TABLESPACE {space}"));
    let gone = Database::new(server);
    let ran = restore(&lifeboat, &gone, &["--verify"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report = ran.json();
    let findings = of(&report, "findings");
    assert_eq!(findings.len(), 1, "{report}");
    assert_eq!(findings[0].0, format!("tablespaces {space}"));
    assert_eq!(gone.sql(place), "0");
}
