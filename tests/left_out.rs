//! What an export leaves out on request: beside stock pg_dump with the same patterns as the oracle, told everywhere,
//! and never taken for damage.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Database, Lifeboat, Major, unique};
use crate::without_lifeboat::machine::{Machine, Point};

/// Tables of odd names and partitions; keys into and out of what is left out.
const SHOP: &str = r#"
  CREATE SCHEMA shop; CREATE SCHEMA "Odd.Schema";
  CREATE TABLE shop.customer (id int PRIMARY KEY, name text);
  CREATE TABLE shop.session (id serial PRIMARY KEY, customer int REFERENCES shop.customer, at timestamptz DEFAULT now());
  CREATE TABLE shop.visit (id int PRIMARY KEY, session int CONSTRAINT visit_session REFERENCES shop.session,
    before int REFERENCES shop.visit);
  COMMENT ON CONSTRAINT visit_session ON shop.visit IS 'a key that rows break';
  CREATE TABLE shop.empty_visit (session int REFERENCES shop.session);
  CREATE TABLE shop.log (y int, id int, PRIMARY KEY (y, id)) PARTITION BY LIST (y);
  CREATE TABLE shop.log_1 PARTITION OF shop.log FOR VALUES IN (1);
  CREATE TABLE shop.log_2 PARTITION OF shop.log FOR VALUES IN (2) PARTITION BY RANGE (id);
  CREATE TABLE shop.log_2_a PARTITION OF shop.log_2 FOR VALUES FROM (0) TO (1000);
  CREATE TABLE shop.of_log (y int, id int, FOREIGN KEY (y, id) REFERENCES shop.log);
  CREATE TABLE "Odd.Schema"."A ""Table"" ü" (a int);
  CREATE TABLE "Odd.Schema"."Kept*" (a int);
  CREATE TABLE public.session (a int, b int GENERATED ALWAYS AS (a + 1) STORED);
  CREATE VIEW shop.seen AS SELECT customer, count(*) FROM shop.session GROUP BY 1;
  CREATE MATERIALIZED VIEW shop.seen_then AS SELECT * FROM shop.seen;
  CREATE MATERIALIZED VIEW shop.customers AS SELECT count(*) FROM shop.customer;
  INSERT INTO shop.customer SELECT g, 'c' || g FROM generate_series(1, 20) g;
  INSERT INTO shop.session (customer) SELECT 1 + g % 20 FROM generate_series(1, 100) g;
  INSERT INTO shop.visit SELECT g, g, 1 FROM generate_series(1, 50) g;
  INSERT INTO shop.log SELECT 1 + g % 2, g FROM generate_series(1, 60) g;
  INSERT INTO shop.of_log SELECT y, id FROM shop.log;
  INSERT INTO "Odd.Schema"."A ""Table"" ü" VALUES (1); INSERT INTO "Odd.Schema"."Kept*" VALUES (1);
  INSERT INTO public.session VALUES (1), (2);
  REFRESH MATERIALIZED VIEW shop.seen_then; REFRESH MATERIALIZED VIEW shop.customers;"#;

/// How many rows each table has.
fn counts(database: &Database) -> String {
    let each = database.sql(
        "SELECT string_agg(format('SELECT %L, count(*) FROM ONLY %I.%I', n.nspname || '.' || c.relname, n.nspname,
                                  c.relname), ' UNION ALL ')
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$'",
    );
    database.sql(&format!("{each} ORDER BY 1"))
}

fn lifeboat(major: Major) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", major.bin()));
    lifeboat
}

/// Exports with these flags; returns the report on the database.
#[track_caller]
fn export(lifeboat: &Lifeboat, source: &Database, flags: &[&str]) -> Value {
    let url = source.url();
    let ran = lifeboat.run([&["export", "--source", &url], flags].concat());
    ran.ok().json()["result"]["databases"][0].clone()
}

#[track_caller]
fn restore(lifeboat: &Lifeboat, target: &Database) -> Value {
    let (url, identity, bin) = (target.url(), lifeboat.identity(), target.major.bin());
    let args = ["restore", "latest", "--verify", "--target", &url];
    let identity = ["--identity", identity.to_str().unwrap()];
    let bin = ["--pg-bin", bin.to_str().unwrap()];
    let ran = lifeboat.run([&args[..], &identity, &bin].concat());
    ran.ok().json()["result"].clone()
}

