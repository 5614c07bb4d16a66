//! What `status` says is read from the repository: from signed points, locks and attestations.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Clock as _;
use lifeboat::testing::Kind;
use lifeboat::testing::Signer;
use lifeboat::testing::model::MANIFEST_LEAD;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::model::Verdict;
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::status::{self, Expected, Limits, Options, Report};
use lifeboat::testing::store::Store as _;
use serde_json::Value;

use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::drills::attest;
use crate::support::forge::Forge;
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::watched::Watched;
use crate::support::{Database, Lifeboat, Major};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const LIMITS: Limits = Limits {
    export_age: SignedDuration::from_hours(26),
    copy_age: SignedDuration::from_hours(26),
    drill_age: SignedDuration::from_hours(8 * 24),
    shrink_percent: 50,
};

/// A repository with locks, and one sound and drilled point in it.
struct Scene {
    clock: Arc<TestClock>,
    memory: Arc<MemoryStore>,
    store: Arc<Watched>,
    forge: Forge,
    point: RestorePoint,
    source: Database,
}

impl Scene {
    async fn new() -> Self {
        let clock = TestClock::at("2026-11-21T02:00:00Z");
        clock.set(Timestamp::now());
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        let store = Watched::over(memory.clone());
        let forge = Forge::new(store.clone()).await;
        let source = Database::new(Major::Pg15);
        source.sql("CREATE TABLE answer AS SELECT g AS id FROM generate_series(1, 100) g");
        let point = forge.export(&source).await;
        attest(&point, &forge.signer, Verdict::Sound, SignedDuration::ZERO).await;
        Self {
            clock,
            memory,
            store,
            forge,
            point,
            source,
        }
    }

    fn options(&self, expected: Vec<Expected>) -> Options {
        Options {
            limits: LIMITS,
            source: None,
            database: None,
            expected,
            copies: Ok(Vec::new()),
        }
    }

    async fn status(&self) -> Report {
        self.expecting(Vec::new()).await
    }

    async fn expecting(&self, expected: Vec<Expected>) -> Report {
        let (repository, trust) = (&self.forge.repository, &self.forge.trust);
        let clock = self.clock.as_ref();
        let status = status::status(repository, trust, clock, self.options(expected));
        status.await.unwrap()
    }
}

