//! The gate for Terraform, by files as `terraform` writes them.

use std::path::{Path, PathBuf};

use super::{configured, findings, of};
use crate::support::Lifeboat;
use crate::support::program::Ran;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor/terraform");
    folder.join(name)
}

/// No value that Terraform marks as sensitive is shown.
fn run(lifeboat: &Lifeboat, args: &[&str]) -> Ran {
    let ran = lifeboat.run(args);
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    ran
}

/// What is critical of a plan, each named.
fn destroyed(lifeboat: &Lifeboat) -> Vec<String> {
    let plan = fixture("plan.json");
    let found = findings(&run(
        lifeboat,
        &["doctor", "--plan", plan.to_str().unwrap()],
    ));
    let critical = found
        .into_iter()
        .filter(|(severity, ..)| severity == "critical");
    critical.map(|(_, _, what)| what).collect()
}

#[test]
fn without_a_configuration_everything_of_a_kind_is_protected_and_named() {
    let all = destroyed(&Lifeboat::empty());
    let expected = [
        "destroys aws_db_instance.gone (database prod)",
        "replaces module.db[\"eu\"].module.one.aws_db_instance.this[0] (database in-module)",
        "replaces aws_rds_cluster.each[\"a b\"] (database each)",
        "destroys aws_db_instance.twice (deposed 8e3a1f02) (database twice-old)",
        "sets deletion_protection = false on aws_db_instance.weaker",
        "sets backup_retention_period = 0 on aws_db_instance.weaker",
        "destroys aws_kms_key.under_unchanged",
        "destroys aws_s3_bucket.assets (bucket assets)",
        "destroys aws_s3_bucket.backups (bucket example-backup-bucket)",
    ];
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (found, expected) in all.iter().zip(expected) {
        assert!(found.contains(expected), "'{expected}' is not in '{found}'");
    }
}

#[test]
fn with_a_configuration_it_protects_what_is_named_there_and_the_key_under_it() {
    let bucket = "[repository]\nurl = \"s3://example-backup-bucket/prod\"\n";
    let with = |instance: &str| {
        let lifeboat = configured(bucket);
        lifeboat.configure(&format!(
            "[[source]]\nname = \"prod\"\nurl = \"postgresql://u@db.example.com/d\"\n{instance}"
        ));
        destroyed(&lifeboat)
    };
    let prod = with("instance = \"prod\"");
    assert_eq!(prod.len(), 2, "{prod:#?}");
    assert!(prod[0].contains("aws_db_instance.gone"), "{prod:?}");
    assert!(prod[1].contains("aws_s3_bucket.backups"), "{prod:?}");
    let unchanged = with("instance = \"unchanged\"");
    assert_eq!(unchanged.len(), 2, "{unchanged:#?}");
    assert!(
        unchanged[0].contains("aws_kms_key.under_unchanged"),
        "{unchanged:?}"
    );
    // One that names no instance knows none from another.
    assert_eq!(with("").len(), 8);
}

#[test]
fn forgetting_is_told_and_new_unchanged_and_moved_ones_are_not() {
    let plan = fixture("plan.json");
    let ran = run(
        &Lifeboat::empty(),
        &["doctor", "--plan", plan.to_str().unwrap()],
    );
    let found = findings(&ran);
    assert_eq!(of(&found, "plan-forgets").len(), 1);
    assert!(of(&found, "plan-forgets")[0].contains("aws_db_instance.forgotten"));
    for (.., what) in &found {
        for silent in ["data.", ".new", ".unchanged (", ".moved", "aws_instance"] {
            assert!(!what.contains(silent), "{what}");
        }
    }
    let ran = ran.json();
    let means = |address: &str| {
        let list = ran["result"]["findings"].as_array().unwrap().iter();
        let mut one = list.filter(|one| one["what"].as_str().unwrap().contains(address));
        one.next().unwrap()["means"].as_str().unwrap().to_owned()
    };
    assert!(means("instance.gone").contains("without a final snapshot; its automated"));
    assert!(means("this[0]").ends_with("after a final snapshot"));
    assert!(
        !means("cluster.each").contains("final snapshot"),
        "it does not say"
    );
}

