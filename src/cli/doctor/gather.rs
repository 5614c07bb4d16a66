//! Gathers the facts that doctor judges by. That something cannot be found out is a fact, too.

use std::sync::Arc;

use super::{break_glass, drill_wall};
use crate::aws::kms::is_managed_by_aws;
use crate::aws::rds::Rds as Service;
use crate::cli::globals::Access;
use crate::cli::run::Run;
use crate::cli::{accounts, connect, iam, kms, status};
use crate::config::{Config, Databases, Rds, SigningKey, Source};
use crate::doctor::{
    Account, Database, Facts, KeyPurpose, KmsKey, RdsDatabase, Recipient, StoreFacts,
};
use crate::error::{Error, Kind, Result};
use crate::model::lock::{Lock, LockPolicy};
use crate::model::snapshot::Kind as SnapshotKind;
use crate::pg::connect::server::Passwords;
use crate::pg::local::tools::Dirs;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog;
use crate::random;
use crate::repository::{Locks, Repository};
use crate::store::Posture;
use crate::store::audit::{Attempt, AuditedStore};

pub(super) async fn facts(
    access: &Access,
    config: &Config,
    no_try: bool,
    run: &Run,
) -> Result<Facts> {
    run.progress.phase("repository", None);
    let store = match store(access, config, no_try, run).await {
        Err(error) if matches!(error.kind(), Kind::Usage | Kind::Interrupted) => return Err(error),
        store => store,
    };
    run.progress.phase("keys", None);
    let kms_keys = kms_keys(access, config, run).await?;
    let break_glass = match &store {
        Ok(_) => {
            let gathered = break_glass::gather(access, config, run);
            run.interrupt.or(async { Ok(gathered.await) }).await?
        }
        // The store's own finding says enough.
        Err(_) => Ok(Vec::new()),
    };
    run.progress.phase("databases", None);
    let rds = rds(access, config, run).await;
    let databases = run.interrupt.or(databases(access, config, run)).await?;
    run.progress.phase("drills", None);
    let drill_wall = (run.interrupt).or(async { Ok(drill_wall::gather(access, config).await) });
    let account = |account: &crate::config::accounts::Account| Account {
        id: account.id.clone(),
        region: account.region.clone(),
    };
    let recipient = |one: &crate::config::Recipient| Recipient {
        name: one.name.clone(),
        kms_key: one.wrapped.as_ref().map(|one| one.kms_key.clone()),
    };
    Ok(Facts {
        repository_url: access.repository.location.to_string(),
        store,
        source: config.accounts.source.as_ref().map(account),
        backup: config.accounts.backup.as_ref().map(account),
        copies_region: config.snapshot.region.clone(),
        recipients: config.recipients.iter().map(recipient).collect(),
        break_glass,
        break_glass_age: status::signed(config.limits.break_glass_age)?,
        daily_days: match config.lock.policy {
            LockPolicy::Explicit { days, .. } => Some(days),
            LockPolicy::BucketDefault | LockPolicy::None => None,
        },
        databases,
        kms_keys,
        rds,
        drill_wall: drill_wall.await?,
    })
}

// ---- the repository -------------------------------------------------------------------------------

async fn store(
    access: &Access,
    config: &Config,
    no_try: bool,
    run: &Run,
) -> Result<Option<StoreFacts>> {
    let store = connect::store(access, run).await?;
    let Some(audited) = store.audited() else {
        Repository::new(store).marker().await?;
        return Ok(None);
    };
    let posture = store.posture().await?;
    let audit = audited.audit().await;
    let attempts = match no_try {
        true => None,
        false => Some(attempts(audited, config, &posture, run).await),
    };
    Ok(Some(StoreFacts {
        prefix: audited.key_prefix().to_owned(),
        posture,
        audit,
        attempts,
    }))
}

async fn attempts(
    store: &dyn AuditedStore,
    config: &Config,
    posture: &Posture,
    run: &Run,
) -> Result<Vec<Attempt>> {
    let now = run.clock.now();
    let lock = canary_lock(config, posture, run)?;
    let random = u64::from_ne_bytes(random::bytes()?);
    store
        .try_to_destroy(lock, posture.object_lock, now, random)
        .await
}

/// A lock like that of exports. A bucket without locks is a finding of its own.
fn canary_lock(config: &Config, posture: &Posture, run: &Run) -> Result<Option<Lock>> {
    if !posture.object_lock || config.lock.policy == LockPolicy::BucketDefault {
        return Ok(None);
    }
    let locks = Locks::settle(
        config.lock.policy,
        posture,
        true,
        run.clock.now(),
        config.lock.max_lock_days,
    )?;
    Ok(locks.for_put(false))
}

