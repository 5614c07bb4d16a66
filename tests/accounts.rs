//! Two accounts, and everything that can be wrong between them: each refusal says what was refused,
//! by whom, and what to look at; and nothing is stored.

use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::cloud::{self, Account, Key, REGION, allow, control};
use crate::support::faulty::{Fate, Faulty};
use crate::support::program::{Ran, second_recipient};
use crate::support::{Database, Lifeboat, Major};

const EXTERNAL_ID: &str = "between-the-two";

/// A source account whose user `nightly` may become `exporter` in the backup account.
struct World {
    source: Account,
    backup: Account,
    bucket: String,
    /// Of `nightly`.
    key: Key,
    role: String,
    database: Database,
    lifeboat: Lifeboat,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With changes to the roles that are made.
    async fn with(change: impl FnOnce(&mut Roles)) -> Self {
        let (source, backup) = (cloud::account(), cloud::account());
        let bucket = backup.bucket().await;
        let role = backup.role_arn("exporter");
        let mut roles = Roles {
            nightly: vec![allow("sts:AssumeRole", role.as_str())],
            trust: cloud::trusts_with(&[&source.root_arn()], EXTERNAL_ID),
            exporter: exporters(&bucket),
        };
        change(&mut roles);
        let world = Self {
            key: source.user("nightly", &roles.nightly),
            role: backup.role("exporter", &roles.trust, &roles.exporter),
            database: Database::new(Major::Pg15),
            lifeboat: Lifeboat::empty(),
            source,
            backup,
            bucket,
        };
        let tables = "CREATE TABLE answer AS SELECT g AS id FROM generate_series(1, 1000) g;
                      CREATE TABLE question AS SELECT 1 AS id";
        world.database.sql(tables);
        world.init();
        world
    }

    fn init(&self) {
        let url = format!("s3://{}/prod", self.bucket);
        let init = ["init", "--config", "lifeboat.toml", "--repository", &url];
        let place = ["--region", REGION, "--endpoint", cloud::endpoint()];
        let mut command = self.lifeboat.command([&init[..], &place].concat());
        command.envs(self.backup.root.env(REGION));
        Ran::of(&command.output().unwrap()).ok();
        let bin = self.database.major.bin();
        self.lifeboat.configure(&format!(
            "{}\n[export]\npg_bin = [{bin:?}]\n\
             [source_account]\nid = {:?}\nregion = {REGION:?}\n\
             [backup_account]\nid = {:?}\nregion = {REGION:?}\n\
             role_arn = {:?}\nexternal_id = {EXTERNAL_ID:?}",
            second_recipient(),
            self.source.id,
            self.backup.id,
            self.role,
        ));
    }

