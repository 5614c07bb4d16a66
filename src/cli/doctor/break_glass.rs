//! When the identities that lie offline were last used.

use crate::cli::globals::Access;
use crate::cli::{Run, connect};
use crate::config::Config;
use crate::doctor::BreakGlass;
use crate::error::{Kind, Result};
use crate::repository::{Repository, RestorePoint};
use crate::sign::Trust;

/// So many points are tried for one that opens.
const TRIED: usize = 8;

/// Those of the newest restore point. None where there is no point, or where drills may not be known
/// of: in the source account.
pub async fn gather(access: &Access, config: &Config, run: &Run) -> Result<Vec<BreakGlass>> {
    let repository = connect::repository(access, run).await?;
    let trust = connect::trust(access);
    let Some(newest) = newest(&repository, &trust).await? else {
        return Ok(Vec::new());
    };
    let drills = match repository.attestations(None, None).await {
        Err(error) if error.kind() == Kind::Denied => return Ok(Vec::new()),
        drills => drills?,
    };
    let openings = drills.openings(&repository, &trust).await?;
    let ring = newest.key_ring().await?;
    let now = run.clock.now();
    let offline = ring
        .recipients
        .iter()
        .filter(|one| ring.wrapped_of(one).is_none());
    let identities = offline.map(|recipient| {
        let opened = openings.get(recipient);
        let named = config.recipients.iter().find(|one| one.key == *recipient);
        BreakGlass {
            name: named.map_or_else(|| recipient.clone(), |one| one.name.clone()),
            opened: opened.map(|at| (*at, now.duration_since(*at))),
        }
    });
    Ok(identities.collect())
}

async fn newest(repository: &Repository, trust: &Trust) -> Result<Option<RestorePoint>> {
    let mut found = repository.find(None, None).await?;
    found.sort_by_key(|one| one.order());
    for one in found.iter().rev().take(TRIED) {
        match repository.open(one, trust).await {
            Ok(point) => return Ok(Some(point)),
            Err(error) if error.is_of_all() => return Err(error),
            // Status tells of it.
            Err(_) => {}
        }
    }
    Ok(None)
}
