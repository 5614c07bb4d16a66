//! Privileges on parameters, `GRANT … ON PARAMETER`, come back with the roles. The oracle is what
//! `pg_dumpall -g` says of them; grantors are not compared.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};
use crate::without_lifeboat::machine::{Machine, Point};

const GRANTS: &str = r#"
  CREATE ROLE tuner; CREATE ROLE helper; CREATE ROLE "odd ""one";
  GRANT SET, ALTER SYSTEM ON PARAMETER log_statement TO tuner WITH GRANT OPTION;
  GRANT SET ON PARAMETER log_statement TO helper;
  SET ROLE tuner; GRANT SET ON PARAMETER log_statement TO helper; RESET ROLE;
  GRANT SET ON PARAMETER log_min_messages TO PUBLIC, "odd ""one";
  GRANT SET ON PARAMETER app.level TO helper;
  GRANT ALTER SYSTEM ON PARAMETER work_mem TO pg_monitor;"#;

fn server(major: Major) -> Cluster {
    Cluster::start(major.bin().to_str().unwrap(), &ClusterOptions::default())
}

/// A server of 15 with [`GRANTS`] and more, and its restore point.
fn exported(more: &str) -> (Cluster, Point) {
    let source = server(Major::Pg15);
    source.sql(GRANTS);
    source.sql(more);
    let lifeboat = Lifeboat::init();
    let pg_bin = bench("LIFEBOAT_TEST_PG15_BIN");
    lifeboat.configure(&format!("[export]\npg_bin = [{pg_bin:?}]"));
    let report = lifeboat.export(&source.socket_url("postgres", "postgres"));
    let id = report["id"].as_str().unwrap().to_owned();
    (source, Point { lifeboat, id })
}

