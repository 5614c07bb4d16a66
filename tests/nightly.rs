//! The schedules: `nightly` in the source account, `prove` in the backup account, each with no more
//! rights than the templates give its role.

mod killed;
mod told;
mod unread;

use std::fs;

use serde_json::Value;

use crate::support::cluster::{Cluster, ClusterOptions, PASSWORD, bench};
use crate::support::deployed::Deployed;
use crate::support::program::Ran;
use crate::support::{Lifeboat, cloud};

/// Names and exit codes of a run's steps.
#[track_caller]
fn steps(ran: &Ran) -> Vec<(String, u64)> {
    let document = ran.json();
    let steps = document["result"]["steps"].as_array();
    let steps = steps.unwrap_or_else(|| panic!("{ran:?}")).iter();
    let name = |step: &Value| step["name"].as_str().unwrap().to_owned();
    steps
        .map(|step| (name(step), step["exit_code"].as_u64().unwrap()))
        .collect()
}

#[track_caller]
fn ended(ran: &Ran, code: i32, expected: &[(&str, u64)]) {
    let steps = steps(ran);
    // Whether points of earlier nights claim the week, and wait for a drill, depends on the second.
    let is_claimant = |name: &str| name.starts_with("drill ") && name.split(' ').count() == 3;
    let steps: Vec<(&str, u64)> = steps
        .iter()
        .filter(|(name, code)| *code != 0 || !is_claimant(name))
        .map(|(name, code)| (name.as_str(), *code))
        .collect();
    assert_eq!((ran.code, &steps[..]), (Some(code), expected), "{ran:#?}");
}

/// A server of its own: one that others use has databases that nobody exports, which is a finding.
fn cluster() -> Cluster {
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    cluster.sql(
        "CREATE TABLE answer (id int PRIMARY KEY, said text);
         INSERT INTO answer SELECT g, 'said ' || g FROM generate_series(1, 3000) g;
         CREATE TABLE course (id int PRIMARY KEY); INSERT INTO course VALUES (1);",
    );
    cluster
}