/// What stock `pg_dump` with these flags, and `pg_restore`, make of the source.
fn stock(source: &Database, flags: &[&str]) -> Database {
    let target = Database::with(source.major, "TEMPLATE template0");
    let bin = source.major.bin();
    let mut dump = Command::new(bin.join("pg_dump"))
        .args(["-Fc", "-d", &source.url()])
        .args(flags)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let archive = dump.stdout.take().unwrap();
    // Keys that rows break are errors, and missing then.
    let restored = Command::new(bin.join("pg_restore"))
        .args(["-d", &target.url()])
        .stdin(archive)
        .output()
        .unwrap();
    assert!(dump.wait().unwrap().success());
    assert!(restored.status.code().is_some_and(|code| code < 2));
    target
}

/// `pg_dump -s`, but for what stock pg_restore leaves out: keys that are NOT VALID, with their comments.
fn schema(database: &Database) -> String {
    database.sql(
        "DO $$DECLARE k record; BEGIN FOR k IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
           WHERE contype = 'f' AND NOT convalidated AND conparentid = 0 LOOP
           EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', k.t, k.conname); END LOOP; END$$",
    );
    let output = Command::new(database.major.bin().join("pg_dump"))
        .args(["-s", "-d", &database.url()])
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines();
    // A random word each time.
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with('\\')).collect();
    lines.join("\n")
}

#[track_caller]
fn assert_equal(ours: &Database, stock: &Database) {
    assert_eq!(counts(ours), counts(stock));
    assert_eq!(schema(ours), schema(stock));
}

