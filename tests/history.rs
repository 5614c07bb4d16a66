//! `history`: how large a database was at each point, and where rows went.

use std::fs;

use serde_json::{Value, json};

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

const MAJOR: Major = Major::Pg15;

/// Three points: the first, one with more rows, and one after a loss.
fn three_points() -> (Lifeboat, Database, [String; 3]) {
    let source = Database::new(MAJOR);
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", MAJOR.bin()));
    let export = |sql: &str| {
        source.sql(sql);
        let point = lifeboat.export(&source.url());
        point["id"].as_str().unwrap().to_owned()
    };
    let first = export(
        "CREATE TABLE answer (id int); INSERT INTO answer SELECT generate_series(1, 1000);
         CREATE TABLE \"Odd\" (a int); INSERT INTO \"Odd\" SELECT generate_series(1, 10);
         CREATE TABLE parted (k int) PARTITION BY LIST (k);
         CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
         CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
         INSERT INTO parted SELECT 1 + g % 2 FROM generate_series(1, 30) g;",
    );
    let second = export(
        "INSERT INTO answer SELECT generate_series(1, 100);
         CREATE SCHEMA other; CREATE TABLE other.answer AS SELECT 7 AS a",
    );
    let third = export("DELETE FROM answer WHERE id > 50; DROP TABLE \"Odd\"");
    (lifeboat, source, [first, second, third])
}

fn history(lifeboat: &Lifeboat, flags: &[&str]) -> Ran {
    lifeboat.run([&["history"], flags].concat())
}

fn with_identity(lifeboat: &Lifeboat, table: &str) -> Ran {
    let identity = lifeboat.identity();
    let flags = ["--table", table, "--identity", identity.to_str().unwrap()];
    history(lifeboat, &flags)
}

#[track_caller]
fn column(database: &Value, field: &str) -> Value {
    let points = database["points"].as_array().unwrap().iter();
    points.map(|point| point[field].clone()).collect()
}

/// What each event of a table says: id, change, rows before and after.
fn events(table: &Value) -> Value {
    let events = table["events"].as_array().unwrap().iter();
    let event = |one: &Value| json!([one["id"], one["change"], one["rows_before"], one["rows"]]);
    events.map(event).collect()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_and_tables_are_missed_at_the_point_where_they_went() {
    let (lifeboat, source, ids) = three_points();
    let [first, second, third] = &ids;
    let ran = history(&lifeboat, &[]).ok();
    let database = ran.json()["result"]["databases"][0].clone();
    assert_eq!(database["database"], source.name);
    assert_eq!(column(&database, "id"), json!(ids));
    assert_eq!(column(&database, "rows"), json!([1040, 1141, 131]));
    assert_eq!(column(&database, "rows_change"), json!([null, 101, -1010]));
    assert_eq!(column(&database, "tables"), json!([4, 5, 4]));
    assert_eq!(database["tables"], Value::Null);
    // The very words of `status`, which looks at the newest two.
    let jumps = database["points"][2]["jumps"].as_array().unwrap().clone();
    assert_eq!(jumps.len(), 2, "{jumps:?}");
    let status = lifeboat.run(["status"]).json()["result"]["findings"].to_string();
    for jump in &jumps {
        assert!(status.contains(jump.as_str().unwrap()), "{jump}: {status}");
    }
    for earlier in [0, 1] {
        assert_eq!(database["points"][earlier]["jumps"], json!([]));
    }

    let ran = with_identity(&lifeboat, "answer").ok();
    let database = ran.json()["result"]["databases"][0].clone();
    assert_eq!(column(&database, "rows"), json!([1000, 1101, 101]));
    assert_eq!(database["tables"][0]["schema"], "other");
    let other = json!([[second, "came", null, 1]]);
    assert_eq!(events(&database["tables"][0]), other);
    let own = json!([
        [first, null, null, 1000],
        [second, "changed", 1000, 1100],
        [third, "changed", 1100, 100]
    ]);
    assert_eq!(events(&database["tables"][1]), own);

    // The limit of the configuration: less than half was lost of what matches, and no table.
    let odd = with_identity(&lifeboat, "\"Odd\"").ok();
    let odd = odd.json()["result"]["databases"][0].clone();
    let gone = json!([[first, null, null, 10], [third, "went", 10, null]]);
    assert_eq!(events(&odd["tables"][0]), gone);
    let parted = with_identity(&lifeboat, "public.part*").ok();
    let parted = parted.json()["result"]["databases"][0].clone();
    assert_eq!(column(&parted, "rows"), json!([30, 30, 30]));
    assert_eq!(column(&parted, "tables"), json!([2, 2, 2]));
    assert_eq!(parted["tables"].as_array().unwrap().len(), 1);
    assert_eq!(parted["tables"][0]["name"], "parted");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_pattern_that_matches_nothing_names_the_nearest_and_names_need_an_identity() {
    let (lifeboat, _source, _) = three_points();
    let ran = with_identity(&lifeboat, "odd").failed(1, "holds such a table");
    let hint = ran.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert_eq!(hint, "did you mean public.\"Odd\"?");
    let none = history(&lifeboat, &["--table", "answer"]).failed(2, "identity");
    assert!(none.stdout.contains("history --table"), "{none:?}");
    history(&lifeboat, &["--table", "a.b.c"]).failed(2, "is no name");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_no_trusted_key_signed_is_passed_over_and_told() {
    let (lifeboat, _source, ids) = three_points();
    let mut manifests = Vec::new();
    find(
        &lifeboat.repository().join("manifests"),
        &ids[2],
        &mut manifests,
    );
    let [manifest] = manifests.as_slice() else {
        panic!("{manifests:?}");
    };
    let forged = "20991231T000000Z-k3v9q2";
    fs::copy(manifest, manifest.with_file_name(format!("{forged}.json"))).unwrap();
    let ran = history(&lifeboat, &[]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let result = ran.json()["result"].clone();
    assert_eq!(column(&result["databases"][0], "id"), json!(ids));
    let findings = result["findings"].to_string();
    assert!(findings.contains(forged), "{findings}");
}

/// The manifests of an id, anywhere below.
fn find(folder: &std::path::Path, id: &str, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, id, found);
        } else if path.file_stem().is_some_and(|name| name == id) {
            found.push(path);
        }
    }
}
