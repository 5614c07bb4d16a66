//! `lifeboat extract`: rows of a restore point without any PostgreSQL.

mod bad;
mod reading;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use self::reading::{Bench, psql_file};
use crate::bad_input::complains;
use crate::random;
use crate::roundtrip::{Unsubscribe, roles, zoo};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

fn exported(source: &Database) -> (Lifeboat, String) {
    let lifeboat = Lifeboat::init();
    let bin = source.major.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    let report = lifeboat.export(&source.url());
    let id = report["id"].as_str().unwrap().to_owned();
    (lifeboat, id)
}

/// Extracts from the latest point.
fn args<'a>(identity: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["extract", "latest", "--identity", identity], more].concat()
}

fn extract(lifeboat: &Lifeboat, more: &[&str]) -> Ran {
    let identity = lifeboat.identity();
    lifeboat.run(args(identity.to_str().unwrap(), more))
}

/// With rows on stdout.
fn to_stdout(lifeboat: &Lifeboat, more: &[&str]) -> Ran {
    let identity = lifeboat.identity();
    lifeboat.bare(args(identity.to_str().unwrap(), more))
}

fn zoo_reads_back(major: Major) {
    roles(major);
    let source = Database::new(major);
    source.script(&zoo("base.sql"), &[]);
    let _source_free = Unsubscribe(&source);
    let (lifeboat, id) = exported(&source);
    // It is NOT VALID: a row that is there already could not be loaded again by anybody.
    source.sql("ALTER DOMAIN zoo.later_checked DROP CONSTRAINT not_negative");
    let bench = Bench {
        source: &source,
        lifeboat: &lifeboat,
        id: &id,
    };
    assert!(bench.compare_all() > 100);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_of_15_reads_back_in_every_format() {
    zoo_reads_back(Major::Pg15);
}

/// `LIFEBOAT_EXTRACT_CASES` sets how many databases, 3 unless told; `LIFEBOAT_EXTRACT_SEED` repeats a run's choices.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn generated_databases_read_back_in_every_format() {
    let cases = random::number("LIFEBOAT_EXTRACT_CASES").unwrap_or(3);
    let first = random::number("LIFEBOAT_EXTRACT_SEED");
    let first = first.unwrap_or_else(|| getrandom::u32().unwrap().into());
    let (encodings, majors) = (["UTF8", "LATIN1", "SQL_ASCII"], [Major::Pg15, Major::Pg18]);
    let mut compared = 0;
    for seed in first..first + cases {
        println!("LIFEBOAT_EXTRACT_SEED={seed} LIFEBOAT_EXTRACT_CASES=1 repeats this one");
        let encoding = encodings[(seed % 3) as usize];
        let source = random::database(majors[(seed / 3 % 2) as usize], encoding, 8, seed);
        let (lifeboat, id) = exported(&source);
        let bench = Bench {
            source: &source,
            lifeboat: &lifeboat,
            id: &id,
        };
        compared += bench.compare_all();
    }
    println!("seed {first}: {cases} databases, {compared} files compared");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn memory_is_bounded_by_parts_not_by_the_table() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE TABLE big AS SELECT g AS id, (SELECT string_agg(md5(g::text || n), '') FROM generate_series(1, 20) n) AS t
           FROM generate_series(1, 400000) g",
    );
    let (lifeboat, _) = exported(&source);
    let (identity, output) = (lifeboat.identity(), lifeboat.folder().join("big.csv"));
    let output = output.to_str().unwrap();
    let more = ["--table", "big", "--jobs", "1", "-o", output];
    let peak_kib = lifeboat.peak_kib(&args(identity.to_str().unwrap(), &more));
    assert!(fs::metadata(output).unwrap().len() > 200 << 20);
    assert!(peak_kib < 128 * 1024, "{peak_kib} KiB");
}

