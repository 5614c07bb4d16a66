//! Rows that need each other, and rows that break a constraint of their own: as long as a pass brings one
//! thing more, another follows; then the rows come in without the constraint, which is told.

use serde_json::Value;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};
use crate::without_lifeboat::machine::{Machine, Point};

fn exported(sql: &str) -> (Lifeboat, Database) {
    let source = Database::new(Major::Pg15);
    source.sql(sql);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    (lifeboat, source)
}

fn restore(lifeboat: &Lifeboat, target: &str, flags: &[&str]) -> Ran {
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let fixed = ["restore", "latest", "--verify", "--identity", identity];
    lifeboat.run(fixed.iter().chain(&["--target", target]).chain(flags))
}

#[track_caller]
fn report(ran: &Ran, code: i32) -> Value {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    ran.json()["result"].clone()
}

/// What the report says of one object.
#[track_caller]
fn said<'a>(report: &'a Value, list: &str, what: &str) -> &'a Value {
    let all = report[list].as_array().unwrap();
    let mut found = all.iter().filter(|one| one["what"] == what);
    let one = found
        .next()
        .unwrap_or_else(|| panic!("{list}: no {what}: {report}"));
    assert!(found.next().is_none(), "twice: {report}");
    one
}

/// The statement that a failure names, which must be one that ends it.
#[track_caller]
fn run_sql(target: &Database, finding: &Value) {
    target.sql(finding["sql"].as_str().unwrap());
}

const NOTES: &str = "SELECT to_regnamespace('lifeboat_restore') IS NOT NULL";
const INVALID: &str = "
  SELECT coalesce(string_agg(name, ',' ORDER BY name), '-')
    FROM (SELECT conrelid::regclass || '.' || conname FROM pg_constraint WHERE NOT convalidated) AS c(name)";

/// By size in the wrong order, four deep; two tables that need each other's first row; views behind
/// functions, in the wrong order by age.
const NEED_EACH_OTHER: &str = "
  CREATE TABLE z (id int PRIMARY KEY);
  CREATE FUNCTION in_z(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM public.z WHERE id = $1)';
  CREATE TABLE y (id int PRIMARY KEY, pad text, CHECK (in_z(id)));
  CREATE FUNCTION in_y(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM public.y WHERE id = $1)';
  CREATE TABLE x (id int PRIMARY KEY, pad text, CHECK (in_y(id)));
  CREATE FUNCTION in_x(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM public.x WHERE id = $1)';
  CREATE TABLE w (id int PRIMARY KEY, pad text, CHECK (in_x(id)));
  INSERT INTO z SELECT generate_series(1, 10);
  INSERT INTO y SELECT g, repeat('y', 100) FROM generate_series(1, 10) g;
  INSERT INTO x SELECT g, repeat('x', 200) FROM generate_series(1, 10) g;
  INSERT INTO w SELECT g, repeat('w', 300) FROM generate_series(1, 10) g;
  CREATE TABLE a (id int PRIMARY KEY, b int);
  CREATE TABLE b (id int PRIMARY KEY, a int);
  CREATE FUNCTION in_a(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT $1 IS NULL OR EXISTS (SELECT FROM public.a WHERE id = $1)';
  CREATE FUNCTION in_b(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT $1 IS NULL OR EXISTS (SELECT FROM public.b WHERE id = $1)';
  ALTER TABLE a ADD CONSTRAINT known CHECK (in_b(b)); COMMENT ON CONSTRAINT known ON a IS 'it''s said';
  ALTER TABLE b ADD CONSTRAINT known CHECK (in_a(a));
  INSERT INTO a VALUES (1, NULL); INSERT INTO b VALUES (1, 1); INSERT INTO a VALUES (2, 1); INSERT INTO b VALUES (2, 2);
  CREATE FUNCTION total_c() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT sum(id) FROM public.view_c); END';
  CREATE FUNCTION total_b() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT sum(total) FROM public.view_b); END';
  CREATE MATERIALIZED VIEW view_a AS SELECT total_b() AS total WITH NO DATA;
  CREATE MATERIALIZED VIEW view_b AS SELECT total_c() AS total WITH NO DATA;
  CREATE MATERIALIZED VIEW view_c AS SELECT * FROM z;
  REFRESH MATERIALIZED VIEW view_b; REFRESH MATERIALIZED VIEW view_a;
  CREATE MATERIALIZED VIEW view_empty AS SELECT * FROM z WITH NO DATA;";

