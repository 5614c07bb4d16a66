//! The configuration that is stored in clear inside every restore point: enough to write a new one
//! when the old one is gone, nothing that helps a thief or means something on one machine only.

use serde::Serialize;

use super::{Config, Databases};
use crate::error::{Error, Result};
use crate::model::lock::{LockMode, LockPolicy};

#[derive(Serialize)]
struct Stored {
    repository: Repository,
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
}

#[derive(Serialize)]
struct Source {
    name: String,
    databases: Option<DatabaseList>,
    exclude_databases: Vec<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum DatabaseList {
    All(&'static str),
    Named(Vec<String>),
}

/// The configuration without addresses, users, passwords, profiles, and paths of this machine, as
/// TOML. Made from the resolved values: comments may hold anything, and are left behind.
pub fn secret_free_text(config: &Config) -> Result<String> {
    let stored = Stored {
        repository: repository(config),
        lock: lock(config),
        recipient: config
            .recipients
            .iter()
            .map(|recipient| Recipient {
                name: recipient.name.clone(),
                key: recipient.key.clone(),
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
    let (databases, exclude_databases) = match &source.databases {
        Databases::All { except } => (Some(DatabaseList::All("all")), except.clone()),
        Databases::Named(names) => (Some(DatabaseList::Named(names.clone())), Vec::new()),
        Databases::OfConnection => (None, Vec::new()),
    };
    Source {
        name: source.name.clone(),
        databases,
        exclude_databases,
    }
}
