//! What only S3 can do wrong: missing rights, foreign objects, odd stores.
//!
//! Needs the servers that `bash tests/run.sh` starts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::SignedDuration;
use lifeboat::testing::Kind;
use lifeboat::testing::model::Lock;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::store::{Head, Store as _};
use lifeboat::testing::store::{RequestLimits, S3Options, S3Store};

use crate::support::faulty::{Fate, Faulty, Seen};
use crate::support::rig::{Rig, key, lock, put, says, versions};
use crate::support::servers::{Server, open};

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_put_is_conditional_checked_locked_and_signed() {
    let rig = Rig::new(Server::moto(), |_, _| Fate::Pass).await;
    put(&rig.through, "bytes").await.unwrap();
    let head = rig.seen()[0].head.clone();
    let sha256 = Sha256::of(b"bytes").to_string();
    for header in [
        "if-none-match: *".to_owned(),
        "x-amz-checksum-sha256: ".to_owned(),
        "x-amz-sdk-checksum-algorithm: sha256".to_owned(),
        "x-amz-object-lock-mode: compliance".to_owned(),
        "x-amz-object-lock-retain-until-date: ".to_owned(),
        format!("x-amz-content-sha256: {sha256}"),
        "content-length: 5".to_owned(),
    ] {
        assert!(head.contains(&format!("\n{header}")), "{header}: {head}");
    }
    assert!(!head.contains("crc32"), "{head}");
    assert!(!head.contains("aws-chunked"), "{head}");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_that_returns_no_sha256_and_compares_it_confirms_by_taking_a_body() {
    let rig = Rig::new(Server::ceph(), |_, _| Fate::Pass).await;
    let first = put(&rig.through, "bytes").await.unwrap();
    assert_eq!(first.sha256, Some(Sha256::of(b"bytes")));
    let head = rig.straight.head(&key("a"), &first.version).await.unwrap();
    let head_alone = Head {
        sha256: None,
        ..first
    };
    assert_eq!(head, head_alone);
    put(&rig.through, "more").await.unwrap();
    assert_eq!((rig.count("PUT"), rig.count("GET")), (2, 0));
    // One attempt with a body that is not the announced one, which left nothing.
    assert_eq!(rig.trials(), 1);
    let page = rig.straight.list_versions("", None).await.unwrap();
    assert_eq!(page.objects.len(), 2, "{:?}", page.objects);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_that_gives_back_whatever_was_announced_confirms_nothing() {
    let rig = Rig::new(Server::moto(), |_, _| Fate::Pass).await;
    let name = key("attestations/prod/db/id/time.json");
    for (trials, body) in [(1, "bytes"), (1, "other")] {
        let (body, sha256) = (Bytes::from(body), Sha256::of(body.as_bytes()));
        let key = key(&format!("{name}{body:?}").replace(['"', '\\'], ""));
        let head = rig.through.put_new(&key, body, sha256, Some(lock())).await;
        let head = head.unwrap();
        assert_eq!((head.sha256, rig.trials()), (None, trials));
        // It says so all the same.
        let later = rig.straight.head(&key, &head.version).await.unwrap();
        assert_eq!(later.sha256, Some(sha256));
    }
    // Where the writer may write, locked as what it writes; the next one finds it there and knows.
    let left = rig
        .straight
        .list_versions("attestations/lifeboat.canary/", None);
    let left = left.await.unwrap().objects;
    assert_eq!((left.len(), left[0].bytes), (1, 22));
    let head = rig
        .straight
        .head(&left[0].key, &left[0].version)
        .await
        .unwrap();
    assert!(head.lock.is_some());
    let again = put(&rig.straight, "again").await.unwrap();
    assert_eq!(again.sha256, None);
    let all = rig.straight.list_versions("", None).await.unwrap().objects;
    let canaries = all.iter().filter(|one| one.key.as_str().contains("canary"));
    // The second lies in `parts/`, the folder of what has none.
    assert_eq!(canaries.count(), 2, "{all:?}");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_that_takes_any_body_or_may_not_be_tried_confirms_nothing() {
    // What was no answer is asked again with the next put.
    for (status, tries) in [(200, 1), (403, 1), (503, 2)] {
        let rule = move |_: usize, seen: &Seen| match seen.is_trial() {
            true => Fate::Refuse(status, "Told"),
            false => Fate::Pass,
        };
        let server = Server::ceph();
        let proxy = Faulty::before(&server.endpoint, rule).await;
        let options = S3Options {
            endpoint: Some(proxy.endpoint.clone()),
            ..server.options()
        };
        let mut limits = RequestLimits::default();
        limits.retry.attempts = 1;
        let through = S3Store::open_with(options, limits).await.unwrap();
        for body in ["bytes", "other"] {
            let put = put(&through, body).await.unwrap();
            assert_eq!((put.sha256, put.bytes), (None, 5), "{status}");
        }
        let seen = proxy.seen().into_iter();
        let tried = seen.filter(Seen::is_trial);
        assert_eq!(tried.count(), tries, "{status}");
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_owner_is_sent_with_every_request() {
    let rig = Rig::with(
        Server::ceph(),
        |_, _| Fate::Pass,
        |options, _| {
            options.expected_bucket_owner = Some("123456789012".into());
        },
    )
    .await;
    let store = &rig.through;
    let head = put(store, "bytes").await.unwrap();
    store.get(&key("a"), &head.version, 9).await.unwrap();
    store.list_versions("", None).await.unwrap();
    store.posture().await.unwrap();
    let longer = Lock {
        retain_until: lock().retain_until + SignedDuration::from_hours(1),
        ..lock()
    };
    let extended = store.extend_lock(&key("a"), &head.version, longer).await;
    extended.unwrap();
    for seen in rig.seen() {
        let owner = "x-amz-expected-bucket-owner: 123456789012";
        assert!(seen.head.contains(owner), "{seen:?}");
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_writer_that_may_not_read_has_its_put_confirmed_all_the_same() {
    for server in [Server::moto(), Server::ceph()] {
        let rig = Rig::new(server, |_, seen| match seen.method.as_str() {
            "HEAD" => Fate::Refuse(403, ""),
            _ => Fate::Pass,
        })
        .await;
        let Ok(head) = put(&rig.through, "bytes").await else {
            panic!("a put must not need the right to read");
        };
        let mut expected = rig.straight.head(&key("a"), &head.version).await.unwrap();
        // moto cannot tell a lock without HEAD, and its word for a checksum counts for nothing.
        let is_moto = expected.sha256.is_some();
        if is_moto {
            expected.lock = head.lock;
        }
        expected.sha256 = (!is_moto).then(|| Sha256::of(b"bytes"));
        expected.stored_at = head.stored_at;
        assert_eq!(head, expected);
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lock_that_may_not_be_read_is_an_error_and_not_an_unlocked_object() {
    let rig = Rig::new(Server::ceph(), |_, seen| {
        match seen.target.contains("retention") || seen.method == "HEAD" {
            true => Fate::Refuse(403, "AccessDenied"),
            false => Fate::Pass,
        }
    })
    .await;
    let error = put(&rig.through, "bytes").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{}", error.chain());
    says(&error, &["not confirmed", "s3:GetObjectRetention"]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn missing_rights_and_wrong_names_are_told_with_a_hint() {
    let changed = async |change: fn(&mut S3Options)| {
        let mut options = Server::ceph().options();
        change(&mut options);
        open(options).await
    };
    let store = changed(|options| options.bucket = "no-such-bucket-here".into()).await;
    let error = store.posture().await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    says(
        &error,
        &[
            "GetBucketVersioning",
            "s3://no-such-bucket-here",
            "NoSuchBucket",
            "name",
        ],
    );
    assert_eq!(put(&store, "x").await.unwrap_err().kind(), Kind::NotFound);
    let error = store.list_versions("", None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "never an empty page");

    let wrong = |options: &mut S3Options| {
        options.credentials.as_mut().unwrap().secret_key = "wrong".into();
    };
    let store = changed(wrong).await;
    let error = put(&store, "x").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);
    says(&error, &["SignatureDoesNotMatch", "credentials"]);
    let error = store.posture().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);

    let store = changed(|options| options.endpoint = Some("http://127.0.0.1:1".into())).await;
    let start = Instant::now();
    let error = put(&store, "x").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
    says(&error, &["cannot store", "/a", "refused", "network"]);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_exporter_can_add_and_read_back_and_not_delete() {
    let server = Server::ceph_as_exporter();
    let options = server.options();
    let store = open(options.clone()).await;
    let before = lock();
    let head = put(&store, "bytes").await.unwrap();
    assert!(head.lock.unwrap().covers(&before));
    assert!(store.posture().await.unwrap().object_lock);
    let thief = server.attacker(&options);
    assert!(thief.delete(&key("a"), None).await.is_err());
    assert!(thief.delete(&key("a"), Some(&head.version)).await.is_err());
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn bytes_that_are_not_what_was_announced_are_not_stored() {
    let store = open(Server::ceph().options()).await;
    let wrong = Sha256::of(b"something else");
    let name = key("a");
    let error = store.put_new(&name, Bytes::from("bytes"), wrong, None);
    let error = error.await.unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged, "{}", error.chain());
    assert_eq!(versions(&store).await, 0);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn foreign_objects_do_not_break_a_listing() {
    let names = [
        "\u{1}",
        "with space",
        "ü",
        "a//b",
        "folder/",
        "plus+",
        "50%!",
        "<&>",
    ];
    // moto writes a control character into its XML, encoded listing or not.
    for (server, names) in [(Server::moto(), &names[1..]), (Server::ceph(), &names[..])] {
        let options = server.options();
        let store = open(options.clone()).await;
        let foreign = server.attacker(&options);
        for name in names {
            foreign.put(name, b"x").await;
        }
        put(&store, "bytes").await.unwrap();
        let page = store.list_versions("", None).await.unwrap();
        assert_eq!(page.objects[0].key, key("a"));
        assert_eq!(versions(&store).await, 1, "{:?}", page.objects);
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn many_versions_of_a_key_are_all_listed_newest_first() {
    let server = Server::ceph();
    let options = server.options();
    let store = open(options.clone()).await;
    let thief = server.attacker(&options);
    let first = put(&store, "first").await.unwrap();
    for body in ["second", "third"] {
        thief.put("a", body.as_bytes()).await;
        thief.delete(&key("a"), None).await.unwrap();
    }
    thief.put("a-", b"another key").await;
    let page = store.list_versions("a", None).await.unwrap();
    let sizes: Vec<u64> = page.objects.iter().map(|listed| listed.bytes).collect();
    assert_eq!(sizes, [5, 6, 5, 11]);
    assert_eq!(page.objects[2].version, first.version);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_bucket_without_object_lock_says_so_and_takes_no_lock() {
    let server = Server::ceph();
    let mut options = server.options();
    let raw = server.attacker(&options).client;
    options.bucket = format!("plain-{:08x}", getrandom::u32().unwrap());
    let bucket = &options.bucket;
    raw.create_bucket().bucket(bucket).send().await.unwrap();
    let store = open(options.clone()).await;
    let posture = store.posture().await.unwrap();
    assert!(!posture.versioning && !posture.object_lock);
    let error = put(&store, "bytes").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{}", error.chain());
    let sha256 = Sha256::of(b"x");
    let name = key("b");
    let unlocked = store.put_new(&name, Bytes::from("x"), sha256, None);
    let error = unlocked.await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{}", error.chain());
    says(&error, &["does not keep versions", "versioning"]);
}
