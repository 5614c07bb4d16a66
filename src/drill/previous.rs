//! What earlier drills said.

use crate::codec::Identities;
use crate::error::{Error, Result};
use crate::model::attestation::Attestation;
use crate::repository::{Repository, RestorePoint, details, if_allowed};
use crate::sign::Trust;

/// What a finding is about where an assertion has nothing to compare with.
pub(super) const BEFORE: &str = "what assertions gave at the drill before";

/// What assertions gave at an earlier drill.
#[derive(Debug, Default)]
pub struct Previous {
    /// By the assertions' names.
    pub values: Vec<(String, String)>,
    /// Why the values of a drill that was sound are not known.
    pub unread: Option<Error>,
}

/// Whether a drill that a trusted key signed found this very point sound.
pub(crate) async fn is_sound(point: &RestorePoint, trust: &Trust) -> Result<bool> {
    let manifest = &point.manifest;
    let (source, database) = (manifest.source.as_str(), manifest.database.as_str());
    let attestations = (point.repository()).attestations(Some(source), Some(database));
    let drills = if_allowed(attestations.await)?;
    Ok(if_allowed(drills.proof(point, trust).await)?.holds())
}

/// What assertions gave at the newest sound drill of a database's restore points.
pub async fn previous(
    repository: &Repository,
    (source, database): (&str, &str),
    trust: &Trust,
    identities: &Identities,
) -> Result<Previous> {
    let drills = if_allowed(repository.attestations(Some(source), Some(database)).await)?;
    for place in drills.newest_first(source, database) {
        let Some(opened) = repository.open_attested(place, trust).await? else {
            continue;
        };
        if let Some(sound) = if_allowed(drills.proof(&opened, trust).await)?.sound {
            return Ok(Previous::of(sound, identities));
        }
    }
    Ok(Previous::default())
}

impl Previous {
    fn of(drill: Attestation, identities: &Identities) -> Self {
        let opened = drill
            .sealed
            .map(|sealed| details::open(&sealed, identities));
        let values = match opened.transpose() {
            Ok(Some(opened)) => {
                let answers = opened.assertions.into_iter();
                answers
                    .filter_map(|one| Some((one.name, one.value?)))
                    .collect()
            }
            // As early versions wrote it.
            Ok(None) => {
                let answers = drill.assertions.into_iter();
                answers
                    .filter_map(|one| Some((one.name, one.value?)))
                    .collect()
            }
            Err(error) => return Self::unread(error),
        };
        Self {
            values,
            unread: None,
        }
    }

    pub(super) fn unread(error: Error) -> Self {
        Self {
            values: Vec::new(),
            unread: Some(error),
        }
    }
}
