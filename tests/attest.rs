//! Attestations: one that a pinned key signed about exactly this point counts, and no other.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Kind;
use lifeboat::testing::codec::Identities;
use lifeboat::testing::drill::{self, Previous};
use lifeboat::testing::list;
use lifeboat::testing::model::Key;
use lifeboat::testing::model::LockMode;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::model::{Attestation, OpenedBy, Verdict};
use lifeboat::testing::repository::{Locks, PointSelector, Proof, Repository, RestorePoint};
use lifeboat::testing::store::DirStore;
use lifeboat::testing::store::Store;
use lifeboat::testing::{PublicKey, Signer, Trust};
use serde_json::Value;

use crate::support::drills::{ASKED, attest, attestation, daily};
use crate::support::every_point;
use crate::support::forge::Forge;
use crate::support::memory::MemoryStore;
use crate::support::watched::Watched;
use crate::support::{Database, Lifeboat, Major};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

struct Scene {
    memory: Arc<MemoryStore>,
    store: Arc<Watched>,
    forge: Forge,
    point: RestorePoint,
    /// What every test exports.
    _source: Database,
}

impl Scene {
    async fn new() -> Self {
        let memory = Arc::new(MemoryStore::default());
        let store = Watched::over(memory.clone());
        let source = Database::new(Major::Pg15);
        source.sql("CREATE TABLE t AS SELECT 1 AS id");
        let forge = Forge::new(store.clone()).await;
        Self {
            memory,
            store,
            point: forge.export(&source).await,
            forge,
            _source: source,
        }
    }

    async fn proof(&self) -> Proof {
        let manifest = &self.point.manifest;
        let (source, database) = (manifest.source.as_str(), manifest.database.as_str());
        let drills = self
            .forge
            .repository
            .attestations(Some(source), Some(database));
        let drills = drills.await.unwrap();
        drills.proof(&self.point, &self.forge.trust).await.unwrap()
    }

    /// What the next drill compares with.
    async fn previous(&self, identities: &Identities) -> Previous {
        let manifest = &self.point.manifest;
        let of = (manifest.source.as_str(), manifest.database.as_str());
        let (repository, trust) = (&self.forge.repository, &self.forge.trust);
        drill::previous(repository, of, trust, identities)
            .await
            .unwrap()
    }

    /// Asserts that nothing but what is passed over was found, and why.
    async fn counts_as_none(&self, why: &str) {
        let proof = self.proof().await;
        assert!(!proof.holds() && proof.sound.is_none() && proof.failed_at.is_none());
        assert_eq!(proof.passed_over.len(), 1, "{why}: {proof:?}");
        assert!(
            proof.passed_over[0].contains(why),
            "no '{why}' in {proof:?}"
        );
        let point = self.listed().await["points"][0].clone();
        assert_eq!(point["drilled_at"], Value::Null);
        assert_eq!(point["trusted"], true);
    }

    async fn listed(&self) -> Value {
        let (repository, trust) = (&self.forge.repository, &self.forge.trust);
        let listing = list::list(repository, trust, &every_point(Timestamp::now()))
            .await
            .unwrap();
        serde_json::to_value(listing).unwrap()
    }

    /// An envelope as a thief could write it: signed by a pinned key, over this body.
    async fn put(&self, key: &str, statement: &str, body: &Value) {
        let body = body.to_string();
        let statement = format!("{statement}\n{}\n", Sha256::of(body.as_bytes()));
        let signature = self.forge.signer.sign(statement.as_bytes()).await.unwrap();
        let envelope = serde_json::json!({"format": 1, "body": body, "signature": signature});
        let bytes = Bytes::from(format!("{envelope}\n"));
        let (key, sha256): (Key, _) = (key.parse().unwrap(), Sha256::of(&bytes));
        self.store.put_new(&key, bytes, sha256, None).await.unwrap();
    }

    fn body(&self) -> Value {
        let sound = attestation(&self.point, Verdict::Sound, Timestamp::UNIX_EPOCH);
        serde_json::to_value(sound).unwrap()
    }

    /// When this recipient's identity last opened a point, offline.
    async fn last_opening(&self, recipient: &str) -> Option<Timestamp> {
        let repository = &self.forge.repository;
        let drills = repository.attestations(None, None).await.unwrap();
        let last = drills.last_opening(recipient, repository, &self.forge.trust);
        last.await.unwrap()
    }

    /// Where an attestation of this point at the beginning of 1970 belongs.
    fn key(&self) -> String {
        let key = self.point.path().attestation(Timestamp::UNIX_EPOCH, None);
        key.unwrap().to_string()
    }
}