fn names(report: &Value, kind: &str) -> Vec<String> {
    let all = report["excluded"].as_array().unwrap();
    let one = all.iter().find(|one| one["kind"] == kind);
    let names = one.map(|one| one["names"].as_array().unwrap().clone());
    let names = names.unwrap_or_default().into_iter();
    names.map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn mentions(value: &Value, words: &[&str]) {
    let text = value.to_string();
    for word in words {
        assert!(text.contains(word), "no '{word}' in {text}");
    }
}

/// As given to lifeboat, and to pg_dump, which knows partitions from 16 on by other words only.
const WITHOUT_ROWS: [&str; 3] = ["shop.S*sion", "shop.log", r#""Odd.Schema"."A ""Table"""*"#];
const STOCK_WITHOUT_ROWS: [&str; 3] = [
    "shop.session",
    "shop.log*",
    r#""Odd.Schema"."A ""Table"" ü""#,
];

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_are_left_out_as_stock_pg_dump_leaves_them_out() {
    for major in [Major::Pg15, Major::Pg18] {
        let source = Database::new(major);
        source.sql(SHOP);
        let patterns = [
            WITHOUT_ROWS[0],
            WITHOUT_ROWS[1],
            r#""Odd.Schema"."A ""Table"" ü""#,
        ];
        let flags = patterns
            .map(|pattern| ["--exclude-table-data", pattern])
            .concat();
        let lifeboat = lifeboat(major);
        let exported = export(&lifeboat, &source, &flags);
        let left = [
            r#"Odd.Schema.A \"Table\" ü"#,
            "shop.log_1",
            "shop.log_2_a",
            "shop.session",
        ];
        assert_eq!(names(&exported, "rows of tables"), left);
        let target = Database::with(major, "TEMPLATE template0");
        let report = restore(&lifeboat, &target);
        assert_eq!(names(&report, "rows of tables"), left);
        let told = report["left_out"].clone();
        mentions(&told, &["visit_session", "of_log", "on request"]);
        // The tests' 15 cannot add a key into a partitioned table for new rows alone only where the table itself is one.
        mentions(&told, &["is NOT VALID"]);
        assert_eq!(told.as_array().unwrap().len(), 2, "{told}");
        mentions(&report["not_compared"], &["shop.seen_then"]);
        let comment =
            "SELECT obj_description(oid) FROM pg_constraint WHERE conname = 'visit_session'";
        assert_eq!(target.sql(comment), "a key that rows break");
        // The sequence goes on where it stood.
        let next = "SELECT nextval('shop.session_id_seq')";
        assert_eq!(target.sql(next), "101");
        let new = target.major.try_sql(
            "postgres",
            &target.name,
            "INSERT INTO shop.visit VALUES (99, 1, NULL)",
        );
        assert!(new.unwrap_err().contains("visit_session"));
        let flags = STOCK_WITHOUT_ROWS.map(|pattern| format!("--exclude-table-data={pattern}"));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        assert_equal(&target, &stock(&source, &flags));
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_of_a_point_without_rows_is_sound() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let lifeboat = lifeboat(Major::Pg15);
    lifeboat.configure("[drill]\nsuperuser = false");
    let id = export(
        &lifeboat,
        &source,
        &["--exclude-table-data", "shop.session"],
    )["id"]
        .clone();
    let report = lifeboat.drill(&["--json"]).ok().json()["result"].clone();
    assert_eq!(report["id"], id);
    for none in ["failures", "unproven", "findings"] {
        assert_eq!(report[none], json!([]), "{report}");
    }
    mentions(&report["left_out"], &["visit_session", "NOT VALID"]);
    assert_eq!(names(&report, "rows of tables"), ["shop.session"]);
    let text = lifeboat.drill(&[]).ok().stdout;
    assert!(
        text.contains("left out of the backup on request: rows of tables: shop.session"),
        "{text}"
    );
    assert!(text.ends_with("sound\n"), "{text}");
}

/// Damage is told beside what is expected.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_key_that_other_rows_break_is_a_failure_still() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    source.sql(
        "SET session_replication_role = replica; UPDATE shop.visit SET before = 999 WHERE id = 2;",
    );
    let lifeboat = lifeboat(Major::Pg15);
    export(
        &lifeboat,
        &source,
        &["--exclude-table-data", "shop.session"],
    );
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let (url, identity) = (target.url(), lifeboat.identity());
    let args = [
        "restore",
        "latest",
        "--target",
        &url,
        "--identity",
        identity.to_str().unwrap(),
    ];
    let ran = lifeboat.run(args);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json()["result"].clone();
    assert_eq!(report["failures"].as_array().unwrap().len(), 1, "{report}");
    mentions(&report["failures"], &["visit_before_fkey"]);
    mentions(&report["left_out"], &["visit_session"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn without_lifeboat_keys_into_left_out_rows_are_no_errors() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let lifeboat = lifeboat(Major::Pg15);
    let flags = WITHOUT_ROWS
        .map(|pattern| ["--exclude-table-data", pattern])
        .concat();
    let id = export(&lifeboat, &source, &flags)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let point = Point { lifeboat, id };
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let machine = Machine::new(Major::Pg15);
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&machine, &trust, &target.url()).ok();
    for said in [
        "errors left    0",
        "foreign key visit_session of shop.visit: NOT VALID",
        "left out       on request: rows of tables: 4 (",
    ] {
        assert!(ran.stderr.contains(said), "no '{said}' in {}", ran.stderr);
    }
    let comment = "SELECT obj_description(oid) FROM pg_constraint WHERE conname = 'visit_session'";
    assert_eq!(target.sql(comment), "a key that rows break");
    let flags = STOCK_WITHOUT_ROWS.map(|pattern| format!("--exclude-table-data={pattern}"));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_equal(&target, &stock(&source, &flags));
    let runbook = std::fs::read_to_string(point.find("parts", "/RESTORE.md")).unwrap();
    assert!(
        runbook.contains("- left out on request: rows of tables: 4"),
        "{runbook}"
    );
}

/// What hangs on tables that are left out, with comments and privileges.
const HANGS: &str = "
  CREATE FUNCTION shop.sessions() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM shop.session; END;
  COMMENT ON FUNCTION shop.sessions() IS 'x'; REVOKE ALL ON FUNCTION shop.sessions() FROM PUBLIC;
  CREATE FUNCTION shop.of(shop.log) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE RULE also AS ON INSERT TO shop.customer DO ALSO INSERT INTO shop.session (customer) VALUES (NEW.id);
  COMMENT ON RULE also ON shop.customer IS 'x';
  CREATE VIEW shop.see AS SELECT * FROM shop.seen; COMMENT ON VIEW shop.see IS 'x'; GRANT SELECT ON shop.see TO PUBLIC;
  CREATE PUBLICATION shopping FOR TABLE shop.session, shop.customer;";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn tables_are_left_out_as_stock_pg_dump_leaves_them_out() {
    for major in [Major::Pg15, Major::Pg18] {
        let source = Database::new(major);
        source.sql(SHOP);
        source.sql(HANGS);
        let flags = WITHOUT_ROWS
            .map(|pattern| ["--exclude-table", pattern])
            .concat();
        let lifeboat = lifeboat(major);
        let exported = export(&lifeboat, &source, &flags);
        let need = |kind: &str| names(&exported, &format!("{kind} that need what is left out"));
        let of_log = "of_log_y_id_fkey on shop.of_log";
        let empty = "empty_visit_session_fkey on shop.empty_visit";
        assert_eq!(
            need("foreign keys"),
            [empty, of_log, "visit_session on shop.visit"]
        );
        assert_eq!(need("views"), ["shop.see", "shop.seen"]);
        assert_eq!(need("materialized views"), ["shop.seen_then"]);
        assert_eq!(need("functions"), ["shop.of(shop.log)", "shop.sessions()"]);
        assert_eq!(need("rules"), ["also on shop.customer"]);
        assert_eq!(names(&exported, "tables").len(), 6, "{exported}");
        let target = Database::with(major, "TEMPLATE template0");
        let report = restore(&lifeboat, &target);
        assert_eq!(report["excluded"], exported["excluded"]);
        assert_eq!(report["left_out"], json!([]));
        assert_eq!(target.sql("SELECT nextval('shop.session_id_seq')"), "101");
        let flags = STOCK_WITHOUT_ROWS.map(|pattern| format!("--exclude-table={pattern}"));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let stock = stock(&source, &flags);
        assert_equal(&target, &stock);
        let id = exported["id"].as_str().unwrap().to_owned();
        let point = Point { lifeboat, id };
        let target = Database::with(major, "TEMPLATE template0");
        let trust = point.lifeboat.fingerprint();
        let ran = point
            .restore(&Machine::new(major), &trust, &target.url())
            .ok();
        assert!(
            ran.stderr
                .contains("on request: rules that need what is left out: 1"),
            "{}",
            ran.stderr
        );
        assert_equal(&target, &stock);
    }
}

/// A schema with all that is in it, and what hangs on that in others.
const STAGED: &str = r#"
  CREATE SCHEMA staging; CREATE SCHEMA "Kept Schema"; SET search_path = "Kept Schema";
  CREATE TYPE staging.mood AS ENUM ('a', 'b');
  CREATE TABLE staging.audit (id serial PRIMARY KEY, mood staging.mood);
  CREATE FUNCTION staging.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
  CREATE OPERATOR staging.### (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
  COMMENT ON OPERATOR staging.### (int, int) IS 'x'; COMMENT ON SCHEMA staging IS 'x';
  ALTER DEFAULT PRIVILEGES IN SCHEMA staging GRANT SELECT ON TABLES TO PUBLIC;
  CREATE TABLE p (id int PRIMARY KEY, of int REFERENCES staging.audit);
  CREATE INDEX computed ON p (staging.f(id)); COMMENT ON INDEX computed IS 'x';
  CREATE DOMAIN d AS int CHECK (staging.f(VALUE) > 0);
  CREATE VIEW v AS SELECT * FROM staging.audit;
  CREATE PUBLICATION of_audit FOR TABLE staging.audit;
  INSERT INTO staging.audit (mood) VALUES ('a'); INSERT INTO p VALUES (1, 1);"#;

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn schemas_are_left_out_as_stock_pg_dump_leaves_them_out() {
    for major in [Major::Pg15, Major::Pg18] {
        let source = Database::new(major);
        source.sql(STAGED);
        let lifeboat = lifeboat(major);
        let exported = export(&lifeboat, &source, &["--exclude-schema", "STAG*"]);
        for (kind, left) in [
            ("schemas", "staging"),
            ("tables", "staging.audit"),
            (
                "foreign keys that need what is left out",
                r#"p_of_fkey on "Kept Schema".p"#,
            ),
            (
                "indexes that need what is left out",
                r#""Kept Schema".computed"#,
            ),
            ("types that need what is left out", r#""Kept Schema".d"#),
            ("views that need what is left out", r#""Kept Schema".v"#),
        ] {
            assert_eq!(names(&exported, kind), [left], "{kind} {exported}");
        }
        assert_eq!(
            exported["excluded"].as_array().unwrap().len(),
            6,
            "{exported}"
        );
        let target = Database::with(major, "TEMPLATE template0");
        let report = restore(&lifeboat, &target);
        assert_eq!(report["rows"], 1);
        let stock = stock(&source, &["--exclude-schema=staging"]);
        assert_equal(&target, &stock);
        let id = exported["id"].as_str().unwrap().to_owned();
        let point = Point { lifeboat, id };
        let target = Database::with(major, "TEMPLATE template0");
        let trust = point.lifeboat.fingerprint();
        point
            .restore(&Machine::new(major), &trust, &target.url())
            .ok();
        assert_equal(&target, &stock);
    }
}

/// Rows, and what protects them, go only where somebody says so.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_would_take_another_table_along_is_refused() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE SCHEMA lib; CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext;
         CREATE FUNCTION lib.next() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE lib.mood AS ENUM ('a', 'b');
         CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
         CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY);
         CREATE SEQUENCE numbers; CREATE TABLE numbered (id int DEFAULT nextval('numbers'), x int DEFAULT lib.next());
         CREATE TABLE allowed (who text); CREATE TABLE secret (who text);
         CREATE POLICY only_allowed ON secret USING (who IN (SELECT who FROM allowed));
         CREATE TABLE moods (m lib.mood) PARTITION BY HASH (m);
         CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE SCHEMA f1; CREATE SCHEMA f2; CREATE SCHEMA f3; CREATE TABLE exact (id int); CREATE TABLE ranges (r int4range);
         CREATE FUNCTION f1.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
         CREATE FUNCTION f2.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE FUNCTION f3.f(int4range) RETURNS int4range LANGUAGE sql IMMUTABLE AS 'SELECT $1';
         CREATE UNIQUE INDEX only_one ON exact (f1.f(id));
         CREATE TRIGGER fires BEFORE INSERT ON exact FOR EACH ROW EXECUTE FUNCTION f2.fires();
         ALTER TABLE ranges ADD CONSTRAINT apart EXCLUDE USING gist (f3.f(r) WITH &&);",
    );
    let (lifeboat, url) = (lifeboat(Major::Pg15), source.url());
    for (option, pattern, says) in [
        (
            "--exclude-table",
            "parent",
            "is needed by table public.child",
        ),
        (
            "--exclude-table",
            "numbers",
            "is needed by table public.numbered",
        ),
        (
            "--exclude-table",
            "allowed",
            "is needed by policy only_allowed on public.secret",
        ),
        (
            "--exclude-schema",
            "lib",
            "is needed by table public.moods, ",
        ),
        ("--exclude-schema", "ext", "is needed by extension hstore"),
        (
            "--exclude-schema",
            "f1",
            "is needed by index public.only_one",
        ),
        (
            "--exclude-schema",
            "f2",
            "is needed by trigger fires on public.exact",
        ),
        ("--exclude-schema", "f3", "is needed by table public.ranges"),
        ("--exclude-table", "moods_0", "is a partition by hash"),
        (
            "--exclude-table",
            "counted_id_seq",
            "nothing to leave out is called",
        ),
    ] {
        let ran = lifeboat.bare(["export", "--source", &url, option, pattern]);
        ran.failed(1, says);
    }
    let all = [
        "counted", "parent", "child", "numbers", "numbered", "allowed", "secret", "moods", "exact",
        "ranges",
    ];
    let flags = all.map(|pattern| ["--exclude-table", pattern]).concat();
    let exported = export(
        &lifeboat,
        &source,
        &[&flags[..], &["--exclude-schema", "lib"]].concat(),
    );
    assert_eq!(names(&exported, "tables").len(), 11, "{exported}");
    assert_eq!(exported["tables"], 0);
}

