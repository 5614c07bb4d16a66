//! Calls of RDS, KMS, STS and EC2 that fail as AWS documents for each, once and for good, and whose replies are lost.
//! `snapshot/faults.rs` has hangs and kills at each call of a copy.

use std::collections::BTreeMap;

use lifeboat::testing::model::Kind;
use serde_json::{Value, json};

use super::tally::{Cases, Outcome, Tally, spread};
use crate::snapshot::world::{Under, World};
use crate::support::cloud;
use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::deployed::Deployed;
use crate::support::program::Ran;

/// The nth call of an operation in an account.
#[derive(Debug, Clone)]
struct Point {
    account: String,
    operation: String,
    nth: usize,
}

/// Of each operation in each account, in the order of the log.
fn points<'a>(calls: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Point> {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut points = Vec::new();
    // What happens to objects is the place `requests`.
    let named = |operation: &str| operation.contains(':') && !operation.starts_with("s3:");
    for (account, operation) in calls.filter(|(_, operation)| named(operation)) {
        let (account, operation) = (account.to_owned(), operation.to_owned());
        let nth = seen
            .entry((account.clone(), operation.clone()))
            .or_default();
        points.push(Point {
            account,
            operation,
            nth: *nth,
        });
        *nth += 1;
    }
    points
}

/// Which errors AWS documents for an operation, with their status, beside those of every call.
fn documented(operation: &str) -> Vec<(&'static str, u16)> {
    let (service, name) = operation.split_once(':').unwrap();
    let mut all = match service {
        "kms" => vec![
            ("ThrottlingException", 400),
            ("AccessDeniedException", 400),
            ("ExpiredTokenException", 400),
            ("KMSInternalException", 500),
            ("DependencyTimeoutException", 503),
            ("NotFoundException", 400),
            ("DisabledException", 400),
            ("KMSInvalidStateException", 400),
            ("KeyUnavailableException", 500),
            ("InvalidGrantTokenException", 400),
        ],
        "sts" => vec![
            ("Throttling", 400),
            ("AccessDenied", 403),
            ("ExpiredTokenException", 400),
            ("RegionDisabledException", 403),
            ("PackedPolicyTooLarge", 400),
            ("InternalFailure", 500),
            ("ServiceUnavailable", 503),
        ],
        "ec2" => vec![
            ("RequestLimitExceeded", 503),
            ("UnauthorizedOperation", 403),
            ("RequestExpired", 400),
            ("InternalError", 500),
            ("Unavailable", 503),
            ("InvalidGroup.NotFound", 400),
        ],
        _ => vec![
            ("Throttling", 400),
            ("AccessDenied", 403),
            ("ExpiredToken", 403),
            ("InvalidClientTokenId", 403),
            ("InternalFailure", 500),
            ("ServiceUnavailable", 503),
        ],
    };
    all.extend_from_slice(match name {
        "Decrypt" => &[
            ("InvalidCiphertextException", 400),
            ("IncorrectKeyException", 400),
        ],
        "DescribeDBInstances" => &[("DBInstanceNotFound", 404)],
        "DescribeDBClusters" => &[("DBClusterNotFoundFault", 404)],
        "DescribeDBSnapshots" | "DescribeDBSnapshotAttributes" => &[("DBSnapshotNotFound", 404)],
        "DescribeDBClusterSnapshots" | "DescribeDBClusterSnapshotAttributes" => {
            &[("DBClusterSnapshotNotFoundFault", 404)]
        }
        "CreateDBSnapshot" => &[
            ("DBInstanceNotFound", 404),
            ("DBSnapshotAlreadyExists", 400),
            ("InvalidDBInstanceState", 400),
            ("SnapshotQuotaExceeded", 400),
        ],
        "CreateDBClusterSnapshot" => &[
            ("DBClusterNotFoundFault", 404),
            ("DBClusterSnapshotAlreadyExistsFault", 400),
            ("InvalidDBClusterStateFault", 400),
            ("SnapshotQuotaExceeded", 400),
        ],
        "CopyDBSnapshot" => &[
            ("DBSnapshotAlreadyExists", 400),
            ("DBSnapshotNotFound", 404),
            ("InvalidDBSnapshotState", 400),
            ("KMSKeyNotAccessibleFault", 400),
            ("SnapshotQuotaExceeded", 400),
        ],
        "CopyDBClusterSnapshot" => &[
            ("DBClusterSnapshotAlreadyExistsFault", 400),
            ("DBClusterSnapshotNotFoundFault", 404),
            ("InvalidDBClusterSnapshotStateFault", 400),
            ("KMSKeyNotAccessibleFault", 400),
            ("SnapshotQuotaExceeded", 400),
        ],
        "ModifyDBSnapshotAttribute" => &[
            ("DBSnapshotNotFound", 404),
            ("InvalidDBSnapshotState", 400),
            ("SharedSnapshotQuotaExceeded", 400),
        ],
        "ModifyDBClusterSnapshotAttribute" => &[
            ("DBClusterSnapshotNotFoundFault", 404),
            ("InvalidDBClusterSnapshotStateFault", 400),
            ("SharedSnapshotQuotaExceeded", 400),
        ],
        "DeleteDBSnapshot" => &[("DBSnapshotNotFound", 404), ("InvalidDBSnapshotState", 400)],
        "DeleteDBClusterSnapshot" => &[
            ("DBClusterSnapshotNotFoundFault", 404),
            ("InvalidDBClusterSnapshotStateFault", 400),
        ],
        "DescribeDBParameterGroups" => &[("DBParameterGroupNotFound", 404)],
        "DescribeOptionGroups" => &[("OptionGroupNotFoundFault", 404)],
        "DescribeDBSubnetGroups" => &[("DBSubnetGroupNotFoundFault", 404)],
        _ => &[],
    });
    all
}