/// Columns of a partition in another order than its parent's, a generated one, odd values.
const SHOP: &str = r#"
  CREATE SCHEMA shop;
  CREATE TABLE shop.sale (id bigint NOT NULL, note text DEFAULT 'a;b' NOT NULL, price numeric(9, 2),
    twice numeric GENERATED ALWAYS AS (price * 2) STORED, n int GENERATED ALWAYS AS IDENTITY,
    s serial) PARTITION BY LIST (note);
  CREATE TABLE shop.a (s int NOT NULL, price numeric(9, 2), note text NOT NULL, n int NOT NULL,
    twice numeric GENERATED ALWAYS AS (price * 2) STORED, id bigint NOT NULL);
  ALTER TABLE shop.sale ATTACH PARTITION shop.a FOR VALUES IN ('a');
  CREATE TABLE shop.rest PARTITION OF shop.sale DEFAULT;
  INSERT INTO shop.sale (id, note, price) VALUES (1, 'a', 1.50), (2, '', NULL), (9007199254740993, E'x\n"y",\t\\N', 3);
  CREATE TABLE shop.nothing (); INSERT INTO shop.nothing DEFAULT VALUES; INSERT INTO shop.nothing DEFAULT VALUES;
  CREATE TABLE shop.empty (a int); CREATE VIEW shop.view AS SELECT 1 AS one;
  CREATE MATERIALIZED VIEW shop.filled AS SELECT 1 AS one; CREATE SEQUENCE shop.numbers;"#;

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn partitions_are_one_file_and_columns_are_chosen() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let (lifeboat, _) = exported(&source);
    let csv = to_stdout(&lifeboat, &["--table", "shop.sale", "--columns", "note,id"]).ok();
    let mut lines: Vec<&str> = csv.stdout.split_inclusive('\n').collect();
    assert_eq!(lines.remove(0), "note,id\n");
    let rows = lines.concat();
    for row in [
        "a,1\n",
        "\"\",2\n",
        "\"x\n\"\"y\"\",\t\\N\",9007199254740993\n",
    ] {
        assert!(rows.contains(row), "no {row:?} in {rows:?}");
    }
    assert!(csv.stderr.contains("shop.sale: 3 rows, "), "{}", csv.stderr);
    let all = to_stdout(&lifeboat, &["--table", "sale", "--format", "jsonl"]).ok();
    let rows: Vec<Value> = all
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        rows.contains(&json!({"id": 2, "note": "", "price": null, "n": 2, "s": 2})),
        "{rows:?}"
    );
    assert!(
        all.stderr
            .contains("left out: column twice of shop.sale: it is generated")
    );
    let leaf = to_stdout(&lifeboat, &["--table", "shop.a", "--format", "copy"]).ok();
    assert_eq!(leaf.stdout, "1\t1.50\ta\t1\t1\n");
    let nothing = to_stdout(&lifeboat, &["--table", "nothing", "--format", "jsonl"]).ok();
    assert_eq!(nothing.stdout, "{}\n{}\n");
    let empty = to_stdout(&lifeboat, &["--table", "shop.empty"]).ok();
    assert_eq!(empty.stdout, "a\n");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_script_makes_a_table_of_its_own_or_changes_nothing() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let (lifeboat, _) = exported(&source);
    let file = lifeboat.folder().join("sale.sql");
    let more = ["--table", "shop.sale", "--format", "sql", "-o", "sale.sql"];
    let report = extract(&lifeboat, &more).ok().json()["result"].clone();
    let said = report["left_out"].to_string();
    for word in [
        "twice",
        "identity of column n",
        "sequence shop.sale_s_seq",
        "keys",
    ] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    let target = Database::new(Major::Pg18);
    psql_file(&target, &file, "UTF8");
    let rows = "SELECT md5(string_agg(concat_ws('|', id, note, price, n, s), ',' ORDER BY id)) FROM shop.sale";
    assert_eq!(target.sql(rows), source.sql(rows));
    let defaulted = "INSERT INTO shop.sale (id, n, s) VALUES (0, 0, 0) RETURNING note";
    assert_eq!(target.sql(defaulted), "a;b");
    // The table is there: nothing is added to it, and no row is taken for a command.
    let again = Command::new(target.major.bin().join("psql"))
        .args(["-X", "-d", &target.url(), "-f"])
        .arg(&file)
        .output()
        .unwrap();
    let again = Ran::of(&again);
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.stderr.contains("already exists"), "{again:?}");
    let errors = again.stderr.lines().filter(|line| !line.contains("NOTICE"));
    assert_eq!(errors.count(), 1, "{again:?}");
    assert_eq!(target.sql("SELECT count(*) FROM shop.sale"), "4");
    // Cut anywhere, nothing of it stays.
    let text = fs::read_to_string(&file).unwrap();
    let cut = lifeboat.folder().join("cut.sql");
    fs::write(&cut, text.split_once("\\.\n").unwrap().0).unwrap();
    let fresh = Database::new(Major::Pg15);
    psql_file(&fresh, &cut, "UTF8");
    assert_eq!(fresh.sql("SELECT to_regnamespace('shop') IS NULL"), "t");
    // Unless psql has a transaction of its own, which takes the end of the file for the end of the rows.
    let one = psql_in_one(&fresh, &fs::read(&cut).unwrap());
    assert_eq!(one.code, Some(0), "{one:?}");
    let there = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r'";
    assert_eq!(fresh.sql(there), "sale.incomplete");
    fresh.sql("DROP SCHEMA shop CASCADE");
    let one = psql_in_one(&fresh, text.as_bytes());
    assert_eq!(one.code, Some(0), "{one:?}");
    assert_eq!(fresh.sql(there), "sale");
    assert_eq!(fresh.sql(rows), source.sql(rows));
}

