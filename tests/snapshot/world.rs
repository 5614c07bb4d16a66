//! Two accounts as the templates make them, a database to copy, and the roles that do it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use jiff::Timestamp;
use lifeboat::aws::Account as Entered;
use lifeboat::clock::{Clock, SystemClock};
use lifeboat::error::{Error, Result as Done};
use lifeboat::interrupt::Interrupt;
use lifeboat::model::lock::{LockMode, LockPolicy};
use lifeboat::model::snapshot::Kind;
use lifeboat::progress::Silent;
use lifeboat::repository::{Locks, Repository};
use lifeboat::sign::{Signer, Trust};
use lifeboat::snapshot::copy::{self, Means, Options, Records, Report};
use lifeboat::snapshot::{Bearings, Patience, Source};
use lifeboat::store::s3::{Patience as StorePatience, S3Options, S3Store, StaticCredentials};
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
    let text = with_records(text);
    let Some(far_key) = far_key else { return text };
    let via = "kms:ViaService: !Sub 'rds.${AWS::Region}.amazonaws.com'";
    let both = format!(
        "kms:ViaService: [!Sub 'rds.${{AWS::Region}}.amazonaws.com', rds.{FAR}.amazonaws.com]"
    );
    assert!(text.contains(via));
    text.replace(via, &both).replace(
        "Resource: [!GetAtt SnapshotKey.Arn, !Sub 'arn:aws:kms:${AWS::Region}:${SourceAccountId}:key/*']",
        &format!(
            "Resource: [!GetAtt SnapshotKey.Arn, !Sub 'arn:aws:kms:${{AWS::Region}}:${{SourceAccountId}}:key/*', '{far_key}']"
        ),
    )
}

