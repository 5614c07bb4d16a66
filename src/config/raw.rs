//! The configuration file as it is written: what it says, before anything is made of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::units::{Interval, Rate};
use crate::model::databases::Databases;

/// A table of the file and the keys it may hold.
pub struct Table {
    /// Empty for the file itself.
    pub name: &'static str,
    pub keys: &'static [&'static str],
}

/// The one list of known keys: a struct for each table, and [`tables`] with the names in all of them.
macro_rules! tables {
    ($($name:literal $(#[$meta:meta])* struct $table:ident {
        $($(#[$key_meta:meta])* $key:ident: $value:ty,)*
    })*) => {
        $(
            #[derive(Debug, Default, Deserialize)]
            #[serde(deny_unknown_fields)]
            $(#[$meta])*
            pub(crate) struct $table {
                $($(#[$key_meta])* pub $key: $value,)*
            }
        )*

        /// All tables, the file itself first.
        pub fn tables() -> Vec<Table> {
            vec![$(Table { name: $name, keys: &[$(stringify!($key)),*] },)*]
        }
    };
}

tables! {
    "" #[derive(Serialize)] struct RawConfig {
        repository: Repository,
        #[serde(skip_serializing_if = "Option::is_none")]
        source_account: Option<SourceAccount>,
        #[serde(skip_serializing_if = "Option::is_none")]
        backup_account: Option<BackupAccount>,
        #[serde(default, skip_serializing)]
        keys: Keys,
        #[serde(default)]
        lock: Lock,
        #[serde(default)]
        recipient: Vec<Recipient>,
        #[serde(default, skip_serializing)]
        export: Export,
        #[serde(default, skip_serializing)]
        fleet: Fleet,
        #[serde(default, skip_serializing)]
        snapshot: Snapshot,
        #[serde(default, skip_serializing)]
        drill: Drill,
        #[serde(default, skip_serializing)]
        limits: Limits,
        #[serde(default, skip_serializing)]
        notify: Notify,
        #[serde(default)]
        source: Vec<Source>,
    }

    "repository" #[derive(Serialize)] struct Repository {
        url: String,
        region: Option<String>,
        endpoint: Option<String>,
        path_style: Option<bool>,
        bucket_owner: Option<String>,
        profile: Option<String>,
        #[serde(default)]
        trust: Vec<String>,
    }

    "source_account" #[derive(Serialize)] struct SourceAccount {
        id: String,
        region: String,
        profile: Option<String>,
        role_arn: Option<String>,
        expire_role_arn: Option<String>,
        external_id: Option<String>,
        session_name: Option<String>,
    }

    "backup_account" #[derive(Serialize)] struct BackupAccount {
        id: String,
        region: String,
        profile: Option<String>,
        role_arn: Option<String>,
        snapshot_role_arn: Option<String>,
        expire_role_arn: Option<String>,
        external_id: Option<String>,
        session_name: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        allow_same_account: bool,
    }

    "keys" struct Keys {
        signing_key: Option<String>,
        reuse_key: Option<PathBuf>,
    }

    "recipient" #[derive(Serialize)] struct Recipient {
        name: String,
        key: String,
        kms_key: Option<String>,
        wrapped: Option<String>,
    }

    "lock" #[derive(Serialize)] struct Lock {
        mode: Option<Mode>,
        daily_days: Option<u32>,
        weekly_days: Option<u32>,
        monthly_days: Option<u32>,
        yearly_days: Option<u32>,
        hourly_days: Option<u32>,
        max_lock_days: Option<u32>,
    }

    "export" struct Export {
        jobs: Option<Jobs>,
        databases_at_once: Option<Jobs>,
        rate_limit: Option<Rate>,
        ddl_wait: Option<Interval>,
        full_every: Option<Interval>,
        hourly_budget: Option<u32>,
        gb_month_price: Option<f64>,
        #[serde(default)]
        pg_bin: Vec<PathBuf>,
    }

    "fleet" struct Fleet {
        #[serde(default)]
        spread: bool,
    }

    "snapshot" struct Snapshot {
        kms_key: Option<String>,
        share_key: Option<String>,
        region: Option<String>,
        take: Option<Take>,
        wait: Option<Interval>,
        poll: Option<Interval>,
        expire: Option<bool>,
        keep_days: Option<u32>,
        keep_weeks: Option<u32>,
        keep_months: Option<u32>,
        copies_a_day: Option<u32>,
        copies_a_week: Option<u32>,
        keep_verified: Option<u32>,
    }

    "drill" struct Drill {
        folder: Option<PathBuf>,
        time_limit: Option<Interval>,
        server_socket: Option<PathBuf>,
        #[serde(default)]
        superuser: bool,
        #[serde(default)]
        weak_wall: bool,
        subnet_group: Option<String>,
        security_group: Option<String>,
        class: Option<String>,
        largest_size: Option<String>,
        within_percent: Option<f64>,
        #[serde(default)]
        assert: Vec<Assert>,
    }

    "drill.assert" struct Assert {
        name: String,
        sql: String,
        source: Option<String>,
        database: Option<String>,
        equals: Option<Scalar>,
        at_least: Option<f64>,
        within_percent: Option<f64>,
        not_older_than: Option<Interval>,
    }

    "limits" struct Limits {
        export_age: Option<Interval>,
        copy_age: Option<Interval>,
        drill_age: Option<Interval>,
        break_glass_age: Option<Interval>,
        break_glass_opened: Option<String>,
        shrink_percent: Option<u32>,
        export_every: Option<Interval>,
        contested_limit: Option<usize>,
    }

    "notify" struct Notify {
        webhook_file: Option<PathBuf>,
        webhook_format: Option<WebhookFormat>,
        webhook_on: Option<WebhookOn>,
        ping_file: Option<PathBuf>,
        metrics: Option<bool>,
    }

    "source" #[derive(Serialize)] struct Source {
        name: String,
        url: Option<String>,
        host: Option<String>,
        port: Option<u16>,
        user: Option<String>,
        service: Option<String>,
        sslmode: Option<String>,
        sslrootcert: Option<PathBuf>,
        password_file: Option<PathBuf>,
        auth: Option<Auth>,
        instance: Option<String>,
        cluster: Option<String>,
        databases: Option<Databases>,
        #[serde(default)]
        exclude_databases: Vec<String>,
        at_once: Option<u16>,
        #[serde(default, skip_serializing)]
        exclude_tables: Vec<String>,
        #[serde(default, skip_serializing)]
        exclude_table_data: Vec<String>,
        #[serde(default, skip_serializing)]
        exclude_schemas: Vec<String>,
    }
}

/// `lock.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    Compliance,
    Governance,
    BucketDefault,
    None,
}

/// `export.jobs`, `export.databases_at_once`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a number or \"auto\"")]
pub(super) enum Jobs {
    Count(i64),
    Word(JobsWord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum JobsWord {
    Auto,
}

/// `snapshot.take`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Take {
    Automated,
    New,
}

/// `assert.equals`: a text, a number or a truth value, compared as PostgreSQL prints it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Scalar {
    Truth(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// `notify.webhook_format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WebhookFormat {
    Slack,
    Teams,
    PagerDuty,
}

/// `notify.webhook_on`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WebhookOn {
    Trouble,
    Always,
}

/// `source.auth`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Auth {
    Password,
    Iam,
}
