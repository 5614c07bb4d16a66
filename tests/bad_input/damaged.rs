//! Restore points that were sound, and of which somebody deleted or changed something.

use std::fs;
use std::path::{Path, PathBuf};

use super::{complains, restoring};
use crate::support::{Database, Lifeboat, Major};

fn one_point() -> (Lifeboat, Database) {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT 1 AS id");
    lifeboat.export(&database.url());
    (lifeboat, database)
}

/// The one stored file below a folder whose path ends so.
fn stored(folder: &Path, ending: &str) -> PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 1, "{ending}: {found:?}");
    found.remove(0)
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Going on would meet the same damage for ever, and nothing here can be held.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_part_that_is_gone_is_missing_and_nobody_is_told_to_go_on() {
    let (lifeboat, _source) = one_point();
    fs::remove_file(stored(&lifeboat.repository(), "/0.copy.zst.age")).unwrap();
    for data in [&[][..], &["--data"]] {
        let ran = lifeboat.bare([&["verify", "latest"][..], data].concat());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("0.copy.zst.age is missing"), "{ran:?}");
        for word in ["os error", "hold"] {
            assert!(!ran.stdout.contains(word), "{word}: {ran:?}");
        }
    }
    let target = Database::reserve(Major::Pg15);
    for more in [&["--create"][..], &["--create", "--resume"]] {
        let ran = lifeboat.bare(restoring(&lifeboat, &target.url(), more));
        let left = format!("{} was made and is incomplete: drop it", target.name);
        complains(
            &ran,
            1,
            &["0.copy.zst.age is missing", "another point", &left],
        );
        for word in ["os error", "--resume", "hold"] {
            assert!(!ran.stderr.contains(word), "{word}: {ran:?}");
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_is_damaged_is_not_called_counted() {
    let (lifeboat, _source) = one_point();
    flip(&stored(&lifeboat.repository(), "/0.copy.zst.age"));
    let identity = lifeboat.identity();
    let verify = [
        "verify",
        "latest",
        "--data",
        "--identity",
        identity.to_str().unwrap(),
    ];
    let ran = lifeboat.bare(verify);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for words in [
        "bytes were read, with SHA-256",
        "what is damaged was not opened",
    ] {
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_changed_manifest_is_no_question_of_trust() {
    let (lifeboat, _source) = one_point();
    let manifests = lifeboat.repository().join("manifests");
    let manifest = stored(&manifests, ".json");
    let text = fs::read_to_string(&manifest).unwrap();
    let changed = text.replacen("\\\"rows\\\":1", "\\\"rows\\\":2", 1);
    assert_ne!(changed, text);
    fs::write(&manifest, changed).unwrap();
    let ran = lifeboat.bare(["show", "latest"]);
    complains(&ran, 1, &["the signature does not match", "another point"]);
    assert!(!ran.stderr.contains("--trust"), "{ran:?}");
}
