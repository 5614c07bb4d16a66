//! `hold` on real Object Lock: all locks, the manifest's last and two days shorter, never shorter
//! than before; and delete markers over everything, which hide nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Result;
use lifeboat::testing::Silent;
use lifeboat::testing::SystemClock;
use lifeboat::testing::hold::{self, Report};
use lifeboat::testing::list;
use lifeboat::testing::model::Key;
use lifeboat::testing::model::{Lock, LockMode, MANIFEST_LEAD};
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::S3Store;
use lifeboat::testing::store::Store;

use crate::support::every_point;
use crate::support::forge::{Forge, why};
use crate::support::memory::MemoryStore;
use crate::support::servers::Server;
use crate::support::subjects::Attacker;
use crate::support::watched::Watched;
use crate::support::{Database, Major};

struct Scene {
    store: Arc<Watched>,
    forge: Forge,
    source: Database,
    attacker: Arc<dyn Attacker>,
}

impl Scene {
    async fn over(store: Arc<dyn Store>, attacker: Arc<dyn Attacker>) -> Self {
        let store = Watched::over(store);
        let source = Database::new(Major::Pg15);
        source.sql(
            "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g;
             CREATE TABLE empty (id int); SELECT lo_from_bytea(9, '\\x01')",
        );
        Self {
            forge: Forge::new(store.clone()).await,
            store,
            source,
            attacker,
        }
    }

    async fn in_memory() -> Self {
        let store = Arc::new(MemoryStore::default());
        Self::over(store.clone(), store).await
    }

    async fn on_ceph() -> Self {
        let server = Server::ceph();
        let options = server.options();
        let store = S3Store::open(options.clone()).await.unwrap();
        Self::over(Arc::new(store), Arc::new(server.attacker(&options))).await
    }

    async fn locks(&self) -> BTreeMap<Key, Lock> {
        let mut locks = BTreeMap::new();
        let page = self.store.list_versions("", None).await.unwrap();
        assert!(page.next.is_none());
        for object in page.objects {
            let head = self.store.head(&object.key, &object.version).await.unwrap();
            if let Some(lock) = head.lock {
                locks.insert(object.key, lock);
            }
        }
        locks
    }

    /// Hides every key under a delete marker.
    async fn hide_everything(&self) {
        let page = self.store.list_versions("", None).await.unwrap();
        for object in page.objects {
            self.attacker.delete(&object.key).await;
        }
    }
}

async fn hold(point: &RestorePoint, until: Timestamp) -> Result<Report> {
    let context = Context {
        clock: &SystemClock,
        progress: &Silent,
        interrupt: &Interrupt::never(),
    };
    hold::hold(point, until, 400, context).await
}

fn in_days(days: i64) -> Timestamp {
    let at = Timestamp::now() + SignedDuration::from_hours(24 * days);
    Timestamp::from_second(at.as_second()).unwrap()
}

