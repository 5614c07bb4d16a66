//! `drill --server`: somebody's server is afterwards as it was before; what cannot be removed is named.

use serde_json::Value;

use crate::support::cluster::Cluster;
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

/// A server of the test's own, as a drill makes every role that a point has: with database `app`.
struct Server {
    cluster: Cluster,
    major: Major,
}

impl Server {
    fn start(major: Major) -> Self {
        let cluster = Cluster::without_passwords(&major.bin());
        cluster.sql("CREATE DATABASE app");
        Self { cluster, major }
    }

    fn sql(&self, sql: &str) -> String {
        self.cluster.sql_in("app", sql)
    }

    fn exported(&self) -> Lifeboat {
        let (lifeboat, bin) = (Lifeboat::init(), self.major.bin());
        lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
        lifeboat.export(&self.cluster.url_as("postgres", "app"));
        lifeboat
    }

    fn drill(&self, lifeboat: &Lifeboat, user: &str) -> Ran {
        let (identity, bin) = (lifeboat.identity(), self.major.bin());
        lifeboat.run([
            "drill",
            "--identity",
            identity.to_str().unwrap(),
            "--pg-bin",
            bin.to_str().unwrap(),
            "--server",
            &self.cluster.url_as(user, "postgres"),
        ])
    }

    /// Those that a drill made.
    fn databases(&self) -> String {
        self.cluster
            .sql("SELECT datname FROM pg_database WHERE datname LIKE 'lifeboat%'")
    }

    fn roles(&self) -> String {
        self.cluster
            .sql("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1")
    }

