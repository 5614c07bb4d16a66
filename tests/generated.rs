//! What a restore computes anew, stored generated columns and materialized views: it says where values are not
//! those that were exported.

use serde_json::{Value, json};

use crate::support::lane::Lane;
use crate::support::{Database, Lifeboat, Major};

fn exported(source: &Database) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    let bin = source.major.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    lifeboat.export(&source.url());
    lifeboat
}

/// Restores, and returns exit code and report.
fn restored(lifeboat: &Lifeboat, target: &Database, flags: &[&str]) -> (Option<i32>, Value) {
    let (identity, url, bin) = (lifeboat.identity(), target.url(), target.major.bin());
    let fixed = [
        "restore",
        "latest",
        "--identity",
        identity.to_str().unwrap(),
    ];
    let into = ["--target", &url, "--pg-bin", bin.to_str().unwrap()];
    let ran = lifeboat.run(fixed.iter().chain(&into).chain(flags));
    let report = ran.json()["result"].clone();
    assert_eq!(report["failures"], json!([]), "{report:#}");
    (ran.code, report)
}

fn drilled(lifeboat: &Lifeboat, major: Major) -> (Option<i32>, Value) {
    let (identity, bin) = (lifeboat.identity(), major.bin());
    let (identity, bin) = (identity.to_str().unwrap(), bin.to_str().unwrap());
    let ran = lifeboat.run(["drill", "--identity", identity, "--pg-bin", bin]);
    (ran.code, ran.json()["result"].clone())
}

/// What the findings are about.
fn found(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|one| one["what"].as_str().unwrap()).collect()
}

