//! What goes wrong on the way back is told as what it is, and what can be done about it.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};
use crate::without_lifeboat::machine::{Machine, Point};

fn restore(lifeboat: &Lifeboat, target: &str, flags: &[&str]) -> Ran {
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let args = [
        "restore",
        "latest",
        "--identity",
        identity,
        "--target",
        target,
    ];
    lifeboat.run([&args[..], flags].concat())
}

fn exported(source: &Database) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    lifeboat.export(&source.url());
    lifeboat
}

/// A role that is dropped with this value: declare it before databases.
struct Role(String);

impl Role {
    fn new(options: &str) -> Self {
        let name = unique("travel");
        Major::Pg15.sql("postgres", &format!("CREATE ROLE {name} {options}"));
        Self(name)
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let drop = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.0);
        if let Err(error) = Major::Pg15.try_sql("postgres", "postgres", &drop) {
            eprintln!("{drop}: {error}");
        }
    }
}

/// A disk of its own for a tablespace. Declare it before the server that uses it.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`: nothing can be mounted here.
    fn mount() -> Option<Self> {
        let it = Self(tempfile::tempdir().unwrap());
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=0777", "tmpfs"])
            .arg(it.0.path())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(it)
    }

    /// Leaves this much room besides what is used.
    fn leave(&self, kilobytes: u64) {
        let used = Command::new("df")
            .args(["-k", "--output=used"])
            .arg(self.0.path())
            .output()
            .unwrap();
        let used = String::from_utf8(used.stdout).unwrap();
        let used: u64 = used.lines().last().unwrap().trim().parse().unwrap();
        let size = format!("remount,size={}k", used + kilobytes);
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-o", &size]).arg(self.0.path()).status();
        assert!(mounted.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Rows that find no room end the restore; an index that finds none is a failure, though no row depends
/// on it: both times the notes stay, and `--resume` goes on with what is missing.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_restore_whose_disk_was_full_is_resumed_with_what_is_missing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not tried: nothing can be mounted here");
        return;
    };
    let source = Database::with(Major::Pg15, "TEMPLATE template0 LOCALE 'C'");
    let wide: Vec<String> = (0..15)
        .map(|at| format!("md5((id + {at})::text)"))
        .collect();
    source.sql(&format!(
        "CREATE TABLE narrow AS SELECT g AS id FROM generate_series(1, 30000) g;
         CREATE INDEX wide ON narrow (({}))",
        wide.join(" || ")
    ));
    let lifeboat = exported(&source);
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    let folder = cluster.socket().join("place");
    std::os::unix::fs::symlink(disk.0.path(), folder).unwrap();
    let place = disk.0.path().join("place");
    cluster.sql(&format!(
        "COPY (SELECT) TO PROGRAM 'cat >/dev/null; mkdir -m 700 {}'",
        place.display()
    ));
    cluster.sql(&format!(
        "CREATE TABLESPACE small LOCATION '{}'",
        place.display()
    ));
    cluster.sql("CREATE DATABASE copy TABLESPACE small TEMPLATE template0");
    cluster.sql_in("copy", "CHECKPOINT");
    let url = cluster.socket_url("postgres", "copy");

    disk.leave(700);
    let ran = restore(&lifeboat, &url, &[]).failed(1, "53100");
    assert!(ran.stdout.contains("narrow"), "{ran:?}");
    assert!(ran.stdout.contains("--resume"), "{ran:?}");

    disk.leave(6000);
    let ran = restore(&lifeboat, &url, &["--resume"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let result = ran.json()["result"].clone();
    let [failure] = &result["failures"].as_array().unwrap()[..] else {
        panic!("{result:#}")
    };
    assert!(
        failure["what"].as_str().unwrap().contains("wide"),
        "{failure}"
    );
    let why = failure["why"].as_str().unwrap();
    let no_room = ["No space left on device", "Check free disk space"];
    assert!(no_room.iter().any(|words| why.contains(words)), "{failure}");
    assert!(
        result["to_do"].to_string().contains("--resume"),
        "{result:#}"
    );

    disk.leave(60_000);
    let ran = restore(&lifeboat, &url, &["--resume", "--verify"]).ok();
    assert_eq!(ran.json()["result"]["rows"], 30_000);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'wide'::regclass";
    assert_eq!(cluster.sql_in("copy", valid), "t");
    let notes = "SELECT to_regnamespace('lifeboat_restore') IS NULL";
    assert_eq!(cluster.sql_in("copy", notes), "t");
}

/// The server answers with a warning where a user may use something and not grant it.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn privileges_that_the_server_only_warned_about_are_findings() {
    let (reader, master) = (Role::new(""), Role::new("LOGIN CREATEROLE CREATEDB"));
    let source = Database::new(Major::Pg15);
    source.sql(&format!(
        "CREATE EXTENSION hstore;
         REVOKE EXECUTE ON FUNCTION akeys(hstore) FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION akeys(hstore) TO {}",
        reader.0
    ));
    let point = Point::of(&source);
    let target = Database::reserve(Major::Pg15);
    let ran = restore(&point.lifeboat, &target.url_as(&master.0), &["--create"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let findings = ran.json()["result"]["findings"].clone();
    let of_function: Vec<&Value> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["what"].as_str().unwrap().contains("akeys"))
        .collect();
    let said = format!("{of_function:?}");
    for warning in [
        "no privileges could be revoked",
        "no privileges were granted",
    ] {
        assert!(said.contains(warning), "no '{warning}' in {findings:#}");
    }

    let bare = Database::with(
        Major::Pg15,
        &format!("TEMPLATE template0 OWNER {}", master.0),
    );
    let trust = point.lifeboat.fingerprint();
    let machine = Machine::new(Major::Pg15);
    let ran = point.restore(&machine, &trust, &bare.url_as(&master.0));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for warning in [
        "no privileges could be revoked",
        "no privileges were granted",
    ] {
        assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    }

    let identity = point.lifeboat.identity();
    let drill = ["drill", "latest", "--identity", identity.to_str().unwrap()];
    let ran = point.lifeboat.run(drill).ok();
    let not_tried = ran.json()["result"]["not_tried"].to_string();
    assert!(not_tried.contains("akeys"), "{not_tried}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_connection_limit_is_told_as_the_one_that_it_is() {
    let master = Role::new("LOGIN CREATEDB CONNECTION LIMIT 2");
    let source = Database::new(Major::Pg15);
    source.sql(&format!(
        "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g; ALTER TABLE t OWNER TO {0};
         GRANT ALL ON SCHEMA public TO {0}",
        master.0
    ));
    let lifeboat = exported(&source);
    let limits = |ran: Ran, words: &str, option: &str| {
        let all = format!("{}{}", ran.stdout, ran.stderr);
        let ran = ran.failed(1, words);
        assert!(all.contains(option) && all.contains("jobs"), "{ran:?}");
        assert!(!all.contains("max_connections"), "{ran:?}");
    };
    let of_role = format!("too many connections for role \\\"{}\\\"", master.0);
    let url = source.url_as(&master.0);
    let export = ["export", "--jobs", "4", "--source", &url];
    limits(lifeboat.run(export), &of_role, "ALTER ROLE");
    let target = Database::reserve(Major::Pg15);
    let url = target.url_as(&master.0);
    let flags = ["--create", "--no-owner", "--no-privileges", "--jobs", "4"];
    limits(restore(&lifeboat, &url, &flags), &of_role, "ALTER ROLE");

    Major::Pg15.sql(
        "postgres",
        &format!("ALTER ROLE {} CONNECTION LIMIT -1", master.0),
    );
    source.sql(&format!(
        "ALTER DATABASE {} CONNECTION LIMIT 2",
        source.name
    ));
    let of_database = format!("too many connections for database \\\"{}\\\"", source.name);
    let url = source.url_as(&master.0);
    let export = ["export", "--jobs", "4", "--source", &url];
    limits(lifeboat.run(export), &of_database, "ALTER DATABASE");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_materialized_view_that_is_chosen_alone_is_said_to_be_one() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g;
         CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM t; CREATE VIEW plain AS SELECT * FROM t",
    );
    let lifeboat = exported(&source);
    let target = Database::reserve(Major::Pg15);
    let chosen = |tables: &[&str]| {
        let tables = tables.iter().flat_map(|table| ["--table", *table]);
        let flags: Vec<&str> = ["--create"].into_iter().chain(tables).collect();
        restore(&lifeboat, &target.url(), &flags)
    };
    let ran = chosen(&["counted"]).failed(1, "public.counted is a materialized view");
    assert!(ran.stdout.contains("choose its tables"), "{ran:?}");
    chosen(&["plain"]).failed(1, "plain is a view, which has no rows of its own");
    let made = format!(
        "SELECT count(*) FROM pg_database WHERE datname = '{}'",
        target.name
    );
    assert_eq!(Major::Pg15.sql("postgres", &made), "0");
    chosen(&["counted", "t"]).ok();
    assert_eq!(target.sql("SELECT count FROM counted"), "100");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_extension_that_lies_in_another_schema_is_a_problem_before_anything_is_written() {
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE TABLE t (h ext.hstore);
         INSERT INTO t VALUES ('a=>1')",
    );
    let lifeboat = exported(&source);
    let target = Database::new(Major::Pg15);
    target.sql("CREATE EXTENSION hstore SCHEMA public");
    let ran = restore(&lifeboat, &target.url(), &[]);
    let ran = ran.failed(
        1,
        "extension hstore is in schema public, in the backup in ext",
    );
    assert!(ran.stdout.contains("DROP EXTENSION"), "{ran:?}");
    assert_eq!(target.sql("SELECT to_regclass('t') IS NULL"), "t");
    let left = "SELECT to_regnamespace('lifeboat_restore') IS NULL";
    assert_eq!(target.sql(left), "t");
    target.sql("DROP EXTENSION hstore");
    restore(&lifeboat, &target.url(), &["--verify"]).ok();
}

/// A psql that fails once, with these words, where it would fill large objects.
fn failing_once(machine: &Machine, words: &str) {
    let psql = machine.folder.path().join("psql");
    let real = std::fs::canonicalize(&psql).unwrap();
    let folder = machine.folder.path().display();
    let script = format!(
        "#!{folder}/bash\ncase \"$*\" in *lo_put*) if [[ ! -e {folder}/failed ]]; then\n\
         : >{folder}/failed; cat >/dev/null; echo 'psql: error: {words}' >&2; exit 3; fi ;; esac\n\
         exec {} \"$@\"\n",
        real.display()
    );
    std::fs::remove_file(&psql).unwrap();
    std::fs::write(&psql, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&psql, executable).unwrap();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn large_objects_that_failed_once_are_loaded_again_without_lifeboat() {
    let source = Database::new(Major::Pg15);
    source.sql("SELECT lo_from_bytea(0, decode(repeat('ab', g * 500), 'hex')) FROM generate_series(1, 20) g");
    let point = Point::of(&source);
    let trust = point.lifeboat.fingerprint();
    let content = "SELECT count(*), md5(string_agg(md5(lo_get(oid)), ',' ORDER BY oid)) FROM pg_largeobject_metadata";
    for words in [
        "ERROR:  40P01: deadlock detected",
        "server closed the connection unexpectedly",
    ] {
        let machine = Machine::new(Major::Pg15);
        failing_once(&machine, words);
        let target = Database::with(Major::Pg15, "TEMPLATE template0");
        let ran = point.restore(&machine, &trust, &target.url()).ok();
        assert!(machine.folder.path().join("failed").exists(), "{ran:?}");
        assert_eq!(target.sql(content), source.sql(content), "{words}");
    }
}
