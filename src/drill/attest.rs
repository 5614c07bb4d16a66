//! The signed statement on a drill, and what the one before it said.

use jiff::Timestamp;

use super::Report;
use crate::error::Result;
use crate::model::attestation::{Assertion, Attestation};
use crate::model::manifest::FORMAT;
use crate::repository::{Locks, Repository, RestorePoint, if_allowed};
use crate::sign::{Signer, Trust};

/// Stores the statement and notes its key in the report.
pub async fn attest(
    point: &RestorePoint,
    report: &mut Report,
    drilled_at: Timestamp,
    locks: &Locks,
    signer: &Signer,
) -> Result<()> {
    let manifest = &point.manifest;
    let attestation = Attestation {
        format: FORMAT,
        repository: manifest.repository.clone(),
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        id: manifest.id.clone(),
        manifest_sha256: point.body_sha256,
        drilled_at,
        tool: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
        server_version: report.server_version.clone(),
        result: report.verdict(),
        opened_by: report.opened_by.clone(),
        rows: report.rows,
        tables: report.tables,
        seconds_to_restore: report.seconds_to_restore,
        seconds_to_first_query: report.seconds_to_first_query,
        sample: report.sample.clone(),
        assertions: report
            .assertions
            .iter()
            .map(|one| Assertion {
                name: one.name.clone(),
                ok: one.ok,
                value: one.value.clone(),
            })
            .collect(),
    };
    let repository = point.repository();
    let stored = repository.attest(&attestation, locks, signer).await?;
    report.attestation = Some(stored.key.to_string());
    Ok(())
}

/// What assertions gave at the newest sound drill of a database's restore points, by their names.
pub async fn previous(
    repository: &Repository,
    (source, database): (&str, &str),
    trust: &Trust,
) -> Result<Vec<(String, String)>> {
    let drills = if_allowed(repository.attestations(Some(source), Some(database)).await)?;
    let mut newest: Option<Attestation> = None;
    for place in drills.newest_first(source, database) {
        let Some(opened) = repository.attested(place, trust).await? else {
            continue;
        };
        if let Some(sound) = if_allowed(drills.of(&opened, trust).await)?.sound {
            newest = Some(sound);
            break;
        }
    }
    let assertions = newest.map(|one| one.assertions).unwrap_or_default();
    Ok(assertions
        .into_iter()
        .filter_map(|one| Some((one.name, one.value?)))
        .collect())
}
