//! The signed statement on damage that a verification found: later exports then name nothing of it again. A drill of
//! damaged rows ends without a statement of its own.

use super::options::Options;
use crate::context::Context;
use crate::drill;
use crate::error::{Error, Result};
use crate::model::attestation::{Attestation, Details, SealedFinding, Verdict};
use crate::model::manifest::FORMAT;
use crate::repository::{RestorePoint, details};
use crate::verify::Report;

/// Stores it where something is damaged, and notes its key in the report; where it cannot be stored, that is a finding.
pub(super) async fn attest_damage(
    point: &RestorePoint,
    report: &mut Report,
    options: &Options<'_>,
    context: Context<'_>,
) {
    if report.problems_in_all == 0 {
        return;
    }
    match store(point, report, options, context).await {
        Ok(key) => report.attestation = Some(key),
        Err(error) => report.findings.push(format!(
            "the next export may name what is damaged again, as no signed statement on it was stored: {}; \
             `lifeboat export --full` names nothing",
            error.chain()
        )),
    }
}

async fn store(
    point: &RestorePoint,
    report: &Report,
    options: &Options<'_>,
    context: Context<'_>,
) -> Result<String> {
    let drill = options.drill.as_ref().map_err(Error::repeat)?;
    let settings = drill.attestation.as_ref().ok_or_else(|| {
        Error::usage("no signing key is configured").hint("keys.signing_key names it")
    })?;
    let statement = statement(point, report)?;
    let stored = drill::store_statement(point, statement, settings, context.clock.now()).await?;
    Ok(stored.key.to_string())
}

/// What a drill would say that failed before it restored anything.
fn statement(point: &RestorePoint, report: &Report) -> Result<Attestation> {
    let manifest = &point.manifest;
    let failures = report.problems.iter().map(|problem| SealedFinding {
        what: "stored objects".to_owned(),
        why: problem.clone(),
    });
    let details = Details {
        failures: failures.collect(),
        left_out: report.problems_in_all - report.problems.len() as u64,
        ..Details::default()
    };
    Ok(Attestation {
        format: FORMAT,
        repository: manifest.repository.clone(),
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        id: manifest.id.clone(),
        manifest_sha256: point.body_sha256,
        drilled_at: manifest.finished_at,
        tool: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
        server_version: String::new(),
        result: Verdict::Failed,
        opened_by: None,
        rows: 0,
        tables: 0,
        seconds_to_restore: 0.0,
        seconds_to_first_query: None,
        sample: None,
        assertions: Vec::new(),
        as_superuser: None,
        walls: None,
        not_tried: Vec::new(),
        unproven: 0,
        failures: report.problems_in_all,
        findings: 0,
        sealed: Some(details::seal(details, &manifest.recipients)?),
    })
}
