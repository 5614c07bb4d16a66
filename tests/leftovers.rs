//! What failed exports left is found beside restore points of more objects than a page holds.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use lifeboat::testing::list;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::DirStore;
use lifeboat::testing::store::{PAGE_OBJECTS, Store};

use crate::support::forge::Forge;
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major};

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
    let listing = list::list(&forge.repository, &forge.trust, None, None).await;
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
