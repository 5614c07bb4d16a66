//! What a copy meets: other regions, other keys, quotas, failures, names in the way, other accounts.

use std::time::Duration;

use jiff::SignedDuration;
use lifeboat::testing::Account as AwsAccount;
use lifeboat::testing::model::Kind;
use lifeboat::testing::snapshot::WaitLimits;
use lifeboat::testing::snapshot::copy::{Options, Report};
use lifeboat::testing::{Clock as _, SystemClock};
use lifeboat::testing::{Interrupt, interrupt};
use serde_json::json;

use super::BOTH;
use super::world::{FAR, Under, World, account};
use crate::support::cloud::{self, REGION, allow};
use crate::support::memory::TestClock;

fn failure(report: &Report, words: &[&str]) {
    let [failure] = report.failures.as_slice() else {
        panic!("one failure: {report:#?}")
    };
    let text = format!("{}; hint: {}", failure.error, failure.hint);
    for word in words {
        assert!(text.contains(word), "no '{word}' in {text}");
    }
}

fn impatient(world: &World) -> Options {
    Options {
        limits: WaitLimits {
            poll: Duration::from_millis(1),
            wait: Duration::from_secs(1),
        },
        ..world.options()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_copy_in_another_region_lies_under_that_region_s_key() {
    for kind in BOTH {
        let mut world = World::empty(kind).await;
        for under in [Under::Default, Under::Customer, Under::Nothing] {
            let label = format!("{kind} under {under:?}");
            world.next(under).await;
            let options = Options {
                kms_key: world.far_key.clone(),
                ..world.options()
            };
            let (near, far) = (world.source_side(), world.backup_side().in_region(FAR));
            let never = Interrupt::never();
            let copied = world.copy_from(&options, &SystemClock, &near, &far, &never);
            let report = copied.await.unwrap();
            assert_eq!(report.failures.len(), 0, "{label}: {report:#?}");
            assert_eq!(world.copies().await.len(), 0, "{label}");
            let there = world.snapshots_of(&world.backup, FAR).await;
            assert_eq!(
                (there.len(), &*there[0].status),
                (1, "available"),
                "{label}"
            );
            if there[0].encrypted {
                assert_eq!(
                    there[0].kms_key.as_deref(),
                    Some(&*world.far_key),
                    "{label}"
                );
            }
            assert_eq!(world.shared().await, [], "{label}");
            // Again: it is there, and nothing is shared for it.
            let copied = world.copy_from(&options, &SystemClock, &near, &far, &never);
            assert!(copied.await.unwrap().copies[0].was_there, "{label}");
        }
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_cluster_under_a_key_that_aws_owns_is_brought_under_another_first() {
    let world = World::new(Kind::Cluster, Under::Owned).await;
    let report = world.copy().await;
    assert_eq!(report.failures.len(), 0, "{report:#?}");
    let copy = world.assert_one("sse-rds").await;
    assert_eq!(copy.kms_key.as_deref(), Some(&*world.kms_key));
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_customer_s_key_stays_and_tags_are_set_at_creation() {
    for kind in BOTH {
        let world = World::new(kind, Under::Customer).await;
        world.copy().await;
        let [between] = &world.intermediates().await[..] else {
            panic!("one intermediate")
        };
        assert_ne!(between.kms_key.as_deref(), Some(&*world.kms_key));
        let copy = world.assert_one("customer").await;
        for one in [between, &copy] {
            assert!(
                one.name
                    .starts_with(&format!("lifeboat-{}-", world.identifier))
            );
            assert_eq!(one.tags["lifeboat:managed"], "true");
            assert_eq!(one.tags["lifeboat:source"], "prod");
            assert!(
                one.tags["lifeboat:from"].contains(":rds:prod-db-"),
                "{one:?}"
            );
            assert!(one.tags["lifeboat:taken"].ends_with('Z'), "{one:?}");
        }
        assert_eq!(copy.copied_from.as_deref(), Some(&*between.arn));
        let tagging = ["rds:AddTagsToResource", "rds:RemoveTagsFromResource"];
        assert!(
            world
                .calls()
                .iter()
                .all(|call| !tagging.contains(&&*call.operation))
        );
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_second_run_finds_the_copy_and_makes_no_other() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        let first = world.copy().await;
        let calls = world.calls().len();
        let second = world.copy().await;
        assert!(!first.copies[0].was_there && second.copies[0].was_there);
        assert_eq!(first.copies[0].id, second.copies[0].id);
        assert!(
            second.copies[0].recorded && second.findings.is_empty(),
            "{second:#?}"
        );
        world.assert_one("again").await;
        let made = ["Copy", "Create", "Put"];
        for call in &world.calls()[calls..] {
            assert!(
                !made.iter().any(|word| call.operation.contains(word)),
                "{call:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_new_snapshot_is_taken_on_demand_or_where_none_is_recent() {
    for kind in BOTH {
        let mut world = World::new(kind, Under::Default).await;
        let report = world.copy_new().await;
        assert_eq!(report.failures.len(), 0, "{report:#?}");
        assert!(
            report.copies[0].snapshot.starts_with("lifeboat-"),
            "{report:#?}"
        );
        world.assert_one("new").await;
        // Each run with --new makes one.
        world.settle_a_second().await;
        world.copy_new().await;
        assert_eq!(world.copies().await.len(), 2);
        assert_eq!(world.shared().await, []);
        // The automated one is too old.
        world.next(Under::Default).await;
        let tomorrow =
            TestClock::at(&(SystemClock.now() + SignedDuration::from_hours(25)).to_string());
        let report = world.copy_with(&world.options(), &*tomorrow).await.unwrap();
        assert!(
            report.copies[0].snapshot.starts_with("lifeboat-"),
            "{report:#?}"
        );
        world.nothing_unknown();
    }
}

/// RDS's time of a snapshot may be a second later than ours, by which it has its name, and that of
/// the next run's snapshot the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn snapshots_that_rds_took_in_the_same_second_are_copied_each() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        let options = Options {
            take_new: true,
            ..world.options()
        };
        let now = SystemClock.now();
        for before in (1..=8).rev() {
            let clock = TestClock::at(&(now - SignedDuration::from_secs(before)).to_string());
            let report = world.copy_with(&options, &*clock).await.unwrap();
            assert_eq!(report.failures.len(), 0, "{kind}, {before}: {report:#?}");
        }
        assert_eq!(world.copies().await.len(), 8);
        assert_eq!(world.shared().await, []);
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_dry_run_changes_nothing_and_tells_what_would_be() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        let options = Options {
            dry_run: true,
            ..world.options()
        };
        let report = world.copy_with(&options, &SystemClock).await.unwrap();
        let [planned] = &report.planned[..] else {
            panic!("{report:#?}")
        };
        assert_eq!(planned.re_encrypted, Some(true));
        assert!(!planned.was_there && planned.snapshot.as_ref().unwrap().starts_with("rds:"));
        assert_eq!(
            (
                world.copies().await.len(),
                world.intermediates().await.len()
            ),
            (0, 0)
        );
        let reads = ["Describe", "List", "Get"];
        for call in world.calls() {
            let operation = call.operation.split_once(':').unwrap().1;
            let assumed = call.operation.starts_with("sts:") || call.number < calls_begin(&world);
            assert!(
                assumed || reads.iter().any(|word| operation.starts_with(word)),
                "{call:?}"
            );
        }
        world.copy().await;
        let report = world.copy_with(&options, &SystemClock).await.unwrap();
        assert!(report.planned[0].was_there, "{report:#?}");
    }
}

/// The number of the first call to RDS: what comes before is of the repository's making.
fn calls_begin(world: &World) -> u64 {
    let calls = world.calls();
    let first = calls.iter().find(|call| call.operation.starts_with("rds:"));
    first.unwrap().number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn too_many_copies_at_once_are_waited_for_and_too_many_in_all_are_not() {
    for kind in BOTH {
        let mut world = World::empty(kind).await;
        world.next(Under::Nothing).await;
        world.settings(
            &world.backup,
            json!({"instance_copies_at_once": 0, "cluster_copies_at_once": 0}),
        );
        let report = world
            .copy_with(&impatient(&world), &SystemClock)
            .await
            .unwrap();
        failure(&report, &["Cannot copy more than", "wait for one to end"]);
        assert_eq!(world.shared().await, []);
        // Room comes while it waits.
        let (copied, ()) =
            tokio::join!(world.copy(), async {
                while !world.calls().iter().any(|call| {
                    call.account == world.backup.id && call.code == "SnapshotQuotaExceeded"
                }) {
                    tokio::task::yield_now().await;
                }
                world.settings(
                    &world.backup,
                    json!({"instance_copies_at_once": 20, "cluster_copies_at_once": 5}),
                );
            });
        assert_eq!(copied.failures.len(), 0, "{copied:#?}");
        world.assert_one("room").await;

        world.next(Under::Nothing).await;
        world.settings(&world.backup, json!({"snapshot_quota": 0}));
        let report = world.copy().await;
        failure(&report, &["Cannot create more than", "snapshot expire"]);
        assert_eq!(world.shared().await, []);
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_copy_that_fails_is_told_unshared_and_made_anew() {
    for kind in BOTH {
        for side in ["source", "backup"] {
            let world = World::new(kind, Under::Default).await;
            let account = if side == "source" {
                &world.source
            } else {
                &world.backup
            };
            world.settings(account, json!({"next_copies": ["failed"]}));
            failure(
                &world.copy().await,
                &["has failed", "'failed'", "run it again"],
            );
            assert_eq!(world.shared().await, [], "{side}");
            let report = world.copy().await;
            assert_eq!(report.failures.len(), 0, "{report:#?}");
            assert_eq!(world.shared().await, [], "{side}");
            let copies = world.copies().await;
            let sound = copies.iter().filter(|one| one.status == "available");
            assert_eq!(sound.count(), 1, "{copies:#?}");
            world.nothing_unknown();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_copy_that_hangs_is_told_and_waited_for_again() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        world.settings(&world.backup, json!({"next_copies": ["stuck"]}));
        let report = world
            .copy_with(&impatient(&world), &SystemClock)
            .await
            .unwrap();
        failure(
            &report,
            &["is still '", "at 1 %", "stays shared", "run it again"],
        );
        // It may come yet, and needs its source until then.
        assert_eq!(world.shared().await.len(), 1);
        // Much later another snapshot is copied, and the sharing ends.
        world.settle_a_second().await;
        world.backup_now();
        let report = world
            .copy_with(&impatient(&world), &SystemClock)
            .await
            .unwrap();
        assert_eq!(report.failures.len(), 0, "{report:#?}");
        assert_eq!(world.shared().await, []);
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_an_earlier_run_left_shared_is_unshared_though_a_newer_snapshot_is_copied() {
    for kind in BOTH {
        let world = World::new(kind, Under::Customer).await;
        let account = world.backup.id.clone();
        let operation = match kind {
            Kind::Instance => "rds:CopyDBSnapshot",
            Kind::Cluster => "rds:CopyDBClusterSnapshot",
        };
        let down = json!({"kind": "error", "code": "InternalError", "times": null});
        let copy = world.fault(&account, operation, 0, down.clone());
        let unshare = match kind {
            Kind::Instance => "rds:ModifyDBSnapshotAttribute",
            Kind::Cluster => "rds:ModifyDBClusterSnapshotAttribute",
        };
        let modify = world.fault(&world.source.id, unshare, 1, down);
        failure(
            &world.copy().await,
            &["stays shared with the backup account"],
        );
        world.end_fault(copy);
        world.end_fault(modify);
        assert_eq!(world.shared().await.len(), 1);
        world.settle_a_second().await;
        world.backup_now();
        let report = world.copy().await;
        assert_eq!(report.failures.len(), 0, "{report:#?}");
        world.assert_one("newer").await;
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_name_that_is_somebody_else_s_is_refused_by_name() {
    for kind in BOTH {
        for side in ["source", "backup"] {
            let world = World::new(kind, Under::Nothing).await;
            let options = Options {
                dry_run: true,
                ..world.options()
            };
            let plan = world.copy_with(&options, &SystemClock).await.unwrap();
            let name = plan.planned[0].copy.clone().unwrap();
            let account = if side == "source" {
                &world.source
            } else {
                &world.backup
            };
            world.foreign_snapshot(account, &name).await;
            failure(
                &world.copy().await,
                &[&name, side, "is not the snapshot", "find out who made it"],
            );
            assert_eq!(world.shared().await, [], "{side}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn stopped_while_a_copy_is_under_way_it_goes_on_later() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        world.settings(&world.backup, json!({"polls": 1_000_000}));
        let (trigger, interrupt) = interrupt();
        let (source, backup) = (world.source_side(), world.backup_side());
        let options = world.options();
        let (stopped, ()) = tokio::join!(
            world.copy_from(&options, &SystemClock, &source, &backup, &interrupt),
            async {
                while world.copies().await.is_empty() {
                    tokio::task::yield_now().await;
                }
                trigger.set();
            }
        );
        failure(
            &stopped.unwrap(),
            &["goes on in the backup account", "stopped on request"],
        );
        world.settings(&world.backup, json!({"polls": 1}));
        let report = world.copy().await;
        assert_eq!(report.failures.len(), 0, "{report:#?}");
        world.assert_one("later").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_role_without_the_right_is_told_which() {
    let world = World::new(Kind::Instance, Under::Default).await;
    let some = world.backup.user("some", &[allow("rds:Describe*", "*")]);
    let backup: AwsAccount = account("backup account", &world.backup, &some);
    let options = world.options();
    let (source, never) = (world.source_side(), Interrupt::never());
    let copied = world.copy_from(&options, &SystemClock, &source, &backup, &never);
    failure(
        &copied.await.unwrap(),
        &[
            "CopyDBSnapshot: AccessDenied",
            "the caller needs rds:CopyDBSnapshot",
        ],
    );
    assert_eq!(world.shared().await, []);
    // Nor may the role that copies delete, share, or call a copy verified.
    world.copy().await;
    let copy = world.assert_one("denied").await;
    let rds = aws_sdk_rds::Client::new(&world.snapshot_role.sdk(REGION));
    let deleted = rds.delete_db_snapshot().db_snapshot_identifier(&copy.name);
    assert!(deleted.send().await.is_err());
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_binary_copies_with_few_calls_and_tells_who_may_not() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        world.configure("");
        let before = world.calls().len();
        let ran = world
            .run(&world.nightly, &["snapshot", "copy", "--json"])
            .ok();
        let document = ran.json();
        assert_eq!(document["command"], "snapshot copy");
        assert_eq!(document["result"]["copies"][0]["recorded"], true);
        let calls = world.calls().split_off(before);
        let names: Vec<&str> = calls.iter().map(|call| &*call.operation).collect();
        // A poll is a look at one snapshot; the first two looks list them. Who we are on each side is
        // asked once a run, not once a copy.
        let looks = names.iter().filter(|name| name.ends_with("Snapshots"));
        let polls = looks.count() - 2;
        let of_the_run = names.iter().filter(|name| name.starts_with("sts:"));
        let asked = names.len() - polls - of_the_run.count();
        let expected = match kind {
            // lifeboat.json comes twice, as this is not AWS itself.
            Kind::Instance => 16,
            // Its subnet group is asked for by name.
            Kind::Cluster => 17,
        };
        assert_eq!(asked, expected, "{kind}: {names:#?}");
        world.assert_one("binary").await;

        let denied = |text: &str, change: &dyn Fn(String) -> String| {
            world.configure("");
            let file = world.folder.path().join("lifeboat.toml");
            let config = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, change(config)).unwrap();
            world
                .run(&world.nightly, &["snapshot", "copy"])
                .failed(1, text);
        };
        denied("cannot become", &|config| {
            config.replace(
                "0123456789abcdef0123456789abcdef\"\n\n[lock",
                "another-external-id\"\n\n[lock",
            )
        });
        denied("cannot become", &|config| {
            config.replace("role/lifeboat-snapshot", "role/lifeboat-prove")
        });
        denied("should be", &|config| {
            config.replace(&world.source.id, "999999999999")
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_record_is_signed_and_locked_as_manifests_are() {
    let world = World::new(Kind::Instance, Under::Default).await;
    let report = world.copy().await;
    let key = format!("prod/snapshots/prod/{}.json", report.copies[0].id);
    let s3 = world.backup.s3();
    let head = s3
        .head_object()
        .bucket(&world.bucket)
        .key(&key)
        .send()
        .await;
    let head = head.unwrap();
    assert_eq!(head.object_lock_mode().unwrap().as_str(), "COMPLIANCE");
    let until = head.object_lock_retain_until_date().unwrap().secs();
    let days = (until - SystemClock.now().as_second() + 3600) / 86_400;
    assert_eq!(days, 7);
    // Nobody can put one on top, and nobody but the exporter can put any.
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"{}");
    let put = s3.put_object().bucket(&world.bucket).key(&key).body(body);
    assert!(put.send().await.is_err());
    // Signed by a key that the reader does not pin it is as good as none.
    let repository = world.repository(&world.exporter).await;
    let id = report.copies[0].id.parse().unwrap();
    assert!(repository.record("prod", &id, &world.trust()).await.is_ok());
    let nobody = lifeboat::testing::Trust::default();
    assert!(repository.record("prod", &id, &nobody).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn where_records_cannot_be_kept_the_copy_is_made_and_it_is_said() {
    let world = World::new(Kind::Instance, Under::Default).await;
    world.configure("");
    let file = world.folder.path().join("lifeboat.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        config.replace("role/lifeboat-exporter", "role/lifeboat-prove"),
    )
    .unwrap();
    let ran = world.run(&world.nightly, &["snapshot", "copy", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("cannot be recorded"), "{ran:?}");
    world.assert_one("without a record").await;
    // With the role it is made up for.
    world.configure("");
    let again = world
        .run(&world.nightly, &["snapshot", "copy", "--json"])
        .ok()
        .json();
    let copy = &again["result"]["copies"][0];
    assert_eq!(
        (&copy["was_there"], &copy["recorded"]),
        (&json!(true), &json!(true))
    );
    cloud::nothing_unknown(&[&world.source, &world.backup]);
}
