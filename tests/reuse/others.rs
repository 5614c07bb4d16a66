//! What somebody else may store or hold, with stolen rights or none: no lock is shorter for it, no backup is kept from being
//! made, and nothing that lives is called a leftover.

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat::testing::export;
use lifeboat::testing::list;
use lifeboat::testing::model::{Lock, LockMode, LockPolicy, Manifest, Pattern, Sha256, segment};
use lifeboat::testing::store::Store;
use lifeboat::testing::{Clock, Trust};

use super::{Scene, key, share_anew};
use crate::support::every_point;
use crate::support::lane::Lane;
use crate::support::{Database, Major};

const SMALL: &str = "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g";

fn hourly(options: &mut export::Options) {
    options.reuse.hourly_days = Some(3);
}

async fn end_of_lock(scene: &Scene) -> Timestamp {
    let (point, _) = scene.export_with(hourly).await;
    let head = point.head(&point.manifest_ref).await.unwrap();
    head.lock.unwrap().retain_until
}

/// What is no manifest, under the name of one.
async fn junk(scene: &Scene, database: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let key = format!(
            "manifests/forge/{}/20261122T{:02}{:02}{:02}Z-aaaaaa.json",
            segment(database),
            number / 3600,
            number / 60 % 60,
            number % 60
        );
        let body = Bytes::from_static(b"{}");
        let sha256 = Sha256::of(&body);
        let key = key.parse().unwrap();
        let put = scene.store.put_new(&key, body, sha256, None);
        put.await.unwrap();
    }
}

/// Whoever stole the exporter's rights and its signing key plants the first point of each day: the lock of none of ours
/// is that of an hour for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_that_only_the_signing_key_made_is_not_the_first_of_a_day() {
    let mut scene = Scene::of(SMALL).await;
    scene.forge.reuse = Some(key("b"));
    scene.export_with(hourly).await;
    scene.forge.reuse = Some(key("a"));
    scene.hours(1);
    let days = |days: i64| scene.clock.now() + jiff::SignedDuration::from_hours(24 * days);
    assert_eq!(end_of_lock(&scene).await, days(35));
    scene.hours(1);
    assert_eq!(end_of_lock(&scene).await, days(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_that_leaves_something_out_is_not_the_first_of_a_day_for_one_that_does_not() {
    let scene = Scene::of(SMALL).await;
    let leave_out = |options: &mut export::Options| {
        hourly(options);
        options.sources[0].exclude.table_data = vec![Pattern::of_relation("public.t").unwrap()];
    };
    let days = |days: i64| scene.clock.now() + jiff::SignedDuration::from_hours(24 * days);
    let (left_out, _) = scene.export_with(leave_out).await;
    assert_eq!(left_out.manifest.excluded.len(), 1);
    scene.hours(1);
    assert_eq!(end_of_lock(&scene).await, days(35));
    scene.hours(1);
    let (_, report) = scene.export_with(leave_out).await;
    assert_eq!(report.lock.unwrap().retain_until, days(3));
}

/// An administrator can shorten a lock by governance: what was the day's first is locked for hours then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_whose_lock_was_shortened_is_not_the_first_of_a_day() {
    let scene = Scene::of(SMALL).await;
    let governed = |options: &mut export::Options| {
        let mode = LockMode::Governance;
        options.lock = LockPolicy::Explicit { mode, days: 35 };
        hourly(options);
    };
    let (first, _) = scene.export_with(governed).await;
    let manifest = &first.manifest_ref;
    let lock = Lock {
        mode: LockMode::Governance,
        retain_until: scene.clock.now() + jiff::SignedDuration::from_hours(24),
    };
    scene
        .store
        .relock(&manifest.key, &manifest.version, Some(lock));
    scene.hours(1);
    let days = scene.clock.now() + jiff::SignedDuration::from_hours(24 * 35);
    let (_, report) = scene.export_with(governed).await;
    assert_eq!(report.lock.unwrap().retain_until, days);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn manifests_that_nobody_signed_keep_no_part_from_being_named_or_are_told() {
    let scene = Scene::of(SMALL).await;
    scene.export().await;
    scene.hours(24);
    junk(&scene, &scene.source.name, 0..30).await;
    scene.hours(1);
    assert_eq!(share_anew(&scene.export().await).await, 0.0);
    scene.hours(1);
    junk(&scene, &scene.source.name, 30..131).await;
    scene.hours(1);
    let (point, report) = scene.export_with(|_| {}).await;
    assert_eq!(share_anew(&point).await, 1.0);
    assert!(
        report.findings[0].contains("none of the 100 newest restore points can be trusted"),
        "{report:?}"
    );
}

/// Of two exports the second gives way by a lock that every role may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_role_without_rights_keeps_no_export_from_being_made() {
    let scene = Scene::of(SMALL).await;
    let first: &Manifest = &scene.export().await.manifest;
    let hash = Sha256::of(format!("lifeboat export {} forge", first.repository).as_bytes());
    let number = i64::from_be_bytes(hash.0[..8].try_into().unwrap());
    let role = format!("{}_stranger", scene.source.name);
    scene.source.sql(&format!("CREATE ROLE {role} LOGIN"));
    let holding = {
        let (role, database) = (role.clone(), scene.source.name.clone());
        let sql = format!("SELECT pg_advisory_lock({number}); SELECT pg_sleep(600)");
        let lane = Lane::current();
        std::thread::spawn(move || {
            lane.enter();
            Major::Pg15.try_sql(&role, &database, &sql)
        })
    };
    let held = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND (classid::bigint << 32) | objid::bigint = {number}"
    );
    while scene.source.sql(&held) != "1" {
        assert!(!holding.is_finished(), "{:?}", holding.join());
    }
    scene.hours(1);
    let (_, report) = scene.export_with(|_| {}).await;
    let says = &report.findings[0];
    assert!(says.contains("another role holds the lock"), "{says}");
    scene.source.sql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
    ));
    holding.join().unwrap().unwrap_err();
    scene.source.sql(&format!("DROP ROLE {role}"));
}

/// Neither other databases' points, nor junk, nor a missing key makes a living part a leftover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_folder_of_which_nobody_knows_who_names_it_is_no_leftover() {
    let scene = Scene::of(SMALL).await;
    let first = scene.export().await;
    scene.hours(24);
    let other = Database::new(Major::Pg15);
    junk(&scene, &other.name, 0..70).await;
    scene.hours(1);
    let second = scene.export().await;
    assert_eq!(
        second.manifest.parts_from,
        std::slice::from_ref(&first.manifest.id)
    );
    let leftovers = async |trust: &Trust| {
        let options = every_point(scene.clock.now());
        let listing = list::list(&scene.forge.repository, trust, &options)
            .await
            .unwrap();
        listing
            .leftovers
            .into_iter()
            .map(|one| one.id)
            .collect::<Vec<_>>()
    };
    scene
        .store
        .remove(&first.manifest_ref.key, &first.manifest_ref.version);
    assert_eq!(leftovers(&scene.forge.trust).await, []);
    assert_eq!(
        leftovers(&Trust {
            fingerprints: Vec::new()
        })
        .await,
        []
    );
    // More of its own than are asked.
    junk(&scene, &scene.source.name, 100..170).await;
    assert_eq!(leftovers(&scene.forge.trust).await, []);
    scene
        .store
        .remove(&second.manifest_ref.key, &second.manifest_ref.version);
    scene.hours(1);
    let left = leftovers(&scene.forge.trust).await;
    assert!(
        left.contains(&second.manifest.id),
        "after all junk: {left:?}"
    );
}
