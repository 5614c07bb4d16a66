//! A run of several shards of `prove`: each database is drilled once, the whole is looked at once, and nothing but what
//! prove's own key signed counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lifeboat::testing::Signer;
use serde_json::{Value, json};

use super::{own, source};
use crate::support::cluster::Cluster;
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

/// Two sources with two databases each, exported once. The exporter's configuration is `lifeboat.toml`, that of prove
/// `backup.toml`, which signs with a key of its own and trusts both.
struct Proof {
    lifeboat: Lifeboat,
    servers: [Cluster; 2],
}

const DATABASES: [&str; 4] = ["a/one", "a/two", "b/one", "b/two"];
/// Of two shards: the biggest first, each to the one that has least.
const SHARES: [[&str; 2]; 2] = [["a/one", "b/two"], ["a/two", "b/one"]];

impl Proof {
    fn new() -> Self {
        let lifeboat = Lifeboat::init();
        let servers = [(); 2].map(|()| Cluster::without_passwords(&Major::Pg15.bin()));
        // Of sizes so different that they are dealt as SHARES says.
        let mut rows = [8000, 6000, 4000, 2000].into_iter();
        for (name, server) in ["a", "b"].iter().zip(&servers) {
            for database in ["one", "two"] {
                server.sql(&format!("CREATE DATABASE {database}"));
                let last = rows.next().unwrap();
                let answer = format!(
                    "SELECT id, md5(id::text) AS said FROM generate_series(1, {last}) AS id"
                );
                server.sql_in(database, &format!("CREATE TABLE answer AS {answer}"));
            }
            lifeboat.configure(&source(name, server, "exclude_databases = [\"postgres\"]"));
        }
        lifeboat.run(["nightly"]).ok();
        let proof = Self { lifeboat, servers };
        proof.configure_prove();
        proof
    }

