//! What a restore says about drills before it begins: a signature shows who made a point, a drill that
//! it restores.

use super::render;
use super::run::Run;
use crate::error::Result;
use crate::model::attestation::NOT_PROVEN;
use crate::repository::{Attestations, Proof, RestorePoint, if_allowed};
use crate::sign::Trust;

/// Notes when the point was last drilled and, where it was not, which newest one was. Nothing that
/// fails here keeps anybody from restoring.
pub(super) async fn note(point: &RestorePoint, trust: &Trust, run: &Run) {
    match line(point, trust, run).await {
        Ok(line) => run.progress.note(&line),
        Err(error) => {
            let id = &point.manifest.id;
            let why = error.chain();
            (run.progress).warn(&format!("when {id} was last drilled cannot be read: {why}"));
        }
    }
}

async fn line(point: &RestorePoint, trust: &Trust, run: &Run) -> Result<String> {
    let manifest = &point.manifest;
    let (source, database) = (manifest.source.as_str(), manifest.database.as_str());
    let repository = point.repository();
    let drills = if_allowed(repository.attestations(Some(source), Some(database)).await)?;
    let proof = if_allowed(drills.proof(point, trust).await)?;
    for why in &proof.passed_over {
        (run.progress).warn(&format!("a drill's attestation counts as none: {why}"));
    }
    let id = &manifest.id;
    let newest = newest(point, &drills, trust).await?;
    let newest = match &newest {
        Some((newest, at)) if newest.manifest.id == *id => {
            return Ok(format!(
                "{id} was last drilled at {at}, and restored; no newer point has been drilled"
            ));
        }
        Some((newest, at)) => format!(
            "the newest that restored in a drill is {}, at {at}",
            newest.manifest.id
        ),
        None => "no point of this database is known to have restored in a drill".to_owned(),
    };
    let at = render::time;
    let of_it = match (proof.failed_at, proof.drilled_at(), proof.unproven_at) {
        (Some(failed), _, _) => format!("{id} FAILED its last drill, at {}", at(failed)),
        (None, Some(drilled), _) => {
            format!("{id} was last drilled at {}, and restored", at(drilled))
        }
        (None, None, Some(drilled)) => {
            format!("{id} was drilled at {}, and {NOT_PROVEN}", at(drilled))
        }
        (None, None, None) => format!("no drill of {id} was found"),
    };
    Ok(format!("{of_it}; {newest}"))
}

/// The newest point that its last drill found sound, and when.
async fn newest(
    point: &RestorePoint,
    drills: &Attestations,
    trust: &Trust,
) -> Result<Option<(RestorePoint, String)>> {
    let manifest = &point.manifest;
    for place in drills.newest_first(&manifest.source, &manifest.database) {
        let Some(opened) = point.repository().open_attested(place, trust).await? else {
            continue;
        };
        let proof: Proof = if_allowed(drills.proof(&opened, trust).await)?;
        if let (true, Some(at)) = (proof.holds(), proof.drilled_at()) {
            return Ok(Some((opened, render::time(at))));
        }
    }
    Ok(None)
}
