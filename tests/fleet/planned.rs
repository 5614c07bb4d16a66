//! What a plan knows and what comes after it: new databases, sources that nobody can list, a server's databases dealt
//! to several shards.

use serde_json::{Value, json};

use super::{DATABASES, Fleet, own, source, spread};
use crate::support::program::Ran;

fn findings(ran: &Ran) -> String {
    let steps = ran.json()["result"]["steps"].clone();
    let steps = steps.as_array().unwrap().iter();
    let of = |step: &Value| step["result"]["findings"].to_string();
    steps.map(of).collect()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_database_that_comes_after_the_plan_is_not_in_the_run_and_one_shard_says_so() {
    let fleet = Fleet::new();
    spread(&fleet);
    // The first database of each source is in shard 0.
    let first = fleet.run("2/3", "r").ok();
    assert_eq!(own(&first)["databases"], 2);
    let server = &fleet.servers[1];
    server.sql("CREATE DATABASE late");
    server.sql_in("late", "CREATE TABLE answer AS SELECT 1 AS id");
    let later = ["0/3", "1/3"].map(|shard| fleet.run(shard, "r"));
    let says: Vec<bool> = later
        .iter()
        .map(|ran| findings(ran).contains("late"))
        .collect();
    let told: Vec<i32> = later.iter().map(|ran| ran.code.unwrap()).collect();
    // The shard with the first database of its source, and no other one.
    assert!(says == [true, false] && told == [3, 0], "{later:#?}");
    assert_eq!(fleet.points(), DATABASES);
    let (ran, collected) = fleet.collect("r");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let finding = "shard 0: export b: its log has findings";
    assert_eq!(collected["findings"], json!([finding]));
    // The next run has it.
    for shard in ["0/2", "1/2"] {
        fleet.run(shard, "next").ok();
    }
    let points = fleet.points();
    assert!(points.contains(&"b/late".to_owned()), "{points:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_source_that_nobody_can_list_is_one_shards_whole_and_comes_when_it_can_be() {
    let fleet = Fleet::new();
    let server = &fleet.servers[0];
    let url = server.url_as("later", "postgres");
    fleet.lifeboat.configure(&format!(
        "[[source]]\nname = \"c\"\nurl = \"{url}\"\nexclude_databases = [\"postgres\"]"
    ));
    let shards = ["0/3", "1/3", "2/3"];
    let ended = shards.map(|shard| fleet.run(shard, "r"));
    let failed: Vec<&str> = shards
        .into_iter()
        .zip(&ended)
        .filter(|(_, ran)| ran.code != Some(0))
        .map(|(shard, _)| shard)
        .collect();
    let [failed] = failed[..] else {
        panic!("{ended:#?}");
    };
    assert_eq!(fleet.points(), DATABASES, "the others are not kept from it");
    let (ran, collected) = fleet.collect("r");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let of_c = |collected: &Value| {
        let databases = collected["databases"].as_array().unwrap().clone();
        let mut of = databases.into_iter().filter(|one| one["source"] == "c");
        (of.next().unwrap(), of.count())
    };
    let (whole, others) = of_c(&collected);
    assert_eq!((&whole["database"], others), (&Value::Null, 0), "{whole}");
    let shard = &whole["shard"];
    let failures = [
        format!("c: denied: the log of shard {shard} says why"),
        format!("shard {shard}: export c failed: its log says why"),
    ];
    assert_eq!(collected["failures"], json!(failures));

    // An engine starts the shard again.
    server.sql("CREATE ROLE later LOGIN SUPERUSER");
    let again = fleet.run(failed, "r").ok();
    assert_eq!(
        own(&again)["databases"].as_u64(),
        own_count(&collected, failed)
    );
    let all = [&DATABASES[..], &["c/one", "c/three", "c/two"]].concat();
    assert_eq!(fleet.points(), all);
    let (ran, collected) = fleet.collect("r");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let point = of_c(&collected).0["point"].clone();
    assert!(point.is_string(), "{collected}");
}

/// How many entries of the plan are a shard's.
fn own_count(collected: &Value, shard: &str) -> Option<u64> {
    let index: u64 = shard.split('/').next()?.parse().ok()?;
    let databases = collected["databases"].as_array()?.iter();
    Some(databases.filter(|one| one["shard"] == index).count() as u64)
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_servers_databases_stay_together_unless_they_are_spread() {
    let fleet = Fleet::new();
    let shares = |run: &str| {
        let ended = ["0/6", "1/6", "2/6", "3/6", "4/6", "5/6"].map(|shard| fleet.run(shard, run));
        ended.map(|ran| own(&ran.ok())["databases"].as_u64().unwrap())
    };
    assert_eq!(shares("together"), [3, 3, 0, 0, 0, 0]);
    assert_eq!(fleet.points(), DATABASES);
    spread(&fleet);
    assert_eq!(shares("spread"), [1; 6]);
    assert_eq!(fleet.points().len(), 12);
    // A database twice would be a point too many: each has one of either run.
    for database in DATABASES {
        let points = fleet.points();
        let of = points.iter().filter(|name| *name == database);
        assert_eq!(of.count(), 2, "{database}");
    }
    let (ran, _) = fleet.collect("spread");
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_engines_index_without_a_number_of_shards_starts_nothing() {
    let fleet = Fleet::new();
    let config = source("d", &fleet.servers[0], "databases = [\"one\"]");
    fleet.lifeboat.configure(&config);
    for command in ["nightly", "prove"] {
        for (index, run) in [
            ("JOB_COMPLETION_INDEX", "LIFEBOAT_RUN"),
            ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_JOB_ID"),
            ("LIFEBOAT_INDEX", "LIFEBOAT_RUN"),
        ] {
            let mut task = fleet.lifeboat.command([command, "--json"]);
            let ran = Ran::of(&task.env(index, "0").env(run, "7").output().unwrap());
            let ran = ran.failed(2, &format!("{index} says shard 0"));
            assert!(ran.stdout.contains("LIFEBOAT_SHARDS"), "{ran:?}");
        }
    }
    assert!(fleet.points().is_empty());
    assert!(!fleet.lifeboat.repository().join("runs").exists());
}
