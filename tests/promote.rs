//! `promote` on real Object Lock: the first drilled points of each week, month and year, their
//! manifests' locks last and two days shorter, and no lock of any other point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Clock;
use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Result;
use lifeboat::testing::Signer;
use lifeboat::testing::Silent;
use lifeboat::testing::model::Verdict;
use lifeboat::testing::model::{Id, Key};
use lifeboat::testing::model::{Lock, LockMode, MANIFEST_LEAD};
use lifeboat::testing::promote::{self, Options, Promoted, Report, Tier, Tiers};
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::S3Store;
use lifeboat::testing::store::Store;

use crate::support::drills::attest;
use crate::support::forge::{Draft, Forge};
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::servers::Server;
use crate::support::watched::Watched;
use crate::support::{Database, Lifeboat, Major};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const ALL: [Tier; 3] = [Tier::Weekly, Tier::Monthly, Tier::Yearly];

struct Scene {
    clock: Arc<TestClock>,
    export_every: SignedDuration,
    store: Arc<Watched>,
    forge: Forge,
    draft: Draft,
    /// What was exported first.
    exported: RestorePoint,
    _source: Database,
}

impl Scene {
    async fn over(store: Arc<dyn Store>, clock: Arc<TestClock>) -> Self {
        let store = Watched::over(store);
        let source = Database::new(Major::Pg15);
        source.sql("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g");
        let forge = Forge::new(store.clone()).await;
        let exported = forge.export(&source).await;
        Self {
            clock,
            export_every: HOUR * 24,
            draft: forge.draft(&exported).await,
            exported,
            store,
            forge,
            _source: source,
        }
    }

    async fn in_memory() -> Self {
        let clock = TestClock::at(&Timestamp::now().to_string());
        Self::over(Arc::new(MemoryStore::new(clock.clone())), clock).await
    }

    async fn on_ceph() -> Self {
        let options = Server::ceph().options();
        let store = Arc::new(S3Store::open(options).await.unwrap());
        let mut scene = Self::over(store, TestClock::at(&Timestamp::now().to_string())).await;
        // The store's clock is not ours: its first point claims the periods alone.
        scene.export_every = SignedDuration::from_nanos(4);
        scene
    }

