//! What a point leaves out on request is not compared, and said not to be.

use serde_json::{Value, json};

use super::{Scene, definitions, tables};

/// Those that are not compared.
fn told(content: &Value) -> Vec<String> {
    let lines = content["not_compared"].as_array().unwrap().iter();
    let lines = lines.map(|line| line.as_str().unwrap().to_owned());
    lines.filter(|line| line.starts_with("table ")).collect()
}

impl Scene {
    fn export_without(&self, flags: &[&str]) -> String {
        let url = self.source.url();
        let args = [&["export", "--source", &url][..], flags].concat();
        let ran = self.lifeboat.run(args).ok();
        let id = &ran.json()["result"]["databases"][0]["id"];
        id.as_str().unwrap().to_owned()
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_either_side_leaves_out_is_neither_gone_nor_the_same() {
    let scene = Scene::new(
        "CREATE TABLE log (id int PRIMARY KEY, at date DEFAULT '2026-01-01'); CREATE INDEX of_log ON log (at);
         INSERT INTO log SELECT generate_series(1, 500); COMMENT ON TABLE log IS 'x';
         CREATE SCHEMA beside; CREATE FUNCTION beside.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE TABLE t (id int); INSERT INTO t VALUES (1);
         CREATE TABLE big (id int, log int REFERENCES log); INSERT INTO big VALUES (1, 1);
         CREATE VIEW seen AS SELECT id FROM big;
         CREATE MATERIALIZED VIEW days AS SELECT at, count(*) FROM log GROUP BY at",
    );
    let full = scene.export();
    let rows = [
        "--exclude-table-data",
        "log",
        "--exclude-table-data",
        "days",
    ];
    let without_rows = scene.export_without(&rows);
    let without_tables =
        scene.export_without(&["--exclude-table", "log", "--exclude-table", "big"]);
    let log = format!("table public.log: {without_rows} leaves its rows out on request");
    let gone =
        |name: &str| format!("table public.{name}: {without_tables} leaves it out on request");
    for (a, b, expected) in [
        (&full, &without_rows, vec![log.clone()]),
        (&without_rows, &full, vec![log.clone()]),
        (&full, &without_tables, vec![gone("big"), gone("log")]),
        (&without_tables, &full, vec![gone("big"), gone("log")]),
    ] {
        let found = scene.differs(&[a, b]);
        let content = &found["content"];
        assert_eq!(
            (tables(content), definitions(content)),
            (json!([]), Vec::new()),
            "{a} {b}"
        );
        assert_eq!(told(content), expected);
        assert_eq!(found["same"], Value::Null);
        assert_eq!(content["rows_compared"], false);
        assert_eq!(content["materialized_views"], json!([]));

        // Without an identity nobody knows which tables they are.
        let sealed = scene.lifeboat.run(["diff", a, b]);
        let sealed = sealed.json()["result"].clone();
        assert_eq!(tables(&sealed["content"]), json!([]));
        let lines = sealed["content"]["not_compared"].to_string();
        assert!(lines.contains("leaves out on request: "), "{lines}");
        assert_eq!(sealed["same"], Value::Null);
    }
    for point in [&without_rows, &without_tables] {
        let args = [&full, point, "--rows", "--table", "log"];
        scene.diff(&args).failed(1, "on request");
    }
    scene
        .diff(&[&full, &without_rows, "--rows", "--table", "t"])
        .ok();
    let nothing = ["diff", &full, &full, "--identity"];
    let identity = scene.lifeboat.identity();
    let same = scene
        .lifeboat
        .run([&nothing[..], &[identity.to_str().unwrap()]].concat());
    assert_eq!(same.ok().json()["result"]["same"], true);

    // `history`: the rows of log were not lost.
    let history = scene.lifeboat.run(["history"]).ok().json()["result"].clone();
    let points = history["databases"][0]["points"]
        .as_array()
        .unwrap()
        .clone();
    let excluded: Vec<&Value> = points.iter().map(|one| &one["excluded"]).collect();
    assert_eq!(*excluded[0], json!([]));
    assert_eq!(
        excluded[1][0],
        json!({"kind": "rows of tables", "count": 1})
    );
    assert!(
        points.iter().all(|one| one["jumps"] == json!([])),
        "{points:?}"
    );
    let text = scene.lifeboat.bare(["history"]).stdout;
    assert!(
        text.contains("left out on request: rows of tables: 1"),
        "{text}"
    );
    let args = [
        "history",
        "--table",
        "log",
        "--identity",
        identity.to_str().unwrap(),
    ];
    let log = scene.lifeboat.run(args).ok().json()["result"]["databases"][0].clone();
    assert_eq!(
        log["tables"][0]["events"].as_array().unwrap().len(),
        1,
        "{log}"
    );
    let text = scene.lifeboat.bare(["status"]).stdout;
    assert!(
        text.contains(&format!(
            "{without_tables} leaves out on request: tables: 2"
        )),
        "{text}"
    );
    assert!(!text.contains("tables less"), "{text}");

    // What both leave out alike makes no difference.
    let again = scene.export_without(&rows);
    let alike = scene.diff(&[&without_rows, &again]).ok().json()["result"].clone();
    assert_eq!(alike["same"], true);
    let [one, other] =
        [&without_rows, &again].map(|id| format!("{id} leaves its rows out on request"));
    let both = format!("table public.log: {one}; {other}");
    assert_eq!(told(&alike["content"]), [both]);
    let lines = alike["content"]["not_compared"].to_string();
    assert!(
        lines.contains("both points leave out the same on request: rows of"),
        "{lines}"
    );
    // What only one leaves out does, though no table has anything to do with it.
    let without_schema = scene.export_without(&["--exclude-schema", "beside"]);
    let found = scene.differs(&[&full, &without_schema]);
    assert_eq!(found["same"], Value::Null, "{found}");
}
