//! What changed in a database since its last drill that a trusted key signed.

use std::collections::BTreeSet;

use super::options::Options;
use crate::context::Context;
use crate::error::Result;
use crate::model::id::Id;
use crate::repository::{Selected, if_allowed};
use crate::schedule::Changes;

/// `None`: no other point was drilled. To be asked before this run's own drill. What is contested is never
/// the base: it may be a thief's.
pub(super) async fn since_last_drill(
    options: &Options<'_>,
    newest: &Selected,
    contested: &BTreeSet<Id>,
    context: Context<'_>,
) -> Result<Option<Changes>> {
    let repository = options.repository()?;
    let (source, database) = (newest.source.as_str(), newest.database.as_str());
    let point = options.open(newest).await?;
    let id = &point.manifest.id;
    let drills = if_allowed(repository.attestations(Some(source), Some(database)).await)?;
    let last = drills.last_sound(repository, (source, database), &options.trust, |other| {
        contested.contains(other)
    });
    let Some((before, drilled_at)) = last.await? else {
        return Ok(None);
    };
    if before.manifest.id == *id {
        return Ok(None);
    }
    let found = options.identities()?.find(&point, context.progress).await?;
    let tables = point.since(&before, &found.identities).await?;
    Ok(Some(Changes {
        source: newest.source.clone(),
        database: newest.database.clone(),
        since: before.manifest.id.clone(),
        drilled_at,
        id: id.clone(),
        tables,
    }))
}