const NIGHT: [(&str, u64); 2] = [("export prod", 0), ("verify prod/postgres", 0)];
const PROOF: [(&str, u64); 4] = [
    ("verify prod/postgres", 0),
    ("drill prod/postgres", 0),
    ("promote", 0),
    ("status", 0),
];

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn with_the_rights_of_the_templates_alone_nights_are_exported_verified_and_proven() {
    let (deployed, cluster) = (Deployed::new().await, cluster());
    deployed.source("prod", &cluster);
    for file in ["lifeboat.toml", "backup.toml"] {
        let notify = "[notify]\nmetrics = true";
        deployed.lifeboat.configure_in(file, notify);
    }
    let first = deployed.run_nightly();
    ended(&first, 0, &NIGHT);
    let verified = &first.json()["result"]["steps"][1]["result"];
    assert_eq!(
        (&verified["listed"], &verified["locked"]),
        (&true.into(), &true.into())
    );
    let objects = verified["objects"].as_u64().unwrap();
    // The manifest, ten objects, and a list and a part of each table.
    assert_eq!(objects, 1 + 10 + 2 * 2, "{verified}");
    cluster.sql("DELETE FROM answer WHERE id = 1");
    ended(&deployed.run_nightly(), 0, &NIGHT);

    let prove = deployed.run_prove();
    ended(&prove, 0, &PROOF);
    let document = prove.json();
    let steps = document["result"]["steps"].as_array().unwrap();
    let result = |name: &str| {
        let step = steps.iter().find(|step| step["name"] == name);
        step.unwrap()["result"].clone()
    };
    let newest = result("status")["databases"][0]["newest"].clone();
    assert_eq!(
        (&result("verify prod/postgres")["rows"], &newest["rows"]),
        (&3000.into(), &3000.into())
    );
    let drill = result("drill prod/postgres");
    assert_eq!(drill["rows"], 3000);
    // KMS opened it: of break-glass that says nothing.
    let by = drill["opened_by"]["kms_key"].as_str().unwrap();
    assert!(by.starts_with("arn:aws:kms:"), "{drill}");
    let attestation = drill["attestation"].as_str().unwrap();
    assert!(!attestation.contains("-by-"), "{attestation}");
    assert_eq!(document["result"]["changes"], serde_json::json!([]));
    let status = &result("status")["databases"][0];
    assert_eq!(status["points"], 2);
    // The first of its week was drilled last, for its promotion.
    let promoted = result("promote")["points"][0].clone();
    assert_eq!(status["drilled"]["id"], promoted["id"]);
    assert_eq!(promoted["tiers"], serde_json::json!(["weekly"]));
    assert_eq!(promoted["extended"], true);
    let put = |account, name: &str, times| {
        let one = ("lifeboat".to_owned(), name.to_owned(), 1.0);
        assert_eq!(cloud::metrics(account), vec![one; times]);
    };
    put(&deployed.source, "NightlySuccess", 2);
    put(&deployed.backup, "ProveSuccess", 1);

    // What is gone and what changed since is told, and is no finding.
    cluster.sql("DROP TABLE course; DELETE FROM answer WHERE id < 12");
    deployed.run_nightly();
    let again = deployed.run_prove().json()["result"].clone();
    let [changed] = again["changes"].as_array().unwrap().as_slice() else {
        panic!("{again}");
    };
    // The claimant of the week was drilled last, and has one row more than the second point.
    assert_eq!(changed["since"], promoted["id"]);
    assert_eq!(
        changed["gone"],
        serde_json::json!([{"schema": "public", "name": "course"}])
    );
    assert_eq!(
        [
            &changed["rows_before"],
            &changed["rows_after"],
            &changed["tables_changed"]
        ],
        [3001, 2989, 1]
    );
    cloud::nothing_unknown(&[&deployed.source, &deployed.backup]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_step_that_fails_neither_hides_nor_stops_the_others() {
    let (deployed, cluster) = (Deployed::new().await, cluster());
    deployed.lifeboat.configure(
        "[[source]]\nname = \"gone\"\nurl = \"postgresql://u@127.0.0.1:1/d\"\n\
         [[source]]\nname = \"locked-out\"\nurl = \"postgresql://u@127.0.0.1:1/d\"\npassword_file = \"absent\"",
    );
    deployed.source("prod", &cluster);
    let night = deployed.run_nightly();
    let expected = [
        ("export gone", 1),
        ("export locked-out", 1),
        NIGHT[0],
        NIGHT[1],
    ];
    let steps = steps(&night);
    let names: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected.map(|(name, _)| name), "{night:#?}");
    assert_eq!(
        (night.code, steps[2].1, steps[3].1),
        (Some(1), 0, 0),
        "{night:#?}"
    );
    assert!(steps[0].1 != 0 && steps[1].1 != 0);

    let backup = deployed.lifeboat.folder().join("backup.toml");
    let text = fs::read_to_string(&backup).unwrap();
    let asked = "[[drill.assert]]\nname = 'never'\nsql = 'SELECT 1'\nequals = 2\n";
    fs::write(&backup, format!("{text}{asked}")).unwrap();
    let proof = deployed.run_prove();
    ended(
        &proof,
        1,
        &[
            PROOF[0],
            ("drill prod/postgres", 1),
            PROOF[2],
            ("status", 3),
        ],
    );
    let status = &proof.json()["result"]["steps"][3]["result"];
    assert!(
        status["findings"].to_string().contains("a drill FAILED"),
        "{status}"
    );

    // A forged newest point is told, and the one below it is proven.
    fs::write(&backup, text).unwrap();
    let s3 = deployed.backup.s3();
    s3.delete_bucket_policy()
        .bucket(&deployed.bucket)
        .send()
        .await
        .unwrap();
    let forged = "prod/manifests/prod/postgres/20991231T235959Z-zzzzzz.json";
    let put = s3.put_object().bucket(&deployed.bucket).key(forged);
    put.body(b"{\"format\":1}".to_vec().into())
        .send()
        .await
        .unwrap();
    let proof = deployed.run_prove();
    ended(&proof, 3, &[PROOF[0], PROOF[1], PROOF[2], ("status", 3)]);
    let status = &proof.json()["result"]["steps"][3]["result"];
    assert!(
        status["findings"][0]
            .to_string()
            .contains("20991231T235959Z"),
        "{status}"
    );

    // A bucket out of reach fails every step, and each is told.
    let text = fs::read_to_string(&backup).unwrap();
    fs::write(&backup, text.replace(&deployed.bucket, "nowhere-at-all")).unwrap();
    ended(
        &deployed.run_prove(),
        1,
        &[("find", 1), ("promote", 1), ("status", 1)],
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_source_whose_snapshots_no_key_lets_copy_is_a_finding_of_the_night() {
    let (lifeboat, cluster) = (Lifeboat::init(), cluster());
    lifeboat.source("prod", &cluster);
    let file = lifeboat.folder().join("lifeboat.toml");
    let text = fs::read_to_string(&file).unwrap();
    let of_rds = text.replace(
        "name = \"prod\"\n",
        "name = \"prod\"\ninstance = \"shop\"\n",
    );
    assert_ne!(of_rds, text);
    fs::write(&file, of_rds).unwrap();
    let ran = lifeboat.run(["nightly"]);
    ended(&ran, 3, &NIGHT);
    let findings = ran.json()["result"]["findings"].to_string();
    assert!(
        findings.contains("prod") && findings.contains("snapshot.kms_key"),
        "{findings}"
    );
}

#[test]
fn an_empty_repository_proves_nothing_and_says_so() {
    let lifeboat = Lifeboat::init();
    let proof = lifeboat.run(["prove"]);
    ended(&proof, 3, &[("status", 3)]);
    assert!(
        proof.stdout.contains("no restore point at all"),
        "{proof:?}"
    );
    let night = lifeboat.run(["nightly"]);
    ended(&night, 1, &[("export", 2)]);
    assert!(night.stdout.contains("names no [[source]]"), "{night:?}");
    assert!(!format!("{night:?}").contains(PASSWORD));
}
