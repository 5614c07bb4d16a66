//! `promote` on real Object Lock: the oldest drilled point of each week, month and year, its
//! manifest's lock last and two days shorter, and no lock of any other point.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Result;
use lifeboat::testing::Signer;
use lifeboat::testing::Silent;
use lifeboat::testing::SystemClock;
use lifeboat::testing::model::Verdict;
use lifeboat::testing::model::{Id, Key};
use lifeboat::testing::model::{Lock, LockMode, MANIFEST_LEAD};
use lifeboat::testing::promote::{self, Options, Report, Tier, Tiers};
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::S3Store;
use lifeboat::testing::store::Store;

use crate::support::drills::attest;
use crate::support::forge::{Draft, Forge};
use crate::support::memory::MemoryStore;
use crate::support::servers::Server;
use crate::support::watched::Watched;
use crate::support::{Database, Lifeboat, Major};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const ALL: [Tier; 3] = [Tier::Weekly, Tier::Monthly, Tier::Yearly];

struct Scene {
    store: Arc<Watched>,
    forge: Forge,
    draft: Draft,
    _source: Database,
}

impl Scene {
    async fn over(store: Arc<dyn Store>) -> Self {
        let store = Watched::over(store);
        let source = Database::new(Major::Pg15);
        source.sql("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g");
        let forge = Forge::new(store.clone()).await;
        let exported = forge.export(&source).await;
        Self {
            draft: forge.draft(&exported).await,
            store,
            forge,
            _source: source,
        }
    }

    async fn in_memory() -> Self {
        Self::over(Arc::new(MemoryStore::default())).await
    }

    async fn on_ceph() -> Self {
        let options = Server::ceph().options();
        Self::over(Arc::new(S3Store::open(options).await.unwrap())).await
    }

    /// A point that shows the data of this moment.
    async fn point(&self, snapshot_at: Timestamp) -> RestorePoint {
        let moment = serde_json::to_value(snapshot_at).unwrap();
        let with_moment = |manifest: &mut serde_json::Value| manifest["snapshot_at"] = moment;
        let id = self
            .forge
            .commit_with(&self.draft, |_| {}, with_moment)
            .await;
        self.forge.open(&id).await.unwrap()
    }

    async fn drill(&self, point: &RestorePoint) {
        attest(point, &self.forge.signer, Verdict::Sound, HOUR).await;
    }

    async fn promote(&self, dry_run: bool) -> Result<Report> {
        let options = Options {
            source: None,
            database: None,
            tiers: Tiers {
                weekly_days: Some(60),
                monthly_days: Some(190),
                yearly_days: Some(398),
            },
            max_lock_days: 400,
            dry_run,
        };
        let context = Context {
            clock: &SystemClock,
            progress: &Silent,
            interrupt: &Interrupt::never(),
        };
        promote::run(&self.forge.repository, &self.forge.trust, &options, context).await
    }

