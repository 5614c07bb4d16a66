//! Choosing what to restore, who it belongs to, and where it goes.

use serde_json::Value;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

fn restore(lifeboat: &Lifeboat, target: &Database, user: &str, flags: &[&str]) -> Ran {
    let (identity, bin) = (lifeboat.identity(), target.major.bin());
    let url = target.url_as(user);
    let mut args = vec!["restore", "latest", "--verify", "--target", &url];
    args.extend(["--identity", identity.to_str().unwrap()]);
    args.extend(["--pg-bin", bin.to_str().unwrap()]);
    args.extend(flags);
    lifeboat.run(args)
}

fn exported(source: &Database) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    let bin = source.major.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    lifeboat.export(&source.url());
    lifeboat
}

/// Types, sequences and functions of one schema that tables of another need.
const SHOP: &str = r#"
  CREATE SCHEMA base; CREATE SCHEMA shop; CREATE SCHEMA "Other.Schema";
  CREATE TYPE base.colour AS ENUM ('red', 'blue');
  CREATE DOMAIN base.amount AS numeric(9, 2) CHECK (VALUE >= 0);
  CREATE FUNCTION base.shout(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(t)';
  CREATE SEQUENCE base.numbers START 100;
  CREATE TABLE base.customer (id serial PRIMARY KEY, name text UNIQUE);
  CREATE TABLE shop.item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, colour base.colour,
    price base.amount, number int DEFAULT nextval('base.numbers'), name text);
  CREATE TABLE shop.sale (id bigserial PRIMARY KEY, item int REFERENCES shop.item,
    customer int REFERENCES base.customer, at date) ;
  CREATE TABLE shop.by_year (y int, note text) PARTITION BY LIST (y);
  CREATE TABLE shop.y1 PARTITION OF shop.by_year FOR VALUES IN (1);
  CREATE TABLE shop.y2 PARTITION OF shop.by_year FOR VALUES IN (2);
  CREATE TABLE "Other.Schema"."Odd ""Table""" (a int, CHECK (a < 10));
  CREATE MATERIALIZED VIEW shop.sold AS SELECT item, count(*) FROM shop.sale GROUP BY 1;
  CREATE INDEX shouted ON shop.item (base.shout(name));
  INSERT INTO base.customer (name) SELECT 'c' || g FROM generate_series(1, 20) g;
  INSERT INTO shop.item (colour, price, name)
    SELECT CASE WHEN g % 2 = 0 THEN 'red' ELSE 'blue' END::base.colour, g, 'i' || g FROM generate_series(1, 30) g;
  INSERT INTO shop.sale (item, customer, at) SELECT 1 + g % 30, 1 + g % 20, '2024-01-01'::date + g FROM generate_series(1, 300) g;
  INSERT INTO shop.by_year SELECT 1 + g % 2, g FROM generate_series(1, 50) g;
  INSERT INTO "Other.Schema"."Odd ""Table""" SELECT 7;
  REFRESH MATERIALIZED VIEW shop.sold;
  SELECT lo_from_bytea(0, 'x');"#;

const SALES: &str = "SELECT count(*), md5(string_agg(s::text, ',' ORDER BY id)) FROM shop.sale s";

fn foreign_keys(database: &Database) -> String {
    database.sql(
        "SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE contype = 'f'",
    )
}

