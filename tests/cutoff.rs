//! The commit protocol cut off after every one of its operations: no manifest, no restore point;
//! with a manifest, a whole one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat::testing::SystemClock;
use lifeboat::testing::list;
use lifeboat::testing::model::{Id, Key};
use lifeboat::testing::store::Promises;

use crate::support::cutoff::{Cut, Cutoff};
use crate::support::every_point;
use crate::support::forge::Forge;
use crate::support::memory::MemoryStore;
use crate::support::{Database, Lifeboat, Major};

/// As Ceph RGW: without checksums every object is read back, so there are more steps to die at.
const LOCKS_ONLY: Promises = Promises {
    locks: true,
    checksums: false,
    conditional_puts: false,
};

struct Scene {
    forge: Forge,
    source: Database,
    /// Points known to be sound.
    points: BTreeSet<Id>,
    /// Exports that stored something and no manifest.
    leftovers: BTreeSet<Id>,
}

impl Scene {
    async fn new() -> Self {
        let store = MemoryStore::with(Arc::new(SystemClock), LOCKS_ONLY);
        let source = Database::new(Major::Pg15);
        source.sql(
            "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g;
             CREATE TABLE empty (id int); SELECT lo_from_bytea(0, '\\x01')",
        );
        Self {
            forge: Forge::new(Arc::new(store)).await,
            source,
            points: BTreeSet::new(),
            leftovers: BTreeSet::new(),
        }
    }

    /// Exports with this cut; returns how many operations were tried.
    async fn export(&mut self, cut: Cut) -> usize {
        let store = Cutoff::new(self.forge.store.clone(), cut);
        let report = self.forge.export_through(store.clone(), &self.source).await;
        let claims = report.is_ok_and(|report| report.databases.iter().any(|one| one.id.is_some()));
        let stored = store.stored();
        let committed = stored
            .iter()
            .any(|key| key.as_str().starts_with("manifests/"));
        assert!(committed || !claims, "{cut:?}: success without a manifest");
        if let Some(id) = stored.first().map(id_of) {
            assert!(stored.iter().all(|key| id_of(key) == id), "{cut:?}");
            let is_new = match committed {
                true => self.points.insert(id.clone()),
                false => self.leftovers.insert(id.clone()),
            };
            assert!(is_new, "{cut:?}");
            if committed {
                assert_eq!(self.forge.problems(&id, true).await, [""; 0], "{cut:?}");
            }
        }
        self.check(cut).await;
        store.count()
    }

    /// What `list` shows is what was committed, and what was left over.
    async fn check(&self, cut: Cut) {
        let (repository, trust) = (&self.forge.repository, &self.forge.trust);
        let listing = list::list(repository, trust, &every_point(jiff::Timestamp::now()))
            .await
            .unwrap();
        assert_eq!(listing.findings, [""; 0], "{cut:?}");
        let points = listing.points.iter();
        let points: BTreeSet<Id> = points.map(|point| point.id.parse().unwrap()).collect();
        assert_eq!(points, self.points, "{cut:?}");
        let leftovers = listing.leftovers.iter();
        let leftovers: BTreeSet<Id> = leftovers.map(|left| left.id.clone()).collect();
        assert_eq!(leftovers, self.leftovers, "{cut:?}");
        let all = listing.leftovers.iter();
        let told = all.filter(|left| left.unlocks_at.is_some() && left.stored_bytes > 0);
        assert_eq!(told.count(), self.leftovers.len(), "bytes and unlock date");
    }
}

fn id_of(key: &Key) -> Id {
    let segment = key.as_str().split('/').nth(3).unwrap();
    segment.trim_end_matches(".json").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_export_cut_off_after_any_operation_leaves_no_half_visible_point() {
    let mut scene = Scene::new().await;
    // The first has no previous point to read.
    scene.export(Cut::Never).await;
    let operations = scene.export(Cut::Never).await;
    assert!(operations > 30, "only {operations} steps");
    assert_eq!((scene.points.len(), scene.leftovers.len()), (2, 0));
    for number in 0..operations {
        scene.export(Cut::From(number)).await;
    }
    // The manifest is put one operation before it is read back: that point alone is there.
    assert_eq!(scene.points.len(), 3, "{:?}", scene.points);
    assert!(scene.leftovers.len() > 10);
    scene.export(Cut::Never).await;
    assert_eq!(scene.points.len(), 4, "the next export works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_operation_that_fails_once_or_loses_its_reply_makes_no_false_point() {
    let mut scene = Scene::new().await;
    scene.export(Cut::Never).await;
    let operations = scene.export(Cut::Never).await;
    for number in 0..operations {
        scene.export(Cut::Once(number)).await;
    }
    for number in (0..operations).step_by(3) {
        scene.export(Cut::Reply(number)).await;
    }
    for number in operations - 3..operations {
        scene.export(Cut::Reply(number)).await;
        scene.export(Cut::ReplyAndAfter(number)).await;
    }
    let before = scene.points.len();
    scene.export(Cut::Never).await;
    assert_eq!(scene.points.len(), before + 1, "the next export works");
}

/// Objects in a repository; what is being written has a name that begins with a dot.
fn objects(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.path() {
            path if path.is_dir() => objects(&path),
            _ => usize::from(!entry.file_name().to_string_lossy().starts_with('.')),
        })
        .sum()
}

/// Kills once `reached` holds; whether the process was still at work.
fn kill_when(child: &mut Child, reached: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        let ended = child.try_wait().unwrap().is_some();
        if ended || reached() {
            // SIGKILL.
            child.kill().unwrap();
            child.wait().unwrap();
            return !ended;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "it hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_killed_export_leaves_whole_points_only_and_the_next_one_works() {
    let lifeboat = Lifeboat::init();
    let source = Database::new(Major::Pg15);
    source.sql(
        "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g;
         CREATE TABLE u AS SELECT * FROM t; CREATE TABLE v AS SELECT * FROM t;
         SELECT lo_from_bytea(0, '\\x01')",
    );
    let url = source.url();
    let repository = lifeboat.repository();
    let of_one = {
        let before = objects(&repository);
        lifeboat.export(&url);
        objects(&repository) - before
    };
    assert_eq!(of_one, 1 + 10 + 5 * 2);
    let mut killed = 0;
    for number in 0..=of_one {
        let before = objects(&repository);
        let mut export = lifeboat
            .command(["export", "--source", &url])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let at_work = kill_when(&mut export, || objects(&repository) >= before + number);
        killed += usize::from(at_work);
        let manifests = objects(&repository.join("manifests"));
        let listing = lifeboat.run(["list"]).json()["result"].clone();
        let points = listing["points"].as_array().unwrap();
        assert_eq!(points.len(), manifests);
        assert!(points.iter().all(|point| point["trusted"] == true));
        assert_eq!(listing["findings"], serde_json::json!([]));
        lifeboat.verify("latest");
    }
    assert!(
        killed >= 20,
        "only {killed} of {of_one} were killed at work"
    );
    let listing = lifeboat.run(["list"]).json()["result"].clone();
    assert!(!listing["leftovers"].as_array().unwrap().is_empty());
    let id = lifeboat.export(&url)["id"].as_str().unwrap().to_owned();
    lifeboat.verify(&id);
}