/// The generated columns of a table as the sealed catalog names them.
fn noted(lifeboat: &Lifeboat, table: &str) -> Vec<String> {
    let catalog = lifeboat.catalog("latest");
    let mut tables = catalog["tables"].as_array().unwrap().iter();
    let table = tables.find(|one| one["name"] == table).unwrap();
    let generated = table["generated"].as_array().unwrap().iter();
    generated
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Five rows by one rate of tax, one by the next.
const RATE_CHANGED: &str = "
  CREATE FUNCTION vat(n numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT n * 1.19';
  CREATE TABLE invoice (id int PRIMARY KEY, net numeric, gross numeric(9, 2) GENERATED ALWAYS AS (vat(net)) STORED);
  INSERT INTO invoice (id, net) SELECT g, g * 100 FROM generate_series(1, 5) g;
  CREATE OR REPLACE FUNCTION vat(n numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT n * 1.16';
  INSERT INTO invoice (id, net) VALUES (6, 600);";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn values_that_a_changed_function_computes_otherwise_are_a_finding_with_the_statement_that_finds_them()
 {
    let source = Database::new(Major::Pg15);
    source.sql(RATE_CHANGED);
    let lifeboat = exported(&source);
    let target = Database::new(Major::Pg15);
    let (code, report) = restored(&lifeboat, &target, &["--verify"]);
    assert_eq!(found(&report), ["generated column gross of public.invoice"]);
    assert_eq!(code, Some(3));
    let look = report["findings"][0]["sql"].as_str().unwrap();
    let look = format!("SELECT string_agg(id::text, ' ' ORDER BY id) FROM ({look}) l");
    assert_eq!(source.sql(&look), "1 2 3 4 5");

    let (code, report) = drilled(&lifeboat, Major::Pg15);
    assert_eq!(found(&report), ["generated column gross of public.invoice"]);
    assert_eq!((code, &report["failures"]), (Some(3), &json!([])));
    // Nothing is read again.
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &[]);
    assert_eq!((code, found(&report)), (Some(0), vec![]));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn once_the_source_computed_them_anew_nothing_is_said() {
    let source = Database::new(Major::Pg15);
    source.sql(RATE_CHANGED);
    source.sql("UPDATE invoice SET net = net");
    let lifeboat = exported(&source);
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &["--verify"]);
    assert_eq!((code, found(&report)), (Some(0), vec![]));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_same_values_in_other_rows_are_not_the_same() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE FUNCTION f(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n';
         CREATE TABLE two (n int, same int GENERATED ALWAYS AS (n) STORED, g int GENERATED ALWAYS AS (f(n)) STORED,
           h int GENERATED ALWAYS AS (f(n) * 0) STORED);
         INSERT INTO two (n) VALUES (1), (2);
         CREATE OR REPLACE FUNCTION f(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 3 - n'",
    );
    let lifeboat = exported(&source);
    assert_eq!(noted(&lifeboat, "two"), ["same", "g", "h"]);
    let target = Database::new(Major::Pg15);
    let (code, report) = restored(&lifeboat, &target, &["--verify"]);
    assert_eq!(
        target.sql("SELECT array_agg(g ORDER BY n) FROM two"),
        "{2,1}"
    );
    assert_eq!(found(&report), ["generated column g of public.two"]);
    assert_eq!(code, Some(3));
}

/// Names and values that COPY text escapes, no column but generated ones, several slices, a child that
/// inherits, collations that differ, types without an equality.
const SHAPES: &str = r#"
  CREATE FUNCTION twice(t text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT t || E'\t\n\\' || t $$;
  CREATE FUNCTION as_json(t text) RETURNS json IMMUTABLE LANGUAGE sql AS $$ SELECT to_json(t) $$;
  CREATE SCHEMA "odd ""schema";
  CREATE TABLE "odd ""schema"."odd table" ("a ""b" text COLLATE "C",
    "g%s" text COLLATE "C" GENERATED ALWAYS AS (twice("a ""b")) STORED, last int,
    "h 'h" json GENERATED ALWAYS AS (as_json("a ""b")) STORED);
  INSERT INTO "odd ""schema"."odd table" VALUES (E'tab\tand\nline', DEFAULT, 1), (NULL, DEFAULT, NULL), ('', DEFAULT, 3), ('\.', DEFAULT, 4);
  CREATE TABLE "odd ""schema".child (extra int) INHERITS ("odd ""schema"."odd table");
  INSERT INTO "odd ""schema".child ("a ""b", extra) VALUES ('child', 7);
  CREATE TABLE only_generated (a int GENERATED ALWAYS AS (42) STORED, b text GENERATED ALWAYS AS (twice(NULL) IS NULL) STORED);
  INSERT INTO only_generated SELECT FROM generate_series(1, 3);
  CREATE TABLE without_rows (a int, g int GENERATED ALWAYS AS (a + 1) STORED);
  CREATE TABLE sliced (id int, t text, g text GENERATED ALWAYS AS (twice(t)) STORED);
  ALTER TABLE sliced ALTER t SET STORAGE EXTERNAL, ALTER g SET STORAGE EXTERNAL;
  INSERT INTO sliced SELECT g, repeat(md5(g::text), 100) FROM generate_series(1, 20000) g;"#;

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_of_every_shape_come_back_with_their_generated_values() {
    let source = Database::new(Major::Pg15);
    source.sql(SHAPES);
    let lifeboat = exported(&source);
    assert_eq!(noted(&lifeboat, "odd table"), ["g%s", "h 'h"]);
    assert_eq!(noted(&lifeboat, "only_generated"), ["a", "b"]);
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &["--verify"]);
    assert_eq!((code, found(&report)), (Some(0), vec![]));
    // What is stored has no generated values.
    assert_eq!(lifeboat.verify("latest")["rows"], 20_008);

    source.sql(
        "CREATE OR REPLACE FUNCTION twice(t text) RETURNS text IMMUTABLE LANGUAGE sql AS
           $$ SELECT t $$;
         CREATE OR REPLACE FUNCTION as_json(t text) RETURNS json IMMUTABLE LANGUAGE sql AS
           $$ SELECT to_json(t || t) $$",
    );
    lifeboat.export(&source.url());
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &["--verify"]);
    assert_eq!(code, Some(3));
    let mut names = found(&report);
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "generated column g of public.sliced",
            r#"generated column g%s of odd \"schema.child"#,
            r#"generated column g%s of odd \"schema.odd table"#,
            r#"generated column h \'h of odd \"schema.child"#,
            r#"generated column h \'h of odd \"schema.odd table"#,
        ]
    );
    for finding in report["findings"].as_array().unwrap() {
        let look = format!(
            "SELECT count(*) FROM ({}) l",
            finding["sql"].as_str().unwrap()
        );
        assert_ne!(source.sql(&look), "0", "{look}");
    }
}

