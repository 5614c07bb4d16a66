//! The configuration that is stored in clear inside every restore point: enough to write a new one
//! when the old one is gone, nothing that helps a thief or means something on one machine only.

use serde::Serialize;

use super::{Config, Databases, Rds};
use crate::error::{Error, Result};
use crate::model::lock::{LockMode, LockPolicy};

#[derive(Serialize)]
struct Stored {
    repository: Repository,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_account: Option<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_account: Option<Account>,
    lock: Lock,
    recipient: Vec<Recipient>,
    source: Vec<Source>,
}

#[derive(Serialize)]
struct Repository {
    url: String,
    region: Option<String>,
    endpoint: Option<String>,
    path_style: Option<bool>,
    bucket_owner: Option<String>,
    trust: Vec<String>,
}

/// Roles and profiles are those of the exporter: whoever restores is somebody else.
#[derive(Serialize)]
struct Account {
    id: String,
    region: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_same_account: bool,
}

#[derive(Serialize)]
struct Lock {
    mode: &'static str,
    daily_days: Option<u32>,
    max_lock_days: u32,
}

#[derive(Serialize)]
struct Recipient {
    name: String,
    key: String,
    kms_key: Option<String>,
    wrapped: Option<String>,
}

#[derive(Serialize)]
struct Source {
    name: String,
    instance: Option<String>,
    cluster: Option<String>,
    databases: Option<Databases>,
    exclude_databases: Vec<String>,
}

/// The configuration without addresses, users, passwords, profiles, and paths of this machine, as
/// TOML. Made from the resolved values: comments may hold anything, and are left behind.
pub fn secret_free_text(config: &Config) -> Result<String> {
    let accounts = &config.accounts;
    let account = |side: &Option<super::accounts::Account>, allow_same_account| {
        side.as_ref().map(|account| Account {
            id: account.id.clone(),
            region: account.region.clone(),
            allow_same_account,
        })
    };
    let stored = Stored {
        repository: repository(config),
        source_account: account(&accounts.source, false),
        backup_account: account(&accounts.backup, accounts.allow_same),
        lock: lock(config),
        recipient: config
            .recipients
            .iter()
            .map(|recipient| Recipient {
                name: recipient.name.clone(),
                key: recipient.key.clone(),
                kms_key: recipient.wrapped.as_ref().map(|one| one.kms_key.clone()),
                wrapped: recipient.wrapped.as_ref().map(|one| one.ciphertext.clone()),
            })
            .collect(),
        source: config.sources.iter().map(source).collect(),
    };
    let text = toml::to_string(&stored)
        .map_err(|why| Error::failed("cannot write the configuration as TOML").because(why))?;
    Ok(format!(
        "# The configuration this restore point was made with, without secrets, addresses and\n\
         # paths: add `signing_key` under [keys] and a `url` or `host` to each source.\n\n{text}"
    ))
}

fn repository(config: &Config) -> Repository {
    let s3 = &config.repository.s3;
    Repository {
        url: config.repository.location.to_string(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        path_style: s3.path_style,
        bucket_owner: s3.bucket_owner.clone(),
        trust: config.trust.iter().map(ToString::to_string).collect(),
    }
}

fn lock(config: &Config) -> Lock {
    let (mode, daily_days) = match config.lock.policy {
        LockPolicy::Explicit { mode, days } => {
            let mode = match mode {
                LockMode::Compliance => "compliance",
                LockMode::Governance => "governance",
            };
            (mode, Some(days))
        }
        LockPolicy::BucketDefault => ("bucket-default", None),
        LockPolicy::None => ("none", None),
    };
    Lock {
        mode,
        daily_days,
        max_lock_days: config.lock.max_lock_days,
    }
}

fn source(source: &super::Source) -> Source {
    let databases = Some(source.databases.clone()).filter(|one| *one != Databases::OfConnection);
    let exclude_databases = match &source.databases {
        Databases::All { except } => except.clone(),
        _ => Vec::new(),
    };
    let (instance, cluster) = match &source.rds {
        Some(Rds::Instance(name)) => (Some(name.clone()), None),
        Some(Rds::Cluster(name)) => (None, Some(name.clone())),
        None => (None, None),
    };
    Source {
        name: source.name.clone(),
        instance,
        cluster,
        databases,
        exclude_databases,
    }
}
