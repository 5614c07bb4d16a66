//! restore.sh: a restore point comes back with stock tools only, on a PATH where lifeboat is absent.

pub mod machine;

use std::fs;
use std::path::Path;
use std::process::Command;

use machine::{Machine, Point};

use crate::support::cluster::Cluster;
use crate::support::program::{Ran, second_recipient};
use crate::support::servers::Server;
use crate::support::{Database, Lifeboat, Major, unique};

/// A database that may hold a subscription, which would forbid to drop it.
struct Zoo(Database);

impl Drop for Zoo {
    fn drop(&mut self) {
        self.0.script("tests/zoo/unsubscribe.sql", &[]);
    }
}

#[track_caller]
fn assert_equal(source: &Database, target: &Database) {
    // Two servers' roles are their own; other tests use them too.
    let roles = if source.major == target.major {
        "^zoo_"
    } else {
        ""
    };
    let output = Command::new("tests/zoo/compare.sh")
        .env("ROLES", roles)
        .args([source.url(), target.url()])
        .arg(target.major.bin())
        .env("SOURCE_BIN_DIR", source.major.bin())
        // The target's dumps meet its own settings, the stock restore has none.
        .env("PGTZ", "UTC")
        .output()
        .unwrap();
    let Ran {
        code,
        stdout,
        stderr,
    } = Ran::of(&output);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
}

