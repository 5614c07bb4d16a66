//! Two accounts as the templates make them, a database to copy, and the roles that do it.

mod databases;
mod looks;
mod roles;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use jiff::Timestamp;
use lifeboat::testing::Account as AwsAccount;
use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Result as Done;
use lifeboat::testing::Silent;
use lifeboat::testing::model::Kind;
use lifeboat::testing::model::{LockMode, LockPolicy};
use lifeboat::testing::repository::{Locks, Repository};
use lifeboat::testing::snapshot::copy::{self, Accounts, Options, RecordWriter, Report};
use lifeboat::testing::snapshot::{Source, WaitLimits};
use lifeboat::testing::store::{RequestLimits, S3Options, S3Store, StaticCredentials};
use lifeboat::testing::{Clock, SystemClock};
use lifeboat::testing::{Signer, Trust};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::cloud::{self, Account, Key, REGION};
use crate::support::program::Ran;

pub const EXTERNAL_ID: &str = "0123456789abcdef0123456789abcdef";
/// Another region, for copies.
pub const FAR: &str = "eu-central-1";

/// How the database is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// The account's `aws/rds`.
    Default,
    /// A key of the source account's own.
    Customer,
    Nothing,
    /// A key that is not even in the account; Aurora only.
    Owned,
}

pub struct World {
    pub source: Account,
    pub backup: Account,
    pub nightly: Key,
    pub exporter: Key,
    pub snapshot_role: Key,
    pub kms_key: String,
    /// In the other region.
    pub far_key: String,
    pub kind: Kind,
    /// Of the database in question.
    pub identifier: String,
    pub bucket: String,
    pub signer: Signer,
    pub folder: TempDir,
}

/// The credentials that a service gets for a role.
fn session(role: &str, service: &str, account: &str) -> Key {
    let arn = format!("arn:aws:ecs:{REGION}:{account}:task/lifeboat/1");
    let asked = json!({
        "role": role, "service": service, "source_account": account, "source_arn": arn,
    });
    key_of(&cloud::control("POST", "session", &asked))
}

/// What a task of the account gets for a role.
pub fn assume_task(account: &Account, role: &str) -> Key {
    session(
        &account.role_arn(role),
        "ecs-tasks.amazonaws.com",
        &account.id,
    )
}

fn key_of(made: &Value) -> Key {
    let text = |name: &str| made[name].as_str().map(str::to_owned);
    Key {
        access_key_id: text("access_key_id").unwrap(),
        secret_access_key: text("secret_access_key").unwrap(),
        session_token: text("session_token"),
    }
}

/// Credentials of a role, assumed with a key.
pub async fn assume(key: &Key, role: &str, external_id: Option<&str>) -> Key {
    let sts = aws_sdk_sts::Client::new(&key.sdk(REGION));
    let assumed = sts
        .assume_role()
        .role_arn(role)
        .role_session_name("lifeboat")
        .set_external_id(external_id.map(str::to_owned))
        .send()
        .await
        .unwrap_or_else(|why| panic!("{role}: {why:?}"));
    let made = assumed.credentials.unwrap();
    Key {
        access_key_id: made.access_key_id,
        secret_access_key: made.secret_access_key,
        session_token: Some(made.session_token),
    }
}

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/aws")
        .join(file)
}

/// The backup account's template, also with the rights that copies in another region need: its
/// roles name the one region of the stack.
fn backup_template(far_key: Option<&str>) -> String {
    let text = std::fs::read_to_string(deploy("backup-account.yaml")).unwrap();
    let Some(far_key) = far_key else { return text };
    let mut text = text;
    let mut replace = |this: &str, other: &str| {
        assert!(text.contains(this), "{this}");
        text = text.replace(this, other);
    };
    replace(
        "kms:ViaService: !Sub 'rds.${AWS::Region}.${AWS::URLSuffix}'",
        &format!(
            "kms:ViaService: [!Sub 'rds.${{AWS::Region}}.${{AWS::URLSuffix}}', rds.{FAR}.amazonaws.com]"
        ),
    );
    let keys = "!GetAtt SnapshotKey.Arn, !Sub 'arn:${AWS::Partition}:kms:${AWS::Region}:${SourceAccountId}:key/*'";
    replace(
        &format!("Resource: [{keys}]"),
        &format!("Resource: [{keys}, '{far_key}']"),
    );
    let encrypt = "Action: [kms:Encrypt, kms:Decrypt, kms:ReEncrypt*, kms:GenerateDataKey*]\n            Resource: ";
    replace(
        &format!("{encrypt}!GetAtt SnapshotKey.Arn"),
        &format!("{encrypt}[!GetAtt SnapshotKey.Arn, '{far_key}']"),
    );
    text
}