/// What pg_dumpall carries of them.
fn of_pg_dumpall(cluster: &Cluster) -> BTreeSet<String> {
    let output = cluster
        .client("pg_dumpall")
        .args(["-g", "-U", "postgres"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.contains(" ON PARAMETER "));
    lines.map(str::to_owned).collect()
}

fn restore(point: &Point, major: Major, target: &str, flags: &[&str]) -> Ran {
    let identity = point.lifeboat.identity();
    let bin = major.bin();
    let (identity, bin) = (identity.to_str().unwrap(), bin.to_str().unwrap());
    let mut args = vec!["restore", "latest", "--create", "--identity", identity];
    args.extend(["--target", target, "--pg-bin", bin]);
    args.extend(flags);
    point.lifeboat.run(args)
}

fn findings(ran: &Ran) -> Vec<Value> {
    let found = ran.json()["result"]["findings"].clone();
    found.as_array().unwrap().clone()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_superuser_gives_privileges_on_parameters_as_they_were() {
    let (source, point) = exported("");
    let target = server(Major::Pg15);
    let ran = restore(
        &point,
        Major::Pg15,
        &target.socket_url("postgres", "copy"),
        &[],
    );
    assert_eq!(findings(&ran), Vec::<Value>::new());
    ran.ok();
    assert_eq!(of_pg_dumpall(&target), of_pg_dumpall(&source));
    assert_eq!(of_pg_dumpall(&target).len(), 6);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn without_privileges_nobody_is_given_a_parameter() {
    let (_source, point) = exported("");
    let target = server(Major::Pg15);
    let url = target.socket_url("postgres", "copy");
    restore(&point, Major::Pg15, &url, &["--no-privileges"]).ok();
    assert_eq!(of_pg_dumpall(&target), BTreeSet::new());
}

/// One that may not grant is refused, or told nothing but a warning: both are findings, with the SQL
/// that a superuser runs. What RDS gave its own roles is not the user's to give.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_a_master_user_may_not_grant_is_a_finding_with_its_sql() {
    let (source, point) = exported(
        "CREATE ROLE rdsadmin SUPERUSER; CREATE ROLE rds_superuser;
         GRANT SET ON PARAMETER log_duration TO rds_superuser",
    );
    let target = server(Major::Pg15);
    target.sql(
        "CREATE ROLE master LOGIN CREATEROLE CREATEDB;
         GRANT SET, ALTER SYSTEM ON PARAMETER log_statement TO master WITH GRANT OPTION;
         GRANT SET ON PARAMETER log_min_messages TO master",
    );
    let url = target.socket_url("master", "copy");
    let ran = restore(&point, Major::Pg15, &url, &[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let missing: Vec<Value> = findings(&ran)
        .into_iter()
        .filter(|one| one["what"].as_str().unwrap().contains("on parameter"))
        .collect();
    let what: BTreeSet<&str> = missing
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    let expected = BTreeSet::from([
        r#"privilege SET on parameter "log_min_messages" for PUBLIC"#,
        r#"privilege SET on parameter "log_min_messages" for role "odd ""one""#,
        r#"privilege SET on parameter "app.level" for role "helper""#,
        r#"privilege ALTER SYSTEM on parameter "work_mem" for role "pg_monitor""#,
    ]);
    assert_eq!(what, expected, "{missing:#?}");
    assert_eq!(
        missing.len(),
        expected.len(),
        "each is told once: {missing:#?}"
    );
    for one in &missing {
        target.sql(one["sql"].as_str().unwrap());
    }
    let without = |cluster: &Cluster, role: &str| {
        let mut lines = of_pg_dumpall(cluster);
        lines.retain(|line| !line.contains(role));
        lines
    };
    let (there, here) = (without(&source, "rds_"), without(&target, "TO master"));
    assert_eq!(here, there);

    // What is there by now needs no right to be granted.
    let again = restore(
        &point,
        Major::Pg15,
        &target.socket_url("master", "again"),
        &[],
    );
    let about = findings(&again);
    let about = about.iter().map(Value::to_string);
    assert_eq!(about.filter(|one| one.contains("on parameter")).count(), 0);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_parameter_that_the_target_does_not_know_is_a_finding() {
    let (source, point) = exported("GRANT SET ON PARAMETER old_snapshot_threshold TO tuner");
    let target = server(Major::Pg18);
    let url = target.socket_url("postgres", "copy");
    let ran = restore(&point, Major::Pg18, &url, &[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let found = findings(&ran);
    assert_eq!(found.len(), 1, "{found:#?}");
    let said = found[0].to_string();
    for part in [
        "old_snapshot_threshold",
        "configuration parameter",
        "GRANT SET",
    ] {
        assert!(said.contains(part), "no '{part}' in {said}");
    }
    let mut expected = of_pg_dumpall(&source);
    expected.retain(|line| !line.contains("old_snapshot_threshold"));
    assert_eq!(of_pg_dumpall(&target), expected);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_does_not_try_privileges_on_parameters() {
    let (_source, point) = exported("CREATE TABLE t AS SELECT 1 AS a");
    let identity = point.lifeboat.identity();
    let drill = ["drill", "latest", "--identity", identity.to_str().unwrap()];
    let result = point.lifeboat.run(drill).ok().json()["result"].clone();
    let not_tried = result["not_tried"].as_array().unwrap();
    let names: BTreeSet<&str> = not_tried
        .iter()
        .filter(|one| one["kind"] == "parameter privilege")
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 7, "{result:#}");
    assert!(names.contains("ALTER SYSTEM on work_mem for pg_monitor"));
    assert!(names.contains("SET on log_min_messages for PUBLIC"));
    assert_eq!(result["findings"], json!([]), "{result:#}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn privileges_on_parameters_come_back_without_lifeboat() {
    let (source, point) = exported("");
    let trust = point.lifeboat.fingerprint();
    let machine = Machine::new(Major::Pg15);
    let target = server(Major::Pg15);
    target.sql("CREATE DATABASE copy TEMPLATE template0");
    let ran = point.restore(&machine, &trust, &target.socket_url("postgres", "copy"));
    assert!(ran.ok().stderr.contains("errors left    0"));
    assert_eq!(of_pg_dumpall(&target), of_pg_dumpall(&source));

    let other = server(Major::Pg15);
    other.sql("CREATE ROLE master LOGIN CREATEROLE CREATEDB");
    other.sql("CREATE DATABASE copy TEMPLATE template0 OWNER master");
    other.sql("GRANT SET ON PARAMETER log_min_messages TO master");
    let ran = point.restore(&machine, &trust, &other.socket_url("master", "copy"));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for parameter in ["log_statement", "log_min_messages", "app.level", "work_mem"] {
        assert!(ran.stderr.contains(parameter), "{parameter}: {ran:?}");
    }
}
