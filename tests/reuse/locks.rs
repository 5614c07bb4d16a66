//! A part that is named again is locked for as long as the point that names it, and two days.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lifeboat::testing::export;
use lifeboat::testing::model::{LockMode, LockPolicy};

use super::{Scene, share_anew};
use crate::json_page;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_part_is_stored_anew_before_its_lock_ends_too_early() {
    let scene = Scene::new().await;
    let mut anew = Vec::new();
    for day in 0..18 {
        let point = scene.export().await;
        scene.locked(&point).await;
        if share_anew(&point).await > 0.0 {
            anew.push(day);
            scene.sound(&point).await;
        }
        scene.hours(24);
    }
    // Seven days, and one for an export that comes late.
    assert_eq!(anew, [0, 9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_first_export_of_a_day_is_locked_for_long_and_others_for_days() {
    let scene = Scene::new().await;
    let hourly = |options: &mut export::Options| options.reuse.hourly_days = Some(3);
    let ends = |time: &str| -> Timestamp { time.parse().unwrap() };
    let (mut locks, mut shares) = (Vec::new(), Vec::new());
    for hour in 0..27 {
        if hour % 6 == 3 {
            let sql = format!("UPDATE answer SET text = '{hour}' WHERE id = 150000");
            scene.source.sql(&sql);
        }
        let (point, report) = scene.export_with(hourly).await;
        scene.locked(&point).await;
        let manifest = point.head(&point.manifest_ref).await.unwrap().lock.unwrap();
        assert_eq!(report.lock, Some(manifest));
        assert_eq!(report.databases[0].lock, Some(manifest));
        locks.push(manifest.retain_until);
        shares.push(share_anew(&point).await);
        scene.hours(1);
    }
    // From two o'clock on: the next day's first is 22 hours later.
    assert_eq!(locks[0], ends("2026-12-26T02:00:00Z"));
    assert_eq!(locks[1], ends("2026-11-24T03:00:00Z"));
    assert_eq!(locks[21], ends("2026-11-24T23:00:00Z"));
    assert_eq!(locks[22], ends("2026-12-27T00:00:00Z"));
    assert_eq!(locks[23], ends("2026-11-25T01:00:00Z"));
    assert!(shares[3] > 0.0 && shares[4] == 0.0);
    // What an hour stored does not reach as far as the day's first needs.
    assert!(shares[22] > 0.0 && shares[22] < 0.2, "{}", shares[22]);
}

/// A lock by right of an administrator protects less than one by nobody's: what is named is locked in the mode that is
/// promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn under_another_mode_everything_is_stored_anew_and_under_the_buckets_default_always() {
    let mut scene = Scene::new().await;
    let mode = |mode| {
        move |options: &mut export::Options| options.lock = LockPolicy::Explicit { mode, days: 35 }
    };
    scene.export_with(mode(LockMode::Governance)).await;
    scene.hours(1);
    let (named, _) = scene.export_with(mode(LockMode::Governance)).await;
    assert_eq!(share_anew(&named).await, 0.0);
    scene.hours(1);
    let (point, report) = scene.export_with(mode(LockMode::Compliance)).await;
    assert_eq!(
        (share_anew(&point).await, report.findings),
        (1.0, Vec::new())
    );
    scene.sound(&point).await;

    let clock = scene.clock.clone();
    let store = crate::support::memory::MemoryStore::new(clock.clone());
    scene.store = std::sync::Arc::new(store.default_retention(LockMode::Compliance, 35));
    let mut forge = crate::support::forge::Forge::new(scene.store.clone()).await;
    (forge.reuse, forge.clock) = (scene.forge.reuse.clone(), clock);
    scene.forge = forge;
    for _ in 0..2 {
        let default = |options: &mut export::Options| options.lock = LockPolicy::BucketDefault;
        let (point, _) = scene.export_with(default).await;
        assert_eq!(share_anew(&point).await, 1.0);
        assert_eq!(point.manifest.state, None);
        scene.hours(1);
    }
}

/// Exports of a database all of whose parts change, a minute apart: a day of them would store some 4 GiB, 1 GiB is
/// allowed in any case, and all of it is some 3 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn exports_that_would_store_too_much_in_a_day_are_left_out_until_one_is_due() {
    let scene = Scene::of("CREATE TABLE t (id int, a text, b text)").await;
    let change = "TRUNCATE t; INSERT INTO t SELECT g, md5(random()::text), md5(random()::text)
                  FROM generate_series(1, 80000) g";
    let (mut made, mut skipped) = (Vec::new(), Vec::new());
    for minute in 0..20 {
        scene.source.sql(change);
        let store: std::sync::Arc<dyn lifeboat::testing::store::Store> = scene.store.clone();
        let report = scene.forge.export_with(store, &scene.source, |_| {}).await;
        let report = report.unwrap();
        assert_eq!(report.failures.len(), 0, "{report:?}");
        match &report.skipped[..] {
            [] => made.push(minute),
            [one] => {
                assert!(report.databases.is_empty());
                let printed = serde_json::json!({"skipped": [one]});
                let mut fields = BTreeSet::new();
                json_page::fields(&printed, "", &mut fields);
                let page = json_page::documented("export");
                let lacking: Vec<_> = fields.difference(&page).collect();
                assert!(lacking.is_empty(), "{lacking:?}");
                let says = report
                    .findings
                    .iter()
                    .find(|one| one.contains("hourly_budget"));
                assert!(says.unwrap().contains("not exported"), "{says:?}");
                assert!(one.day_bytes > one.allowed_bytes && one.allowed_bytes == 1 << 30);
                skipped.push((minute, one.again_at));
            }
            more => panic!("{more:?}"),
        }
        scene.clock.advance(jiff::SignedDuration::from_mins(1));
    }
    // The day's first, two that show the pace, and then as often as 1 GiB a day allows.
    assert_eq!(made[..3], [0, 1, 2], "{made:?}");
    let apart: Vec<i64> = made[2..].windows(2).map(|two| two[1] - two[0]).collect();
    assert!(
        !apart.is_empty() && apart.iter().all(|apart| (3..8).contains(apart)),
        "{apart:?}"
    );
    let begin: Timestamp = "2026-11-21T02:00:00Z".parse().unwrap();
    for (minute, again_at) in skipped {
        let due = again_at.duration_since(begin).as_secs();
        if let Some(next) = made.iter().find(|made| **made > minute) {
            assert!(
                (next - 1) * 60 < due && due <= next * 60,
                "made at {next}, due at {due} s"
            );
        }
    }
    // Asked for, and the next day's first.
    let (_, report) = scene.export_with(|options| options.full = true).await;
    assert_eq!(report.skipped.len(), 0);
    scene.hours(22);
    scene.export_with(|_| {}).await;
}
