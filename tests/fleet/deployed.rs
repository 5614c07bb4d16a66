//! Shards of `prove` with no more rights than the templates give: a locked bucket, keys in KMS, promotion, the metric.

use aws_sdk_s3::types::ObjectLockMode;
use serde_json::{Value, json};

use super::own;
use crate::support::cloud;
use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::deployed::Deployed;
use crate::support::program::Ran;

const STEP: &str = "collect";

fn shard(deployed: &Deployed, shard: &str) -> Ran {
    let args = ["prove", "--config", "backup.toml", "--shard", shard];
    let args = [&args[..], &["--run", "r"]].concat();
    deployed.run_as(&deployed.prove(), &args)
}

fn collect(deployed: &Deployed, more: &[&str]) -> Ran {
    let args = [
        "prove",
        "--config",
        "backup.toml",
        "--collect",
        "--run",
        "r",
    ];
    deployed.run_as(&deployed.prove(), &[&args[..], more].concat())
}

fn names(ran: &Ran) -> Vec<String> {
    let document = ran.json();
    let steps = document["result"]["steps"].as_array();
    let steps = steps.unwrap_or_else(|| panic!("{ran:?}")).iter();
    let name = |step: &Value| step["name"].as_str().unwrap().to_owned();
    steps.map(name).collect()
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn by_the_rights_of_the_templates_shards_prove_and_the_last_one_promotes_and_notifies_once() {
    let deployed = Deployed::new().await;
    let servers = [(); 2].map(|()| {
        let bin = bench("LIFEBOAT_TEST_PG15_BIN");
        let server = Cluster::start(&bin, &ClusterOptions::default());
        server.sql("CREATE TABLE answer AS SELECT generate_series(1, 300) AS id");
        server
    });
    for (name, server) in ["a", "b"].iter().zip(&servers) {
        deployed.source(name, server);
    }
    deployed
        .lifeboat
        .configure_in("backup.toml", "[notify]\nmetrics = true");
    deployed.run_nightly();

    let first = shard(&deployed, "0/2").ok();
    assert_eq!(own(&first)["collected"], Value::Null);
    // Promotion and status are about the whole: not while others still drill.
    assert!(
        names(&first).iter().all(|name| name.contains('/')),
        "{first:?}"
    );
    assert_eq!(cloud::metrics(&deployed.backup), []);
    let last = shard(&deployed, "1/2").ok();
    assert_eq!(own(&last)["collected"], 0, "{last:?}");
    let drilled = [names(&first), names(&last)].concat();
    let drills = drilled.iter().filter(|name| name.starts_with("drill "));
    assert_eq!(drills.count(), 2, "{drilled:?}");
    let success = ("lifeboat".to_owned(), "ProveSuccess".to_owned(), 1.0);
    assert_eq!(cloud::metrics(&deployed.backup), vec![success.clone()]);

    // Each is the first of its week.
    let promoted = deployed.run_as(
        &deployed.prove(),
        &["promote", "--dry-run", "--config", "backup.toml"],
    );
    let points = promoted.ok().json()["result"]["points"].clone();
    let weekly: Vec<_> = points.as_array().unwrap().iter().collect();
    assert_eq!(weekly.len(), 2, "{points}");
    for point in weekly {
        assert_eq!(
            (&point["tiers"], &point["extended"]),
            (&json!(["weekly"]), &json!(false))
        );
    }
    // Told once, whoever asks again.
    let again = collect(&deployed, &["--ended"]).ok();
    assert_eq!(names(&again), [STEP, "promote", "status"]);
    assert_eq!(cloud::metrics(&deployed.backup), [success]);
    locked_as_a_whole(&deployed).await;
    cloud::nothing_unknown(&[&deployed.source, &deployed.backup]);
}

/// What the run stored is locked, and the exporter neither reads it nor writes beside it.
async fn locked_as_a_whole(deployed: &Deployed) {
    let s3 = deployed.backup.s3();
    let listed = s3
        .list_objects_v2()
        .bucket(&deployed.bucket)
        .prefix("prod/runs/");
    let listed = listed.send().await.unwrap();
    let keys: Vec<&str> = listed
        .contents()
        .iter()
        .filter_map(|one| one.key())
        .collect();
    let folder = "prod/runs/prove/r/";
    let expected = ["0-1.json", "1-1.json", "collected.json", "plan.json"]
        .map(|name| format!("{folder}{name}"));
    assert_eq!(keys, expected);
    for key in keys {
        let head = s3.head_object().bucket(&deployed.bucket).key(key).send();
        let mode = head.await.unwrap().object_lock_mode;
        assert_eq!(mode, Some(ObjectLockMode::Compliance), "{key}");
    }
    let nightly = deployed.run_as(
        &deployed.nightly(),
        &[
            "prove",
            "--collect",
            "--run",
            "r",
            "--config",
            "lifeboat.toml",
        ],
    );
    nightly.failed(1, "plan.json");
}
