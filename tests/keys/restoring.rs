use super::*;

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_bare_machine_restores_by_kms_and_only_asks_it_where_it_must() {
    let keeper = Keeper::new().await;
    let bucket = Bucket::new(&keeper).await;
    bucket
        .desk
        .result(0, &["keys", "add", "--kms", &keeper.key]);
    let database = small();
    let id = bucket.desk.export(&database);
    let sealed = bucket.desk.lifeboat.identity();
    fs::remove_file(sealed).unwrap();

    let opens = allow("kms:Decrypt", keeper.key.as_str());
    let reader = bucket.reader(&keeper, "reader", &[opens]);
    let decrypts = || {
        let calls = cloud::calls(&keeper.account);
        calls.iter().filter(|call| *call == "kms:Decrypt").count()
    };
    reader.bare(&["list"], &bucket.place).ok();
    reader.bare(&["verify", &id], &bucket.place).ok();
    reader.bare(&["keys", "list", &id], &bucket.place).ok();
    assert_eq!(decrypts(), 0);
    let shown = reader.bare(&["show", &id], &bucket.place).ok();
    assert_eq!(
        shown.json()["result"]["catalog"]["tables"][0]["name"],
        "answer"
    );
    assert_eq!(decrypts(), 1);

    let target = Database::new(Major::Pg15);
    let restore = ["restore", &id, "--verify", "--target", &target.url()];
    let restored = reader.bare(&restore, &bucket.place).ok();
    let note = format!("opened with identity 'kms', kept by {}", keeper.key);
    assert_eq!(
        restored.stderr.matches(&note).count(),
        1,
        "{}",
        restored.stderr
    );
    assert_eq!(target.sql("SELECT count(*) FROM answer"), "1000");
    assert_eq!(decrypts(), 2);

    let versions = keeper
        .account
        .s3()
        .list_object_versions()
        .bucket(&bucket.name);
    for version in versions.send().await.unwrap().versions.unwrap() {
        let head = keeper.account.s3().head_object().bucket(&bucket.name);
        let head = head
            .key(version.key.unwrap())
            .version_id(version.version_id.unwrap());
        let mode = head.send().await.unwrap().object_lock_mode;
        assert_eq!(mode, Some(ObjectLockMode::Compliance));
    }
    cloud::nothing_unknown(&[&keeper.account]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn each_refusal_of_kms_names_its_cause_and_the_way_without_it() {
    let keeper = Keeper::new().await;
    let bucket = Bucket::new(&keeper).await;
    bucket
        .desk
        .result(0, &["keys", "add", "--kms", &keeper.key]);
    let database = small();
    let id = bucket.desk.export(&database);
    let opens = allow("kms:Decrypt", keeper.key.as_str());
    let reader = bucket.reader(&keeper, "reader", &[opens]);
    let stranger = bucket.reader(&keeper, "stranger", &[]);
    let target = Database::new(Major::Pg15);
    let url = target.url();
    let dry = ["restore", &id, "--dry-run", "--target", &url];

    reader.bare(&dry, &bucket.place).ok();
    let denied = stranger.bare(&dry, &bucket.place);
    refused(
        &denied,
        1,
        &[
            "AccessDeniedException",
            "the caller needs kms:Decrypt",
            BREAK_GLASS,
        ],
    );

    let kms = keeper.account.kms();
    kms.disable_key().key_id(&keeper.key).send().await.unwrap();
    let disabled = reader.bare(&dry, &bucket.place);
    refused(
        &disabled,
        1,
        &["DisabledException", "aws kms enable-key", BREAK_GLASS],
    );
    let deletion = kms.schedule_key_deletion().key_id(&keeper.key);
    deletion.pending_window_in_days(7).send().await.unwrap();
    let pending = reader.bare(&dry, &bucket.place);
    refused(
        &pending,
        1,
        &[
            "KMSInvalidStateException",
            "cancel-key-deletion",
            BREAK_GLASS,
        ],
    );

    // Without the key: names are not shown, rows not counted, and the offline identity opens all.
    let shown = reader.bare(&["show", &id], &bucket.place).ok();
    assert!(shown.json()["result"]["catalog"].is_null());
    assert!(
        shown.stderr.contains("names are not shown"),
        "{}",
        shown.stderr
    );
    let verified = reader.bare(&["verify", &id, "--data"], &bucket.place);
    assert_eq!(verified.code, Some(3), "{verified:?}");
    let identity = bucket.desk.identity();
    let restore = ["restore", &id, "--target", &url, "--identity", &identity];
    stranger.bare(&restore, &bucket.place).ok();
    assert_eq!(target.sql("SELECT count(*) FROM answer"), "1000");
    cloud::nothing_unknown(&[&keeper.account]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_key_of_the_backup_account_is_used_as_the_role_there() {
    let keeper = Keeper::new().await;
    let source = cloud::account();
    let user = source.user("prover", &[allow("sts:AssumeRole", "*")]);
    let role = keeper.account.role(
        "prove",
        &cloud::trusts(&[&source.user_arn("prover")]),
        &[allow("kms:Decrypt", keeper.key.as_str())],
    );
    let desk = Desk::new(&keeper.wraps);
    desk.result(0, &["keys", "add", "--kms", &keeper.key]);
    let desk = desk.as_(&user);
    let identity = desk.identity();
    let foreign = desk.result(1, &["keys", "test"]);
    let findings = foreign["findings"].to_string();
    assert!(findings.contains("AccessDeniedException") && findings.contains(BREAK_GLASS));
    desk.set_config(&format!(
        "{}\n[backup_account]\nid = \"{}\"\nregion = \"{REGION}\"\nrole_arn = \"{role}\"\n",
        desk.config(),
        keeper.account.id
    ));
    let tested = desk.result(3, &["keys", "test", "--identity", &identity]);
    assert_eq!(tested["recipients"][2]["opened_by"][0], "kms", "{tested}");
    cloud::nothing_unknown(&[&keeper.account, &source]);
}
