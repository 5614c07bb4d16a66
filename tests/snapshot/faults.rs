//! Whatever call of a copy fails, once or for good, and wherever the process dies: a rerun ends with
//! one copy, and nothing stays shared.

use std::collections::BTreeMap;
use std::process::Stdio;

use lifeboat::testing::model::Kind;
use serde_json::{Value, json};

use super::world::{Call, Under, World};
use crate::support::cloud;

/// The nth call of an operation in an account.
#[derive(Debug, Clone)]
struct Point {
    account: String,
    operation: String,
    nth: usize,
}

fn points(calls: &[Call]) -> Vec<Point> {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut points = Vec::new();
    for call in calls {
        let count = seen
            .entry((call.account.clone(), call.operation.clone()))
            .or_default();
        points.push(Point {
            account: call.account.clone(),
            operation: call.operation.clone(),
            nth: *count,
        });
        *count += 1;
    }
    points
}

/// What `work` asks AWS for.
async fn calls_of<T>(world: &World, work: impl Future<Output = T>) -> (T, Vec<Call>) {
    let before = world.calls().len();
    let done = work.await;
    (done, world.calls().split_off(before))
}

fn once() -> Vec<(&'static str, Value)> {
    vec![
        ("error", json!({"kind": "error", "code": "InternalError"})),
        ("throttled", json!({"kind": "error", "code": "Throttling"})),
        ("reset before", json!({"kind": "reset", "when": "before"})),
        ("reset after", json!({"kind": "reset", "when": "after"})),
    ]
}

fn for_good() -> Vec<(&'static str, Value)> {
    vec![
        (
            "down",
            json!({"kind": "error", "code": "InternalError", "times": null}),
        ),
        (
            "denied",
            json!({"kind": "error", "code": "AccessDenied", "status": 403, "times": null}),
        ),
        (
            "replies lost",
            json!({"kind": "reset", "when": "after", "times": null}),
        ),
    ]
}

async fn every_call_fails(kind: Kind, take_new: bool, faults: &[&str]) {
    let mut world = World::empty(kind).await;
    world.settings(&world.source, json!({"polls": 1}));
    world.settings(&world.backup, json!({"polls": 1}));
    let copy = async |world: &World| {
        if take_new {
            world.copy_new().await
        } else {
            world.copy().await
        }
    };
    world.next(Under::Default).await;
    let (report, calls) = calls_of(&world, copy(&world)).await;
    assert_eq!(
        (report.failures.len(), report.findings.len()),
        (0, 0),
        "{report:#?}"
    );
    for point in points(&calls) {
        for (name, fault) in once().into_iter().filter(|(name, _)| faults.contains(name)) {
            let label = format!("{kind}, new {take_new}: {name} at {point:?}");
            world.next(Under::Default).await;
            let rule = world.fault(&point.account, &point.operation, point.nth, fault);
            let report = copy(&world).await;
            world.end_fault(rule);
            assert_eq!(report.failures.len(), 0, "{label}: {report:#?}");
            assert_eq!(report.findings.len(), 0, "{label}: {report:#?}");
            assert!(report.copies[0].recorded, "{label}");
            world.assert_one(&label).await;
        }
        for (name, fault) in for_good()
            .into_iter()
            .filter(|(name, _)| faults.contains(name))
        {
            let label = format!("{kind}, new {take_new}: {name} from {point:?}");
            world.next(Under::Default).await;
            let rule = world.fault(&point.account, &point.operation, point.nth, fault);
            let broken = copy(&world).await;
            world.end_fault(rule);
            let is_told = broken.failures.len() + broken.findings.len() > 0;
            // Where all was done although replies are lost or nothing may be looked at, nothing is told.
            assert!(is_told || broken.copies[0].recorded, "{label}: {broken:#?}");
            // With its record stored, confirmed or not, a run is over: the next one takes another snapshot.
            let is_over = take_new && point.operation == "s3:HeadObject";
            if !broken.failures.is_empty() || !(broken.copies[0].recorded || is_over) {
                let report = copy(&world).await;
                assert_eq!(report.failures.len(), 0, "{label}: {report:#?}");
            }
            world.assert_one(&label).await;
        }
    }
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_call_for_an_instance_fails_once_and_for_good() {
    let faults = [
        "error",
        "throttled",
        "reset before",
        "reset after",
        "down",
        "denied",
        "replies lost",
    ];
    every_call_fails(Kind::Instance, false, &faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_call_for_a_cluster_fails_once_and_for_good() {
    every_call_fails(Kind::Cluster, false, &["reset after", "down", "denied"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_call_with_a_new_snapshot_fails_once_and_for_good() {
    every_call_fails(
        Kind::Instance,
        true,
        &["reset after", "down", "replies lost"],
    )
    .await;
}

/// Runs the binary to its nth call, whose effect takes place, kills it, and runs it again.
async fn killed_after_each_call(kind: Kind, args: &[&str]) {
    let mut world = World::empty(kind).await;
    world.settings(&world.source, json!({"polls": 1}));
    world.settings(&world.backup, json!({"polls": 1}));
    world.next(Under::Default).await;
    world.configure("");
    let nightly = world.nightly.clone();
    let (_, calls) = calls_of(&world, async { world.run(&nightly, args).ok() }).await;
    for point in points(&calls) {
        let label = format!("{kind} {args:?} killed after {point:?}");
        world.next(Under::Default).await;
        world.configure("");
        let hang = json!({"kind": "hang", "when": "after"});
        let rule = world.fault(&point.account, &point.operation, point.nth, hang);
        let mut child = world
            .command(&nightly, args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let held = cloud::control("GET", &format!("held?wait=30&fault={rule}"), &json!({}));
        assert_ne!(held, json!([]), "{label}");
        child.kill().unwrap();
        child.wait().unwrap();
        world.end_fault(rule);
        world.run(&nightly, args).ok();
        // With its record stored a run is over, and the next one takes another snapshot.
        let was_over = ["s3:PutObject", "s3:HeadObject"].contains(&&*point.operation);
        if !(args.contains(&"--new") && was_over) {
            world.assert_one(&label).await;
        }
        assert_eq!(world.shared().await, [], "{label}");
    }
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn killed_after_each_call_for_an_instance_it_goes_on() {
    killed_after_each_call(Kind::Instance, &["snapshot", "copy"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn killed_after_each_call_for_a_cluster_it_goes_on() {
    killed_after_each_call(Kind::Cluster, &["snapshot", "copy"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn killed_after_each_call_with_a_new_snapshot_it_goes_on() {
    killed_after_each_call(Kind::Instance, &["snapshot", "copy", "--new"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn two_runs_at_once_make_one_copy() {
    for kind in super::BOTH {
        let mut world = World::empty(kind).await;
        for round in 0..8 {
            let label = format!("{kind}, round {round}");
            world.next(Under::Default).await;
            let (one, other) = tokio::join!(world.copy(), world.copy());
            for report in [one, other] {
                assert_eq!(report.failures.len(), 0, "{label}: {report:#?}");
                assert_eq!(report.findings.len(), 0, "{label}: {report:#?}");
            }
            world.assert_one(&label).await;
        }
        world.nothing_unknown();
    }
}
