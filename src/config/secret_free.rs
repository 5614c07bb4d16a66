//! The configuration that is stored in clear inside every restore point: enough to write a new one
//! when the old one is gone, nothing that helps a thief or means something on one machine only.

use super::raw::{self, Mode, RawConfig};
use super::settings::Config;
use super::source::Source;
use crate::error::{Result, ResultExt};
use crate::model::databases::Databases;
use crate::model::keys::Recipient;
use crate::model::lock::{LockMode, LockPolicy};
use crate::model::snapshot::Kind;

/// The configuration without addresses, users, passwords, profiles, and paths of this machine, as
/// TOML. Made from the resolved values: comments may hold anything, and are left behind.
pub fn secret_free_text(config: &Config) -> Result<String> {
    let accounts = &config.accounts;
    let raw = RawConfig {
        repository: repository(config),
        source_account: accounts.source.as_ref().map(|account| raw::SourceAccount {
            id: account.id.clone(),
            region: account.region.clone(),
            ..Default::default()
        }),
        // Roles and profiles are the exporter's; someone else restores.
        backup_account: accounts.backup.as_ref().map(|account| raw::BackupAccount {
            id: account.id.clone(),
            region: account.region.clone(),
            allow_same_account: accounts.allow_same,
            ..Default::default()
        }),
        lock: lock(config),
        recipient: config.recipients.iter().map(recipient).collect(),
        source: config.sources.iter().map(source).collect(),
        ..Default::default()
    };
    let text =
        toml::to_string(&raw).context(|| "cannot write the configuration as TOML".to_owned())?;
    Ok(format!(
        "# The configuration this restore point was made with, without secrets, addresses and\n\
         # paths: add `signing_key` under [keys] and a `url` or `host` to each source.\n\n{text}"
    ))
}

fn repository(config: &Config) -> raw::Repository {
    let s3 = &config.repository.s3;
    raw::Repository {
        url: config.repository.location.to_string(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        path_style: s3.path_style,
        bucket_owner: s3.bucket_owner.clone(),
        trust: config.trust.iter().map(ToString::to_string).collect(),
        profile: None,
    }
}

fn lock(config: &Config) -> raw::Lock {
    let (mode, daily_days) = match config.lock.policy {
        LockPolicy::Explicit { mode, days } => match mode {
            LockMode::Compliance => (Mode::Compliance, Some(days)),
            LockMode::Governance => (Mode::Governance, Some(days)),
        },
        LockPolicy::BucketDefault => (Mode::BucketDefault, None),
        LockPolicy::None => (Mode::None, None),
    };
    raw::Lock {
        mode: Some(mode),
        daily_days,
        max_lock_days: Some(config.lock.max_lock_days),
        ..Default::default()
    }
}

fn recipient(recipient: &Recipient) -> raw::Recipient {
    let wrapped = recipient.wrapped.as_ref();
    raw::Recipient {
        name: recipient.name.clone(),
        key: recipient.key.clone(),
        kms_key: wrapped.map(|one| one.kms_key.clone()),
        wrapped: wrapped.map(|one| one.ciphertext.clone()),
    }
}

fn source(source: &Source) -> raw::Source {
    let called = |kind: Kind| {
        let rds = source.rds.as_ref().filter(|rds| rds.kind == kind);
        rds.map(|rds| rds.identifier.clone())
    };
    raw::Source {
        name: source.name.clone(),
        instance: called(Kind::Instance),
        cluster: called(Kind::Cluster),
        databases: Some(source.databases.clone()).filter(|one| *one != Databases::OfConnection),
        exclude_databases: match &source.databases {
            Databases::All { except } => except.clone(),
            _ => Vec::new(),
        },
        ..Default::default()
    }
}