    /// What a run did: the points that it chose, and whether it extended them.
    async fn promoted(&self) -> Vec<(Id, Vec<Tier>, bool)> {
        let report = self.promote(false).await.unwrap();
        assert_eq!(report.failures, [""; 0]);
        let points = report.points.into_iter();
        points
            .map(|one| (one.id, one.tiers, one.extended))
            .collect()
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
}

/// The full hour before this one: moments right after it are of the same day.
fn last_hour() -> Timestamp {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now - now % 3600 - 3600).unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

/// Asserts that a point is locked for its year and that all other locks are as before.
fn assert_locked_for_its_year(
    point: &RestorePoint,
    before: &BTreeMap<Key, Lock>,
    after: &BTreeMap<Key, Lock>,
) {
    let until = point.manifest.snapshot_at + days(398);
    let mut objects = 0;
    for (key, lock) in after {
        let of_point = key.as_str().contains(point.manifest.id.as_str());
        if !of_point || key.as_str().starts_with("attestations/") {
            assert_eq!(Some(lock), before.get(key), "{key}");
            continue;
        }
        let lead = match *key == point.manifest_ref.key {
            true => SignedDuration::ZERO,
            false => MANIFEST_LEAD,
        };
        let wanted = Lock {
            mode: LockMode::Compliance,
            retain_until: until + lead,
        };
        assert_eq!(*lock, wanted, "{key}");
        objects += 1;
    }
    assert_eq!(objects, 1 + 10 + 2, "manifest, objects, part and list");
}

/// It is told, and the others are promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_that_needs_what_we_do_not_know_is_not_promoted_in_part() {
    let scene = Scene::in_memory().await;
    let tomorrow = |manifest: &mut serde_json::Value| manifest["requires"] = ["tomorrow"].into();
    let id = (scene.forge.commit_with(&scene.draft, |_| {}, tomorrow)).await;
    scene.drill(&scene.forge.open(&id).await.unwrap()).await;
    let known = scene.point(last_hour()).await;
    scene.drill(&known).await;
    let report = scene.promote(false).await.unwrap();
    let promoted: Vec<&Id> = report.points.iter().map(|one| &one.id).collect();
    assert_eq!(promoted, [&known.manifest.id]);
    let [finding] = &report.findings[..] else {
        panic!("{:?}", report.findings)
    };
    assert!(finding.contains("needs tomorrow"), "{finding}");
}

