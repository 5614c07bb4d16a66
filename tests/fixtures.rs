//! Repositories as released versions of lifeboat made them, frozen: what is built today reads and
//! restores them. tests/fixtures/README.md says what they hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Silent;
use lifeboat::testing::Trust;
use lifeboat::testing::codec::Identities;
use lifeboat::testing::list;
use lifeboat::testing::repository::{PointSelector, Repository, RestorePoint};
use lifeboat::testing::store::Head;
use lifeboat::testing::verify;
use serde_json::{Value, json};

use crate::support::every_point;
use crate::support::forge::{self, why};
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};
use crate::without_lifeboat::machine::Machine;

/// The two points of `directory/`. The later one is signed by a key that the pinned one announced.
const FIRST: &str = "20261129T012820Z-b0zd9z";
const SECOND: &str = "20261129T012821Z-29zq2r";

/// The point of `own-settings/`.
const OWN_SETTINGS: &str = "20261129T151902Z-cm7m3t";

/// The points of `named/`: the later one names parts of the earlier one.
const STORED: &str = "20261130T134526Z-vej908";
const NAMED: &str = "20261130T134531Z-ahkfnq";

/// The points of `rotated/`: of the first keys; of those that `keys rotate` made, for another second recipient; and
/// signed by KMS, with parts of the one before.
const BEFORE: &str = "20261201T010120Z-gc9062";
const ROTATED: &str = "20261201T010122Z-19savm";
const BY_KMS: &str = "20261201T010123Z-14237p";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(fixture(name)).unwrap()
}

/// What the database shows is what its source showed.
#[track_caller]
fn is_as_it_was(database: &Database, scripts: &[&str], facts: &str) {
    let output = Command::new(database.major.bin().join("psql"))
        .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &database.url()])
        .args(
            scripts
                .iter()
                .flat_map(|script| ["-f".into(), fixture(script)]),
        )
        .output()
        .unwrap();
    let (is, was) = (Ran::of(&output).ok().stdout, text(facts));
    for (is, was) in is.lines().zip(was.lines()) {
        assert_eq!(is, was);
    }
    assert_eq!(is, was);
}

/// A copy of a repository in a folder, on a machine that knows nothing but a key to trust and an identity.
struct Directory {
    name: &'static str,
    lifeboat: Lifeboat,
    identity: PathBuf,
}

impl Directory {
    fn opened_by(name: &'static str, identity: &str) -> Self {
        let lifeboat = Lifeboat::empty();
        let copied = Command::new("cp")
            .arg("-r")
            .args([fixture(name), lifeboat.repository()])
            .status();
        assert!(copied.unwrap().success());
        Self {
            name,
            lifeboat,
            identity: fixture("keys").join(identity),
        }
    }

    /// Runs a command, which must find nothing to complain of.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Value {
        let trust = text(&format!("keys/{}.trust", self.name));
        let repository = self.lifeboat.repository();
        let access = [
            ["--repository", repository.to_str().unwrap()],
            ["--trust", trust.trim()],
            ["--identity", self.identity.to_str().unwrap()],
        ];
        let ran = self.lifeboat.run([args, access.as_flattened()].concat());
        ran.ok().json()["result"].clone()
    }

    /// By the script and the stock tools of its day: nothing of what is built today takes part.
    #[track_caller]
    fn comes_back_by_its_script(&self, id: &str, trust: &str, facts: &str) {
        let (machine, target) = (
            Machine::new(Major::Pg15),
            Database::with(Major::Pg15, "TEMPLATE template0"),
        );
        let repository = self.lifeboat.repository();
        let place = format!("frozen/fixture/{id}");
        let script = repository.join(format!("parts/{place}/restore.sh"));
        let mut command = machine.bash([&script]);
        let command = command
            .args(["--repository", &format!("file://{}", repository.display())])
            .args(["--manifest", &format!("manifests/{place}.json")])
            .args(["--trust", trust, "--target", &target.url(), "--identity"]);
        let ran = Ran::of(&command.arg(&self.identity).output().unwrap()).ok();
        let is_sound = ran.stderr.contains("signature      sound");
        assert!(is_sound, "{}", ran.stderr);
        is_as_it_was(&target, &["facts.sql"], facts);
    }

    #[track_caller]
    fn comes_back(&self, id: &str, (tables, rows): (u64, u64), scripts: &[&str], major: Major) {
        let target = Database::reserve(major);
        let (url, bin) = (target.url(), major.bin());
        let how = ["--create", "--verify", "--target", &url, "--pg-bin"];
        let restore = [&["restore", id], &how[..], &[bin.to_str().unwrap()]].concat();
        let report = self.run(&restore);
        assert_eq!(
            (&report["tables"], &report["rows"], &report["findings"]),
            (&json!(tables), &json!(rows), &json!([]))
        );
        is_as_it_was(&target, scripts, &format!("{}.txt", self.name));
    }
}