#[track_caller]
fn mentions(value: &Value, words: &[&str]) {
    let text = value.to_string();
    for word in words {
        assert!(text.contains(word), "no '{word}' in {text}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_schema_comes_with_what_its_rows_need() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let lifeboat = exported(&source);
    let target = Database::new(Major::Pg15);
    let ran = restore(&lifeboat, &target, "postgres", &["--schema", "shop"]).ok();
    let report = ran.json()["result"].clone();
    assert_eq!(report["rows"], 30 + 300 + 50);
    assert_eq!(target.sql(SALES), source.sql(SALES));
    let items = "SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM shop.item i";
    assert_eq!(target.sql(items), source.sql(items));
    assert_eq!(
        target.sql("SELECT count(*), sum(count) FROM shop.sold"),
        "30|300"
    );
    assert_eq!(target.sql("SELECT count(*) FROM base.customer"), "0");
    // The key to the chosen table holds; the one to rows that did not come is listed.
    assert_eq!(foreign_keys(&target), "sale_item_fkey");
    mentions(
        &report["left_out"],
        &["sale_customer_fkey", "large objects"],
    );
    // Sequences stand where they stood, also those that a default draws from.
    for next in [
        "SELECT nextval('shop.sale_id_seq')",
        "SELECT nextval('base.numbers')",
    ] {
        assert_eq!(target.sql(next), source.sql(next), "{next}");
    }
    let refused = target.major.try_sql(
        "postgres",
        &target.name,
        "INSERT INTO shop.sale (id) VALUES (1)",
    );
    assert!(refused.unwrap_err().contains("sale_pkey"));
    let shouted = "SELECT pg_get_indexdef('shop.shouted'::regclass)";
    assert_eq!(target.sql(shouted), source.sql(shouted));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn tables_of_several_schemas_are_chosen_by_name() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let lifeboat = exported(&source);
    let target = Database::new(Major::Pg18);
    let odd = r#""Other.Schema"."Odd ""Table""""#;
    let flags = [
        "--table", "customer", "--table", odd, "--table", "shop.y2", "--table", "sale",
    ];
    let report = restore(&lifeboat, &target, "postgres", &flags).ok().json()["result"].clone();
    assert_eq!(report["rows"], 20 + 1 + 25 + 300);
    assert_eq!(report["tables"], 4);
    assert_eq!(foreign_keys(&target), "sale_customer_fkey");
    mentions(
        &report["left_out"],
        &["sale_item_fkey", "shop.sold", "large objects"],
    );
    assert_eq!(
        target.sql("SELECT min(y), count(*) FROM shop.by_year"),
        "2|25"
    );
    assert_eq!(target.sql(SALES), source.sql(SALES));
    let missing = restore(
        &lifeboat,
        &Database::new(Major::Pg15),
        "postgres",
        &["--table", "shop.custmer"],
    );
    missing.failed(1, "custmer");
}

fn encoding_is_made(encoding: &str, bytes: &str) {
    // A role's name has the encoding of where it was made: another database reads it otherwise.
    let odd = format!("\"{}\"", unique("müller"));
    let _roles = Roles(vec![(Major::Pg15, odd.clone()), (Major::Pg18, odd.clone())]);
    Major::Pg15.sql("postgres", &format!("CREATE ROLE {odd}"));
    let kind = format!("TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
    let source = Database::with(Major::Pg15, &kind);
    source.sql(&format!(
        "CREATE TABLE t (id int, t text);
         DO $$BEGIN EXECUTE 'INSERT INTO t VALUES (1, convert_from(''{bytes}''::bytea, ''SQL_ASCII''))';
         EXCEPTION WHEN OTHERS THEN INSERT INTO t VALUES (1, convert_from('{bytes}', getdatabaseencoding())); END$$"
    ));
    let stored =
        "SELECT count(*), string_agg(convert_to(t, getdatabaseencoding())::text, ',') FROM t";
    let expected = format!("1|{}", bytes.replace("\\\\", "\\"));
    assert_eq!(source.sql(stored), expected);
    let lifeboat = exported(&source);
    for major in [Major::Pg15, Major::Pg18] {
        let target = Database::reserve(major);
        restore(&lifeboat, &target, "postgres", &["--create"]).ok();
        assert_eq!(target.sql("SHOW server_encoding"), encoding);
        assert_eq!(target.sql(stored), expected);
        let other = Database::with(major, "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
        let ran = restore(&lifeboat, &other, "postgres", &[]).failed(1, "encoding");
        assert!(ran.stdout.contains("--create"), "{ran:?}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_latin1_database_is_made_as_it_was() {
    encoding_is_made("LATIN1", r"\xe9ff41");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_sql_ascii_database_is_made_as_it_was() {
    encoding_is_made("SQL_ASCII", r"\xe9fe8141");
}

/// Roles that are dropped with this value; declare it before databases.
struct Roles(Vec<(Major, String)>);

impl Drop for Roles {
    fn drop(&mut self) {
        for (major, role) in self.0.drain(..).rev() {
            let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
            let _ = major.try_sql("postgres", "postgres", &drop);
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn roles_that_the_target_lacks_are_made_as_they_were() {
    let names = ["team", "writer", "robot"].map(unique);
    let [team, writer, robot] = &names;
    let both = names
        .iter()
        .flat_map(|role| [(Major::Pg16, role.clone()), (Major::Pg18, role.clone())]);
    let _roles = Roles(both.collect());
    let source = Database::new(Major::Pg16);
    source.sql(&format!(
        "CREATE ROLE {team} NOLOGIN CREATEDB; CREATE ROLE {writer} LOGIN PASSWORD 'secret-of-writer' CONNECTION LIMIT 3
           VALID UNTIL '2031-01-01 00:00+00' IN ROLE {team};
         CREATE ROLE {robot} LOGIN NOINHERIT BYPASSRLS; GRANT {team} TO {robot} WITH ADMIN OPTION;
         ALTER ROLE {writer} SET statement_timeout = '7s'; COMMENT ON ROLE {team} IS 'all of us';
         CREATE TABLE t (id int); ALTER TABLE t OWNER TO {team};
         GRANT SELECT ON t TO {writer} WITH GRANT OPTION;"
    ));
    let lifeboat = exported(&source);
    let target = Database::new(Major::Pg18);
    let report = restore(&lifeboat, &target, "postgres", &[]).ok().json()["result"].clone();
    mentions(&report["to_do"], &[writer.as_str(), "password"]);
    let roles = format!(
        "SELECT rolname, rolcanlogin, rolcreatedb, rolinherit, rolbypassrls, rolconnlimit,
                rolvaliduntil AT TIME ZONE 'UTC', rolconfig, shobj_description(oid, 'pg_authid')
           FROM pg_roles WHERE rolname IN ('{team}', '{writer}', '{robot}') ORDER BY 1"
    );
    assert_eq!(target.sql(&roles), source.sql(&roles));
    let members = format!(
        "SELECT member::regrole, admin_option, inherit_option, set_option FROM pg_auth_members
          WHERE roleid = '{team}'::regrole ORDER BY member::regrole::text"
    );
    assert_eq!(target.sql(&members), source.sql(&members));
    let owner = "SELECT relowner::regrole, relacl FROM pg_class WHERE relname = 't'";
    let without_maintain = |text: String| text.replace("Dxtm/", "Dxt/");
    assert_eq!(without_maintain(target.sql(owner)), source.sql(owner));
    let secret = format!("SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = '{writer}'");
    assert_eq!(target.sql(&secret), "t", "a password is in no backup");
    let stored = format!("{:?}", lifeboat.catalog("latest"));
    assert!(!stored.contains("secret-of-writer") && !stored.contains("SCRAM-SHA-256"));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_ordinary_owner_restores_into_a_database_of_his() {
    let names = ["master", "app"].map(unique);
    let [master, app] = &names;
    let both = names
        .iter()
        .flat_map(|role| [(Major::Pg16, role.clone()), (Major::Pg18, role.clone())]);
    let _roles = Roles(both.collect());
    let source = Database::new(Major::Pg16);
    source.sql(&format!(
        "CREATE ROLE {app} LOGIN; CREATE SCHEMA own AUTHORIZATION {app};
         SET ROLE {app}; CREATE TABLE own.t (id serial PRIMARY KEY, t text);
         INSERT INTO own.t (t) SELECT g FROM generate_series(1, 100) g; SELECT lo_from_bytea(0, 'y')"
    ));
    let lifeboat = exported(&source);
    Major::Pg18.sql(
        "postgres",
        &format!("CREATE ROLE {master} LOGIN CREATEDB CREATEROLE"),
    );
    let target = Database::with(Major::Pg18, &format!("OWNER {master}"));
    let report = restore(&lifeboat, &target, master, &[]).json()["result"].clone();
    assert_eq!(report["failures"], serde_json::json!([]), "{report}");
    assert_eq!(
        target.sql("SELECT tableowner FROM pg_tables WHERE schemaname = 'own'"),
        *app
    );
    assert_eq!(
        target.sql("SELECT lomowner::regrole FROM pg_largeobject_metadata"),
        *app
    );
    assert_eq!(target.sql("SELECT count(*), max(id) FROM own.t"), "100|100");
    assert_eq!(
        target
            .major
            .try_sql(
                app,
                &target.name,
                "INSERT INTO own.t (t) VALUES ('n') RETURNING id"
            )
            .unwrap(),
        "101"
    );

    // And without anybody else's name, where no role may be made.
    let plain = unique("plain");
    let _plain = Roles(vec![(Major::Pg18, plain.clone())]);
    Major::Pg18.sql("postgres", &format!("CREATE ROLE {plain} LOGIN"));
    let target = Database::with(Major::Pg18, &format!("OWNER {plain}"));
    let flags = ["--no-owner", "--no-privileges"];
    let report = restore(&lifeboat, &target, &plain, &flags).json()["result"].clone();
    assert_eq!(report["failures"], serde_json::json!([]), "{report}");
    assert_eq!(
        target.sql("SELECT tableowner FROM pg_tables WHERE schemaname = 'own'"),
        plain
    );
    assert_eq!(target.sql("SELECT count(*) FROM own.t"), "100");
}
