//! Killed at any step and run again, a schedule ends well and nothing is there twice.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

/// A run that is under way.
fn spawn(mut command: Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Reads on until a line of stderr says so.
fn until(child: &mut Child, says: &str) {
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut seen = Vec::new();
    for line in stderr.lines().map(|line| line.unwrap()) {
        if line.contains(says) {
            return;
        }
        seen.push(line);
    }
    panic!("it ended without '{says}': {seen:#?}");
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits for what must come; the limit is for a broken test only.
fn wait_for(what: &str, is: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(120);
    while !is() {
        assert!(Instant::now() < limit, "it never came: {what}");
        sleep(Duration::from_millis(50));
    }
}

/// From now on the next such call of the backup account gets no answer.
fn hang(deployed: &Deployed, operation: &str, resource: &str, when: &str, skip: u32) {
    let fault = json!({
        "kind": "hang", "when": when, "operation": operation, "resource": resource,
        "account": deployed.backup.id, "skip": skip,
    });
    cloud::control("POST", "faults", &fault);
}

fn hangs(deployed: &Deployed) -> usize {
    let calls = cloud::control("GET", "calls", &json!({}));
    let ours = |one: &&Value| {
        one["account"] == *deployed.backup.id && one["fault"].as_str().unwrap().starts_with("hang")
    };
    calls.as_array().unwrap().iter().filter(ours).count()
}

/// Restore points by their ids: each once, each whole.
fn points(deployed: &Deployed) -> usize {
    let listed = deployed.run_as(&deployed.prove(), &["list", "--config", "backup.toml"]);
    let listed = listed.ok().json()["result"].clone();
    assert_eq!(listed["findings"], json!([]), "{listed}");
    listed["points"].as_array().unwrap().len()
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_night_that_is_killed_in_any_step_is_made_good_by_the_next_run() {
    let (deployed, cluster) = (Deployed::new().await, cluster());
    deployed.source("prod", &cluster);
    let run = || {
        let mut command = deployed.command(&deployed.nightly(), &["nightly"]);
        command.arg("--quiet");
        command
    };
    // In the database: a migration holds a table, and the export tries to get at it.
    let holder = cluster.sql_in_background("BEGIN; LOCK answer; SELECT pg_sleep(1000)");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lifeboat 2%'";
    wait_for("the lock", || {
        cluster.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'answer'::regclass") == "1"
    });
    let child = spawn(run());
    wait_for("the export in the database", || cluster.sql(waits) != "0");
    kill(child);
    kill(holder);
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()");
    assert_eq!(points(&deployed), 0);
    // In the store: at the first part, at the manifest before and after it is there, and in verify.
    let places = [
        ("s3:PutObject", "*/parts/*", "before", 0, 0),
        ("s3:PutObject", "*/manifests/*", "before", 0, 0),
        ("s3:PutObject", "*/manifests/*", "after", 0, 1),
        // The first is for the point before.
        ("s3:GetObject", "*/manifests/*", "before", 1, 2),
    ];
    for (nth, (operation, resource, when, skip, stored)) in places.into_iter().enumerate() {
        hang(&deployed, operation, resource, when, skip);
        let child = spawn(run());
        wait_for(operation, || hangs(&deployed) == nth + 1);
        kill(child);
        assert_eq!(points(&deployed), stored, "{operation} {when}");
    }
    ended(&deployed.run_nightly(), 0, &NIGHT);
    assert_eq!(points(&deployed), 3);
    ended(&deployed.run_prove(), 0, &PROOF);
    cloud::nothing_unknown(&[&deployed.source, &deployed.backup]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_proof_that_is_killed_in_any_step_is_made_good_by_the_next_run() {
    let (deployed, cluster) = (Deployed::new().await, cluster());
    deployed.source("prod", &cluster);
    deployed.run_nightly().ok();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    deployed.lifeboat.configure_in(
        "backup.toml",
        &format!("[drill]\nfolder = {:?}", folder.path()),
    );
    let run = || deployed.command(&deployed.prove(), &["prove", "--config", "backup.toml"]);
    let places = [
        ("s3:GetObject", "*/parts/*"),
        ("kms:Decrypt", "*"),
        ("kms:Sign", "*"),
        ("s3:PutObject", "*/attestations/*"),
        ("s3:PutObjectRetention", "*"),
    ];
    for (nth, (operation, resource)) in places.into_iter().enumerate() {
        hang(&deployed, operation, resource, "before", 0);
        let child = spawn(run());
        wait_for(operation, || hangs(&deployed) == nth + 1);
        kill(child);
    }
    for step in [
        "prove: verify",
        "prove: drill",
        "prove: promote",
        "prove: status",
    ] {
        let mut child = spawn(run());
        until(&mut child, step);
        kill(child);
    }
    wait_for("the drills' servers to be gone", || {
        fs::read_dir(folder.path()).unwrap().count() == 0
    });
    ended(&deployed.run_prove(), 0, &PROOF);
    assert_eq!(points(&deployed), 1);
    cloud::nothing_unknown(&[&deployed.source, &deployed.backup]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_signal_ends_a_run_cleanly_and_takes_no_further_step() {
    let (lifeboat, cluster) = (Lifeboat::init(), cluster());
    lifeboat.source("prod", &cluster);
    let identity = lifeboat.identity();
    lifeboat.run(["nightly"]).ok();
    for (args, step) in [
        (&["nightly", "--json"][..], "export prod"),
        (
            &["prove", "--json", "--identity", identity.to_str().unwrap()],
            "drill prod/postgres",
        ),
    ] {
        let mut child = spawn(lifeboat.command(args));
        until(&mut child, step);
        let pid = child.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let ran = Ran::of(&output);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(ran.json()["error"]["kind"], "interrupted", "{ran:?}");
    }
    let listed = lifeboat.run(["list"]).ok().json();
    assert_eq!(listed["result"]["points"].as_array().unwrap().len(), 1);
}
