//! A run of several shards: together they make one point of each database, whatever becomes of one of them, and a
//! collector says so.

mod deployed;
mod planned;
mod prove;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

const DATABASES: [&str; 6] = ["a/one", "a/three", "a/two", "b/one", "b/three", "b/two"];

/// Two servers with three databases each.
struct Fleet {
    lifeboat: Lifeboat,
    servers: [Cluster; 2],
}

impl Fleet {
    fn new() -> Self {
        let lifeboat = Lifeboat::init();
        let servers = [(); 2].map(|()| Cluster::without_passwords(&Major::Pg15.bin()));
        for (name, server) in ["a", "b"].iter().zip(&servers) {
            for database in ["one", "two", "three"] {
                server.sql(&format!("CREATE DATABASE {database}"));
                server.sql_in(
                    database,
                    "CREATE TABLE answer AS SELECT generate_series(1, 500) AS id",
                );
            }
            lifeboat.configure(&source(name, server, "exclude_databases = [\"postgres\"]"));
        }
        Self { lifeboat, servers }
    }

    fn shard(&self, shard: &str, run: &str) -> Command {
        self.lifeboat
            .command(["nightly", "--json", "--shard", shard, "--run", run])
    }

    fn run(&self, shard: &str, run: &str) -> Ran {
        Ran::of(&self.shard(shard, run).output().unwrap())
    }

    fn collect(&self, run: &str) -> (Ran, Value) {
        let ran = self.lifeboat.run(["nightly", "--collect", "--run", run]);
        let collected = ran.json()["result"]["steps"][0]["result"].clone();
        (ran, collected)
    }

    /// Names of the databases that have a point, one for each point.
    fn points(&self) -> Vec<String> {
        let listed = self.lifeboat.run(["list"]).json()["result"]["points"].clone();
        let name = |point: &Value| {
            let text = |field: &str| point[field].as_str().unwrap().to_owned();
            format!("{}/{}", text("source"), text("database"))
        };
        listed.as_array().unwrap().iter().map(name).collect()
    }

    fn object(&self, run: &str, name: &str) -> PathBuf {
        let folder = self.lifeboat.repository().join("runs/export").join(run);
        folder.join(name)
    }
}

fn source(name: &str, server: &Cluster, more: &str) -> String {
    let url = server.url_as("postgres", "postgres");
    format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}")
}

fn spread(fleet: &Fleet) {
    fleet.lifeboat.configure("[fleet]\nspread = true");
}

fn own(ran: &Ran) -> Value {
    ran.json()["result"]["shard"].clone()
}

