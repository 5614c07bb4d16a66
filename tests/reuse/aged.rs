//! Points age out, and what later ones name of them stays: it is no leftover, and nothing is missed that was to go.

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::list;
use lifeboat::testing::model::{Sha256, segment};
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::Store;
use lifeboat::testing::{Clock, export};

use super::{Scene, lies_in, share_anew};
use crate::support::every_point;

const SMALL: &str = "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g";

async fn listed(scene: &Scene, now: Timestamp) -> list::Listing {
    let (repository, trust) = (&scene.forge.repository, &scene.forge.trust);
    let options = every_point(now);
    list::list(repository, trust, &options).await.unwrap()
}

/// What the bucket's lifecycle takes first: all whose lock has ended.
async fn expire(scene: &Scene, point: &RestorePoint) {
    let now = scene.clock.now();
    for key in scene.store.keys() {
        let version = scene.store.newest(&key).unwrap();
        let head = scene.store.head(&key, &version).await.unwrap();
        let ended = head.lock.is_some_and(|lock| lock.retain_until <= now);
        let is_manifest = key == point.manifest_ref.key;
        if is_manifest || (ended && lies_in(key.as_str(), &point.manifest.id)) {
            assert!(ended, "{key}");
            scene.store.remove(&key, &version);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn parts_of_a_point_that_aged_out_are_no_leftovers_while_others_name_them() {
    let scene = Scene::of(SMALL).await;
    let first = scene.export().await;
    scene.hours(24 * 6);
    let second = scene.export().await;
    assert_eq!(share_anew(&second).await, 0.0);
    // What a failed export left, and what the first one has still.
    let database = segment(&scene.source.name);
    let left = format!("parts/forge/{database}/20261122T020000Z-aaaaaa/7/0.copy.zst.age");
    let left = left.parse().unwrap();
    let body = bytes::Bytes::from_static(b"x");
    let sha256 = Sha256::of(&body);
    let put = scene.store.put_new(&left, body, sha256, None);
    put.await.unwrap();
    scene.hours(24 * 32);
    expire(&scene, &first).await;
    let found = listed(&scene, scene.clock.now()).await;
    assert_eq!(found.points.len(), 1);
    assert_eq!(found.findings, [""; 0]);
    let ids: Vec<String> = found
        .leftovers
        .iter()
        .map(|one| one.id.to_string())
        .collect();
    assert_eq!(ids, ["20261122T020000Z-aaaaaa"]);
    scene.sound(&second).await;
}

/// An hourly point goes before the points around it: that is no gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_hourly_point_that_aged_out_is_not_missed_and_one_that_should_be_there_is() {
    let scene = Scene::of(SMALL).await;
    let hourly = |options: &mut export::Options| options.reuse.hourly_days = Some(3);
    scene.export_with(hourly).await;
    scene.hours(1);
    let (of_an_hour, _) = scene.export_with(hourly).await;
    scene.hours(24);
    scene.export_with(hourly).await;
    let (manifest, now) = (&of_an_hour.manifest_ref, scene.clock.now());
    scene.store.remove(&manifest.key, &manifest.version);
    let missed = listed(&scene, now).await.findings;
    assert!(missed[0].contains("is missing"), "{missed:?}");
    let later = now + SignedDuration::from_hours(24 * 3);
    assert_eq!(listed(&scene, later).await.findings, [""; 0]);
}
