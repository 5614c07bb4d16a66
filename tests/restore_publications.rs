//! Publications and subscriptions come last: no statement of a restore, and no note of it, meets them.

use crate::support::{Database, Lifeboat, Major, unique};
use crate::without_lifeboat::machine::{Machine, Point};

/// As change data capture makes it by default: everything that can be done to any table.
const PUBLISHED: &str = "
  CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g FROM generate_series(1, 10) g;
  CREATE TABLE without_key (v int); INSERT INTO without_key SELECT generate_series(1, 10);
  SELECT lo_from_bytea(4711, 'abc');
  CREATE PUBLICATION cdc FOR ALL TABLES; COMMENT ON PUBLICATION cdc IS 'of all';
  CREATE PUBLICATION chosen FOR TABLE t (id) WHERE (id > 3);
  CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA public;
  CREATE SUBSCRIPTION @ CONNECTION 'host=nowhere.invalid' PUBLICATION x
    WITH (connect = false, slot_name = NONE, enabled = false);
  COMMENT ON SUBSCRIPTION @ IS 'ours';
  CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS
    $$BEGIN UPDATE public.t SET v = 0; END$$;
  CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note();";

const SHOW: &str = "
  SELECT pubname || puballtables || pubupdate || coalesce(obj_description(oid, 'pg_publication'), '')
    FROM pg_publication
  UNION ALL SELECT pubname || tablename || attnames::text || coalesce(rowfilter, '') FROM pg_publication_tables
   WHERE pubname <> 'cdc'
  UNION ALL SELECT shobj_description(s.oid, 'pg_subscription') || subenabled
              FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()
  UNION ALL SELECT sum(v)::text FROM t ORDER BY 1";

/// A subscription belongs to a database, and keeps that from being dropped.
struct Published(Database);

impl Drop for Published {
    fn drop(&mut self) {
        let names = "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid
                      WHERE datname = current_database()";
        let it = &self.0;
        for name in it.sql(names).lines() {
            let drop = format!("DROP SUBSCRIPTION {name}");
            let _ = it.major.try_sql("postgres", &it.name, &drop);
        }
    }
}

fn published(major: Major) -> Published {
    let database = Published(Database::new(major));
    let sql = PUBLISHED.replace('@', &unique("sub"));
    for statement in [
        &sql[..sql.find("CREATE SUBSCRIPTION").unwrap()],
        // Not in a transaction block.
        &sql[sql.find("CREATE SUBSCRIPTION").unwrap()
            ..sql.find("COMMENT ON SUBSCRIPTION").unwrap()],
        &sql[sql.find("COMMENT ON SUBSCRIPTION").unwrap()..],
    ] {
        database.0.sql(statement);
    }
    database
}

fn restored(lifeboat: &Lifeboat, target: &str, flags: &[&str]) -> crate::support::program::Ran {
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let fixed = [
        "restore",
        "latest",
        "--identity",
        identity,
        "--target",
        target,
    ];
    lifeboat.run(fixed.iter().chain(flags))
}

fn come_back(from: Major, to: Major) {
    let source = published(from);
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", from.bin()));
    lifeboat.export(&source.0.url());
    let target = Published(Database::new(to));
    let bin = to.bin();
    let flags = ["--verify", "--pg-bin", bin.to_str().unwrap()];
    let ran = restored(&lifeboat, &target.0.url(), &flags);
    assert_ne!(ran.code, Some(1), "{ran:?}");
    let result = ran.json()["result"].clone();
    assert_eq!(result["failures"], serde_json::json!([]), "{result}");
    assert_eq!(target.0.sql(SHOW), source.0.sql(SHOW));
    let notes = "SELECT count(*) FROM pg_namespace WHERE nspname = 'lifeboat_restore'";
    assert_eq!(target.0.sql(notes), "0");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn publications_of_all_tables_come_back_15_to_15() {
    come_back(Major::Pg15, Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn publications_of_all_tables_come_back_15_to_18() {
    come_back(Major::Pg15, Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn publications_of_all_tables_come_back_18_to_18() {
    come_back(Major::Pg18, Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn publications_of_all_tables_come_back_without_lifeboat() {
    let source = published(Major::Pg15);
    let point = Point::of(&source.0);
    let target = Published(Database::new(Major::Pg15));
    let machine = Machine::new(Major::Pg15);
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&machine, &trust, &target.0.url());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(target.0.sql(SHOW), source.0.sql(SHOW));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_point_with_publications_of_all_tables_is_drilled_sound() {
    let source = published(Major::Pg15);
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.0.url());
    let identity = lifeboat.identity();
    let drill = ["drill", "latest", "--identity", identity.to_str().unwrap()];
    let ran = lifeboat.run(drill);
    let result = ran.json()["result"].clone();
    assert_eq!(result["failures"], serde_json::json!([]), "{result}");
    let not_tried = result["not_tried"].to_string();
    assert!(not_tried.contains("cdc"), "{result}");
}

/// An earlier version of lifeboat restored publications before its last notes, which had no replica
/// identity, and ended there.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_restore_that_publications_stopped_goes_on() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE FUNCTION mended(int) RETURNS boolean LANGUAGE plpgsql AS
           $$BEGIN PERFORM 1 FROM public.mended; RETURN true; END$$;
         CREATE TABLE mended (); CREATE TABLE t (id int PRIMARY KEY CHECK (mended(id)));
         INSERT INTO t VALUES (1); DROP TABLE mended",
    );
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let target = Database::new(Major::Pg15);
    let ran = restored(&lifeboat, &target.url(), &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    target.sql(
        "CREATE TABLE mended (); CREATE PUBLICATION cdc FOR ALL TABLES;
         ALTER TABLE lifeboat_restore.said REPLICA IDENTITY DEFAULT;
         ALTER TABLE lifeboat_restore.loan REPLICA IDENTITY DEFAULT",
    );
    let ran = restored(&lifeboat, &target.url(), &["--resume"]);
    assert!(!format!("{ran:?}").contains("replica identity"), "{ran:?}");
    assert_eq!(target.sql("SELECT count(*) FROM t"), "1", "{ran:?}");
}

/// Only a superuser publishes all tables: a master without it restores the others, and tells the SQL.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_a_master_may_not_publish_is_a_finding_with_its_sql() {
    let (owner, master) = (unique("own"), unique("master"));
    let source = Database::new(Major::Pg15);
    source.sql(&format!(
        "CREATE ROLE {owner}; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);
         ALTER TABLE t OWNER TO {owner}; GRANT CREATE ON DATABASE {} TO {owner};
         CREATE PUBLICATION cdc FOR ALL TABLES;
         CREATE PUBLICATION chosen FOR TABLE t; ALTER PUBLICATION chosen OWNER TO {owner};",
        source.name
    ));
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    let target = Database::new(Major::Pg15);
    target.sql(&format!(
        "CREATE ROLE {master} LOGIN CREATEROLE CREATEDB; ALTER DATABASE {} OWNER TO {master}",
        target.name
    ));
    let ran = restored(&lifeboat, &target.url_as(&master), &["--verify"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let findings = ran.json()["result"]["findings"].to_string();
    assert!(
        findings.contains("CREATE PUBLICATION cdc FOR ALL TABLES"),
        "{findings}"
    );
    assert_eq!(
        target.sql("SELECT pubname || pubowner::regrole FROM pg_publication"),
        format!("chosen{owner}")
    );
    drop(target);
    drop(source);
    Major::Pg15.sql("postgres", &format!("DROP ROLE {owner}, {master}"));
}