const ALL_OF_IT: &str = "SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM x), (SELECT string_agg(a::text, ' ') FROM a),
    (SELECT string_agg(b::text, ' ') FROM b), (SELECT total FROM view_a),
    (SELECT count(*) FROM pg_class WHERE relkind = 'm' AND relispopulated),
    (SELECT string_agg(conrelid::regclass || pg_get_constraintdef(oid) || conislocal || convalidated, ' ' ORDER BY conrelid::regclass::text)
       FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace),
    (SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid = 'a'::regclass AND contype = 'c')";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_needs_each_other_comes_as_long_as_a_pass_brings_one_more() {
    let (lifeboat, source) = exported(NEED_EACH_OTHER);
    let target = Database::new(Major::Pg15);
    let report = report(&restore(&lifeboat, &target.url(), &[]), 0);
    assert_eq!(target.sql(ALL_OF_IT), source.sql(ALL_OF_IT), "{report}");
    assert_eq!(target.sql(NOTES), "f");
    let identity = lifeboat.identity();
    let drilled = lifeboat.run(["drill", "latest", "--identity", identity.to_str().unwrap()]);
    drilled.ok();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn chosen_tables_that_need_each_other_come_too() {
    let (lifeboat, source) = exported(NEED_EACH_OTHER);
    let target = Database::new(Major::Pg15);
    let flags = [
        "--table", "w", "--table", "x", "--table", "y", "--table", "z", "--table", "view_a",
        "--table", "view_b", "--table", "view_c",
    ];
    report(&restore(&lifeboat, &target.url(), &flags), 0);
    let there = "SELECT (SELECT count(*) FROM w), (SELECT total FROM view_a)";
    assert_eq!(target.sql(there), source.sql(there));
}

/// An orphan behind a key that calls itself valid, in a database where `app` has privileges.
fn orphan(owner: &str, app: &str) -> String {
    format!(
        "SET SESSION AUTHORIZATION {owner}; CREATE SCHEMA s;
         CREATE TABLE s.p (id int PRIMARY KEY); CREATE TABLE s.c (id int CONSTRAINT refers REFERENCES s.p);
         INSERT INTO s.p VALUES (1); INSERT INTO s.c VALUES (1);
         CREATE MATERIALIZED VIEW s.m AS SELECT count(*) FROM s.c;
         GRANT USAGE ON SCHEMA s TO {app}; GRANT SELECT, INSERT ON s.p, s.c TO {app};
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {app};
         ALTER TABLE s.p ENABLE ROW LEVEL SECURITY; CREATE POLICY x ON s.p USING (true);
         RESET SESSION AUTHORIZATION; SET session_replication_role = replica;
         INSERT INTO s.c VALUES (2)"
    )
}

