//! Implicit casts that PostgreSQL 8.3 took away and that people put back: they make `||` and `=` ambiguous
//! for statements that leave types to be guessed.

use serde_json::json;

use crate::support::{Database, Lifeboat, Major};
use crate::without_lifeboat::machine::{Machine, Point};

/// Casts to text of all that had one, and of what lifeboat joins into text itself.
const CASTS: &str = "
  DO $$DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'date', 'time',
      'timetz', 'timestamp', 'timestamptz', 'interval', 'uuid', 'xid', 'cid', 'tid', 'regclass', 'regproc',
      'regprocedure', 'regtype', 'regrole', 'regnamespace', 'regoperator', 'bytea', 'json', 'jsonb', 'pg_lsn',
      'aclitem', 'money'] LOOP
      EXECUTE format('CREATE CAST (%s AS text) WITH INOUT AS IMPLICIT', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['int4', 'int8', 'oid', 'numeric', 'bool', 'date', 'uuid', 'json'] LOOP
      EXECUTE format('CREATE CAST (text AS %s) WITH INOUT AS IMPLICIT', t);
    END LOOP;
  END$$;
  -- Nor may operators and functions of the user's own be met.
  CREATE FUNCTION public.mine(name, text) RETURNS text LANGUAGE sql AS 'SELECT ''mine''';
  CREATE OPERATOR public.|| (LEFTARG = name, RIGHTARG = text, FUNCTION = public.mine);
  CREATE FUNCTION public.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS 'SELECT ''mine''';";

const CONTENT: &str = "
  CREATE TABLE t (id int PRIMARY KEY, s serial, c regclass DEFAULT 'pg_class');
  INSERT INTO t SELECT generate_series(1, 100);
  CREATE TYPE mood AS ENUM ('well', 'unwell'); CREATE TABLE moods (m mood); INSERT INTO moods VALUES ('well');
  CREATE TABLE parts (m mood) PARTITION BY HASH (m);
  CREATE TABLE part PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
  INSERT INTO parts VALUES ('unwell');
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER touch BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE MATERIALIZED VIEW view AS SELECT count(*) FROM t;
  SELECT lo_from_bytea(77, 'abc'); GRANT SELECT ON LARGE OBJECT 77 TO PUBLIC;
  CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
  CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note();";

fn source(major: Major) -> Database {
    let source = Database::new(major);
    // The content first, as the casts would make it as ambiguous.
    source.sql(CONTENT);
    source.sql(CASTS);
    source
}

fn come_back(from: Major, to: Major) {
    let source = source(from);
    let lifeboat = Lifeboat::init();
    let id = lifeboat.export(&source.url())["id"].clone();
    lifeboat.verify(id.as_str().unwrap());
    let target = Database::new(to);
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let (url, bin) = (target.url(), to.bin());
    let restore = [
        "restore",
        "latest",
        "--pg-bin",
        bin.to_str().unwrap(),
        "--identity",
        identity,
        "--target",
        &url,
        "--verify",
    ];
    let ran = lifeboat.run(restore).ok();
    assert_eq!(ran.json()["result"]["findings"], json!([]), "{ran:?}");
    let casts = "SELECT count(*) FROM pg_cast WHERE oid >= 16384";
    assert_eq!(target.sql(casts), source.sql(casts));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn implicit_casts_come_back_15_to_15() {
    come_back(Major::Pg15, Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn implicit_casts_come_back_15_to_18() {
    come_back(Major::Pg15, Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn implicit_casts_come_back_without_lifeboat() {
    let point = Point::of(&source(Major::Pg15));
    let target = Database::new(Major::Pg15);
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&Machine::new(Major::Pg15), &trust, &target.url());
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_point_with_implicit_casts_is_drilled_sound() {
    let source = source(Major::Pg15);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let identity = lifeboat.identity();
    let ran = lifeboat.run(["drill", "latest", "--identity", identity.to_str().unwrap()]);
    let result = ran.json()["result"].clone();
    assert_eq!(result["failures"], json!([]), "{result}");
    assert_eq!(result["findings"], json!([]), "{result}");
}