/// A call, and what becomes of it.
#[derive(Debug, Clone)]
struct Fault {
    point: Point,
    /// What a message must hold; empty where a reply is lost.
    code: &'static str,
    rule: Value,
}

fn faults(points: &[Point]) -> Vec<Fault> {
    let mut all = Vec::new();
    for point in points {
        let mut add = |code, rule| {
            all.push(Fault {
                point: point.clone(),
                code,
                rule,
            });
        };
        for times in [json!(1), Value::Null] {
            for (code, status) in documented(&point.operation) {
                let rule = json!({"kind": "error", "code": code, "status": status, "times": times});
                add(code, rule);
            }
            for when in ["before", "after"] {
                add("", json!({"kind": "reset", "when": when, "times": times}));
            }
            // It took effect, and says that it did not.
            add(
                "InternalFailure",
                json!({
                    "kind": "error", "code": "InternalFailure", "status": 500, "when": "after", "times": times,
                }),
            );
        }
    }
    all
}

/// Whether a call was made to fail by the rule.
fn has_struck(id: u64) -> bool {
    let rules = cloud::control("GET", "faults", &json!({}));
    let mut rules = rules.as_array().unwrap().iter();
    let rule = rules.find(|rule| rule["id"] == id).unwrap();
    rule["struck"].as_u64().unwrap() > 0
}

fn kind(command: &str, fault: &Fault) -> String {
    let times = match fault.rule["times"] {
        Value::Null => "for good",
        _ => "once",
    };
    let what = match fault.rule["kind"].as_str() {
        Some("reset") => "no reply",
        _ => "an error",
    };
    format!("{command}: {what}, {times}")
}

/// Whether what was said holds the code, or that nobody answered.
fn names(fault: &Fault, said: &str) -> bool {
    match fault.code {
        "" => true,
        code => said.contains(code),
    }
}

