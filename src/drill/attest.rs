//! The signed statement on a drill.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::options::AttestationOptions;
use super::report::Report;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::{
    Answer, Assertion, Attestation, Details, NotTried, NotTriedCount, SealedFinding, Verdict,
};
use crate::model::finding::Finding;
use crate::model::manifest::{FORMAT, ObjectRef};
use crate::repository::{Locks, RestorePoint, details};

/// The most kinds of objects that are counted in clear; PostgreSQL has fewer.
const KINDS: usize = 64;
const KIND_BYTES: usize = 64;

/// Seconds from now on that are tried for a name.
const SECONDS_TAKEN: std::ops::Range<i64> = 0..60;

/// Stores the statement and notes its key in the report.
pub(super) async fn attest(
    point: &RestorePoint,
    report: &mut Report,
    options: &AttestationOptions,
    now: Timestamp,
) -> Result<()> {
    let statement = attestation(point, report, now)?;
    let stored = store_statement(point, statement, options, now).await?;
    report.attestation = Some(stored.key.to_string());
    Ok(())
}

/// Signs that stored objects are damaged or missing, as a drill would that failed before it restored anything.
/// `problems`: sentences, and how many there are in all.
pub(crate) async fn attest_damage(
    point: &RestorePoint,
    (problems, in_all): (&[String], u64),
    options: &AttestationOptions,
    now: Timestamp,
) -> Result<ObjectRef> {
    let manifest = &point.manifest;
    let failures = problems.iter().map(|problem| SealedFinding {
        what: "stored objects".to_owned(),
        why: problem.clone(),
    });
    let details = Details {
        failures: failures.collect(),
        left_out: in_all - problems.len() as u64,
        ..Details::default()
    };
    let statement = Attestation {
        result: Verdict::Failed,
        failures: in_all,
        sealed: Some(details::seal(details, &manifest.recipients)?),
        ..of_nothing(point, now)
    };
    store_statement(point, statement, options, now).await
}

/// Stores a statement of `now`, locked and signed as these options say.
async fn store_statement(
    point: &RestorePoint,
    mut statement: Attestation,
    options: &AttestationOptions,
    now: Timestamp,
) -> Result<ObjectRef> {
    let signer = options.signer.as_ref().map_err(Error::repeat)?;
    let repository = point.repository();
    let locks = Locks::settle(
        options.lock,
        &repository.posture().await?,
        repository.has_locks(),
        now,
        options.max_lock_days,
    )?;
    // Its name is its second, which another drill's may be, too.
    for later in SECONDS_TAKEN.map(SignedDuration::from_secs) {
        statement.drilled_at = now.checked_add(later).unwrap_or(now);
        match repository.attest(&statement, &locks, signer).await {
            Err(error) if error.kind() == Kind::Exists => {}
            stored => return stored,
        }
    }
    Err(Error::failed(
        "attestations of a whole minute exist already: is somebody writing them?",
    ))
}

fn attestation(
    point: &RestorePoint,
    report: &Report,
    drilled_at: Timestamp,
) -> Result<Attestation> {
    let manifest = &point.manifest;
    let assertions = report.assertions.iter().map(|one| Assertion {
        name: one.name.clone(),
        ok: one.ok,
        value: None,
    });
    Ok(Attestation {
        server_version: report.server_version.clone(),
        result: report.verdict(),
        opened_by: report.opened_by.clone(),
        rows: report.rows,
        tables: report.tables,
        seconds_to_restore: report.seconds_to_restore,
        seconds_to_first_query: report.seconds_to_first_query,
        sample: report.sample.clone(),
        assertions: assertions.collect(),
        as_superuser: Some(report.as_superuser),
        walls: report.walls,
        not_tried: counts(&report.not_tried),
        unproven: report.unproven.len() as u64,
        failures: report.failures.len() as u64,
        findings: report.findings.len() as u64,
        sealed: Some(details::seal(details_of(report), &manifest.recipients)?),
        ..of_nothing(point, drilled_at)
    })
}

/// About a point of which nothing was restored.
fn of_nothing(point: &RestorePoint, drilled_at: Timestamp) -> Attestation {
    let manifest = &point.manifest;
    Attestation {
        format: FORMAT,
        repository: manifest.repository.clone(),
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        id: manifest.id.clone(),
        manifest_sha256: point.body_sha256,
        drilled_at,
        tool: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
        server_version: String::new(),
        result: Verdict::Unproven,
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
        failures: 0,
        findings: 0,
        sealed: None,
    }
}

fn details_of(report: &Report) -> Details {
    let answers = report.assertions.iter().map(|one| Answer {
        name: one.name.clone(),
        value: one.value.clone(),
    });
    let unproven = report.unproven.iter().map(|one| one.what.clone());
    Details {
        assertions: answers.collect(),
        not_tried: report.not_tried.clone(),
        unproven: unproven.collect(),
        failures: sealed(&report.failures),
        findings: sealed(&report.findings),
        left_out: 0,
    }
}

fn sealed(findings: &[Finding]) -> Vec<SealedFinding> {
    let sealed = findings.iter().map(|one| SealedFinding {
        what: one.what.clone(),
        why: one.why.clone(),
    });
    sealed.collect()
}

/// By kind. A kind comes from the backup's own list: text that is none of PostgreSQL's kinds must
/// not fill what everybody may read.
fn counts(not_tried: &[NotTried]) -> Vec<NotTriedCount> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for NotTried { kind, .. } in not_tried {
        let known = kind.len() <= KIND_BYTES
            && (counts.len() < KINDS || counts.contains_key(kind.as_str()));
        *counts
            .entry(if known { kind } else { "other" })
            .or_default() += 1;
    }
    let counts = counts.into_iter();
    let count = |(kind, count): (&str, u64)| NotTriedCount {
        kind: kind.to_owned(),
        count,
    };
    counts.map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_and_foreign_text_is_none() {
        let one = |kind: &str| NotTried {
            kind: kind.to_owned(),
            name: "a".to_owned(),
        };
        let mut all = vec![one("event trigger"), one("language"), one("event trigger")];
        all.push(one(&"x".repeat(KIND_BYTES + 1)));
        let counted = |kind: &str, count| NotTriedCount {
            kind: kind.to_owned(),
            count,
        };
        let expected = [
            counted("event trigger", 2),
            counted("language", 1),
            counted("other", 1),
        ];
        assert_eq!(counts(&all), expected);
        let many: Vec<NotTried> = (0..1000).map(|at| one(&format!("kind {at}"))).collect();
        let many = counts(&many);
        assert_eq!(many.len(), KINDS + 1);
        assert_eq!(many.iter().map(|one| one.count).sum::<u64>(), 1000);
    }
}
