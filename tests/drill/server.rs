//! `drill --server`: somebody's server is afterwards as it was before; what cannot be removed is named.

use serde_json::Value;

use crate::roundtrip::Unsubscribe;
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

fn exported(source: &Database) -> Lifeboat {
    let (lifeboat, bin) = (Lifeboat::init(), source.major.bin());
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    lifeboat.export(&source.url());
    lifeboat
}

fn drill(lifeboat: &Lifeboat, major: Major, user: &str) -> Ran {
    let (identity, bin) = (lifeboat.identity(), major.bin());
    lifeboat.run([
        "drill",
        "--identity",
        identity.to_str().unwrap(),
        "--pg-bin",
        bin.to_str().unwrap(),
        "--server",
        &major.url_of(user, "postgres"),
    ])
}

/// Databases of this report's drill.
fn databases(report: &Value, major: Major) -> String {
    let id = report["id"].as_str().unwrap().to_lowercase();
    let sql = format!("SELECT datname FROM pg_database WHERE datname = 'lifeboat_drill_{id}'");
    major.sql("postgres", &sql)
}

fn roles(like: &str, major: Major) -> String {
    let sql = format!("SELECT rolname FROM pg_roles WHERE rolname LIKE '%{like}'");
    major.sql("postgres", &sql)
}

