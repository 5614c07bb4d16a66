//! Nobody's bytes stop another's backup: roles, databases, comments and settings of an instance hold bytes
//! in whatever encoding their author's database had, and names in SQL_ASCII are any bytes.

use serde_json::{Value, json};

use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};
use crate::without_lifeboat::machine::{Machine, Point};

fn url(cluster: &Cluster, database: &str) -> String {
    cluster.socket_url("postgres", database)
}

/// A server of one's own, as everybody sees its roles.
struct Instance {
    cluster: Cluster,
    lifeboat: Lifeboat,
}

impl Instance {
    fn start(bin: &str) -> Self {
        let it = Self {
            cluster: Cluster::start(&bench(bin), &ClusterOptions::default()),
            lifeboat: Lifeboat::init(),
        };
        it.lifeboat.configure(&format!(
            "[[source]]\nname = \"prod\"\nurl = {:?}\ndatabases = \"all\"\n[export]\npg_bin = [{:?}]",
            url(&it.cluster, "postgres"),
            bench(bin)
        ));
        it
    }

    fn database(&self, name: &str, encoding: &str) {
        self.cluster.sql(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        ));
        let table =
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 7)";
        self.cluster.sql_in(name, table);
    }

    /// Runs SQL whose bytes go to the server as they are.
    fn raw(&self, database: &str, sql: &[u8]) {
        let mut sql = sql.to_vec();
        sql.insert(0, b' ');
        let file = self.cluster.socket().join("raw.sql");
        std::fs::write(&file, &sql).unwrap();
        let encoding = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()";
        let encoding = self.cluster.sql_in(database, encoding);
        let output = (self.cluster.client("psql"))
            .args([
                "-Xq",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-d",
                database,
            ])
            .arg("-f")
            .arg(&file)
            .env("PGCLIENTENCODING", encoding)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// What each database came to: its rows, or its failure.
    #[track_caller]
    fn export(&self) -> Value {
        let ran = self.lifeboat.run(["export"]);
        assert_ne!(ran.code, Some(1), "{ran:?}");
        let result = ran.json()["result"].clone();
        assert_eq!(result["failures"], json!([]), "{result}");
        result
    }
}

fn names(result: &Value) -> Vec<String> {
    let databases = result["databases"].as_array().unwrap();
    let name = |one: &Value| one["database"].as_str().unwrap().to_owned();
    databases.iter().map(name).collect()
}