impl World {
    /// Both stacks, a repository, and an instance or cluster with an automated snapshot.
    pub async fn new(kind: Kind, under: Under) -> Self {
        let world = Self::empty(kind).await;
        world.create(under).await;
        world
    }

    /// Another database, as if nothing had been there before: no copies, no intermediates.
    pub async fn next(&mut self, under: Under) {
        self.wipe().await;
        let (name, number) = self.identifier.rsplit_once('-').unwrap();
        let number: u32 = number.parse().unwrap();
        self.identifier = format!("{name}-{}", number + 1);
        self.create(under).await;
    }

    async fn wipe(&self) {
        for (account, region) in [
            (&self.source, REGION),
            (&self.backup, REGION),
            (&self.backup, FAR),
        ] {
            let rds = aws_sdk_rds::Client::new(&account.root.sdk(region));
            for one in self.snapshots_of(account, region).await {
                match self.kind {
                    Kind::Instance if one.made == "manual" => {
                        let call = rds.delete_db_snapshot().db_snapshot_identifier(&one.name);
                        call.send().await.map(drop).unwrap();
                    }
                    Kind::Cluster if one.made == "manual" => {
                        let call = rds.delete_db_cluster_snapshot();
                        let call = call.db_cluster_snapshot_identifier(&one.name);
                        call.send().await.map(drop).unwrap();
                    }
                    _ => {}
                }
            }
        }
    }

