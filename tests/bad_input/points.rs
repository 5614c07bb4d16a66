//! Restore points that cannot be found, trusted or opened, and repositories that are none.

use std::fs;

use super::{complains, no_points, restoring};
use crate::support::{Database, Lifeboat, Major};

fn one_point() -> (Lifeboat, Database) {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT 1 AS id");
    lifeboat.export(&database.url());
    (lifeboat, database)
}

/// Nothing arrived, not even the beginning of a restore.
#[track_caller]
fn is_untouched(target: &Database) {
    let own = "SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace";
    assert_eq!(target.sql(own), "0");
    assert_eq!(
        target.sql("SELECT to_regnamespace('lifeboat_restore') IS NULL"),
        "t"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_identity_that_does_not_open_the_point_is_named() {
    let (lifeboat, _source) = one_point();
    let target = Database::new(Major::Pg15);
    let other = Lifeboat::init();
    let folder = lifeboat.folder();
    fs::write(folder.join("empty.key"), "").unwrap();
    fs::write(folder.join("comment.key"), "# public key: age1\n").unwrap();
    fs::write(folder.join("garbage.key"), "AGE-SECRET-KEY-1HELLO\n").unwrap();
    fs::write(folder.join("bytes.key"), [0xff, 0xfe, 0]).unwrap();
    let sealed = "age-encryption.org/v1\n-> scrypt bm90IGEgcmVhbCBzYWx0IQ 18\nAAAA\n--- AAAA\n";
    fs::write(folder.join("sealed.key"), sealed).unwrap();
    let armored = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n";
    fs::write(folder.join("armored.key"), armored).unwrap();
    fs::create_dir(folder.join("folder.key")).unwrap();
    let foreign = other.identity();
    let url = target.url();
    for (identity, code, words) in [
        ("missing.key", 1, &["missing.key"][..]),
        ("empty.key", 2, &["empty.key"]),
        ("comment.key", 2, &["comment.key"]),
        ("garbage.key", 2, &["garbage.key"]),
        ("bytes.key", 1, &["bytes.key"]),
        ("sealed.key", 2, &["sealed.key", "passphrase", "age -d"]),
        ("armored.key", 2, &["armored.key", "age -d"]),
        ("folder.key", 1, &["folder.key"]),
        (
            "manifest-signing.pem",
            2,
            &["is a signing key", "break-glass.key"],
        ),
        (
            foreign.to_str().unwrap(),
            1,
            &["recipients: age1", "age-keygen -y"],
        ),
    ] {
        for command in ["restore", "verify", "show"] {
            let mut args = vec![command, "latest", "--identity", identity];
            if command == "restore" {
                args.extend(["--target", &url]);
            }
            if command == "verify" {
                args.push("--data");
            }
            let ran = lifeboat.bare(args);
            complains(&ran, code, words);
            assert!(!format!("{ran:?}").contains("SECRET-KEY-1HELLO"), "{ran:?}");
        }
    }
    is_untouched(&target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_point_that_is_not_there_or_not_trusted_is_named() {
    let (lifeboat, _source) = one_point();
    let target = Database::new(Major::Pg15);
    let (url, identity) = (target.url(), lifeboat.identity());
    let identity = identity.to_str().unwrap();
    let unknown = "20200101T000000Z-abcdef";
    let trust = Lifeboat::init().fingerprint();
    let repository = lifeboat.repository();
    let repository = repository.to_str().unwrap();
    let untrusted = ["--repository", repository, "--trust", &trust];
    for command in ["show", "verify", "hold", "restore"] {
        let more: &[&str] = match command {
            "hold" => &["--until", "9d"],
            "restore" => &["--target", &url, "--identity", identity],
            _ => &[],
        };
        let with = |first: &[&str], last: &[&str]| lifeboat.bare([first, more, last].concat());
        complains(
            &with(&[command, unknown], &[]),
            1,
            &[unknown, "lifeboat list"],
        );
        complains(
            &with(&[command, "last"], &[]),
            2,
            &["'last'", "lifeboat list"],
        );
        complains(
            &with(&[command, "latest", "--database", "nowhere"], &[]),
            1,
            &["no restore point"],
        );
        complains(
            &with(&[command, "latest"], &untrusted),
            1,
            &["--trust", "manifests/"],
        );
        complains(
            &with(&[command, "latest"], &untrusted[..2]),
            2,
            &["lifeboat.toml is not read", "--config"],
        );
    }
    is_untouched(&target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn latest_of_two_databases_asks_which() {
    let (lifeboat, one) = one_point();
    let two = Database::new(Major::Pg15);
    lifeboat.export(&two.url());
    for command in ["show", "verify"] {
        let ran = lifeboat.bare([command, "latest"]);
        complains(&ran, 2, &[&one.name, &two.name, "--database"]);
        lifeboat
            .bare([command, "latest", "--database", &one.name])
            .ok();
    }
    let target = Database::new(Major::Pg15);
    let ran = lifeboat.bare(restoring(&lifeboat, &target.url(), &[]));
    complains(&ran, 2, &[&one.name, &two.name]);
    is_untouched(&target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_directory_has_no_lock_to_extend() {
    let (lifeboat, _source) = one_point();
    complains(
        &lifeboat.bare(["hold", "latest", "--until", "9d"]),
        1,
        &["no locks"],
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_repository_that_is_none_is_named() {
    let (lifeboat, source) = one_point();
    let folder = lifeboat.folder();
    fs::write(folder.join("file"), "").unwrap();
    fs::create_dir(folder.join("bare")).unwrap();
    let trust = lifeboat.fingerprint();
    let url = source.url();
    for (place, code, word) in [("missing", 1, "missing"), ("file", 2, "not a directory")] {
        let at = ["--repository", place, "--trust", &trust];
        for first in [
            &["list"][..],
            &["show", "latest"],
            &["verify", "latest"],
            &["export", "--source", &url],
        ] {
            complains(&lifeboat.bare([first, &at].concat()), code, &[place, word]);
        }
    }
    let ran = lifeboat.bare(["export", "--source", &url, "--repository", "bare"]);
    complains(&ran, 1, &["bare", "lifeboat init"]);
    let left = fs::read_dir(folder.join("bare")).unwrap().count();
    assert_eq!(
        left, 0,
        "nothing is written into a folder that is no repository"
    );
    let ran = lifeboat.bare(["show", "latest", "--repository", "bare", "--trust", &trust]);
    complains(&ran, 1, &["bare"]);
    fs::write(lifeboat.repository().join("lifeboat.json"), "{}").unwrap();
    let ran = lifeboat.bare(["export", "--source", &url]);
    complains(&ran, 1, &["lifeboat.json"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_configuration_that_cannot_be_used_is_named_before_anything_happens() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    let url = database.url();
    let file = lifeboat.folder().join("lifeboat.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (line, code, words) in [
        ("[export]\njob = 3", 2, &["export.job", "export.jobs"][..]),
        ("[export]\njobs = 0", 2, &["jobs"]),
        ("[export]\njobs = 'many'", 2, &["jobs", "auto"]),
        ("[export]\nddl_wait = 'soon'", 2, &["ddl_wait", "soon"]),
        (
            "[export]\nrate_limit = '5 apples'",
            2,
            &["rate_limit", "5 apples"],
        ),
        ("[exprot]\njobs = 1", 2, &["exprot", "export"]),
        ("[[source]]\nname = 'a/b'\nhost = 'x'", 2, &["a/b"]),
        (
            "[[source]]\nname = 'a'\nurl = 'mysql://x'",
            2,
            &["source.url", "postgresql://"],
        ),
        ("[[source]]\nname = 'a'", 2, &["source"]),
        ("[[recipient]]\nname = 'a'\nkey = 'age1x'", 2, &["age1x"]),
        ("not toml", 2, &["lifeboat.toml"]),
    ] {
        fs::write(&file, format!("{good}\n{line}\n")).unwrap();
        complains(&lifeboat.bare(["export", "--source", &url]), code, words);
    }
    for (key, code, words) in [
        ("", 1, &["manifest-signing.pem"][..]),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            1,
            &["manifest-signing.pem"],
        ),
    ] {
        fs::write(&file, &good).unwrap();
        fs::write(lifeboat.folder().join("manifest-signing.pem"), key).unwrap();
        let ran = lifeboat.bare(["export", "--source", &url]);
        assert!(matches!(ran.code, Some(1 | 2)), "{ran:?}");
        complains(&ran, ran.code.unwrap_or(code), words);
    }
    fs::remove_file(lifeboat.folder().join("manifest-signing.pem")).unwrap();
    complains(
        &lifeboat.bare(["export", "--source", &url]),
        1,
        &["manifest-signing.pem"],
    );
    no_points(&lifeboat);
}