    fn configure_prove(&self) {
        let folder = self.lifeboat.folder();
        let signer = Signer::generate().unwrap();
        fs::write(folder.join("attest.pem"), signer.to_pem().unwrap()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(folder.join("attest.pem"), private).unwrap();
        let (exports, attests) = (self.lifeboat.fingerprint(), signer.fingerprint());
        let config = format!(
            "[repository]\nurl = \"repository\"\ntrust = [\"{exports}\", \"{attests}\"]\n\
             [keys]\nsigning_key = \"attest.pem\"\n[lock]\nmode = \"none\"\n"
        );
        fs::write(folder.join("backup.toml"), config).unwrap();
    }

    fn prove(&self, args: &[&str]) -> Command {
        let prove = ["prove", "--config", "backup.toml", "--json"];
        let identity = ["--identity", "break-glass.key"];
        self.lifeboat
            .command([&prove[..], &identity, args].concat())
    }

    fn shard(&self, shard: &str, run: &str) -> Ran {
        let args = ["--shard", shard, "--run", run];
        Ran::of(&self.prove(&args).output().unwrap())
    }

    /// And the result of the step `collect`.
    fn collect(&self, which: &[&str]) -> (Ran, Value) {
        let args = [&["--collect"], which].concat();
        let ran = Ran::of(&self.prove(&args).output().unwrap());
        let collected = ran.json()["result"]["steps"][0]["result"].clone();
        (ran, collected)
    }

    fn object(&self, run: &str, name: &str) -> PathBuf {
        let runs = self.lifeboat.repository().join("runs/prove");
        runs.join(run).join(name)
    }

    /// How many drills were attested, of each database.
    fn drills(&self) -> [usize; 4] {
        let folder = self.lifeboat.repository().join("attestations");
        DATABASES.map(|database| files(&folder.join(database)))
    }
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let below = entries.map(|entry| {
        let path = entry.unwrap().path();
        // With a `~` it is not stored yet.
        let is_stored = !path.to_str().unwrap().contains('~');
        if path.is_dir() {
            files(&path)
        } else {
            usize::from(is_stored)
        }
    });
    below.sum()
}

/// Names and exit codes.
#[track_caller]
fn steps(ran: &Ran) -> Vec<(String, u64)> {
    let document = ran.json();
    let steps = document["result"]["steps"].as_array();
    let steps = steps.unwrap_or_else(|| panic!("{ran:?}")).iter();
    let step = |step: &Value| {
        let name = step["name"].as_str().unwrap().to_owned();
        (name, step["exit_code"].as_u64().unwrap())
    };
    steps.map(step).collect()
}

#[track_caller]
fn proved(ran: &Ran, databases: &[&str]) {
    let of = |database: &&str| [format!("verify {database}"), format!("drill {database}")];
    let expected = databases.iter().flat_map(of).map(|name| (name, 0));
    assert_eq!(steps(ran), expected.collect::<Vec<_>>(), "{ran:#?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn shards_drill_each_database_once_and_the_last_one_looks_at_the_whole() {
    let proof = Proof::new();
    let first = proof.shard("0/2", "p 1").ok();
    proved(&first, &SHARES[0]);
    assert_eq!(own(&first)["collected"], Value::Null);
    let (running, collected) = proof.collect(&["--run", "p 1"]);
    assert_eq!(running.code, Some(3), "{running:?}");
    let still = "shard 1 is still running: 2 of its databases have no drill of this run";
    assert_eq!(collected["findings"], json!([still]));
    // The whole is not judged before its end.
    assert_eq!(steps(&running), [("collect".to_owned(), 3)]);

    let last = proof.shard("1/2", "p 1").ok();
    proved(&last, &SHARES[1]);
    // A folder has no locks, and status says so of each point.
    assert_eq!(own(&last)["collected"], 3, "{last:?}");
    assert_eq!(proof.drills(), [1; 4]);
    let (ran, collected) = proof.collect(&["--latest"]);
    // All shards ended well, and the whole is looked at again: no command says that all is well.
    let well_but_unlocked = [("collect".to_owned(), 0), ("status".to_owned(), 3)];
    assert_eq!(steps(&ran), well_but_unlocked);
    assert_eq!((ran.code, &collected["told"]), (Some(3), &json!(false)));
    let stored = fs::read_to_string(proof.object("p%201", "collected.json")).unwrap();
    assert!(stored.contains(r#"\"exit_code\":3"#), "{stored}");
    let databases = collected["databases"].as_array().unwrap();
    assert!(
        databases.iter().all(|one| one["point"].is_string()),
        "{collected}"
    );
    assert_eq!(databases.len(), 4);
    // Never silently done.
    proof.shard("1/2", "p 1").failed(1, "was collected at");
    assert_eq!(proof.drills(), [1; 4]);

    // The other command's runs are other runs.
    let nightly = |args: &[&str]| proof.lifeboat.run([&["nightly"], args].concat());
    nightly(&["--collect", "--run", "p 1"]).failed(1, "no run 'p 1'");
    nightly(&["--shard", "0/1", "--run", "p 1"]).ok();
    assert!(proof.object("p%201", "collected.json").is_file());
    assert!(
        proof
            .lifeboat
            .repository()
            .join("runs/export/p%201/0-1.json")
            .is_file()
    );
    // Each shard proves the newest points there are.
    let next = proof.shard("0/1", "p 2");
    assert_eq!((next.code, &own(&next)["collected"]), (Some(0), &json!(3)));
    assert_eq!(proof.drills(), [2; 4]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_shard_of_prove_that_is_killed_goes_on_when_it_is_started_again() {
    let proof = Proof::new();
    let config = proof.lifeboat.folder().join("backup.toml");
    let text = fs::read_to_string(&config).unwrap();
    let waits = "[[drill.assert]]\nname = 'waits'\nsource = 'b'\ndatabase = 'two'\nsql = 'SELECT 1 FROM pg_sleep(600)'\nequals = 1\n";
    fs::write(&config, format!("{text}{waits}")).unwrap();
    let mut killed = proof.prove(&["--shard", "0/2", "--run", "r", "--databases-at-once", "1"]);
    let killed = killed.stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(120);
    while proof.drills() != [1, 0, 0, 0] {
        assert!(Instant::now() < limit, "a/one was never drilled");
        sleep(Duration::from_millis(50));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    fs::write(&config, text).unwrap();

    let last = proof.shard("1/2", "r").ok();
    assert_eq!(
        own(&last)["collected"],
        Value::Null,
        "shard 0 has not reported"
    );
    let (ran, collected) = proof.collect(&["--latest"]);
    assert_eq!((ran.code, &collected["unreported"]), (Some(3), &json!([0])));
    let missing = "1 of its databases have no drill of this run";
    let still = format!("shard 0 is still running: {missing}");
    assert_eq!(collected["findings"], json!([still]));
    let (ended, collected) = proof.collect(&["--latest", "--ended"]);
    let never = format!("shard 0 never reported: {missing}");
    assert_eq!(collected["failures"], json!([never]));
    let told = [("collect".to_owned(), 1), ("status".to_owned(), 3)];
    assert_eq!((ended.code, steps(&ended)), (Some(1), told.to_vec()));

    let again = proof.shard("0/2", "r").ok();
    assert_eq!(own(&again)["done_before"], json!(["a/one"]));
    // What was drilled before may have been verified by a shard that never said how that ended.
    let expected = ["verify a/one", "verify b/two", "drill b/two"];
    let expected = expected.map(|name| (name.to_owned(), 0));
    assert_eq!(steps(&again), expected);
    assert_eq!(proof.drills(), [1; 4]);
    // It was told before; who asks now hears that all shards are well.
    assert_eq!(own(&again)["collected"], Value::Null);
    let (ran, collected) = proof.collect(&["--latest"]);
    assert_eq!(collected["told"], false);
    let well_but_unlocked = [("collect".to_owned(), 0), ("status".to_owned(), 3)];
    assert_eq!(steps(&ran), well_but_unlocked);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_fails_is_told_by_the_collector_and_drilled_again() {
    let proof = Proof::new();
    let config = proof.lifeboat.folder().join("backup.toml");
    let text = fs::read_to_string(&config).unwrap();
    let wrong = "[[drill.assert]]\nname = 'wrong'\nsource = 'b'\ndatabase = 'one'\nsql = 'SELECT 1'\nequals = 2\n";
    fs::write(&config, format!("{text}{wrong}")).unwrap();
    damage(&proof.lifeboat.repository().join("parts/a/one"));
    let first = proof.shard("0/2", "r");
    assert_eq!(first.code, Some(1), "{first:?}");
    let last = proof.shard("1/2", "r");
    assert_eq!((last.code, &own(&last)["collected"]), (Some(1), &json!(1)));
    let expected = [
        "a/one: failed: the log of shard 0 says why",
        "b/one: failed: the log of shard 1 says why",
    ];
    let (ran, collected) = proof.collect(&["--run", "r"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(collected["failures"], json!(expected), "{collected}");
    assert_eq!(collected["findings"], json!([]), "{collected}");

    // An engine tries again: what was wrong with the drill alone is mended by a further one.
    fs::write(&config, text).unwrap();
    // Of the damage both steps on it say so.
    assert_eq!(proof.drills(), [2, 1, 1, 1]);
    proof.shard("0/2", "r").failed(1, "a/one");
    let again = proof.shard("1/2", "r").ok();
    assert_eq!(own(&again)["done_before"], json!(["a/two"]));
    assert_eq!(proof.drills(), [4, 1, 2, 1]);
    let (ran, collected) = proof.collect(&["--run", "r"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(collected["failures"], json!(expected[..1]), "{collected}");
}

/// Changes a byte of each part.
fn damage(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else if path.to_str().unwrap().ends_with(".copy.zst.age") {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            let writable = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&path, writable).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_drill_with_findings_is_no_failure_of_its_shard_and_is_drilled_again() {
    let proof = Proof::new();
    // Nobody but a superuser makes such a function, and no superuser drills: nothing is proven.
    proof.servers[1].sql_in(
        "two",
        "CREATE FUNCTION is_itself(int, int) RETURNS bool LANGUAGE internal STRICT IMMUTABLE AS 'int4eq';
         CREATE TABLE checked (a int CHECK (is_itself(a, a)))",
    );
    proof.lifeboat.run(["nightly"]).ok();
    let args = ["--shard", "0/2", "--run", "r", "--findings-ok"];
    let first = Ran::of(&proof.prove(&args).output().unwrap()).ok();
    let unproven = ("drill b/two".to_owned(), 3);
    assert_eq!(steps(&first).last(), Some(&unproven));
    // Its report may never have been stored: what it found would be told by nobody.
    let again = proof.shard("0/2", "r");
    assert_eq!(
        (again.code, steps(&again).last()),
        (Some(3), Some(&unproven))
    );
    assert_eq!(own(&again)["done_before"], json!(["a/one"]));
    assert_eq!(proof.drills(), [1, 0, 0, 2]);
    let last = proof.shard("1/2", "r").ok();
    assert_eq!(own(&last)["collected"], 3);
    let (ran, collected) = proof.collect(&["--run", "r"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let finding = "shard 0: drill b/two: its log has findings";
    assert_eq!(collected["findings"], json!([finding]));
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_that_came_after_the_plan_of_proofs_is_told_and_one_that_went_fails() {
    let proof = Proof::new();
    proof.shard("0/2", "r").ok();
    let late = &proof.servers[1];
    late.sql("CREATE DATABASE late");
    late.sql_in("late", "CREATE TABLE answer AS SELECT 1 AS id");
    let late = ["nightly", "--source", "b", "--database", "late"];
    proof.lifeboat.run(late).ok();
    fs::remove_dir_all(proof.lifeboat.repository().join("manifests/a/two")).unwrap();
    let last = proof
        .shard("1/2", "r")
        .failed(1, "a/two has no restore point any more");
    assert_eq!(own(&last)["collected"], 1);
    let (_, collected) = proof.collect(&["--run", "r"]);
    let gone = "a/two: not_found: the log of shard 1 says why";
    assert_eq!(collected["failures"], json!([gone]), "{collected}");
    let finding = "b/late is not in this run: its first restore point came after the plan, or --source and --database left it out";
    assert_eq!(collected["findings"], json!([finding]), "{collected}");
}

/// Whoever may only write could store any number of names.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn names_under_which_nobody_signed_anything_are_no_databases_of_a_run_and_counted() {
    let proof = Proof::new();
    let manifests = proof.lifeboat.repository().join("manifests");
    for number in 0..30 {
        let folder = manifests.join(format!("a/junk-{number:02}"));
        fs::create_dir_all(&folder).unwrap();
        let junk = r#"{"format":1,"body":"{}","signature":null}"#;
        fs::write(folder.join("20261121T053000Z-k3v9q2.json"), junk).unwrap();
    }
    let only = proof.shard("0/1", "r").ok();
    assert_eq!(
        (&own(&only)["databases"], &own(&only)["collected"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(proof.drills(), [1; 4]);
    let (ran, collected) = proof.collect(&["--run", "r"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(collected["databases"].as_array().unwrap().len(), 4);
    let counted = "30 databases are in no run, as no trusted key signed any of the newest restore points: a/junk-00";
    let [finding] = &collected["findings"].as_array().unwrap()[..] else {
        panic!("{collected}");
    };
    assert!(finding.as_str().unwrap().starts_with(counted), "{finding}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_run_of_proofs_that_is_not_the_shards_is_refused_before_anything_is_drilled() {
    let proof = Proof::new();
    let chosen = |shard: &str, more: &[&str]| {
        let args = [&["--shard", shard, "--run", "r"], more].concat();
        Ran::of(&proof.prove(&args).output().unwrap())
    };
    chosen("0/2", &["--database", "nowhere"]).failed(2, "'nowhere'");
    assert!(!proof.object("r", "plan.json").exists());
    // A plan of one source alone, whose shards choose the same.
    chosen("1/2", &["--source", "a"]).ok();
    assert_eq!(proof.drills(), [0, 1, 0, 0]);
    chosen("0/2", &["--source", "b"])
        .failed(2, "has a/one, and --source and --database leave it out");
    chosen("0/3", &["--source", "a"]).failed(2, "with 2 shards, and this is one of 3");
    proof
        .collect(&["--run", "another"])
        .0
        .failed(1, "no run 'another'");
    let collect = ["--collect", "--run", "r", "--source", "a"];
    Ran::of(&proof.prove(&collect).output().unwrap()).failed(2, "--source");
    // Without a key nothing can be reported.
    let config = proof.lifeboat.folder().join("backup.toml");
    let text = fs::read_to_string(&config).unwrap();
    let unsigned = text.replace("signing_key = \"attest.pem\"", "");
    fs::write(&config, unsigned).unwrap();
    chosen("0/2", &["--source", "a"]).failed(2, "keys.signing_key");
    fs::write(&config, text).unwrap();
    super::age(proof.object("r", "plan.json"), 25);
    chosen("0/2", &["--source", "a"]).failed(1, "more than 24 hours ago");
    assert_eq!(proof.drills(), [0, 1, 0, 0]);
    let (late, collected) = proof.collect(&["--latest"]);
    let never = "shard 0 never reported: 1 of its databases have no drill of this run";
    assert_eq!(
        (late.code, &collected["failures"]),
        (Some(1), &json!([never]))
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn nothing_but_what_proves_own_key_signed_is_a_plan_or_a_report_of_proofs() {
    let proof = Proof::new();
    let repository = proof.lifeboat.repository();
    let nightly = |shard: &str| {
        proof
            .lifeboat
            .run(["nightly", "--shard", shard, "--run", "r"])
    };
    nightly("0/2").ok();
    nightly("1/2").ok();
    // Another key that nobody trusts, and the exporter's own, whose points prove believes.
    let aside = proof.lifeboat.folder().join("aside");
    let copied = Command::new("cp")
        .arg("-r")
        .args([&repository, &aside])
        .status();
    assert!(copied.unwrap().success());
    let forge = |run: &str, key: &str| {
        let folder = proof.lifeboat.folder();
        let text = fs::read_to_string(folder.join("backup.toml")).unwrap();
        let (own, pinned) = text.split_once("trust = [").unwrap();
        let pem = fs::read_to_string(folder.join(key)).unwrap();
        let by = Signer::from_pem(&pem).unwrap().fingerprint();
        let forging = format!("{own}trust = [\"{by}\", {pinned}");
        let forging = forging
            .replace("\"repository\"", "\"aside\"")
            .replace("attest.pem", key);
        fs::write(folder.join("forging.toml"), forging).unwrap();
        for shard in ["0/2", "1/2"] {
            let forged = [
                "prove",
                "--config",
                "forging.toml",
                "--identity",
                "break-glass.key",
            ];
            let forged = [&forged[..], &["--shard", shard, "--run", run]].concat();
            proof.lifeboat.bare(forged).ok();
        }
    };
    let plant = |run: &str, name: &str, from: &Path| {
        let place = proof.object(run, name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(from, place).unwrap();
    };
    let stranger = Signer::generate().unwrap().to_pem().unwrap();
    let stranger_key = proof.lifeboat.folder().join("stranger.pem");
    fs::write(&stranger_key, stranger).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&stranger_key, private).unwrap();
    forge("by-stranger", "stranger.pem");
    forge("by-exporter", "manifest-signing.pem");
    let forged = |run: &str, name: &str| aside.join("runs/prove").join(run).join(name);
    for run in ["by-stranger", "by-exporter"] {
        plant(run, "plan.json", &forged(run, "plan.json"));
        proof.shard("0/2", run).failed(1, "cannot be trusted");
    }
    let exported = |name: &str| repository.join("runs/export/r").join(name);
    plant("moved", "plan.json", &exported("plan.json"));
    proof.shard("0/2", "moved").failed(1, "cannot be trusted");
    assert_eq!(proof.drills(), [0; 4]);
    let (ran, _) = proof.collect(&["--latest"]);
    ran.failed(1, "no run in");

    proof.shard("0/2", "r").ok();
    plant("r", "1-1.json", &exported("1-1.json"));
    plant("r", "1-2.json", &forged("by-exporter", "1-1.json"));
    plant("r", "1-3.json", &forged("by-stranger", "1-1.json"));
    plant(
        "r",
        "collected.json",
        &forged("by-exporter", "collected.json"),
    );
    let (ran, collected) = proof.collect(&["--run", "r"]);
    let unreported = (ran.code, &collected["unreported"]);
    assert_eq!(unreported, (Some(3), &json!([1])), "{ran:?}");
    let findings = collected["findings"].to_string();
    for name in ["1-1", "1-2", "1-3", "collected"] {
        let said = format!("runs/prove/r/{name}.json cannot be trusted");
        assert!(findings.contains(&said), "{findings}");
    }
    // Nor does a drill count that the exporter's key attests, though no identity is missing to it.
    let drill = ["--source", "a", "--database", "two"];
    proof.lifeboat.drill(&drill).ok();
    assert_eq!(proof.drills(), [1, 1, 0, 1]);
    // The true shard reports beside them, and the forged note silences nobody.
    let last = proof.shard("1/2", "r").ok();
    let (done, collected) = (&own(&last)["done_before"], &own(&last)["collected"]);
    assert_eq!((done, collected), (&json!([]), &json!(3)), "{last:?}");
    assert!(proof.object("r", "1-4.json").is_file());
    assert_eq!(proof.drills(), [1, 2, 1, 1]);
}

/// With one key for both commands it is the statement itself that says whose run it is.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_exporters_report_is_none_of_proves_even_under_the_same_key() {
    let proof = Proof::new();
    let folder = proof.lifeboat.folder();
    let config = fs::read_to_string(folder.join("backup.toml")).unwrap();
    let same = config.replace("attest.pem", "manifest-signing.pem");
    fs::write(folder.join("backup.toml"), same).unwrap();
    let nightly = |shard: &str| {
        proof
            .lifeboat
            .run(["nightly", "--shard", shard, "--run", "r"])
    };
    nightly("0/2").ok();
    let exported = proof.lifeboat.repository().join("runs/export/r/plan.json");
    let place = proof.object("r", "plan.json");
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(exported, place).unwrap();
    proof.shard("0/2", "r").failed(1, "belongs to another run");
    assert_eq!(proof.drills(), [0; 4]);
}
