//! What a database computes depends on its settings: it comes back as it was computed. What its settings
//! would do to a session keeps nothing from coming back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::support::cluster::{Cluster, ClusterOptions};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};
use crate::without_lifeboat::machine::{Machine, Point};

/// Each changes what [`COMPUTES`] computes.
pub const SETTINGS: &str = "timezone = 'Asia/Tokyo'
datestyle = 'SQL, DMY'
intervalstyle = 'sql_standard'
extra_float_digits = -3
bytea_output = 'escape'
default_text_search_config = 'pg_catalog.german'
app.region = 'north ''side'' \\ 1'";

/// Generated columns, checks, partitions, indexes and materialized views that read settings.
pub const COMPUTES: &str = "
  CREATE FUNCTION day(timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT $1::date';
  CREATE FUNCTION spelled(date, interval, float8, bytea) RETURNS text LANGUAGE sql IMMUTABLE
    AS 'SELECT $1::text || $2::text || $3::text || $4::text';
  CREATE FUNCTION words(text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS 'SELECT to_tsvector($1)';
  CREATE TABLE visit (id int PRIMARY KEY, at timestamptz, day date GENERATED ALWAYS AS (day(at)) STORED,
    began date CHECK (at::date = began),
    region text DEFAULT current_setting('app.region') CHECK (region = current_setting('app.region')));
  INSERT INTO visit (id, at, began) SELECT g, t, t::date
    FROM generate_series(1, 48) g, LATERAL (SELECT '2024-03-05 00:30+00'::timestamptz + g * interval '1 hour') s(t);
  CREATE INDEX visit_day ON visit (day(at));
  CREATE TABLE spelled (id int PRIMARY KEY, d date, i interval, f float8, b bytea, s text,
    CHECK (spelled(d, i, f, b) = s));
  INSERT INTO spelled SELECT *, spelled(d, i, f, b) FROM (SELECT g AS id, '2024-03-05'::date + g AS d,
    g * interval '-1 day 3 hours' AS i, 1.0::float8 / g AS f, '\\xff00'::bytea AS b FROM generate_series(1, 20) g) x;
  CREATE TABLE event (id int, at timestamptz) PARTITION BY LIST (day(at));
  CREATE TABLE event_a PARTITION OF event FOR VALUES IN ('2024-03-05');
  CREATE TABLE event_b PARTITION OF event DEFAULT;
  INSERT INTO event SELECT id, at FROM visit;
  CREATE TABLE said (id int PRIMARY KEY, body text);
  INSERT INTO said VALUES (1, 'die Boote laufen');
  CREATE INDEX said_words ON said USING gin (words(body));
  CREATE MATERIALIZED VIEW by_day AS SELECT at::date AS day, min(at)::text AS first, count(*) FROM visit GROUP BY 1;
  CREATE MATERIALIZED VIEW worded AS SELECT id, to_tsvector(body)::text AS words FROM said;";

/// All of it: by index first, under the settings of whoever asks, then printed alike.
pub const SEEN: &str = "
  SET enable_seqscan = off; SELECT count(*) FROM visit WHERE day(at) = date '2024-03-06';
  SELECT id FROM said WHERE words(body) @@ to_tsquery('boot');
  SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3;
  SET bytea_output = 'hex';
  SELECT v FROM visit v ORDER BY id; SELECT s FROM spelled s ORDER BY id;
  SELECT tableoid::regclass, e FROM event e ORDER BY id; SELECT b FROM by_day b ORDER BY day; SELECT w FROM worded w;
  SELECT conname, convalidated FROM pg_constraint WHERE contype = 'c' ORDER BY 1";

/// Alters the database; `ALTER DATABASE … SET`, one a line.
pub fn set(database: &Database, settings: &str) {
    for setting in settings.lines() {
        let sql = format!("ALTER DATABASE {} SET {setting}", database.name);
        database.major.sql("postgres", &sql);
    }
}

fn exported(database: &Database) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", database.major.bin()));
    lifeboat.export(&database.url());
    lifeboat
}

fn restore(lifeboat: &Lifeboat, target: &Database, flags: &[&str]) -> Ran {
    restore_as(lifeboat, target, "postgres", flags)
}

fn restore_as(lifeboat: &Lifeboat, target: &Database, user: &str, flags: &[&str]) -> Ran {
    let (identity, bin) = (lifeboat.identity(), target.major.bin());
    let url = target.url_as(user);
    let mut args = vec!["restore", "latest", "--verify", "--target", &url];
    args.extend(["--identity", identity.to_str().unwrap()]);
    args.extend(["--pg-bin", bin.to_str().unwrap()]);
    args.extend(flags);
    lifeboat.run(args)
}

fn drill(lifeboat: &Lifeboat) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    // As /tmp: the server is run by another user, where we are root.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let identity = lifeboat.identity();
    let folder = folder.path().to_str().unwrap();
    let identity = identity.to_str().unwrap();
    lifeboat.run(["drill", "--identity", identity, "--folder", folder])
}