const PROTECTIONS: &str = "SELECT (SELECT string_agg(relname || coalesce(relacl::text, '-') || relrowsecurity, ' ' ORDER BY relname)
       FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind IN ('r', 'm')),
    (SELECT nspacl FROM pg_namespace WHERE nspname = 's'), (SELECT count(*) FROM pg_policy),
    (SELECT string_agg(defaclacl::text, ' ') FROM pg_default_acl), (SELECT count FROM s.m) IS NOT NULL";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_orphan_takes_neither_rows_nor_privileges_away_and_is_mended_by_hand() {
    let [app, master] = ["app", "master"].map(unique);
    Major::Pg15.sql(
        "postgres",
        &format!("CREATE ROLE {app}; CREATE ROLE {master} LOGIN CREATEROLE CREATEDB"),
    );
    let source = Database::with(Major::Pg15, &format!("OWNER {master}"));
    source.sql(&orphan(&master, &app));
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    for mend in [
        "DELETE FROM s.c WHERE id NOT IN (SELECT id FROM s.p)",
        "INSERT INTO s.p VALUES (2)",
        "ALTER TABLE s.c DROP CONSTRAINT refers",
    ] {
        let target = Database::reserve(Major::Pg15);
        let url = target.url_as(&master);
        let said_first = report(&restore(&lifeboat, &url, &["--create"]), 1);
        let failure = said(&said_first, "failures", "foreign key refers of s.c");
        assert!(failure["why"].as_str().unwrap().contains("NOT VALID"));
        assert_eq!(target.sql(PROTECTIONS), source.sql(PROTECTIONS));
        assert_eq!(target.sql("SELECT count(*) FROM s.c"), "2");
        let unmended = report(&restore(&lifeboat, &url, &["--resume"]), 1);
        said(&unmended, "failures", "foreign key refers of s.c");
        target.sql(mend);
        let resumed = report(&restore(&lifeboat, &url, &["--resume"]), 3);
        assert_eq!(
            resumed["failures"].as_array().unwrap().len(),
            0,
            "{mend}: {resumed}"
        );
        let findings = resumed["findings"].to_string();
        assert!(findings.contains("foreign key refers of s.c"), "{findings}");
        assert_eq!(target.sql(NOTES), "f");
        assert_eq!(target.sql(INVALID), "-");
        assert_eq!(target.sql(PROTECTIONS), source.sql(PROTECTIONS), "{mend}");
    }
    source.sql(&format!("DROP SCHEMA s CASCADE; DROP OWNED BY {app}"));
    drop(source);
    Major::Pg15.sql("postgres", &format!("DROP ROLE {app}, {master}"));
}

