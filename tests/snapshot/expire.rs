//! `snapshot expire` in both accounts, as the roles that may: what is safe goes, what is held,
//! verified, foreign or newest stays.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Silent;
use lifeboat::testing::SystemClock;
use lifeboat::testing::model::{Choice, Kind};
use lifeboat::testing::snapshot::copy::Options;
use lifeboat::testing::snapshot::expire::{self, Expected, Keep, Limits, Period, Report, Side};
use serde_json::json;

use super::BOTH;
use super::world::{Under, World, account, now};
use crate::support::cloud::{self, Key};
use crate::support::memory::TestClock;

const NINE_A_DAY: Expected = Expected {
    copies: 9,
    of: Period::Day,
};

const KEEP: Keep = Keep {
    days: 1,
    weeks: 0,
    months: 0,
    verified: 1,
    expected: NINE_A_DAY,
};

async fn run(sides: &[Side<'_>], deletes: bool) -> Report {
    let context = Context {
        clock: &SystemClock,
        progress: &Silent,
        interrupt: &Interrupt::never(),
    };
    let limits = Limits {
        deletes,
        at_most: 5,
    };
    expire::run(sides, limits, context).await.unwrap()
}

async fn in_source(world: &World, deletes: bool) -> Report {
    let expirer = world.nightly_expire().await;
    let source = account("source account", &world.source, &expirer);
    let side = Side::Source {
        source: &source,
        backup: &world.backup_side(),
        kms_key: &world.kms_key,
        choice: &Choice::default(),
    };
    run(&[side], deletes).await
}

async fn in_backup(world: &World, key: &Key, deletes: bool) -> Report {
    kept_in_backup(world, key, KEEP, deletes).await
}

async fn kept_in_backup(world: &World, key: &Key, keep: Keep, deletes: bool) -> Report {
    let backup = account("backup account", &world.backup, key);
    let side = Side::Backup {
        backup: &backup,
        keep,
        kms_key: Some(&world.kms_key),
    };
    run(&[side], deletes).await
}

/// A server whose clock is this test's, and where nobody's session ends meanwhile.
fn own_time() -> cloud::Own {
    let own = cloud::own();
    today();
    own
}

fn today() {
    cloud::control("POST", "clock", &json!({"offset_seconds": 0}));
    cloud::control("POST", "settings", &json!({"session_seconds": 300_000}));
}

async fn copy_tomorrow(world: &World) {
    cloud::control("POST", "clock", &json!({"advance_seconds": 86_400}));
    let options = Options {
        take_new: true,
        ..world.options()
    };
    let clock = TestClock::at(&(now() + SignedDuration::from_hours(24)).to_string());
    world.copy_with(&options, &*clock).await.unwrap();
}

async fn newest_name(world: &World) -> String {
    let copies = world.copies().await.into_iter();
    copies.map(|one| one.name).max().unwrap()
}

fn going(report: &Report) -> BTreeSet<&str> {
    let going = report.snapshots.iter().filter(|line| line.goes);
    going.map(|line| &*line.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_intermediate_goes_once_its_copy_is_safe() {
    for kind in BOTH {
        let world = World::new(kind, Under::Default).await;
        world
            .foreign_snapshot(&world.source, "somebody-else-s")
            .await;
        world
            .foreign_snapshot(&world.source, "lifeboat-by-name-alone")
            .await;
        world.copy().await;
        let ours = world.intermediates().await;
        let ours: Vec<&str> = ours
            .iter()
            .map(|one| &*one.name)
            .filter(|name| name.starts_with("lifeboat-prod"))
            .collect();
        assert_eq!(ours.len(), 1);

        let report = in_source(&world, false).await;
        assert_eq!(
            going(&report),
            ours.iter().copied().collect(),
            "{report:#?}"
        );
        assert!(report.snapshots.iter().all(|line| !line.deleted));
        assert_eq!(world.intermediates().await.len(), 3);

        let report = in_source(&world, true).await;
        assert_eq!(
            (report.deleted, report.failures.len()),
            (1, 0),
            "{report:#?}"
        );
        let left = world.intermediates().await;
        assert!(
            left.iter()
                .all(|one| !one.name.starts_with("lifeboat-prod")),
            "{left:#?}"
        );
        assert_eq!(left.len(), 2);
        // The copy is known without its intermediate.
        assert!(world.copy().await.copies[0].was_there);
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_intermediate_stays_while_its_copy_is_missing_under_way_or_under_another_key() {
    for kind in BOTH {
        let world = World::new(kind, Under::Customer).await;
        world.copy().await;
        let wrong_key = world.far_key.clone();
        let expirer = world.nightly_expire().await;
        let source = account("source account", &world.source, &expirer);
        let side = Side::Source {
            source: &source,
            backup: &world.backup_side(),
            kms_key: &wrong_key,
            choice: &Choice::default(),
        };
        let report = run(&[side], true).await;
        assert_eq!(report.deleted, 0, "{report:#?}");
        assert!(
            report.snapshots[0].reason.contains("does not lie under"),
            "{report:#?}"
        );

        let copy = world.assert_one("safe").await;
        world.delete_copy(&copy.name).await;
        let report = in_source(&world, true).await;
        assert_eq!(report.deleted, 0, "{report:#?}");
        assert!(
            report.snapshots[0].reason.contains("no copy of it"),
            "{report:#?}"
        );
        world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn of_copies_the_newest_held_and_verified_ones_stay() {
    let _own = own_time();
    for kind in BOTH {
        today();
        let world = World::new(kind, Under::Default).await;
        let mut names = Vec::new();
        for _ in 0..5 {
            world.copy_new().await;
            names.push(newest_name(&world).await);
            world.settle_a_second().await;
        }
        world
            .tag_copy(&names[0], "lifeboat:hold", "court case")
            .await;
        world
            .tag_copy(&names[1], "lifeboat:verified", "2026-11-20T02:00:00Z")
            .await;
        world
            .tag_copy(&names[2], "lifeboat:verified", "2026-11-21T02:00:00Z")
            .await;
        world
            .foreign_snapshot(&world.backup, "somebody-else-s")
            .await;
        world
            .foreign_snapshot(&world.backup, "lifeboat-by-name-alone")
            .await;
        let tagged_only = [("lifeboat:managed", "true"), ("lifeboat:source", "prod")];
        world
            .tagged_snapshot(&world.backup, "by-tag-alone", &tagged_only)
            .await;

        let expirer = world.expire_role();
        // More copies than a day should have: a person decides.
        let one_a_day = Keep {
            expected: Expected {
                copies: 1,
                of: Period::Day,
            },
            ..KEEP
        };
        let report = kept_in_backup(&world, &expirer, one_a_day, true).await;
        assert_eq!(
            (going(&report).len(), report.deleted),
            (0, 0),
            "{report:#?}"
        );
        assert!(report.findings[0].contains("5 copies of"), "{report:#?}");

        // Of the newest day more may come.
        let report = in_backup(&world, &expirer, true).await;
        assert_eq!(
            (going(&report).len(), report.deleted),
            (0, 0),
            "{report:#?}"
        );
        copy_tomorrow(&world).await;
        let tomorrows = world.copies().await.into_iter().map(|one| one.name);
        let mut tomorrows = tomorrows.filter(|name| name.starts_with("lifeboat-prod"));
        let tomorrows = tomorrows.find(|name| !names.contains(name)).unwrap();
        names.push(tomorrows);

        // Of one day the first verified one stays, and the newest.
        let expected: BTreeSet<&str> = [&*names[3], &*names[4]].into();
        let report = in_backup(&world, &expirer, false).await;
        assert_eq!(going(&report), expected, "{report:#?}");
        assert!(report.snapshots.iter().all(|line| !line.reason.is_empty()));
        assert_eq!(world.copies().await.len(), 9);

        // Who copies may not delete, and who exports may not either.
        let refused = in_backup(&world, &world.snapshot_role, true).await;
        assert_eq!(
            (refused.deleted, refused.failures.len()),
            (0, 2),
            "{refused:#?}"
        );

        let report = in_backup(&world, &expirer, true).await;
        assert_eq!(
            (report.deleted, report.failures.len()),
            (2, 0),
            "{report:#?}"
        );
        let left: BTreeSet<String> = world
            .copies()
            .await
            .into_iter()
            .map(|one| one.name)
            .collect();
        let kept = [0, 1, 2, 5].map(|at: usize| names[at].clone());
        let foreign = ["by-tag-alone", "lifeboat-by-name-alone", "somebody-else-s"];
        let expected = kept.into_iter().chain(foreign.map(str::to_owned)).collect();
        assert_eq!(left, expected);
        // Again: nothing more goes.
        assert_eq!(in_backup(&world, &expirer, true).await.deleted, 0);
        world.nothing_unknown();
    }
}

/// What a drill did not restore, or lies under another key, makes nothing go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn only_a_verified_copy_under_our_key_makes_others_go() {
    let _own = own_time();
    let world = World::new(Kind::Instance, Under::Default).await;
    world.copy_new().await;
    copy_tomorrow(&world).await;
    let names: BTreeSet<String> = world
        .copies()
        .await
        .into_iter()
        .map(|one| one.name)
        .collect();
    let expirer = world.expire_role();
    let none = Keep { days: 0, ..KEEP };
    let report = in_backup(&world, &expirer, true).await;
    assert_eq!(report.deleted, 0, "{report:#?}");
    assert!(report.findings[0].contains("no copy of"), "{report:#?}");
    let newest = names.last().unwrap();
    world
        .tag_copy(newest, "lifeboat:verified", "2026-11-20T02:00:00Z")
        .await;
    let backup = account("backup account", &world.backup, &expirer);
    let foreign = Side::Backup {
        backup: &backup,
        keep: KEEP,
        kms_key: Some(&world.far_key),
    };
    let report = run(&[foreign], true).await;
    assert_eq!(
        (report.deleted, report.findings.len()),
        (0, 1),
        "{report:#?}"
    );
    let report = kept_in_backup(&world, &expirer, none, true).await;
    assert_eq!(
        (report.deleted, report.findings.len()),
        (1, 0),
        "{report:#?}"
    );
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_failed_copy_goes_and_one_that_is_being_made_stays() {
    let world = World::new(Kind::Instance, Under::Default).await;
    world.settings(
        &world.backup,
        serde_json::json!({"next_copies": ["failed"]}),
    );
    world.copy().await;
    let report = in_backup(&world, &world.expire_role(), true).await;
    assert_eq!(report.deleted, 1, "{report:#?}");
    assert!(report.snapshots[0].reason.contains("failed"), "{report:#?}");
    world.nothing_unknown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_binary_deletes_only_where_the_configuration_says_so() {
    let world = World::new(Kind::Instance, Under::Default).await;
    world.copy().await;
    let expire = ["snapshot", "expire"];
    world.configure("");
    let ran = world.run(&world.nightly, &expire).ok();
    assert!(ran.stdout.contains("to go"), "{ran:?}");
    assert!(
        ran.stdout.contains("snapshot.expire is not true"),
        "{ran:?}"
    );
    world.configure("expire = true");
    let ran = world
        .run(
            &world.nightly,
            &["snapshot", "expire", "--dry-run", "--json"],
        )
        .ok();
    let result = &ran.json()["result"];
    assert_eq!(
        (&result["deletes"], &result["deleted"]),
        (&false.into(), &0.into())
    );
    assert_eq!(world.intermediates().await.len(), 1);
    let ran = world.run(&world.nightly, &expire).ok();
    assert!(ran.stdout.contains("deleted"), "{ran:?}");
    assert_eq!(world.intermediates().await.len(), 0);
    world.assert_one("its copy").await;
    // In the backup account this configuration names no role for that; the exporter may not look.
    world
        .run(&world.nightly, &["snapshot", "expire", "--backup-account"])
        .failed(1, "DescribeDBSnapshots: AccessDenied");
    world.nothing_unknown();
}
