//! What failed exports left is found beside restore points of more objects than a page holds.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use lifeboat::testing::list;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::DirStore;
use lifeboat::testing::store::{PAGE_OBJECTS, Store};

use crate::support::every_point;
use crate::support::forge::Forge;
use crate::support::memory::MemoryStore;
use crate::support::{Database, Lifeboat, Major, next_second};

/// Objects under the point's own folder, as parts are.
async fn fill(store: &dyn Store, folder: &str, count: usize) {
    stream::iter(0..count)
        .for_each_concurrent(16, |number| async move {
            let key = format!("{folder}/4711/{number}.copy.zst.age")
                .parse()
                .unwrap();
            let body = Bytes::from_static(b"x");
            let sha256 = Sha256::of(&body);
            store.put_new(&key, body, sha256, None).await.unwrap();
        })
        .await;
}

fn folder(point: &RestorePoint) -> String {
    let key = point.manifest.objects[0].key.as_str();
    key.rsplit_once('/').unwrap().0.to_owned()
}

async fn leftovers_are_found(store: Arc<dyn Store>) {
    let database = Database::new(Major::Pg15);
    let forge = Forge::new(store.clone()).await;
    let point = forge.export(&database).await;
    let committed = folder(&point);
    fill(&*store, &committed, 2 * PAGE_OBJECTS + 10).await;
    let (parent, id) = committed.rsplit_once('/').unwrap();
    let (source, _) = parent.rsplit_once('/').unwrap();
    // Before it, right behind it, in another database behind it; one of many pages.
    let ids = [
        format!("{parent}/20200101T000000Z-aaaaaa"),
        format!("{parent}/{}zzzzzz", &id[..id.len() - 6]),
        format!("{source}/zz/20200101T000000Z-bbbbbb"),
    ];
    for (number, folder) in ids.iter().enumerate() {
        fill(&*store, folder, [3, PAGE_OBJECTS + 5, 1][number]).await;
    }
    let options = every_point(jiff::Timestamp::now());
    let listing = list::list(&forge.repository, &forge.trust, &options).await;
    let listing = listing.unwrap();
    assert_eq!(listing.points.len(), 1);
    let mut found: Vec<(String, u64)> = listing
        .leftovers
        .iter()
        .map(|one| (one.id.to_string(), one.objects))
        .collect();
    found.sort_by_key(|one| one.1);
    let wanted = [2, 0, 1].map(|at: usize| ids[at].rsplit_once('/').unwrap().1.to_owned());
    let objects = [1, 3, PAGE_OBJECTS as u64 + 5];
    assert_eq!(found, wanted.into_iter().zip(objects).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn leftovers_are_found_in_memory() {
    leftovers_are_found(Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn leftovers_are_found_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::create(folder.path().join("repository")).unwrap();
    leftovers_are_found(Arc::new(store)).await;
}

/// A point is missing where another one names it, and its lock must still hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_that_should_be_there_is_missed_and_one_that_aged_out_is_not() {
    let database = Database::new(Major::Pg15);
    let store = Arc::new(MemoryStore::default());
    let forge = Forge::new(store.clone()).await;
    let mut points = Vec::new();
    for _ in 0..3 {
        points.push(forge.export(&database).await);
        next_second();
    }
    let found = async |days: i64| {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        let listing = list::list(&forge.repository, &forge.trust, &every_point(now)).await;
        listing.unwrap().findings
    };
    assert_eq!(found(0).await, [""; 0]);
    let middle = &points[1].manifest_ref;
    store.remove(&middle.key, &middle.version);
    let missed = found(0).await;
    let [finding] = &missed[..] else {
        panic!("{missed:?}");
    };
    let said = format!(
        "{} is missing: {}",
        points[1].manifest.id, points[2].manifest.id
    );
    assert!(finding.contains(&said), "{finding}");
    assert_eq!(found(400).await, [""; 0]);
}

/// A directory locks nothing: the oldest ones may go.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn of_a_directory_a_point_in_between_is_missed_and_the_oldest_is_not() {
    let database = Database::new(Major::Pg15);
    let lifeboat = Lifeboat::init();
    let ids = [(); 3].map(|()| {
        let exported = lifeboat.export(&database.url());
        next_second();
        exported["id"].as_str().unwrap().to_owned()
    });
    let listed = || lifeboat.run(["list"]);
    let remove = |id: &str| {
        let folder = lifeboat.repository().join("manifests");
        let found = walk(&folder, &format!("{id}.json"));
        std::fs::remove_file(found.unwrap()).unwrap();
    };
    listed().ok();
    remove(&ids[1]);
    let ran = listed();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let findings = ran.json()["result"]["findings"].to_string();
    assert!(
        findings.contains(&format!("{} is missing", ids[1])),
        "{findings}"
    );
    remove(&ids[0]);
    listed().ok();
}

fn walk(folder: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => walk(&path, name),
        false => path.ends_with(name).then_some(path),
    })
}

/// Whoever may write stores what looks like the newest point, of this database and of another.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn junk_is_neither_the_latest_nor_a_reason_to_stop() {
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT 1 AS n");
    let lifeboat = Lifeboat::init();
    let id = lifeboat.export(&database.url())["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let folder = lifeboat.repository().join("manifests");
    let point = walk(&folder, &format!("{id}.json")).unwrap();
    let beside = point.parent().unwrap();
    let elsewhere = beside.parent().unwrap().join("junk");
    std::fs::create_dir(&elsewhere).unwrap();
    for folder in [beside, &elsewhere] {
        std::fs::write(
            folder.join("29991231T235959Z-zzzzzz.json"),
            "{\"format\":1}",
        )
        .unwrap();
    }
    let ran = lifeboat.run(["verify", "latest"]).ok();
    assert_eq!(ran.json()["result"]["id"], id);
    let told = format!("{id} is taken for the latest; newer and passed over: 29991231T235959Z");
    assert!(ran.stderr.contains(&told), "{ran:?}");
    let exported = lifeboat.run(["export", "--source", &database.url()]).ok();
    assert_eq!(exported.json()["result"]["findings"].to_string(), "[]");
}
