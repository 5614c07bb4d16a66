//! `lifeboat hold`: extends the lock of a restore point, so that the last good one does not age out
//! while nothing new is made.

use jiff::Timestamp;
use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::repository::RestorePoint;

#[derive(Debug, Serialize)]
pub struct Report {
    pub source: String,
    pub database: String,
    pub id: String,
    /// Every object is locked at least until then.
    pub locked_until: Timestamp,
    /// Objects held.
    pub objects: u64,
    /// Objects that are gone or damaged, and so could not be held: any makes the exit code 1.
    pub failures: Vec<String>,
}

/// Locks every object of the point until `until` at least: parts first, the manifest last, which
/// ends two days earlier than they. A lock that is longer already stays.
pub async fn hold(
    point: &RestorePoint,
    until: Timestamp,
    max_lock_days: u32,
    context: Context<'_>,
) -> Result<Report> {
    let held = point
        .extend_locks(until, max_lock_days, context.clock.now(), context.progress)
        .await?;
    let manifest = &point.manifest;
    Ok(Report {
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        id: manifest.id.to_string(),
        locked_until: until,
        objects: held.objects,
        failures: held.failures,
    })
}