/// Rows that only the root can sort into partitions elsewhere: by numbers of labels, which are others in each
/// database, so many that some row moves, but in `still`. The partitions of `mixed` and `still` have their columns
/// in different orders.
const THROUGH_ROOT: &str = "
  DO $$BEGIN
    EXECUTE 'CREATE TYPE mood AS ENUM (' || (SELECT string_agg(quote_literal('mood ' || g), ',') FROM generate_series(1, 60) g) || ')';
  END$$;
  CREATE FUNCTION f(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n + 1';
  CREATE TABLE felt (m mood, n int, g int GENERATED ALWAYS AS (f(n)) STORED, h int GENERATED ALWAYS AS (n * 2) STORED)
    PARTITION BY HASH (m);
  CREATE TABLE felt_0 PARTITION OF felt FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE felt_1 (h int GENERATED ALWAYS AS (n * 2) STORED, m mood, g int GENERATED ALWAYS AS (f(n)) STORED, n int);
  ALTER TABLE felt ATTACH PARTITION felt_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE mixed (LIKE felt INCLUDING GENERATED) PARTITION BY HASH (m);
  CREATE TABLE mixed_0 PARTITION OF mixed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE mixed_1 (n int, g int GENERATED ALWAYS AS (f(n)) STORED, h int GENERATED ALWAYS AS (n * 2) STORED, m mood);
  ALTER TABLE mixed ATTACH PARTITION mixed_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE still (k int, m mood, n int) PARTITION BY LIST (k);
  CREATE TABLE still_1 PARTITION OF still FOR VALUES IN (1) PARTITION BY HASH (m);
  CREATE TABLE still_1_all PARTITION OF still_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
  CREATE TABLE still_2 (n int, m mood, k int) PARTITION BY HASH (m);
  CREATE TABLE still_2_all PARTITION OF still_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
  ALTER TABLE still ATTACH PARTITION still_2 FOR VALUES IN (2);
  INSERT INTO felt SELECT (enum_range(NULL::mood))[g], g FROM generate_series(1, 60) g;
  INSERT INTO mixed SELECT m, n FROM felt;
  INSERT INTO still SELECT 1 + n % 2, m, n FROM felt;";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn partitions_loaded_through_their_root_are_compared_together() {
    const COUNTED: &str = "table public.mixed";
    let source = Database::new(Major::Pg15);
    source.sql(THROUGH_ROOT);
    let lifeboat = exported(&source);
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &["--verify"]);
    assert_eq!(
        (code, found(&report)),
        (Some(3), vec![COUNTED]),
        "{report:#}"
    );
    source.sql(
        "CREATE OR REPLACE FUNCTION f(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n + 2'",
    );
    lifeboat.export(&source.url());
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &["--verify"]);
    assert_eq!(
        found(&report),
        [COUNTED, "generated column g of public.felt"]
    );
    assert_eq!(code, Some(3));
    let look = report["findings"][1]["sql"].as_str().unwrap();
    assert_eq!(
        source.sql(&format!("SELECT count(*) FROM ({look}) l")),
        "60"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn columns_computed_at_reading_are_not_noted() {
    let source = Database::new(Major::Pg18);
    source.sql(
        "CREATE TABLE kinds (n int, v int GENERATED ALWAYS AS (n * 2) VIRTUAL, s int GENERATED ALWAYS AS (n * 3) STORED);
         INSERT INTO kinds VALUES (1), (2)",
    );
    let lifeboat = exported(&source);
    assert_eq!(noted(&lifeboat, "kinds"), ["s"]);
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg18), &["--verify"]);
    assert_eq!((code, found(&report)), (Some(0), vec![]));
}

