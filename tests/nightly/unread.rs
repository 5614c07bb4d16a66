//! Verifying with an exporter's rights: it may list what it stored, and not read it.

use std::sync::Arc;

use jiff::SignedDuration;
use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Silent;
use lifeboat::testing::codec::Identities;
use lifeboat::testing::model::Key;
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::verify::{self, Report};

use crate::support::forge::Forge;
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::watched::Watched;
use crate::support::{Database, Major};

struct Scene {
    clock: Arc<TestClock>,
    memory: Arc<MemoryStore>,
    store: Arc<Watched>,
    point: RestorePoint,
}

impl Scene {
    async fn new() -> Self {
        let clock = TestClock::at("2026-11-21T02:00:00Z");
        clock.set(jiff::Timestamp::now());
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        let store = Watched::over(memory.clone());
        let forge = Forge::new(store.clone()).await;
        let source = Database::new(Major::Pg15);
        source.sql(
            "CREATE TABLE answer AS SELECT g AS id FROM generate_series(1, 500) g;
             CREATE TABLE empty (id int)",
        );
        let point = forge.export(&source).await;
        *store.unreadable.lock().unwrap() = Some("parts/");
        Self {
            clock,
            memory,
            store,
            point,
        }
    }

    async fn verify(&self) -> Report {
        let options = verify::Options {
            data: false,
            jobs: None,
        };
        let (nothing, never) = (
            Identities::from_files::<&str>(&[]).unwrap(),
            Interrupt::never(),
        );
        let context = Context {
            clock: self.clock.as_ref(),
            progress: &Silent,
            interrupt: &never,
        };
        let verified = verify::verify(&self.point, &nothing, options, context);
        verified.await.unwrap()
    }

    fn part(&self) -> (Key, String) {
        let keys = self.memory.keys();
        let part = keys
            .into_iter()
            .find(|key| key.name().ends_with(".copy.zst.age"));
        let key = part.unwrap();
        let version = self.memory.newest(&key).unwrap();
        (key, version)
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn as_many_parts_and_bytes_as_the_manifest_says_are_sound() {
    let scene = Scene::new().await;
    let unread = scene.verify().await;
    assert!(unread.listed && unread.problems.is_empty() && unread.findings.is_empty());
    *scene.store.unreadable.lock().unwrap() = None;
    let read = scene.verify().await;
    assert!(!read.listed);
    assert_eq!(
        (unread.objects, unread.stored_bytes),
        (read.objects, read.stored_bytes)
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn versions_that_came_later_count_for_nothing_and_hide_nothing() {
    let scene = Scene::new().await;
    let (key, version) = scene.part();
    // The clock decides which was there first.
    scene.clock.advance(SignedDuration::from_secs(60));
    scene
        .memory
        .overwrite(&key, "longer than it was, or shorter");
    scene.memory.delete(&key);
    assert_eq!(scene.verify().await.problems, [""; 0]);
    scene.memory.remove(&key, &version);
    assert_eq!(scene.verify().await.problems.len(), 1);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_part_that_is_gone_or_unlocked_is_told() {
    let scene = Scene::new().await;
    let (key, version) = scene.part();
    scene.memory.remove(&key, &version);
    let report = scene.verify().await;
    assert!(report.problems[0].contains("1 parts of"), "{report:?}");
    assert!(
        report.problems[0].contains("listed are 0 of 0"),
        "{report:?}"
    );

    let scene = Scene::new().await;
    scene.clock.advance(SignedDuration::from_hours(24 * 36));
    let report = scene.verify().await;
    assert_eq!(report.problems, [""; 0]);
    assert_eq!(report.findings.len(), 1, "the manifest's: {report:?}");
    scene.clock.advance(SignedDuration::from_hours(24 * 2));
    let report = scene.verify().await;
    assert_eq!(report.findings.len() as u64, report.objects, "{report:?}");
}
