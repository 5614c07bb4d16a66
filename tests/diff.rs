//! What `diff` tells is what a test changed, and no more.

mod left_out;
mod live;
mod rows;

use serde_json::{Value, json};

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

const MAJOR: Major = Major::Pg15;

/// A repository and a database whose points are compared.
struct Scene {
    lifeboat: Lifeboat,
    source: Database,
}

impl Scene {
    fn new(sql: &str) -> Self {
        Self::of(MAJOR, sql)
    }

    fn of(major: Major, sql: &str) -> Self {
        let source = Database::new(major);
        source.sql(sql);
        let lifeboat = Lifeboat::init();
        lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", major.bin()));
        Self { lifeboat, source }
    }

    fn export(&self) -> String {
        let point = self.lifeboat.export(&self.source.url());
        point["id"].as_str().unwrap().to_owned()
    }

    fn diff(&self, args: &[&str]) -> Ran {
        let identity = self.lifeboat.identity();
        let identity = ["--identity", identity.to_str().unwrap()];
        let args = [&["diff"], args, &identity[..]].concat();
        self.lifeboat.run(args)
    }

    /// Of two that differ.
    #[track_caller]
    fn differs(&self, args: &[&str]) -> Value {
        let ran = self.diff(args);
        assert_eq!(ran.code, Some(3), "{ran:#?}");
        ran.json()["result"].clone()
    }
}

/// Names of tables with what became of each.
fn tables(content: &Value) -> Value {
    let tables = content["tables"].as_array().unwrap().iter();
    let table = |one: &Value| {
        json!([
            one["change"],
            one["name"],
            one["rows_before"],
            one["rows_after"],
            one["same_rows"]
        ])
    };
    tables.map(table).collect()
}

