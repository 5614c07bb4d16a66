//! Gathers the facts that doctor judges by. That something cannot be found out is a fact, too.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::aws::kms::is_managed_by_aws;
use crate::aws::rds::Rds;
use crate::cli::run::{Access, Run};
use crate::cli::{accounts, connect, iam, kms};
use crate::config::drill::DrillSettings;
use crate::config::{self, Config, Databases, Location, SigningKey, Source};
use crate::doctor::{
    Account, BreakGlass, Database, DrillWall, Facts, KeyPurpose, KmsKey, RdsDatabase, StoreFacts,
};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::http::Outbound;
use crate::model::lock::{Lock, LockPolicy};
use crate::pg::connect::server::Passwords;
use crate::pg::local::drill_server::{WallReport, ask_walls};
use crate::pg::local::tools::Dirs;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog;
use crate::random;
use crate::repository::{Locks, Repository, RestorePoint};
use crate::store::Posture;
use crate::store::audit::{Attempt, AuditedStore};
use crate::wall::{self, Wall};

/// How many of the newest points are tried until one opens.
const POINTS_TRIED: usize = 8;

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
            let gathered = break_glass(access, config, run);
            run.interrupt.or(async { Ok(gathered.await) }).await?
        }
        // The store's own finding says enough.
        Err(_) => Ok(Vec::new()),
    };
    run.progress.phase("databases", None);
    let rds = rds(access, config, run).await;
    let databases = run.interrupt.or(databases(access, config, run)).await?;
    run.progress.phase("drills", None);
    let drill_wall = (run.interrupt).or(async { Ok(drill_wall(access, config).await) });
    let account = |account: &crate::config::accounts::Account| Account {
        id: account.id.clone(),
        region: account.region.clone(),
    };
    Ok(Facts {
        repository_url: access.repository.location.to_string(),
        proxy: proxy(&access.repository)?,
        store,
        source: config.accounts.source.as_ref().map(account),
        backup: config.accounts.backup.as_ref().map(account),
        copies_region: config.accounts.copies_region.clone(),
        recipients: config.recipients.clone(),
        break_glass,
        break_glass_age: config.limits.break_glass_age,
        daily_days: match config.lock.policy {
            LockPolicy::Explicit { days, .. } => Some(config.lock.hourly_days.unwrap_or(days)),
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
    let (mut attempts, mut refuses_wrong_bodies) = (None, None);
    if !no_try {
        attempts = Some(try_to_destroy(audited, config, &posture, run).await);
        // Where there is no lock for it, that is told by the attempts.
        if let Ok(lock) = canary_lock(config, &posture, run) {
            refuses_wrong_bodies = audited.refuses_wrong_bodies(lock).await;
        }
    }
    Ok(Some(StoreFacts {
        prefix: audited.key_prefix().to_owned(),
        posture,
        audit,
        attempts,
        refuses_wrong_bodies,
    }))
}

/// That of the SDK for S3, whose hosts differ by region alone.
fn proxy(repository: &config::Repository) -> Result<Option<String>> {
    if let Location::Dir(_) = repository.location {
        return Ok(None);
    }
    let endpoint = repository.s3.endpoint.as_deref();
    let endpoint = endpoint.unwrap_or("https://s3.amazonaws.com/");
    Ok(Outbound::from_environment()?.proxy_of(endpoint))
}

async fn try_to_destroy(
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
            let guards = Rds::new(&account).guards(rds.kind, &rds.identifier).await?;
            if let Some(key) = &guards.kms_key {
                // Without the right to ask, it is not known.
                has_aws_managed_key = is_managed_by_aws(&account, key).await.ok();
            }
            Ok(guards)
        };
        let guards = ask.await;
        databases.push(RdsDatabase {
            source: source.name.clone(),
            name: rds.identifier.clone(),
            guards,
            has_aws_managed_key,
        });
    }
    databases
}

// ---- break-glass identities -----------------------------------------------------------------------

/// Identities that the configuration names, else those of the newest restore point. None where there
/// is no point, or these credentials may not read attestations, as in the source account.
async fn break_glass(access: &Access, config: &Config, run: &Run) -> Result<Vec<BreakGlass>> {
    match last_openings(access, config, run).await {
        Err(error) if error.kind() == Kind::Denied => Ok(Vec::new()),
        found => found,
    }
}

async fn last_openings(access: &Access, config: &Config, run: &Run) -> Result<Vec<BreakGlass>> {
    let repository = connect::repository(access, run).await?;
    let points = repository.find(None, None).await?;
    let newest = repository.newest_trusted(points, &access.trust, POINTS_TRIED);
    let Some(newest) = newest.await? else {
        return Ok(Vec::new());
    };
    let drills = repository.attestations(None, None).await?;
    let now = run.clock.now();
    let mut found = Vec::new();
    for (recipient, name) in offline(config, &newest).await? {
        let attested = drills.last_opening(&recipient, &repository, &access.trust);
        let attested = attested.await?;
        let opened = attested.max(config.limits.break_glass_opened);
        found.push(BreakGlass {
            name,
            opened: opened.map(|at| (at, now.duration_since(at))),
        });
    }
    Ok(found)
}

/// Recipients whose identities no KMS key wraps, with their names.
async fn offline(config: &Config, newest: &RestorePoint) -> Result<BTreeMap<String, String>> {
    if !config.recipients.is_empty() {
        let offline = config.recipients.iter().filter(|one| one.wrapped.is_none());
        let named = offline.map(|one| (one.key.clone(), one.name.clone()));
        return Ok(named.collect());
    }
    let ring = newest.key_ring().await?;
    let recipients = ring.recipients.iter();
    let offline = recipients.filter(|one| ring.wrapped_of(one).is_none());
    Ok(offline.map(|one| (one.clone(), one.clone())).collect())
}

// ---- drills ---------------------------------------------------------------------------------------

/// The wall that a drill on this machine would have. `None` where nothing is configured for drills:
/// exporters need no wall.
async fn drill_wall(access: &Access, config: &Config) -> Option<DrillWall> {
    if access.identities.is_empty() && config.drill == DrillSettings::default() {
        return None;
    }
    if let Some(socket) = &config.drill.server_socket {
        let name = socket.display().to_string();
        return Some(DrillWall::SecondContainer(name, ask_walls(socket).await));
    }
    let folder = config.drill.folder.clone();
    let folder = folder.unwrap_or_else(std::env::temp_dir);
    let tried = tokio::task::spawn_blocking(move || wall_here(&folder)).await;
    let tried = tried.context(|| "trying a wall".to_owned()).flatten();
    Some(DrillWall::Here(tried))
}

fn wall_here(folder: &Path) -> Result<WallReport> {
    let wall = Wall::build(wall::unprivileged()?, folder, &[])?;
    Ok(WallReport {
        walls: wall.walls,
        missing: wall.missing.clone(),
    })
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
                found.push(Database::unreachable(&source.name, "*", error.repeat()));
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
            Database::gather(
                &source.name,
                &entry.with_database(name),
                &source.exclude,
                dirs,
            )
            .await
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
