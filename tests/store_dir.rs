//! What only a directory can do wrong.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lifeboat::testing::Kind;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::store::DirStore;
use lifeboat::testing::store::Store as _;

#[test]
fn a_directory_that_does_not_exist_is_not_opened_and_a_file_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| DirStore::open(folder.path().join(name)).err().unwrap();
    let error = open("absent");
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.chain().contains("absent"), "{}", error.chain());
    fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(open("file").kind(), Kind::Usage);
}

#[tokio::test]
async fn leftovers_of_a_killed_writer_and_foreign_files_are_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path()).unwrap();
    fs::create_dir_all(folder.path().join("a/lost+found")).unwrap();
    fs::write(folder.path().join("a/.lifeboat~0123456789abcdef"), "half").unwrap();
    fs::write(folder.path().join("a/lost+found/x"), "x").unwrap();
    fs::write(folder.path().join("a/with space"), "x").unwrap();
    let key = "a/b".parse().unwrap();
    let sha256 = Sha256::of(b"whole");
    store
        .put_new(&key, Bytes::from("whole"), sha256, None)
        .await
        .unwrap();
    let page = store.list_versions("", None).await.unwrap();
    assert_eq!(page.objects.len(), 1);
    assert_eq!(page.objects[0].key, key);
    let names = fs::read_dir(folder.path().join("a")).unwrap();
    assert_eq!(names.count(), 4, "the writer left no temporary file");
}

#[tokio::test]
async fn a_root_that_vanished_is_an_error_and_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::create(folder.path().join("root")).unwrap();
    fs::remove_dir(folder.path().join("root")).unwrap();
    let key = "a/b".parse().unwrap();
    assert!(store.list_versions("", None).await.is_err());
    assert!(store.posture().await.is_err());
    let put = store.put_new(&key, Bytes::new(), Sha256::of(b""), None);
    assert!(put.await.is_err());
    assert!(!folder.path().join("root").exists());
}

#[tokio::test]
async fn a_changed_file_is_told_by_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path()).unwrap();
    let key = "a".parse().unwrap();
    let sha256 = Sha256::of(b"whole");
    let put = store.put_new(&key, Bytes::from("whole"), sha256, None);
    let version = put.await.unwrap().version;
    fs::write(folder.path().join("a"), "whale").unwrap();
    let head = store.head(&key, &version).await.unwrap();
    assert_eq!(head.sha256, Some(Sha256::of(b"whale")));
}

#[tokio::test]
async fn a_hundred_thousand_files_are_listed_in_a_second() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100_000 {
        if number % 10_000 == 0 {
            fs::create_dir(folder.path().join(format!("{}", number / 10_000))).unwrap();
        }
        let path = folder.path().join(format!("{}/{number}", number / 10_000));
        fs::write(path, "").unwrap();
    }
    let store = DirStore::open(folder.path()).unwrap();
    let start = Instant::now();
    let (mut count, mut from) = (0, None);
    loop {
        let page = store.list_versions("", from).await.unwrap();
        count += page.objects.len();
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let elapsed = start.elapsed();
    assert_eq!(count, 100_000);
    println!("{elapsed:?}");
    // Wide: the machine may be busy. Measured on two cores: 0.3 s.
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}