/// As if it had been stored so many hours ago.
fn age(object: PathBuf, hours: u64) {
    let before = SystemTime::now() - Duration::from_secs(hours * 3600);
    let file = File::options().write(true).open(object).unwrap();
    file.set_modified(before).unwrap();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn shards_that_start_at_once_make_one_point_of_each_database_and_one_tells_it() {
    let fleet = Fleet::new();
    spread(&fleet);
    let started: Vec<_> = ["0/3", "1/3", "2/3"]
        .map(|shard| {
            let mut command = fleet.shard(shard, "night 1");
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .into();
    let ended = started
        .into_iter()
        .map(|one| one.wait_with_output().unwrap());
    let ended: Vec<Ran> = ended.map(|output| Ran::of(&output).ok()).collect();
    // Dealt by size: none of the three has nothing to do.
    let shares: Vec<u64> = ended
        .iter()
        .map(|ran| own(ran)["databases"].as_u64().unwrap())
        .collect();
    assert_eq!(shares, [2, 2, 2]);
    let told = ended.iter().filter(|ran| !own(ran)["collected"].is_null());
    let told: Vec<Value> = told.map(|ran| own(ran)["collected"].clone()).collect();
    assert_eq!(told, [json!(0)]);
    assert_eq!(fleet.points(), DATABASES);

    let (ran, collected) = fleet.collect("night 1");
    assert_eq!(
        (ran.code, &collected["told"]),
        (Some(0), &json!(false)),
        "{ran:?}"
    );
    let of_run = collected["databases"].as_array().unwrap();
    assert!(
        of_run.iter().all(|one| one["point"].is_string()),
        "{collected}"
    );
    for one in of_run {
        fleet.lifeboat.verify(one["point"].as_str().unwrap());
    }
    // Never silently done.
    fleet.run("1/3", "night 1").failed(1, "was collected at");
    assert_eq!(fleet.points(), DATABASES);
    // Another night has other shards.
    let first = fleet.run("0/1", "night 2").ok();
    assert_eq!(own(&first)["collected"], 0);
    assert_eq!(fleet.points().len(), 12);
    let latest = fleet
        .lifeboat
        .run(["nightly", "--collect", "--latest"])
        .ok();
    assert!(latest.stdout.contains("night 2"), "{latest:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_shard_that_is_killed_goes_on_when_it_is_started_again() {
    let fleet = Fleet::new();
    fleet.lifeboat.configure("[export]\nddl_wait = \"10m\"");
    fleet.run("0/2", "r").ok();
    assert_eq!(
        fleet.points(),
        &DATABASES[..3],
        "a server's databases go together"
    );
    // The last database of the shard is held by a migration.
    let server = &fleet.servers[1];
    let mut migration = server.client("psql");
    let migration = migration
        .arg(server.socket_url("postgres", "two"))
        .args(["-c", "BEGIN; LOCK TABLE answer; SELECT pg_sleep(600)"]);
    let mut migration = migration
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let waits = |who: &str| {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = 'two' AND {who}");
        let limit = Instant::now() + Duration::from_secs(120);
        while server.sql(&sql).trim() == "0" {
            assert!(Instant::now() < limit, "it never came: {who}");
            sleep(Duration::from_millis(50));
        }
    };
    waits("wait_event = 'PgSleep'");
    let mut killed = fleet
        .shard("1/2", "r")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    waits("application_name LIKE 'lifeboat 2%'");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let (ran, collected) = fleet.collect("r");
    assert_eq!(
        (ran.code, &collected["running"]),
        (Some(3), &json!(true)),
        "{ran:?}"
    );
    let still = "shard 1 is still running: 1 of its databases have no point of this run";
    assert!(
        collected["findings"].to_string().contains(still),
        "{collected}"
    );
    assert_eq!(collected["unreported"], json!([1]));
    // Later, it is no longer waited for.
    let early = fleet.lifeboat.run(["nightly", "--collect", "--latest"]);
    assert_eq!(early.code, Some(3), "{early:?}");
    let collect = ["nightly", "--collect", "--latest", "--ended"];
    let ended = fleet.lifeboat.run(collect);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("shard 1 never reported"), "{ended:?}");

    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'two'");
    migration.wait().unwrap();
    let again = fleet.run("1/2", "r").ok();
    assert_eq!(own(&again)["done_before"], json!(["b/one", "b/three"]));
    // It was told before.
    assert_eq!(own(&again)["collected"], Value::Null);
    fleet.lifeboat.run(collect).ok();
    let steps = again.json()["result"]["steps"].to_string();
    assert!(
        steps.contains("verify b/one"),
        "what was done before may not have been verified: {steps}"
    );
    assert_eq!(fleet.points(), DATABASES);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_that_fails_every_time_is_told_and_keeps_no_other_from_its_point() {
    let fleet = Fleet::new();
    let lifeboat = &fleet.lifeboat;
    lifeboat.configure(&source(
        "c",
        &fleet.servers[0],
        "databases = [\"one\", \"nowhere\"]",
    ));
    spread(&fleet);
    let first = fleet.run("0/2", "r");
    let second = fleet.run("1/2", "r");
    let codes = [first.code, second.code];
    assert!(
        codes.contains(&Some(1)) && codes.contains(&Some(0)),
        "{first:?} {second:?}"
    );
    assert_eq!(own(&second)["collected"], 1, "{second:?}");
    let all = [
        "a/one", "a/three", "a/two", "b/one", "b/three", "b/two", "c/one",
    ];
    assert_eq!(fleet.points(), all);
    let failed = if first.code == Some(1) { "0/2" } else { "1/2" };
    for _ in 0..2 {
        let (ran, collected) = fleet.collect("r");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let failures = collected["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1, "{collected}");
        let said = failures[0].as_str().unwrap();
        assert!(
            said.starts_with("c/nowhere: usage: the log of shard"),
            "{said}"
        );
        assert_eq!(collected["told"], false);
        // An engine tries again what has failed: it goes on, though the run was told.
        fleet.run(failed, "r").failed(1, "nowhere");
        assert_eq!(fleet.points(), all);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_run_that_is_not_the_shards_is_refused_before_anything_is_exported() {
    let fleet = Fleet::new();
    spread(&fleet);
    // Nobody but the plan's own number of shards.
    fleet.run("2/3", "r").ok();
    let points = fleet.points();
    fleet
        .run("0/2", "r")
        .failed(2, "with 3 shards, and this is one of 2");
    fleet.run("3/3", "r").failed(2, "there are 3");
    let mut contradicting = fleet.shard("0/3", "r");
    let contradicting = contradicting.env("LIFEBOAT_INDEX", "1").output().unwrap();
    Ran::of(&contradicting).failed(2, "LIFEBOAT_INDEX says 1");
    let mut alone = fleet.lifeboat.command(["nightly", "--json"]);
    let alone = alone.env("JOB_COMPLETION_INDEX", "0").output().unwrap();
    Ran::of(&alone).failed(2, "of how many");
    let collect = |run: &str| fleet.lifeboat.run(["nightly", "--collect", "--run", run]);
    collect("another").failed(1, "no run 'another'");
    fleet
        .lifeboat
        .run(["nightly", "--collect"])
        .failed(2, "which run");

    // A source that the configuration has no longer.
    let file = fleet.lifeboat.folder().join("lifeboat.toml");
    let whole = fs::read_to_string(&file).unwrap();
    let (without, _) = whole.split_once("[[source]]\nname = \"b\"").unwrap();
    fs::write(&file, without).unwrap();
    fleet.run("0/3", "r").failed(2, "has a source 'b'");
    fs::write(&file, &whole).unwrap();

    // Too late: and who never reported is told.
    age(fleet.object("r", "plan.json"), 25);
    fleet.run("0/3", "r").failed(1, "more than 24 hours ago");
    let late = collect("r");
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stdout.contains("shard 0 never reported"), "{late:?}");
    assert_eq!(fleet.collect("r").1["told"], false, "it was told before");

    // Of another repository.
    let marker = fleet.lifeboat.repository().join("lifeboat.json");
    let home = fs::read_to_string(&marker).unwrap();
    let (before, id) = home.split_once("\"repository\":\"").unwrap();
    let other = format!(
        "{before}\"repository\":\"{}{}",
        if id.starts_with('0') { '1' } else { '0' },
        &id[1..]
    );
    fs::write(&marker, other).unwrap();
    fleet.run("0/3", "r").failed(1, "belongs to repository");
    fs::write(&marker, home).unwrap();
    assert_eq!(fleet.points(), points);
    assert_eq!(points.len(), 2);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_no_trusted_key_signed_is_no_plan_and_no_report() {
    let (fleet, thief) = (Fleet::new(), Fleet::new());
    for run in ["planted", "r"] {
        thief.run("0/2", run).ok();
        thief.run("1/2", run).ok();
    }
    let plant = |run: &str, name: &str| {
        let place = fleet.object(run, name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(thief.object(run, name), place).unwrap();
    };
    plant("planted", "plan.json");
    fleet.run("0/2", "planted").failed(1, "cannot be trusted");
    assert!(fleet.points().is_empty());

    fleet.run("0/2", "r").ok();
    plant("r", "1-1.json");
    plant("r", "collected.json");
    let (ran, collected) = fleet.collect("r");
    assert_eq!(
        (ran.code, &collected["unreported"]),
        (Some(3), &json!([1])),
        "{ran:?}"
    );
    let findings = collected["findings"].to_string();
    assert!(
        findings.contains("1-1.json cannot be trusted"),
        "{findings}"
    );
    assert!(
        findings.contains("collected.json cannot be trusted"),
        "{findings}"
    );
    // The true shard reports beside it, and the forged note silences nobody.
    let last = fleet.run("1/2", "r").ok();
    assert_eq!(
        own(&last)["collected"],
        3,
        "what was passed over is a finding of the run"
    );
    assert!(fleet.object("r", "1-2.json").exists());
    assert_eq!(fleet.points(), DATABASES);
}

/// A frozen repository, as tests/fixtures/README.md says, in place of `init`'s.
fn thaw(name: &str, plan: &str) -> Lifeboat {
    let lifeboat = Lifeboat::init();
    let (home, frozen) = (lifeboat.repository(), fixture(name));
    fs::remove_dir_all(&home).unwrap();
    let copied = Command::new("cp").arg("-r").args([&frozen, &home]).status();
    assert!(copied.unwrap().success());
    let config = lifeboat.folder().join("lifeboat.toml");
    let text = fs::read_to_string(&config).unwrap();
    let trust = fs::read_to_string(fixture(&format!("keys/{name}.trust"))).unwrap();
    let pinned = format!("trust = [\"{}\", ", trust.trim());
    fs::write(&config, text.replace("trust = [", &pinned)).unwrap();
    // Files of a checkout are as new as the checkout, in any order; what the run made came after its plan.
    let plan = home.join(plan);
    let stored: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    let body: Value = serde_json::from_str(stored["body"].as_str().unwrap()).unwrap();
    let planned_at: jiff::Timestamp = body["planned_at"].as_str().unwrap().parse().unwrap();
    let file = File::options().write(true).open(plan).unwrap();
    file.set_modified(planned_at.into()).unwrap();
    lifeboat
}

#[test]
fn a_run_that_an_earlier_version_stored_is_read() {
    let lifeboat = thaw("fleet", "runs/export/night%201/plan.json");
    let fleet = ["nightly", "--collect", "--run", "night 1"];
    let collected = lifeboat.run(fleet).json()["result"]["steps"][0]["result"].clone();
    let database = |name: &str, shard: u32, point: Value, error: Value| json!({"source": "frozen", "database": name, "shard": shard, "point": point, "error": error});
    let databases = [
        database("nowhere", 0, Value::Null, json!("usage")),
        database("one", 1, json!("20261130T103229Z-92r4vd"), Value::Null),
        database("two", 0, json!("20261130T103226Z-qcp27c"), Value::Null),
    ];
    assert_eq!(collected["databases"], json!(databases));
    let failure = "frozen/nowhere: usage: the log of shard 0 says why";
    assert_eq!(collected["failures"], json!([failure]));
    let finding = "shard 1: export frozen: its log has findings";
    assert_eq!(collected["findings"], json!([finding]));
    let told = (&collected["told"], &collected["unreported"]);
    assert_eq!(told, (&json!(false), &json!([])));
}

#[test]
fn a_run_of_proofs_that_an_earlier_version_stored_is_read() {
    let lifeboat = thaw("fleet-prove", "runs/prove/proof%201/plan.json");
    let collect = ["prove", "--collect", "--run", "proof 1"];
    // By another key than this prove's.
    lifeboat.run(collect).failed(1, "cannot be trusted");
    let key = lifeboat.folder().join("manifest-signing.pem");
    fs::copy(fixture("keys/fleet-prove.pem"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let collected = lifeboat.run(collect).json()["result"]["steps"][0]["result"].clone();
    let database = |name: &str, shard: u32, point: &str, error: Value| json!({"source": "frozen", "database": name, "shard": shard, "point": point, "error": error});
    let databases = [
        database("one", 0, "20261130T132333Z-tztkb7", Value::Null),
        database("two", 1, "20261130T132334Z-e6rs91", json!("failed")),
    ];
    assert_eq!(collected["databases"], json!(databases));
    let failure = "frozen/two: failed: the log of shard 1 says why";
    assert_eq!(collected["failures"], json!([failure]));
    let told = (
        &collected["told"],
        &collected["unreported"],
        &collected["findings"],
    );
    assert_eq!(told, (&json!(false), &json!([]), &json!([])));
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}