    /// A point that the store receives at this moment, if it goes by our clock.
    async fn point(&self, stored_at: Timestamp) -> RestorePoint {
        let now = Clock::now(&*self.clock);
        self.clock.set(stored_at);
        let id = self.forge.commit_with(&self.draft, |_| {}, |_| {}).await;
        self.clock.set(now);
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
            daily_days: 35,
            export_every: self.export_every,
            contested_limit: 5,
            only_crowded: false,
            max_lock_days: 400,
            dry_run,
        };
        let context = Context {
            clock: &*self.clock,
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

/// A full hour that is over for so long: moments right after it are of the same day.
fn ago(time: SignedDuration) -> Timestamp {
    let at = (Timestamp::now() - time).as_second();
    Timestamp::from_second(at - at % 3600).unwrap()
}

/// Whoever was stored then is alone, or not, for good.
fn two_days_ago() -> Timestamp {
    ago(days(2))
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

/// Asserts that a point is locked for its year and that all other locks are as before.
fn assert_locked_for_its_year(
    point: &RestorePoint,
    stored_at: Timestamp,
    before: &BTreeMap<Key, Lock>,
    after: &BTreeMap<Key, Lock>,
) {
    let until = Timestamp::from_second((stored_at + days(398)).as_second()).unwrap();
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
    scene
        .clock
        .set(two_days_ago() + SignedDuration::from_secs(1));
    let id = (scene.forge.commit_with(&scene.draft, |_| {}, tomorrow)).await;
    scene.clock.set(Timestamp::now());
    scene.drill(&scene.forge.open(&id).await.unwrap()).await;
    let known = scene.point(two_days_ago()).await;
    scene.drill(&known).await;
    let report = scene.promote(false).await.unwrap();
    let promoted: Vec<&Id> = report.points.iter().map(|one| &one.id).collect();
    assert_eq!(promoted, [&known.manifest.id]);
    let [finding] = &report.findings[..] else {
        panic!("{:?}", report.findings)
    };
    assert!(finding.contains("needs tomorrow"), "{finding}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn all_drilled_points_of_the_first_window_are_locked_for_their_year() {
    let scene = Scene::in_memory().await;
    let moment = |seconds| two_days_ago() + SignedDuration::from_secs(seconds);
    let oldest = scene.point(moment(0)).await;
    let older = scene.point(moment(1)).await;
    let newer = scene.point(moment(2)).await;
    assert_eq!(scene.promoted().await, [], "nothing is drilled");
    scene.drill(&older).await;
    scene.drill(&newer).await;
    let before = scene.locks().await;

    let dry = scene.promote(true).await.unwrap();
    let of = |point: &RestorePoint, extended| (point.manifest.id.clone(), ALL.to_vec(), extended);
    let chosen: BTreeSet<&Id> = dry.points.iter().map(|one| &one.id).collect();
    assert_eq!(
        chosen,
        [&older, &newer].map(|point| &point.manifest.id).into()
    );
    let locked_until = |one: &Promoted| one.stored_at + days(398) == one.locked_until;
    assert!(
        dry.points
            .iter()
            .all(|one| one.extended && locked_until(one))
    );
    assert_eq!(scene.locks().await, before);

    let promoted = scene.promoted().await;
    assert_eq!(promoted.len(), 2);
    assert!(promoted.contains(&of(&older, true)) && promoted.contains(&of(&newer, true)));
    // Again, and with one that came later: as it was.
    let extended = scene.store.extended.lock().unwrap().len();
    scene.drill(&scene.point(ago(HOUR)).await).await;
    let before = scene.locks().await;
    let later = scene.promoted().await;
    assert!(later.iter().all(|(_, _, extended)| !extended), "{later:?}");
    assert_eq!(scene.locks().await, before);
    assert_eq!(scene.store.extended.lock().unwrap().len(), extended);

    // A late drill adds a lock; none is taken away.
    scene.drill(&oldest).await;
    let before = scene.locks().await;
    assert!(scene.promoted().await.contains(&of(&oldest, true)));
    assert_locked_for_its_year(&oldest, moment(0), &before, &scene.locks().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn promote_locks_the_first_point_for_its_year_on_ceph() {
    let scene = Scene::on_ceph().await;
    let first = &scene.exported;
    scene.drill(&scene.point(two_days_ago()).await).await;
    scene.drill(first).await;
    scene.clock.set(Timestamp::now());
    let before = scene.locks().await;
    let key = &first.manifest_ref.key;
    let page = scene.store.list_versions(key.as_str(), None).await.unwrap();
    let stored_at = page.objects[0].stored_at;
    let id = first.manifest.id.clone();
    assert_eq!(scene.promoted().await, [(id, ALL.to_vec(), true)]);
    assert_locked_for_its_year(first, stored_at, &before, &scene.locks().await);
    let extended = scene.store.extended.lock().unwrap();
    assert_eq!(extended.last(), Some(key), "the manifest last");
}

/// Six came within an hour: nobody but a person can say which is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_contested_is_held_and_told_until_a_person_holds_one_for_longer() {
    let scene = Scene::in_memory().await;
    let mut points = Vec::new();
    for minute in 0..6 {
        let at = two_days_ago() + SignedDuration::from_mins(minute);
        points.push(scene.point(at).await);
    }
    for point in &points[..3] {
        scene.drill(point).await;
    }
    let before = scene.locks().await;
    let report = scene.promote(false).await.unwrap();
    assert_eq!((report.points.len(), report.contested.len()), (0, 1));
    assert_eq!(scene.locks().await, before, "their own lock is long enough");
    let ids: Vec<Id> = points
        .iter()
        .map(|point| point.manifest.id.clone())
        .collect();
    assert_eq!(report.contested[0].claimed.ids, ids);
    assert_eq!(report.contested[0].claimed.tiers, ALL);
    let stored: u64 = points
        .iter()
        .map(|point| point.manifest.stored_bytes())
        .sum();
    assert_eq!(report.contested[0].claimed.bytes, stored);
    let finding = &report.findings[0];
    for part in [
        "6 restore points",
        "week and month and year",
        "lifeboat hold ID",
    ] {
        assert!(finding.contains(part), "no '{part}' in {finding}");
    }

    // Their own locks are half gone.
    scene.clock.advance(days(20));
    let report = scene.promote(false).await.unwrap();
    // What was exported first may be of another week by now, and wait there for a drill of its own.
    let mut held = report.points.iter().filter(|one| ids.contains(&one.id));
    assert_eq!(held.clone().count(), 6);
    assert!(held.all(|one| one.extended && one.tiers.is_empty()));
    let now = Clock::now(&*scene.clock);
    let locks = scene.locks().await;
    for point in &points {
        let lock = locks[&point.manifest_ref.key].retain_until;
        assert_eq!(lock.as_second(), (now + days(35)).as_second());
    }

    let until = report.contested[0].claimed.ends + HOUR * 24;
    let held = points[1]
        .extend_locks(until, 500, now, &Silent)
        .await
        .unwrap();
    assert_eq!(held.failures, [""; 0]);
    let report = scene.promote(false).await.unwrap();
    assert_eq!((report.points.len(), report.contested.len()), (0, 0));
    assert_eq!(report.findings, [""; 0]);
}

/// What nobody whom we trust signed claims nothing, however early it came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn junk_claims_no_period() {
    let scene = Scene::in_memory().await;
    let point = scene.point(two_days_ago()).await;
    let folder = point
        .manifest_ref
        .key
        .as_str()
        .rsplit_once('/')
        .unwrap()
        .0
        .to_owned();
    scene.clock.set(two_days_ago() - HOUR);
    for number in 0..20 {
        let id = Id::new(two_days_ago(), number);
        let key: Key = format!("{folder}/{id}.json").parse().unwrap();
        let junk = bytes::Bytes::from_static(b"{}");
        let sha256 = lifeboat::testing::model::Sha256::of(&junk);
        scene.store.put_new(&key, junk, sha256, None).await.unwrap();
    }
    scene.clock.set(Timestamp::now());
    scene.drill(&point).await;
    let id = point.manifest.id.clone();
    assert_eq!(scene.promoted().await, [(id, ALL.to_vec(), true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn each_week_has_its_own_point() {
    let scene = Scene::in_memory().await;
    let (long_ago, lately) = (two_days_ago() - days(7), two_days_ago());
    let (older, newer) = (scene.point(long_ago).await, scene.point(lately).await);
    scene.drill(&newer).await;
    scene.drill(&older).await;
    let promoted = scene.promoted().await;
    assert_eq!(promoted.len(), 2);
    let locks = scene.locks().await;
    let until = |point: &RestorePoint| locks[&point.manifest_ref.key].retain_until;
    assert_eq!(until(&older), long_ago + days(398));
    let of_week = lately + days(60);
    assert!(until(&newer) >= of_week, "at least its week's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_not_soundly_attested_is_not_promoted() {
    let scene = Scene::in_memory().await;
    let point = scene.point(two_days_ago()).await;
    let foreign = Signer::generate().unwrap();
    attest(&point, &foreign, Verdict::Sound, HOUR * 9).await;
    let report = scene.promote(false).await.unwrap();
    assert!(report.points.is_empty());
    assert!(report.findings[0].contains("not trusted"), "{report:?}");
    attest(&point, &scene.forge.signer, Verdict::Sound, HOUR * 3).await;
    attest(&point, &scene.forge.signer, Verdict::Failed, HOUR).await;
    assert!(scene.promote(false).await.unwrap().points.is_empty());
    let unproven = scene
        .point(two_days_ago() + SignedDuration::from_secs(1))
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
    let point = scene.point(two_days_ago()).await;
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
    assert_locked_for_its_year(&point, two_days_ago(), &before, &scene.locks().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lost_object_is_a_failure_and_keeps_nothing_else_from_its_lock() {
    let clock = TestClock::at(&Timestamp::now().to_string());
    let memory = Arc::new(MemoryStore::new(clock.clone()));
    let scene = Scene::over(memory.clone(), clock).await;
    let point = scene.point(two_days_ago()).await;
    scene.drill(&point).await;
    let lost = &point.manifest.objects[0];
    memory.remove(&lost.key, &lost.version);
    let report = scene.promote(false).await.unwrap();
    assert_eq!(report.failures.len(), 1);
    assert!(report.failures[0].contains(lost.key.as_str()), "{report:?}");
    assert_eq!(report.points[0].objects, 12);
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
