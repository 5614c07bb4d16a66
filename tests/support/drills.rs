//! Attestations, as drills write them.

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Signer;
use lifeboat::testing::model::ObjectRef;
use lifeboat::testing::model::{
    Answer, Assertion, Attestation, Details, NotTriedCount, Verdict, Walls,
};
use lifeboat::testing::model::{Lock, LockMode};
use lifeboat::testing::repository::{Locks, RestorePoint, details};

/// The one assertion of [`attestation`]; it gave 17.
pub const ASKED: &str = "answers of yesterday";

/// What a drill says of a point.
pub fn attestation(point: &RestorePoint, result: Verdict, drilled_at: Timestamp) -> Attestation {
    let manifest = &point.manifest;
    let sealed = Details {
        assertions: vec![Answer {
            name: ASKED.to_owned(),
            value: Some("17".to_owned()),
        }],
        ..Details::default()
    };
    Attestation {
        format: 1,
        repository: manifest.repository.clone(),
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        id: manifest.id.clone(),
        manifest_sha256: point.body_sha256,
        drilled_at,
        tool: "lifeboat 0.1.0".to_owned(),
        server_version: "15.18".to_owned(),
        result,
        opened_by: None,
        rows: manifest.rows(),
        tables: manifest.user_tables().count() as u64,
        seconds_to_restore: 1.5,
        seconds_to_first_query: Some(0.75),
        sample: None,
        assertions: vec![Assertion {
            name: ASKED.to_owned(),
            ok: result != Verdict::Failed,
            value: None,
        }],
        as_superuser: Some(false),
        walls: Some(Walls {
            network: true,
            ..Walls::default()
        }),
        not_tried: vec![NotTriedCount {
            kind: "event trigger".to_owned(),
            count: 2,
        }],
        unproven: u64::from(result == Verdict::Unproven),
        failures: 0,
        findings: 0,
        sealed: Some(details::seal(sealed, &manifest.recipients).unwrap()),
    }
}

/// The daily tier's.
pub fn daily() -> Locks {
    let lock = |days: i64| Lock {
        mode: LockMode::Compliance,
        retain_until: Timestamp::now() + SignedDuration::from_hours(24 * days),
    };
    Locks::Explicit {
        objects: lock(37),
        manifest: lock(35),
    }
}

/// Attests a point, `age` ago.
pub async fn attest(
    point: &RestorePoint,
    signer: &Signer,
    result: Verdict,
    age: SignedDuration,
) -> ObjectRef {
    let attestation = attestation(point, result, Timestamp::now() - age);
    let repository = point.repository();
    let attested = repository.attest(&attestation, &daily(), signer).await;
    attested.unwrap()
}
