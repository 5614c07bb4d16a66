//! The signed statement on damage that a verification found: later exports then name nothing of it again.

use super::options::Options;
use crate::context::Context;
use crate::drill;
use crate::error::{Error, Result};
use crate::repository::RestorePoint;
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
    let problems = (&*report.problems, report.problems_in_all);
    let stored = drill::attest_damage(point, problems, settings, context.clock.now()).await?;
    Ok(stored.key.to_string())
}