const ONE: &str = "age1aaaaaaaaa";
const OTHER: &str = "age1bbbbbbbbb";

const STATEMENT: &str = "lifeboat-attestation-v1";

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_newest_sound_drill_is_found_and_locked_as_a_manifest() {
    let scene = Scene::new().await;
    assert_eq!(scene.proof().await, Proof::default());
    let signer = &scene.forge.signer;
    let mut attested = Vec::new();
    for age in [3, 1, 2] {
        attested.push(attest(&scene.point, signer, Verdict::Sound, HOUR * age).await);
    }
    let head = scene.store.head(&attested[1].key, &attested[1].version);
    let lock = head.await.unwrap().lock.unwrap();
    let days = lock
        .retain_until
        .duration_since(Timestamp::now())
        .as_hours()
        / 24;
    assert_eq!((lock.mode, days), (LockMode::Compliance, 34));
    let manifest = &scene.point.manifest;
    let folder = format!(
        "attestations/{}/{}/{}/",
        manifest.source, manifest.database, manifest.id
    );
    assert!(attested[1].key.as_str().starts_with(&folder));

    let proof = scene.proof().await;
    assert!(proof.holds() && proof.passed_over.is_empty());
    let sound: Attestation = proof.sound.unwrap();
    let age = Timestamp::now().duration_since(sound.drilled_at);
    assert_eq!(age.as_mins(), 60);
    assert_eq!(sound.assertions[0].name, ASKED);
    let listed = scene.listed().await;
    assert_eq!(
        listed["points"][0]["drilled_at"],
        serde_json::to_value(sound.drilled_at).unwrap()
    );
    assert_eq!(listed["findings"], serde_json::json!([]));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_failed_drill_after_a_sound_one_is_told() {
    let scene = Scene::new().await;
    let signer = &scene.forge.signer;
    attest(&scene.point, signer, Verdict::Failed, HOUR * 3).await;
    attest(&scene.point, signer, Verdict::Sound, HOUR * 2).await;
    assert!(scene.proof().await.holds());
    attest(&scene.point, signer, Verdict::Failed, HOUR).await;
    let proof = scene.proof().await;
    assert!(!proof.holds());
    assert_eq!(proof.sound.as_ref().unwrap().result, Verdict::Sound);
    let listed = scene.listed().await;
    assert_ne!(listed["points"][0]["drilled_at"], Value::Null);
    assert!(
        listed["findings"][0]
            .as_str()
            .unwrap()
            .contains("its last drill failed")
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_unproven_drill_counts_neither_as_sound_nor_as_failed() {
    let scene = Scene::new().await;
    let signer = &scene.forge.signer;
    attest(&scene.point, signer, Verdict::Unproven, HOUR * 3).await;
    let proof = scene.proof().await;
    assert!(!proof.holds() && proof.sound.is_none() && proof.failed_at.is_none());
    assert!(proof.unproven_at.is_some());
    let listed = scene.listed().await;
    assert_eq!(listed["points"][0]["drilled_at"], Value::Null);
    let finding = listed["findings"][0].as_str().unwrap();
    assert!(
        finding.contains("cannot be proven without a superuser: `[drill] superuser = true`"),
        "{finding}"
    );
    // What a superuser has proven stays proven.
    attest(&scene.point, signer, Verdict::Sound, HOUR * 2).await;
    assert_eq!(scene.proof().await.unproven_at, None);
    attest(&scene.point, signer, Verdict::Unproven, HOUR).await;
    assert!(scene.proof().await.holds());
    assert_ne!(scene.listed().await["points"][0]["drilled_at"], Value::Null);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_result_that_a_reader_does_not_know_is_never_sound() {
    let scene = Scene::new().await;
    let mut body = scene.body();
    body["result"] = serde_json::json!("splendid");
    scene.put(&scene.key(), STATEMENT, &body).await;
    let proof = scene.proof().await;
    assert!(proof.sound.is_none() && proof.passed_over.is_empty());
    assert_eq!(proof.failed_at, Some(Timestamp::UNIX_EPOCH));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_assertions_gave_is_sealed_and_compared_with_at_the_next_drill() {
    let scene = Scene::new().await;
    let put = attest(&scene.point, &scene.forge.signer, Verdict::Sound, HOUR).await;
    let stored = scene.store.get(&put.key, &put.version, put.bytes).await;
    let stored = String::from_utf8(stored.unwrap().to_vec()).unwrap();
    assert!(
        stored.contains(ASKED) && !stored.contains("value"),
        "{stored}"
    );
    let known = scene.previous(&scene.forge.identities).await;
    assert_eq!(known.values, [(ASKED.to_owned(), "17".to_owned())]);
    assert!(known.unread.is_none());

    let (stranger, _) = lifeboat::testing::codec::new_identity();
    let stranger = Identities::from_secret(stranger.as_bytes()).unwrap();
    for identities in [stranger, Identities::default()] {
        let unknown = scene.previous(&identities).await;
        assert!(unknown.values.is_empty());
        assert_eq!(unknown.unread.unwrap().kind(), Kind::Denied);
    }
}

/// Before there were seals and walls.
#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn attestations_of_early_versions_are_read() {
    let scene = Scene::new().await;
    let mut body = scene.body();
    let fields = body.as_object_mut().unwrap();
    for later in ["as_superuser", "walls", "not_tried", "unproven", "sealed"] {
        assert!(fields.remove(later).is_some(), "{later}");
    }
    body["assertions"] = serde_json::json!([
        {"name": "rows", "ok": true, "value": "7"},
        {"name": "nothing", "ok": true, "value": null},
    ]);
    scene.put(&scene.key(), STATEMENT, &body).await;
    let proof = scene.proof().await;
    assert!(proof.holds());
    let sound = proof.sound.unwrap();
    assert_eq!((sound.as_superuser, sound.walls), (None, None));
    let previous = scene.previous(&Identities::default()).await;
    assert_eq!(previous.values, [("rows".to_owned(), "7".to_owned())]);
    assert!(previous.unread.is_none());
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn one_that_lists_or_seals_too_much_counts_as_none() {
    let kinds = vec![serde_json::json!({"kind": "", "count": 1}); 10_001];
    for (field, value) in [
        ("sealed", serde_json::json!("x".repeat(513 * 1024))),
        ("not_tried", kinds.into()),
    ] {
        let scene = Scene::new().await;
        let mut body = scene.body();
        body[field] = value;
        scene.put(&scene.key(), STATEMENT, &body).await;
        scene.counts_as_none("more than a reader accepts").await;
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_no_pinned_key_signed_counts_as_none() {
    let scene = Scene::new().await;
    let foreign = Signer::generate().unwrap();
    let put = attest(&scene.point, &foreign, Verdict::Sound, HOUR).await;
    scene.counts_as_none("not trusted").await;
    // It does not stand in the way of one that is.
    attest(&scene.point, &scene.forge.signer, Verdict::Sound, HOUR * 2).await;
    assert!(scene.proof().await.holds());
    assert!(
        scene.listed().await["findings"][0]
            .as_str()
            .unwrap()
            .contains(put.key.as_str())
    );

    // A signature over a manifest says nothing about drills, and the other way round.
    let scene = Scene::new().await;
    scene
        .put(&scene.key(), "lifeboat-manifest-v1", &scene.body())
        .await;
    scene.counts_as_none("cannot be trusted").await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_key_that_a_pinned_one_announced_attests_as_well() {
    let scene = Scene::new().await;
    let (new, by) = (Signer::generate().unwrap(), &scene.forge.signer);
    let (repository, now) = (&scene.forge.repository, Timestamp::now());
    let key = PublicKey::from_pem(&new.to_pem().unwrap()).unwrap();
    let announced = repository.announce_key(&key, by, &Locks::None, now);
    announced.await.unwrap();
    attest(&scene.point, &new, Verdict::Sound, HOUR).await;
    assert!(scene.proof().await.holds());
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_about_something_else_counts_as_none() {
    for (field, value, why) in [
        (
            "repository",
            serde_json::json!("0f".repeat(16)),
            "another repository",
        ),
        (
            "manifest_sha256",
            serde_json::json!("0f".repeat(32)),
            "another manifest",
        ),
        (
            "id",
            serde_json::json!("20261121T020000Z-k3v9q2"),
            "another restore point",
        ),
        (
            "database",
            serde_json::json!("other"),
            "another restore point",
        ),
        (
            "drilled_at",
            serde_json::json!("1970-01-02T00:00:00Z"),
            "another restore point or drill",
        ),
        (
            "opened_by",
            serde_json::json!({"recipient": "age1x", "kms_key": null}),
            "another restore point or drill",
        ),
        ("format", serde_json::json!(2), "format 2"),
        ("rows", serde_json::json!("many"), "no envelope"),
    ] {
        let scene = Scene::new().await;
        let mut body = scene.body();
        body[field] = value;
        scene.put(&scene.key(), STATEMENT, &body).await;
        scene.counts_as_none(why).await;
    }
    // What is not changed counts, and unknown fields are ignored.
    let scene = Scene::new().await;
    let mut body = scene.body();
    body["later"] = serde_json::json!({"version": true});
    scene.put(&scene.key(), STATEMENT, &body).await;
    assert!(scene.proof().await.holds());
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_damaged_or_lost_counts_as_none_and_hides_nothing() {
    let scene = Scene::new().await;
    let signer = &scene.forge.signer;
    let put = attest(&scene.point, signer, Verdict::Sound, HOUR).await;
    scene.memory.flip(&put.key, &put.version, 100, 1);
    scene.counts_as_none("").await;
    attest(&scene.point, signer, Verdict::Sound, HOUR * 2).await;
    assert!(scene.proof().await.holds());
    let whole = scene.listed().await;
    scene.memory.lose(&put.key, &put.version);
    assert_eq!(scene.listed().await["points"], whole["points"]);
    // Under a delete marker it is read as before.
    for key in scene.memory.keys() {
        scene.memory.delete(&key);
    }
    assert_eq!(scene.listed().await["points"], whole["points"]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn readers_without_rights_on_attestations_list_as_if_there_were_none() {
    let scene = Scene::new().await;
    attest(&scene.point, &scene.forge.signer, Verdict::Sound, HOUR).await;
    for denied in ["attestations/", "attestations/forge/lbt"] {
        *scene.store.denied.lock().unwrap() = Some(denied);
        let listed = scene.listed().await;
        assert_eq!(listed["points"][0]["drilled_at"], Value::Null);
        assert_eq!(listed["points"][0]["trusted"], true);
        assert_eq!(listed["findings"], serde_json::json!([]));
    }
}

/// Nobody knows then whether there are drills, so nobody may be told that there are none.
#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn credentials_that_expire_hide_no_drills() {
    let scene = Scene::new().await;
    attest(&scene.point, &scene.forge.signer, Verdict::Sound, HOUR).await;
    *scene.store.refusal.lock().unwrap() = Kind::Unauthenticated;
    for refused in ["attestations/", "attestations/forge/lbt"] {
        *scene.store.denied.lock().unwrap() = Some(refused);
        let (repository, trust) = (&scene.forge.repository, &scene.forge.trust);
        let listed = list::list(repository, trust, &every_point(Timestamp::now())).await;
        assert_eq!(listed.unwrap_err().kind(), Kind::Unauthenticated);
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_attestation_is_written_once() {
    let scene = Scene::new().await;
    let attestation = attestation(&scene.point, Verdict::Sound, Timestamp::now());
    let (repository, signer) = (&scene.forge.repository, &scene.forge.signer);
    repository
        .attest(&attestation, &daily(), signer)
        .await
        .unwrap();
    let other = Attestation {
        result: Verdict::Failed,
        ..attestation
    };
    let again = repository.attest(&other, &daily(), signer).await;
    assert!(again.is_err());
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn when_break_glass_last_opened_a_point_is_known_even_after_the_point_is_gone() {
    let scene = Scene::new().await;
    let repository = &scene.forge.repository;
    let opened = async |by: Option<(&str, Option<&str>)>, result, ago, signer: &Signer| {
        let attestation = Attestation {
            opened_by: by.map(|(recipient, kms_key)| OpenedBy {
                recipient: recipient.to_owned(),
                kms_key: kms_key.map(str::to_owned),
            }),
            ..attestation(&scene.point, result, Timestamp::now() - HOUR * ago)
        };
        let attested = repository.attest(&attestation, &daily(), signer).await;
        (attested.unwrap(), attestation.drilled_at)
    };
    let (signer, foreign) = (&scene.forge.signer, &Signer::generate().unwrap());
    opened(None, Verdict::Sound, 1, signer).await;
    opened(Some((ONE, Some("arn"))), Verdict::Sound, 2, signer).await;
    assert_eq!(scene.last_opening(ONE).await, None);
    opened(Some((ONE, None)), Verdict::Sound, 3, foreign).await;
    // It opened what then was not sound.
    let (newest, at) = opened(Some((ONE, None)), Verdict::Failed, 4, signer).await;
    let (_, before) = opened(Some((ONE, None)), Verdict::Sound, 5, signer).await;
    // However many drills of others there are since.
    for ago in 10..40 {
        opened(Some((OTHER, None)), Verdict::Sound, ago, signer).await;
    }
    for key in scene.memory.keys() {
        if !key.as_str().starts_with("attestations/") && key.as_str() != "lifeboat.json" {
            let version = scene.memory.newest(&key).unwrap();
            scene.memory.remove(&key, &version);
        }
    }
    assert_eq!(scene.last_opening(ONE).await, Some(at));
    assert!(scene.last_opening(OTHER).await.is_some());
    assert_eq!(scene.last_opening("age1ccccccccc").await, None);
    // A damaged one counts as none, the one before it does.
    scene.memory.flip(&newest.key, &newest.version, 100, 1);
    assert_eq!(scene.last_opening(ONE).await, Some(before));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_drill_of_the_future_does_not_count_longer_than_the_store_says() {
    let scene = Scene::new().await;
    let by = OpenedBy {
        recipient: ONE.to_owned(),
        kms_key: None,
    };
    let attestation = Attestation {
        opened_by: Some(by),
        ..attestation(
            &scene.point,
            Verdict::Sound,
            Timestamp::now() + HOUR * 24 * 365,
        )
    };
    let (repository, signer) = (&scene.forge.repository, &scene.forge.signer);
    let attested = repository.attest(&attestation, &daily(), signer).await;
    attested.unwrap();
    assert!(scene.last_opening(ONE).await.unwrap() <= Timestamp::now());
}

/// Notes and warnings of a restore that only looks.
fn told(lifeboat: &Lifeboat, id: &str, target: &Database) -> String {
    let (identity, url, bin) = (lifeboat.identity(), target.url(), target.major.bin());
    let identity = identity.to_str().unwrap();
    let restore = [
        "restore",
        id,
        "--dry-run",
        "--identity",
        identity,
        "--target",
        &url,
    ];
    let pg_bin = ["--pg-bin", bin.to_str().unwrap()];
    let ran = lifeboat.run([&restore[..], &pg_bin].concat()).ok();
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let events = ran.stderr.lines().map(event);
    let told = events.filter(|event| event["event"] == "note" || event["event"] == "warning");
    told.map(|event| event["message"].as_str().unwrap().to_owned() + "\n")
        .collect()
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_restore_says_when_the_point_was_last_drilled_and_which_newest_one_was() {
    let (source, target) = (Database::new(Major::Pg15), Database::new(Major::Pg15));
    source.sql("CREATE TABLE t AS SELECT 1 AS id");
    let lifeboat = Lifeboat::init();
    let export = || {
        lifeboat.export(&source.url())["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let [old, new] = [export(), export()];
    let none = told(&lifeboat, &old, &target);
    assert!(
        none.contains(&format!("no drill of {old} was found; no point")),
        "{none}"
    );

    let pem = std::fs::read_to_string(lifeboat.folder().join("manifest-signing.pem")).unwrap();
    let signer = Signer::from_pem(&pem).unwrap();
    let store = DirStore::open(lifeboat.repository()).unwrap();
    let repository = Repository::new(Arc::new(store));
    let trust = Trust {
        fingerprints: vec![signer.fingerprint()],
    };
    let drill = async |id: &str, result, age| {
        let which = PointSelector::Id(id.parse().unwrap());
        let found = repository.choose(&which, None, None).await.unwrap();
        let point = repository.open(&found, &trust).await.unwrap();
        let attestation = attestation(&point, result, Timestamp::now() - age);
        let attested = repository.attest(&attestation, &Locks::None, &signer).await;
        attested.unwrap();
    };
    drill(&old, Verdict::Sound, HOUR).await;
    let of_old = told(&lifeboat, &old, &target);
    assert!(
        of_old.contains(&format!("{old} was last drilled at ")),
        "{of_old}"
    );
    assert!(
        of_old.contains("no newer point has been drilled"),
        "{of_old}"
    );
    let of_new = told(&lifeboat, &new, &target);
    let says =
        format!("no drill of {new} was found; the newest that restored in a drill is {old}, at ");
    assert!(of_new.contains(&says), "{of_new}");
    drill(&new, Verdict::Failed, HOUR).await;
    let of_new = told(&lifeboat, &new, &target);
    assert!(
        of_new.contains(&format!("{new} FAILED its last drill")),
        "{of_new}"
    );
    drill(&new, Verdict::Unproven, HOUR / 2).await;
    let of_new = told(&lifeboat, &new, &target);
    assert!(of_new.contains("FAILED"), "a failure stays one: {of_new}");
    let third = export();
    drill(&third, Verdict::Unproven, HOUR / 2).await;
    let of_third = told(&lifeboat, &third, &target);
    assert!(
        of_third.contains("and cannot be proven without a superuser: ")
            && of_third.contains(&format!("the newest that restored in a drill is {old}")),
        "{of_third}"
    );
    let listed = lifeboat.bare(["list"]);
    assert_eq!(listed.code, Some(3), "{listed:?}");
    assert!(listed.stdout.contains("none found"), "{listed:?}");
}
