//! What a person must hear of a fleet, although not every point of it is opened.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Kind;
use lifeboat::testing::model::{Id, Key, Manifest, Previous, Sha256, Verdict};
use lifeboat::testing::repository::Repository;
use lifeboat::testing::status::DatabaseStatus;
use lifeboat::testing::store::Store;

use super::bent::Bent;
use super::fleet::{SMALL, Size, fill};
use super::{in_directory, in_memory, listing, program, trouble};
use crate::report::made::{HOUR, Made, NOW, Signed, Spec, days, now, two_ways};
use crate::report::section;
use crate::support::memory::{MemoryStore, TestClock};

/// What can be damaged, and a fleet in it.
async fn in_reach(size: &Size) -> (Arc<MemoryStore>, Made) {
    let clock = TestClock::at(NOW);
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let made = fill(store.clone(), clock, size).await;
    (store, made)
}

const NOTHING: Size = Size {
    databases: 0,
    points: 0,
    ..SMALL
};

fn night(database: &str, night: i64) -> Spec {
    Spec {
        source: "c".to_owned(),
        database: database.to_owned(),
        at: now() - days(night) - HOUR * 4,
        rows: 1000,
        lock_days: Some(50),
    }
}

/// Thirty nights of `c/x`, the newest last.
async fn thirty(made: &Made) -> Vec<Signed> {
    let keys = made.keys("c/x", &two_ways()).await;
    let mut points = Vec::new();
    for number in (0..30).rev() {
        let add = |manifest: &mut Manifest| manifest.objects.push(keys.clone());
        points.push(made.point_with(&night("x", number), add).await);
    }
    points
}

async fn drill(made: &Made, point: &Signed, hours: i32, verdict: Verdict) {
    made.drill(point, HOUR * hours, 9.0, verdict, Vec::new())
        .await;
}

fn manifest_key(point: &Signed) -> Key {
    let id = &point.manifest.id;
    format!("manifests/c/x/{id}.json").parse().unwrap()
}

fn version(store: &MemoryStore, key: &Key) -> String {
    store.newest(key).unwrap()
}

fn failed(one: &DatabaseStatus) -> Option<Timestamp> {
    one.drill_failed.as_ref().map(|drill| drill.at)
}

#[track_caller]
fn once(findings: &[String], words: &[&str]) {
    let told = findings
        .iter()
        .filter(|finding| words.iter().all(|words| finding.contains(words)));
    assert_eq!(told.count(), 1, "{words:?}: {findings:?}");
}

async fn status_findings(made: &Made) -> Vec<String> {
    let report = made.status(&made.forge.repository).await;
    report.findings.iter().map(ToString::to_string).collect()
}

/// Its bytes are those of the others', by its manifest.
#[tokio::test]
async fn recipients_of_each_database_are_read_from_its_own_object() {
    let size = Size {
        databases: 3,
        points: 2,
        ..SMALL
    };
    let (store, made) = in_reach(&size).await;
    let key = |text: &str| text.parse::<Key>().unwrap();
    let (damaged, lost) = (
        key("parts/b/tenant-001/keys.json"),
        key("parts/a/tenant-002/keys.json"),
    );
    store.flip(&damaged, &version(&store, &damaged), 3, 1);
    store.lose(&lost, &version(&store, &lost));
    let page = made.page(Vec::new()).await;
    once(&page.findings, &["b/tenant-001: ", "keys.json is damaged"]);
    once(&page.findings, &["a/tenant-002: ", "keys.json is missing"]);
    assert_eq!(page.findings.len(), 2);
}

#[tokio::test]
async fn a_failed_drill_of_the_newest_point_is_not_hidden_by_a_sound_one_of_an_older_point() {
    let made = in_memory(&SMALL).await;
    let points = thirty(&made).await;
    drill(&made, &points[29], 3, Verdict::Failed).await;
    drill(&made, &points[20], 2, Verdict::Sound).await;
    let report = made.status(&made.forge.repository).await;
    let one = report.databases.iter().find(|one| one.database == "x");
    let one = one.unwrap();
    assert_eq!(failed(one), Some(now() - HOUR * 3));
    let sound = one.drilled.as_ref().unwrap();
    assert_eq!(sound.id, points[20].manifest.id);
    once(&status_findings(&made).await, &["c/x: a drill FAILED"]);
    let page = made.page(Vec::new()).await;
    let id = points[29].manifest.id.to_string();
    once(&page.findings, &[&id, "its last drill failed"]);
    assert!(section(&page, "details").contains("failed"));

    // Nor by the next night's point, until that is drilled and sound.
    let hours_later = Spec {
        at: now() - HOUR * 2,
        ..night("x", 0)
    };
    let next = made.point(&hours_later).await;
    once(&status_findings(&made).await, &[&id, "c/x: a drill FAILED"]);
    let page = made.page(Vec::new()).await;
    once(&page.findings, &["c/x", &id, "its last drill failed"]);
    drill(&made, &next, 1, Verdict::Sound).await;
    assert_eq!(status_findings(&made).await, [""; 0]);
    let nothing_new = made.page(Vec::new()).await.findings;
    assert!(
        nothing_new.iter().all(|one| !one.contains("drill")),
        "{nothing_new:?}"
    );
}