/// All that an instance shows to each of its databases, written in one of LATIN1.
fn every_database_is_exported(bin: &str) {
    let it = Instance::start(bin);
    for (name, encoding) in [
        ("utf", "UTF8"),
        ("latin", "LATIN1"),
        ("win", "WIN1252"),
        ("japan", "EUC_JP"),
        ("ascii", "SQL_ASCII"),
    ] {
        it.database(name, encoding);
    }
    it.raw(
        "latin",
        b"CREATE ROLE \"j\xfcrgen\" LOGIN; COMMENT ON ROLE \"j\xfcrgen\" IS 'f\xfcr';
          CREATE ROLE \"gr\xf6\xdfe\"; GRANT \"gr\xf6\xdfe\" TO \"j\xfcrgen\";
          ALTER ROLE \"j\xfcrgen\" SET application_name = 'f\xfcr';
          COMMENT ON DATABASE utf IS 'f\xfcr'; COMMENT ON DATABASE latin IS 'f\xfcr';
          ALTER DATABASE utf SET application_name = 'f\xfcr';
          ALTER TABLE t OWNER TO \"j\xfcrgen\";",
    );
    // No letters of WIN1252 and of EUC_JP.
    it.raw(
        "utf",
        "CREATE ROLE \"Ёж\"; CREATE ROLE \"jürgen\"; ALTER TABLE t OWNER TO \"Ёж\"".as_bytes(),
    );
    it.raw(
        "latin",
        b"CREATE DATABASE \"gr\xf6\xdfe\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'",
    );
    let result = it.export();
    let mut expected = [
        "ascii",
        "gr\u{10fef6}\u{10fedf}e",
        "japan",
        "latin",
        "postgres",
        "utf",
        "win",
    ];
    expected.sort_unstable();
    let mut found = names(&result);
    found.sort();
    assert_eq!(found, expected);
    let databases = result["databases"].as_array().unwrap();
    let utf = databases
        .iter()
        .find(|one| one["database"] == "utf")
        .unwrap();
    let left = utf["not_covered"].to_string();
    assert!(left.contains("names in another encoding"), "{left}");
    // On a terminal, each is one line and shows which bytes they are.
    let shown = it.lifeboat.bare(["export", "--dry-run"]);
    assert!(shown.stdout.contains(r"gr\xf6\xdfe"), "{shown:?}");
    assert!(
        shown.stdout.chars().all(|c| c == '\n' || !c.is_control()),
        "{shown:?}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn every_database_of_15_is_exported_beside_latin1() {
    every_database_is_exported("LIFEBOAT_TEST_PG15_BIN");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn every_database_of_16_is_exported_beside_latin1() {
    every_database_is_exported("LIFEBOAT_TEST_PG16_BIN");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn every_database_of_18_is_exported_beside_latin1() {
    every_database_is_exported("LIFEBOAT_TEST_PG18_BIN");
}

fn restored(lifeboat: &Lifeboat, database: &str, target: &str, flags: &[&str]) -> Ran {
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let fixed = [
        "restore",
        "latest",
        "--database",
        database,
        "--identity",
        identity,
    ];
    let target = ["--target", target, "--create", "--verify"];
    lifeboat.run(fixed.iter().chain(&target).chain(flags))
}

/// Names of bytes that are no UTF-8, wherever lifeboat writes a name itself.
const ASCII: &[u8] = b"
  CREATE SCHEMA \"sch\xe9\"; CREATE TABLE \"sch\xe9\".\"caf\xe9\" (\"n\xb0\" int PRIMARY KEY, \"t\xff\xfe\" text);
  INSERT INTO \"sch\xe9\".\"caf\xe9\" SELECT g, E'\\xe9' || g FROM generate_series(1, 500) g;
  CREATE SEQUENCE \"s\xe9q\"; SELECT setval('\"s\xe9q\"', 42);
  CREATE MATERIALIZED VIEW \"m\xe9\" AS SELECT * FROM \"sch\xe9\".\"caf\xe9\";
  CREATE TYPE \"typ\xe9\" AS ENUM ('\xe9t\xe9', 'hiver'); CREATE TABLE saison (s \"typ\xe9\");
  INSERT INTO saison VALUES ('\xe9t\xe9');
  CREATE ROLE \"ren\xe9\"; COMMENT ON ROLE \"ren\xe9\" IS 'c\xe9sar';
  ALTER TABLE \"sch\xe9\".\"caf\xe9\" OWNER TO \"ren\xe9\"; GRANT USAGE ON SCHEMA \"sch\xe9\" TO \"ren\xe9\";
  SELECT lo_from_bytea(7, 'x'); ALTER LARGE OBJECT 7 OWNER TO \"ren\xe9\";
  COMMENT ON LARGE OBJECT 7 IS 'gro\xdf'; COMMENT ON DATABASE ascii IS 'd\xe9j\xe0';
  ALTER ROLE \"ren\xe9\" IN DATABASE ascii SET application_name = 'd\xe9j\xe0';
  CREATE INDEX \"i\xe9\" ON \"sch\xe9\".\"caf\xe9\" (\"t\xff\xfe\");
  CREATE TABLE \"caf\xc3\xa9\" (id int); INSERT INTO \"caf\xc3\xa9\" VALUES (1);";

/// Everything above, as hexadecimal digits.
const SHOW: &str = r#"SELECT encode(replace(string_agg(what, ', ' ORDER BY what COLLATE "C"), '\', '\\')::bytea, 'hex') FROM (
  SELECT n.nspname || '.' || relname || ' ' || relkind::text || relowner::regrole::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname !~ '^pg_|^info'
  UNION ALL SELECT attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
             WHERE c.oid >= 16384 AND attnum > 0 AND relkind IN ('r', 'm')
  UNION ALL SELECT shobj_description(oid, 'pg_authid') FROM pg_authid WHERE oid >= 16384
  UNION ALL SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT setconfig::text FROM pg_db_role_setting
  UNION ALL SELECT lomowner::regrole::text || obj_description(oid, 'pg_largeobject') FROM pg_largeobject_metadata
  UNION ALL SELECT s::text FROM saison) AS all_of_it(what)"#;

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn names_of_sql_ascii_come_back_byte_by_byte() {
    for (from, to) in [("PG15", "PG15"), ("PG15", "PG18"), ("PG18", "PG18")] {
        let (from, to) = (
            format!("LIFEBOAT_TEST_{from}_BIN"),
            format!("LIFEBOAT_TEST_{to}_BIN"),
        );
        let source = Instance::start(&from);
        source.database("ascii", "SQL_ASCII");
        source.raw("ascii", ASCII);
        source.export();
        let lifeboat = &source.lifeboat;
        let verified = lifeboat.run([
            "verify",
            "latest",
            "--database",
            "ascii",
            "--data",
            "--identity",
            lifeboat.identity().to_str().unwrap(),
        ]);
        assert_eq!(
            verified.json()["result"]["problems"],
            json!([]),
            "{verified:?}"
        );
        let target = Cluster::start(&bench(&to), &ClusterOptions::default());
        let url = url(&target, "ascii");
        let ran = restored(lifeboat, "ascii", &url, &["--pg-bin", &bench(&to)]);
        assert_eq!(ran.json()["result"]["findings"], json!([]), "{ran:?}");
        ran.ok();
        assert_eq!(
            target.sql_in("ascii", SHOW),
            source.cluster.sql_in("ascii", SHOW),
            "{from} {to}"
        );
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_point_of_sql_ascii_is_drilled_sound() {
    let source = Instance::start("LIFEBOAT_TEST_PG15_BIN");
    source.database("ascii", "SQL_ASCII");
    source.raw("ascii", ASCII);
    source.export();
    let identity = source.lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let ran = source.lifeboat.run([
        "drill",
        "latest",
        "--database",
        "ascii",
        "--identity",
        identity,
    ]);
    let result = ran.json()["result"].clone();
    assert_eq!(result["failures"], json!([]), "{result}");
    assert_eq!(result["findings"], json!([]), "{result}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn names_of_sql_ascii_come_back_without_lifeboat() {
    let options = "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'";
    let source = Database::with(Major::Pg15, options);
    // psql passes an argument's bytes through an escape, as this file is UTF-8.
    source.sql(
        r#"DO $$BEGIN
             EXECUTE format('CREATE TABLE %I (%I int)', E'caf\xe9', E'n\xb0');
             EXECUTE format('INSERT INTO %I SELECT generate_series(1, 100)', E'caf\xe9');
             EXECUTE format('CREATE SEQUENCE %I START 42', E's\xe9q');
           END$$"#,
    );
    let point = Point::of(&source);
    let target = Database::with(Major::Pg15, options);
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&Machine::new(Major::Pg15), &trust, &target.url());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let show = r"SELECT string_agg(encode(relname::text::bytea, 'hex') || relkind::text, ' ' ORDER BY relname)
                   FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(target.sql(show), source.sql(show));
}

/// A name that is bytes in this database's encoding, because a neighbour's does not convert.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn names_that_do_not_convert_come_back_as_bytes() {
    let source = Instance::start("LIFEBOAT_TEST_PG15_BIN");
    source.database("win", "WIN1252");
    source.database("utf", "UTF8");
    source.raw("utf", "CREATE ROLE \"Ё\"".as_bytes());
    source.raw(
        "win",
        b"CREATE TABLE \"caf\xe9\" (\"n\xc3\xa9\" int); INSERT INTO \"caf\xe9\" VALUES (1)",
    );
    source.export();
    let target = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    let url = url(&target, "win");
    let ran = restored(&source.lifeboat, "win", &url, &[]);
    assert_ne!(ran.code, Some(1), "{ran:?}");
    let show =
        "SELECT string_agg(encode(convert_to(attname, 'WIN1252'), 'hex'), ' ' ORDER BY attname)
                  FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
                 WHERE c.oid >= 16384 AND attnum > 0 AND relnamespace = 'public'::regnamespace";
    assert_eq!(
        target.sql_in("win", show),
        source.cluster.sql_in("win", show)
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_target_with_a_role_of_another_encoding_is_restored_into() {
    let source = Instance::start("LIFEBOAT_TEST_PG15_BIN");
    source.database("utf", "UTF8");
    source.export();
    let target = Instance::start("LIFEBOAT_TEST_PG15_BIN");
    target.database("latin", "LATIN1");
    target.raw("latin", b"CREATE ROLE \"j\xfcrgen\"");
    let url = url(&target.cluster, "utf");
    restored(&source.lifeboat, "utf", &url, &[]).ok();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_invalid_database_is_a_finding_and_the_others_are_exported() {
    let it = Instance::start("LIFEBOAT_TEST_PG15_BIN");
    for name in ["bad", "good"] {
        it.database(name, "UTF8");
    }
    it.cluster
        .sql("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'bad'");
    let result = it.export();
    assert_eq!(names(&result), ["good", "postgres"]);
    let findings = result["findings"].to_string();
    assert!(findings.contains("DROP DATABASE \\\"bad\\\""), "{findings}");
    assert_eq!(result["uncovered"], json!([]), "{result}");
}
