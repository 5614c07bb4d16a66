//! One contract for every store: each is asked for what it promises, and for nothing else.
//!
//! The S3 stores are real servers (moto, Ceph RGW) that `bash tests/run.sh` starts.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::model::Key;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::model::{Lock, LockMode};
use lifeboat::testing::store::{Cursor, Head, ListedObject, PAGE_OBJECTS, Store};
use lifeboat::testing::{Kind, Result};

use crate::support::subjects::Subject;

/// Makes a test of each promise for one kind of store.
macro_rules! contract {
    ($run:meta, $store:ident: $($promise:ident),* $(,)?) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[$run]
                async fn $promise() {
                    super::$promise(crate::support::subjects::$store().await).await;
                }
            )*
        }
    };
    ($run:meta: $($store:ident),*) => { $(
        contract!($run, $store:
            what_is_put_comes_back,
            the_same_bytes_again_are_the_same_version,
            other_bytes_under_a_key_are_refused,
            of_eight_writers_one_wins_whole,
            the_absent_is_not_found,
            a_body_longer_than_allowed_is_not_read,
            keys_are_listed_in_byte_order_by_any_prefix,
            a_long_listing_comes_in_pages,
            locks_are_kept_to_the_second,
            a_body_comes_with_its_lock,
            a_lock_is_extended_and_never_shortened,
            a_lock_that_cannot_be_kept_is_refused,
            deletes_hide_nothing_and_locks_hold,
            the_posture_fits_the_promises,
        );
    )* };
}

contract!(doc = "Needs no server.": directory, in_memory, in_memory_with_locks_only);
contract!(ignore = "needs servers: bash tests/run.sh": moto, ceph);

// moto 5.2 leaves out the first key after a marker that is no key.
mod past {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs servers: bash tests/run.sh"]
    async fn a_listing_goes_on_past_a_prefix() {
        use crate::support::subjects::{ceph, directory, in_memory};
        for subject in [directory().await, in_memory().await, ceph().await] {
            super::a_listing_goes_on_past_a_prefix(subject).await;
        }
    }
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn in_days(days: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24 * days)
}

fn compliance(retain_until: Timestamp) -> Lock {
    Lock {
        mode: LockMode::Compliance,
        retain_until,
    }
}

async fn put(store: &dyn Store, name: &str, body: impl Into<Bytes>) -> Result<Head> {
    let body = body.into();
    let sha256 = Sha256::of(&body);
    store.put_new(&key(name), body, sha256, None).await
}

/// By which a store is tried, and no object of a test.
fn is_trial(listed: &ListedObject) -> bool {
    listed.key.as_str().contains("lifeboat.canary/")
}

async fn list(store: &dyn Store, prefix: &str) -> Vec<ListedObject> {
    let mut objects = Vec::new();
    let mut from = None;
    loop {
        let page = store.list_versions(prefix, from).await.unwrap();
        assert!(page.objects.len() <= PAGE_OBJECTS);
        objects.extend(page.objects.into_iter().filter(|listed| !is_trial(listed)));
        from = page.next;
        if from.is_none() {
            return objects;
        }
    }
}

async fn listed_keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    let objects = list(store, prefix).await;
    let keys = objects.iter().map(|object| object.key.to_string());
    keys.collect()
}

async fn what_is_put_comes_back(subject: Subject) {
    let store = &*subject.store;
    let half_mebi: Vec<u8> = (0..1 << 19).map(|at: u32| (at % 251) as u8).collect();
    for (name, body) in [("a/empty", vec![]), ("a/b/c.x%20-_", half_mebi)] {
        let body = Bytes::from(body);
        let put = put(store, name, body.clone()).await.unwrap();
        assert_eq!(put.bytes, body.len() as u64);
        let sha256 = Some(Sha256::of(&body));
        assert_eq!(put.sha256, sha256.filter(|_| subject.confirms));
        let age = Timestamp::now().duration_since(put.stored_at).abs();
        assert!(age < SignedDuration::from_secs(60), "{age}");
        let got = store.get(&key(name), &put.version, put.bytes).await;
        assert_eq!(got.unwrap(), body);
        let head = store.head(&key(name), &put.version).await.unwrap();
        assert_eq!(head, subject.later(&put, sha256));
        let listed = list(store, name).await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].key, key(name));
        assert_eq!(listed[0].version, put.version);
        assert_eq!(listed[0].bytes, put.bytes);
        let apart = listed[0].stored_at.duration_since(put.stored_at).abs();
        assert!(apart <= SignedDuration::from_secs(1), "{apart}");
    }
}