/// A partition, on whose rows a key of a kept table hangs.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_partition_goes_alone_and_a_drill_of_what_is_left_is_sound() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    source.sql(HANGS);
    let lifeboat = lifeboat(Major::Pg15);
    let flags = [
        "--exclude-table",
        "shop.log_1",
        "--exclude-table",
        "shop.session",
    ];
    export(&lifeboat, &source, &flags);
    let report = lifeboat.drill(&["--json"]).ok().json()["result"].clone();
    for none in ["failures", "unproven", "findings"] {
        assert_eq!(report[none], json!([]), "{report}");
    }
    mentions(&report["left_out"], &["of_log_y_id_fkey", "NOT VALID"]);
    assert_eq!(names(&report, "tables"), ["shop.log_1", "shop.session"]);
}

/// Stock pg_dump does not ask for them either.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_table_that_is_left_out_need_not_be_readable() {
    let source = Database::new(Major::Pg15);
    let role = unique("exporter");
    source.sql(&format!(
        "CREATE ROLE {role} LOGIN; CREATE TABLE kept (id int); GRANT SELECT ON kept TO {role};
         CREATE TABLE secret (id serial); CREATE VIEW seen AS SELECT * FROM kept; GRANT SELECT ON seen TO {role}"
    ));
    let lifeboat = lifeboat(Major::Pg15);
    let url = source.url_as(&role);
    let all = lifeboat.bare(["export", "--source", &url]);
    let without = [
        "--exclude-table",
        "secret",
        "--exclude-table",
        "secret_id_seq",
    ];
    let some = lifeboat.run([&["export", "--source", &url][..], &without].concat());
    source.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    all.failed(1, "public.secret may not be read");
    assert_eq!(some.ok().json()["result"]["databases"][0]["tables"], 1);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_is_left_out_is_told_and_no_name_of_it_is_in_clear() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let lifeboat = lifeboat(Major::Pg15);
    let (host, name) = (source.url(), &source.name);
    let (host, _) = host.rsplit_once('/').unwrap();
    lifeboat.configure(&format!(
        "[[source]]\nname = \"prod\"\nurl = \"{host}/{name}\"\ndatabases = [\"{name}\"]\n\
         exclude_table_data = [\"{name}.shop.session\", \"shop.seen_then\"]"
    ));
    let ran = lifeboat.run(["export", "--database", name]).ok();
    let exported = ran.json()["result"]["databases"][0].clone();
    assert_eq!(
        names(&exported, "rows of materialized views"),
        ["shop.seen_then"]
    );
    let counts = json!([
        {"kind": "rows of tables", "count": 1},
        {"kind": "rows of materialized views", "count": 1}
    ]);
    let shown = lifeboat.run(["show", "latest"]).ok().json()["result"]["manifest"].clone();
    assert_eq!(shown["requires"], json!(["left-out"]));
    assert_eq!(shown["excluded"], counts);
    let listed = lifeboat.run(["list"]).ok().json()["result"]["points"][0].clone();
    assert_eq!(listed["excluded"], counts);
    for command in [vec!["show", "latest"], vec!["list"]] {
        let text = lifeboat.bare(&command).ok().stdout;
        assert!(text.contains("on request"), "{command:?}: {text}");
        assert!(!text.contains("cannot read"), "{command:?}: {text}");
    }
    let page = lifeboat.folder().join("page.html");
    lifeboat
        .bare(["report", "--html", page.to_str().unwrap()])
        .ok();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("left out on request: rows of tables"));
    let id = exported["id"].as_str().unwrap().to_owned();
    let point = Point { lifeboat, id };
    for (folder, ending) in [
        ("manifests", ".json"),
        ("parts", "/config.toml"),
        ("parts", "/RESTORE.md"),
    ] {
        let text = std::fs::read_to_string(point.find(folder, ending)).unwrap();
        assert!(
            !text.contains("shop.") && !text.contains("seen_then"),
            "{text}"
        );
    }
    // It stays unfilled, and so does nothing that was not asked for.
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    restore(&point.lifeboat, &target);
    let filled = "SELECT string_agg(relname || ispop, ' ' ORDER BY relname)
                    FROM (SELECT relname, relispopulated::text AS ispop FROM pg_class WHERE relkind = 'm') v";
    assert_eq!(target.sql(filled), "customerstrue seen_thenfalse");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_pattern_that_matches_nothing_is_an_error_with_the_nearest_name() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let (lifeboat, url) = (lifeboat(Major::Pg15), source.url());
    let refused = |pattern: &str, code: i32, says: &str| {
        let args = ["export", "--source", &url, "--exclude-table-data", pattern];
        let ran = lifeboat.bare(args).failed(code, says);
        format!("{}{}", ran.stdout, ran.stderr)
    };
    let said = refused(
        "shop.sesion",
        1,
        "nothing to leave out is called 'shop.sesion'",
    );
    assert!(said.contains("the nearest is shop.session"), "{said}");
    // Folded, as psql does; an exact name is in quotes.
    refused("kept*", 1, "nothing to leave out is called 'kept*'");
    refused("\"Kept\"", 1, "nothing to leave out");
    refused("a.b.c.d", 2, "is no name");
    refused("\"open", 2, "a quote is not closed");
    refused("a(", 1, "regular expression");
    assert_eq!(
        lifeboat.run(["list"]).ok().json()["result"]["points"],
        json!([])
    );
}

/// Of several databases one may be gone: the others are exported still, and somebody is told.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_pattern_of_a_database_that_is_gone_fails_alone() {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE kept (id int)");
    let (lifeboat, url) = (lifeboat(Major::Pg15), source.url());
    let gone = format!("{}.public.t", unique("gone"));
    let ran = lifeboat.run(["export", "--source", &url, "--exclude-table", &gone]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json()["result"].clone();
    assert_eq!(report["databases"][0]["tables"], 1, "{report}");
    assert_eq!(report["failures"].as_array().unwrap().len(), 1, "{report}");
    mentions(
        &report["failures"],
        &[&gone, "is to be left out of database"],
    );
}