fn definitions(content: &Value) -> Vec<(String, String)> {
    let definitions = content["definitions"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    definitions
        .map(|one| (text(&one["change"]), text(&one["what"])))
        .collect()
}

const BEFORE: &str = "
  CREATE TABLE same (id int PRIMARY KEY, t text); INSERT INTO same VALUES (1, 'a');
  CREATE TABLE grown (id int); INSERT INTO grown SELECT generate_series(1, 10);
  CREATE TABLE updated (id int, t text); INSERT INTO updated SELECT g, 'x' FROM generate_series(1, 10) g;
  CREATE TABLE gone (id int PRIMARY KEY, n int NOT NULL DEFAULT 7); INSERT INTO gone VALUES (1);
  CREATE INDEX of_gone ON gone (n);
  CREATE TABLE renamed (id int); INSERT INTO renamed VALUES (5);
  CREATE TABLE wider (a int, twice int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO wider VALUES (3);
  CREATE SEQUENCE numbers; SELECT nextval('numbers');
  CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE VIEW seen AS SELECT id FROM same;
  CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM grown;
  SELECT lo_from_bytea(70001, 'x');";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn each_change_is_told_and_nothing_else() {
    let role = unique("differ");
    let scene = Scene::new(BEFORE);
    let before = scene.export();
    let again = scene.export();
    let same = scene.diff(&[&before, &again]).ok().json()["result"].clone();
    assert_eq!(same["same"], true);
    let content = &same["content"];
    assert_eq!(
        (&content["same_tables"], tables(content)),
        (&json!(6), json!([]))
    );
    assert_eq!(content["not_compared"], json!([]));

    scene.source.sql(&format!(
        "INSERT INTO grown SELECT generate_series(11, 15);
         UPDATE updated SET t = 'y' WHERE id = 3;
         DROP TABLE gone; ALTER TABLE renamed RENAME TO called;
         ALTER TABLE wider ADD b text;
         CREATE TABLE new AS SELECT generate_series(1, 3) AS a;
         SELECT nextval('numbers');
         CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2';
         CREATE ROLE {role} CREATEDB; GRANT SELECT ON same TO {role};
         REFRESH MATERIALIZED VIEW kept;
         SELECT lo_put(70001, 0, 'y');"
    ));
    let after = scene.export();
    let _role = Role(scene.source.major, role.clone());
    let result = scene.differs(&[&before, &after]);
    let content = &result["content"];
    assert_eq!(
        tables(content),
        json!([
            ["changed", "called", 1, 1, true],
            ["went", "gone", 1, null, null],
            ["changed", "grown", 10, 15, false],
            ["came", "new", null, 3, null],
            ["changed", "updated", 10, 10, false],
            ["changed", "wider", 1, 1, null]
        ])
    );
    let renamed = &content["tables"][0]["renamed_from"];
    assert_eq!(*renamed, json!({"schema": "public", "name": "renamed"}));
    assert_eq!(content["tables"][5]["columns_changed"], true);
    assert_eq!(content["same_tables"], 1);
    assert_eq!(content["sequences"][0]["name"], "numbers");
    assert_eq!(content["sequences"].as_array().unwrap().len(), 1);
    assert_eq!(content["large_objects"]["same_content"], false);
    assert_eq!(content["large_objects"]["same_properties"], true);
    assert_eq!(content["materialized_views"][0]["name"], "kept");
    let told = definitions(content);
    let expected = [
        ("came", "column b of public.wider".to_owned()),
        ("changed", "function public.f()".to_owned()),
        ("changed", "privileges of table public.same".to_owned()),
        ("came", format!("role \"{role}\"")),
        ("came", "table public.called".to_owned()),
        ("came", "table public.new".to_owned()),
        ("went", "table public.gone".to_owned()),
        ("went", "table public.renamed".to_owned()),
    ];
    let mut told: Vec<(&str, String)> = told
        .iter()
        .map(|(change, what)| (change.as_str(), what.clone()))
        .collect();
    told.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
    let mut expected = expected.to_vec();
    expected.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
    assert_eq!(told, expected);
    let all = content["definitions"].as_array().unwrap();
    let function = all.iter().find(|one| one["kind"] == "function").unwrap();
    assert!(function["before"].as_str().unwrap().contains("SELECT 1"));
    assert!(function["after"].as_str().unwrap().contains("SELECT 2"));

    // The other way round, and with `latest`.
    let back = scene.differs(&["latest", &before]);
    let went = json!(["went", "new", 3, null, null]);
    assert!(tables(&back["content"]).as_array().unwrap().contains(&went));
    let text = scene.lifeboat.bare([
        "diff",
        &before,
        "latest",
        "--identity",
        scene.lifeboat.identity().to_str().unwrap(),
    ]);
    assert_eq!(text.code, Some(3), "{text:?}");
    for line in [
        "GONE: table public.gone: it had 1 row",
        "changed: table public.grown: 10 rows, now 15; its rows differ",
        "new: table public.new: 3 rows",
        "changed: function public.f()",
        "different",
    ] {
        assert!(
            text.stdout.contains(&format!("{line}\n")),
            "{line}: {}",
            text.stdout
        );
    }
}

/// Dropped with this value; declare it after the database that names it.
struct Role(Major, String);

impl Drop for Role {
    fn drop(&mut self) {
        let sql = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.1);
        let _ = self.0.try_sql("postgres", "postgres", &sql);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn without_an_identity_oids_rows_and_bytes_are_compared_and_said_to_be() {
    let scene = Scene::new(BEFORE);
    let before = scene.export();
    let bare = |args: &[&str]| scene.lifeboat.run([&["diff"], args].concat());
    scene.source.sql(
        "INSERT INTO grown VALUES (11); DROP TABLE gone; CREATE TABLE new (a int);
         UPDATE updated SET t = 'longer'; UPDATE same SET t = 'b'",
    );
    let after = scene.export();
    let ran = bare(&[&before, &after]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let content = ran.json()["result"]["content"].clone();
    assert_eq!(content["by_names"], false);
    let mut told = tables(&content).as_array().unwrap().clone();
    told.sort_by_key(Value::to_string);
    // What was replaced by as many bytes cannot be seen.
    assert_eq!(
        json!(told),
        json!([
            ["came", null, null, 0, null],
            ["changed", null, 10, 10, null],
            ["changed", null, 10, 11, false],
            ["went", null, 1, null, null]
        ])
    );
    assert_eq!(content["definitions"], json!([]));
    let text = scene.lifeboat.bare(["diff", &before, &after]);
    assert!(
        text.stdout.contains("by OIDs, rows and bytes alone"),
        "{text:?}"
    );
    // What is not compared is not called the same.
    let same = bare(&[&after, &after]);
    assert_eq!(same.code, Some(3), "{same:?}");
    let result = same.json()["result"].clone();
    assert_eq!(result["same"], Value::Null);
    assert_eq!(result["content"]["rows_compared"], false);
    let text = scene.lifeboat.bare(["diff", &after, &after]);
    assert!(
        text.stdout.contains("not everything was compared"),
        "{text:?}"
    );
    bare(&[&before, &after, "--rows", "--table", "grown"]).failed(2, "identity");
    bare(&[&before, "--against", &scene.source.url()]).failed(2, "identity");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn points_of_two_databases_are_refused_and_the_latest_is_that_of_the_other_point() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    let first = scene.export();
    let second = scene.export();
    let other = Database::new(MAJOR);
    other.sql("CREATE TABLE u (a int)");
    let stranger = scene.lifeboat.export(&other.url());
    let stranger = stranger["id"].as_str().unwrap();
    let ran = scene.diff(&[&first, stranger]).failed(2, "two databases");
    assert!(ran.stdout.contains("lifeboat history"), "{ran:?}");
    let ran = scene.diff(&[&first, "latest"]).ok();
    assert_eq!(ran.json()["result"]["b"]["id"], json!(second));
    scene.diff(&["latest", &first]).ok();
    scene
        .diff(&[&first, "20991231T000000Z-k3v9q2"])
        .failed(1, "no restore point");
    scene.diff(&[&first]).failed(2, "--against");
}
