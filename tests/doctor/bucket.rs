//! The bucket: the templates' under several credentials, and others that lack something.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    BucketVersioningStatus, CreateBucketConfiguration, PublicAccessBlockConfiguration,
    VersioningConfiguration,
};

use super::{configured, findings, of, posture, short};
use crate::support::Lifeboat;
use crate::support::cloud::{self, Account, Key, REGION, allow};
use crate::support::deployed::Deployed;
use crate::support::program::Ran;
use crate::support::servers::Server;

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_templates_bucket_stands_against_exporter_prove_and_administrator() {
    let deployed = Deployed::new().await;
    // The exporter may not ask for all, and what it tries is refused.
    let ran = deployed.run_as(&deployed.nightly(), &["doctor"]);
    assert_eq!(short(&posture(&ran)), ["warning regions"], "{ran:#?}");
    assert!(of(&findings(&ran), "status")[0].contains("no restore point"));
    // Prove may, and finds the canary that the exporter put there.
    let doctor = ["doctor", "--config", "backup.toml"];
    let ran = deployed.run_as(&deployed.prove(), &doctor);
    assert_eq!(short(&posture(&ran)), ["info accounts"], "{ran:#?}");
    let everything = [allow("*", "*")];
    let administrator = deployed.backup.user("administrator", &everything);
    let ran = deployed.run_as(&administrator, &doctor);
    assert_eq!(short(&posture(&ran)), ["info accounts"], "{ran:#?}");
    cloud::nothing_unknown(&[&deployed.source, &deployed.backup]);
}

/// Without the public access block that AWS puts on every new bucket.
async fn bare_bucket(account: &Account) -> String {
    let bucket = account.bucket().await;
    let delete = account.s3().delete_public_access_block().bucket(&bucket);
    delete.send().await.unwrap();
    bucket
}

/// Doctor on a bucket of an account, by its administrator.
fn doctor(account: &Account, bucket: &str, lock: &str, more: &[&str]) -> Ran {
    let lifeboat = configured(&format!(
        "[repository]\nurl = \"s3://{bucket}/prod\"\nregion = \"{REGION}\"\n[lock]\n{lock}\n"
    ));
    let args = [&["doctor", "--json"][..], more].concat();
    let mut command = lifeboat.command(args);
    Ran::of(&command.envs(account.root.env(REGION)).output().unwrap())
}

