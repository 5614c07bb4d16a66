//! Keys that KMS keeps: identities wrapped by it, manifests signed by it, and their rotation.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use aws_sdk_s3::types::ObjectLockMode;
use serde_json::Value;

use crate::support::cloud::{self, Account, Key, REGION, allow};
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};
use crate::without_lifeboat::machine::Machine;

/// A folder to run lifeboat in, with the credentials of somebody.
struct Desk {
    lifeboat: Lifeboat,
    key: Key,
}

impl Desk {
    /// With a repository in a directory: KMS knows nothing of where backups lie.
    fn new(key: &Key) -> Self {
        Self {
            lifeboat: Lifeboat::init(),
            key: key.clone(),
        }
    }

    /// The same machine in other hands.
    fn as_(self, key: &Key) -> Self {
        Self {
            key: key.clone(),
            ..self
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.lifeboat.command(args);
        command.arg("--json").envs(self.key.env(REGION));
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// Runs without the configuration, by what is on the sheet.
    fn bare(&self, args: &[&str], place: &[String]) -> Ran {
        let folder = self.lifeboat.folder().join("elsewhere");
        fs::create_dir_all(&folder).unwrap();
        let mut command = self.command(args);
        Ran::of(&command.args(place).current_dir(folder).output().unwrap())
    }

    fn result(&self, code: i32, args: &[&str]) -> Value {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        ran.json()["result"].clone()
    }

    fn config(&self) -> String {
        fs::read_to_string(self.lifeboat.folder().join("lifeboat.toml")).unwrap()
    }

    fn set_config(&self, text: &str) {
        fs::write(self.lifeboat.folder().join("lifeboat.toml"), text).unwrap();
    }

    fn identity(&self) -> String {
        self.lifeboat.identity().to_str().unwrap().to_owned()
    }

    fn export(&self, database: &Database) -> String {
        let exported = self.result(0, &["export", "--source", &database.url()]);
        exported["databases"][0]["id"].as_str().unwrap().to_owned()
    }

    /// What a bare machine needs of a repository in a directory.
    fn place(&self, trust: &str) -> Vec<String> {
        let repository = self.lifeboat.repository().to_str().unwrap().to_owned();
        ["--repository", repository.as_str(), "--trust", trust]
            .map(str::to_owned)
            .to_vec()
    }
}

/// A cause and a way out, on stderr.
#[track_caller]
fn refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "no '{word}' in: {}", ran.stderr);
    }
}

const BREAK_GLASS: &str = "--identity break-glass.key";

fn small() -> Database {
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE answer AS SELECT g AS id FROM generate_series(1, 1000) g");
    database
}

/// A wrapping key, and users who may encrypt and decrypt by it and nothing else.
struct Keeper {
    account: Account,
    key: String,
    wraps: Key,
    opens: Key,
}

impl Keeper {
    async fn new() -> Self {
        let account = cloud::account();
        let key = account.wrapping_key().await;
        Self {
            wraps: account.user("wraps", &[allow("kms:Encrypt", key.as_str())]),
            opens: account.user("opens", &[allow("kms:Decrypt", key.as_str())]),
            account,
            key,
        }
    }
}

// ---- recipients ---------------------------------------------------------------------------------

#[tokio::test]
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
    let (other, _) = lifeboat::codec::new_identity();
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

// ---- restoring by KMS ---------------------------------------------------------------------------

/// A bucket with Object Lock, and lifeboat at work in it.
struct Bucket {
    desk: Desk,
    name: String,
    place: Vec<String>,
}

impl Bucket {
    /// Run by somebody who may do all in the bucket, and encrypt.
    async fn new(keeper: &Keeper) -> Self {
        let name = keeper.account.bucket().await;
        let arn = format!("arn:aws:s3:::{name}");
        let everything = allow("s3:*", vec![arn.clone(), format!("{arn}/*")]);
        let encrypts = allow("kms:Encrypt", keeper.key.as_str());
        let desk = Desk {
            lifeboat: Lifeboat::empty(),
            key: keeper.account.user("admin", &[everything, encrypts]),
        };
        let url = format!("s3://{name}/prod");
        let endpoint = cloud::endpoint();
        let at = [
            "--repository",
            &url,
            "--region",
            REGION,
            "--endpoint",
            endpoint,
        ];
        let init = [
            &["init", "--config", "lifeboat.toml", "--days", "1"][..],
            &at,
        ]
        .concat();
        let fingerprint = desk.result(0, &init)["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned();
        let place = [&at[..], &["--trust", &fingerprint]].concat();
        Self {
            place: place.into_iter().map(str::to_owned).collect(),
            name,
            desk,
        }
    }

    /// Reads, and nothing else.
    fn reader(&self, keeper: &Keeper, name: &str, more: &[Value]) -> Desk {
        let arn = format!("arn:aws:s3:::{}", self.name);
        let reads = ["s3:GetObject*", "s3:ListBucket*", "s3:GetBucket*"];
        let reads = allow(reads.to_vec(), vec![arn.clone(), format!("{arn}/*")]);
        Desk {
            lifeboat: Lifeboat::empty(),
            key: keeper.account.user(name, &[&[reads][..], more].concat()),
        }
    }
}

#[tokio::test]
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

// ---- signing ------------------------------------------------------------------------------------

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

// ---- a new signing key --------------------------------------------------------------------------

/// A new Ed25519 key in a file, and its fingerprint.
fn new_key(desk: &Desk, name: &str) -> String {
    let mut openssl = Command::new("openssl");
    let made = openssl.args(["genpkey", "-algorithm", "ed25519"]).output();
    let made = made.unwrap().stdout;
    let signer = lifeboat::sign::Signer::from_pem(std::str::from_utf8(&made).unwrap()).unwrap();
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

fn nobody() -> Key {
    Key {
        access_key_id: "none".to_owned(),
        secret_access_key: "none".to_owned(),
        session_token: None,
    }
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
        &[&second_key, "which is not pinned", "break-glass sheet"],
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
            .matches(&format!("key {key} is not pinned"))
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
        &["which is not pinned"],
    );
}

#[test]
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
            &["which is not pinned"],
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
        &["which is not pinned"],
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
fn only_a_pinned_key_announces_another_one() {
    let desk = Desk {
        lifeboat: Lifeboat::init(),
        key: nobody(),
    };
    new_key(&desk, "new.pem");
    new_key(&desk, "stranger.pem");
    let ran = desk.run(&["keys", "announce", "new.pem", "--by", "stranger.pem"]);
    refused(&ran, 2, &["is not pinned", "--by"]);
    let ran = desk.run(&["keys", "announce", "manifest-signing.pem"]);
    refused(&ran, 2, &["is the key that would announce it"]);
    let ran = desk.run(&["keys", "announce", "lifeboat.toml"]);
    refused(&ran, 2, &["lifeboat.toml", "PEM"]);
    assert!(!desk.lifeboat.repository().join("announcements").exists());
}

#[tokio::test]
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
