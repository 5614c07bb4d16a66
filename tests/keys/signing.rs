use super::*;

/// A repository whose manifests KMS signs.
async fn signed_by_kms(account: &Account) -> (Desk, String) {
    let key = account.signing_key().await;
    let sign = ["kms:Sign", "kms:GetPublicKey"];
    let desk = Desk {
        lifeboat: Lifeboat::empty(),
        key: account.user("exporter", &[allow(sign.to_vec(), key.as_str())]),
    };
    let init = [
        "init",
        "--repository",
        "repository",
        "--config",
        "lifeboat.toml",
        "--signing-kms",
        &key,
    ];
    let made = desk.result(0, &init);
    assert_eq!(made["signing_key"], key);
    let sheet = fs::read_to_string(desk.lifeboat.folder().join("break-glass-sheet.md")).unwrap();
    assert!(sheet.contains(made["fingerprint"].as_str().unwrap()));
    assert!(!desk.lifeboat.folder().join("manifest-signing.pem").exists());
    desk.lifeboat
        .configure(&crate::support::program::second_recipient());
    (desk, key)
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_kms_signed_restores_with_and_without_lifeboat() {
    let keeper = Keeper::new().await;
    let (desk, _) = signed_by_kms(&keeper.account).await;
    let exporter = desk.key.clone();
    let desk = desk.as_(&keeper.wraps);
    desk.result(0, &["keys", "add", "--kms", &keeper.key]);
    let desk = desk.as_(&exporter);
    let database = small();
    let before = cloud::calls(&keeper.account).len();
    let id = desk.export(&database);
    let asked = cloud::calls(&keeper.account).split_off(before);
    assert_eq!(asked, ["kms:GetPublicKey", "kms:Sign"]);

    let trust = desk.lifeboat.fingerprint();
    let target = Database::new(Major::Pg15);
    let identity = desk.identity();
    let restore = [
        "restore",
        &id,
        "--target",
        &target.url(),
        "--identity",
        &identity,
    ];
    desk.bare(&restore, &desk.place(&trust)).ok();
    assert_eq!(target.sql("SELECT count(*) FROM answer"), "1000");

    // The runbook's own words get the identity from KMS, and the script does the rest.
    let desk = desk.as_(&keeper.opens);
    let shown = desk.bare(&["show", &id], &desk.place(&trust)).ok();
    let source = shown.json()["result"]["manifest"]["source"]
        .as_str()
        .unwrap()
        .to_owned();
    let place = format!("{source}/{}/{id}", database.name);
    let parts = desk.lifeboat.repository().join("parts").join(&place);
    let runbook = fs::read_to_string(parts.join("RESTORE.md")).unwrap();
    let machine = Machine::new(Major::Pg15);
    let (_, decrypt) = runbook.split_once("       aws kms decrypt").unwrap();
    let decrypt = format!("aws kms decrypt{}", decrypt.split("\n\n").next().unwrap());
    let run = |command: &mut Command| {
        let command = command.current_dir(desk.lifeboat.folder());
        Ran::of(&command.envs(desk.key.env(REGION)).output().unwrap())
    };
    run(&mut machine.bash(["-ec", &decrypt])).ok();
    let manifest = format!("manifests/{place}.json");
    let script = parts.join("restore.sh");
    let restore = |trust: &str, target: &Database| {
        let mut command = machine.bash([script.to_str().unwrap(), "--repository", "repository"]);
        command.args(["--manifest", &manifest, "--identity", "kms-1.key"]);
        run(command.args(["--trust", trust, "--target", &target.url()]))
    };
    let target = Database::new(Major::Pg15);
    let ran = restore(&trust, &target).ok();
    assert!(
        ran.stderr.contains("signature      sound"),
        "{}",
        ran.stderr
    );
    assert_eq!(target.sql("SELECT count(*) FROM answer"), "1000");

    let target = Database::new(Major::Pg15);
    let stored = desk.lifeboat.repository().join(&manifest);
    let text = fs::read_to_string(&stored).unwrap();
    fs::write(
        &stored,
        text.replacen("\\\"rows\\\":1000", "\\\"rows\\\":1001", 1),
    )
    .unwrap();
    restore(&trust, &target).failed(1, "SIGNATURE DOES NOT MATCH");
    let ran = desk.bare(&["verify", &id], &desk.place(&trust));
    refused(&ran, 1, &["the signature does not match"]);
    cloud::nothing_unknown(&[&keeper.account]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_key_that_cannot_sign_manifests_is_refused_before_anything_is_made() {
    let keeper = Keeper::new().await;
    let desk = Desk {
        lifeboat: Lifeboat::empty(),
        key: keeper.account.root.clone(),
    };
    let init = |key: &str| {
        desk.run(&[
            "init",
            "--repository",
            "repository",
            "--config",
            "lifeboat.toml",
            "--signing-kms",
            key,
        ])
    };
    let spec = aws_sdk_kms::types::KeySpec::EccNistP384;
    let usage = aws_sdk_kms::types::KeyUsageType::SignVerify;
    let other = keeper
        .account
        .kms()
        .create_key()
        .key_spec(spec)
        .key_usage(usage);
    let other = other
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap()
        .arn
        .unwrap();
    refused(&init(&other), 1, &["ECC_NIST_P384", "ECC_NIST_P256"]);
    refused(&init(&keeper.key), 1, &["GetPublicKey"]);
    refused(
        &init("alias/lifeboat-signing"),
        2,
        &["--signing-kms", "arn:aws:kms"],
    );
    assert_eq!(fs::read_dir(desk.lifeboat.folder()).unwrap().count(), 0);

    let (desk, key) = signed_by_kms(&keeper.account).await;
    let database = small();
    keeper
        .account
        .kms()
        .disable_key()
        .key_id(&key)
        .send()
        .await
        .unwrap();
    let ran = desk.run(&["export", "--source", &database.url()]);
    refused(&ran, 1, &["DisabledException", "aws kms enable-key"]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_signing_key_is_asked_as_the_source_account_and_no_other() {
    let account = cloud::account();
    let (desk, _) = signed_by_kms(&account).await;
    let database = small();
    let config = desk.config();
    let with = |id: &str| {
        let source = format!("[source_account]\nid = \"{id}\"\nregion = \"{REGION}\"\n");
        desk.set_config(&format!("{config}\n{source}"));
        desk.run(&["export", "--source", &database.url()])
    };
    let before = cloud::calls(&account).len();
    with(&account.id).ok();
    let asked = cloud::calls(&account).split_off(before);
    assert_eq!(
        asked,
        ["sts:GetCallerIdentity", "kms:GetPublicKey", "kms:Sign"]
    );
    refused(&with("111122223333"), 1, &["source account", &account.id]);
    cloud::nothing_unknown(&[&account]);
}
