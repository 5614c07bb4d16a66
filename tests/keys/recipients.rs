use super::*;

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_wrapped_identity_is_added_with_the_right_to_encrypt_alone() {
    let keeper = Keeper::new().await;
    let desk = Desk::new(&keeper.wraps);
    let file = desk.lifeboat.folder().join("lifeboat.toml");
    let before = format!("# mine\n{}# at the end", desk.config());
    desk.set_config(&before);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    let added = desk.result(
        0,
        &["keys", "add", "--kms", &keeper.key, "--name", "drills"],
    );
    let after = desk.config();
    let new = after.replacen(&before[..before.len() - "# at the end".len()], "", 1);
    assert!(
        new.starts_with("# at the end\n\n[[recipient]]\nname = \"drills\"\n"),
        "{new}"
    );
    for (key, value) in [("key", &added["recipient"]), ("kms_key", &added["kms_key"])] {
        assert!(new.contains(&format!("\n{key} = {value}\n")), "{new}");
    }
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(cloud::calls(&keeper.account).last().unwrap(), "kms:Encrypt");
    for entry in fs::read_dir(desk.lifeboat.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path != desk.lifeboat.identity() {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("AGE-SECRET-KEY"), "{}", path.display());
        }
    }

    let again = desk.run(&["keys", "add", "--kms", &keeper.key, "--name", "drills"]);
    refused(&again, 2, &["'drills' already", "--name"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let calls = cloud::calls(&keeper.account).len();
    let read_only = desk.run(&["keys", "add", "--kms", &keeper.key]);
    refused(&read_only, 1, &["cannot be changed", "read-only"]);
    assert_eq!(
        cloud::calls(&keeper.account).len(),
        calls,
        "KMS was not asked"
    );
    assert_eq!(desk.config(), after);
    cloud::nothing_unknown(&[&keeper.account]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_second_offline_identity_opens_what_comes_after_it() {
    let lifeboat = Lifeboat::empty();
    let init = [
        "init",
        "--repository",
        "repository",
        "--config",
        "lifeboat.toml",
    ];
    lifeboat.bare(init).ok();
    let desk = Desk {
        lifeboat,
        key: nobody(),
    };
    desk.result(2, &["keys", "add"]);
    let add = ["keys", "add", "--file", "stick/second.key"];
    let added = desk.result(0, &add);
    assert_eq!(added["name"], "offline");
    let file = desk.lifeboat.folder().join("stick/second.key");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let config = desk.config();
    let exists = desk.run(&[&add[..], &["--name", "third"]].concat());
    refused(&exists, 1, &["second.key"]);
    assert_eq!(desk.config(), config);
    let id = desk.export(&small());
    let verify = ["verify", &id, "--data", "--identity", "stick/second.key"];
    assert_eq!(desk.result(0, &verify)["rows"], 1000);
    let test = ["keys", "test", "--identity", "stick/second.key"];
    assert_eq!(
        desk.result(3, &test)["recipients"][1]["opened_by"][0],
        "file"
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn one_way_alone_is_a_finding_wherever_it_is_asked() {
    let keeper = Keeper::new().await;
    let desk = Desk::new(&keeper.wraps);
    let ways = |code, independent| {
        let listed = desk.result(code, &["keys", "list"]);
        assert_eq!(listed["independent"], independent, "{listed}");
        assert_eq!(listed["findings"].as_array().unwrap().is_empty(), code == 0);
        listed
    };
    assert_eq!(ways(0, 2)["recipients"].as_array().unwrap().len(), 2);
    let (rest, _) = desk
        .config()
        .split_once("[[recipient]]")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    desk.set_config(&rest);
    refused(
        &desk.run(&["keys", "list"]),
        2,
        &["no recipient", "keys add --kms"],
    );
    // Two identities of one key are lost with it.
    for name in ["one", "two"] {
        desk.result(0, &["keys", "add", "--kms", &keeper.key, "--name", name]);
        let listed = ways(3, 1);
        assert!(
            listed["findings"][0]
                .as_str()
                .unwrap()
                .contains(&keeper.key)
        );
    }
    let database = small();
    let exported = desk.result(3, &["export", "--source", &database.url()]);
    assert!(
        exported["findings"][0]
            .as_str()
            .unwrap()
            .contains(&keeper.key)
    );
    assert!(exported["databases"][0]["id"].is_string(), "{exported}");
    let of_point = desk.result(3, &["keys", "list", "latest"]);
    assert_eq!(of_point["point"], exported["databases"][0]["id"]);
    assert_eq!(of_point["recipients"][1]["name"], "two");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_test_of_the_keys_says_which_ones_it_did_not_reach_and_why() {
    let keeper = Keeper::new().await;
    let lifeboat = Lifeboat::empty();
    let init = [
        "init",
        "--repository",
        "repository",
        "--config",
        "lifeboat.toml",
    ];
    lifeboat.bare(init).ok();
    let desk = Desk {
        lifeboat,
        key: keeper.wraps.clone(),
    };
    desk.result(0, &["keys", "add", "--kms", &keeper.key]);

    let nothing = desk.result(1, &["keys", "test"]);
    let findings = nothing["findings"].to_string();
    for words in ["kms:Decrypt", BREAK_GLASS, "'break-glass' was not tried"] {
        assert!(findings.contains(words), "no {words} in {findings}");
    }
    let identity = desk.identity();
    let by_file = desk.result(3, &["keys", "test", "--identity", &identity]);
    let opened_by = |tested: &Value| {
        let recipients = tested["recipients"].as_array().unwrap().iter();
        recipients
            .map(|one| one["opened_by"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(opened_by(&by_file), ["[\"file\"]", "[]"]);
    let desk = desk.as_(&keeper.opens);
    let by_kms = desk.result(3, &["keys", "test"]);
    assert_eq!(opened_by(&by_kms), ["[]", "[\"kms\"]"]);
    let all = desk.result(0, &["keys", "test", "--identity", &identity]);
    assert_eq!(opened_by(&all), ["[\"file\"]", "[\"kms\"]"]);
    cloud::nothing_unknown(&[&keeper.account]);
}

/// KMS itself says that a ciphertext is sound; whose identity it is shows only afterwards.
#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_identity_that_is_not_its_recipients_is_damage() {
    let keeper = Keeper::new().await;
    let desk = Desk::new(&keeper.wraps);
    desk.result(0, &["keys", "add", "--kms", &keeper.key]);
    let marker = fs::read_to_string(desk.lifeboat.repository().join("lifeboat.json")).unwrap();
    let marker: Value = serde_json::from_str(&marker).unwrap();
    let config = desk.config();
    let value = |key: &str| {
        let (_, rest) = config.rsplit_once(&format!("\n{key} = \"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (other, _) = lifeboat::testing::codec::new_identity();
    let sealed = keeper
        .account
        .kms()
        .encrypt()
        .key_id(&keeper.key)
        .plaintext(aws_sdk_kms::primitives::Blob::new(other))
        .encryption_context(
            "lifeboat:repository",
            marker["repository"].as_str().unwrap(),
        )
        .encryption_context("lifeboat:recipient", value("key"))
        .send()
        .await
        .unwrap();
    let sealed = sealed.ciphertext_blob.unwrap().into_inner();
    use base64::Engine as _;
    let sealed = base64::engine::general_purpose::STANDARD.encode(sealed);
    desk.set_config(&config.replace(&value("wrapped"), &sealed));
    let desk = desk.as_(&keeper.opens);
    let identity = desk.identity();
    let tested = desk.result(1, &["keys", "test", "--identity", &identity]);
    let damage = tested["damage"].to_string();
    assert!(damage.contains("it is the identity of"), "{damage}");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_identity_of_another_repository_is_refused() {
    let keeper = Keeper::new().await;
    let (one, other) = (Desk::new(&keeper.wraps), Desk::new(&keeper.wraps));
    one.result(0, &["keys", "add", "--kms", &keeper.key]);
    let config = one.config();
    let (_, moved) = config.rsplit_once("[[recipient]]").unwrap();
    other.set_config(&format!("{}\n[[recipient]]{moved}", other.config()));

    let database = small();
    let id = other.export(&database);
    let other = other.as_(&keeper.opens);
    let tested = other.result(1, &["keys", "test", &id]);
    assert!(
        tested["damage"][0]
            .as_str()
            .unwrap()
            .contains("another repository"),
        "{tested}"
    );
    let target = Database::new(Major::Pg15);
    let ran = other.run(&["restore", &id, "--target", &target.url()]);
    refused(
        &ran,
        1,
        &[
            "InvalidCiphertextException",
            "another repository",
            BREAK_GLASS,
        ],
    );
    let identity = other.identity();
    let restored = [
        "restore",
        &id,
        "--target",
        &target.url(),
        "--identity",
        &identity,
    ];
    other.result(0, &restored);
    cloud::nothing_unknown(&[&keeper.account]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn points_stay_readable_when_recipients_change() {
    let (old, new) = (Keeper::new().await, Keeper::new().await);
    let desk = Desk::new(&old.wraps);
    let database = small();
    let without = desk.config();
    desk.result(0, &["keys", "add", "--kms", &old.key]);
    let first = desk.export(&database);
    desk.set_config(&without);
    let desk = desk.as_(&new.wraps);
    desk.result(0, &["keys", "add", "--kms", &new.key]);
    let second = desk.export(&database);
    let place = desk.place(&desk.lifeboat.fingerprint());
    for (id, keeper, stranger) in [(&first, &old, &new), (&second, &new, &old)] {
        let desk = Desk {
            lifeboat: Lifeboat::empty(),
            key: keeper.opens.clone(),
        };
        let verified = desk.bare(&["verify", id, "--data"], &place).ok();
        assert_eq!(verified.json()["result"]["rows"], 1000);
        // Whoever opens the other one's cannot open this one.
        let verified = desk
            .as_(&stranger.opens)
            .bare(&["verify", id, "--data"], &place);
        assert_eq!(verified.code, Some(3), "{verified:?}");
        let finding = verified.json()["result"]["findings"].to_string();
        assert!(
            finding.contains("nothing was opened") && finding.contains(BREAK_GLASS),
            "{finding}"
        );
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_restore_without_any_identity_says_what_it_needs() {
    let desk = Desk {
        lifeboat: Lifeboat::init(),
        key: nobody(),
    };
    let database = small();
    let id = desk.export(&database);
    let ran = desk.run(&["restore", &id, "--target", &database.url()]);
    refused(&ran, 2, &["needs an identity", "break-glass.key"]);
}
