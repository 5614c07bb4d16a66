//! `snapshot restore` as lifeboat-restore, and the lists: settings come back, nothing is overwritten.

use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Silent;
use lifeboat::testing::Trust;
use lifeboat::testing::model::Kind;
use lifeboat::testing::snapshot::restore::{self, Options, RecordReader, Report};
use lifeboat::testing::{Error, Kind as ErrorKind, Result};
use lifeboat::testing::{SystemClock, snapshot::WaitLimits};
use serde_json::json;
use std::time::Duration;

use super::BOTH;
use super::world::{Under, World, account};
use crate::support::cloud::Key;

fn options(identifier: &str) -> Options {
    Options {
        which: None,
        source: None,
        identifier: identifier.to_owned(),
        subnet_group: None,
        security_groups: Vec::new(),
        class: None,
        limits: WaitLimits {
            poll: Duration::from_millis(1),
            wait: Duration::from_secs(60),
        },
        dry_run: false,
    }
}

async fn restored(world: &World, key: &Key, options: &Options) -> Result<Report> {
    let repository = world.repository(key).await;
    let records = RecordReader {
        repository: &repository,
        trust: &world.trust(),
    };
    restored_with(world, key, options, Ok(records)).await
}

async fn restored_with(
    world: &World,
    key: &Key,
    options: &Options,
    records: Result<RecordReader<'_>, &Error>,
) -> Result<Report> {
    let backup = account("backup account", &world.backup, key);
    let context = Context {
        clock: &SystemClock,
        progress: &Silent,
        interrupt: &Interrupt::never(),
    };
    restore::run(&backup, records, options, context).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_instance_comes_back_with_its_settings() {
    let world = World::empty(Kind::Instance).await;
    world.create_tuned().await;
    let copied = world.copy().await;
    assert_eq!(
        (copied.failures.len(), copied.findings.len()),
        (0, 0),
        "{copied:#?}"
    );
    // The worst day.
    world.destroy().await;
    let people = world.restore_role().await;
    let plan = Options {
        dry_run: true,
        ..options("prod-again")
    };
    let planned = restored(&world, &people, &plan).await.unwrap();
    assert!(
        planned.recorded && planned.address.is_none(),
        "{planned:#?}"
    );
    assert_eq!(
        planned.parameter_group.as_deref(),
        Some("lifeboat-prod-again")
    );
    assert!(world.instance("prod-again").await.is_none());

    let report = restored(&world, &people, &options("prod-again"))
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 0, "{report:#?}");
    assert!(
        report.address.is_some() && report.port.is_some(),
        "{report:#?}"
    );
    let made = world.instance("prod-again").await.unwrap();
    assert_eq!(made.db_instance_class.as_deref(), Some("db.m6g.large"));
    assert_eq!(made.multi_az, Some(true));
    assert_eq!(made.deletion_protection, Some(true));
    assert_eq!(made.publicly_accessible, Some(false));
    assert_eq!(made.iam_database_authentication_enabled, Some(true));
    let group = &made.db_parameter_groups.as_ref().unwrap()[0];
    assert_eq!(
        group.db_parameter_group_name.as_deref(),
        Some("lifeboat-prod-again")
    );
    let values = world.parameters("lifeboat-prod-again").await;
    assert_eq!(values["work_mem"], "65536");
    assert_eq!(values["log_min_duration_statement"], "250");
    assert!(
        report.to_do.iter().any(|line| line.contains("passwords")),
        "{report:#?}"
    );

    let error = restored(&world, &people, &options("prod-again"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_cluster_comes_back_with_an_instance_in_it() {
    let world = World::empty(Kind::Cluster).await;
    world.create_tuned().await;
    let copied = world.copy().await;
    assert_eq!(
        (copied.failures.len(), copied.findings.len()),
        (0, 0),
        "{copied:#?}"
    );
    let people = world.restore_role().await;
    let report = restored(&world, &people, &options("prod-again"))
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 0, "{report:#?}");
    assert_eq!(report.member.as_deref(), Some("prod-again-1"));
    assert_eq!(report.class.as_deref(), Some("db.r6g.large"));
    assert!(report.address.is_some(), "{report:#?}");
    let member = world.instance("prod-again-1").await.unwrap();
    assert_eq!(member.db_cluster_identifier.as_deref(), Some("prod-again"));
    assert_eq!(member.publicly_accessible, Some(false));
    let cluster = world.cluster("prod-again").await;
    assert_eq!(cluster.deletion_protection, Some(true));
    assert_eq!(
        cluster.db_cluster_parameter_group.as_deref(),
        Some("lifeboat-prod-again")
    );
    for taken in ["prod-again", "prod-again-1"] {
        let error = restored(&world, &people, &options(taken)).await;
        if taken == "prod-again" {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Exists);
        }
    }
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn without_a_record_it_comes_back_by_what_aws_knows_and_says_so() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        world.copy().await;
        let people = world.restore_role().await;
        let untrusted = Ok(RecordReader {
            repository: &world.repository(&people).await,
            trust: &Trust::default(),
        });
        if kind == Kind::Cluster {
            let error = restored_with(&world, &people, &options("again"), untrusted).await;
            assert!(error.unwrap_err().find_hint().unwrap().contains("--class"));
        }
        let with_class = Options {
            class: Some("db.r6g.large".to_owned()),
            ..options("again")
        };
        let report = restored_with(&world, &people, &with_class, untrusted)
            .await
            .unwrap();
        assert!(!report.recorded, "{report:#?}");
        assert!(
            report.findings[0].contains("without the recorded settings"),
            "{report:#?}"
        );
        assert!(report.address.is_some(), "{report:#?}");
        let denied = Error::new(ErrorKind::Denied, "no bucket today");
        let other = Options {
            class: Some("db.r6g.large".to_owned()),
            ..options("and-again")
        };
        let report = restored_with(&world, &people, &other, Err(&denied))
            .await
            .unwrap();
        assert!(
            report.findings[0].contains("no bucket today"),
            "{report:#?}"
        );
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_call_of_a_restore_may_lose_its_reply() {
    for kind in BOTH {
        let world = World::empty(kind).await;
        world.create_tuned().await;
        world.copy().await;
        let people = world.restore_role().await;
        let before = world.calls().len();
        restored(&world, &people, &options("first")).await.unwrap();
        let calls = world.calls().split_off(before);
        let changing = ["Restore", "Create", "Modify"];
        let changing = calls
            .iter()
            .filter(|call| changing.iter().any(|word| call.operation.contains(word)));
        for (number, call) in changing.enumerate() {
            let lost = json!({"kind": "reset", "when": "after"});
            let rule = world.fault(&world.backup.id, &call.operation, 0, lost);
            let report = restored(&world, &people, &options(&format!("again-{number}"))).await;
            world.end_fault(rule);
            let report = report.unwrap_or_else(|error| panic!("{call:?}: {}", error.chain()));
            assert_eq!(report.findings.len(), 0, "{call:?}: {report:#?}");
        }
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_lists_show_copies_and_go_on_without_rights() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        world.copy().await;
        world.configure("");
        let ran = world
            .run(&world.nightly, &["snapshot", "list", "--json"])
            .ok()
            .json();
        let copy = &ran["result"]["copies"][0];
        assert_eq!(
            (&copy["status"], &copy["verified"]),
            (&json!("available"), &json!(null))
        );
        let listed = world.run(&world.nightly, &["list", "--json"]).ok().json();
        assert_eq!(&listed["result"]["snapshot_copies"][0], copy);
        assert_eq!(listed["result"]["points"], json!([]));
        let text = world.run(&world.nightly, &["list"]).ok().stdout;
        assert!(
            text.contains("Copies of RDS snapshots") && text.contains(copy["id"].as_str().unwrap()),
            "{text}"
        );

        let file = world.folder.path().join("lifeboat.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(
            &file,
            config.replace("role/lifeboat-snapshot", "role/lifeboat-exporter"),
        )
        .unwrap();
        let ran = world.run(&world.nightly, &["list", "--json"]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let document = ran.json();
        let finding = document["result"]["findings"][0].as_str().unwrap();
        assert!(
            finding.contains("snapshot copies could not be listed"),
            "{finding}"
        );
        assert_eq!(document["result"]["snapshot_copies"], json!(null));

        // Without an instance or cluster RDS is not asked.
        let line = format!("{kind} = \"{}\"\n", world.identifier);
        std::fs::write(&file, config.replace(&line, "")).unwrap();
        let before = world.calls().len();
        let listed = world.run(&world.nightly, &["list", "--json"]).ok().json();
        assert_eq!(listed["result"]["snapshot_copies"], json!(null));
        let calls = world.calls().split_off(before);
        assert!(
            calls.iter().all(|call| !call.operation.starts_with("rds:")),
            "{calls:#?}"
        );
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_binary_restores_as_a_person_with_mfa() {
    let world = World::new(Kind::Instance, Under::Default).await;
    world.copy().await;
    let people = world.restore_role().await;
    world.configure_for_people();
    let ran = world
        .run(
            &people,
            &["snapshot", "restore", "latest", "--as", "Prod-Again"],
        )
        .ok();
    assert!(
        ran.stdout.contains("instance prod-again made of lifeboat-"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("address: "), "{ran:?}");
    assert!(ran.stdout.contains("the default VPC's"), "{ran:?}");
    world
        .run(
            &people,
            &["snapshot", "restore", "latest", "--as", "prod-again"],
        )
        .failed(1, "exists");
    world
        .run(
            &people,
            &["snapshot", "restore", "latest", "--as", "prod--again"],
        )
        .failed(2, "no identifier");
    world
        .run(
            &people,
            &[
                "snapshot",
                "restore",
                "20261121T020000Z-k3v9q2",
                "--as",
                "other",
            ],
        )
        .failed(1, "no snapshot copy");
    world.nothing_unknown();
}
