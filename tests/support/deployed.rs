//! Both accounts as `deploy/aws` makes them, a repository in the locked bucket, and lifeboat in the
//! hands of the templates' roles.

use std::fs;
use std::process::Command;

use lifeboat::testing::model::Sha256;
use serde_json::{Value, json};

use super::Lifeboat;
use super::cloud::{self, Account, Key, REGION, allow};
use super::cluster::Cluster;
use super::program::Ran;

pub const EXTERNAL_ID: &str = "an-external-id-of-tests";

/// What `deploy/README.md` makes in its steps 1 to 8.
pub struct Deployed {
    pub source: Account,
    pub backup: Account,
    pub bucket: String,
    /// Of the backup account's stack.
    pub outputs: Value,
    /// The folder of `lifeboat.toml` and `backup.toml`.
    pub lifeboat: Lifeboat,
}

impl Deployed {
    /// Without sources yet.
    pub async fn new() -> Self {
        let (source, backup) = (cloud::account(), cloud::account());
        let bucket = super::unique("lifeboat").replace('_', "-");
        let parameters = json!({
            "SourceAccountId": source.id, "ExternalId": EXTERNAL_ID, "BucketName": bucket,
        });
        let template = "deploy/aws/backup-account.yaml";
        let outputs = backup.stack("lifeboat-backup", template, &parameters);
        let query = format!("network?account={}&region={REGION}", source.id);
        let network = cloud::control("GET", &query, &json!({}));
        let parameters = json!({
            "BackupAccountId": backup.id, "ExternalId": EXTERNAL_ID,
            "SnapshotKeyArn": outputs["SnapshotKeyArn"],
            "VpcId": network["vpc"], "SubnetIds": network["subnets"],
        });
        source.stack(
            "lifeboat-source",
            "deploy/aws/source-account.yaml",
            &parameters,
        );
        let it = Self {
            source,
            backup,
            bucket,
            outputs,
            lifeboat: Lifeboat::empty(),
        };
        it.init().await;
        it
    }

    /// By break-glass: the repository, the key that KMS keeps, and both configurations.
    async fn init(&self) {
        let break_glass = self.break_glass().await;
        let url = self.url();
        let place = [
            "--repository",
            &url,
            "--region",
            REGION,
            "--bucket-owner",
            &self.backup.id,
        ];
        let init = [&["init", "--config", "lifeboat.toml"][..], &place].concat();
        self.run_as(&break_glass, &init).ok();
        let key = self.output("IdentityKeyArn");
        let add = ["keys", "add", "--config", "lifeboat.toml", "--kms", &key];
        self.run_as(&break_glass, &add).ok();
        // Neither account has it.
        let offline = self.lifeboat.folder().join("offline");
        fs::create_dir(&offline).unwrap();
        fs::rename(self.lifeboat.identity(), offline.join("break-glass.key")).unwrap();
        let attests = self.attestation_fingerprint().await;
        let config = self.lifeboat.folder().join("lifeboat.toml");
        let text = fs::read_to_string(&config).unwrap();
        let pinned = self.lifeboat.fingerprint();
        let both = format!("trust = [\"{pinned}\", \"{attests}\"]");
        let text = text.replace(&format!("trust = [\"{pinned}\"]"), &both);
        let (source, backup) = (&self.source.id, &self.backup.id);
        let exporter = self.output("ExporterRoleArn");
        let accounts = format!(
            "[source_account]\nid = \"{source}\"\nregion = \"{REGION}\"\n[backup_account]\n\
             id = \"{backup}\"\nregion = \"{REGION}\"\nrole_arn = \"{exporter}\"\n\
             external_id = \"{EXTERNAL_ID}\"\n"
        );
        fs::write(&config, format!("{text}\n{accounts}")).unwrap();
        let backup = format!(
            "[repository]\nurl = \"{url}\"\n{both}\n[backup_account]\nid = \"{backup}\"\n\
             region = \"{REGION}\"\n[keys]\nsigning_key = \"{}\"\n[lock]\nweekly_days = 60\n\
             [limits]\nexport_every = \"1ms\"\n",
            self.output("AttestationKeyArn")
        );
        fs::write(self.lifeboat.folder().join("backup.toml"), backup).unwrap();
    }

    pub fn url(&self) -> String {
        format!("s3://{}/prod", self.bucket)
    }

    pub fn output(&self, name: &str) -> String {
        self.outputs[name].as_str().unwrap().to_owned()
    }

    /// A source of the source account's configuration: the database `postgres` of a cluster.
    pub fn source(&self, name: &str, cluster: &Cluster) {
        self.lifeboat.source(name, cluster);
    }

    /// The task of a schedule in its account.
    fn task(account: &Account, role: &str) -> Key {
        cloud::task(account, role)
    }

    pub fn nightly(&self) -> Key {
        Self::task(&self.source, "lifeboat-nightly")
    }

    pub fn prove(&self) -> Key {
        Self::task(&self.backup, "lifeboat-prove")
    }

    /// A person with MFA who became break-glass.
    pub async fn break_glass(&self) -> Key {
        let name = super::unique("person");
        let arn = self.output("BreakGlassRoleArn");
        let person = self
            .backup
            .user(&name, &[allow("sts:AssumeRole", arn.as_str())]);
        let assumed = aws_sdk_sts::Client::new(&person.sdk(REGION))
            .assume_role()
            .role_arn(arn)
            .role_session_name("person")
            .serial_number(format!("arn:aws:iam::{}:mfa/{name}", self.backup.id))
            .token_code("123456")
            .send()
            .await
            .unwrap();
        let credentials = assumed.credentials.unwrap();
        Key {
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            session_token: Some(credentials.session_token),
        }
    }

    async fn attestation_fingerprint(&self) -> Sha256 {
        let key = self.output("AttestationKeyArn");
        let asked = self.backup.kms().get_public_key().key_id(key).send();
        Sha256::of(asked.await.unwrap().public_key.unwrap().as_ref())
    }

    pub fn command(&self, key: &Key, args: &[&str]) -> Command {
        let mut command = self.lifeboat.command(args);
        command.arg("--json").envs(key.env(REGION));
        command
    }

    pub fn run_as(&self, key: &Key, args: &[&str]) -> Ran {
        Ran::of(&self.command(key, args).output().unwrap())
    }

    /// `lifeboat nightly` as the source account's task.
    pub fn run_nightly(&self) -> Ran {
        self.run_as(&self.nightly(), &["nightly"])
    }

    /// `lifeboat prove` as the backup account's task.
    pub fn run_prove(&self) -> Ran {
        self.run_as(&self.prove(), &["prove", "--config", "backup.toml"])
    }
}
