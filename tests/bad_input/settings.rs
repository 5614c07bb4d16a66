//! Settings of roles and databases that would stop a long job do not stop ours.

use super::{Roles, restoring};
use crate::support::{Database, Lifeboat, Major, unique};

/// What an administrator sets for the sake of the application.
fn hurry(role: &str, database: &str) -> String {
    let mut sql = String::new();
    for setting in [
        "statement_timeout = '300ms'",
        "idle_in_transaction_session_timeout = '300ms'",
        "idle_session_timeout = '300ms'",
        "transaction_timeout = '300ms'",
        "default_transaction_read_only = on",
        "default_transaction_isolation = serializable",
        "default_transaction_deferrable = on",
        "search_path = nowhere",
        "DateStyle = 'German, DMY'",
        "IntervalStyle = sql_standard",
        "bytea_output = escape",
        "extra_float_digits = -10",
        "TimeZone = 'Asia/Kathmandu'",
        "client_encoding = LATIN1",
        "standard_conforming_strings = off",
        "array_nulls = off",
        "row_security = on",
        "quote_all_identifiers = on",
        "client_min_messages = debug1",
    ] {
        sql +=
            &format!("ALTER ROLE {role} SET {setting}; ALTER DATABASE {database} SET {setting};");
    }
    sql
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn settings_of_the_role_and_the_database_do_not_break_a_backup_or_a_restore() {
    let role = unique("lbt_hurried");
    let _roles = Roles(vec![(Major::Pg18, role.clone())]);
    let source = Database::new(Major::Pg18);
    // Slow enough for every limit above: rows, an index and a view that take a second each.
    source.sql(&format!(
        "CREATE ROLE {role} LOGIN SUPERUSER;
         CREATE TABLE wide AS SELECT g AS id, repeat('é', 500) AS text, now() AS at,
                interval '1 day -2 hours' AS span, '\\x00ff'::bytea AS bytes, 0.1::float8 AS part,
                ARRAY[NULL, 'x'] AS several FROM generate_series(1, 4000) g;
         CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
           $$BEGIN IF $1 = 1 THEN PERFORM pg_catalog.pg_sleep(1); END IF; RETURN $1; END$$;
         CREATE INDEX ON wide (slow(id));
         CREATE MATERIALIZED VIEW seen AS SELECT slow(id) FROM wide WHERE id = 1;
         CREATE TABLE \"🛟\" (n int);
         SELECT lo_from_bytea(0, '\\x00'::bytea);"
    ));
    let rows = "SELECT md5(string_agg(w::text, ',' ORDER BY id)) FROM wide w";
    let before = source.sql(rows);
    source.sql(&hurry(&role, &source.name));
    let lifeboat = Lifeboat::init();
    let bin = Major::Pg18.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    let url = source.url_as(&role);
    lifeboat
        .run(["export", "--source", &url, "--rate-limit", "2MiB/s"])
        .ok();

    let target = Database::new(Major::Pg18);
    target.sql(&hurry(&role, &target.name));
    let bin = bin.to_str().unwrap();
    let url = target.url_as(&role);
    lifeboat
        .run(restoring(&lifeboat, &url, &["--verify", "--pg-bin", bin]))
        .ok();
    let pinned = "SET DateStyle = 'ISO, MDY'; SET IntervalStyle = postgres; SET bytea_output = hex;
                  SET extra_float_digits = 1; SET TimeZone = 'UTC'; SET client_encoding = UTF8;
                  SET statement_timeout = 0; SET transaction_timeout = 0; SET search_path = public;";
    let both = |database: &Database| {
        let reset = format!("{pinned} {rows}");
        database.sql(&reset)
    };
    assert_eq!(both(&target), both(&source));
    assert!(!before.is_empty());
    assert_eq!(
        target.sql("SET search_path = public; SELECT count(*) FROM seen"),
        "1"
    );
}