    pub async fn empty(kind: Kind) -> Self {
        let (source, backup) = (cloud::account(), cloud::account());
        let far_kms = aws_sdk_kms::Client::new(&backup.root.sdk(FAR));
        let far_key = far_kms.create_key().send().await.unwrap();
        let far_key = far_key.key_metadata.unwrap().arn.unwrap();
        let bucket = crate::support::unique("lifeboat").replace('_', "-");
        let outputs = stack(
            &backup,
            backup_template(Some(&far_key)),
            json!({
                "SourceAccountId": source.id, "ExternalId": EXTERNAL_ID,
                "BucketName": bucket, "DailyLockDays": "7",
            }),
        );
        let kms_key = outputs["SnapshotKeyArn"].as_str().unwrap().to_owned();
        let text = std::fs::read_to_string(deploy("source-account.yaml")).unwrap();
        stack(
            &source,
            text,
            json!({
                "BackupAccountId": backup.id, "ExternalId": EXTERNAL_ID, "SnapshotKeyArn": kms_key,
                "VpcId": "vpc-1", "SubnetIds": ["subnet-1", "subnet-2"],
            }),
        );
        let nightly = session(
            &source.role_arn("lifeboat-nightly"),
            "ecs-tasks.amazonaws.com",
            &source.id,
        );
        let snapshot = backup.role_arn("lifeboat-snapshot");
        let exporter = backup.role_arn("lifeboat-exporter");
        let world = Self {
            snapshot_role: assume(&nightly, &snapshot, Some(EXTERNAL_ID)).await,
            exporter: assume(&nightly, &exporter, Some(EXTERNAL_ID)).await,
            source,
            backup,
            nightly,
            kms_key,
            far_key,
            kind,
            identifier: "prod-db-1".to_owned(),
            bucket,
            signer: Signer::generate().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        world.init().await;
        world
    }

    /// As an administrator does it once.
    async fn init(&self) {
        let role = self.backup.role_arn("lifeboat-break-glass");
        let key = session(&role, "cloudformation.amazonaws.com", &self.backup.id);
        let repository = self.repository(&key).await;
        repository.create(1, &Locks::None).await.unwrap();
    }

    pub async fn repository(&self, key: &Key) -> Repository {
        let options = S3Options {
            bucket: self.bucket.clone(),
            prefix: "prod".to_owned(),
            region: Some(REGION.to_owned()),
            endpoint: Some(cloud::endpoint().to_owned()),
            path_style: true,
            expected_bucket_owner: Some(self.backup.id.clone()),
            credentials: Some(StaticCredentials {
                access_key: key.access_key_id.clone(),
                secret_key: key.secret_access_key.clone(),
                session_token: key.session_token.clone(),
            }),
            ..S3Options::default()
        };
        let mut limits = RequestLimits::default();
        limits.retry.first_pause = Duration::from_millis(2);
        limits.patience = Duration::ZERO;
        Repository::new(Arc::new(S3Store::open_with(options, limits).await.unwrap()))
    }

    pub fn trust(&self) -> Trust {
        Trust {
            fingerprints: vec![self.signer.fingerprint()],
        }
    }

    /// For messages of the source account's snapshots.
    pub fn meant(&self) -> Source {
        Source {
            name: "prod".to_owned(),
            kind: self.kind,
            identifier: self.identifier.clone(),
        }
    }

    pub fn options(&self) -> Options {
        Options {
            sources: vec![self.meant()],
            take_new: false,
            kms_key: self.kms_key.clone(),
            share_key: self.kms_key.clone(),
            limits: WaitLimits {
                poll: Duration::from_millis(1),
                wait: Duration::from_secs(60),
            },
            dry_run: false,
        }
    }

    pub fn source_side(&self) -> AwsAccount {
        account("source account", &self.source, &self.nightly)
    }

    pub fn backup_side(&self) -> AwsAccount {
        account("backup account", &self.backup, &self.snapshot_role)
    }

    pub async fn copy(&self) -> Report {
        self.copy_with(&self.options(), &SystemClock).await.unwrap()
    }

    pub async fn copy_new(&self) -> Report {
        let options = Options {
            take_new: true,
            ..self.options()
        };
        self.copy_with(&options, &SystemClock).await.unwrap()
    }

    pub async fn copy_with(&self, options: &Options, clock: &dyn Clock) -> Done<Report> {
        self.copy_from(
            options,
            clock,
            &self.source_side(),
            &self.backup_side(),
            &Interrupt::never(),
        )
        .await
    }

    pub async fn copy_from(
        &self,
        options: &Options,
        clock: &dyn Clock,
        source: &AwsAccount,
        backup: &AwsAccount,
        interrupt: &Interrupt,
    ) -> Done<Report> {
        let repository = self.repository(&self.exporter).await;
        let trust = self.trust();
        let records = RecordWriter {
            repository: &repository,
            signer: &self.signer,
            trust: &trust,
            lock: LockPolicy::Explicit {
                mode: LockMode::Compliance,
                days: 7,
            },
            max_lock_days: 400,
        };
        let context = Context {
            clock,
            progress: &Silent,
            interrupt,
        };
        copy::run(Accounts { source, backup }, Ok(records), options, context).await
    }

    // ---- Faults and the log ----

    /// Settings of the tests' AWS for one account.
    pub fn settings(&self, account: &Account, mut values: Value) {
        values["account"] = json!(account.id);
        cloud::control("POST", "settings", &values);
    }

    /// All calls of both accounts' callers since then, but those of the tests themselves as roots.
    pub fn calls(&self) -> Vec<Call> {
        let path = format!("calls?accounts={},{}", self.source.id, self.backup.id);
        let all = cloud::control("GET", &path, &json!({}));
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let all = all.as_array().unwrap().iter();
        let call = |one: &Value| Call {
            number: one["number"].as_u64().unwrap(),
            operation: text(one, "operation"),
            account: text(one, "account"),
            principal: text(one, "principal"),
            code: text(one, "code"),
        };
        all.map(call)
            .filter(|one| one.principal.contains("assumed-role"))
            .collect()
    }

    /// A fault at the nth call of an operation by one account's callers, counted from now.
    pub fn fault(&self, account: &str, operation: &str, nth: usize, what: Value) -> u64 {
        let mut rule = json!({
            "operation": operation, "account": account, "skip": nth,
            "principal": "arn:aws:sts::*:assumed-role/*",
        });
        for (key, value) in what.as_object().unwrap() {
            rule[key] = value.clone();
        }
        cloud::control("POST", "faults", &rule)["id"]
            .as_u64()
            .unwrap()
    }

    pub fn end_fault(&self, id: u64) {
        cloud::control("DELETE", &format!("faults?id={id}"), &json!({}));
    }

    // ---- The binary ----

    /// The configuration of the backup account, for people: without roles, their own credentials do.
    pub fn configure_for_people(&self) {
        self.configure("");
        let file = self.folder.path().join("lifeboat.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let roles = [
            "role_arn = ",
            "snapshot_role_arn = ",
            "expire_role_arn = ",
            "external_id = ",
        ];
        let lines = config
            .lines()
            .filter(|line| !roles.iter().any(|key| line.starts_with(key)));
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    }

    /// The configuration of the source account; more lines of `[snapshot]`.
    pub fn configure(&self, snapshot: &str) {
        let signing = self.folder.path().join("manifest-signing.pem");
        if !signing.exists() {
            std::fs::write(&signing, self.signer.to_pem().unwrap()).unwrap();
        }
        let (source, backup) = (&self.source, &self.backup);
        let text = format!(
            r#"[repository]
url = "s3://{bucket}/prod"
endpoint = "{endpoint}"
trust = ["{trust}"]

[keys]
signing_key = "manifest-signing.pem"

[source_account]
id = "{source_id}"
region = "{REGION}"
expire_role_arn = "{nightly_expire}"

[backup_account]
id = "{backup_id}"
region = "{REGION}"
role_arn = "{exporter}"
snapshot_role_arn = "{snapshot_role}"
external_id = "{EXTERNAL_ID}"

[lock]
daily_days = 7

[snapshot]
kms_key = "{kms_key}"
poll = "1ms"
{snapshot}

[[source]]
name = "prod"
host = "prod.example.com"
{kind} = "{identifier}"
"#,
            bucket = self.bucket,
            endpoint = cloud::endpoint(),
            trust = self.signer.fingerprint(),
            source_id = source.id,
            nightly_expire = source.role_arn("lifeboat-nightly-expire"),
            backup_id = backup.id,
            exporter = backup.role_arn("lifeboat-exporter"),
            snapshot_role = backup.role_arn("lifeboat-snapshot"),
            kms_key = self.kms_key,
            kind = self.kind,
            identifier = self.identifier,
        );
        std::fs::write(self.folder.path().join("lifeboat.toml"), text).unwrap();
    }

    pub fn command(&self, key: &Key, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path().join("no-home"))
            .envs(key.env(REGION))
            .stdin(std::process::Stdio::null());
        command
    }

    pub fn run(&self, key: &Key, args: &[&str]) -> Ran {
        Ran::of(&self.command(key, args).output().unwrap())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub number: u64,
    pub operation: String,
    pub account: String,
    pub principal: String,
    pub code: String,
}

/// Retries as ever, with shorter pauses.
pub fn account(side: &'static str, account: &Account, key: &Key) -> AwsAccount {
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1));
    let sdk = key.sdk(REGION).into_builder().retry_config(retries);
    AwsAccount::unconfirmed(side, &account.id, REGION, sdk.build()).unwrap()
}

fn stack(account: &Account, template: String, parameters: Value) -> Value {
    let stack = json!({
        "account": account.id, "region": REGION, "stack": "lifeboat",
        "template": template, "parameters": parameters,
    });
    cloud::control("POST", "stacks", &stack)["outputs"].clone()
}

pub fn now() -> Timestamp {
    SystemClock.now()
}