#[test]
fn a_plan_that_changes_nothing_passes() {
    let lifeboat = Lifeboat::empty();
    let file = lifeboat.folder().join("plan.json");
    std::fs::write(&file, r#"{"format_version":"1.2","terraform_version":"1.9.8","planned_values":{"root_module":{}},"prior_state":{"format_version":"1.0"},"applyable":false,"complete":true,"errored":false}"#).unwrap();
    let ran = run(&lifeboat, &["doctor", "--plan", "plan.json"]).ok();
    assert_eq!(findings(&ran), []);
}

#[test]
fn a_state_with_a_database_beside_its_backups_is_critical() {
    let state = fixture("terraform.tfstate");
    let on = |bucket: &str| {
        // Out of reach, which is a finding and keeps nobody from looking at the state.
        let lifeboat = configured(&format!(
            "[repository]\nurl = \"s3://{bucket}/prod\"\nregion = \"eu-west-1\"\n\
             endpoint = \"http://127.0.0.1:1\"\n"
        ));
        let args = ["doctor", "--json", "--terraform", state.to_str().unwrap()];
        let mut command = lifeboat.command(args);
        command
            .env("AWS_ACCESS_KEY_ID", "k")
            .env("AWS_SECRET_ACCESS_KEY", "s");
        let ran = Ran::of(&command.output().unwrap());
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
        findings(&ran)
    };
    let found = on("example-backup-bucket");
    let together = of(&found, "one-state");
    assert_eq!(together.len(), 1, "{found:#?}");
    for part in [
        "module.db[\"eu\"].aws_db_instance.this[0]",
        "aws_s3_bucket.backups",
    ] {
        assert!(together[0].contains(part), "{together:?}");
    }
    assert_eq!(of(&found, "state-guards").len(), 4, "{found:#?}");
    // A bucket that is not the repository is nothing to us, the database still lacks its guards.
    let found = on("another-bucket");
    assert_eq!(of(&found, "one-state"), [""; 0]);
    assert_eq!(of(&found, "state-guards").len(), 3, "{found:#?}");
}

#[test]
fn what_cannot_be_judged_is_refused_and_never_passed() {
    let lifeboat = Lifeboat::empty();
    let change = |actions: &str| {
        format!(
            r#"{{"format_version":"1.2","resource_changes":[{{"address":"aws_vpc.a","type":"aws_vpc","change":{{"actions":{actions},"before":{{}},"after":null}}}}]}}"#
        )
    };
    let state = std::fs::read(fixture("terraform.tfstate")).unwrap();
    for (bytes, says) in [
        (b"".to_vec(), "is empty"),
        (b"  \n".to_vec(), "is empty"),
        (
            b"Terraform will perform the following actions:".to_vec(),
            "is not JSON",
        ),
        (
            b"{\"@level\":\"info\"}\n{\"@level\":\"info\"}".to_vec(),
            "is not JSON",
        ),
        (b"PK\x03\x04\x14\x00\x08\x00".to_vec(), "own format"),
        (b"PK\x03\x04\xff\xfe\x00".to_vec(), "is no text"),
        (b"\xff\xfe{\x00}\x00".to_vec(), "is no text"),
        (state, "is a state, not a plan"),
        (
            b"{\"format_version\":\"1.0\"}".to_vec(),
            "is a state, not a plan",
        ),
        (b"[]".to_vec(), "neither a plan nor a state"),
        (
            b"{\"format_version\":\"2.0\",\"resource_changes\":[]}".to_vec(),
            "format '2.0'",
        ),
        (
            b"{\"format_version\":\"1.2\",\"resource_changes\":7}".to_vec(),
            "no list",
        ),
        (
            b"{\"format_version\":\"1.2\",\"resource_changes\":[{}]}".to_vec(),
            "without address",
        ),
        (
            b"{\"format_version\":\"1.2\",\"resource_changes\":[],\"errored\":true}".to_vec(),
            "run that failed",
        ),
        (
            b"{\"format_version\":\"1.2\",\"resource_changes\":[],\"x\":1e999}".to_vec(),
            "is not JSON",
        ),
        (change("[\"annihilate\"]").into_bytes(), "unknown action"),
        (change("[7]").into_bytes(), "unknown action"),
        ("[".repeat(100_000).into_bytes(), "is not JSON"),
    ] {
        std::fs::write(lifeboat.folder().join("plan"), &bytes).unwrap();
        run(&lifeboat, &["doctor", "--plan", "plan"]).failed(2, says);
    }
    run(&lifeboat, &["doctor", "--plan", "."]).failed(2, "cannot read .");
    run(&lifeboat, &["doctor", "--plan", "absent"]).failed(2, "cannot read absent");
    // A number that nobody can hold is one, and no reason to stop.
    let huge = r#"{"format_version":"1.2","resource_changes":[{"address":"aws_db_instance.a","type":"aws_db_instance","change":{"actions":["update"],"before":{"backup_retention_period":7},"after":{"backup_retention_period":184467440737095516160}}}]}"#;
    std::fs::write(lifeboat.folder().join("plan"), huge).unwrap();
    run(&lifeboat, &["doctor", "--plan", "plan"]).ok();
    let deferred = change("[\"no-op\"]")
        .replace(
            "\"resource_changes\":[{",
            "\"deferred_changes\":[{\"reason\":\"provider_config_unknown\",\"resource_change\":{",
        )
        .replace("}]}", "}}],\"planned_values\":{}}");
    let deferred = deferred
        .replace("aws_vpc", "aws_db_instance")
        .replace("no-op", "delete");
    std::fs::write(lifeboat.folder().join("plan"), deferred).unwrap();
    let found = findings(&run(&lifeboat, &["doctor", "--plan", "plan"]));
    assert_eq!(of(&found, "plan-destroys").len(), 1, "{found:?}");
}