async fn the_same_bytes_again_are_the_same_version(subject: Subject) {
    let store = &*subject.store;
    let first = put(store, "a", "bytes").await.unwrap();
    let second = put(store, "a", "bytes").await.unwrap();
    if subject.keeps.conditional_puts {
        assert_eq!(first, second);
        assert_eq!(list(store, "a").await.len(), 1);
    }
    for head in [first, second] {
        let got = store.get(&key("a"), &head.version, 5).await.unwrap();
        assert_eq!(got, "bytes");
    }
}

async fn other_bytes_under_a_key_are_refused(subject: Subject) {
    let store = &*subject.store;
    let first = put(store, "a", "first").await.unwrap();
    for other in ["other", "longer than the first", ""] {
        let second = put(store, "a", other).await;
        if subject.keeps.conditional_puts {
            assert_eq!(second.unwrap_err().kind(), Kind::Exists);
        } else {
            assert_ne!(second.unwrap().version, first.version);
        }
        let got = store.get(&key("a"), &first.version, 5).await.unwrap();
        assert_eq!(got, "first");
    }
}

async fn of_eight_writers_one_wins_whole(subject: Subject) {
    let bodies: Vec<Bytes> = (0..8_u8).map(|n| vec![n; 100_000].into()).collect();
    let puts = bodies.iter().map(|body| {
        let (store, body) = (subject.store.clone(), body.clone());
        tokio::spawn(async move { put(&*store, "deep/er/a", body).await })
    });
    let results = futures_util::future::join_all(puts).await;
    let mut winners = 0;
    for (body, result) in bodies.iter().zip(results) {
        match result.unwrap() {
            Ok(head) => {
                winners += 1;
                let got = subject
                    .store
                    .get(&key("deep/er/a"), &head.version, 1 << 20)
                    .await
                    .unwrap();
                assert_eq!(got, body);
            }
            Err(error) => assert_eq!(error.kind(), Kind::Exists, "{}", error.chain()),
        }
    }
    let conditional = subject.keeps.conditional_puts;
    assert_eq!(winners, if conditional { 1 } else { 8 });
    assert_eq!(list(&*subject.store, "").await.len(), winners);
}

async fn the_absent_is_not_found(subject: Subject) {
    let store = &*subject.store;
    let present = put(store, "present/a", "bytes").await.unwrap();
    for absent in ["absent", "present", "present/a/b", "present/b"] {
        let absent = key(absent);
        let version = &present.version;
        let error = store.get(&absent, version, 9).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{}", error.chain());
        assert!(error.chain().contains(absent.as_str()), "{}", error.chain());
        let error = store.head(&absent, version).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{}", error.chain());
    }
    for prefix in ["absent", "absent/", "present/a/", "present/b", "pre/"] {
        let page = store.list_versions(prefix, None).await.unwrap();
        assert!(page.objects.is_empty() && page.next.is_none(), "{prefix}");
    }
}

async fn a_body_longer_than_allowed_is_not_read(subject: Subject) {
    let store = &*subject.store;
    let head = put(store, "a", vec![7; 300_000]).await.unwrap();
    let name = key("a");
    let get = |max_bytes| store.get(&name, &head.version, max_bytes);
    assert_eq!(get(300_000).await.unwrap().len(), 300_000);
    for max_bytes in [299_999, 1, 0] {
        assert_eq!(get(max_bytes).await.unwrap_err().kind(), Kind::Damaged);
    }
}