    #[track_caller]
    fn has_nothing_left(&self, ran: Ran, roles: &str) {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let report = ran.json()["result"].clone();
        assert!(report["attestation"].is_string(), "{report:#}");
        assert_eq!(self.databases(), "");
        assert_eq!(self.roles(), roles);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_server_of_somebody_gets_a_database_and_loses_it_again() {
    let server = Server::start(Major::Pg15);
    server.sql(
        "CREATE TABLE users AS SELECT generate_series(1, 10) AS id;
         CREATE ROLE drilled; ALTER TABLE users OWNER TO drilled",
    );
    let lifeboat = server.exported();
    server.sql("DROP OWNED BY drilled; DROP ROLE drilled");
    let ran = server.drill(&lifeboat, "postgres");
    server.has_nothing_left(ran, "postgres");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_template_with_subscriptions_that_its_event_triggers_defend_goes_again() {
    let server = Server::start(Major::Pg15);
    server.sql(
        "CREATE TABLE t AS SELECT 1 AS n;
         CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid dbname=x' PUBLICATION p
           WITH (connect = false);
         CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
           'BEGIN IF current_database() LIKE ''lifeboat_drill%'' THEN RAISE ''no''; END IF; END';
         CREATE EVENT TRIGGER no_change ON ddl_command_start EXECUTE FUNCTION refuse();
         ALTER DATABASE app IS_TEMPLATE true",
    );
    let lifeboat = server.exported();
    let ran = server.drill(&lifeboat, "postgres");
    server.has_nothing_left(ran, "postgres");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_that_lets_nobody_in_as_who_he_is_goes_again() {
    let server = Server::start(Major::Pg15);
    server.sql(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE drilled;
         CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid dbname=x' PUBLICATION p
           WITH (connect = false);
         CREATE ROLE drills SUPERUSER LOGIN; ALTER ROLE drills IN DATABASE app SET role = 'drilled';
         ALTER DATABASE app CONNECTION LIMIT 0",
    );
    let lifeboat = server.exported();
    server.sql("ALTER ROLE drills IN DATABASE app RESET role; DROP ROLE drilled");
    let ran = server.drill(&lifeboat, "drills");
    server.has_nothing_left(ran, "drills\npostgres");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_roles_of_the_server_may_do_stays_as_it_is() {
    let server = Server::start(Major::Pg15);
    server.sql(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE there;
         GRANT pg_read_all_data TO there; GRANT SET ON PARAMETER log_min_messages TO there;
         CREATE ROLE drilled; GRANT drilled TO there",
    );
    let lifeboat = server.exported();
    server.sql(
        "REVOKE pg_read_all_data FROM there; REVOKE SET ON PARAMETER log_min_messages FROM there;
         DROP ROLE drilled",
    );
    let ran = server.drill(&lifeboat, "postgres");
    let report = ran.json()["result"].clone();
    let not_tried = report["not_tried"].to_string();
    for name in [
        "there in pg_read_all_data",
        "there in drilled",
        "log_min_messages",
    ] {
        assert!(not_tried.contains(name), "{name}: {ran:?}");
    }
    let holds = "SELECT pg_has_role('there', 'pg_read_all_data', 'MEMBER'),
                        has_parameter_privilege('there', 'log_min_messages', 'SET')";
    assert_eq!(server.sql(holds), "f|f");
    server.has_nothing_left(ran, "postgres\nthere");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn roles_that_granted_each_other_something_go_together() {
    let server = Server::start(Major::Pg18);
    // Each has granted what the other holds.
    let granting = |from: &str, what: &str, to: &str| {
        format!(
            "GRANT {what} TO {from} WITH ADMIN TRUE; SET ROLE {from}; GRANT {what} TO {to}; RESET ROLE;"
        )
    };
    server.sql(&format!(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE one LOGIN; CREATE ROLE two LOGIN;
         CREATE ROLE team; CREATE ROLE crew; {} {}",
        granting("one", "team", "two"),
        granting("two", "crew", "one"),
    ));
    let lifeboat = server.exported();
    server.sql("DROP ROLE one, two, team, crew");
    let ran = server.drill(&lifeboat, "postgres");
    server.has_nothing_left(ran, "postgres");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_owner_without_superuser_removes_what_became_another_roles() {
    for major in [Major::Pg15, Major::Pg18] {
        let server = Server::start(major);
        server.sql(
            "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE owner; ALTER TABLE t OWNER TO owner;
             ALTER DATABASE app OWNER TO owner",
        );
        let lifeboat = server.exported();
        server.sql(
            "ALTER DATABASE app OWNER TO postgres; DROP OWNED BY owner; DROP ROLE owner;
             CREATE ROLE drills LOGIN CREATEDB CREATEROLE",
        );
        let ran = server.drill(&lifeboat, "drills");
        // Its rights do not reach for all properties: that is told.
        let report = ran.json()["result"].clone();
        assert_eq!(report["failures"], serde_json::json!([]), "{ran:?}");
        assert!(
            !report["findings"].to_string().contains("it was left on"),
            "{report:#}"
        );
        assert_eq!(server.databases(), "");
        assert_eq!(server.roles(), "drills\npostgres");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_cannot_be_removed_is_named_with_its_statement_and_the_drill_stands() {
    let server = Server::start(Major::Pg15);
    server.cluster.sql("CREATE DATABASE other");
    server.sql(
        "CREATE ROLE drilled;
         CREATE FUNCTION ties(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
           IF current_database() LIKE 'lifeboat_drill%' THEN
             EXECUTE 'GRANT CONNECT ON DATABASE other TO drilled';
           END IF; RETURN true; END $$;
         CREATE TABLE t (n int CHECK (ties(n))); INSERT INTO t VALUES (1)",
    );
    let lifeboat = server.exported();
    server.sql("DROP ROLE drilled");
    let ran = server.drill(&lifeboat, "postgres");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report = ran.json()["result"].clone();
    assert!(report["attestation"].is_string(), "{report:#}");
    assert_eq!(server.databases(), "");
    let findings = report["findings"].as_array().unwrap().iter();
    let left: Vec<&Value> = findings
        .filter(|one| one["what"].as_str().unwrap().contains("drilled"))
        .collect();
    assert_eq!(left.len(), 1, "{report:#}");
    assert!(left[0]["why"].as_str().unwrap().contains("it was left on"));
    assert_eq!(left[0]["sql"], "DROP ROLE IF EXISTS \"drilled\"");
    server.sql("REVOKE CONNECT ON DATABASE other FROM drilled");
    server.sql(left[0]["sql"].as_str().unwrap());
    assert_eq!(server.roles(), "postgres");
}