// ---- keys and instances ---------------------------------------------------------------------------

async fn kms_keys(access: &Access, config: &Config, run: &Run) -> Result<Vec<KmsKey>> {
    let recipients = config.recipients.iter().filter_map(|one| {
        let kms_key = &one.wrapped.as_ref()?.kms_key;
        Some((KeyPurpose::OpensExports(one.name.clone()), kms_key))
    });
    let copies = [&config.snapshot.kms_key, &config.snapshot.share_key];
    let copies = copies.into_iter().flatten();
    let copies = copies.map(|arn| (KeyPurpose::EncryptsCopies, arn));
    let signs = match &config.signing_key {
        Some(SigningKey::Kms(arn)) => Some((KeyPurpose::Signs, arn)),
        Some(SigningKey::File(_)) | None => None,
    };
    let mut keys = Vec::new();
    for (purpose, arn) in recipients.chain(copies).chain(signs) {
        let ask = async { kms::client(arn, access, run).await?.describe().await };
        keys.push(KmsKey {
            purpose,
            info: run.interrupt.or(async { Ok(ask.await) }).await?,
            arn: arn.parse()?,
        });
    }
    Ok(keys)
}

async fn rds(access: &Access, config: &Config, run: &Run) -> Vec<RdsDatabase> {
    let mut databases = Vec::new();
    if config.accounts.source.is_none() {
        return databases;
    }
    for source in &config.sources {
        let Some(rds) = &source.rds else { continue };
        let mut has_aws_managed_key = None;
        let ask = async {
            let account = accounts::source(&access.accounts, run).await?;
            let kind = match rds {
                Rds::Instance(_) => SnapshotKind::Instance,
                Rds::Cluster(_) => SnapshotKind::Cluster,
            };
            let guards = Service::new(&account).guards(kind, rds.name()).await?;
            if let Some(key) = &guards.kms_key {
                // Without the right to ask, it is not known.
                has_aws_managed_key = is_managed_by_aws(&account, key).await.ok();
            }
            Ok(guards)
        };
        let guards = ask.await;
        databases.push(RdsDatabase {
            source: source.name.clone(),
            name: rds.name().to_owned(),
            guards,
            has_aws_managed_key,
        });
    }
    databases
}

// ---- databases ------------------------------------------------------------------------------------

async fn databases(access: &Access, config: &Config, run: &Run) -> Result<Vec<Database>> {
    let tokens = iam::tokens(access, &config.sources, run).await;
    let dirs = Dirs::system(config.export.pg_bin.clone());
    let mut found = Vec::new();
    for source in &config.sources {
        let tokens = match &tokens {
            Ok(tokens) => tokens.as_ref(),
            Err(error) if source.connection.iam => {
                let error = Error::new(error.kind(), error.chain()).hint(error.advice());
                found.push(Database::unreachable(&source.name, "*", error));
                continue;
            }
            Err(_) => None,
        };
        match databases_of(source, tokens, &dirs, run).await {
            Ok(databases) => found.extend(databases),
            Err(error) => found.push(Database::unreachable(&source.name, "*", error)),
        }
    }
    Ok(found)
}

async fn databases_of(
    source: &Source,
    tokens: Option<&Arc<dyn Passwords>>,
    dirs: &Dirs,
    run: &Run,
) -> Result<Vec<Database>> {
    let server = connect::source(&source.connection, tokens, run)?;
    let entry = match &source.entry_database {
        Some(database) => server.with_database(database),
        None => server,
    };
    let session = Session::connect(&entry, "lifeboat doctor", Purpose::Read).await?;
    let present = catalog::databases(&session).await?;
    session.close().await;
    let connectable = present.iter().filter(|one| one.connectable);
    let connectable = connectable.map(|one| &one.name);
    let selected = source.databases.select(connectable, &entry.database);
    let mut found = Vec::with_capacity(selected.len());
    for name in &selected {
        found.push(if present.iter().any(|one| one.name == *name) {
            Database::gather(&source.name, &entry.with_database(name), dirs).await
        } else {
            let error = Error::new(Kind::NotFound, "the server has no such database");
            Database::unreachable(&source.name, name, error)
        });
    }
    if let (Databases::Named(_), Some(first)) = (&source.databases, found.first_mut()) {
        let left_out = present.iter().map(|one| &one.name);
        let left_out = left_out.filter(|name| !selected.contains(name));
        // Every server has one, mostly empty; an export looks whether it is.
        first.uncovered = left_out
            .filter(|name| *name != "postgres")
            .cloned()
            .collect();
    }
    Ok(found)
}
