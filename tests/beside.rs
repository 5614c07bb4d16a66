//! `lifeboat restore --into-schema`: rows beside production, of which nothing else is touched.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bad_input::complains;
use crate::json_page::{documented, fields};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

/// Types of the database and of an extension, a domain, keys, indexes, partitions in another order, what is
/// computed, what draws from a sequence.
const SHOP: &str = r#"
  CREATE SCHEMA shop;
  CREATE EXTENSION hstore;
  CREATE TYPE shop.mood AS ENUM ('sad', 'ok');
  CREATE DOMAIN shop.amount AS numeric(9, 2) CHECK (VALUE >= 0);
  CREATE TYPE shop.pair AS (mood shop.mood, amount shop.amount);
  CREATE TABLE shop.answer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood shop.mood NOT NULL,
    price shop.amount, pair shop.pair, tags hstore, doc json, code text UNIQUE, at date DEFAULT '2026-01-01',
    number serial, twice numeric GENERATED ALWAYS AS (price * 2) STORED, place regclass DEFAULT 'pg_class');
  CREATE INDEX by_price ON shop.answer (price DESC, mood);
  CREATE INDEX by_lower ON shop.answer (lower(code));
  INSERT INTO shop.answer (mood, price, pair, tags, doc, code)
    SELECT 'ok', g, ('(sad,' || g || ')')::shop.pair, 'a=>1', '{"a": 1}', 'c' || g FROM generate_series(1, 500) g;
  CREATE TABLE shop.by_year (y int, note text, PRIMARY KEY (y, note)) PARTITION BY LIST (y);
  CREATE TABLE shop.y1 PARTITION OF shop.by_year FOR VALUES IN (1);
  CREATE TABLE shop.y2 (note text NOT NULL, y int NOT NULL);
  ALTER TABLE shop.by_year ATTACH PARTITION shop.y2 FOR VALUES IN (2);
  INSERT INTO shop.by_year SELECT 1 + g % 2, g FROM generate_series(1, 50) g;
  CREATE TABLE visit (id int PRIMARY KEY, at timestamptz DEFAULT now());"#;

struct Scene {
    production: Database,
    lifeboat: Lifeboat,
}

impl Scene {
    fn new() -> Self {
        let production = Database::new(Major::Pg15);
        production.sql(SHOP);
        let lifeboat = Lifeboat::init();
        let bin = production.major.bin();
        lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
        lifeboat.export(&production.url());
        Self {
            production,
            lifeboat,
        }
    }

    fn args(&self, target: &str, more: &[&str]) -> Vec<String> {
        let identity = self.lifeboat.identity();
        let identity = identity.to_str().unwrap();
        let restore = [
            "restore",
            "latest",
            "--identity",
            identity,
            "--target",
            target,
        ];
        let all = [&restore[..], more].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn restore(&self, more: &[&str]) -> Ran {
        self.lifeboat.run(self.args(&self.production.url(), more))
    }
}

const RESCUE: [&str; 6] = [
    "--table",
    "shop.answer",
    "--table",
    "by_year",
    "--into-schema",
    "Rescue",
];

fn dumped(database: &Database) -> String {
    let output = Command::new(database.major.bin().join("pg_dump"))
        .args([
            "--schema-only",
            "--restrict-key=same",
            "-d",
            &database.url(),
        ])
        .output()
        .unwrap();
    let output = match output.status.success() {
        true => output,
        // A minor version that knows no keys.
        false => Command::new(database.major.bin().join("pg_dump"))
            .args(["--schema-only", "-d", &database.url()])
            .output()
            .unwrap(),
    };
    Ran::of(&output).ok().stdout
}

/// psql at work, ended with this value.
struct AtWork<'a> {
    child: Child,
    database: &'a Database,
    /// Its `application_name`.
    name: String,
}

