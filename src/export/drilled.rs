//! What the last drill of a database could not try: told where its owner reads it each night.

use super::options::Run;
use crate::error::Result;
use crate::humanize::{counted, time};
use crate::model::attestation::Attestation;
use crate::repository::{PointPath, if_allowed};

/// How many drilled points, newest first, are asked for an attestation that counts.
const POINTS_ASKED: usize = 8;

/// A finding where the server that drills lacks extensions of this database. Their names are sealed, and an
/// exporter opens nothing: it tells how many.
pub(super) async fn lacking(run: &Run<'_>, place: &PointPath) -> Result<Option<String>> {
    let Some(drill) = last_drill(run, place).await? else {
        return Ok(None);
    };
    let counts = drill.not_tried.iter();
    let extensions = counts.filter(|one| one.kind == "extension");
    let lacking: u64 = extensions.map(|one| one.count).sum();
    Ok((lacking > 0).then(|| {
        format!(
            "{}/{}: the server of the last drill, of {} at {}, lacks {} of this database, and proved nothing that \
             needs one; install them where `prove` runs: its report names them",
            place.source,
            place.database,
            drill.id,
            time(drill.drilled_at),
            counted(lacking, "extension", "extensions"),
        )
    }))
}

/// The newest drill of the newest point that has one. `None` also for credentials that may not read drills.
async fn last_drill(run: &Run<'_>, place: &PointPath) -> Result<Option<Attestation>> {
    let (repository, trust) = (run.repository, run.keys.trust);
    let of_database = repository.attestations(Some(&place.source), Some(&place.database));
    let drills = if_allowed(of_database.await)?;
    let places = drills.newest_first(&place.source, &place.database);
    for drilled in places.take(POINTS_ASKED) {
        let Some(point) = repository.open_attested(drilled, trust).await? else {
            continue;
        };
        let history = drills.history(&point, trust, 1, |drill| drill);
        if let Some(newest) = if_allowed(history.await)?.drills.pop() {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}
