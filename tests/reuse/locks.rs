//! A part that is named again is locked for as long as the point that names it, and two days.

use jiff::Timestamp;
use lifeboat::testing::export;
use lifeboat::testing::model::{LockMode, LockPolicy};

use super::{Scene, share_anew};

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
