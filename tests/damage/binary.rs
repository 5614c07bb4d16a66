//! The same as a user meets it: files of a directory repository, changed on disk.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Database, Lifeboat, Major};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn commands_exit_with_1_and_name_the_damaged_file() {
    let lifeboat = Lifeboat::init();
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g; CREATE TABLE empty ();
         SELECT lo_from_bytea(0, '\\x01')",
    );
    let report = lifeboat.export(&source.url());
    let id = report["id"].as_str().unwrap();
    let target = Database::new(Major::Pg15);
    let identity = lifeboat.identity().to_str().unwrap().to_owned();
    let (url, bin) = (target.url(), target.major.bin());
    let (url, bin) = (url.as_str(), bin.to_str().unwrap());
    let verify = ["verify", id];
    let read = ["verify", id, "--data", "--identity", &identity];
    let restore = [
        "restore",
        id,
        "--identity",
        &identity,
        "--target",
        url,
        "--pg-bin",
        bin,
    ];
    let mut all = Vec::new();
    files(&lifeboat.repository(), &mut all);
    all.retain(|path| !path.ends_with("lifeboat.json"));
    assert_eq!(all.len(), 1 + 10 + 3 * 2, "{all:?}");
    for path in &all {
        let name = path.strip_prefix(lifeboat.repository()).unwrap();
        let name = name.to_str().unwrap();
        let sound = fs::read(path).unwrap();
        let is_manifest = name.starts_with("manifests/");
        for damage in ["delete", "cut", "flip", "empty"] {
            let mut bytes = sound.clone();
            match damage {
                "delete" => fs::remove_file(path).unwrap(),
                "cut" => bytes.truncate(sound.len() / 2),
                "flip" => bytes[sound.len() / 2] ^= 4,
                _ => bytes.clear(),
            }
            if damage != "delete" {
                fs::write(path, bytes).unwrap();
            }
            // Without its manifest there is no restore point to name but by its id.
            let says = if is_manifest && damage == "delete" {
                id
            } else {
                name
            };
            for command in [&verify[..], &read[..]] {
                let ran = lifeboat.run(command);
                assert_eq!(ran.code, Some(1), "{damage} {name}: {ran:?}");
                let text = format!("{}{}", ran.stdout, ran.stderr);
                assert!(text.contains(says), "{damage} {name}: {text}");
            }
            let needed = [
                ".md",
                ".sh",
                ".toml",
                ".json",
                ".sql.zst.age",
                "plan.tsv.zst.age",
            ];
            let needed = is_manifest || !needed.iter().any(|ending| name.ends_with(ending));
            if needed && ["delete", "flip"].contains(&damage) {
                let ran = lifeboat.run(restore).failed(1, says);
                assert!(!ran.stderr.contains("panicked"));
                target.sql(
                    "DROP SCHEMA IF EXISTS lifeboat_restore CASCADE;
                     DROP TABLE IF EXISTS t, empty; SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
                );
            }
            fs::write(path, &sound).unwrap();
        }
    }
    lifeboat.verify(id);
    let report = lifeboat.run([&restore[..], &["--verify"]].concat()).ok();
    assert_eq!(report.json()["result"]["rows"], 100);
}
