//! In a directory a named part is a second name of its file in the point's own folder: points need nothing of each other.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::TABLES;
use crate::support::{Database, Lifeboat, Major};

/// Takes the comment sign off the line that `init` wrote.
pub fn switch_on(lifeboat: &Lifeboat) {
    let config = lifeboat.folder().join("lifeboat.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replacen("#reuse_key = \"reuse.key\"", "reuse_key = \"reuse.key\"", 1);
    assert!(text.contains("\nreuse_key"), "{text}");
    fs::write(&config, text).unwrap();
}

fn prepared() -> (Lifeboat, Database) {
    let lifeboat = Lifeboat::init();
    switch_on(&lifeboat);
    let database = Database::new(Major::Pg15);
    database.sql(TABLES);
    (lifeboat, database)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Those of one point that hold rows.
fn parts(lifeboat: &Lifeboat, id: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&lifeboat.repository().join("parts"), &mut found);
    let of = format!("/{id}/");
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    found.retain(|path| text(path).contains(&of) && text(path).ends_with(".copy.zst.age"));
    found
}

fn id(exported: &Value) -> String {
    exported["id"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_second_export_into_a_folder_takes_no_room_and_outlives_the_first() {
    let (lifeboat, database) = prepared();
    let first = lifeboat.export(&database.url());
    assert_eq!(first["parts_named"], 0);
    database.sql("UPDATE answer SET text = 'another' WHERE id = 150000");
    let second = lifeboat.export(&database.url());
    let parts_of = second["parts"].as_u64().unwrap();
    let named = second["parts_named"].as_u64().unwrap();
    assert!(
        named > parts_of / 2 && named < parts_of,
        "{named} of {parts_of}"
    );
    let anew = second["stored_anew_bytes"].as_u64().unwrap();
    assert!(
        anew < second["stored_bytes"].as_u64().unwrap() / 3,
        "{second}"
    );
    let names = |id: &str, names: u64| {
        let parts = parts(&lifeboat, id);
        parts
            .iter()
            .filter(|path| path.metadata().unwrap().nlink() == names)
            .count() as u64
    };
    assert_eq!(names(&id(&second), 2), named);
    assert_eq!(names(&id(&second), 1), parts_of - named);
    lifeboat.verify(&id(&second));
    let shown = lifeboat.run(["show", &id(&second)]).ok().json();
    let manifest = &shown["result"]["manifest"];
    assert_eq!(
        manifest["parts_from"],
        Value::Null,
        "it needs nothing of the first"
    );

    // Somebody makes room.
    let place = parts(&lifeboat, &id(&first))[0].clone();
    fs::remove_dir_all(place.parent().unwrap().parent().unwrap()).unwrap();
    let mut manifests = Vec::new();
    files(&lifeboat.repository().join("manifests"), &mut manifests);
    for file in manifests {
        if file.to_str().unwrap().contains(&id(&first)) {
            fs::remove_file(file).unwrap();
        }
    }
    lifeboat.verify(&id(&second));
    let listed = lifeboat.run(["list"]).json();
    assert_eq!(listed["result"]["leftovers"], serde_json::json!([]));
    let third = lifeboat.export(&database.url());
    assert_eq!(third["parts_named"], third["parts"]);
    lifeboat.verify(&id(&third));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_part_whose_file_is_gone_or_has_another_length_is_stored_anew() {
    let (lifeboat, database) = prepared();
    let first = lifeboat.export(&database.url());
    let files = parts(&lifeboat, &id(&first));
    fs::remove_file(&files[0]).unwrap();
    let cut = fs::read(&files[1]).unwrap();
    fs::remove_file(&files[1]).unwrap();
    fs::write(&files[1], &cut[1..]).unwrap();
    let second = lifeboat.export(&database.url());
    let named = second["parts_named"].as_u64().unwrap();
    assert_eq!(named, second["parts"].as_u64().unwrap() - 2);
    lifeboat.verify(&id(&second));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_reuse_key_that_is_missing_or_none_is_a_finding_and_full_is_full() {
    let (lifeboat, database) = prepared();
    lifeboat.export(&database.url());
    let full = lifeboat
        .run(["export", "--full", "--source", &database.url()])
        .ok();
    assert_eq!(full.json()["result"]["databases"][0]["parts_named"], 0);
    let file = lifeboat.folder().join("reuse.key");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, "no key\n").unwrap();
    let finds = |says: &str| {
        let ran = lifeboat.run(["export", "--source", &database.url()]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let report = ran.json()["result"].clone();
        assert!(
            report["findings"][0].as_str().unwrap().contains(says),
            "{report}"
        );
        assert_eq!(report["databases"][0]["parts_named"], 0);
        lifeboat.verify("latest");
    };
    finds("no reuse key");
    fs::remove_file(&file).unwrap();
    finds("cannot read the reuse key");
    // As a scheduler hands it over.
    let mut command = lifeboat.command(["export", "--json", "--source", &database.url()]);
    command.env("LIFEBOAT_REUSE_KEY", text);
    let ran = crate::support::program::Ran::of(&command.output().unwrap()).ok();
    let database = &ran.json()["result"]["databases"][0];
    assert_eq!(database["parts_named"], database["parts"]);
}

/// What `init` writes is enough once it is switched on: the second export names what the first one stored.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_folder_that_init_prepared_stores_nothing_twice() {
    let lifeboat = Lifeboat::init();
    let key = lifeboat.folder().join("reuse.key");
    assert_eq!(key.metadata().unwrap().mode() & 0o777, 0o600);
    switch_on(&lifeboat);
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g");
    lifeboat.export(&database.url());
    let second = lifeboat.export(&database.url());
    assert_eq!(second["parts_named"], second["parts"]);
}

/// A drill that damage ends says so under its signature, too.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn after_a_drill_of_damaged_rows_the_next_export_stores_everything_anew() {
    let (lifeboat, database) = prepared();
    let first = lifeboat.export(&database.url());
    bend(&parts(&lifeboat, &id(&first))[0]);
    let identity = lifeboat.identity();
    let identity = identity.to_str().unwrap();
    let drilled = lifeboat.run(["drill", &id(&first), "--identity", identity]);
    drilled.failed(1, "is damaged");
    let second = lifeboat.run(["export", "--source", &database.url()]);
    assert_eq!(second.code, Some(3), "{second:?}");
    let second = second.json()["result"]["databases"][0].clone();
    assert_eq!(second["parts_named"], 0);
    lifeboat.verify(&id(&second));
}

/// Whoever damages a part that many points name cannot know which of them is drilled next.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn prove_drills_the_newest_point_and_an_older_one() {
    let (lifeboat, database) = prepared();
    let ids = [(); 3].map(|()| id(&lifeboat.export(&database.url())));
    let identity = lifeboat.identity();
    let proven = lifeboat.run(["prove", "--identity", identity.to_str().unwrap()]);
    let steps = proven.json()["result"]["steps"].clone();
    let drilled = steps.as_array().unwrap().iter().filter_map(|step| {
        let drills = step["name"].as_str().unwrap().starts_with("drill");
        drills.then(|| step["result"]["id"].as_str().unwrap().to_owned())
    });
    let drilled: Vec<String> = drilled.collect();
    assert_eq!((drilled.len(), &drilled[0]), (2, &ids[2]), "{proven:?}");
    assert!(ids[..2].contains(&drilled[1]), "{drilled:?} of {ids:?}");
}

/// In place: it is one file under two names.
fn bend(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[300] ^= 1;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(file, bytes).unwrap();
}

/// `prove` finds what was bent before a drill does, says so under its signature, and the next export reads that.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn after_prove_found_damage_the_next_export_stores_everything_anew() {
    let (lifeboat, database) = prepared();
    let first = lifeboat.export(&database.url());
    let second = lifeboat.export(&database.url());
    assert_eq!(second["parts_named"], second["parts"]);
    bend(&parts(&lifeboat, &id(&second))[0]);

    let identity = lifeboat.identity();
    let proven = lifeboat.run(["prove", "--identity", identity.to_str().unwrap()]);
    assert_eq!(proven.code, Some(1), "{proven:?}");
    let steps = proven.json()["result"]["steps"].clone();
    let verified = steps.as_array().unwrap();
    let verified = verified
        .iter()
        .find(|step| step["name"].as_str().unwrap().starts_with("verify"));
    let attestation = &verified.unwrap()["result"]["attestation"];
    let file = lifeboat.repository().join(attestation.as_str().unwrap());
    assert!(file.is_file(), "{}", file.display());

    let all = [
        "verify",
        "--all",
        "--data",
        "--identity",
        identity.to_str().unwrap(),
    ];
    let ran = lifeboat.run(all);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let steps = ran.json()["result"]["steps"].clone();
    let hurt = steps.as_array().unwrap().iter();
    let hurt = hurt.filter(|step| step["exit_code"] == 1);
    assert_eq!(
        hurt.count(),
        2,
        "one file under two names hurts two points: {steps}"
    );

    let ran = lifeboat.run(["export", "--source", &database.url()]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report = ran.json()["result"].clone();
    let says = report["findings"][0].as_str().unwrap();
    assert!(
        // Of the older one, which prove drilled, it says the same.
        [&first, &second].iter().any(|one| says.contains(&id(one))) && says.contains("stored anew"),
        "{says}"
    );
    assert_eq!(report["databases"][0]["parts_named"], 0);
    lifeboat.verify(&id(&report["databases"][0]));
}

/// New keys beside the old ones, of which nothing is lost; the first export under them stores everything, and says so.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn after_keys_are_rotated_an_export_stores_everything_once_and_old_points_stay_readable() {
    let (lifeboat, database) = prepared();
    let first = lifeboat.export(&database.url());
    let second = lifeboat.export(&database.url());
    let (config, old) = (
        lifeboat.folder().join("lifeboat.toml"),
        lifeboat.fingerprint(),
    );
    let before = fs::read_to_string(&config).unwrap();
    let rotated = lifeboat.run(["keys", "rotate"]).ok().json()["result"].clone();
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        before,
        "nothing is switched over"
    );
    assert_eq!(
        (&rotated["old_fingerprint"], &rotated["findings"]),
        (&old.clone().into(), &serde_json::json!([]))
    );
    let of = |field: &str| rotated[field].as_str().unwrap().to_owned();
    for file in ["signing_key", "reuse_key"] {
        let mode = fs::metadata(of(file)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(
        Path::new(&of("old_signing_key")).is_file() && Path::new(&of("old_reuse_key")).is_file()
    );
    let told = rotated["to_do"].to_string();
    for what in ["fingerprint", "signing_key", "reuse_key"] {
        assert!(told.contains(&of(what)), "{what} in {told}");
    }
    lifeboat.run(["keys", "rotate"]).failed(1, "exists already");

    let base = lifeboat.folder().to_str().unwrap().to_owned();
    let name = |file: &str| {
        file.strip_prefix(&format!("{base}/"))
            .unwrap_or(file)
            .to_owned()
    };
    let text = before
        .replacen(
            "trust = [",
            &format!("trust = [\"{}\", ", of("fingerprint")),
            1,
        )
        .replacen(
            "\"manifest-signing.pem\"",
            &format!("{:?}", name(&of("signing_key"))),
            1,
        )
        .replacen("\"reuse.key\"", &format!("{:?}", name(&of("reuse_key"))), 1);
    fs::write(&config, text).unwrap();
    let ran = lifeboat.run(["export", "--source", &database.url()]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let report = ran.json()["result"].clone();
    let findings = report["findings"].as_array().unwrap();
    let says = findings[0].as_str().unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        says.contains("everything is stored anew")
            && says.contains(&id(&second))
            && says.contains("reuse key"),
        "{says}"
    );
    assert_eq!(report["databases"][0]["parts_named"], 0);
    let third = lifeboat.export(&database.url());
    assert_eq!(third["parts_named"], third["parts"]);
    for point in [&first, &second, &third] {
        lifeboat.verify(&id(point));
    }
    // Who has only the old sheet.
    let repository = lifeboat.repository();
    let verify = [
        "verify",
        &id(&third),
        "--repository",
        repository.to_str().unwrap(),
        "--trust",
        &old,
    ];
    lifeboat.bare(verify).ok();
}
