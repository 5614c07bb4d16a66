//! Replies lost, bodies cut, stores overloaded: either the object is stored and said to be, or there
//! is an error. Needs the servers that `bash tests/run.sh` starts.

use std::time::Duration;

use bytes::Bytes;
use lifeboat::testing::Kind;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::store::S3Options;
use lifeboat::testing::store::{Head, Store as _};

use crate::support::faulty::{Fate, Faulty, Seen};
use crate::support::rig::{Rig, key, lock, past_trials, put, says, versions};
use crate::support::servers::{Server, open};

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn after_a_lost_reply_the_stored_version_is_the_answer() {
    let lose = |number, _: &Seen| match number {
        0 => Fate::DropReply,
        _ => Fate::Pass,
    };
    let rig = Rig::new(Server::moto(), lose).await;
    let head = put(&rig.through, "bytes").await.unwrap();
    assert_eq!(rig.count("PUT"), 2, "the second is answered by 412");
    assert_eq!(versions(&rig.straight).await, 1);
    let stored = rig.straight.head(&key("a"), &head.version).await.unwrap();
    assert_eq!(unconfirmed(stored), head);
    // A store without conditional puts has two: the one just written is the answer.
    let rig = Rig::new(Server::ceph(), lose).await;
    let head = put(&rig.through, "bytes").await.unwrap();
    assert_eq!(versions(&rig.straight).await, 2);
    let stored = rig.straight.head(&key("a"), &head.version).await.unwrap();
    assert_eq!(
        stored,
        Head {
            sha256: None,
            ..head
        }
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn where_all_replies_are_lost_the_store_is_looked_up() {
    for server in [Server::moto(), Server::ceph()] {
        let rig = Rig::new(server, |_, seen| match seen.method.as_str() {
            "PUT" => Fate::DropReply,
            _ => Fate::Pass,
        })
        .await;
        let head = put(&rig.through, "bytes").await.unwrap();
        assert_eq!(rig.count("PUT"), 5);
        let got = rig.straight.get(&key("a"), &head.version, 9).await;
        assert_eq!(got.unwrap(), "bytes");
        assert!(head.lock.is_some());
    }
}

/// As a put of a store is answered that was not seen to compare checksums.
fn unconfirmed(head: Head) -> Head {
    Head {
        sha256: None,
        ..head
    }
}

/// As an exporter that may write parts and not read them: its lost replies are found by listing.
fn unreadable(seen: &Seen) -> bool {
    let reads = matches!(seen.method.as_str(), "GET" | "HEAD");
    let object = seen.target.contains("versionId=") && !seen.target.contains("retention");
    reads && object
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_writer_that_may_not_read_finds_what_it_stored() {
    // moto cannot tell a lock but by HeadObject.
    let rig = Rig::new(Server::ceph(), |_, seen| match seen.method.as_str() {
        "PUT" => Fate::DropReply,
        _ if unreadable(seen) => Fate::Refuse(403, "AccessDenied"),
        _ => Fate::Pass,
    })
    .await;
    let head = put(&rig.through, "bytes").await.unwrap();
    assert!(head.lock.is_some());
    let got = rig.straight.get(&key("a"), &head.version, 9).await;
    assert_eq!(got.unwrap(), "bytes");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_writer_that_may_not_read_does_not_take_other_bytes_for_its_own() {
    let rig = Rig::new(Server::moto(), |number, seen| match number {
        0 => Fate::DropRequest,
        _ if unreadable(seen) => Fate::Refuse(403, "AccessDenied"),
        _ => Fate::Pass,
    })
    .await;
    put(&rig.straight, "other").await.unwrap();
    let error = put(&rig.through, "bytes").await.unwrap_err();
    says(&error, &["cannot tell whether", "HeadObject: HTTP 403"]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_reply_that_does_not_come_is_a_lost_reply() {
    let stall = |number, _: &Seen| match number {
        0 => Fate::Stall,
        _ => Fate::Pass,
    };
    let rig = Rig::with(Server::moto(), stall, |_, limits| {
        limits.attempt_timeout = Duration::from_secs(2);
    })
    .await;
    put(&rig.through, "bytes").await.unwrap();
    assert_eq!(versions(&rig.straight).await, 1);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lost_reply_over_other_bytes_is_exists() {
    let rig = Rig::new(Server::moto(), |number, _| match number {
        0 => Fate::DropRequest,
        _ => Fate::Pass,
    })
    .await;
    put(&rig.straight, "other").await.unwrap();
    let error = put(&rig.through, "bytes").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Exists, "{}", error.chain());
    says(&error, &["PutObject", "PreconditionFailed", "/a"]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_request_that_never_arrives_is_an_error_and_stores_nothing() {
    let rig = Rig::new(Server::moto(), |_, seen| match seen.method.as_str() {
        "PUT" => Fate::DropRequest,
        _ => Fate::Pass,
    })
    .await;
    let error = put(&rig.through, "bytes").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
    assert_eq!(rig.count("PUT"), 5);
    assert_eq!(versions(&rig.straight).await, 0);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_overloaded_store_and_a_conflict_are_tried_again_within_bounds() {
    for (status, code) in [
        (503, "SlowDown"),
        (500, "InternalError"),
        (409, "ConditionalRequestConflict"),
    ] {
        let options = Server::moto().options();
        let proxy = Faulty::before(
            options.endpoint.as_deref().unwrap(),
            past_trials(move |number, _| match number {
                0..2 => Fate::Refuse(status, code),
                _ => Fate::Pass,
            }),
        )
        .await;
        let endpoint = Some(proxy.endpoint.clone());
        let store = open(S3Options {
            endpoint,
            ..options.clone()
        })
        .await;
        put(&store, "bytes").await.unwrap();
        // The last is the trial.
        assert_eq!(proxy.count("PUT"), 4, "{code}");

        let proxy = Faulty::before(options.endpoint.as_deref().unwrap(), move |_, _| {
            Fate::Refuse(status, code)
        })
        .await;
        let endpoint = Some(proxy.endpoint.clone());
        let store = open(S3Options {
            endpoint,
            ..options.clone()
        })
        .await;
        let error = put(&store, "bytes").await.unwrap_err();
        assert!(proxy.count("PUT") <= 5, "{}", proxy.count("PUT"));
        says(&error, &["PutObject", code, "as told"]);
        let error = store.list_versions("", None).await.unwrap_err();
        says(&error, &["ListObjectVersions", code]);
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_body_that_breaks_off_is_read_again_and_never_taken_for_whole() {
    let rig = Rig::new(Server::ceph(), |number, _| match number {
        0..2 => Fate::CutReply(3),
        _ => Fate::Pass,
    })
    .await;
    let head = put(&rig.straight, "bytes").await.unwrap();
    let got = rig.through.get(&key("a"), &head.version, 9).await.unwrap();
    assert_eq!(got, "bytes");
    let rig = Rig::new(Server::ceph(), |_, _| Fate::CutReply(3)).await;
    let head = put(&rig.straight, "bytes").await.unwrap();
    let error = rig.through.get(&key("a"), &head.version, 9).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
    assert_eq!(rig.count("GET"), 5);
}

/// The store has answered once; then it goes wrong twice, and one attempt is all that a request has.
async fn is_borne(rule: fn(usize, &Seen) -> Fate) {
    let rig = Rig::with(Server::moto(), rule, |_, limits| {
        limits.retry.attempts = 1;
        limits.patience = Duration::from_secs(300);
    })
    .await;
    assert_eq!(versions(&rig.through).await, 0);
    let head = put(&rig.through, "bytes").await.unwrap();
    assert_eq!(versions(&rig.straight).await, 1);
    let stored = rig.straight.head(&key("a"), &head.version).await.unwrap();
    assert_eq!(unconfirmed(stored), head);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_that_answered_before_is_waited_for() {
    tokio::join!(
        is_borne(|number, _| match number {
            1 | 2 => Fate::Refuse(503, "SlowDown"),
            _ => Fate::Pass,
        }),
        is_borne(|number, _| match number {
            1 | 2 => Fate::DropRequest,
            _ => Fate::Pass,
        }),
        // The put is carried out, and nothing says so; the look that would tell fails, too.
        is_borne(|number, _| match number {
            1 => Fate::DropReply,
            2 => Fate::Refuse(503, "SlowDown"),
            _ => Fate::Pass,
        }),
        // Stored, and not confirmed.
        is_borne(|number, _| match number {
            2 => Fate::Refuse(503, "SlowDown"),
            _ => Fate::Pass,
        }),
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_that_never_answered_is_not_waited_for() {
    let down = |_: usize, _: &Seen| Fate::Refuse(503, "SlowDown");
    let rig = Rig::with(Server::moto(), down, |_, limits| {
        limits.patience = Duration::from_secs(300);
    })
    .await;
    let error = put(&rig.through, "bytes").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{}", error.chain());
    assert_eq!(rig.count("PUT"), 5);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_put_has_time_by_its_size() {
    let late = |_: usize, seen: &Seen| match seen.method.as_str() {
        "PUT" => Fate::Late(Duration::from_secs(8)),
        _ => Fate::Pass,
    };
    let rig = Rig::with(Server::moto(), late, |_, limits| {
        limits.retry.attempts = 1;
        limits.attempt_timeout = Duration::from_secs(6);
    })
    .await;
    let error = put(&rig.through, "bytes").await;
    // The attempt ended, and the look said what it had done all the same.
    assert!(error.is_ok(), "{error:?}");
    assert_eq!(rig.count("GET"), 1);
    // Twenty seconds more at the slowest.
    let large = Bytes::from(vec![0; 1_000_000]);
    let sha256 = Sha256::of(&large);
    let (key, lock) = (key("large"), Some(lock()));
    let stored = rig.through.put_new(&key, large, sha256, lock).await;
    stored.unwrap();
    assert_eq!(rig.count("GET"), 1, "nothing had to be looked up");
}