#[track_caller]
fn the_zoo_comes_back(major: Major) {
    let source = Zoo(Database::new(major));
    source.0.script("tests/zoo/roles.sql", &[]);
    source.0.script("tests/zoo/base.sql", &[]);
    let point = Point::of(&source.0);
    let target = Zoo(Database::with(major, "TEMPLATE template0"));
    let machine = Machine::new(major);
    let ran = point
        .restore(&machine, &point.lifeboat.fingerprint(), &target.0.url())
        .ok();
    assert!(
        ran.stderr.contains("signature      sound"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("errors left    0"), "{}", ran.stderr);
    assert_equal(&source.0, &target.0);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_of_15_comes_back_without_lifeboat() {
    the_zoo_comes_back(Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_of_18_comes_back_without_lifeboat() {
    the_zoo_comes_back(Major::Pg18);
}

/// Rows, indexes and views are computed under the database's own settings, which stop no session; one with
/// which nobody can log in (the tests' 18 lacks the library) is taken back.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_a_database_computes_comes_back_as_its_own_settings_made_it_without_lifeboat() {
    use crate::own_settings::{COMPUTES, SEEN, SETTINGS, set};
    let source = Database::new(Major::Pg15);
    set(&source, SETTINGS);
    source.sql(COMPUTES);
    let seen = source.sql(SEEN);
    set(
        &source,
        "session_preload_libraries = 'auto_explain'
statement_timeout = '20ms'
default_transaction_read_only = on",
    );
    let point = Point::of(&source);
    for (major, code) in [(Major::Pg15, 0), (Major::Pg18, 3)] {
        let target = Database::with(major, "TEMPLATE template0");
        let machine = Machine::new(major);
        let ran = point.restore(&machine, &point.lifeboat.fingerprint(), &target.url());
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let told = ran.stderr.contains("nobody could log in");
        assert_eq!(told, major == Major::Pg18, "{ran:?}");
        let unlimited = format!("SET statement_timeout = 0; {SEEN}");
        assert_eq!(target.sql(&unlimited), seen, "{major:?}");
    }
}

/// Tables enough to tell, of every way to load.
fn small(major: Major) -> Database {
    let database = Database::new(major);
    database.sql(
        "CREATE TABLE answer AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 5000) g;
         CREATE INDEX answer_text ON answer (text);
         CREATE TABLE \"ho\"\"st'ile\n\\! touch pwned\t$(id) 🛟\" (\"c\\\n\" text);
         INSERT INTO \"ho\"\"st'ile\n\\! touch pwned\t$(id) 🛟\" VALUES (E'\\\\.\\n\\t'), (NULL);
         CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TABLE moods (m mood) PARTITION BY HASH (m);
         CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO moods VALUES ('sad'), ('ok'), ('ok');
         CREATE TABLE late (r regclass);
         INSERT INTO late VALUES ('answer_text');
         CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM answer;
         CREATE SEQUENCE s;
         SELECT setval('s', 42), lo_from_bytea(0, '\\x0102'), lo_create(0);",
    );
    database
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn another_major_takes_it_too() {
    for major in [Major::Pg15, Major::Pg16, Major::Pg17] {
        let source = small(major);
        let point = Point::of(&source);
        let target = Database::with(Major::Pg18, "TEMPLATE template0");
        let machine = Machine::new(Major::Pg18);
        let trust = point.lifeboat.fingerprint();
        point.restore(&machine, &trust, &target.url()).ok();
        assert_equal(&source, &target);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_sort_elsewhere_go_through_their_partitioned_table() {
    let icu = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
    let source = Database::with(Major::Pg15, icu);
    source.sql(
        "CREATE TABLE r (k text) PARTITION BY RANGE (k);
         CREATE TABLE r_ac PARTITION OF r FOR VALUES FROM ('a') TO ('c');
         CREATE TABLE r_else PARTITION OF r DEFAULT;
         INSERT INTO r VALUES ('a'), ('B'), ('b'), ('C'), ('x');",
    );
    let point = Point::of(&source);
    let target = Database::with(Major::Pg15, "TEMPLATE template0 LC_COLLATE 'C'");
    let machine = Machine::new(Major::Pg15);
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&machine, &trust, &target.url()).ok();
    assert!(ran.stderr.contains("mismatches     0"), "{}", ran.stderr);
    let rows = "SELECT string_agg(k, ' ' ORDER BY k COLLATE \"C\") FROM r";
    assert_eq!(target.sql(rows), source.sql(rows));
    assert_eq!(source.sql("SELECT count(*) FROM r_ac"), "3");
    assert_eq!(target.sql("SELECT count(*) FROM r_ac"), "2");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn rows_that_sort_elsewhere_do_not_reach_a_foreign_server() {
    let other = Database::new(Major::Pg15);
    let source = Database::with(Major::Pg15, "TEMPLATE template0 LOCALE 'C'");
    source.partition_into(&other);
    // The other one's name is what a name may be, and its rows have nowhere foreign to go.
    source.sql(
        "CREATE TABLE \"o (d\"\"\nd) x\" (w text) PARTITION BY RANGE (w);
         CREATE TABLE odd_1 PARTITION OF \"o (d\"\"\nd) x\" FOR VALUES FROM (MINVALUE) TO ('a');
         CREATE TABLE odd_2 PARTITION OF \"o (d\"\"\nd) x\" FOR VALUES FROM ('a') TO (MAXVALUE);
         INSERT INTO odd_1 SELECT 'B' || g FROM generate_series(1, 100) g;",
    );
    let point = Point::of(&source);
    let locale = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'";
    let target = Database::with(Major::Pg15, locale);
    let machine = Machine::new(Major::Pg15);
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&machine, &trust, &target.url());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let refused = "public.word_1: refused: through its root a row might reach a foreign server";
    assert!(ran.stderr.contains(refused), "{}", ran.stderr);
    assert_eq!(other.sql("SELECT count(*) FROM word_2"), "0");
    assert_eq!(target.sql("SELECT count(*) FROM odd_2"), "100");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn roles_come_back_for_a_user_who_is_no_superuser() {
    let server = Cluster::without_passwords(&Major::Pg15.bin());
    server.sql("CREATE DATABASE source");
    server.sql_in(
        "source",
        "CREATE ROLE app; CREATE ROLE reader LOGIN CREATEDB; GRANT app TO reader;
         ALTER ROLE app SET work_mem = '9MB';
         CREATE SCHEMA app AUTHORIZATION app; GRANT USAGE ON SCHEMA app TO reader;
         CREATE SCHEMA reader AUTHORIZATION reader;
         SET ROLE app;
         CREATE TABLE app.answer AS SELECT g AS id FROM generate_series(1, 100) g;
         GRANT SELECT ON app.answer TO reader; REVOKE INSERT ON app.answer FROM app;
         SET ROLE reader;
         CREATE MATERIALIZED VIEW reader.counted AS SELECT count(*) FROM app.answer;",
    );
    let point = Point::at(&server.url_as("postgres", "source"), Major::Pg15);
    let privileges = "SELECT relowner::regrole, relname, relacl FROM pg_class
        WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('app', 'reader')) ORDER BY 2";
    let before = server.sql_in("source", privileges);
    server.sql("DROP DATABASE source");
    server.sql("DROP ROLE app, reader");

    server.sql("CREATE ROLE master LOGIN CREATEROLE CREATEDB");
    server.sql("CREATE DATABASE target OWNER master TEMPLATE template0");
    let machine = Machine::new(Major::Pg15);
    let ran = point.restore(
        &machine,
        &point.lifeboat.fingerprint(),
        &server.url_as("master", "target"),
    );
    // Comments on extensions and the like are not this user's.
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    assert_eq!(server.sql_in("target", privileges), before);
    let counted = server.sql_in("target", "SELECT count FROM reader.counted");
    assert_eq!(counted, "100");
    let lent = server.sql("SELECT pg_has_role('master', 'app', 'MEMBER')");
    assert_eq!(lent, "f", "what was lent is given back");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_damaged_part_is_found_before_it_reaches_the_target() {
    let source = small(Major::Pg15);
    let point = Point::of(&source);
    let part = point.find("parts", ".copy.zst.age");
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&part).unwrap();
    fs::write(&part, bytes).unwrap();
    let oid = part
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap();
    let name = source.sql(&format!("SELECT {oid}::regclass"));

    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let machine = Machine::new(Major::Pg15);
    let ran = point.restore(&machine, &point.lifeboat.fingerprint(), &target.url());
    let ran = ran.failed(1, "DAMAGED");
    let key = part.strip_prefix(point.lifeboat.repository()).unwrap();
    assert!(ran.stderr.contains(key.to_str().unwrap()), "{}", ran.stderr);
    assert_eq!(target.sql(&format!("SELECT count(*) FROM {name}")), "0");
    point
        .restore(&machine, &point.lifeboat.fingerprint(), &target.url())
        .failed(1, "the target is not empty");
    let absent = Database::reserve(Major::Pg15);
    let ran = point.restore(&machine, &point.lifeboat.fingerprint(), &absent.url());
    let ran = ran.failed(1, "cannot connect to the target");
    let made = format!("CREATE DATABASE \"{}\"", absent.name);
    assert!(ran.stderr.contains(&made), "{}", ran.stderr);
    assert!(!ran.stderr.contains("unfinished"), "{}", ran.stderr);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_strange_key_a_changed_manifest_and_a_wrong_identity_are_refused() {
    let point = Point::of(&small(Major::Pg15));
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let machine = Machine::new(Major::Pg15);
    let trust = point.lifeboat.fingerprint();
    let other = trust.replace('a', "b");
    let ran = point
        .restore(&machine, &other, &target.url())
        .failed(1, "signed by the key");
    assert!(
        ran.stderr.contains(&trust),
        "it shows the key to compare: {}",
        ran.stderr
    );

    let manifest = point.find("manifests", ".json");
    let text = fs::read_to_string(&manifest).unwrap();
    let rows = text.replacen("\\\"rows\\\":5000", "\\\"rows\\\":5001", 1);
    assert_ne!(rows, text);
    fs::write(&manifest, rows).unwrap();
    point
        .restore(&machine, &trust, &target.url())
        .failed(1, "SIGNATURE DOES NOT MATCH");
    fs::write(&manifest, text).unwrap();

    let elsewhere = manifest.with_file_name("20260101T000000Z-000000.json");
    fs::rename(&manifest, &elsewhere).unwrap();
    let repository = point.lifeboat.repository();
    let script = machine.folder.path().join("restore.sh");
    fs::write(&script, lifeboat::testing::repository::runbook::script()).unwrap();
    let restore = |manifest: &Path, identity: &Path| {
        let command = &mut machine.bash([&script]);
        command
            .arg("--repository")
            .arg(&repository)
            .arg("--manifest")
            .arg(manifest);
        command.args(["--trust", &trust, "--target", &target.url(), "--identity"]);
        Ran::of(&command.arg(identity).output().unwrap())
    };
    let key = elsewhere.strip_prefix(&repository).unwrap();
    restore(key, &point.lifeboat.identity()).failed(1, "of another restore point");
    let wrong = Lifeboat::init();
    let ran = restore(&elsewhere, &wrong.identity());
    ran.failed(1, "is it the right identity?");
    assert_eq!(
        target.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
        "0"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_manifest_that_cannot_be_checked_is_refused_unless_told_and_then_it_is_no_success() {
    let source = small(Major::Pg15);
    let point = Point::of(&source);
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let trust = point.lifeboat.fingerprint();
    // An openssl that knows neither Ed25519 nor -rawin, as LibreSSL and 1.1 are; then none.
    for version in [Some("LibreSSL 3.3.6"), None] {
        let machine = Machine::new(Major::Pg15).without("openssl");
        if let Some(version) = version {
            machine.put(
                "openssl",
                &format!("[ \"$1\" != version ] || {{ echo '{version}'; exit; }}; exit 1"),
            );
        }
        let ran = point.restore(&machine, &trust, &target.url());
        let says = version.unwrap_or("which is not here");
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
        ran.failed(1, "openssl 3 is needed");
        assert_eq!(
            target.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
            "0"
        );
    }
    let machine = Machine::new(Major::Pg15).without("openssl");
    let ran = point.restore_with(&machine, &trust, &target.url(), &["--unchecked"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("NOT CHECKED"), "{}", ran.stderr);
    assert_equal(&source, &target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn tools_that_are_not_gnus_are_refused_with_what_to_install() {
    let source = small(Major::Pg15);
    let point = Point::of(&source);
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let machine = Machine::new(Major::Pg15).without("sed");
    machine.put("sed", "echo 'sed: illegal option -- -' >&2; exit 1");
    let ran = point.restore(&machine, &point.lifeboat.fingerprint(), &target.url());
    assert!(ran.stderr.contains("brew install"), "{}", ran.stderr);
    ran.failed(1, "not the sed of GNU");
}

/// A bucket's credentials and address, as the AWS CLI and lifeboat take them.
fn aws(server: &Server) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", server.endpoint.clone()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", server.credentials.access_key.clone()),
        (
            "AWS_SECRET_ACCESS_KEY",
            server.credentials.secret_key.clone(),
        ),
    ]
}

/// The commands in a runbook's code block that holds `word`.
fn block(runbook: &str, word: &str) -> String {
    let is_code = |line: &str| line.starts_with("    ");
    let lines: Vec<&str> = runbook.lines().collect();
    let at = lines
        .iter()
        .position(|line| is_code(line) && line.contains(word))
        .expect(word);
    let first = lines[..at].iter().rposition(|line| !is_code(line)).unwrap() + 1;
    let block: Vec<&str> = lines[first..]
        .iter()
        .copied()
        .take_while(|line| is_code(line))
        .map(str::trim_start)
        .collect();
    block.join("\n")
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_runbook_restores_from_a_bucket_where_everything_is_hidden() {
    let server = Server::ceph();
    let url = format!("s3://{}/{}", server.bucket, unique("without"));
    let machine = Machine::new(Major::Pg15);
    let lifeboat = Lifeboat::init();
    let folder = lifeboat.folder().join("bucket");
    fs::create_dir(&folder).unwrap();
    let run = |command: &mut Command| {
        Ran::of(
            &command
                .current_dir(&folder)
                .envs(aws(&server))
                .output()
                .unwrap(),
        )
    };
    let init = [
        "init",
        "--repository",
        &url,
        "--config",
        "lifeboat.toml",
        "--days",
        "1",
    ];
    run(lifeboat.command(init).args(["--lock", "governance"])).ok();
    lifeboat.configure_in("bucket/lifeboat.toml", &second_recipient());
    let source = small(Major::Pg15);
    // The second export names what the first one stored.
    let export = || {
        let mut command = lifeboat.command(["export", "--source", &source.url(), "--json"]);
        run(command.env("LIFEBOAT_REUSE_KEY", "7".repeat(64))).ok()
    };
    export();
    let export = export();
    let database = &export.json()["result"]["databases"][0];
    assert_eq!(database["parts_named"], database["parts"]);
    let id = export.json()["result"]["databases"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let prefix = url.rsplit('/').next().unwrap();
    let hide = format!(
        "aws s3api list-objects-v2 --bucket {0} --prefix {prefix}/ --query 'Contents[].[Key]' --output text |
         while read -r key; do aws s3api delete-object --bucket {0} --key $key </dev/null >/dev/null; done
         aws s3api list-objects-v2 --bucket {0} --prefix {prefix}/ --query 'length(Contents || `[]`)'
         aws s3api list-object-versions --bucket {0} --prefix {prefix}/ --output text \\
           --query 'Versions[?ends_with(Key, `{id}/RESTORE.md`)].[Key,VersionId]' |
         {{ read -r key version; aws s3api get-object --bucket {0} --key $key --version-id=$version RESTORE.md; }}",
        server.bucket
    );
    let hidden = run(&mut machine.bash(["-c", &hide])).ok();
    assert!(
        hidden.stdout.starts_with("0\n"),
        "all is hidden: {hidden:?}"
    );

    let runbook = fs::read_to_string(folder.join("RESTORE.md")).unwrap();
    run(&mut machine.bash(["-ec", &block(&runbook, "put-object-retention")])).ok();
    let got = run(&mut machine.bash(["-ec", &block(&runbook, "sha256sum restore.sh")])).ok();
    let sha256 = got
        .stdout
        .lines()
        .last()
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert!(runbook.contains(&format!("expects `{sha256}`")), "{sha256}");

    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let config = fs::read_to_string(folder.join("lifeboat.toml")).unwrap();
    let trust = config
        .split("trust = [\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let restore = block(&runbook, "bash restore.sh")
        .replace("KEY_ON_THE_SHEET", trust)
        .replace("postgresql://USER@HOST/EMPTY_DATABASE", &target.url());
    let ran = run(&mut machine.bash(["-ec", &restore])).ok();
    assert!(
        ran.stderr.contains("signature      sound"),
        "{}",
        ran.stderr
    );
    assert_equal(&source, &target);
}