#[track_caller]
fn nothing_is_left(ran: Ran, role: &str, major: Major) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json()["result"].clone();
    assert!(report["attestation"].is_string(), "{report:#}");
    assert_eq!(databases(&report, major), "");
    assert_eq!(roles(role, major), "");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_server_of_somebody_gets_a_database_and_loses_it_again() {
    let (role, source) = (unique("drilled"), Database::new(Major::Pg15));
    source.sql(&format!(
        "CREATE TABLE users AS SELECT generate_series(1, 10) AS id;
         CREATE ROLE {role}; ALTER TABLE users OWNER TO {role}"
    ));
    let lifeboat = exported(&source);
    source.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    let ran = drill(&lifeboat, Major::Pg15, "postgres");
    nothing_is_left(ran, &role, Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_template_with_subscriptions_that_its_event_triggers_defend_goes_again() {
    let (name, source) = (unique("sub"), Database::new(Major::Pg15));
    let database = &source.name;
    source.sql(&format!(
        "CREATE TABLE t AS SELECT 1 AS n;
         CREATE SUBSCRIPTION {name} CONNECTION 'host=nowhere.invalid dbname=x' PUBLICATION p
           WITH (connect = false);
         CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
           'BEGIN IF current_database() LIKE ''lifeboat_drill%'' THEN RAISE ''no''; END IF; END';
         CREATE EVENT TRIGGER no_change ON ddl_command_start EXECUTE FUNCTION refuse();
         ALTER DATABASE {database} IS_TEMPLATE true"
    ));
    let _free = Unsubscribe(&source);
    let lifeboat = exported(&source);
    source.sql(&format!("ALTER DATABASE {database} IS_TEMPLATE false"));
    let ran = drill(&lifeboat, Major::Pg15, "postgres");
    nothing_is_left(ran, "no role", Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_that_lets_nobody_in_as_who_he_is_goes_again() {
    let (name, source) = (unique("sub"), Database::new(Major::Pg15));
    let (role, user) = (unique("drilled"), unique("drills"));
    let database = &source.name;
    source.sql(&format!(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE {role};
         CREATE SUBSCRIPTION {name} CONNECTION 'host=nowhere.invalid dbname=x' PUBLICATION p
           WITH (connect = false);
         ALTER DATABASE {database} SET role = '{role}'; ALTER DATABASE {database} CONNECTION LIMIT 0"
    ));
    let _free = Unsubscribe(&source);
    let lifeboat = exported(&source);
    let open = format!(
        "ALTER DATABASE {database} RESET role; ALTER DATABASE {database} CONNECTION LIMIT -1;
         DROP ROLE {role}; CREATE ROLE {user} SUPERUSER LOGIN"
    );
    Major::Pg15.sql("postgres", &open);
    let ran = drill(&lifeboat, Major::Pg15, &user);
    nothing_is_left(ran, &role, Major::Pg15);
    Major::Pg15.sql("postgres", &format!("DROP ROLE {user}"));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_roles_of_the_server_may_do_stays_as_it_is() {
    let (member, source) = (unique("there"), Database::new(Major::Pg15));
    source.sql(&format!(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE {member};
         GRANT pg_read_all_data TO {member}; GRANT SET ON PARAMETER log_min_messages TO {member}"
    ));
    let lifeboat = exported(&source);
    source.sql(&format!(
        "REVOKE pg_read_all_data FROM {member};
         REVOKE SET ON PARAMETER log_min_messages FROM {member}"
    ));
    let ran = drill(&lifeboat, Major::Pg15, "postgres");
    let report = ran.json()["result"].clone();
    let not_tried = report["not_tried"].to_string();
    for name in [
        format!("{member} in pg_read_all_data"),
        "log_min_messages".to_owned(),
    ] {
        assert!(not_tried.contains(&name), "{name}: {ran:?}");
    }
    let holds = format!(
        "SELECT pg_has_role('{member}', 'pg_read_all_data', 'MEMBER'),
                has_parameter_privilege('{member}', 'log_min_messages', 'SET')"
    );
    assert_eq!(source.sql(&holds), "f|f");
    source.sql(&format!("DROP ROLE {member}"));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn roles_that_granted_each_other_something_go_together() {
    let (suffix, source) = (unique("drilled"), Database::new(Major::Pg18));
    let [one, two] = ["a", "b"].map(|letter| format!("{letter}{suffix}"));
    let [team, crew] = ["t", "u"].map(|letter| format!("{letter}{suffix}"));
    // Each has granted what the other holds.
    let granting = |from: &str, what: &str, to: &str| {
        format!(
            "GRANT {what} TO {from} WITH ADMIN TRUE; SET ROLE {from}; GRANT {what} TO {to}; RESET ROLE;"
        )
    };
    source.sql(&format!(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE {one} LOGIN; CREATE ROLE {two} LOGIN;
         CREATE ROLE {team}; CREATE ROLE {crew}; {} {}",
        granting(&one, &team, &two),
        granting(&two, &crew, &one),
    ));
    let lifeboat = exported(&source);
    source.sql(&format!("DROP ROLE {one}, {two}, {team}, {crew}"));
    let ran = drill(&lifeboat, Major::Pg18, "postgres");
    nothing_is_left(ran, &suffix, Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_owner_without_superuser_removes_what_became_another_roles() {
    for major in [Major::Pg15, Major::Pg18] {
        let [owner, user] = [unique("drilled"), unique("drills")];
        let source = Database::new(major);
        source.sql(&format!(
            "CREATE TABLE t AS SELECT 1 AS n; CREATE ROLE {owner}; ALTER TABLE t OWNER TO {owner};
             ALTER DATABASE {} OWNER TO {owner}",
            source.name
        ));
        let lifeboat = exported(&source);
        source.sql(&format!(
            "ALTER DATABASE {} OWNER TO postgres; DROP OWNED BY {owner}; DROP ROLE {owner};
             CREATE ROLE {user} LOGIN CREATEDB CREATEROLE",
            source.name
        ));
        let ran = drill(&lifeboat, major, &user);
        // Its rights do not reach for all properties: that is told.
        let report = ran.json()["result"].clone();
        assert_eq!(report["failures"], serde_json::json!([]), "{ran:?}");
        assert!(
            !report["findings"].to_string().contains("it was left on"),
            "{report:#}"
        );
        assert_eq!(databases(&report, major), "");
        assert_eq!(roles(&owner, major), "");
        source.sql(&format!("DROP ROLE {user}"));
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_cannot_be_removed_is_named_with_its_statement_and_the_drill_stands() {
    let (role, source) = (unique("drilled"), Database::new(Major::Pg15));
    let elsewhere = Database::new(Major::Pg15);
    let other = &elsewhere.name;
    source.sql(&format!(
        "CREATE ROLE {role};
         CREATE FUNCTION ties(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
           IF current_database() LIKE 'lifeboat_drill%' THEN
             EXECUTE 'GRANT CONNECT ON DATABASE {other} TO {role}';
           END IF; RETURN true; END $$;
         CREATE TABLE t (n int CHECK (ties(n))); INSERT INTO t VALUES (1)"
    ));
    let lifeboat = exported(&source);
    source.sql(&format!("DROP ROLE {role}"));
    let ran = drill(&lifeboat, Major::Pg15, "postgres");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report = ran.json()["result"].clone();
    assert!(report["attestation"].is_string(), "{report:#}");
    assert_eq!(databases(&report, Major::Pg15), "");
    let findings = report["findings"].as_array().unwrap().iter();
    let left: Vec<&Value> = findings
        .filter(|one| one["what"].as_str().unwrap().contains(&role))
        .collect();
    assert_eq!(left.len(), 1, "{report:#}");
    assert!(left[0]["why"].as_str().unwrap().contains("it was left on"));
    assert_eq!(left[0]["sql"], format!("DROP ROLE IF EXISTS \"{role}\""));
    source.sql(&format!("DROP OWNED BY {role}"));
    source.sql(left[0]["sql"].as_str().unwrap());
}
