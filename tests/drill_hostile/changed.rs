//! What code of the backup changes while it is restored, a drill finds.

use super::{As, Stage, result};
use crate::support::{Database, Lifeboat, Major};

/// What happens in schema `{s}` once a materialized view of it is filled, and what a drill says of it.
/// `{s}.rows` has ten rows, `{s}.other` refers to it.
const CHANGES: &[(&str, &str)] = &[
    (
        "DELETE FROM {s}.other; DELETE FROM {s}.rows WHERE x > 3",
        "table {s}.rows",
    ),
    (
        "UPDATE {s}.rows SET y = 'else' WHERE x = 7",
        "table {s}.rows",
    ),
    ("INSERT INTO {s}.rows VALUES (11, 'more')", "table {s}.rows"),
    ("TRUNCATE {s}.rows CASCADE", "table {s}.rows"),
    ("DROP TABLE {s}.rows CASCADE", "table {s}.rows"),
    (
        "ALTER TABLE {s}.rows RENAME TO gone; CREATE TABLE {s}.rows (x int, y text)",
        "table {s}.rows",
    ),
    (
        "ALTER TABLE {s}.rows RENAME TO gone; CREATE VIEW {s}.rows AS SELECT * FROM {s}.gone",
        "table {s}.rows",
    ),
    ("ALTER TABLE {s}.rows RENAME y TO z", "table {s}.rows"),
    ("ALTER TABLE {s}.rows SET SCHEMA public", "table {s}.rows"),
    (
        "ALTER TABLE {s}.other DROP CONSTRAINT of_rows",
        "foreign key of_rows of {s}.other",
    ),
    (
        "ALTER TABLE {s}.rows DROP CONSTRAINT known",
        "check constraint known of {s}.rows",
    ),
    ("DROP INDEX {s}.once", "unique index once of {s}.rows"),
    ("SELECT setval('{s}.number', 7)", "sequence {s}.number"),
    ("DROP SEQUENCE {s}.number", "sequence {s}.number"),
    (
        "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
        "the large objects",
    ),
];

/// The index is called like the key, and is refused in a drill with words that sound like a right that
/// is missing.
const PLACE: &str = "
CREATE SCHEMA {s};
CREATE TABLE {s}.rows (x int PRIMARY KEY, y text, CONSTRAINT known CHECK (x < 100));
INSERT INTO {s}.rows SELECT n, 'row ' || n FROM generate_series(1, 10) n;
CREATE UNIQUE INDEX once ON {s}.rows (y);
CREATE TABLE {s}.other (x int CONSTRAINT of_rows REFERENCES {s}.rows);
INSERT INTO {s}.other SELECT x FROM {s}.rows;
CREATE SEQUENCE {s}.number;
CREATE FUNCTION {s}.refuse(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
  IF current_database() LIKE 'lifeboat\\_drill\\_%' THEN RAISE 'permission denied for index'; END IF;
  RETURN $1;
END $$;
CREATE INDEX of_rows ON {s}.other ({s}.refuse(x));
CREATE FUNCTION {s}.change() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  IF current_database() LIKE 'lifeboat\\_drill\\_%' THEN EXECUTE $sql$ {change} $sql$; END IF;
  RETURN 1;
END $$;
CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.change();
";

fn drilled(sql: &str) -> (Option<i32>, serde_json::Value) {
    let source = Database::new(Major::Pg15);
    source.sql(sql);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let ran = Stage::new(lifeboat).drill(As::Ourselves, &[]);
    (ran.code, result(&ran))
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_changes_after_loading_is_found_whatever_changes_it() {
    let mut sql = "SELECT lo_from_bytea(0, 'large');".to_owned();
    for (at, (change, _)) in CHANGES.iter().enumerate() {
        let place = PLACE.replace("{change}", change);
        sql += &place.replace("{s}", &format!("place_{at}"));
    }
    let (code, report) = drilled(&sql);
    assert_eq!(code, Some(1), "{report}");
    let failures = report["failures"].as_array().unwrap();
    for (at, (change, what)) in CHANGES.iter().enumerate() {
        let what = what.replace("{s}", &format!("place_{at}"));
        assert!(
            failures.iter().any(|one| one["what"] == what),
            "{change}: {report}"
        );
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_go_while_statistics_are_gathered_are_found() {
    let (code, report) = drilled(
        "CREATE TABLE rows (x int); INSERT INTO rows SELECT generate_series(1, 10);
         CREATE TABLE other (x int); INSERT INTO other VALUES (1);
         CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
           IF current_database() LIKE 'lifeboat\\_drill\\_%' THEN PERFORM g(); END IF; RETURN $1;
         END $$;
         CREATE FUNCTION g() RETURNS void LANGUAGE sql AS 'DELETE FROM public.rows WHERE x > 3';
         ALTER FUNCTION f(int) SET search_path = public;
         CREATE STATISTICS s ON (f(x)), (f(x + 1)) FROM other",
    );
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(report["failures"][0]["what"], "table public.rows");
}

/// A thing of its name that was there first is not the thing that was exported.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_takes_the_place_of_an_entry_before_it_is_restored_is_told() {
    let (code, report) = drilled(
        "CREATE TABLE rows (x int); INSERT INTO rows VALUES (1);
         CREATE POLICY p ON rows USING (x < 3); ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
         CREATE FUNCTION f(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF current_database() LIKE 'lifeboat\\_drill\\_%' THEN
             EXECUTE 'CREATE POLICY p ON public.rows USING (true)';
           END IF;
           RETURN true;
         END $$;
         CREATE TABLE other (x int CHECK (f(x))); INSERT INTO other VALUES (1)",
    );
    assert!(matches!(code, Some(1 | 3)), "{report}");
    let said = format!("{}{}", report["failures"], report["findings"]);
    assert!(said.contains("POLICY public rows p"), "{said}");
}
