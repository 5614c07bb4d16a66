//! Keys that KMS keeps: identities wrapped by it, manifests signed by it, and their rotation.

mod recipients;
mod restoring;
mod rotation;
mod signing;

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

/// Credentials that no AWS knows.
fn nobody() -> Key {
    Key {
        access_key_id: "none".to_owned(),
        secret_access_key: "none".to_owned(),
        session_token: None,
    }
}