fn findings(report: &Value) -> Vec<(&str, &str, &str)> {
    let list = report["result"]["findings"].as_array().unwrap().iter();
    list.map(|one| {
        let word = |key: &str| one[key].as_str().unwrap_or_default();
        (word("what"), word("why"), word("sql"))
    })
    .collect()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_a_database_computes_comes_back_as_its_own_settings_made_it() {
    let source = Database::new(Major::Pg15);
    set(&source, SETTINGS);
    source.sql(COMPUTES);
    let seen = source.sql(SEEN);
    assert!(seen.contains("north 'side'"), "{seen}");
    let lifeboat = exported(&source);
    for major in [Major::Pg15, Major::Pg18] {
        let target = Database::reserve(major);
        let ran = restore(&lifeboat, &target, &["--create"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(target.sql(SEEN), seen, "{major:?}");
    }
    let target = Database::reserve(Major::Pg15);
    let ran = restore(&lifeboat, &target, &["--create", "--table", "visit"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows =
        "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SELECT v FROM visit v ORDER BY id";
    assert_eq!(target.sql(rows), source.sql(rows));
}

/// Who restores may set a parameter of its own for its sessions only.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_come_back_where_the_user_may_not_set_what_the_database_had() {
    let source = Database::new(Major::Pg15);
    set(&source, SETTINGS);
    source.sql(COMPUTES);
    let lifeboat = exported(&source);
    let master = unique("master");
    let target = Database::reserve(Major::Pg15);
    target.major.sql(
        "postgres",
        &format!("CREATE ROLE {master} LOGIN CREATEDB CREATEROLE"),
    );
    let ran = restore_as(&lifeboat, &target, &master, &["--create"]);
    let report = ran.json();
    assert_eq!(
        report["result"]["failures"],
        serde_json::json!([]),
        "{report}"
    );
    let told = findings(&report);
    assert!(
        told.iter()
            .any(|(what, _, sql)| what.contains("app.region") && sql.contains("ALTER DATABASE")),
        "{report}"
    );
    let allowed = format!("SET app.region = 'north ''side'' \\ 1'; {SEEN}");
    assert_eq!(target.sql(&allowed), source.sql(&allowed));
    drop(target);
    let role = format!("DROP ROLE {master}");
    Major::Pg15.sql("postgres", &role);
}

/// Before it ends: sessions that read nothing, wait for nothing, and see nothing.
const STOPS: &str = "statement_timeout = '20ms'
lock_timeout = '1ms'
idle_in_transaction_session_timeout = '20ms'
default_transaction_read_only = on
default_transaction_isolation = 'serializable'
default_transaction_deferrable = on
row_security = off
client_encoding = 'LATIN1'
client_min_messages = error
standard_conforming_strings = off
quote_all_identifiers = on
array_nulls = off
xmloption = document
transform_null_equals = on
search_path = 'nowhere'
default_tablespace = ''";

const STOPPED: &str = "
  CREATE TABLE t (id int PRIMARY KEY, a text[], s text DEFAULT 'a\\b', i interval, CHECK (a IS NOT NULL));
  INSERT INTO t (id, a, i) SELECT g, ARRAY['NULL', NULL, 'a\\b'], g * interval '-1 day 3 hours'
    FROM generate_series(1, 3000) g;
  INSERT INTO t VALUES (0, '{}', 'é', NULL);
  CREATE MATERIALIZED VIEW m AS SELECT count(*), pg_sleep(0.1) IS NULL FROM t;
  CREATE TABLE cfg (least int); INSERT INTO cfg VALUES (0);
  CREATE FUNCTION pos(n int) RETURNS boolean LANGUAGE plpgsql AS
    $$BEGIN RETURN n > (SELECT least FROM cfg); END$$;
  CREATE TABLE later (id int PRIMARY KEY CHECK (pos(id))); INSERT INTO later VALUES (1);";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn settings_that_stop_a_session_stop_no_restore_no_resume_and_no_drill() {
    for major in [Major::Pg15, Major::Pg18] {
        let source = Database::new(major);
        source.sql(STOPPED);
        if major == Major::Pg15 {
            // The tests' 18 knows no XML.
            source.sql("CREATE TABLE x (x xml); INSERT INTO x VALUES ('two <b/>'), ('<a/>')");
        }
        for setting in STOPS
            .lines()
            .chain((major == Major::Pg18).then_some("transaction_timeout = '50ms'"))
        {
            let (name, whose) = (
                &source.name,
                format!("ROLE postgres IN DATABASE {}", source.name),
            );
            // The restoring user's own, and everybody's.
            major.sql(
                "postgres",
                &format!("ALTER DATABASE {name} SET {setting}; ALTER {whose} SET {setting}"),
            );
        }
        // Who exports stays who it is; who reads what a drill restored would not.
        let name = &source.name;
        major.sql(
            "postgres",
            &format!(
                "ALTER DATABASE {name} SET role = 'pg_monitor';
                 ALTER ROLE postgres IN DATABASE {name} SET role = 'none'"
            ),
        );
        let lifeboat = exported(&source);
        let target = Database::reserve(major);
        let ran = restore(&lifeboat, &target, &["--create"]);
        assert_eq!(
            ran.code,
            Some(1),
            "what a CHECK needs is mended below: {ran:?}"
        );
        // A session of the database's own would not get that far.
        let options = "-c statement_timeout=0 -c default_transaction_read_only=off";
        let mended = Command::new(major.bin().join("psql"))
            .args([
                "-XqAt",
                "-d",
                &target.url(),
                "-c",
                "ALTER FUNCTION public.pos SET search_path = public",
            ])
            .env("PGOPTIONS", options)
            .output()
            .unwrap();
        assert!(mended.status.success(), "{mended:?}");
        let ran = restore(&lifeboat, &target, &["--resume"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let rows = ran.json()["result"]["rows"].as_u64().unwrap();
        assert_eq!(
            rows,
            if major == Major::Pg15 { 3005 } else { 3003 },
            "{ran:?}"
        );
        let drilled = drill(&lifeboat);
        assert!(
            drilled.stdout.contains("later"),
            "only what needs a search_path: {drilled:?}"
        );
        assert!(!drilled.stdout.contains("due to"), "{drilled:?}");
    }
}

/// The tests' PostgreSQL 18 has no auto_explain.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_setting_with_which_nobody_can_log_in_is_taken_back_and_told() {
    for whose in ["DATABASE", "ROLE postgres IN DATABASE"] {
        let source = Database::new(Major::Pg15);
        source.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
        let library = "SET session_preload_libraries = 'auto_explain'";
        source.sql(&format!("ALTER {whose} {} {library}", source.name));
        self::set(&source, "work_mem = '5MB'");
        let lifeboat = exported(&source);
        let target = Database::reserve(Major::Pg18);
        let ran = restore(&lifeboat, &target, &["--create"]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let report = ran.json();
        let told = findings(&report);
        let is_told = |(what, why, sql): &(&str, &str, &str)| {
            what.contains("session_preload_libraries")
                && why.contains("taken back")
                && sql.contains("'auto_explain'")
        };
        assert_eq!(
            told.iter().filter(|one| is_told(one)).count(),
            1,
            "{report}"
        );
        assert_eq!(target.sql("SELECT id FROM t; SHOW work_mem"), "1\n5MB");
    }
}

fn url_of(cluster: &Cluster, database: &str) -> String {
    let url = cluster.url();
    format!("{}/{database}", url.strip_suffix("/postgres").unwrap())
}

/// What the source's server had set, no database carries: a drill's server has it, another server's
/// administrator is told.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_was_computed_under_the_servers_settings_comes_back_too() {
    let settings = [
        ("timezone", "America/New_York"),
        ("datestyle", "German"),
        ("intervalstyle", "iso_8601"),
        ("extra_float_digits", "-3"),
        ("bytea_output", "escape"),
        ("default_text_search_config", "pg_catalog.german"),
    ];
    let bin = Major::Pg15.bin();
    let cluster = Cluster::start(
        bin.to_str().unwrap(),
        &ClusterOptions {
            settings: &settings,
            ..ClusterOptions::default()
        },
    );
    cluster.sql("CREATE DATABASE app");
    cluster.sql("ALTER DATABASE app SET app.region = 'north ''side'' \\ 1'");
    cluster.sql_in("app", COMPUTES);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&url_of(&cluster, "app"));
    let target = Database::reserve(Major::Pg15);
    let ran = restore(&lifeboat, &target, &["--create"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = ran.json()["result"]["to_do"].to_string();
    assert!(told.contains("TimeZone = America/New_York"), "{told}");
    let alike = settings.map(|(name, value)| format!("SET {name} = '{value}'; "));
    let seen = format!("{}{SEEN}", alike.concat());
    assert_eq!(target.sql(&seen), cluster.sql_in("app", &seen));
    let drilled = drill(&lifeboat);
    assert_eq!(drilled.code, Some(0), "{drilled:?}");
}

const MONEY: &str = "
  CREATE TABLE price (id int PRIMARY KEY, eur money DEFAULT '1.234,56 €', said text CHECK (eur::text = said),
    low money CHECK (low < '99.999,00 €'));
  INSERT INTO price VALUES (1, '12,34 €', '12,34 €', '7,00 €'), (2, DEFAULT, '1.234,56 €', NULL);
  CREATE TABLE many (m money[] CHECK (m[1]::text ~ '€')); INSERT INTO many VALUES ('{\"1.000,50 €\"}');
  CREATE TABLE plain (id int GENERATED ALWAYS AS IDENTITY, m money); INSERT INTO plain (m) VALUES ('-1.000,50 €');
  CREATE VIEW cheap AS SELECT * FROM price WHERE eur < '1.000,00 €';
  CREATE FUNCTION spelled(money) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text';
  CREATE TABLE named (id int GENERATED ALWAYS AS IDENTITY, m money, s text GENERATED ALWAYS AS (spelled(m)) STORED);
  INSERT INTO named (m) VALUES ('5,00 €');
  CREATE INDEX price_spelled ON price (spelled(eur));
  CREATE TABLE ranged (m money) PARTITION BY RANGE (m);
  CREATE TABLE ranged_a PARTITION OF ranged FOR VALUES FROM (MINVALUE) TO ('1.000,00 €');
  CREATE TABLE ranged_b PARTITION OF ranged DEFAULT;
  INSERT INTO ranged VALUES ('999,99 €'), ('1.000,00 €');
  CREATE MATERIALIZED VIEW shown AS SELECT id, eur::text FROM price;";

const MONEY_SEEN: &str = "
  SET enable_seqscan = off; SELECT id FROM price WHERE spelled(eur) = '12,34 €'; RESET enable_seqscan;
  SELECT s FROM named; SELECT s FROM shown s ORDER BY id;
  SET lc_monetary = 'C';
  INSERT INTO plain (m) SELECT eur FROM cheap; INSERT INTO price (id, said) VALUES (3, '$1,234.56');
  SELECT p FROM price p ORDER BY id; SELECT m FROM many m; SELECT p FROM plain p ORDER BY id;
  SELECT tableoid::regclass, m FROM ranged ORDER BY m;
  SELECT pg_get_viewdef('cheap'), pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'ranged_a';
  SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' ORDER BY conname";

/// Money prints and reads as lc_monetary says, and what is computed from it says the same.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn money_in_rows_and_definitions_keeps_its_value_under_any_lc_monetary() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let locale = folder.path().join("de_DE.utf8");
    let mut localedef = Command::new("localedef");
    localedef.args(["-c", "-i", "de_DE", "-f", "UTF-8"]);
    let made = localedef.arg(&locale).output().unwrap();
    assert!(locale.join("LC_MONETARY").exists(), "{made:?}");
    let bin = Major::Pg15.bin();
    let cluster = Cluster::start(
        bin.to_str().unwrap(),
        &ClusterOptions {
            locales: Some(folder.path()),
            ..ClusterOptions::default()
        },
    );
    for name in ["app", "by_hand"] {
        cluster.sql(&format!("CREATE DATABASE {name} TEMPLATE template0"));
    }
    cluster.sql("ALTER DATABASE app SET lc_monetary = 'de_DE.utf8'");
    cluster.sql_in("app", MONEY);
    let url = |name: &str| url_of(&cluster, name);
    let lifeboat = Lifeboat::init();
    let id = lifeboat.export(&url("app"))["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let seen = cluster.sql_in("app", MONEY_SEEN);
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let restored = url("restored");
    let args = [
        "restore",
        "latest",
        "--verify",
        "--create",
        "--identity",
        identity,
        "--target",
        &restored,
    ];
    let ran = lifeboat.run(args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(cluster.sql_in("restored", MONEY_SEEN), seen);
    let point = Point { lifeboat, id };
    let machine = Machine::new(Major::Pg15);
    let trust = point.lifeboat.fingerprint();
    point.restore(&machine, &trust, &url("by_hand")).ok();
    assert_eq!(cluster.sql_in("by_hand", MONEY_SEEN), seen);
}