    fn change_config(&self, from: &str, to: &str) {
        let file = self.lifeboat.folder().join("lifeboat.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "no '{from}' in {text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    }

    fn command(&self, args: &[&str], key: &Key) -> Command {
        let mut command = self.lifeboat.command(args);
        command.envs(key.env(REGION));
        command
    }

    fn export_as(&self, key: &Key) -> Ran {
        let url = self.database.url();
        let args = ["export", "--source", &url, "--jobs", "2"];
        Ran::of(&self.command(&args, key).output().unwrap())
    }

    fn export(&self) -> Ran {
        self.export_as(&self.key)
    }

    /// An export that runs until a test has done something.
    fn start_export(&self, key: &Key) -> Child {
        let url = self.database.url();
        let mut command = self.command(&["export", "--source", &url, "--jobs", "2"], key);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Names below the repository's prefix, but for what `init` stored: `lifeboat.json` and its canary.
    async fn stored(&self) -> Vec<String> {
        let listed = self.backup.s3().list_objects_v2().bucket(&self.bucket);
        let listed = listed.send().await.unwrap();
        let keys = listed.contents().iter().filter_map(|object| object.key());
        let keys = keys.filter(|key| *key != "prod/lifeboat.json");
        let keys = keys.filter(|key| !key.starts_with("prod/parts/lifeboat.canary/"));
        keys.map(str::to_owned).collect()
    }

    /// Exports as it is now: refused, for this cause, with this to look at, and nothing is stored.
    async fn refuses(&self, code: i32, words: &[&str]) {
        self.refuses_as(&self.key, code, words).await;
    }

    async fn refuses_as(&self, key: &Key, code: i32, words: &[&str]) {
        let ran = self.export_as(key);
        assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        if std::env::var_os("SHOW").is_some() {
            println!("---\n{all}");
        }
        for word in words {
            assert!(all.contains(word), "no '{word}' in:\n{all}");
        }
        assert!(all.contains("hint: "), "{all}");
        let secret = &key.secret_access_key;
        assert!(
            secret.is_empty() || !all.contains(secret),
            "a secret: {all}"
        );
        assert_eq!(self.stored().await, [""; 0]);
        self.nothing_unknown();
    }

    /// The role's own credentials.
    async fn become_exporter(&self) -> Key {
        let sts = aws_sdk_sts::Client::new(&self.key.sdk(REGION));
        let assumed = sts
            .assume_role()
            .role_arn(&self.role)
            .role_session_name("test");
        let assumed = assumed.external_id(EXTERNAL_ID).send().await.unwrap();
        let credentials = assumed.credentials.unwrap();
        Key {
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            session_token: Some(credentials.session_token),
        }
    }

    fn nothing_unknown(&self) {
        cloud::nothing_unknown(&[&self.source, &self.backup]);
    }

    /// How often a call was made in both accounts.
    fn calls(&self, operation: &str) -> usize {
        let both = [&self.source, &self.backup];
        let calls = both.into_iter().flat_map(cloud::calls);
        calls.filter(|call| call == operation).count()
    }

    /// How many calls were answered that their credentials have expired.
    fn called_expired(&self) -> usize {
        let all = control("GET", "calls", &json!({}));
        let expired = |call: &&Value| call["code"] == "ExpiredToken";
        all.as_array().unwrap().iter().filter(expired).count()
    }
}

/// What `World` makes, to be changed before.
struct Roles {
    nightly: Vec<Value>,
    trust: Value,
    exporter: Vec<Value>,
}

fn exporters(bucket: &str) -> Vec<Value> {
    let bucket = format!("arn:aws:s3:::{bucket}");
    vec![
        allow(
            json!([
                "s3:PutObject",
                "s3:PutObjectRetention",
                "s3:GetObjectRetention",
                "s3:GetObject",
                "s3:GetObjectVersion"
            ]),
            format!("{bucket}/*"),
        ),
        allow(
            json!([
                "s3:ListBucket",
                "s3:ListBucketVersions",
                "s3:GetBucketVersioning",
                "s3:GetBucketObjectLockConfiguration"
            ]),
            bucket,
        ),
    ]
}

fn nobody() -> Key {
    Key {
        access_key_id: String::new(),
        secret_access_key: String::new(),
        session_token: None,
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_role_with_its_external_id_exports_and_sts_is_asked_twice() {
    let world = World::new().await;
    world.export().ok();
    assert!(
        world
            .stored()
            .await
            .iter()
            .any(|key| key.starts_with("prod/manifests/"))
    );
    let asked = [
        world.calls("sts:AssumeRole"),
        world.calls("sts:GetCallerIdentity"),
    ];
    assert_eq!(
        asked,
        [1, 1],
        "once an hour, however many objects are stored"
    );
    world.nothing_unknown();
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn another_account_than_configured_is_refused() {
    let world = World::new().await;
    let role = format!("role_arn = {:?}\n", world.role);
    world.change_config(&role, "");
    let belong = format!("the credentials belong to {}", world.source.id);
    let to_be = format!("the backup account should be {}", world.backup.id);
    let hint = "AWS_PROFILE, AWS_ACCESS_KEY_ID";
    world
        .refuses(1, &[&to_be, &belong, "user/nightly", hint])
        .await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_role_of_another_account_is_a_mistake_in_the_file() {
    let world = World::new().await;
    let other = world.source.role_arn("exporter");
    world.change_config(&world.role, &other);
    let of = format!(
        "a role of account {}, not of {}",
        world.source.id, world.backup.id
    );
    world.refuses(2, &["backup_account.role_arn", &of]).await;
    assert_eq!(world.calls("sts:AssumeRole"), 0);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_role_that_is_not_there_or_not_to_be_assumed_is_named_with_what_to_look_at() {
    let none = World::new().await;
    none.change_config("role/exporter", "role/exporters");
    let cannot = format!("cannot become {}s in the backup account", none.role);
    none.refuses(
        1,
        &[&cannot, "AccessDenied", "does it exist", "sts:AssumeRole"],
    )
    .await;

    let by_identity = World::with(|roles| roles.nightly.clear()).await;
    let cannot = format!("cannot become {} in the backup account", by_identity.role);
    let caller = by_identity.source.user_arn("nightly");
    by_identity
        .refuses(1, &[&cannot, &caller, "sts:AssumeRole", "trust policy"])
        .await;

    let other = cloud::account();
    let trust = cloud::trusts_with(&[&other.root_arn()], EXTERNAL_ID);
    let by_trust = World::with(|roles| roles.trust = trust).await;
    by_trust
        .refuses(
            1,
            &["cannot become", "trust policy", "with this external_id"],
        )
        .await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_external_id_that_is_wrong_or_missing_is_named_as_such() {
    let world = World::new().await;
    let line = format!("external_id = {EXTERNAL_ID:?}");
    world.change_config(&line, "external_id = \"another\"");
    world
        .refuses(1, &["cannot become", "with this external_id"])
        .await;
    world.change_config("external_id = \"another\"", "");
    world
        .refuses(1, &["cannot become", "without an external_id"])
        .await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn one_account_on_both_sides_is_refused_unless_allowed_and_then_told() {
    let world = World::new().await;
    let id = |id: &str| format!("[source_account]\nid = {id:?}");
    world.change_config(&id(&world.source.id), &id(&world.backup.id));
    world
        .refuses(2, &["backup_account.id", "allow_same_account"])
        .await;
    world.change_config(
        "[backup_account]",
        "[backup_account]\nallow_same_account = true",
    );
    let ran = world.export().ok();
    let warning = "source and backup account are one";
    assert_eq!(ran.stderr.matches(warning).count(), 1, "{}", ran.stderr);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn credentials_that_are_missing_wrong_or_unknown_are_told_apart() {
    let world = World::new().await;
    let words = [
        "cannot become",
        "no usable AWS credentials",
        "AWS_ACCESS_KEY_ID",
    ];
    world.refuses_as(&nobody(), 1, &words).await;
    let wrong = Key {
        secret_access_key: "wrong/secret".to_owned(),
        ..world.key.clone()
    };
    let words = ["SignatureDoesNotMatch", "clock", "secret"];
    world.refuses_as(&wrong, 1, &words).await;
    let unknown = Key {
        access_key_id: "AKIAUNKNOWNUNKNOWN00".to_owned(),
        ..world.key.clone()
    };
    let words = ["InvalidClientTokenId", "does not know these credentials"];
    world.refuses_as(&unknown, 1, &words).await;
    // The session of a task, over before it is used.
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    }]});
    let task = world.source.role("task", &trust, &[]);
    let session = json!({"role": task, "service": "ecs-tasks.amazonaws.com", "seconds": -1});
    let session = control("POST", "session", &session);
    let text = |name: &str| session[name].as_str().unwrap().to_owned();
    let expired = Key {
        access_key_id: text("access_key_id"),
        secret_access_key: text("secret_access_key"),
        session_token: Some(text("session_token")),
    };
    world
        .refuses_as(&expired, 1, &["ExpiredToken", "expired", "renew"])
        .await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn rights_that_are_missing_in_the_bucket_are_named() {
    for right in ["s3:PutObject", "s3:PutObjectRetention"] {
        let world = World::with(|roles| {
            let allowed = roles.exporter[0]["Action"].as_array_mut().unwrap();
            allowed.retain(|action| action != right);
        })
        .await;
        world.refuses(1, &["AccessDenied", right]).await;
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_call_names_the_account_that_must_own_the_bucket() {
    let world = World::new().await;
    let proxy = Faulty::before(cloud::endpoint(), |_, _| Fate::Pass).await;
    let endpoint = format!("endpoint = {:?}", cloud::endpoint());
    world.change_config(&endpoint, &format!("endpoint = {:?}", proxy.endpoint));
    let database = Database::new(Major::Pg15);
    let (identity, target) = (world.lifeboat.identity(), database.url());
    let identity = ["--identity", identity.to_str().unwrap()];
    let url = world.database.url();
    let bin = world.database.major.bin();
    let restore = [
        "restore",
        "latest",
        "--target",
        &target,
        "--pg-bin",
        bin.to_str().unwrap(),
    ];
    for args in [
        &["export", "--source", &url][..],
        &["list"],
        &["hold", "latest", "--until", "37d"],
        &[&["verify", "latest", "--data"], &identity[..]].concat(),
        &[&restore[..], &identity].concat(),
    ] {
        let mut command = world.command(args, &world.key);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
        Ran::of(&ran.await.unwrap()).ok();
    }
    let header = format!("x-amz-expected-bucket-owner: {}", world.backup.id);
    let seen = proxy.seen();
    for call in &seen {
        assert!(
            call.head.contains(&header),
            "{} {}",
            call.method,
            call.target
        );
    }
    for method in ["PUT", "GET", "HEAD"] {
        assert!(proxy.count(method) > 0, "{method}");
    }
    world.nothing_unknown();
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_bucket_of_the_same_name_in_other_hands_is_refused() {
    let thief = cloud::account();
    let bucket = thief.bucket().await;
    let world = World::with(|roles| roles.exporter.extend(exporters(&bucket))).await;
    let open = json!({"Effect": "Allow", "Principal": {"AWS": world.role}, "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")]});
    thief.bucket_policy(&bucket, &[open]).await;
    world.change_config(&world.bucket, &bucket);
    let words = [
        "AccessDenied",
        "the bucket must belong to the expected account",
    ];
    world.refuses(1, &words).await;
    // Nothing but the account stands in the way.
    let exporter = world.become_exporter().await.s3(REGION);
    let listed = exporter.list_objects_v2().bucket(&bucket).send().await;
    assert!(listed.unwrap().contents().is_empty());
}

// ---- time ---------------------------------------------------------------------------------------

/// Holds the fourth object that is stored; the caller lets it go.
fn hold_an_upload(more: &Value) {
    let mut fault = json!({"kind": "hang", "operation": "s3:PutObject", "skip": 3});
    fault
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    control("POST", "faults", &fault);
}

fn wait_until_held() {
    let held = control("GET", "held?wait=30", &json!({}));
    assert!(!held.as_array().unwrap().is_empty(), "nothing was uploaded");
}

fn finish(export: Child) -> Ran {
    Ran::of(&export.wait_with_output().unwrap())
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn sessions_that_end_while_it_uploads_are_renewed() {
    let _own = cloud::own();
    let world = World::new().await;
    hold_an_upload(&json!({}));
    let export = world.start_export(&world.key);
    wait_until_held();
    control("POST", "sessions/end", &json!({}));
    control("DELETE", "held", &json!({}));
    finish(export).ok();
    assert!(world.called_expired() > 0);
    assert_eq!(
        world.calls("sts:AssumeRole"),
        2,
        "however many uploads were refused"
    );
    world.nothing_unknown();
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_export_that_takes_longer_than_its_session_completes() {
    let _own = cloud::own();
    let world = World::new().await;
    control("POST", "settings", &json!({"session_seconds": 4}));
    hold_an_upload(&json!({"seconds": 5}));
    let began = Timestamp::now();
    world.export().ok();
    assert!(Timestamp::now().duration_since(began).as_secs() >= 4);
    assert!(world.calls("sts:AssumeRole") >= 2);
    assert_eq!(world.called_expired(), 0, "renewed before they ended");
    world.nothing_unknown();
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_given_session_that_ends_while_it_uploads_ends_the_export() {
    let _own = cloud::own();
    let world = World::new().await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    }]});
    let task = world.backup.role("task", &trust, &exporters(&world.bucket));
    let session = json!({"role": task, "service": "ecs-tasks.amazonaws.com"});
    let session = control("POST", "session", &session);
    let text = |name: &str| session[name].as_str().unwrap().to_owned();
    let key = Key {
        access_key_id: text("access_key_id"),
        secret_access_key: text("secret_access_key"),
        session_token: Some(text("session_token")),
    };
    world.change_config(&format!("role_arn = {:?}\n", world.role), "");
    hold_an_upload(&json!({}));
    let export = world.start_export(&key);
    wait_until_held();
    control("POST", "sessions/end", &json!({}));
    control("DELETE", "held", &json!({}));
    let ran = finish(export);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    if std::env::var_os("SHOW").is_some() {
        println!("{all}");
    }
    for word in ["expired", "hint: ", "renew"] {
        assert!(all.contains(word), "no '{word}' in {all}");
    }
    let stored = world.stored().await;
    assert!(!stored.iter().any(|key| key.starts_with("prod/manifests/")));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_clock_that_is_off_is_named_as_the_cause() {
    let _own = cloud::own();
    let world = World::new().await;
    // AWS accepts a quarter of an hour, the SDK corrects more by itself; but locks would be off.
    for seconds in [-3600, -600, 600, 3600] {
        control("POST", "clock", &json!({"skew_seconds": seconds}));
        let words = ["this machine's clock says", "the store's", "set the clock"];
        world.refuses(1, &words).await;
    }
    control("POST", "clock", &json!({"skew_seconds": 200}));
    world.export().ok();
}