/// `psql -1`, which commits what it has come to at the end of its input.
fn psql_in_one(database: &Database, script: &[u8]) -> Ran {
    let mut psql = Command::new(database.major.bin().join("psql"))
        .args(["-X", "-1", "-d", &database.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It leaves before the end where a statement fails.
    let _ = psql.stdin.take().unwrap().write_all(script);
    Ran::of(&psql.wait_with_output().unwrap())
}

/// Partitions that are left out, far away, and without rows; tables that inherit.
const PARTS: &str = "
  CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
  CREATE TABLE log (y int) PARTITION BY LIST (y);
  CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1);
  CREATE TABLE log_2 PARTITION OF log FOR VALUES IN (2);
  CREATE TABLE log_3 PARTITION OF log FOR VALUES IN (3);
  CREATE FOREIGN TABLE log_4 PARTITION OF log FOR VALUES IN (4) SERVER far;
  INSERT INTO log VALUES (1), (2), (3);
  CREATE TABLE secret AS SELECT 1 AS id; CREATE TABLE hollow AS SELECT 1 AS id;
  CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (7);";

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_were_left_out_on_request_are_never_taken_for_none() {
    let source = Database::new(Major::Pg15);
    source.sql(PARTS);
    let lifeboat = Lifeboat::init();
    let bin = source.major.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    let url = source.url();
    let flags = ["--exclude-table", "log_2", "--exclude-table", "secret"];
    let rows = [
        "--exclude-table-data",
        "log_3",
        "--exclude-table-data",
        "hollow",
    ];
    let export = ["export", "--source", &url];
    lifeboat.run([&export[..], &flags, &rows].concat()).ok();
    let left_out = |table: &str| {
        let file = format!("{table}.csv");
        let report = extract(&lifeboat, &["--table", table, "-o", &file]);
        report.ok().json()["result"]["left_out"].clone()
    };
    let asked = "they were left out of the restore point on request";
    assert_eq!(
        left_out("log"),
        json!([
            format!("rows of public.log_2, a partition of public.log: {asked}"),
            format!("rows of public.log_3, a partition of public.log: {asked}"),
            "rows of public.log_4, a partition of public.log: they lie in another server",
        ])
    );
    assert_eq!(
        left_out("parent"),
        json!([
            "rows of public.child, which inherits from public.parent: it is a table of its own"
        ])
    );
    for (table, word) in [
        ("hollow", "its rows were left out"),
        ("log_3", "its rows were left out"),
        ("log_2", "it was left out on request"),
        ("secret", "it was left out on request"),
    ] {
        complains(
            &to_stdout(&lifeboat, &["--table", table]),
            1,
            &[table, word],
        );
    }
    let identity = lifeboat.identity();
    let beside = |table: &str| {
        let args = ["restore", "latest", "--into-schema", "rescue", "--dry-run"];
        let into = ["--target", &url, "--table", table];
        let identity = ["--identity", identity.to_str().unwrap()];
        let ran = lifeboat.run([&args[..], &into, &identity].concat());
        ran.json()["result"].clone()
    };
    let problems = beside("hollow")["problems"].to_string();
    assert!(problems.contains("its rows were left out"), "{problems}");
    let left_out = beside("log")["left_out"].to_string();
    assert!(
        left_out.contains("rows of public.log_2, a partition"),
        "{left_out}"
    );
}

fn many_rows() -> (Database, Lifeboat) {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE TABLE answer AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 200000) g;
         CREATE TABLE other AS SELECT 1 AS id",
    );
    let (lifeboat, _) = exported(&source);
    (source, lifeboat)
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn pipes_are_written_to_and_a_reader_may_leave() {
    let (_source, lifeboat) = many_rows();
    let identity = lifeboat.identity();
    let args = args(
        identity.to_str().unwrap(),
        &["--table", "answer", "-o", "-"],
    );
    let mut child = lifeboat
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let head = Command::new("head")
        .args(["-n", "2"])
        .stdin(child.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(head.stdout.starts_with(b"id,text\n"), "{head:?}");
    let left = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(left.code, Some(1), "{left:?}");
    let said: Vec<&str> = left
        .stderr
        .lines()
        .filter(|line| !line.starts_with('{'))
        .collect();
    assert_eq!(said, [""; 0], "{left:?}");
    // One that stays reads all.
    let mut all = lifeboat
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let count = Command::new("wc")
        .arg("-l")
        .stdin(all.stdout.take().unwrap())
        .output();
    let count = String::from_utf8(count.unwrap().stdout).unwrap();
    assert_eq!(count.trim(), "200001");
    assert!(all.wait().unwrap().success());
}

/// The files of a table's parts, in the store.
fn parts(lifeboat: &Lifeboat) -> Vec<std::path::PathBuf> {
    let found = Command::new("find")
        .arg(lifeboat.repository())
        .args(["-name", "*.copy.zst.age"])
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    found.lines().map(Into::into).collect()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn damage_is_told_and_no_file_passes_for_whole() {
    let (_source, lifeboat) = many_rows();
    let largest = |parts: Vec<std::path::PathBuf>| {
        let bytes = |part: &std::path::PathBuf| fs::metadata(part).unwrap().len();
        parts.into_iter().max_by_key(bytes).unwrap()
    };
    let part = largest(parts(&lifeboat));
    let sound = fs::read(&part).unwrap();
    let key = part.file_name().unwrap().to_str().unwrap().to_owned();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    let set = |bytes: &[u8]| {
        fs::remove_file(&part).unwrap();
        fs::write(&part, bytes).unwrap();
    };
    let both = ["--table", "answer", "--table", "other"];
    for (at, damaged) in [&flipped[..], &sound[..sound.len() - 1]]
        .into_iter()
        .enumerate()
    {
        set(damaged);
        let folder = format!("rows-{at}");
        let ran = extract(&lifeboat, &[&both[..], &["-o", &folder]].concat()).failed_report(&key);
        let tables = ran["tables"].as_array().unwrap();
        let of = |name: &str| tables.iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(
            (&of("other")["whole"], &of("other")["rows"]),
            (&json!(true), &json!(1))
        );
        assert_eq!(of("answer")["whole"], false);
        let file = of("answer")["file"].as_str().unwrap();
        assert!(
            file.ends_with(".incomplete") && fs::metadata(file).is_ok(),
            "{file}"
        );
        let folder = lifeboat.folder().join(folder);
        assert!(folder.join("public.other.csv").exists());
        assert!(!folder.join("public.answer.csv").exists());
        let sql = to_stdout(&lifeboat, &["--table", "answer", "--format", "sql"]);
        assert_eq!(sql.code, Some(1), "{}", sql.stderr);
        assert!(
            !sql.stdout.contains("COMMIT") && sql.stderr.contains("DAMAGED"),
            "{}",
            sql.stderr
        );
        let target = Database::new(Major::Pg15);
        let one = psql_in_one(&target, sql.stdout.as_bytes());
        assert_eq!(one.code, Some(3), "{one:?}");
        assert!(sql.stdout.ends_with(" END $$;\n"), "{}", sql.stdout);
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        assert_eq!(target.sql(tables), "0");
    }
    fs::remove_file(&part).unwrap();
    extract(&lifeboat, &["--table", "answer", "-o", "lost.csv"]).failed_report("is missing");
    assert!(!lifeboat.folder().join("lost.csv").exists());
    fs::write(&part, &sound).unwrap();
    extract(&lifeboat, &["--table", "answer", "-o", "lost.csv"]).ok();
}

impl Ran {
    /// Of a command that failed with a report, whose problems name this.
    #[track_caller]
    fn failed_report(self, word: &str) -> Value {
        assert_eq!(self.code, Some(1), "{self:?}");
        let result = self.json()["result"].clone();
        let problems = result["problems"].to_string();
        assert!(problems.contains(word), "no {word} in {problems}");
        result
    }
}
