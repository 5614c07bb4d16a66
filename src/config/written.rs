//! The configuration as written: what the file says, before anything is made of it.
//!
//! These structs are the one list of known keys; [`super::keys`] reads their field names.

use std::path::PathBuf;

use serde::Deserialize;

use crate::model::databases::Databases;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub repository: Repository,
    pub source_account: Option<SourceAccount>,
    pub backup_account: Option<BackupAccount>,
    #[serde(default)]
    pub keys: Keys,
    #[serde(default)]
    pub recipient: Vec<Recipient>,
    #[serde(default)]
    pub lock: Lock,
    #[serde(default)]
    pub export: Export,
    #[serde(default)]
    pub snapshot: Snapshot,
    #[serde(default)]
    pub drill: Drill,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub notify: Notify,
    #[serde(default)]
    pub source: Vec<Source>,
}

/// `[repository]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    pub url: String,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub path_style: Option<bool>,
    pub bucket_owner: Option<String>,
    pub profile: Option<String>,
    #[serde(default)]
    pub trust: Vec<String>,
}

/// `[source_account]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceAccount {
    pub id: String,
    pub region: String,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub expire_role_arn: Option<String>,
    pub external_id: Option<String>,
    pub session_name: Option<String>,
}

/// `[backup_account]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupAccount {
    pub id: String,
    pub region: String,
    pub profile: Option<String>,
    pub role_arn: Option<String>,
    pub snapshot_role_arn: Option<String>,
    pub expire_role_arn: Option<String>,
    pub external_id: Option<String>,
    pub session_name: Option<String>,
    #[serde(default)]
    pub allow_same_account: bool,
}

/// `[keys]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub signing_key: Option<String>,
}

/// `[snapshot]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub kms_key: Option<String>,
    pub share_key: Option<String>,
    pub region: Option<String>,
    pub take: Option<Take>,
    pub wait: Option<String>,
    pub poll: Option<String>,
    pub expire: Option<bool>,
    pub keep_days: Option<u32>,
    pub keep_weeks: Option<u32>,
    pub keep_months: Option<u32>,
    pub keep_verified: Option<u32>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub export_age: Option<String>,
    pub copy_age: Option<String>,
    pub drill_age: Option<String>,
    pub break_glass_age: Option<String>,
    pub break_glass_opened: Option<String>,
    pub shrink_percent: Option<u32>,
}

/// `[notify]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    pub webhook_file: Option<PathBuf>,
    pub webhook_on: Option<WebhookOn>,
    pub ping_file: Option<PathBuf>,
    pub metrics: Option<bool>,
}

/// `notify.webhook_on`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookOn {
    #[default]
    Trouble,
    Always,
}

/// `[drill]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    pub folder: Option<PathBuf>,
    pub time_limit: Option<String>,
    pub server_socket: Option<PathBuf>,
    #[serde(default)]
    pub superuser: bool,
    #[serde(default)]
    pub weak_wall: bool,
    pub subnet_group: Option<String>,
    pub security_group: Option<String>,
    pub class: Option<String>,
    #[serde(default)]
    pub assert: Vec<Assert>,
}

/// `[[drill.assert]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assert {
    pub name: String,
    pub sql: String,
    pub source: Option<String>,
    pub database: Option<String>,
    pub equals: Option<Scalar>,
    pub at_least: Option<f64>,
    pub within_percent: Option<f64>,
    pub not_older_than: Option<String>,
}

/// `assert.equals`: a text, a number or a truth value, compared as PostgreSQL prints it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    Truth(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// `snapshot.take`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    #[default]
    Automated,
    New,
}

/// `[[recipient]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    pub name: String,
    pub key: String,
    pub kms_key: Option<String>,
    pub wrapped: Option<String>,
}

/// `[lock]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    pub mode: Option<Mode>,
    pub daily_days: Option<u32>,
    pub weekly_days: Option<u32>,
    pub monthly_days: Option<u32>,
    pub yearly_days: Option<u32>,
    pub max_lock_days: Option<u32>,
}

/// `lock.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Compliance,
    Governance,
    BucketDefault,
    None,
}

/// `[export]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub jobs: Option<Jobs>,
    pub rate_limit: Option<String>,
    pub ddl_wait: Option<String>,
    #[serde(default)]
    pub pg_bin: Vec<PathBuf>,
}

/// `export.jobs`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a number or \"auto\"")]
pub enum Jobs {
    Count(i64),
    Word(JobsWord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobsWord {
    Auto,
}

/// `[[source]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    pub url: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub service: Option<String>,
    pub sslmode: Option<String>,
    pub sslrootcert: Option<PathBuf>,
    pub password_file: Option<PathBuf>,
    pub auth: Option<Auth>,
    pub instance: Option<String>,
    pub cluster: Option<String>,
    pub databases: Option<Databases>,
    #[serde(default)]
    pub exclude_databases: Vec<String>,
}

/// `source.auth`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    #[default]
    Password,
    Iam,
}