async fn keys_are_listed_in_byte_order_by_any_prefix(subject: Subject) {
    let store = &*subject.store;
    let mut names = vec![
        "a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a0", "a-b-/x", "a%2Fb", "A/b", "a_b", "b", "ab/c",
        "a.d/e",
    ];
    for name in &names {
        put(store, name, *name).await.unwrap();
    }
    names.sort_unstable();
    for prefix in ["", "a", "a/", "a/b", "a-", "a.", "a.d/", "a/c/d", "A", "c"] {
        let wanted: Vec<_> = names
            .iter()
            .filter(|name| name.starts_with(prefix))
            .collect();
        let found = listed_keys(store, prefix).await;
        assert!(wanted.iter().copied().eq(&found), "{prefix}: {found:?}");
    }
}

async fn a_long_listing_comes_in_pages(subject: Subject) {
    let store = &*subject.store;
    // Beside each other, and across folders whose names sort differently from their keys.
    let mut names: Vec<_> = (0..1005).map(|n| format!("many/{n}")).collect();
    names.extend((0..4).map(|n| format!("many-/{n}")));
    names.extend((0..4).map(|n| format!("many.{n}")));
    stream::iter(&names)
        .for_each_concurrent(16, |name| async {
            put(store, name, "x").await.unwrap();
        })
        .await;
    names.sort_unstable();
    assert_eq!(listed_keys(store, "many").await, names);
    let page = store.list_versions("many", None).await.unwrap();
    assert!(page.next.is_some());
    // Two readers of one listing, turn by turn, do not disturb each other.
    let again = store.list_versions("many", None).await.unwrap();
    assert_eq!(page, again);
    let rest = store.list_versions("many", page.next).await.unwrap();
    let rest_again = store.list_versions("many", again.next).await.unwrap();
    assert_eq!(rest, rest_again);
    let all = page.objects.iter().chain(&rest.objects);
    let all = all.filter(|listed| !is_trial(listed));
    assert_eq!(all.count(), names.len());
}

async fn a_listing_goes_on_past_a_prefix(subject: Subject) {
    let store = &*subject.store;
    for name in ["a/1/x", "a/1/y/z", "a/1-2", "a/10/x", "a/2/x", "b"] {
        put(store, name, "x").await.unwrap();
    }
    for (past, expected) in [
        ("a/1/", &["a/10/x", "a/2/x"][..]),
        ("a/1", &["a/2/x"]),
        ("a/2/", &[]),
        ("a/0", &["a/1-2", "a/1/x", "a/1/y/z", "a/10/x", "a/2/x"]),
    ] {
        let page = store.list_versions("a/", Some(Cursor::past(past))).await;
        let objects = page.unwrap().objects;
        let found: Vec<&str> = objects.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(found, expected, "past {past}");
    }
}

async fn locks_are_kept_to_the_second(subject: Subject) {
    let store = &*subject.store;
    if !subject.keeps.locks {
        return;
    }
    let body = Bytes::from("locked");
    let sha256 = Sha256::of(&body);
    let asked = compliance(in_days(40));
    let put = store
        .put_new(&key("locked"), body, sha256, Some(asked))
        .await
        .unwrap();
    let head = store.head(&key("locked"), &put.version).await.unwrap();
    assert_eq!(head, subject.later(&put, Some(sha256)));
    let lock = head.lock.unwrap();
    assert!(lock.covers(&asked), "{lock:?} for {asked:?}");
    assert_eq!(lock.mode, LockMode::Compliance);
    let (kept, asked) = (lock.retain_until, asked.retain_until);
    assert_eq!(kept.as_second(), asked.as_second());
}

async fn a_body_comes_with_its_lock(subject: Subject) {
    let store = &*subject.store;
    let lock = compliance(in_days(3));
    for (name, lock) in [("free", None), ("locked", Some(lock))] {
        if lock.is_some() && !store.promises().locks {
            continue;
        }
        let body = Bytes::from_static(b"body");
        let sha256 = Sha256::of(&body);
        let put = store.put_new(&key(name), body.clone(), sha256, lock).await;
        let version = put.unwrap().version;
        let got = store.get_with_lock(&key(name), &version, 4).await.unwrap();
        let head = store.head(&key(name), &version).await.unwrap();
        assert_eq!(got, (body, head.lock), "{name}");
        assert_eq!(got.1.is_some(), lock.is_some(), "{name}");
        let longer = store.get_with_lock(&key(name), &version, 3).await;
        assert_eq!(longer.unwrap_err().kind(), Kind::Damaged);
        let absent = store.get_with_lock(&key("absent"), &version, 4).await;
        assert_eq!(absent.unwrap_err().kind(), Kind::NotFound);
    }
}