/// Rows were accepted once: by a function that has changed since. Inherited CHECKs, one of a child alone,
/// partitions, a domain, and a unique index.
const CHANGED: &str = "
  CREATE FUNCTION ok(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
  CREATE FUNCTION other(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
  CREATE TABLE t (id int PRIMARY KEY, CONSTRAINT ck CHECK (ok(id)), CONSTRAINT fine CHECK (id > 0));
  INSERT INTO t SELECT generate_series(1, 100);
  CREATE TABLE up (id int, CONSTRAINT inherited CHECK (ok(id)), CONSTRAINT alone CHECK (ok(id)) NO INHERIT);
  CREATE TABLE down (CONSTRAINT inherited CHECK (ok(id))) INHERITS (up);
  CREATE TABLE plain () INHERITS (up);
  INSERT INTO up VALUES (77); INSERT INTO down VALUES (77); INSERT INTO plain VALUES (1);
  CREATE TABLE parted (id int, CONSTRAINT pck CHECK (ok(id))) PARTITION BY RANGE (id);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);
  CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (50) TO (100);
  INSERT INTO parted VALUES (1), (77);
  CREATE DOMAIN d AS int CONSTRAINT dck CHECK (ok(VALUE));
  CREATE TABLE of_domain (v d); INSERT INTO of_domain VALUES (1), (77);
  CREATE TABLE keyed (id int); CREATE UNIQUE INDEX only_one ON keyed (other(id)); INSERT INTO keyed VALUES (1), (77);
  CREATE TABLE last (id int); CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM t;
  GRANT SELECT ON t TO PUBLIC;
  CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.last VALUES (1); END';
  CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION seen();
  ALTER EVENT TRIGGER seen ENABLE ALWAYS;
  CREATE OR REPLACE FUNCTION ok(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> 77';
  CREATE OR REPLACE FUNCTION other(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
  TRUNCATE last;";

const ROWS: &str = "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM ONLY up), (SELECT count(*) FROM down), (SELECT count(*) FROM plain),
    (SELECT count(*) FROM parted_1), (SELECT count(*) FROM parted_2), (SELECT string_agg(o::text, ' ') FROM of_domain o),
    (SELECT count(*) FROM keyed), (SELECT count FROM counted), has_table_privilege('public', 't', 'SELECT'),
    (SELECT string_agg(evtname::text || evtenabled::text, ',') FROM pg_event_trigger)";

/// Everything but whether each is valid.
const CHECKS: &str = "SELECT string_agg(conrelid::regclass || ' ' || contypid || ' ' || conname || ' '
         || replace(pg_get_constraintdef(oid), ' NOT VALID', '') || conislocal || coninhcount || connoinherit, E'\n'
         ORDER BY conrelid::regclass::text, conname) FROM pg_constraint WHERE contype = 'c' AND contypid = 0
     AND connamespace = 'public'::regnamespace";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_a_changed_check_refuses_load_and_the_check_is_not_valid() {
    let (lifeboat, source) = exported(CHANGED);
    let target = Database::new(Major::Pg15);
    let first = report(&restore(&lifeboat, &target.url(), &[]), 1);
    assert_eq!(target.sql(ROWS), source.sql(ROWS), "{first}");
    assert_eq!(target.sql(CHECKS), source.sql(CHECKS));
    assert_eq!(
        target.sql(INVALID),
        "-.dck,down.inherited,parted.pck,parted_2.pck,t.ck,up.alone,up.inherited"
    );
    let names = [
        "check constraint ck of public.t",
        "check constraint alone of public.up",
        "check constraint inherited of public.up",
        "check constraint inherited of public.down",
        "check constraint pck of public.parted",
        "constraint dck of domain public.d",
        "unique index only_one of public.keyed",
    ];
    for what in names {
        assert!(said(&first, "failures", what)["sql"].is_string());
    }
    assert_eq!(
        first["failures"].as_array().unwrap().len(),
        names.len(),
        "{first}"
    );
    // New rows must meet them.
    let refused =
        target
            .major
            .try_sql("postgres", &target.name, "INSERT INTO t VALUES (177), (77)");
    assert!(refused.is_err());
    // The function accepts them again: --resume makes all whole.
    target.sql(
        "CREATE OR REPLACE FUNCTION ok(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
         CREATE OR REPLACE FUNCTION other(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'; TRUNCATE last",
    );
    let resumed = report(&restore(&lifeboat, &target.url(), &["--resume"]), 3);
    for function in ["ok", "other"] {
        let changed = format!("function public.{function}(integer)");
        said(&resumed, "findings", &changed);
    }
    assert_eq!(
        resumed["findings"].as_array().unwrap().len(),
        2,
        "{resumed}"
    );
    assert_eq!(target.sql(INVALID), "-", "{resumed}");
    assert_eq!(target.sql(ROWS), source.sql(ROWS));
    assert_eq!(target.sql(NOTES), "f");
    assert_eq!(
        target.sql("SELECT count(*) FROM last"),
        "0",
        "an event trigger fired"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_statement_that_a_failure_names_ends_it_and_so_does_taking_the_check_off() {
    let (lifeboat, _source) = exported(CHANGED);
    let target = Database::new(Major::Pg15);
    let first = report(&restore(&lifeboat, &target.url(), &[]), 1);
    target.sql(
        "ALTER EVENT TRIGGER seen DISABLE; DELETE FROM up WHERE id = 77; DELETE FROM parted WHERE id = 77; DELETE FROM keyed WHERE id = 77;
         DELETE FROM of_domain WHERE v = 77; ALTER TABLE t DROP CONSTRAINT ck",
    );
    for what in [
        "check constraint alone of public.up",
        "check constraint inherited of public.up",
        "check constraint inherited of public.down",
        "check constraint pck of public.parted",
        "constraint dck of domain public.d",
        "unique index only_one of public.keyed",
    ] {
        run_sql(&target, said(&first, "failures", what));
    }
    target.sql("ALTER EVENT TRIGGER seen ENABLE ALWAYS");
    let resumed = report(&restore(&lifeboat, &target.url(), &["--resume"]), 3);
    assert_eq!(
        resumed["failures"].as_array().unwrap().len(),
        0,
        "{resumed}"
    );
    for what in [
        "check constraint ck of public.t",
        "table public.up",
        "table public.down",
        "table public.parted_2",
        "table public.keyed",
        "table public.of_domain",
    ] {
        said(&resumed, "findings", what);
    }
    assert_eq!(target.sql(NOTES), "f");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_finds_the_same_failure_and_restores_the_rows() {
    let (lifeboat, _source) = exported(
        "CREATE FUNCTION ok(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
         CREATE TABLE t (id int CONSTRAINT ck CHECK (ok(id))); INSERT INTO t SELECT generate_series(1, 100);
         CREATE OR REPLACE FUNCTION ok(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> 77'",
    );
    let identity = lifeboat.identity();
    let ran = lifeboat.run(["drill", "latest", "--identity", identity.to_str().unwrap()]);
    let report = report(&ran, 1);
    said(&report, "failures", "check constraint ck of public.t");
    assert_eq!(report["failures"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["rows"], 100);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_function_without_search_path_is_named_with_what_mends_it() {
    let (lifeboat, source) = exported(
        "CREATE SCHEMA app; SET search_path = app, public;
         CREATE TABLE rate (k text PRIMARY KEY, v int); INSERT INTO rate VALUES ('a', 3);
         CREATE FUNCTION rated(text) RETURNS int LANGUAGE sql STABLE AS 'SELECT v FROM rate WHERE k = $1';
         CREATE FUNCTION rated_too(text) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT v FROM rate WHERE k = $1); END';
         CREATE TABLE checked (id int PRIMARY KEY, k text CONSTRAINT ck CHECK (rated(k) > 0)); INSERT INTO checked VALUES (1, 'a');
         CREATE MATERIALIZED VIEW m AS SELECT rated_too('a') AS r;",
    );
    let target = Database::new(Major::Pg15);
    let first = report(&restore(&lifeboat, &target.url(), &[]), 1);
    let check = said(&first, "failures", "check constraint ck of app.checked");
    let view = said(&first, "findings", "materialized view app.m");
    for (finding, function) in [(check, "rated"), (view, "rated_too")] {
        let mends = format!(
            "ALTER FUNCTION \"app\".\"{function}\"(text) SET \"search_path\" TO 'app', 'public'"
        );
        let why = finding["why"].as_str().unwrap();
        assert!(why.contains(&mends), "{why}");
        run_sql(&target, finding);
    }
    let resumed = report(&restore(&lifeboat, &target.url(), &["--resume"]), 0);
    assert_eq!(target.sql(INVALID), "-", "{resumed}");
    let content = "SELECT (SELECT r FROM app.m), (SELECT count(*) FROM app.checked)";
    assert_eq!(target.sql(content), source.sql(content));
}

fn by_script(sql: &str) -> (Database, Database, Ran) {
    let source = Database::new(Major::Pg15);
    source.sql(sql);
    let point = Point::of(&source);
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&Machine::new(Major::Pg15), &trust, &target.url());
    (source, target, ran)
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_needs_each_other_comes_without_lifeboat_too() {
    let (source, target, ran) = by_script(NEED_EACH_OTHER);
    let ran = ran.ok();
    assert_eq!(
        target.sql(ALL_OF_IT),
        source.sql(ALL_OF_IT),
        "{}",
        ran.stderr
    );
    assert_eq!(target.sql(NOTES), "f");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_a_changed_check_refuses_load_without_lifeboat_too() {
    let (source, target, ran) = by_script(CHANGED);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(target.sql(ROWS), source.sql(ROWS), "{}", ran.stderr);
    assert_eq!(target.sql(CHECKS), source.sql(CHECKS));
    for said in [
        "ck of public.t is NOT VALID",
        "dck of public.d is NOT VALID",
    ] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert_eq!(target.sql(NOTES), "f");
}
