//! What reports tell of what is stored: read, named again, under lock now and in a month.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Clock;
use lifeboat::testing::export;
use lifeboat::testing::store::Store;

use super::{Scene, key, share_anew};
use crate::support::memory::TestClock;

/// Bytes of all objects but manifests whose locks have not ended, as the store has them.
async fn locked_bytes(scene: &Scene) -> u64 {
    let now = scene.clock.now();
    let mut bytes = 0;
    for key in scene.store.keys() {
        let is_manifest =
            key.as_str().starts_with("manifests/") && !key.as_str().contains(".state");
        if is_manifest || key.as_str() == "lifeboat.json" {
            continue;
        }
        let version = scene.store.newest(&key).unwrap();
        let head = scene.store.head(&key, &version).await.unwrap();
        let until = head.lock.unwrap().retain_until;
        bytes += if until > now { head.bytes } else { 0 };
    }
    bytes
}

async fn told(scene: &Scene, report: &export::Report) -> u64 {
    let under_lock = report.databases[0].under_lock.as_ref().unwrap();
    assert_eq!(under_lock.bytes, locked_bytes(scene).await);
    under_lock.bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_under_lock_is_what_the_store_has_and_in_a_month_what_the_pace_adds() {
    let mut scene = Scene::of(
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) FROM generate_series(1, 90000) g",
    )
    .await;
    let hourly = |options: &mut export::Options| {
        options.reuse.hourly_days = Some(3);
        options.gb_month_price = Some(1000.0);
    };
    let (_, first) = scene.export_with(hourly).await;
    let full = told(&scene, &first).await;
    let under_lock = first.databases[0].under_lock.as_ref().unwrap();
    assert_eq!(
        (under_lock.bytes_in_a_month, under_lock.cost_in_a_month),
        (None, None)
    );
    // 1,000 a gigabyte.
    let cost = under_lock.cost.unwrap() * 1e6;
    assert_eq!(cost.round(), full as f64);
    let mut naming = 0;
    for hour in 0..20 {
        scene.hours(6);
        scene.source.sql(&format!(
            "UPDATE t SET md5 = '{hour}' WHERE id = 9000 * {hour}"
        ));
        let (_, report) = scene.export_with(hourly).await;
        told(&scene, &report).await;
        let database = &report.databases[0];
        assert_eq!(database.parts_named > 0, database.named_bytes > 0);
        assert!(database.named_bytes < database.stored_bytes.unwrap());
        naming += usize::from(database.named_bytes > 0);
    }
    // But for those that are the first of their day: each of the few parts changed in it.
    assert!(naming >= 12, "{naming}");
    // What hours stored ended, too.
    scene.hours(24 * 9);
    let (_, report) = scene.export_with(hourly).await;
    let later = told(&scene, &report).await;
    let in_a_month = report.databases[0]
        .under_lock
        .as_ref()
        .unwrap()
        .bytes_in_a_month
        .unwrap();
    assert!(
        in_a_month > later / 4 && in_a_month < later * 4,
        "{later} {in_a_month}"
    );

    // Asked for a full one, and under another key: the figures go on.
    scene.hours(1);
    let (_, report) = scene
        .export_with(|options| {
            hourly(options);
            options.full = true;
        })
        .await;
    told(&scene, &report).await;
    scene.hours(1);
    scene.forge.reuse = Some(key("b"));
    let (point, report) = scene.export_with(hourly).await;
    assert_eq!(share_anew(&point).await, 1.0);
    let under_lock = report.databases[0].under_lock.as_ref().unwrap().bytes;
    let stored = locked_bytes(&scene).await;
    // Manifests do not say for how long parts are locked beyond the rest.
    assert!(
        under_lock <= stored && under_lock > stored / 3,
        "{under_lock} {stored}"
    );
}

/// Goes on whenever it is looked at.
struct Ticking(Arc<TestClock>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.advance(SignedDuration::from_secs(10));
        self.0.now()
    }
}

/// An export takes time, and all that it stored is of one moment all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_first_full_export_is_not_the_pace_of_the_hours_after_it() {
    let mut scene = Scene::of(
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) FROM generate_series(1, 90000) g",
    )
    .await;
    scene.forge.clock = Arc::new(Ticking(scene.clock.clone()));
    let hourly = |options: &mut export::Options| options.reuse.hourly_days = Some(3);
    let (_, first) = scene.export_with(hourly).await;
    let full = first.databases[0].under_lock.as_ref().unwrap().bytes;
    scene.hours(1);
    let (_, report) = scene.export_with(hourly).await;
    let told = report.databases[0].under_lock.as_ref().unwrap();
    let in_a_month = told.bytes_in_a_month.unwrap();
    // What each point has of its own, for five days, beside the full one.
    let own = told.bytes - full;
    assert!(
        in_a_month < full + own * 24 * 6,
        "{full} {own} {in_a_month}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_dry_run_tells_what_could_be_named_and_stores_nothing() {
    let scene = Scene::of(
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) FROM generate_series(1, 90000) g",
    )
    .await;
    let store: std::sync::Arc<dyn Store> = scene.store.clone();
    let dry = |options: &mut export::Options| options.dry_run = true;
    let report = scene
        .forge
        .export_with(store.clone(), &scene.source, dry)
        .await
        .unwrap();
    assert!(report.databases[0].nameable.is_none());
    let (first, exported) = scene.export_with(|_| {}).await;
    scene.hours(1);
    let keys = scene.store.keys();
    let report = scene
        .forge
        .export_with(store.clone(), &scene.source, dry)
        .await
        .unwrap();
    let database = &report.databases[0];
    let nameable = database.nameable.as_ref().unwrap();
    assert_eq!(nameable.base, first.manifest.id);
    assert_eq!(nameable.parts, first.manifest.parts());
    let bytes: u64 = first
        .manifest
        .tables
        .iter()
        .map(|table| table.stored_bytes)
        .sum();
    assert_eq!(nameable.stored_bytes, bytes);
    assert_eq!(
        database.under_lock.as_ref().unwrap().bytes,
        exported.databases[0].under_lock.as_ref().unwrap().bytes
    );
    assert_eq!(scene.store.keys(), keys);
    // Nothing reaches far enough any more.
    scene.hours(24 * 10);
    let report = scene
        .forge
        .export_with(store, &scene.source, dry)
        .await
        .unwrap();
    assert_eq!(report.databases[0].nameable.as_ref().unwrap().parts, 0);
}

/// Nobody keeps anything in a folder.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn in_a_directory_nothing_is_under_lock_and_money_is_told_only_at_a_given_price() {
    let lifeboat = crate::support::Lifeboat::init();
    super::folder::switch_on(&lifeboat);
    let database = crate::support::Database::new(crate::support::Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g");
    let exported = lifeboat.export(&database.url());
    assert_eq!(exported["under_lock"], serde_json::Value::Null);
    let dry = lifeboat
        .bare(["export", "--dry-run", "--source", &database.url()])
        .ok();
    assert!(!dry.stdout.contains('$'), "{}", dry.stdout);
    assert!(
        dry.stdout.contains("are stored already by"),
        "{}",
        dry.stdout
    );
}