async fn a_lock_is_extended_and_never_shortened(subject: Subject) {
    let store = &*subject.store;
    if !subject.keeps.locks {
        return;
    }
    let (name, body) = (key("locked"), Bytes::from("locked"));
    let sha256 = Sha256::of(&body);
    let days = |days| compliance(in_days(days));
    let put = store
        .put_new(&name, body, sha256, Some(days(10)))
        .await
        .unwrap();
    let longer = days(20);
    let held = store
        .extend_lock(&name, &put.version, longer)
        .await
        .unwrap();
    assert!(held.covers(&longer));
    // Asking for the lock that is there changes nothing.
    let again = store.extend_lock(&name, &put.version, held).await.unwrap();
    assert_eq!(again, held);
    let weaker = Lock {
        mode: LockMode::Governance,
        retain_until: in_days(30),
    };
    for refused in [days(15), weaker] {
        let error = store.extend_lock(&name, &put.version, refused).await;
        assert_eq!(error.unwrap_err().kind(), Kind::Refused);
        let head = store.head(&name, &put.version).await.unwrap();
        assert_eq!(head.lock, Some(held));
    }
    let absent = key("absent");
    let error = store.extend_lock(&absent, &put.version, longer).await;
    assert_eq!(error.unwrap_err().kind(), Kind::NotFound);
}

/// A store without locks says so instead of storing something unlocked.
async fn a_lock_that_cannot_be_kept_is_refused(subject: Subject) {
    let store = &*subject.store;
    if subject.keeps.locks {
        return;
    }
    let (name, body, lock) = (key("a"), Bytes::from("x"), compliance(in_days(1)));
    let sha256 = Sha256::of(&body);
    let put = store.put_new(&name, body, sha256, Some(lock)).await;
    assert_eq!(put.unwrap_err().kind(), Kind::Refused);
    assert!(list(store, "").await.is_empty());
    let error = store.extend_lock(&name, "x", lock).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
}

async fn deletes_hide_nothing_and_locks_hold(subject: Subject) {
    let store = &*subject.store;
    let Some(attacker) = &subject.attacker else {
        return;
    };
    let (name, body) = (key("locked"), Bytes::from("locked"));
    let sha256 = Sha256::of(&body);
    let lock = Some(compliance(in_days(10)));
    let head = store
        .put_new(&name, body.clone(), sha256, lock)
        .await
        .unwrap();
    attacker.delete(&name).await;
    let deleted = attacker.delete_version(&name, &head.version).await;
    assert!(!deleted, "a locked version was deleted");
    assert_eq!(store.get(&name, &head.version, 9).await.unwrap(), body);
    let later = store.head(&name, &head.version).await.unwrap();
    assert_eq!(later, subject.later(&head, Some(Sha256::of(&body))));
    let listed = list(store, "").await;
    assert_eq!(listed.len(), 1, "the version, and no delete marker");
    assert_eq!(listed[0].version, head.version);
    // The attacker is a real one: what is not locked does go.
    let loose = put(store, "loose", "x").await.unwrap();
    assert!(attacker.delete_version(&key("loose"), &loose.version).await);
    let gone = store.get(&key("loose"), &loose.version, 9).await;
    assert_eq!(gone.unwrap_err().kind(), Kind::NotFound);
}

async fn the_posture_fits_the_promises(subject: Subject) {
    let posture = subject.store.posture().await.unwrap();
    let locks = subject.keeps.locks;
    assert_eq!((posture.versioning, posture.object_lock), (locks, locks));
    assert_eq!(posture.server_time.is_some(), locks);
    if let Some(time) = posture.server_time {
        let off = Timestamp::now().duration_since(time).abs();
        assert!(off < SignedDuration::from_secs(60), "{off}");
    }
}