/// Until the template knows `snapshots/`, where records lie.
fn with_records(text: String) -> String {
    if text.contains("${Prefix}snapshots/") {
        return text;
    }
    let manifests = "!Sub '${Bucket.Arn}/${Prefix}manifests/*'";
    let records = "!Sub '${Bucket.Arn}/${Prefix}snapshots/*'";
    text.replace(
        &format!("{manifests}]"),
        &format!("{manifests}, {records}]"),
    )
    .replace(
        &format!("- {manifests}\n"),
        &format!("- {manifests}\n          - {records}\n"),
    )
    .replace(
        &format!("[{manifests}, !Sub '${{Bucket.Arn}}/${{Prefix}}lifeboat.json']"),
        &format!("[{manifests}, {records}, !Sub '${{Bucket.Arn}}/${{Prefix}}lifeboat.json']"),
    )
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
        let patience = StorePatience {
            first_pause: Duration::from_millis(2),
            ..StorePatience::default()
        };
        Repository::new(Arc::new(
            S3Store::open_with(options, patience).await.unwrap(),
        ))
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
            patience: Patience {
                poll: Duration::from_millis(1),
                wait: Duration::from_secs(60),
            },
            dry_run: false,
        }
    }

    pub fn source_side(&self) -> Entered {
        entered("source account", &self.source, &self.nightly)
    }

    pub fn backup_side(&self) -> Entered {
        entered("backup account", &self.backup, &self.snapshot_role)
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
        source: &Entered,
        backup: &Entered,
        interrupt: &Interrupt,
    ) -> Done<Report> {
        let repository = self.repository(&self.exporter).await;
        let trust = self.trust();
        let means = Means {
            source,
            backup,
            records: Ok::<_, &Error>(Records {
                repository: &repository,
                signer: &self.signer,
                trust: &trust,
                lock: LockPolicy::Explicit {
                    mode: LockMode::Compliance,
                    days: 7,
                },
                max_lock_days: 400,
            }),
            bearings: Bearings {
                clock,
                progress: &Silent,
                interrupt,
            },
        };
        copy::run(&means, options).await
    }

    // ---- The database ----

    pub async fn create(&self, under: Under) {
        let identifier = &self.identifier;
        let key = match under {
            Under::Customer => Some(self.customer_key().await),
            _ => None,
        };
        if under == Under::Owned {
            self.settings(&self.source, json!({"aurora_under_owned_key": true}));
        }
        let encrypted = under != Under::Nothing;
        let rds = self.source.rds();
        match self.kind {
            Kind::Instance => {
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier(identifier)
                    .db_instance_class("db.t4g.micro")
                    .engine("postgres")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .allocated_storage(20)
                    .storage_encrypted(encrypted)
                    .set_kms_key_id(key);
                call.send().await.unwrap();
            }
            Kind::Cluster => {
                let call = rds
                    .create_db_cluster()
                    .db_cluster_identifier(identifier)
                    .engine("aurora-postgresql")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .storage_encrypted(encrypted)
                    .set_kms_key_id(key);
                call.send().await.unwrap();
            }
        }
        self.settle().await;
    }

    /// Looks at it until it is available: snapshots can be taken of it then.
    async fn settle(&self) {
        let identifier = &self.identifier;
        let rds = self.source.rds();
        for _ in 0..4 {
            match self.kind {
                Kind::Instance => {
                    let call = rds
                        .describe_db_instances()
                        .db_instance_identifier(identifier);
                    call.send().await.map(drop).unwrap();
                }
                Kind::Cluster => {
                    let call = rds.describe_db_clusters().db_cluster_identifier(identifier);
                    call.send().await.map(drop).unwrap();
                }
            }
        }
    }

    /// A key of the source account that lets the backup account's role copy.
    async fn customer_key(&self) -> String {
        let actions = [
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:DescribeKey",
            "kms:CreateGrant",
        ];
        let mut whole = cloud::allow("kms:*", "*");
        whole["Principal"] = json!({"AWS": self.source.root_arn()});
        let mut theirs = cloud::allow(json!(actions), "*");
        theirs["Principal"] = json!({"AWS": self.backup.root_arn()});
        let policy = cloud::document(&[whole, theirs]).to_string();
        let made = self.source.kms().create_key().policy(policy).send().await;
        made.unwrap().key_metadata.unwrap().arn.unwrap()
    }

    /// An automated snapshot now.
    pub fn backup_now(&self) {
        let of = self.kind.to_string();
        let asked = json!({"account": self.source.id, "region": REGION, of: self.identifier});
        cloud::control("POST", "backup", &asked);
    }

    /// Names and tags tell whole seconds: waits for the next one.
    pub async fn settle_a_second(&self) {
        let began = now().as_second();
        while now().as_second() == began {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A snapshot of somebody else's database, under this name, without tags.
    pub async fn foreign_snapshot(&self, account: &Account, name: &str) {
        self.tagged_snapshot(account, name, &[]).await;
    }

    /// The same with tags.
    pub async fn tagged_snapshot(&self, account: &Account, name: &str, tags: &[(&str, &str)]) {
        let rds = account.rds();
        let tags = tags.iter().map(|(key, value)| {
            aws_sdk_rds::types::Tag::builder()
                .key(*key)
                .value(*value)
                .build()
        });
        let tags = Some(tags.collect::<Vec<_>>());
        self.settings(account, json!({"polls": 0}));
        match self.kind {
            Kind::Instance => {
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier("foreign")
                    .db_instance_class("db.t4g.micro")
                    .engine("postgres")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .allocated_storage(20);
                let _ = call.send().await;
                let call = rds.create_db_snapshot().db_instance_identifier("foreign");
                let call = call.db_snapshot_identifier(name).set_tags(tags);
                call.send().await.map(drop).unwrap();
            }
            Kind::Cluster => {
                let call = rds
                    .create_db_cluster()
                    .db_cluster_identifier("foreign")
                    .engine("aurora-postgresql")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password");
                let _ = call.send().await;
                let call = rds
                    .create_db_cluster_snapshot()
                    .db_cluster_identifier("foreign");
                let call = call.db_cluster_snapshot_identifier(name).set_tags(tags);
                call.send().await.map(drop).unwrap();
            }
        }
        self.settings(account, json!({"polls": 1}));
    }

    /// Restarts from a database with settings of its own: parameters, a class, a member.
    pub async fn create_tuned(&self) {
        let rds = self.source.rds();
        let parameters = [("work_mem", "65536"), ("log_min_duration_statement", "250")];
        let parameters = parameters.map(|(name, value)| {
            aws_sdk_rds::types::Parameter::builder()
                .parameter_name(name)
                .parameter_value(value)
                .apply_method(aws_sdk_rds::types::ApplyMethod::PendingReboot)
                .build()
        });
        let identifier = &self.identifier;
        match self.kind {
            Kind::Instance => {
                let group = rds
                    .create_db_parameter_group()
                    .db_parameter_group_name("tuned");
                let group = group
                    .db_parameter_group_family("postgres16")
                    .description("tuned");
                group.send().await.unwrap();
                let set = rds
                    .modify_db_parameter_group()
                    .db_parameter_group_name("tuned");
                set.set_parameters(Some(parameters.to_vec()))
                    .send()
                    .await
                    .unwrap();
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier(identifier)
                    .db_instance_class("db.m6g.large")
                    .engine("postgres")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .allocated_storage(20)
                    .storage_encrypted(true)
                    .multi_az(true)
                    .enable_iam_database_authentication(true)
                    .db_parameter_group_name("tuned");
                call.send().await.unwrap();
            }
            Kind::Cluster => {
                let group = rds.create_db_cluster_parameter_group();
                let group = group.db_cluster_parameter_group_name("tuned");
                let group = group
                    .db_parameter_group_family("aurora-postgresql16")
                    .description("tuned");
                group.send().await.unwrap();
                let set = rds.modify_db_cluster_parameter_group();
                let set = set.db_cluster_parameter_group_name("tuned");
                set.set_parameters(Some(parameters.to_vec()))
                    .send()
                    .await
                    .unwrap();
                let call = rds
                    .create_db_cluster()
                    .db_cluster_identifier(identifier)
                    .engine("aurora-postgresql")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .storage_encrypted(true)
                    .db_cluster_parameter_group_name("tuned");
                call.send().await.unwrap();
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier("prod-writer")
                    .db_instance_class("db.r6g.large")
                    .engine("aurora-postgresql")
                    .db_cluster_identifier(identifier);
                call.send().await.unwrap();
            }
        }
        self.settle().await;
    }

    /// `terraform destroy`: the instance, and its automated snapshots with it.
    pub async fn destroy(&self) {
        let call = self.source.rds().delete_db_instance();
        let call = call
            .db_instance_identifier(&self.identifier)
            .skip_final_snapshot(true);
        call.send().await.unwrap();
    }

    pub async fn instance(&self, name: &str) -> Option<aws_sdk_rds::types::DbInstance> {
        let call = self.backup.rds().describe_db_instances();
        let told = call.db_instance_identifier(name).send().await.ok()?;
        told.db_instances?.into_iter().next()
    }

    pub async fn cluster(&self, name: &str) -> aws_sdk_rds::types::DbCluster {
        let call = self.backup.rds().describe_db_clusters();
        let told = call.db_cluster_identifier(name).send().await.unwrap();
        told.db_clusters.unwrap().into_iter().next().unwrap()
    }

    /// Of a parameter group of the backup account.
    pub async fn parameters(&self, group: &str) -> BTreeMap<String, String> {
        let call = self.backup.rds().describe_db_parameters();
        let told = call.db_parameter_group_name(group).send().await.unwrap();
        let all = told.parameters.unwrap().into_iter();
        all.map(|one| (one.parameter_name.unwrap(), one.parameter_value.unwrap()))
            .collect()
    }

    /// Of a cluster's parameter group there.
    pub async fn cluster_parameters(&self, group: &str) -> BTreeMap<String, String> {
        let call = self.backup.rds().describe_db_cluster_parameters();
        let call = call.db_cluster_parameter_group_name(group);
        let all = call.send().await.unwrap().parameters.unwrap().into_iter();
        all.map(|one| (one.parameter_name.unwrap(), one.parameter_value.unwrap()))
            .collect()
    }

    // ---- Roles ----

    pub async fn nightly_expire(&self) -> Key {
        assume(
            &self.nightly,
            &self.source.role_arn("lifeboat-nightly-expire"),
            None,
        )
        .await
    }

    pub fn expire_role(&self) -> Key {
        let role = self.backup.role_arn("lifeboat-expire");
        session(&role, "ecs-tasks.amazonaws.com", &self.backup.id)
    }

    /// A person with MFA.
    pub async fn restore_role(&self) -> Key {
        let role = self.backup.role_arn("lifeboat-restore");
        let person = self
            .backup
            .user("person", &[cloud::allow("sts:AssumeRole", &*role)]);
        let sts = aws_sdk_sts::Client::new(&person.sdk(REGION));
        let assumed = sts
            .assume_role()
            .role_arn(&role)
            .role_session_name("person")
            .serial_number(format!("arn:aws:iam::{}:mfa/person", self.backup.id))
            .token_code("123456")
            .send()
            .await
            .unwrap();
        let made = assumed.credentials.unwrap();
        Key {
            access_key_id: made.access_key_id,
            secret_access_key: made.secret_access_key,
            session_token: Some(made.session_token),
        }
    }

    // ---- What people and prove do to copies ----

    pub async fn tag_copy(&self, name: &str, key: &str, value: &str) {
        let copies = self.copies().await;
        let copy = copies.iter().find(|one| one.name == name).unwrap();
        let tag = aws_sdk_rds::types::Tag::builder()
            .key(key)
            .value(value)
            .build();
        let call = self.backup.rds().add_tags_to_resource();
        call.resource_name(&copy.arn)
            .tags(tag)
            .send()
            .await
            .unwrap();
    }

    pub async fn delete_copy(&self, name: &str) {
        let rds = self.backup.rds();
        match self.kind {
            Kind::Instance => {
                let call = rds.delete_db_snapshot().db_snapshot_identifier(name);
                call.send().await.map(drop).unwrap();
            }
            Kind::Cluster => {
                let call = rds
                    .delete_db_cluster_snapshot()
                    .db_cluster_snapshot_identifier(name);
                call.send().await.map(drop).unwrap();
            }
        }
    }

    /// Settings of the tests' AWS for one account.
    pub fn settings(&self, account: &Account, mut values: Value) {
        values["account"] = json!(account.id);
        cloud::control("POST", "settings", &values);
    }

    // ---- What is there ----

    pub async fn snapshots_of(&self, account: &Account, region: &str) -> Vec<Snapshot> {
        let rds = aws_sdk_rds::Client::new(&account.root.sdk(region));
        match self.kind {
            Kind::Instance => {
                let told = rds.describe_db_snapshots().into_paginator().items().send();
                let all: Result<Vec<_>, _> = told.collect().await;
                let all = all.unwrap().into_iter();
                all.map(|one| Snapshot {
                    name: one.db_snapshot_identifier.unwrap(),
                    arn: one.db_snapshot_arn.unwrap(),
                    made: one.snapshot_type.unwrap(),
                    status: one.status.unwrap(),
                    encrypted: one.encrypted.unwrap_or(false),
                    kms_key: one.kms_key_id,
                    copied_from: one.source_db_snapshot_identifier,
                    tags: tags(one.tag_list),
                })
                .collect()
            }
            Kind::Cluster => {
                let told = rds
                    .describe_db_cluster_snapshots()
                    .into_paginator()
                    .items()
                    .send();
                let all: Result<Vec<_>, _> = told.collect().await;
                let all = all.unwrap().into_iter();
                all.map(|one| Snapshot {
                    name: one.db_cluster_snapshot_identifier.unwrap(),
                    arn: one.db_cluster_snapshot_arn.unwrap(),
                    made: one.snapshot_type.unwrap(),
                    status: one.status.unwrap(),
                    encrypted: one.storage_encrypted.unwrap_or(false),
                    kms_key: one.kms_key_id,
                    copied_from: one.source_db_cluster_snapshot_arn,
                    tags: tags(one.tag_list),
                })
                .collect()
            }
        }
    }

    /// Manual ones of the backup account.
    pub async fn copies(&self) -> Vec<Snapshot> {
        let mut all = self.snapshots_of(&self.backup, REGION).await;
        all.retain(|one| one.made == "manual");
        all
    }

    /// Manual ones of the source account.
    pub async fn intermediates(&self) -> Vec<Snapshot> {
        let mut all = self.snapshots_of(&self.source, REGION).await;
        all.retain(|one| one.made == "manual");
        all
    }

    /// Names and accounts of everything in the source account that is shared.
    pub async fn shared(&self) -> Vec<(String, String)> {
        let rds = self.source.rds();
        let mut found = Vec::new();
        for one in self.intermediates().await {
            let values: Vec<String> = match self.kind {
                Kind::Instance => {
                    let call = rds
                        .describe_db_snapshot_attributes()
                        .db_snapshot_identifier(&one.name);
                    let told = call
                        .send()
                        .await
                        .unwrap()
                        .db_snapshot_attributes_result
                        .unwrap();
                    let all = told.db_snapshot_attributes.unwrap_or_default().into_iter();
                    all.flat_map(|one| one.attribute_values.unwrap_or_default())
                        .collect()
                }
                Kind::Cluster => {
                    let call = rds
                        .describe_db_cluster_snapshot_attributes()
                        .db_cluster_snapshot_identifier(&one.name);
                    let told = call
                        .send()
                        .await
                        .unwrap()
                        .db_cluster_snapshot_attributes_result
                        .unwrap();
                    let all = told
                        .db_cluster_snapshot_attributes
                        .unwrap_or_default()
                        .into_iter();
                    all.flat_map(|one| one.attribute_values.unwrap_or_default())
                        .collect()
                }
            };
            found.extend(
                values
                    .into_iter()
                    .map(|account| (one.name.clone(), account)),
            );
        }
        found
    }

    /// One available copy under the backup account's key, its record, and nothing shared.
    #[track_caller]
    pub fn assert_one<'a>(&'a self, label: &'a str) -> impl Future<Output = Snapshot> + 'a {
        async move {
            let copies = self.copies().await;
            let available: Vec<_> = copies
                .iter()
                .filter(|one| one.status == "available")
                .collect();
            assert_eq!(available.len(), 1, "{label}: {copies:#?}");
            assert_eq!(copies.len(), 1, "{label}: {copies:#?}");
            assert_eq!(self.shared().await, [], "{label}");
            available[0].clone()
        }
    }

    pub fn nothing_unknown(&self) {
        cloud::nothing_unknown(&[&self.source, &self.backup]);
    }

    // ---- Faults and the log ----

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

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub name: String,
    pub arn: String,
    pub made: String,
    pub status: String,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub copied_from: Option<String>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub number: u64,
    pub operation: String,
    pub account: String,
    pub principal: String,
    pub code: String,
}

fn tags(told: Option<Vec<aws_sdk_rds::types::Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: aws_sdk_rds::types::Tag| (tag.key.unwrap(), tag.value.unwrap_or_default());
    told.unwrap_or_default().into_iter().map(pair).collect()
}

/// Retries as ever, with shorter pauses.
pub fn entered(side: &'static str, account: &Account, key: &Key) -> Entered {
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1));
    let sdk = key.sdk(REGION).into_builder().retry_config(retries);
    Entered::known(side, &account.id, REGION, sdk.build())
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