async fn the_oldest_drilled_point_is_locked_for_its_year(scene: &Scene) {
    let day = last_hour();
    let moment = |seconds| day + SignedDuration::from_secs(seconds);
    let oldest = scene.point(moment(0)).await;
    let older = scene.point(moment(1)).await;
    let newer = scene.point(moment(2)).await;
    assert_eq!(scene.promoted().await, [], "nothing is drilled");
    scene.drill(&older).await;
    scene.drill(&newer).await;
    let before = scene.locks().await;

    let dry = scene.promote(true).await.unwrap();
    assert_eq!(dry.points.len(), 1);
    assert_eq!(
        (&dry.points[0].id, dry.points[0].extended),
        (&older.manifest.id, true)
    );
    assert_eq!(dry.points[0].locked_until, moment(1) + days(398));
    assert_eq!(scene.locks().await, before);

    let id = older.manifest.id.clone();
    assert_eq!(scene.promoted().await, [(id.clone(), ALL.to_vec(), true)]);
    let after = scene.locks().await;
    assert_locked_for_its_year(&older, &before, &after);
    {
        let extended = scene.store.extended.lock().unwrap();
        assert_eq!(
            extended.last(),
            Some(&older.manifest_ref.key),
            "the manifest last"
        );
    }
    // Again, and with newer points: as it was.
    let extended = scene.store.extended.lock().unwrap().len();
    scene.drill(&scene.point(moment(3)).await).await;
    let before = scene.locks().await;
    assert_eq!(scene.promoted().await, [(id, ALL.to_vec(), false)]);
    assert_eq!(scene.locks().await, before);
    assert_eq!(scene.store.extended.lock().unwrap().len(), extended);

    // A late drill of an older one adds a lock; none is taken away.
    scene.drill(&oldest).await;
    let before = scene.locks().await;
    let id = oldest.manifest.id.clone();
    assert_eq!(scene.promoted().await, [(id, ALL.to_vec(), true)]);
    assert_locked_for_its_year(&oldest, &before, &scene.locks().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn promote_locks_one_point_for_its_year_in_memory() {
    the_oldest_drilled_point_is_locked_for_its_year(&Scene::in_memory().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn promote_locks_one_point_for_its_year_on_ceph() {
    the_oldest_drilled_point_is_locked_for_its_year(&Scene::on_ceph().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn each_week_has_its_own_point() {
    let scene = Scene::in_memory().await;
    let (older, newer) = (last_hour() - days(7), last_hour());
    let (older, newer) = (scene.point(older).await, scene.point(newer).await);
    scene.drill(&newer).await;
    scene.drill(&older).await;
    let promoted = scene.promoted().await;
    assert_eq!(promoted.len(), 2);
    let locks = scene.locks().await;
    let until = |point: &RestorePoint| locks[&point.manifest_ref.key].retain_until;
    assert_eq!(until(&older), older.manifest.snapshot_at + days(398));
    let of_week = newer.manifest.snapshot_at + days(60);
    assert!(until(&newer) >= of_week, "at least its week's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_not_soundly_attested_is_not_promoted() {
    let scene = Scene::in_memory().await;
    let point = scene.point(last_hour()).await;
    let foreign = Signer::generate().unwrap();
    attest(&point, &foreign, Verdict::Sound, HOUR * 9).await;
    let report = scene.promote(false).await.unwrap();
    assert!(report.points.is_empty());
    assert!(report.findings[0].contains("not trusted"), "{report:?}");
    attest(&point, &scene.forge.signer, Verdict::Sound, HOUR * 3).await;
    attest(&point, &scene.forge.signer, Verdict::Failed, HOUR).await;
    assert!(scene.promote(false).await.unwrap().points.is_empty());
    let unproven = scene
        .point(last_hour() + SignedDuration::from_secs(1))
        .await;
    let before = scene.locks().await;
    attest(&unproven, &scene.forge.signer, Verdict::Unproven, HOUR).await;
    assert!(scene.promote(false).await.unwrap().points.is_empty());
    let after = scene.locks().await;
    assert!(before.iter().all(|(key, lock)| after[key] == *lock));
    // Whoever may not read attestations cannot promote, and must hear of it.
    *scene.store.denied.lock().unwrap() = Some("attestations/");
    assert!(scene.promote(false).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_interrupted_run_leaves_the_manifest_as_it_was_and_is_run_again() {
    let scene = Scene::in_memory().await;
    let point = scene.point(last_hour()).await;
    scene.drill(&point).await;
    let before = scene.locks().await;
    for number in 0..13 {
        *scene.store.fails_from.lock().unwrap() = number;
        scene.store.extended.lock().unwrap().clear();
        let interrupted = scene.promote(false).await;
        // What one run extended, the next one finds.
        if interrupted.is_ok() {
            break;
        }
        let manifest = &point.manifest_ref.key;
        assert_eq!(scene.locks().await[manifest], before[manifest], "{number}");
    }
    *scene.store.fails_from.lock().unwrap() = usize::MAX;
    scene.promote(false).await.unwrap();
    assert_locked_for_its_year(&point, &before, &scene.locks().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lost_object_is_a_failure_and_keeps_nothing_else_from_its_lock() {
    let memory = Arc::new(MemoryStore::default());
    let scene = Scene::over(memory.clone()).await;
    let point = scene.point(last_hour()).await;
    scene.drill(&point).await;
    let lost = &point.manifest.objects[0];
    memory.remove(&lost.key, &lost.version);
    let report = scene.promote(false).await.unwrap();
    assert_eq!(report.failures.len(), 1);
    assert!(report.failures[0].contains(lost.key.as_str()), "{report:?}");
    assert_eq!(report.points[0].objects, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_snapshot_from_the_future_is_locked_as_long_as_allowed_and_told() {
    let scene = Scene::in_memory().await;
    let point = scene.point(last_hour() + days(9)).await;
    scene.drill(&point).await;
    let report = scene.promote(false).await.unwrap();
    assert!(
        report.findings[0].contains("max_lock_days = 400"),
        "{report:?}"
    );
    let now = Timestamp::now();
    let locks = scene.locks().await;
    let longest = locks.values().map(|lock| lock.retain_until).max().unwrap();
    assert!(longest <= now + days(400) && longest > now + days(399));
    assert_eq!(
        locks[&point.manifest_ref.key].retain_until,
        longest - MANIFEST_LEAD
    );
}

#[test]
fn without_tiers_or_locks_it_says_what_is_missing() {
    let lifeboat = Lifeboat::init();
    let ran = lifeboat.run(["promote"]);
    assert!(format!("{ran:?}").contains("lock.weekly_days"));
    ran.failed(2, "sets no tier");
    let config = lifeboat.folder().join("lifeboat.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[lock]", "[lock]\nweekly_days = 60")).unwrap();
    lifeboat.run(["promote"]).failed(1, "has no locks");
}
