//! A restore point beside a live database, which is only read.

use serde_json::{Value, json};

use super::{Scene, definitions, tables};
use crate::support::{Major, unique};

const CONTENT: &str = "
  CREATE TABLE t (id int PRIMARY KEY, at timestamptz, f float8, m money, b bytea,
    twice int GENERATED ALWAYS AS (id * 2) STORED);
  INSERT INTO t SELECT g, '2026-01-01 00:00+00'::timestamptz + g * interval '1 s', g / 3.0, g, int4send(g)
    FROM generate_series(1, 5000) g;
  CREATE TABLE p (k int) PARTITION BY LIST (k);
  CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1);
  CREATE SEQUENCE numbers; SELECT nextval('numbers'); CREATE TABLE \"Odd\" ();
  INSERT INTO \"Odd\" DEFAULT VALUES; SELECT lo_from_bytea(0, 'x');";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_live_database_is_compared_with_a_point_of_it() {
    let scene = Scene::of(Major::Pg18, CONTENT);
    // Values print as an export prints them, whatever the database says.
    let name = &scene.source.name;
    scene.source.sql(&format!(
        "ALTER DATABASE {name} SET DateStyle = 'German'; ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo';
         ALTER DATABASE {name} SET bytea_output = 'escape'"
    ));
    let point = scene.export();
    let url = scene.source.url();
    let same = scene.diff(&[&point, "--against", &url]).ok();
    let result = same.json()["result"].clone();
    assert_eq!(result["a"]["rows"], result["b"]["rows"]);
    assert_eq!(result["b"]["id"], Value::Null);
    assert!(
        result["b"]["server"]
            .as_str()
            .unwrap()
            .contains(name.as_str())
    );
    let content = &result["content"];
    assert_eq!(
        (&content["same_tables"], &content["by_names"]),
        (&json!(3), &json!(true))
    );
    scene.source.sql(
        "UPDATE t SET f = 0 WHERE id = 7; DELETE FROM t WHERE id > 4990; DROP TABLE \"Odd\";
         CREATE TABLE new (a int); SELECT nextval('numbers'); COMMENT ON TABLE t IS 'x'",
    );
    let found = scene.differs(&[&point, "--against", &url]);
    let content = &found["content"];
    assert_eq!(
        tables(content),
        json!([
            ["went", "Odd", 1, null, null],
            ["came", "new", null, 0, null],
            ["changed", "t", 5000, 4990, false]
        ])
    );
    let told = definitions(content);
    let of = |change: &str, what: &str| (change.to_owned(), what.to_owned());
    assert!(
        told.contains(&of("came", "comment on table public.t")),
        "{told:?}"
    );
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(content["sequences"].as_array().unwrap().len(), 1);
    let args = [
        &point,
        "--against",
        &url,
        "--rows",
        "--table",
        "t",
        "--show",
        "20",
    ];
    let rows = scene.differs(&args)["rows"].clone();
    assert_eq!(rows["only_in_a"]["rows"], 11);
    assert_eq!(rows["only_in_b"]["rows"], 1);
    let example = rows["only_in_b"]["examples"][0]["row"].as_str().unwrap();
    assert_eq!(
        example,
        "7\t2026-01-01 00:00:07+00\t0\t$7.00\t\\\\x00000007"
    );
    assert_eq!(rows["only_in_a"]["examples"].as_array().unwrap().len(), 11);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn whoever_may_only_read_can_compare_and_what_he_may_not_read_is_named() {
    let reader = unique("reader");
    let scene = Scene::of(Major::Pg16, CONTENT);
    let role = super::Role(scene.source.major, reader.clone());
    scene.source.sql(&format!(
        "CREATE ROLE {reader} LOGIN; GRANT SELECT ON t TO {reader};
         GRANT SELECT ON LARGE OBJECT {} TO {reader}",
        scene.source.sql("SELECT oid FROM pg_largeobject_metadata")
    ));
    let point = scene.export();
    let url = scene.source.url_as(&reader);
    scene
        .diff(&[&point, "--against", &url])
        .failed(1, "may not be read");
    scene.source.sql(&format!(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}"
    ));
    let point = scene.export();
    scene
        .source
        .sql(&format!("GRANT SELECT ON SEQUENCE numbers TO {reader}"));
    let found = scene.differs(&[&point, "--against", &url]);
    let told = definitions(&found["content"]);
    let granted = (
        "changed".to_owned(),
        "privileges of sequence public.numbers".to_owned(),
    );
    assert_eq!(told, [granted]);
    drop(role);
    let nowhere = scene.source.major.url_of("postgres", &unique("nowhere"));
    scene
        .diff(&[&point, "--against", &nowhere])
        .failed(1, "nowhere");
    let postgres = "postgresql://127.0.0.1";
    scene
        .diff(&[&point, "--against", postgres])
        .failed(2, "--against");
}
