//! The facts that doctor judges by. What cannot be found out is one of them.

use std::sync::Arc;

use super::{break_glass, drill_wall};
use crate::aws::kms::is_managed_by_aws;
use crate::aws::rds::Rds as Service;
use crate::cli::globals::Access;
use crate::cli::run::Run;
use crate::cli::{accounts, connect, iam, kms, status};
use crate::config::{Config, Databases, Rds, SigningKey, Source};
use crate::doctor::{Bucket, Database, Facts, Guarded, Key, Place, Recipient, Side, Use};
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

pub async fn facts(access: &Access, config: &Config, no_try: bool, run: &Run) -> Result<Facts> {
    let url = access.repository.location.to_string();
    run.progress.phase("repository", None);
    let place = match place(access, config, no_try, run).await {
        Ok(place) => place,
        Err(error) if matches!(error.kind(), Kind::Usage | Kind::Interrupted) => return Err(error),
        Err(error) => Place::Unreachable(url, error),
    };
    run.progress.phase("keys", None);
    let keys = keys(access, config, run).await?;
    let break_glass = match &place {
        // That is said of itself.
        Place::Unreachable(..) => Ok(Vec::new()),
        _ => {
            let gathered = break_glass::gather(access, config, run);
            run.interrupt.or(async { Ok(gathered.await) }).await?
        }
    };
    run.progress.phase("databases", None);
    let guarded = guarded(access, config, run).await;
    let databases = run.interrupt.or(databases(access, config, run)).await?;
    run.progress.phase("drills", None);
    let drill_wall = (run.interrupt).or(async { Ok(drill_wall::gather(access, config).await) });
    let side = |account: &crate::config::accounts::Account| Side {
        id: account.id.clone(),
        region: account.region.clone(),
    };
    Ok(Facts {
        place,
        source: config.accounts.source.as_ref().map(side),
        backup: config.accounts.backup.as_ref().map(side),
        copies_region: config.snapshot.region.clone(),
        recipients: config.recipients.iter().map(recipient).collect(),
        break_glass,
        break_glass_age: status::signed(config.limits.break_glass_age)?,
        daily_days: match config.lock.policy {
            LockPolicy::Explicit { days, .. } => Some(days),
            LockPolicy::BucketDefault | LockPolicy::None => None,
        },
        databases,
        keys,
        guarded,
        drill_wall: drill_wall.await?,
    })
}

fn recipient(recipient: &crate::config::Recipient) -> Recipient {
    Recipient {
        name: recipient.name.clone(),
        kms_key: recipient.wrapped.as_ref().map(|one| one.kms_key.clone()),
    }
}

// ---- the repository -------------------------------------------------------------------------------

async fn place(access: &Access, config: &Config, no_try: bool, run: &Run) -> Result<Place> {
    let url = access.repository.location.to_string();
    let store = connect::store(access, run).await?;
    let Some(audited) = store.audited() else {
        Repository::new(store).marker().await?;
        return Ok(Place::Directory(url));
    };
    let posture = store.posture().await?;
    let audit = audited.audit().await;
    let attempts = match no_try {
        true => None,
        false => Some(attempts(audited, config, &posture, run).await),
    };
    Ok(Place::Bucket(Box::new(Bucket {
        url,
        prefix: audited.key_prefix().to_owned(),
        posture,
        audit,
        attempts,
    })))
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

/// As exports are locked; where the bucket has no locks that is its own finding.
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
    Ok(locks.sent(false))
}

// ---- keys and instances ---------------------------------------------------------------------------

async fn keys(access: &Access, config: &Config, run: &Run) -> Result<Vec<Key>> {
    let recipients = config.recipients.iter().filter_map(|one| {
        let kms_key = &one.wrapped.as_ref()?.kms_key;
        Some((Use::Opens(one.name.clone()), kms_key))
    });
    let copies = [&config.snapshot.kms_key, &config.snapshot.share_key];
    let copies = copies.into_iter().flatten().map(|arn| (Use::Copies, arn));
    let signs = match &config.signing_key {
        Some(SigningKey::Kms(arn)) => Some((Use::Signs, arn)),
        Some(SigningKey::File(_)) | None => None,
    };
    let mut keys = Vec::new();
    for (usage, arn) in recipients.chain(copies).chain(signs) {
        let ask = async { kms::client(arn, access, run).await?.describe().await };
        keys.push(Key {
            usage,
            found: run.interrupt.or(async { Ok(ask.await) }).await?,
            arn: arn.parse()?,
        });
    }
    Ok(keys)
}

async fn guarded(access: &Access, config: &Config, run: &Run) -> Vec<Guarded> {
    let mut guarded = Vec::new();
    if config.accounts.source.is_none() {
        return guarded;
    }
    for source in &config.sources {
        let Some(rds) = &source.rds else { continue };
        let mut under_key_of_aws = None;
        let ask = async {
            let account = accounts::source(&access.accounts, run).await?;
            let kind = match rds {
                Rds::Instance(_) => SnapshotKind::Instance,
                Rds::Cluster(_) => SnapshotKind::Cluster,
            };
            let guards = Service::new(&account).guards(kind, rds.name()).await?;
            if let Some(key) = &guards.kms_key {
                // Who may not ask does not know.
                under_key_of_aws = is_managed_by_aws(&account, key).await.ok();
            }
            Ok(guards)
        };
        let found = ask.await;
        guarded.push(Guarded {
            source: source.name.clone(),
            name: rds.name().to_owned(),
            found,
            under_key_of_aws,
        });
    }
    guarded
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
    let meant = source.databases.select(connectable, &entry.database);
    let mut found = Vec::with_capacity(meant.len());
    for name in &meant {
        found.push(if present.iter().any(|one| one.name == *name) {
            Database::gather(&source.name, &entry.with_database(name), dirs).await
        } else {
            let error = Error::new(Kind::NotFound, "the server has no such database");
            Database::unreachable(&source.name, name, error)
        });
    }
    if let (Databases::Named(_), Some(first)) = (&source.databases, found.first_mut()) {
        let left_out = present.iter().map(|one| &one.name);
        let left_out = left_out.filter(|name| !meant.contains(name));
        // Every server has one, mostly empty; an export looks whether it is.
        first.uncovered = left_out
            .filter(|name| *name != "postgres")
            .cloned()
            .collect();
    }
    Ok(found)
}
