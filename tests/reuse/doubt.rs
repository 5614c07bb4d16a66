//! Lost and damaged parts, states that were changed, exchanged or forged, other keys: more is stored, and no point names
//! what is not what it says.

use std::sync::Arc;

use jiff::Timestamp;
use lifeboat::testing::codec::{Sealer, new_identity};
use lifeboat::testing::model::{Attestation, Key, Manifest, Sha256, Verdict};
use lifeboat::testing::repository::{Locks, RestorePoint};
use lifeboat::testing::store::Store;
use serde_json::Value;

use crate::support::drills::attestation;

use super::{Scene, is_as_told, key, lies_in, share_anew};

/// A part of the first of these points that the second names.
async fn named_part(first: &RestorePoint, second: &RestorePoint) -> (Key, String) {
    let tables = second.manifest.tables.iter();
    let table = tables.max_by_key(|table| table.parts).unwrap();
    let mut parts = second.parts(table).await.unwrap();
    let lies_there = |key: &Key| lies_in(key.as_str(), &first.manifest.id);
    let part = parts.find(|part| lies_there(&part.as_ref().unwrap().object.key));
    let object = part.unwrap().unwrap().object;
    (object.key, object.version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lost_part_is_not_named_again_and_who_named_it_is_told() {
    let scene = Scene::new().await;
    let first = scene.export().await;
    scene.hours(1);
    let second = scene.export().await;
    let (key, version) = named_part(&first, &second).await;
    scene.store.remove(&key, &version);
    scene.hours(1);
    let third = scene.export().await;
    scene.sound(&third).await;
    is_as_told(&third).await;
    let share = share_anew(&third).await;
    assert!(share > 0.0 && share < 0.2, "{share}");
    for point in [&first, &second] {
        let problems = scene.forge.problems(&point.manifest.id, true).await;
        assert!(problems[0].contains(key.as_str()), "{problems:?}");
    }
    // A list that is gone is written anew.
    let list = third
        .manifest
        .tables
        .iter()
        .find_map(|table| table.list.clone())
        .unwrap();
    scene.store.remove(&list.key, &list.version);
    scene.hours(1);
    scene.sound(&scene.export().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn after_a_failed_drill_of_a_point_whose_parts_are_named_everything_is_stored_anew() {
    let scene = Scene::new().await;
    let first = scene.export().await;
    scene.hours(1);
    let second = scene.export().await;
    let (key, version) = named_part(&first, &second).await;
    scene.store.flip(&key, &version, 300, 1);
    let problems = scene.forge.problems(&second.manifest.id, true).await;
    assert!(problems[0].contains(key.as_str()), "{problems:?}");
    scene.hours(1);
    attest(&scene, &first, Verdict::Failed).await;
    scene.hours(1);
    let (third, report) = scene.export_with(|_| {}).await;
    assert!(
        report.findings[0].contains(first.manifest.id.as_str()),
        "{report:?}"
    );
    assert_eq!(share_anew(&third).await, 1.0);
    scene.sound(&third).await;
    // From now on nothing of the damaged one is named, and so nothing is stored for its sake.
    scene.hours(1);
    let fourth = scene.export().await;
    assert_eq!(
        fourth.manifest.parts_from,
        std::slice::from_ref(&third.manifest.id)
    );
    attest(&scene, &fourth, Verdict::Failed).await;
    scene.hours(1);
    let (fifth, _) = scene.export_with(|_| {}).await;
    assert_eq!(fifth.manifest.parts_from, []);
}

/// A proof takes hours, and exports go on: what they name lies in the folders of the point that it was about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_failed_drill_counts_for_a_later_point_with_parts_in_the_same_folder() {
    let scene = Scene::of("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g").await;
    scene.export().await;
    scene.hours(1);
    let proven = scene.export().await;
    scene.hours(1);
    let later = scene.export().await;
    assert!(!later.manifest.parts_from.contains(&proven.manifest.id));
    attest(&scene, &proven, Verdict::Failed).await;
    scene.hours(1);
    // Of some of the rows, say.
    attest(&scene, &proven, Verdict::Sound).await;
    scene.hours(1);
    let (full, report) = scene.export_with(|_| {}).await;
    assert_eq!(share_anew(&full).await, 1.0);
    let says = &report.findings[0];
    assert!(says.contains(proven.manifest.id.as_str()), "{says}");
    // It shares no folder with what failed.
    scene.hours(1);
    assert_eq!(share_anew(&scene.export().await).await, 0.0);
}

async fn attest(scene: &Scene, point: &RestorePoint, result: Verdict) {
    let manifest = &point.manifest;
    let attestation: Attestation = attestation(point, result, Timestamp::UNIX_EPOCH);
    let attestation = Attestation {
        drilled_at: lifeboat::testing::Clock::now(scene.clock.as_ref()),
        failures: u64::from(result == Verdict::Failed),
        ..attestation
    };
    store(scene, &attestation, manifest).await;
}

async fn store(scene: &Scene, attestation: &Attestation, manifest: &Manifest) {
    assert_eq!(attestation.id, manifest.id);
    let signer = &scene.forge.signer;
    let attested = scene
        .forge
        .repository
        .attest(attestation, &Locks::None, signer);
    attested.await.unwrap();
}

/// The rows came back, and somebody asked for others: what is stored is as good as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_question_that_was_answered_wrong_is_no_damage() {
    let scene = Scene::of("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g").await;
    let first = scene.export().await;
    scene.hours(1);
    let wrong: Attestation = attestation(&first, Verdict::Failed, Timestamp::UNIX_EPOCH);
    let wrong = Attestation {
        drilled_at: lifeboat::testing::Clock::now(scene.clock.as_ref()),
        ..wrong
    };
    assert!(wrong.failures == 0 && !wrong.assertions[0].ok);
    store(&scene, &wrong, &first.manifest).await;
    scene.hours(1);
    assert_eq!(share_anew(&scene.export().await).await, 0.0);
    // Beside an answer that is wrong, something did not come back.
    scene.hours(1);
    attest(&scene, &first, Verdict::Failed).await;
    scene.hours(1);
    let (point, _) = scene.export_with(|_| {}).await;
    assert_eq!(share_anew(&point).await, 1.0);
}

/// Stored rows under a changed state are stored again, or named as what they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_changed_state_counts_for_nothing_and_an_older_one_is_the_base() {
    let scene = Scene::of(
        "CREATE TABLE t AS SELECT g AS id, md5(g::text) FROM generate_series(1, 20000) g",
    )
    .await;
    let first = scene.export().await;
    scene.hours(1);
    let second = scene.export().await;
    let state = second.manifest.state.clone().unwrap();
    let sound = scene
        .store
        .get(&state.key, &state.version, state.bytes)
        .await
        .unwrap();
    for at in (0..sound.len()).step_by(sound.len() / 7) {
        let mut flipped = sound.to_vec();
        flipped[at] ^= 1;
        scene.store.replace(&state.key, &state.version, flipped);
        let (point, report) = scene.export_with(|_| {}).await;
        let says = &report.findings[0];
        assert!(says.contains(second.manifest.id.as_str()), "{says}");
        assert_eq!(
            point.manifest.parts_from,
            std::slice::from_ref(&first.manifest.id),
            "the older one"
        );
        scene.sound(&point).await;
        // The next must look at the changed one again.
        scene
            .store
            .remove(&point.manifest_ref.key, &point.manifest_ref.version);
    }
    let others = first.manifest.state.clone().unwrap();
    let older = scene
        .store
        .get(&others.key, &others.version, others.bytes)
        .await
        .unwrap();
    scene.store.replace(&state.key, &state.version, older);
    let (_, report) = scene.export_with(|_| {}).await;
    assert_eq!(report.findings.len(), 1, "the state of another point");
}

/// Who stole the signing key makes points that are believed; without the reuse key none of them is a base.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_signed_state_without_the_reuse_keys_code_names_nothing() {
    let mut scene =
        Scene::of("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g").await;
    let ours = scene.export().await;
    scene.hours(1);
    scene.forge.reuse = Some(key("b"));
    let (theirs, _) = scene.export_with(|_| {}).await;
    assert_eq!(
        share_anew(&theirs).await,
        1.0,
        "another key knows none of ours"
    );
    scene.hours(1);
    scene.forge.reuse = Some(key("a"));
    let (point, report) = scene.export_with(|_| {}).await;
    let says = &report.findings[0];
    assert!(
        says.contains(theirs.manifest.id.as_str()) && says.contains("reuse key"),
        "{says}"
    );
    assert_eq!(
        point.manifest.parts_from,
        std::slice::from_ref(&ours.manifest.id)
    );

    // Signed and whole: an older state of ours under a new manifest, and one of another database.
    for change in ["id", "database"] {
        scene.hours(1);
        let mut forged: Value = serde_json::to_value(&ours.manifest).unwrap();
        forged["id"] = Value::from("20261121T060000Z-aaaaaa");
        forged["parts_from"] = Value::from(vec![ours.manifest.id.to_string()]);
        let stolen = ours.manifest.state.clone().unwrap();
        let bytes = scene
            .store
            .get(&stolen.key, &stolen.version, stolen.bytes)
            .await
            .unwrap();
        let of = |name: &str| forged[name].as_str().unwrap().to_owned();
        let name = match change {
            "id" => format!("manifests/forge/{}/{}.state.zst", of("database"), of("id")),
            _ => stolen.key.to_string(),
        };
        let place: Key = name.parse().unwrap();
        if change == "id" {
            let sha256 = Sha256::of(&bytes);
            let head = scene
                .store
                .put_new(&place, bytes, sha256, None)
                .await
                .unwrap();
            forged["state"]["version"] = Value::from(head.version);
        } else {
            forged["id"] = Value::from("20261121T070000Z-bbbbbb");
        }
        forged["state"]["key"] = Value::from(place.to_string());
        let body = scene.forge.sign(&forged).await;
        let (point, report) = scene.export_with(|_| {}).await;
        assert!(
            report.findings[0].contains(forged["id"].as_str().unwrap()),
            "{report:?}"
        );
        scene.sound(&point).await;
        scene.store.remove(&body.key, &body.version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn for_other_recipients_everything_is_stored_anew() {
    let mut scene =
        Scene::of("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9000) g").await;
    scene.export().await;
    scene.hours(1);
    let recipients = scene.forge.sealer.recipients();
    let (_, other) = new_identity();
    let both = [recipients[0].as_str(), other.as_str()];
    scene.forge.sealer = Sealer::new(both).unwrap();
    let both_first = scene.export().await;
    assert_eq!(share_anew(&both_first).await, 1.0);
    scene.hours(1);
    scene.forge.sealer = Sealer::new([both[1], both[0]]).unwrap();
    assert_eq!(
        share_anew(&scene.export().await).await,
        0.0,
        "in another order"
    );
    scene.hours(1);
    scene.forge.sealer = Sealer::new([recipients[0].as_str()]).unwrap();
    let point = scene.export().await;
    scene.sound(&point).await;
    assert!(
        point
            .manifest
            .parts_from
            .iter()
            .all(|id| *id != both_first.manifest.id)
    );
}

/// The second export of a database gives way, and says to which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn of_two_exports_at_once_the_second_gives_way() {
    let scene = Scene::new().await;
    let slow = scene.export_with(|options| options.rate_limit = Some(1 << 20));
    let second = async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let store: Arc<dyn Store> = scene.store.clone();
        let exported = scene.forge.export_with(store, &scene.source, |_| {}).await;
        let failures = exported.unwrap().failures;
        assert_eq!(failures.len(), 1);
        let says = &failures[0].error;
        assert!(
            says.contains("another export") && says.contains("lifeboat 2026"),
            "{says}"
        );
    };
    let ((point, _), ()) = tokio::join!(Box::pin(slow), Box::pin(second));
    scene.sound(&point).await;
    scene.hours(1);
    assert_eq!(share_anew(&scene.export().await).await, 0.0);
}