impl<'a> AtWork<'a> {
    fn new(database: &'a Database, sql: &str) -> Self {
        let name = unique("at_work");
        let child = Command::new(database.major.bin().join("psql"))
            .args([
                "-Xq",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &database.url(),
                "-c",
                sql,
            ])
            .env("PGAPPNAME", &name)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            child: child.unwrap(),
            database,
            name,
        }
    }

    fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for AtWork<'_> {
    /// A server does not notice that a client is gone while it works for it.
    fn drop(&mut self) {
        let ask = |what: &str| {
            let sql = format!(
                "SELECT {what} FROM pg_stat_activity WHERE application_name = '{}'",
                self.name
            );
            let database = self.database;
            database.major.try_sql("postgres", &database.name, &sql)
        };
        let begun = Instant::now();
        let _ = ask("pg_terminate_backend(pid)");
        while ask("count(*)").is_ok_and(|count| count != "0")
            && begun.elapsed() < Duration::from_secs(20)
        {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until it is so; the bound is only there to fail.
#[track_caller]
fn wait_until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

struct Role(String);

impl Drop for Role {
    fn drop(&mut self) {
        let drop = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.0);
        let _ = Major::Pg15.try_sql("postgres", "postgres", &drop);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_come_beside_production_which_goes_on() {
    let reader = Role(unique("reader"));
    let scene = Scene::new();
    let production = &scene.production;
    production.sql(&format!(
        "CREATE ROLE {0}; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {0}, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {0};
         DELETE FROM shop.answer WHERE id % 10 = 0; UPDATE shop.answer SET price = 0 WHERE id = 1;",
        reader.0
    ));
    let before = dumped(production);
    // Others have locks that conflict with all but ACCESS SHARE, and others write.
    let mut holder = AtWork::new(
        production,
        "BEGIN; LOCK TABLE shop.answer, shop.by_year IN EXCLUSIVE MODE; SELECT pg_sleep(600)",
    );
    let mut writer = AtWork::new(
        production,
        "DO $$ BEGIN FOR n IN 1..1000000000 LOOP INSERT INTO visit VALUES (n); COMMIT; END LOOP; END $$",
    );
    let visits = || {
        production
            .sql("SELECT count(*) FROM visit")
            .parse::<u64>()
            .unwrap()
    };
    wait_until("a lock", || {
        production.sql("SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND locktype = 'relation'
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") != "0"
    });
    wait_until("a visit", || visits() > 0);
    let dry = scene
        .restore(&[&RESCUE[..], &["--dry-run"]].concat())
        .ok()
        .json()["result"]
        .clone();
    assert_eq!(dumped(production), before, "a dry run changes nothing");
    let report = scene.restore(&RESCUE).ok().json()["result"].clone();
    let seen = visits();
    wait_until("another visit", || visits() > seen);
    assert!(!holder.ended() && !writer.ended());
    drop((holder, writer));
    assert_eq!(report["statements"], dry["statements"]);
    assert_eq!((&report["rows"], &dry["rows"]), (&json!(550), &json!(550)));
    assert_eq!(report["failures"], json!([]));
    is_as_it_was(production, &reader.0);
    is_put_back(production, &report);
    let undo = report["undo"].as_str().unwrap();
    production.sql(&format!("SET client_min_messages = error; {undo}"));
    assert_eq!(dumped(production), before);
    let left_out = report["left_out"].to_string();
    for word in [
        "twice",
        "place",
        "identity",
        "shop.answer_number_seq",
        "by_lower",
    ] {
        assert!(left_out.contains(word), "no {word} in {left_out}");
    }
    let mut found = BTreeSet::new();
    fields(&report, "", &mut found);
    fields(
        &json!({"findings": [{"what": 1, "why": 1, "sql": 1}], "failures": [{"what": 1, "why": 1, "sql": 1}]}),
        "",
        &mut found,
    );
    assert_eq!(found, documented("restore --into-schema"));
}

/// Types, keys and indexes that need nothing else are there, and nobody else can read.
#[track_caller]
fn is_as_it_was(production: &Database, reader: &str) {
    let columns = production.sql(
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' ORDER BY attnum)
           FROM pg_attribute WHERE attrelid = '\"Rescue\".answer'::regclass AND attnum > 0",
    );
    assert_eq!(
        columns,
        "id integer,mood shop.mood,price shop.amount,pair shop.pair,tags hstore,doc json,code text,at date,\
         number integer,place text"
    );
    let relations = production.sql(
        "SELECT string_agg(relname || ' ' || relpersistence::text, ',' ORDER BY relname)
           FROM pg_class WHERE relnamespace = '\"Rescue\"'::regnamespace",
    );
    assert_eq!(
        relations,
        "answer u,answer_code_key u,answer_pkey u,by_price u,by_year u,by_year_pkey u"
    );
    let refused = production.major.try_sql(
        "postgres",
        &production.name,
        &format!("SET ROLE {reader}; SELECT FROM \"Rescue\".answer"),
    );
    assert!(refused.unwrap_err().contains("permission denied"));
    let others = production.sql(
        "SELECT count(*) FROM pg_class c, aclexplode(relacl) a
          WHERE relnamespace = '\"Rescue\"'::regnamespace AND grantee <> relowner",
    );
    assert_eq!(others, "0");
}

/// By the statements of the report.
#[track_caller]
fn is_put_back(production: &Database, report: &Value) {
    let tables = report["tables"].as_array().unwrap();
    let answer = tables.iter().find(|one| one["name"] == "answer").unwrap();
    let by_year = tables.iter().find(|one| one["name"] == "by_year").unwrap();
    assert_eq!(
        (&answer["verified"], &by_year["verified"]),
        (&json!(true), &json!(false))
    );
    let count = |what: &str| {
        let sql = answer["next"][what].as_str().unwrap();
        production.sql(&format!("SELECT count(*) FROM ({sql}) q"))
    };
    assert_eq!(
        (count("only_in_backup"), count("only_in_target")),
        ("51".to_owned(), "1".to_owned())
    );
    production.sql(answer["next"]["put_back"].as_str().unwrap());
    assert_eq!(
        (count("only_in_backup"), count("only_in_target")),
        ("1".to_owned(), "1".to_owned())
    );
    let sum = "SELECT count(*), sum(y), md5(string_agg(note, ',' ORDER BY note)) FROM";
    assert_eq!(
        production.sql(&format!("{sum} \"Rescue\".by_year")),
        production.sql(&format!("{sum} shop.by_year"))
    );
}

/// A slot of another server's keeps a database from being dropped.
struct Subscription<'a> {
    of: &'a Database,
    by: &'a Database,
    name: String,
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        let name = &self.name;
        for sql in [
            format!("ALTER SUBSCRIPTION {name} DISABLE"),
            format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
            format!("DROP SUBSCRIPTION {name}"),
        ] {
            let _ = self.by.major.try_sql("postgres", &self.by.name, &sql);
        }
        let slot = format!(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{name}'"
        );
        let _ = self.of.major.try_sql("postgres", &self.of.name, &slot);
        let slot = format!("SELECT pg_drop_replication_slot('{name}')");
        let begun = Instant::now();
        while self
            .of
            .major
            .try_sql("postgres", &self.of.name, &slot)
            .is_err()
            && begun.elapsed() < Duration::from_secs(20)
        {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_subscriber_of_all_tables_goes_on() {
    let scene = Scene::new();
    let production = &scene.production;
    let subscriber = Database::new(Major::Pg15);
    subscriber.sql(SHOP);
    production.sql("CREATE PUBLICATION everything FOR ALL TABLES");
    let name = unique("sub");
    let subscription = Subscription {
        of: production,
        by: &subscriber,
        name: name.clone(),
    };
    // In one server a subscription cannot make its own slot.
    production.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')"
    ));
    let port = production.major.port();
    subscriber.sql(&format!(
        "CREATE SUBSCRIPTION {name} CONNECTION 'host=127.0.0.1 port={port} user=postgres dbname={}'
           PUBLICATION everything WITH (create_slot = false, copy_data = false)",
        production.name
    ));
    let arrives = |id: u32| {
        production.sql(&format!("INSERT INTO visit VALUES ({id})"));
        let asked = format!("SELECT count(*) FROM visit WHERE id = {id}");
        wait_until("a visit at the subscriber", || {
            subscriber.sql(&asked) == "1"
        });
    };
    arrives(1);
    scene.restore(&RESCUE).ok();
    arrives(2);
    let logged = ["--table", "visit", "--into-schema", "logged", "--logged"];
    let refused = scene.restore(&logged).failed(1, "everything");
    assert!(
        refused.stdout.contains("FOR ALL TABLES"),
        "{}",
        refused.stdout
    );
    arrives(3);
    drop(subscription);
    production.sql("DROP PUBLICATION everything");
    scene.restore(&logged).ok();
    let persistence = "SELECT relpersistence FROM pg_class WHERE oid = 'logged.visit'::regclass";
    assert_eq!(production.sql(persistence), "p");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_stands_in_the_way_is_told_and_nothing_is_made() {
    let user = Role(unique("guest"));
    let scene = Scene::new();
    let production = &scene.production;
    production.sql(&format!(
        "CREATE ROLE {} LOGIN; CREATE SCHEMA there;
         CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
           'BEGIN RAISE EXCEPTION ''no schemas here''; END';
         CREATE EVENT TRIGGER no_schemas ON ddl_command_start WHEN TAG IN ('CREATE SCHEMA')
           EXECUTE FUNCTION refuse();",
        user.0
    ));
    let before = dumped(production);
    let dry = scene.restore(&[&RESCUE[..], &["--dry-run"]].concat());
    assert_eq!(dry.code, Some(3), "{dry:?}");
    let found = dry.json()["result"]["findings"][0].clone();
    assert_eq!(found["what"], "event trigger no_schemas");
    let url = production.url();
    let run = |target: &str, more: &[&str]| scene.lifeboat.bare(scene.args(target, more));
    complains(&run(&url, &RESCUE), 1, &["no schemas here"]);
    let visit = ["--table", "visit", "--into-schema"];
    let into = |schema: &'static str| [&visit[..], &[schema]].concat();
    complains(
        &run(&url, &into("there")),
        1,
        &["schema there exists already", "--dry-run"],
    );
    complains(&run(&url, &into("pg_mine")), 1, &["pg_mine"]);
    complains(
        &run(&production.url_as(&user.0), &into("new")),
        1,
        &["may not make a schema", "GRANT CREATE"],
    );
    let misspelt = ["--table", "shop.anser", "--into-schema", "new"];
    complains(&run(&url, &misspelt), 1, &["the nearest is shop.answer"]);
    let other = Database::with(
        Major::Pg15,
        "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
    );
    complains(
        &run(&other.url(), &into("new")),
        1,
        &["its encoding is LATIN1"],
    );
    for flag in [
        "--create",
        "--resume",
        "--no-owner",
        "--no-privileges",
        "--schema=shop",
    ] {
        complains_of_usage(&run(&url, &[&into("new")[..], &[flag]].concat()));
    }
    complains_of_usage(&run(&url, &["--into-schema", "new"]));
    complains_of_usage(&run(&url, &["--table", "visit", "--logged"]));
    assert_eq!(dumped(production), before);
}

#[track_caller]
fn complains_of_usage(ran: &Ran) {
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.stderr.contains("--into-schema") || ran.stderr.contains("--table"),
        "{ran:?}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_type_that_is_another_one_becomes_text_and_its_rows_are_the_same() {
    let scene = Scene::new();
    let target = Database::new(Major::Pg18);
    target.sql(
        "CREATE SCHEMA shop; CREATE TYPE shop.mood AS ENUM ('ok', 'sad');
         CREATE DOMAIN shop.amount AS numeric(9, 2) CHECK (VALUE > 0);
         CREATE TYPE shop.pair AS (mood shop.mood, amount shop.amount);
         CREATE TABLE shop.answer (id int, mood shop.mood, price shop.amount, doc json)",
    );
    let args = scene.args(
        &target.url(),
        &["--table", "answer", "--into-schema", "rescue"],
    );
    let report = scene.lifeboat.run(args).ok().json()["result"].clone();
    assert_eq!(report["tables"][0]["verified"], true);
    let columns = target.sql(
        "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute
          WHERE attrelid = 'rescue.answer'::regclass AND attnum > 0 AND atttypid = 'text'::regtype",
    );
    assert_eq!(columns, "mood,price,pair,tags,code,place");
    let next = &report["tables"][0]["next"];
    let only = next["only_in_backup"].as_str().unwrap();
    assert_eq!(
        target.sql(&format!("SELECT count(*) FROM ({only}) q")),
        "500"
    );
    target.sql(next["put_back"].as_str().unwrap());
    assert_eq!(target.sql(&format!("SELECT count(*) FROM ({only}) q")), "0");
    assert_eq!(
        target.sql("SELECT sum(price) FROM shop.answer"),
        "125250.00"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn damage_leaves_a_schema_that_one_statement_takes_away() {
    let scene = Scene::new();
    let before = dumped(&scene.production);
    let found = Command::new("find")
        .arg(scene.lifeboat.repository())
        .args(["-name", "*.copy.zst.age"])
        .output()
        .unwrap();
    for part in String::from_utf8(found.stdout).unwrap().lines() {
        let mut bytes = fs::read(part).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(part).unwrap();
        fs::write(part, bytes).unwrap();
    }
    let url = scene.production.url();
    let ran = scene.lifeboat.bare(scene.args(&url, &RESCUE));
    complains(&ran, 1, &["is damaged", "DROP SCHEMA \"Rescue\" CASCADE"]);
    scene
        .production
        .sql("SET client_min_messages = error; DROP SCHEMA \"Rescue\" CASCADE");
    assert_eq!(dumped(&scene.production), before);
}