const COMPLIANCE: &str = "mode = \"compliance\"\ndaily_days = 1";
const GOVERNANCE: &str = "mode = \"governance\"\ndaily_days = 1";
const BARE: [&str; 6] = [
    "warning default-retention",
    "warning bucket-policy",
    "warning public-access",
    "warning lifecycle",
    "warning lifecycle",
    "warning lifecycle",
];

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_an_administrator_can_destroy_is_critical_and_what_only_hides_is_not() {
    let account = cloud::account();
    let bucket = bare_bucket(&account).await;
    let ran = doctor(&account, &bucket, COMPLIANCE, &["--no-try"]);
    assert_eq!(
        short(&posture(&ran)),
        [&BARE[..], &["info accounts"]].concat()
    );
    let ran = doctor(&account, &bucket, COMPLIANCE, &[]);
    let found = posture(&ran);
    assert!(
        !short(&found).contains(&"critical proof".to_owned()),
        "{found:#?}"
    );
    let harmless = [
        "put a version on top",
        "take a legal hold off",
        "hide an object",
    ];
    let proof = of(&found, "proof");
    assert_eq!(proof.len(), harmless.len(), "{proof:#?}");
    for (tried, what) in proof.iter().zip(harmless) {
        assert!(
            tried.contains(what) && tried.ends_with("succeeded"),
            "{tried}"
        );
    }

    let bucket = account.bucket().await;
    let ran = doctor(&account, &bucket, GOVERNANCE, &[]);
    let found = posture(&ran);
    let critical: Vec<_> = found
        .into_iter()
        .filter(|one| one.0 == "critical")
        .collect();
    let proof = of(&critical, "proof");
    assert_eq!(proof.len(), 2, "{critical:#?}");
    assert!(
        proof[0].contains("shorten a lock, bypassing governance"),
        "{proof:?}"
    );
    assert!(
        proof[1].contains("delete a locked version, bypassing"),
        "{proof:?}"
    );
    cloud::nothing_unknown(&[&account]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_canary_that_nothing_locks_is_deleted_and_that_is_critical() {
    let account = cloud::account();
    // Object Lock without a default, where exports rely on one.
    let bucket = account.bucket().await;
    let found = posture(&doctor(&account, &bucket, "mode = \"bucket-default\"", &[]));
    let critical: Vec<_> = found
        .into_iter()
        .filter(|one| one.0 == "critical")
        .collect();
    assert_eq!(short(&critical), ["critical proof"]);
    assert!(
        critical[0].2.contains("which nothing locks"),
        "{critical:?}"
    );

    let (bucket, s3) = (
        crate::support::unique("bare").replace('_', "-"),
        account.s3(),
    );
    let place = CreateBucketConfiguration::builder().location_constraint(REGION.into());
    let make = s3.create_bucket().bucket(&bucket);
    let made = make.create_bucket_configuration(place.build()).send().await;
    made.unwrap();
    let found = posture(&doctor(&account, &bucket, COMPLIANCE, &[]));
    assert_eq!(
        short(&found)[..2],
        ["critical versioning", "critical object-lock"]
    );
    assert!(
        of(&found, "proof")[0].contains("for want of a canary"),
        "{found:?}"
    );

    let versioned = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let put = s3.put_bucket_versioning().bucket(&bucket);
    let put = put.versioning_configuration(versioned.build()).send().await;
    put.unwrap();
    let found = posture(&doctor(&account, &bucket, COMPLIANCE, &[]));
    assert_eq!(
        short(&found)[..2],
        ["critical object-lock", "critical proof"]
    );
    cloud::nothing_unknown(&[&account]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn each_setting_that_is_there_is_no_finding_any_more() {
    let account = cloud::account();
    let bucket = bare_bucket(&account).await;
    let deny = |actions: &[&str]| {
        let mut deny = cloud::deny(actions.to_vec(), format!("arn:aws:s3:::{bucket}/*"));
        deny["Principal"] = "*".into();
        deny
    };
    let left = || {
        let found = posture(&doctor(&account, &bucket, COMPLIANCE, &["--no-try"]));
        let mut count = BTreeMap::new();
        for (_, check, _) in found {
            *count.entry(check).or_insert(0) += 1;
        }
        count.remove("accounts");
        count.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        left(),
        [
            "bucket-policy",
            "default-retention",
            "lifecycle",
            "public-access"
        ]
    );
    account
        .bucket_policy(&bucket, &[deny(&["s3:DeleteObjectVersion"])])
        .await;
    assert!(
        left().contains(&"bucket-policy".to_owned()),
        "bypass is not denied"
    );
    let both = ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"];
    account.bucket_policy(&bucket, &[deny(&both)]).await;
    assert_eq!(left(), ["default-retention", "lifecycle", "public-access"]);

    let block = |last: bool| {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(last);
        let put = account.s3().put_public_access_block().bucket(&bucket);
        put.public_access_block_configuration(block.build()).send()
    };
    block(false).await.unwrap();
    assert!(
        left().contains(&"public-access".to_owned()),
        "three of four"
    );
    block(true).await.unwrap();
    assert_eq!(left(), ["default-retention", "lifecycle"]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_bucket_out_of_reach_hides_no_other_finding() {
    let account = cloud::account();
    let found = posture(&doctor(&account, "nowhere-at-all", COMPLIANCE, &[]));
    assert_eq!(short(&found), ["critical repository", "info accounts"]);
    assert!(found[0].2.contains("NoSuchBucket"), "{found:?}");
    let bucket = account.bucket().await;
    let mut stranger = cloud::account();
    let key: Key = stranger.user("stranger", &[allow("s3:*", "*")]);
    stranger.root = key;
    let found = posture(&doctor(&stranger, &bucket, COMPLIANCE, &[]));
    assert_eq!(short(&found), ["critical repository", "info accounts"]);
    assert!(found[0].2.contains("AccessDenied"), "{found:?}");
}

/// On a store beside AWS.
fn on_server(server: &Server, lock: &str) -> Ran {
    let options = server.options();
    let lifeboat: Lifeboat = configured(&format!(
        "[repository]\nurl = \"s3://{}/{}\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\n[lock]\n{lock}\n",
        options.bucket, options.prefix, server.endpoint
    ));
    let mut command = lifeboat.command(["doctor", "--json"]);
    command
        .env("AWS_ACCESS_KEY_ID", &server.credentials.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &server.credentials.secret_key);
    Ran::of(&command.output().unwrap())
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn on_real_locks_too_the_exporter_destroys_nothing_and_an_administrator_what_governance_yields() {
    for lock in [COMPLIANCE, GOVERNANCE] {
        let found = posture(&on_server(&Server::ceph_as_exporter(), lock));
        let critical = found.iter().filter(|(severity, ..)| severity == "critical");
        assert_eq!(critical.count(), 0, "{found:#?}");
        assert!(
            !of(&found, "proof")
                .iter()
                .any(|what| what.contains("canary")),
            "{found:#?}"
        );
    }
    let found = posture(&on_server(&Server::ceph(), COMPLIANCE));
    assert!(
        !short(&found).contains(&"critical proof".to_owned()),
        "{found:#?}"
    );
    let found = posture(&on_server(&Server::ceph(), GOVERNANCE));
    let critical: Vec<_> = found
        .into_iter()
        .filter(|one| one.0 == "critical")
        .collect();
    let proof = of(&critical, "proof");
    assert!(
        proof
            .iter()
            .any(|what| what.contains("delete a locked version, bypassing")),
        "{critical:#?}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_store_that_takes_what_was_not_announced_is_told_of() {
    for (server, told) in [(Server::moto(), true), (Server::ceph(), false)] {
        let found = posture(&on_server(&server, COMPLIANCE));
        let says = short(&found).contains(&"warning checksum".to_owned());
        assert_eq!(says, told, "{found:#?}");
    }
}