#[tokio::test]
async fn a_page_of_some_states_does_not_say_that_nothing_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let made = in_directory(folder.path(), &SMALL).await;
    trouble(&made).await;
    let lifeboat = program(&made);
    let args = ["report", "--html", "report.html", "--state", "ok"];
    let ran = lifeboat.run(args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let result = ran.json()["result"].clone();
    let not_shown = result["findings_not_shown"].as_u64().unwrap();
    assert!(not_shown >= 12, "{result}");
    let page = std::fs::read_to_string(lifeboat.folder().join("report.html")).unwrap();
    assert!(!page.contains("No findings"), "{page}");
    assert!(!page.contains("<p>None. "), "{page}");
    let told = format!("--state leaves out 12 databases with {not_shown} findings");
    assert_eq!(page.matches(&told).count(), 2, "{page}");
    let text = lifeboat.bare(args).stdout;
    assert!(text.contains(&told), "{text}");
    let all = lifeboat.run(&args[..3]).json();
    assert_eq!(all["result"]["findings_not_shown"], 0);
}

#[tokio::test]
async fn a_drilled_point_that_no_longer_opens_is_told_and_one_that_aged_out_is_not() {
    let (store, made) = in_reach(&SMALL).await;
    let points = thirty(&made).await;
    drill(&made, &points[2], 5, Verdict::Sound).await;
    drill(&made, &points[20], 3, Verdict::Sound).await;
    drill(&made, &points[10], 2, Verdict::Sound).await;
    drill(&made, &points[10], 1, Verdict::Sound).await;
    let (gone, damaged) = (manifest_key(&points[20]), manifest_key(&points[10]));
    store.remove(&gone, &version(&store, &gone));
    store.replace(&damaged, &version(&store, &damaged), "{}");
    let id = points[10].manifest.id.to_string();
    let (told, page) = (status_findings(&made).await, made.page(Vec::new()).await);
    for findings in [&told, &page.findings] {
        once(findings, &[&id, "cannot be restored from"]);
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
    let report = made.status(&made.forge.repository).await;
    let one = report.databases.iter().find(|one| one.database == "x");
    let sound = one.unwrap().drilled.clone().unwrap();
    assert_eq!(sound.id, points[2].manifest.id);
}

#[tokio::test]
async fn what_is_stored_later_under_the_name_of_a_missing_point_closes_no_gap() {
    let made = in_memory(&SMALL).await;
    let missing = Id::new(night("x", 1).at, 7);
    let previous = Previous {
        id: missing.clone(),
        sha256: Sha256::of(b""),
        until: None,
    };
    made.point(&night("x", 2)).await;
    made.point_with(&night("x", 0), |manifest| {
        manifest.previous = Some(previous)
    })
    .await;
    let words = [&*format!("{missing} is missing"), "c/x"];
    once(&status_findings(&made).await, &words);
    made.unsigned("c", "x", missing.as_str()).await;
    let words = [&*format!("{missing} is missing"), "was stored later"];
    once(&status_findings(&made).await, &words);
    let listing = listing(&made.forge.repository, &made).await;
    once(&listing.findings, &words);
}

/// Of each database a point with recipients; few enough to be opened whole.
async fn with_recipients(databases: usize) -> (Arc<MemoryStore>, Made) {
    let (store, made) = in_reach(&NOTHING).await;
    for number in 0..databases {
        let database = format!("x{number}");
        let keys = made.keys(&format!("c/{database}"), &two_ways()).await;
        let add = |manifest: &mut Manifest| manifest.objects.push(keys);
        made.point_with(&night(&database, 0), add).await;
    }
    (store, made)
}

#[tokio::test]
async fn manifests_that_are_kept_while_more_is_read_have_their_room() {
    let (store, made) = with_recipients(12).await;
    let most = async |manifest_bytes: Option<u64>| {
        let bent = Arc::new(Bent::over(store.clone(), manifest_bytes));
        let repository = Repository::new(bent.clone());
        let trust = &made.forge.trust;
        let page = lifeboat::testing::report::report(&repository, trust, made.options()).await;
        assert_eq!(page.unwrap().databases, 12);
        bent.most_at_a_time()
    };
    // Databases are read side by side, of manifests of 60 MiB two.
    assert!(most(None).await > 2);
    assert_eq!(most(Some(60 << 20)).await, 2);
}

#[tokio::test]
async fn few_points_of_a_database_are_opened_whatever_else_is_stored() {
    let made = in_memory(&SMALL).await;
    for number in 0..20 {
        made.point(&night("x", number)).await;
    }
    for second in 10..40 {
        let id = format!("20261121T0530{second}Z-k3v9q2");
        made.unsigned("c", "junk", &id).await;
    }
    let listing = listing(&made.forge.repository, &made).await;
    let of = |database: &str| {
        let points = listing.points.iter();
        points.filter(|one| one.database == database).count()
    };
    assert_eq!((of("x"), of("junk"), of("tenant-000")), (20, 9, 1));
    let page = made.page(Vec::new()).await;
    assert_eq!(page.points - page.not_opened, 20 + 9 + 8 * 2 - 4);
}

#[tokio::test]
async fn without_a_pinned_key_every_point_is_listed() {
    let made = in_memory(&SMALL).await;
    let options = lifeboat::testing::list::Options {
        source: None,
        database: None,
        all: false,
        now: now(),
    };
    let nobody = lifeboat::testing::Trust {
        fingerprints: Vec::new(),
    };
    let listing = lifeboat::testing::list::list(&made.forge.repository, &nobody, &options).await;
    let listing = listing.unwrap();
    assert_eq!((listing.points.len(), listing.not_opened), (240, 0));
}

/// A clock that ran ahead, or a thief of a key, must not silence the drills after it.
#[tokio::test]
async fn a_drill_is_no_later_than_the_store_received_its_attestation() {
    let made = in_memory(&SMALL).await;
    let points = thirty(&made).await;
    made.clock.set(now() - HOUR * 10);
    let ahead = -days(300);
    made.drill(&points[20], ahead, 9.0, Verdict::Sound, Vec::new())
        .await;
    made.clock.set(now() - HOUR);
    drill(&made, &points[21], 1, Verdict::Failed).await;
    made.clock.set(now());
    let report = made.status(&made.forge.repository).await;
    let one = report.databases.iter().find(|one| one.database == "x");
    let one = one.unwrap();
    let sound_at = one.drilled.as_ref().map(|drill| drill.at);
    assert_eq!(sound_at, Some(now() - HOUR * 10));
    assert_eq!(failed(one), Some(now() - HOUR));
    let page = made.page(Vec::new()).await;
    let id = points[21].manifest.id.to_string();
    once(&page.findings, &[&id, "its last drill failed"]);
}

#[tokio::test]
async fn a_lock_that_cannot_be_told_does_not_choose_which_version_counts() {
    let (store, made) = in_reach(&NOTHING).await;
    let point = made.point(&night("x", 0)).await;
    let key = manifest_key(&point);
    let first = version(&store, &key);
    // A second one, as well signed.
    let body = store.get(&key, &first, u64::MAX).await.unwrap();
    made.clock.advance(SignedDuration::from_secs(1));
    store.overwrite(&key, body);
    let bent = Arc::new(Bent::over(store, None));
    let repository = Repository::new(bent.clone());
    let found = repository.find(None, None).await.unwrap();
    let open = async || {
        repository
            .open_with_lock(&found[0], &made.forge.trust)
            .await
    };
    let (opened, lock) = open().await.unwrap();
    assert_eq!(
        (&opened.manifest_ref.version, lock.is_some()),
        (&first, true)
    );
    *bent.without_lock.lock().unwrap() = Some(first);
    let Err(error) = open().await else {
        panic!("another version counts");
    };
    assert!(error.chain().contains("a lock that nobody knows"));
}

#[tokio::test]
async fn drills_that_were_read_count_although_an_older_one_may_not_be_read() {
    let made = in_memory(&SMALL).await;
    let points = thirty(&made).await;
    drill(&made, &points[29], 2, Verdict::Failed).await;
    drill(&made, &points[3], 3, Verdict::Sound).await;
    let id = &points[3].manifest.id;
    let older: &'static str = format!("attestations/c/x/{id}").leak();
    *made.store.unreadable.lock().unwrap() = Some(older);
    let told = status_findings(&made).await;
    once(&told, &["c/x: a drill FAILED"]);
    once(&told, &["c/x: drills up to", "were not read"]);
    let page = made.page(Vec::new()).await;
    let id = points[29].manifest.id.to_string();
    once(&page.findings, &[&id, "its last drill failed"]);
}

/// Who stores many that count as none must not hide what older ones say.
#[tokio::test]
async fn where_older_drills_were_not_read_that_is_told() {
    let (store, made) = in_reach(&SMALL).await;
    let points = thirty(&made).await;
    drill(&made, &points[29], 9, Verdict::Failed).await;
    let id = &points[29].manifest.id;
    let junk = async |number: i64| {
        let time = now() - HOUR * 5 + SignedDuration::from_secs(number);
        let key = format!(
            "attestations/c/x/{id}/{}.json",
            time.strftime("%Y%m%dT%H%M%SZ")
        );
        let body = b"{}".as_slice();
        let key = key.parse().unwrap();
        let put = store.put_new(&key, body.into(), Sha256::of(body), None);
        put.await.unwrap();
    };
    for number in 0..255 {
        junk(number).await;
    }
    once(&status_findings(&made).await, &["c/x: a drill FAILED"]);
    junk(255).await;
    let told = status_findings(&made).await;
    once(&told, &["c/x: drills before", "were not read"]);
    let page = made.page(Vec::new()).await;
    once(&page.findings, &["c/x: drills before", "were not read"]);
    let counts_as_none = |one: &&String| one.contains("counts as none");
    assert_eq!(told.iter().filter(counts_as_none).count(), 256);
}

/// A bucket that was copied by several hands at once has new times in any order.
#[tokio::test]
async fn a_copy_in_which_times_are_others_misses_no_point() {
    let (store, made) = in_reach(&SMALL).await;
    let copy = Arc::new(MemoryStore::new(made.clock.clone()));
    for key in store.keys().into_iter().rev() {
        made.clock.advance(SignedDuration::from_secs(1));
        let body = store.get(&key, &version(&store, &key), u64::MAX).await;
        let body = body.unwrap();
        let lock = store.head(&key, &version(&store, &key)).await.unwrap().lock;
        let sha256 = Sha256::of(&body);
        copy.put_new(&key, body, sha256, lock).await.unwrap();
    }
    let missing = |findings: Vec<String>| findings.iter().any(|one| one.contains("is missing"));
    let copied = Repository::new(copy.clone());
    let report = made.status(&copied).await;
    assert_eq!(report.databases.len(), 8);
    let told = report.findings.iter().map(ToString::to_string).collect();
    assert!(!missing(told));
    let all = lifeboat::testing::list::Options {
        source: None,
        database: None,
        all: true,
        now: now(),
    };
    let listed = async || {
        let listing = lifeboat::testing::list::list(&copied, &made.forge.trust, &all);
        listing.await.unwrap()
    };
    let listing = listed().await;
    assert_eq!(listing.points.len(), 240);
    assert!(!missing(listing.findings));

    // What lies there is another point, or none.
    let keys = copy.keys().into_iter();
    let of_one = keys.filter(|key| key.as_str().starts_with("manifests/a/tenant-000/"));
    let of_one: Vec<Key> = of_one.collect();
    let (key, other) = (&of_one[20], &of_one[19]);
    let body = copy.get(other, &version(&copy, other), u64::MAX).await;
    copy.replace(key, &version(&copy, key), body.unwrap());
    once(
        &listed().await.findings,
        &["a/tenant-000", "is missing", "is not that point"],
    );
}

#[tokio::test]
async fn a_state_in_which_no_database_is_does_not_read_as_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let lifeboat = program(&in_directory(folder.path(), &SMALL).await);
    for (args, code) in [
        (["status", "--state", "findings"].as_slice(), 3),
        (&["list", "--state", "urgent"], 0),
        (
            &["report", "--html", "report.html", "--state", "findings"],
            0,
        ),
    ] {
        let ran = lifeboat.bare(args);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(!ran.stdout.contains("no restore point"), "{ran:?}");
        assert!(
            ran.stdout.contains("--state leaves out 8 databases with"),
            "{ran:?}"
        );
        let result = lifeboat.run(args).json()["result"].clone();
        assert_eq!(result["databases_not_shown"], 8);
    }
    let page = std::fs::read_to_string(lifeboat.folder().join("report.html")).unwrap();
    assert!(
        page.contains("No database is in such a state: 8 are in others."),
        "{page}"
    );
    for words in ["everything", "There is no restore point", "never", "None: "] {
        assert!(!page.contains(words), "{words}: {page}");
    }
}

/// It says nothing of the point, and an older one is not the newest.
#[tokio::test]
async fn a_store_that_does_not_answer_makes_no_point_untrusted() {
    let (store, made) = in_reach(&SMALL).await;
    let bent = Arc::new(Bent::over(store, None));
    let repository = Repository::new(bent.clone());
    for all in [false, true] {
        let options = lifeboat::testing::list::Options {
            source: None,
            database: None,
            all,
            now: now(),
        };
        let list =
            async || lifeboat::testing::list::list(&repository, &made.forge.trust, &options).await;
        bent.silent.store(false, Ordering::Relaxed);
        assert_eq!(list().await.unwrap().findings, [""; 0]);
        bent.silent.store(true, Ordering::Relaxed);
        let Err(error) = list().await else {
            panic!("a listing without an answer");
        };
        assert_eq!(error.kind(), Kind::Unavailable);
    }
}