#[track_caller]
fn says(report: &Report, expected: &[(&str, bool)]) {
    let found = &report.findings;
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (says, urgent)) in found.iter().zip(expected) {
        assert!(found.what.contains(says), "'{says}' is not in {found:?}");
        assert_eq!(found.urgent, *urgent, "{found:?}");
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_fresh_locked_and_drilled_point_is_no_finding_until_it_ages() {
    let scene = Scene::new().await;
    let report = scene.status().await;
    says(&report, &[]);
    let one = &report.databases[0];
    assert_eq!((one.points, one.newest.as_ref().unwrap().rows), (1, 100));
    assert_eq!(one.drilled.as_ref().unwrap().id, scene.point.manifest.id);
    let lock = scene.point.manifest.lock.unwrap().retain_until - MANIFEST_LEAD;
    let locked_until = one.newest.as_ref().unwrap().locked_until.unwrap();
    assert_eq!(locked_until.as_second(), lock.as_second());
    scene.clock.advance(HOUR * 27);
    says(&scene.status().await, &[("is 27 h old", true)]);
    scene.clock.advance(HOUR * 24 * 33);
    let all = [("34 d", true), ("hold", true), ("drill is 34 d", false)];
    says(&scene.status().await, &all);
    scene.clock.advance(HOUR * 24);
    let all = [("35 d", true), ("ended", true), ("drill is 35 d", false)];
    says(&scene.status().await, &all);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_expected_and_not_there_is_told() {
    let scene = Scene::new().await;
    let expected = |source: &str, database: Option<&str>| Expected {
        source: source.to_owned(),
        database: database.map(str::to_owned),
    };
    let there = vec![
        expected("forge", Some(&scene.source.name)),
        expected("forge", None),
    ];
    says(&scene.expecting(there).await, &[]);
    let absent = vec![
        expected("forge", Some("absent")),
        expected("absent", Some("courses")),
        expected("reporting", None),
    ];
    let report = scene.expecting(absent).await;
    let all = [
        ("reporting: there is no restore point of any", true),
        ("absent/courses: there is no restore point", true),
        ("forge/absent: there is no restore point", true),
    ];
    says(&report, &all);
    assert_eq!(report.databases.len(), 3);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn newest_points_that_cannot_be_trusted_are_passed_over_and_told() {
    let scene = Scene::new().await;
    let thief = Signer::generate().unwrap();
    let mut draft = scene.forge.draft(&scene.point).await;
    draft.manifest.snapshot_at = Timestamp::now();
    let forged = Forge {
        signer: thief,
        store: scene.forge.store.clone(),
        repository: scene.forge.repository.clone(),
        identities: scene.forge.identities.clone(),
        identity: scene.forge.identity.clone(),
        trust: scene.forge.trust.clone(),
        sealer: scene.forge.sealer.clone(),
        reuse: None,
        clock: scene.forge.clock.clone(),
    };
    scene.clock.advance(HOUR);
    let id = forged.commit_with(&draft, |_| {}, |_| {}).await;
    let report = scene.status().await;
    says(&report, &[("cannot be restored from", false)]);
    assert!(report.findings[0].what.contains(id.as_str()));
    let one = &report.databases[0];
    assert_eq!(one.newest.as_ref().unwrap().id, scene.point.manifest.id);
    assert_eq!(one.points, 2);
    // However many: they never make an old point fresh, nor that it has to be looked for any longer.
    for _ in 0..8 {
        forged.commit_with(&draft, |_| {}, |_| {}).await;
    }
    let report = scene.status().await;
    assert_eq!(report.findings.len(), 10, "{:#?}", report.findings);
    let last = report.findings.last().unwrap();
    assert!(
        last.urgent && last.what.contains("none of the newest"),
        "{last:?}"
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_of_the_future_is_as_old_as_the_store_says() {
    let scene = Scene::new().await;
    let mut draft = scene.forge.draft(&scene.point).await;
    draft.manifest.snapshot_at = "2099-01-01T00:00:00Z".parse().unwrap();
    // Stores tell time in seconds: of two within one, neither is the newer one.
    scene.clock.advance(SignedDuration::from_secs(1));
    let id = scene.forge.commit_with(&draft, |_| {}, |_| {}).await;
    let newest = |report: &Report| report.databases[0].newest.clone().unwrap();
    assert_eq!(newest(&scene.status().await).id, id);
    scene.clock.advance(HOUR * 27);
    says(&scene.status().await, &[("is 27 h old", true)]);
    // One with the id of a past year that came later is newer.
    let past = |manifest: &mut Value| manifest["id"] = "20200101T000000Z-aaaaaa".into();
    draft.manifest.snapshot_at = scene.clock.now();
    let later = scene.forge.commit_with(&draft, |_| {}, past).await;
    assert_eq!(newest(&scene.status().await).id, later);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_shrank_lost_its_lock_or_was_left_over_is_told() {
    let scene = Scene::new().await;
    scene.source.sql("DELETE FROM answer WHERE id > 40");
    scene.clock.advance(SignedDuration::from_secs(1));
    let point = scene.forge.export(&scene.source).await;
    let report = scene.status().await;
    says(&report, &[("40 rows", false)]);
    assert_eq!(report.databases[0].previous.as_ref().unwrap().rows, 100);

    let unlocked = Bytes::from_static(b"{}");
    let key = "parts/forge/x/20261121T020000Z-k3v9q2/keys.json"
        .parse()
        .unwrap();
    let sha256 = Sha256::of(&unlocked);
    scene
        .store
        .put_new(&key, unlocked, sha256, None)
        .await
        .unwrap();
    let report = scene.status().await;
    assert_eq!(report.leftovers.len(), 1, "{report:?}");
    assert_eq!(report.leftovers[0].database, "x");
    // A lock that is gone is not what the manifest says it is.
    let object = &point.manifest_ref;
    let bytes = scene
        .memory
        .get(&object.key, &object.version, object.bytes)
        .await;
    scene.memory.remove(&object.key, &object.version);
    scene.memory.overwrite(&object.key, bytes.unwrap());
    says(
        &scene.status().await,
        &[("is not locked", true), ("40 rows", false)],
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn only_attestations_of_pinned_keys_count_and_failed_ones_are_told() {
    let scene = Scene::new().await;
    scene.clock.advance(SignedDuration::from_mins(1));
    let point = scene.forge.export(&scene.source).await;
    let thief = Signer::generate().unwrap();
    let later = -SignedDuration::from_mins(1);
    attest(&point, &thief, Verdict::Sound, later).await;
    let report = scene.status().await;
    let none = ("counts as none", false);
    says(&report, &[none]);
    let drilled = |report: &Report| report.databases[0].drilled.clone().unwrap().id;
    assert_eq!(drilled(&report), scene.point.manifest.id);
    attest(&point, &scene.forge.signer, Verdict::Failed, later * 2).await;
    let report = scene.status().await;
    let failed = ("a drill FAILED", false);
    says(&report, &[none, failed]);
    assert_eq!(drilled(&report), scene.point.manifest.id);
    attest(&point, &scene.forge.signer, Verdict::Unproven, later * 3).await;
    let report = scene.status().await;
    let unproven = ("cannot be proven without a superuser", false);
    says(&report, &[none, failed, unproven]);
    assert_eq!(drilled(&report), scene.point.manifest.id);
    attest(&point, &scene.forge.signer, Verdict::Sound, later * 4).await;
    let report = scene.status().await;
    says(&report, &[]);
    assert_eq!(drilled(&report), point.manifest.id);
    // Without the right to read them nothing is known of drills.
    *scene.store.denied.lock().unwrap() = Some("attestations/");
    let denied = (
        "drills could not be listed: attestations/: access denied",
        false,
    );
    says(
        &scene.status().await,
        &[denied, ("no restore point is known", false)],
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_that_refuses_is_an_error_and_never_an_empty_repository() {
    let scene = Scene::new().await;
    for denied in ["manifests/", "parts/"] {
        *scene.store.denied.lock().unwrap() = Some(denied);
        let (repository, trust) = (&scene.forge.repository, &scene.forge.trust);
        let clock = scene.clock.as_ref();
        let status = status::status(repository, trust, clock, scene.options(Vec::new()));
        assert_eq!(status.await.unwrap_err().kind(), Kind::Denied, "{denied}");
    }
    *scene.store.denied.lock().unwrap() = None;
    *scene.store.unreadable.lock().unwrap() = Some("manifests/");
    let (repository, trust) = (&scene.forge.repository, &scene.forge.trust);
    let clock = scene.clock.as_ref();
    let status = status::status(repository, trust, clock, scene.options(Vec::new()));
    assert_eq!(status.await.unwrap_err().kind(), Kind::Denied);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_program_tells_it_in_words_in_json_and_by_its_exit_code() {
    let lifeboat = Lifeboat::init();
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    cluster.sql("CREATE TABLE answer AS SELECT g AS id FROM generate_series(1, 10) g");
    lifeboat.source("prod", &cluster);
    let before = lifeboat.run(["status"]);
    assert_eq!(before.code, Some(3));
    let findings = before.json()["result"]["findings"].clone();
    assert_eq!(findings[0], "prod/postgres: there is no restore point");
    lifeboat.run(["export"]).ok();
    let text = lifeboat.bare(["status"]);
    assert_eq!(text.code, Some(3), "a directory keeps no locks: {text:?}");
    for word in [
        "prod",
        "postgres",
        "not locked",
        "never",
        "finding: prod/postgres: the newest",
    ] {
        assert!(text.stdout.contains(word), "no '{word}' in {text:?}");
    }
    let other = lifeboat.run(["status", "--source", "other"]);
    assert_eq!(other.code, Some(3));
    assert!(
        other.stdout.contains("no restore point at all"),
        "{other:?}"
    );
    let bare = Lifeboat::empty();
    bare.bare(["status"]).failed(2, "no configuration");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_collector_never_sees_half_of_the_figures() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE answer AS SELECT g AS id FROM generate_series(1, 10) g");
    lifeboat.export(&database.url());
    let file = lifeboat.folder().join("lifeboat.prom");
    let args = ["status", "--prometheus", file.to_str().unwrap()];
    let write = || assert_eq!(lifeboat.run(args).code, Some(3));
    write();
    let first = fs::read_to_string(&file).unwrap();
    let names = |text: &str| -> Vec<String> {
        let values = text.lines().filter(|line| !line.starts_with('#'));
        let name = |line: &str| line.split(['{', ' ']).next().unwrap().to_owned();
        values.map(name).collect()
    };
    let expected = names(&first);
    assert!(expected.contains(&"lifeboat_export_timestamp_seconds".to_owned()));
    assert!(first.ends_with('\n'));
    for line in first.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut read = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(names(&fs::read_to_string(&file).unwrap()), expected);
                read += 1;
            }
            read
        });
        for _ in 0..5 {
            write();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    // No other file is left beside it, and one that cannot be written is an error.
    let beside = fs::read_dir(lifeboat.folder()).unwrap();
    let hidden = beside.filter(|one| {
        one.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
    let nowhere = lifeboat.folder().join("absent/lifeboat.prom");
    let ran = lifeboat.run(["status", "--prometheus", nowhere.to_str().unwrap()]);
    ran.failed(1, "cannot write");
}