/// No types are known of such a point: its JSON is strings, its SQL columns are text.
#[test]
fn rows_of_the_directory_come_as_files() {
    let directory = Directory::opened_by("directory", "directory.key");
    let shown = directory.run(&["show", FIRST]);
    let tables = shown["catalog"]["tables"].as_array().unwrap();
    let quoted = |text: &Value| format!("\"{}\"", text.as_str().unwrap().replace('"', "\"\""));
    let names = tables
        .iter()
        .map(|table| format!("{}.{}", quoted(&table["schema"]), quoted(&table["name"])));
    let names: Vec<String> = names.collect();
    let names: Vec<&str> = names.iter().flat_map(|name| ["--table", name]).collect();
    let folder = directory.lifeboat.folder();
    for format in ["copy", "csv", "jsonl", "sql"] {
        let to = folder.join(format);
        let extract = [
            "extract",
            FIRST,
            "--format",
            format,
            "-o",
            to.to_str().unwrap(),
        ];
        let report = directory.run(&[&extract[..], &names].concat());
        assert_eq!(report["rows"], 420);
        let said = report["left_out"].to_string();
        let typed = format == "jsonl" || format == "sql";
        assert_eq!(said.contains("does not hold them"), typed, "{said}");
        for table in report["tables"].as_array().unwrap() {
            let text = fs::read_to_string(table["file"].as_str().unwrap()).unwrap();
            let (rows, lines) = (table["rows"].as_u64().unwrap(), text.lines().count() as u64);
            match format {
                "copy" => assert_eq!(lines, rows),
                "csv" => assert!(lines > rows),
                "jsonl" => {
                    assert_eq!(lines, rows);
                    for line in text.lines() {
                        let row: Value = serde_json::from_str(line).unwrap();
                        let values = row.as_object().unwrap().values();
                        let strings = values.filter(|value| value.is_string() || value.is_null());
                        assert_eq!(strings.count(), row.as_object().unwrap().len());
                    }
                }
                _ => assert!(text.contains("\n\\.\n") && text.ends_with("\nCOMMIT;\n")),
            }
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_directory_comes_back_into_15() {
    let directory = Directory::opened_by("directory", "directory.key");
    directory.comes_back(FIRST, (12, 420), &["facts.sql"], Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_directory_comes_back_into_18_by_the_other_identity() {
    let directory = Directory::opened_by("directory", "directory-second.key");
    directory.comes_back(SECOND, (12, 420), &["facts.sql"], Major::Pg18);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_was_computed_under_its_own_settings_comes_back() {
    let directory = Directory::opened_by("own-settings", "own-settings.key");
    let scripts = ["facts.sql", "own-settings-facts.sql"];
    for major in [Major::Pg15, Major::Pg18] {
        directory.comes_back(OWN_SETTINGS, (13, 460), &scripts, major);
    }
}

/// Of a bucket that was copied into a folder.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_point_comes_back_whose_parts_lie_in_the_folder_of_another() {
    let directory = Directory::opened_by("named", "named.key");
    let shown = directory.run(&["show", NAMED]);
    assert_eq!(shown["manifest"]["parts_from"], json!([STORED]));
    directory.comes_back(NAMED, (13, 425), &["facts.sql"], Major::Pg15);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn points_come_back_that_were_stored_before_and_after_keys_were_rotated() {
    for (id, identity, found) in [
        (BEFORE, "rotated-second.key", (12, 420)),
        (ROTATED, "rotated-third.key", (12, 420)),
        (BY_KMS, "rotated.key", (13, 425)),
    ] {
        let directory = Directory::opened_by("rotated", identity);
        let target = Database::reserve(Major::Pg15);
        let url = target.url();
        let restored = directory.run(&["restore", id, "--create", "--verify", "--target", &url]);
        let counted = (&restored["tables"], &restored["rows"]);
        assert_eq!(counted, (&json!(found.0), &json!(found.1)));
        assert_eq!(restored["findings"], json!([]));
        if id == BY_KMS {
            is_as_it_was(&target, &["facts.sql"], "rotated.txt");
        }
    }
}

/// With the first key alone: each vouched for the next.
#[test]
fn rotated_keys_are_believed_by_who_has_the_first_sheet() {
    let directory = Directory::opened_by("rotated", "rotated.key");
    let listed = directory.run(&["list"]);
    let points = listed["points"].as_array().unwrap();
    let seen: Vec<_> = points
        .iter()
        .map(|one| (&one["id"], &one["trusted"]))
        .collect();
    let (yes, ids) = (json!(true), [BEFORE, ROTATED, BY_KMS].map(|id| json!(id)));
    assert_eq!(seen, ids.iter().map(|id| (id, &yes)).collect::<Vec<_>>());
    for (id, rows) in [(BEFORE, 420), (ROTATED, 420), (BY_KMS, 425)] {
        let verified = directory.run(&["verify", id, "--data"]);
        assert_eq!(verified["rows"], rows);
    }
    let keys: BTreeSet<String> = [BEFORE, ROTATED, BY_KMS]
        .map(|id| directory.run(&["show", id])["signed_by"].to_string())
        .into();
    assert_eq!(keys.len(), 3);
    // Who was taken off the recipients opens what was stored before, and no more.
    let second = Directory::opened_by("rotated", "rotated-second.key");
    let trust = text("keys/rotated.trust");
    let refused = |id: &str| {
        let args = [
            "verify",
            id,
            "--data",
            "--trust",
            trust.trim(),
            "--repository",
        ];
        let mut command = second.lifeboat.command(args);
        command
            .arg(second.lifeboat.repository())
            .arg("--identity")
            .arg(&second.identity);
        Ran::of(&command.output().unwrap())
    };
    refused(BEFORE).ok();
    refused(ROTATED).failed(1, "none of the given identities opens it");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn each_comes_back_by_the_script_that_was_stored_with_it() {
    for (name, id, facts) in [
        ("directory", FIRST, "directory.txt"),
        ("named", NAMED, "named.txt"),
        ("rotated", BY_KMS, "rotated.txt"),
    ] {
        let directory = Directory::opened_by(name, &format!("{name}.key"));
        let trust = directory.run(&["show", id])["signed_by"].clone();
        directory.comes_back_by_its_script(id, trust.as_str().unwrap(), facts);
    }
}

#[test]
fn the_directory_is_read_without_complaint() {
    let directory = Directory::opened_by("directory", "directory.key");
    let listed = directory.run(&["list"]);
    let points = listed["points"].as_array().unwrap();
    let of_points = |field: &str| {
        points
            .iter()
            .map(|one| one[field].clone())
            .collect::<Value>()
    };
    assert_eq!(of_points("id"), json!([FIRST, SECOND]));
    assert_eq!(of_points("trusted"), json!([true, true]));
    let drilled_at = "2026-11-29T01:28:23.674842926Z";
    assert_eq!(of_points("drilled_at"), json!([null, drilled_at]));
    assert_eq!(listed["leftovers"], json!([]));

    let [first, second] = [FIRST, SECOND].map(|id| directory.run(&["show", id]));
    assert_eq!(first["manifest"]["previous"], Value::Null);
    let body_of_first = "26e3f5c7cc084b000b5566dc6278ab87b49661f45177caa068be7ef51b0fb53d";
    let previous = json!({"id": FIRST, "sha256": body_of_first});
    assert_eq!(second["manifest"]["previous"], previous);
    assert_ne!(first["signed_by"], second["signed_by"]);
    assert_eq!(second["catalog"]["tables"].as_array().unwrap().len(), 12);

    for id in [FIRST, SECOND] {
        let verified = directory.run(&["verify", id, "--data"]);
        assert_eq!(
            (&verified["rows"], &verified["objects"]),
            (&json!(420), &json!(37))
        );
    }
}

#[test]
fn early_points_are_compared_as_far_as_their_catalogs_go() {
    let directory = Directory::opened_by("directory", "directory.key");
    let compared = directory.run(&["diff", FIRST, SECOND]);
    let content = &compared["content"];
    assert_eq!(
        (&compared["same"], &content["same_tables"]),
        (&json!(true), &json!(12))
    );
    let not_compared = content["not_compared"].to_string();
    assert!(not_compared.contains("most definitions"), "{not_compared}");
    let rows = directory.run(&["diff", FIRST, SECOND, "--rows", "--table", "person"]);
    assert_eq!(rows["rows"]["only_in_a"]["rows"], 0);
    let history = directory.run(&["history", "--table", "*"]);
    let points = history["databases"][0]["points"].as_array().unwrap();
    let rows: Value = points.iter().map(|one| one["rows"].clone()).collect();
    assert_eq!(rows, json!([420, 420]));
}

/// `bucket/` in memory, on a day on which its locks hold.
struct Bucket {
    repository: Repository,
    trust: Trust,
    identities: Identities,
}

impl Bucket {
    fn load() -> Self {
        let store = MemoryStore::new(TestClock::at("2026-11-29T12:00:00Z"));
        for line in text("bucket/index.jsonl").lines() {
            adopt(&store, &serde_json::from_str(line).unwrap());
        }
        Self {
            repository: Repository::new(Arc::new(store)),
            trust: Trust {
                fingerprints: vec![text("keys/bucket.trust").trim().parse().unwrap()],
            },
            identities: Identities::from_files(&[fixture("keys/bucket.key")]).unwrap(),
        }
    }

    async fn point(&self) -> RestorePoint {
        let found = self.repository.choose(&PointSelector::Latest, None, None);
        let found = found.await.unwrap();
        self.repository.open(&found, &self.trust).await.unwrap()
    }

    async fn verify(&self, now: &str) -> verify::Report {
        let options = verify::Options {
            data: true,
            jobs: Some(2),
        };
        let (point, never) = (self.point().await, Interrupt::never());
        let clock = TestClock::at(now);
        let context = Context {
            clock: clock.as_ref(),
            progress: &Silent,
            interrupt: &never,
        };
        let verified = verify::verify(&point, &self.identities, options, context);
        verified.await.unwrap()
    }
}

/// A line of the index.
fn adopt(store: &MemoryStore, line: &Value) {
    let field = |name: &str| line[name].as_str().unwrap();
    let head = Head {
        version: field("version").to_owned(),
        bytes: line["bytes"].as_u64().unwrap(),
        sha256: serde_json::from_value(line["sha256"].clone()).unwrap(),
        lock: serde_json::from_value(line["lock"].clone()).unwrap(),
        stored_at: field("stored_at").parse().unwrap(),
    };
    let body = fs::read(fixture("bucket").join(field("file"))).unwrap();
    store.adopt(&field("key").parse().unwrap(), head, body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_bucket_comes_back() {
    let bucket = Bucket::load();
    let target = Database::reserve(Major::Pg15);
    let point = bucket.point().await;
    let restored = forge::restore(&point, &bucket.identities, &target, |options| {
        options.create = true;
        options.verify = true;
    });
    let report = restored.await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(
        (report.tables, report.rows, report.large_objects),
        (13, 423, 2)
    );
    assert_eq!(why(Ok(report)), None);
    is_as_it_was(&target, &["facts.sql"], "bucket.txt");
}

#[tokio::test]
async fn the_bucket_is_locked_as_it_was_and_read_when_it_no_longer_is() {
    let bucket = Bucket::load();
    let options = every_point("2026-11-29T12:00:00Z".parse().unwrap());
    let listed = list::list(&bucket.repository, &bucket.trust, &options);
    let listed = listed.await.unwrap();
    assert_eq!(listed.points[0].database, "with hstore");
    assert_eq!(listed.points[0].trusted, Some(true));
    // Somebody wrote on top of it.
    let [finding] = &listed.findings[..] else {
        panic!("{:?}", listed.findings);
    };
    assert!(finding.ends_with("its manifest was written 2 times; the first counts"));

    let verified = bucket.verify("2026-11-29T12:00:00Z").await;
    assert_eq!((verified.rows, verified.problems), (Some(423), Vec::new()));
    assert_eq!(verified.findings, [""; 0]);
    let verified = bucket.verify("2126-01-01T00:00:00Z").await;
    assert_eq!((verified.rows, verified.problems), (Some(423), Vec::new()));
    assert_eq!(verified.findings.len() as u64, verified.objects);
}