async fn copies(snapshot_of: Kind, share: u64) {
    let command = format!("snapshot copy, {snapshot_of}");
    let mut world = World::empty(snapshot_of).await;
    world.settings(&world.source, json!({"polls": 1}));
    world.settings(&world.backup, json!({"polls": 1}));
    world.next(Under::Default).await;
    let before = world.calls().len();
    let report = world.copy().await;
    assert_eq!(
        report.failures.len() + report.findings.len(),
        0,
        "{report:#?}"
    );
    let calls = world.calls().split_off(before);
    let calls = calls
        .iter()
        .map(|call| (call.account.as_str(), call.operation.as_str()));
    let all = faults(&points(calls));
    let mut tally = Tally::new("calls");
    for seed in Cases::of("calls, copies", share).seeds() {
        let at = spread(seed, u64::try_from(all.len()).unwrap());
        let fault = &all[usize::try_from(at).unwrap()];
        let label = format!("{command}: {fault:?}");
        world.next(Under::Default).await;
        let Point {
            account,
            operation,
            nth,
        } = &fault.point;
        let rule = world.fault(account, operation, *nth, fault.rule.clone());
        let report = world.copy().await;
        let is_struck = has_struck(rule);
        world.end_fault(rule);
        if !is_struck {
            // Where others are polled, or fewer times, the call did not come.
            assert!(report.failures.is_empty(), "{label}: {report:#?}");
            continue;
        }
        let said = format!("{report:?}");
        let is_told = report.failures.len() + report.findings.len() > 0;
        let recorded = report.copies.first().is_some_and(|copy| copy.recorded);
        let outcome = match (is_told, recorded) {
            (true, _) if !names(fault, &said) => Outcome::False(format!("{label}: {said}")),
            (true, _) => Outcome::Clean,
            (false, true) => Outcome::Retried,
            (false, false) => Outcome::False(format!("{label}: not recorded: {said}")),
        };
        if !report.failures.is_empty() || !recorded {
            let again = world.copy().await;
            assert_eq!(again.failures.len(), 0, "{label}: {again:#?}");
        }
        world.assert_one(&label).await;
        tally.count(&kind(&command, fault), seed, outcome);
    }
    world.nothing_unknown();
    tally.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_documented_error_of_a_copy_is_told_or_tried_again() {
    copies(Kind::Instance, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_documented_error_of_a_clusters_copy_is_told_or_tried_again() {
    copies(Kind::Cluster, 2).await;
}

/// Both schedules and what an administrator runs, under the rights of the templates.
struct Schedules {
    deployed: Deployed,
    folder: tempfile::TempDir,
    /// Ids of points that were found whole.
    whole: Vec<String>,
}

const COMMANDS: [&str; 4] = ["nightly", "prove", "init", "keys add"];

impl Schedules {
    async fn new(cluster: &Cluster) -> Self {
        let deployed = Deployed::new().await;
        deployed.source("prod", cluster);
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let drill = format!("[drill]\nfolder = {:?}", folder.path());
        deployed.lifeboat.configure_in("backup.toml", &drill);
        deployed.run_nightly().ok();
        Self {
            deployed,
            folder,
            whole: Vec::new(),
        }
    }

    async fn run(&self, command: &str) -> Ran {
        let deployed = &self.deployed;
        match command {
            "nightly" => deployed.run_nightly(),
            "prove" => deployed.run_prove(),
            "init" => {
                // The repository exists: only its keys and configuration are new.
                let place = deployed.url();
                let keys = self.folder.path().join(crate::support::unique("keys"));
                let (config, attests) = (
                    keys.join("lifeboat.toml"),
                    deployed.output("AttestationKeyArn"),
                );
                let args = [
                    "init",
                    "--repository",
                    &place,
                    "--region",
                    cloud::REGION,
                    "--config",
                    config.to_str().unwrap(),
                    "--keys-dir",
                    keys.to_str().unwrap(),
                    "--signing-kms",
                    &attests,
                ];
                deployed.run_as(&deployed.break_glass().await, &args)
            }
            _ => {
                let (key, name) = (
                    deployed.output("IdentityKeyArn"),
                    crate::support::unique("kms"),
                );
                let args = [
                    "keys",
                    "add",
                    "--config",
                    "added.toml",
                    "--kms",
                    &key,
                    "--name",
                    &name,
                ];
                let folder = deployed.lifeboat.folder();
                let text = std::fs::read_to_string(folder.join("lifeboat.toml")).unwrap();
                // A person has become break-glass, and becomes nobody else.
                let (text, _) = text.split_once("[source_account]").unwrap();
                std::fs::write(folder.join("added.toml"), text).unwrap();
                deployed.run_as(&deployed.break_glass().await, &args)
            }
        }
    }

    /// Every point that is listed is whole, and the latest can be drilled.
    fn check(&mut self, command: &str) -> Result<(), String> {
        let deployed = &self.deployed;
        let as_prove = |args: &[&str]| {
            let config = ["--config", "backup.toml"];
            deployed.run_as(&deployed.prove(), &[args, &config].concat())
        };
        let listed = as_prove(&["list", "--all"]).json();
        let listed = listed["result"]["points"].as_array().ok_or("list failed")?;
        for point in listed {
            let id = point["id"].as_str().unwrap().to_owned();
            if !self.whole.contains(&id) {
                let verified = as_prove(&["verify", &id, "--data"]);
                if verified.code != Some(0) {
                    return Err(format!("verify {id}: {verified:?}"));
                }
                self.whole.push(id);
            }
        }
        if command == "keys add" {
            let args = ["keys", "test", "--config", "added.toml"];
            let tested = deployed.run_as(&deployed.prove(), &args);
            let is_denied = tested.code == Some(1) && tested.stdout.contains("AccessDenied");
            if !is_denied && !matches!(tested.code, Some(0 | 3)) {
                return Err(format!("keys test: {tested:?}"));
            }
        }
        Ok(())
    }
}

fn calls_since(number: u64) -> Vec<Value> {
    let all = cloud::control("GET", &format!("calls?since={number}"), &json!({}));
    all.as_array().unwrap().clone()
}

fn last_call() -> u64 {
    let calls = calls_since(0);
    calls
        .last()
        .map_or(0, |call| call["number"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_documented_error_of_a_schedule_is_told_or_tried_again() {
    // Nobody else's calls.
    let _own = cloud::own();
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    cluster.sql("CREATE TABLE answer AS SELECT g AS id, 'said ' || g AS said FROM generate_series(1, 300) g");
    let mut schedules = Schedules::new(&cluster).await;
    let mut all = Vec::new();
    for command in COMMANDS {
        let before = last_call();
        let ran = schedules.run(command).await;
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
        let calls = calls_since(before);
        let text = |call: &Value, name: &str| call[name].as_str().unwrap_or_default().to_owned();
        let calls: Vec<(String, String)> = calls
            .iter()
            // How a person becomes break-glass is no call of lifeboat's.
            .filter(|call| !text(call, "principal").contains(":user/"))
            .map(|call| (text(call, "account"), text(call, "operation")))
            .collect();
        all.push(faults(&points(
            calls.iter().map(|(a, b)| (a.as_str(), b.as_str())),
        )));
    }
    let mut tally = Tally::new("calls");
    for seed in Cases::of("calls, schedules", 4).seeds() {
        let which = usize::try_from(seed % 4).unwrap();
        let (command, faults) = (COMMANDS[which], &all[which]);
        if faults.is_empty() {
            continue;
        }
        let at = spread(seed / 4, u64::try_from(faults.len()).unwrap());
        let fault = &faults[usize::try_from(at).unwrap()];
        let mut rule = json!({
            "operation": fault.point.operation, "account": fault.point.account, "skip": fault.point.nth,
            "principal": "arn:aws:sts::*:assumed-role/*",
        });
        for (key, value) in fault.rule.as_object().unwrap() {
            rule[key] = value.clone();
        }
        let id = cloud::control("POST", "faults", &rule)["id"]
            .as_u64()
            .unwrap();
        let points = schedules.whole.len();
        let ran = schedules.run(command).await;
        let is_struck = has_struck(id);
        cloud::control("DELETE", &format!("faults?id={id}"), &json!({}));
        if !is_struck {
            assert_eq!(ran.code, Some(0), "{command}, {fault:?}: {ran:?}");
            schedules.check(command).unwrap();
            continue;
        }
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let judged = match ran.code {
            Some(0) => Ok(Outcome::Retried),
            // What is a finding is said, too.
            Some(1 | 3) if names(fault, &said) => Ok(Outcome::Clean),
            _ => Err("it does not name the cause".to_owned()),
        };
        let judged = judged.and_then(|outcome| schedules.check(command).map(|()| outcome));
        let judged = judged.and_then(|outcome| match (command, ran.code) {
            ("nightly", Some(0)) if schedules.whole.len() != points + 1 => {
                Err("it made no point".to_owned())
            }
            _ => Ok(outcome),
        });
        let outcome = judged.unwrap_or_else(|wrong| {
            Outcome::False(format!("{command}, {fault:?}: {wrong}: {ran:?}"))
        });
        tally.count(&kind(command, fault), seed, outcome);
    }
    tally.end();
}
