//! Looks up when offline identities last opened a restore point.

use std::collections::BTreeMap;

use crate::cli::connect;
use crate::cli::globals::Access;
use crate::cli::run::Run;
use crate::config::Config;
use crate::doctor::BreakGlass;
use crate::error::{Kind, Result};
use crate::repository::RestorePoint;

/// How many of the newest points are tried until one opens.
const POINTS_TRIED: usize = 8;

/// Identities that the configuration names, else those of the newest restore point. None where there
/// is no point, or these credentials may not read attestations, as in the source account.
pub(super) async fn gather(access: &Access, config: &Config, run: &Run) -> Result<Vec<BreakGlass>> {
    match look(access, config, run).await {
        Err(error) if error.kind() == Kind::Denied => Ok(Vec::new()),
        found => found,
    }
}

async fn look(access: &Access, config: &Config, run: &Run) -> Result<Vec<BreakGlass>> {
    let repository = connect::repository(access, run).await?;
    let trust = connect::trust(access);
    let points = repository.find(None, None).await?;
    let newest = repository.newest_trusted(points, &trust, POINTS_TRIED);
    let Some(newest) = newest.await? else {
        return Ok(Vec::new());
    };
    let drills = repository.attestations(None, None).await?;
    let now = run.clock.now();
    let mut found = Vec::new();
    for (recipient, name) in offline(config, &newest).await? {
        let attested = drills.last_opening(&recipient, &repository, &trust).await?;
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