/// The digests of materialized views that the sealed catalog has.
fn noted_views(lifeboat: &Lifeboat) -> Vec<(String, Value)> {
    let catalog = lifeboat.catalog("latest");
    let views = catalog["materialized_views"].as_array().unwrap().iter();
    views
        .map(|one| {
            (
                one["name"].as_str().unwrap().to_owned(),
                one["digest"]["rows"].clone(),
            )
        })
        .collect()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn materialized_views_whose_rows_come_out_otherwise_are_a_finding() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE TABLE t AS SELECT g AS n FROM generate_series(1, 10) g;
         CREATE MATERIALIZED VIEW same AS SELECT n, 'x' || n AS x FROM t;
         CREATE MATERIALIZED VIEW stale AS SELECT n FROM t WHERE n < 100;
         CREATE MATERIALIZED VIEW over AS SELECT count(*) AS n FROM stale;
         CREATE MATERIALIZED VIEW random AS SELECT n, random() AS r FROM t;
         CREATE MATERIALIZED VIEW empty AS SELECT n FROM t WITH NO DATA;
         INSERT INTO t VALUES (11), (111); REFRESH MATERIALIZED VIEW same",
    );
    let lifeboat = exported(&source);
    let of = |name: &str, rows: Value| (name.to_owned(), rows);
    let mut noted = noted_views(&lifeboat);
    noted.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        of("empty", Value::Null),
        of("over", json!(1)),
        of("random", json!(10)),
        of("same", json!(12)),
        of("stale", json!(10)),
    ];
    assert_eq!(noted, expected);
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &["--verify"]);
    let mut names = found(&report);
    names.sort_unstable();
    let others = ["over", "random", "stale"].map(|one| format!("materialized view public.{one}"));
    assert_eq!(names, others);
    assert_eq!(code, Some(3));
    let findings = report["findings"].to_string();
    assert!(
        findings.contains("(11 rows, exported were 10)"),
        "{findings}"
    );
    let (code, report) = drilled(&lifeboat, Major::Pg15);
    assert_eq!((code, found(&report).len()), (Some(3), 3));
    // Not without being asked to read.
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &[]);
    assert_eq!((code, found(&report)), (Some(0), vec![]));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_materialized_view_that_was_filled_since_the_snapshot_is_not_noted() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE TABLE t AS SELECT 1 AS n; CREATE MATERIALIZED VIEW held AS SELECT n FROM t;
         CREATE MATERIALIZED VIEW filled AS SELECT n FROM t",
    );
    let psql = || {
        let mut psql = std::process::Command::new(source.major.bin().join("psql"));
        psql.args(["-XqAt", "-d", &source.url()]);
        psql
    };
    // As long as it holds the view, nobody prints it, so the export has no more than its snapshot.
    let mut holder = psql()
        .args([
            "-c",
            "BEGIN; REFRESH MATERIALIZED VIEW held; SELECT pg_sleep(600)",
        ])
        .spawn()
        .unwrap();
    let wait_for = |locks: &str| {
        while source.sql(locks) == "0" {
            std::thread::yield_now();
        }
    };
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 'held'::regclass AND mode =";
    wait_for(&format!("{held} 'AccessExclusiveLock' AND granted"));
    let lifeboat = std::thread::scope(|scope| {
        let (lane, source) = (Lane::current(), &source);
        let export = scope.spawn(move || {
            lane.enter();
            exported(source)
        });
        wait_for(&format!("{held} 'AccessShareLock' AND NOT granted"));
        source.sql("INSERT INTO t VALUES (2); REFRESH MATERIALIZED VIEW filled");
        source.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; REFRESH%'");
        export.join().unwrap()
    });
    holder.wait().unwrap();
    let mut noted = noted_views(&lifeboat);
    noted.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        noted,
        [
            ("filled".to_owned(), Value::Null),
            ("held".to_owned(), json!(1))
        ]
    );
    let (code, report) = restored(&lifeboat, &Database::new(Major::Pg15), &["--verify"]);
    assert_eq!((code, found(&report)), (Some(0), vec![]));
    let not_compared = report["not_compared"].to_string();
    assert!(
        not_compared.contains("1 materialized views' rows"),
        "{not_compared}"
    );
}