async fn every_lock_is_extended(scene: &Scene) {
    let point = scene.forge.export(&scene.source).await;
    let until = in_days(200);
    let report = hold(&point, until).await.unwrap();
    let locks = scene.locks().await;
    assert_eq!(report.objects as usize, locks.len());
    assert_eq!(locks.len(), 1 + 10 + 3 * 2);
    let manifest = &point.manifest_ref.key;
    for (key, lock) in &locks {
        let lead = if key == manifest {
            SignedDuration::ZERO
        } else {
            MANIFEST_LEAD
        };
        let wanted = Lock {
            mode: LockMode::Compliance,
            retain_until: until + lead,
        };
        assert_eq!(*lock, wanted, "{key}");
    }
    {
        let extended = scene.store.extended.lock().unwrap();
        assert_eq!(extended.last(), Some(manifest), "the manifest last");
        assert_eq!(extended.len(), locks.len());
    }
    // A date before the one that holds changes nothing.
    hold(&point, in_days(100)).await.unwrap();
    assert_eq!(scene.locks().await, locks);
    for (until, says) in [(in_days(402), "max_lock_days"), (in_days(-1), "past")] {
        let refused = hold(&point, until).await.unwrap_err().chain();
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(scene.locks().await, locks);
    let until = locks[manifest].retain_until;
    let page = scene.store.list_versions("", None).await.unwrap();
    for object in page
        .objects
        .iter()
        .filter(|object| locks.contains_key(&object.key))
    {
        let gone = scene
            .attacker
            .delete_version(&object.key, &object.version)
            .await;
        assert!(!gone, "{} was deleted before {until}", object.key);
    }
}

async fn delete_markers_hide_nothing(scene: &Scene) {
    let (forge, source) = (&scene.forge, &scene.source);
    let point = forge.export(source).await;
    let id = &point.manifest.id;
    let list = || async {
        let options = every_point(Timestamp::now());
        let listed = list::list(&forge.repository, &forge.trust, &options).await;
        serde_json::to_value(listed.unwrap()).unwrap()
    };
    let before = list().await;
    assert_eq!(before["points"][0]["trusted"], true);
    scene.hide_everything().await;
    assert_eq!(list().await, before);
    assert_eq!(forge.problems(id, true).await, [""; 0]);
    hold(&forge.open(id).await.unwrap(), in_days(90))
        .await
        .unwrap();
    let target = Database::new(Major::Pg15);
    let restored = forge.restore(id, &target, |options| options.verify = true);
    assert_eq!(why(restored.await), None);
    assert_eq!(target.sql("SELECT count(*) FROM t"), "100");
    let next = forge.export(source).await;
    assert_eq!(
        next.manifest.previous.unwrap().id,
        *id,
        "the next export works"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn hold_extends_every_lock_in_memory() {
    every_lock_is_extended(&Scene::in_memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn hold_extends_every_lock_on_ceph() {
    every_lock_is_extended(&Scene::on_ceph().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn delete_markers_over_everything_change_nothing_in_memory() {
    delete_markers_hide_nothing(&Scene::in_memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn delete_markers_over_everything_change_nothing_on_ceph() {
    delete_markers_hide_nothing(&Scene::on_ceph().await).await;
}

/// What a reader does not know may lie in objects that it does not know of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_that_needs_what_we_do_not_know_is_not_held_in_part() {
    let scene = Scene::in_memory().await;
    let exported = scene.forge.export(&scene.source).await;
    let draft = scene.forge.draft(&exported).await;
    let tomorrow = |manifest: &mut serde_json::Value| manifest["requires"] = ["tomorrow"].into();
    let id = scene.forge.commit_with(&draft, |_| {}, tomorrow).await;
    let point = scene.forge.open(&id).await.unwrap();
    let before = scene.locks().await;
    let refused = hold(&point, in_days(200)).await.unwrap_err();
    let why = refused.chain();
    assert!(why.contains("needs tomorrow"), "{why}");
    assert_eq!(scene.locks().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_interrupted_hold_leaves_the_manifest_as_it_was_and_is_run_again() {
    let scene = Scene::in_memory().await;
    let point = scene.forge.export(&scene.source).await;
    let manifest = &point.manifest_ref.key;
    let before = scene.locks().await[manifest];
    for number in 0..16 {
        *scene.store.fails_from.lock().unwrap() = number;
        // Each asks for more than the one before, so that all locks are to be extended again.
        let until = in_days(100 + number as i64);
        assert!(hold(&point, until).await.is_err(), "{number}");
        assert_eq!(scene.locks().await[manifest], before, "{number}");
        scene.store.extended.lock().unwrap().clear();
    }
    *scene.store.fails_from.lock().unwrap() = usize::MAX;
    hold(&point, in_days(300)).await.unwrap();
    assert!(
        scene
            .locks()
            .await
            .values()
            .all(|lock| lock.retain_until >= in_days(299))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lost_object_does_not_keep_the_others_from_being_held() {
    let memory = Arc::new(MemoryStore::default());
    let scene = Scene::over(memory.clone(), memory.clone()).await;
    let point = scene.forge.export(&scene.source).await;
    let list = point
        .manifest
        .tables
        .iter()
        .find_map(|table| table.list.clone());
    let lost = [list.unwrap(), point.manifest.objects[0].clone()];
    for object in &lost {
        memory.remove(&object.key, &object.version);
    }
    let before = scene.locks().await;
    let report = hold(&point, in_days(200)).await.unwrap();
    assert_eq!(
        report.failures.len(),
        3,
        "a list is read and held: {report:?}"
    );
    for object in &lost {
        assert!(
            report
                .failures
                .iter()
                .any(|one| one.contains(object.key.as_str()))
        );
    }
    let after = scene.locks().await;
    let held = after
        .iter()
        .filter(|(key, lock)| before[*key] != **lock)
        .count();
    // The parts of the lost list are not known any more.
    assert_eq!(held, after.len() - 1);
    assert_eq!(report.objects as usize, held);
}
