use super::*;

/// A new Ed25519 key in a file, and its fingerprint.
fn new_key(desk: &Desk, name: &str) -> String {
    let mut openssl = Command::new("openssl");
    let made = openssl.args(["genpkey", "-algorithm", "ed25519"]).output();
    let made = made.unwrap().stdout;
    let signer = lifeboat::testing::Signer::from_pem(std::str::from_utf8(&made).unwrap()).unwrap();
    fs::write(desk.lifeboat.folder().join(name), made).unwrap();
    signer.fingerprint().to_string()
}

/// From now on this key signs, and is pinned besides the others.
fn sign_with(desk: &Desk, name: &str, fingerprint: &str) {
    let config = desk.config();
    let (before, rest) = config.split_once("signing_key = \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let config = format!("{before}signing_key = \"{name}\"{after}");
    desk.set_config(&config.replacen("trust = [", &format!("trust = [\"{fingerprint}\", "), 1));
}

fn first_trust(desk: &Desk) -> String {
    let config = desk.config();
    let (_, rest) = config.split_once("trust = [").unwrap();
    let (all, _) = rest.split_once(']').unwrap();
    all.rsplit(", ")
        .next()
        .unwrap()
        .trim_matches('"')
        .to_owned()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_reader_that_pins_an_old_key_believes_what_it_announced() {
    let desk = Desk {
        lifeboat: Lifeboat::init(),
        key: nobody(),
    };
    let old = desk.lifeboat.fingerprint();
    let database = small();
    let first = desk.export(&database);
    let (second_key, third_key) = (new_key(&desk, "second.pem"), new_key(&desk, "third.pem"));

    sign_with(&desk, "second.pem", &second_key);
    let second = desk.export(&database);
    let place = desk.place(&old);
    let unknown = desk.bare(&["verify", &second], &place);
    refused(
        &unknown,
        1,
        &[&second_key, "which is not trusted", "break-glass sheet"],
    );

    let announce = [
        "keys",
        "announce",
        "second.pem",
        "--by",
        "manifest-signing.pem",
    ];
    let announced = desk.result(0, &announce);
    assert_eq!(
        (&announced["key"], &announced["by"]),
        (&second_key.clone().into(), &old.clone().into())
    );
    assert_eq!(announced["existed"], false);
    assert_eq!(desk.result(0, &announce)["existed"], true);
    // The configured key announces the next one, by its public half alone.
    let third = desk.lifeboat.folder().join("third.pem");
    let public = Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(&third)
        .output()
        .unwrap();
    fs::write(desk.lifeboat.folder().join("third.pub"), public.stdout).unwrap();
    desk.result(0, &["keys", "announce", "third.pub"]);
    sign_with(&desk, "third.pem", &third_key);
    let third = desk.export(&database);

    for id in [&first, &second, &third] {
        desk.bare(&["verify", id], &place).ok();
    }
    let listed = desk.bare(&["list"], &place).ok();
    let trusted = listed.json()["result"]["points"]
        .as_array()
        .unwrap()
        .iter()
        .all(|one| one["trusted"] == true);
    assert!(trusted, "{listed:?}");
    let said = |ran: &Ran, key: &str| {
        ran.stderr
            .matches(&format!("key {key} is not trusted"))
            .count()
    };
    assert_eq!(
        said(&desk.bare(&["verify", &first], &place), &second_key),
        0
    );
    let verified = desk.bare(&["verify", &third], &place);
    assert_eq!(
        (said(&verified, &second_key), said(&verified, &third_key)),
        (1, 1),
        "{verified:?}"
    );
    // A key that was never announced stays unknown.
    let nothing = desk.place(&new_key(&desk, "other.pem"));
    refused(
        &desk.bare(&["verify", &third], &nothing),
        1,
        &["which is not trusted"],
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_announcement_counts_only_as_it_was_signed_and_where_it_was_made() {
    let desk = Desk {
        lifeboat: Lifeboat::init(),
        key: nobody(),
    };
    let old = desk.lifeboat.fingerprint();
    let place = desk.place(&old);
    let database = small();
    let second_key = new_key(&desk, "second.pem");
    desk.result(0, &["keys", "announce", "second.pem"]);
    sign_with(&desk, "second.pem", &second_key);
    let id = desk.export(&database);
    desk.bare(&["verify", &id], &place).ok();

    let folder = desk.lifeboat.repository().join("announcements");
    let file = folder.join(format!("{second_key}.json"));
    let sound = fs::read_to_string(&file).unwrap();
    let unbelieved = |text: &str| {
        fs::remove_file(&file).unwrap();
        fs::write(&file, text).unwrap();
        refused(
            &desk.bare(&["verify", &id], &place),
            1,
            &["which is not trusted"],
        );
    };
    unbelieved("{}");
    unbelieved(&sound.replacen("announced_at", "announced_on", 1));
    unbelieved(&sound.replacen("20", "21", 1));
    // Of another key, under this one's name.
    let third_key = new_key(&desk, "third.pem");
    desk.result(
        0,
        &[
            "keys",
            "announce",
            "third.pem",
            "--by",
            "manifest-signing.pem",
        ],
    );
    unbelieved(&fs::read_to_string(folder.join(format!("{third_key}.json"))).unwrap());
    // Keys that announce each other lead nowhere.
    fs::remove_file(&file).unwrap();
    fs::remove_file(folder.join(format!("{third_key}.json"))).unwrap();
    desk.result(0, &["keys", "announce", "third.pem", "--by", "second.pem"]);
    sign_with(&desk, "third.pem", &third_key);
    desk.result(0, &["keys", "announce", "second.pem", "--by", "third.pem"]);
    refused(
        &desk.bare(&["verify", &id], &place),
        1,
        &["which is not trusted"],
    );
    // In another repository the same keys mean nothing.
    let other = Desk {
        lifeboat: Lifeboat::init(),
        key: nobody(),
    };
    let from = desk.lifeboat.folder().join("manifest-signing.pem");
    fs::copy(&from, other.lifeboat.folder().join("old.pem")).unwrap();
    fs::copy(
        desk.lifeboat.folder().join("second.pem"),
        other.lifeboat.folder().join("second.pem"),
    )
    .unwrap();
    sign_with(&other, "old.pem", &old);
    other.result(0, &["keys", "announce", "second.pem"]);
    let foreign = other
        .lifeboat
        .repository()
        .join("announcements")
        .join(format!("{second_key}.json"));
    unbelieved(&fs::read_to_string(&foreign).unwrap());
    unbelieved(&sound.replacen(&old, &third_key, 1));
    fs::remove_file(&file).unwrap();
    fs::write(&file, &sound).unwrap();
    desk.bare(&["verify", &id], &place).ok();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn only_a_pinned_key_announces_another_one() {
    let desk = Desk {
        lifeboat: Lifeboat::init(),
        key: nobody(),
    };
    new_key(&desk, "new.pem");
    new_key(&desk, "stranger.pem");
    let ran = desk.run(&["keys", "announce", "new.pem", "--by", "stranger.pem"]);
    refused(&ran, 2, &["is not trusted", "--by"]);
    let ran = desk.run(&["keys", "announce", "manifest-signing.pem"]);
    refused(&ran, 2, &["is the key that would announce it"]);
    let ran = desk.run(&["keys", "announce", "lifeboat.toml"]);
    refused(&ran, 2, &["lifeboat.toml", "PEM"]);
    assert!(!desk.lifeboat.repository().join("announcements").exists());
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_kms_key_takes_over_from_a_file_and_the_exporter_cannot_announce() {
    let keeper = Keeper::new().await;
    let bucket = Bucket::new(&keeper).await;
    let desk = &bucket.desk;
    desk.lifeboat
        .configure(&crate::support::program::second_recipient());
    let signing = keeper.account.signing_key().await;
    let arn = format!("arn:aws:s3:::{}", bucket.name);
    let in_bucket = |names: &[&str]| {
        let paths = names.iter().map(|name| format!("{arn}/prod/{name}"));
        paths.chain([arn.clone()]).collect::<Vec<_>>()
    };
    let signs = allow(vec!["kms:Sign", "kms:GetPublicKey"], signing.as_str());
    let exporter = keeper.account.user(
        "exporter",
        &[
            allow(
                vec!["s3:PutObject*", "s3:GetObject*"],
                in_bucket(&["parts/*", "manifests/*"]),
            ),
            allow(
                vec!["s3:GetObject*", "s3:ListBucket*", "s3:GetBucket*"],
                in_bucket(&["*"]),
            ),
            signs.clone(),
        ],
    );
    let everything = allow("s3:*", vec![arn.clone(), format!("{arn}/*")]);
    let admin = keeper.account.user("break-glass", &[everything, signs]);
    let with = |key: &Key, args: &[&str]| {
        let mut command = desk.lifeboat.command(args);
        Ran::of(
            &command
                .arg("--json")
                .envs(key.env(REGION))
                .output()
                .unwrap(),
        )
    };
    let announce = ["keys", "announce", &signing];
    refused(
        &with(&exporter, &announce),
        1,
        &["AccessDenied", "only the break-glass role"],
    );
    let announced = with(&admin, &announce).ok().json()["result"].clone();
    assert_eq!(announced["lock"]["mode"], "COMPLIANCE");
    let key = announced["key"].as_str().unwrap();
    let old = first_trust(desk);
    sign_with(desk, &signing, key);
    let database = small();
    let exported = with(&exporter, &["export", "--source", &database.url()]).ok();
    let id = exported.json()["result"]["databases"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reader = bucket.reader(&keeper, "reader", &[]);
    assert!(bucket.place.contains(&old));
    let verified = reader.bare(&["verify", &id], &bucket.place).ok();
    assert!(
        verified.stderr.contains("announced it"),
        "{}",
        verified.stderr
    );

    // Whoever wrote a version on top later changes nothing.
    let object = format!("prod/announcements/{key}.json");
    let put = keeper
        .account
        .s3()
        .put_object()
        .bucket(&bucket.name)
        .key(&object);
    put.body(b"{}".to_vec().into()).send().await.unwrap();
    reader.bare(&["verify", &id], &bucket.place).ok();
    cloud::nothing_unknown(&[&keeper.account]);
}
