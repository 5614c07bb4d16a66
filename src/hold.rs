//! `lifeboat hold`: extends the lock of a restore point, so that the last good one does not age out
//! while nothing new is made.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::Clock;
use crate::error::{Context, Error, Kind, Result};
use crate::model::lock::{Lock, MANIFEST_LEAD};
use crate::model::manifest::ObjectRef;
use crate::progress::Progress;
use crate::repository::RestorePoint;

const AT_A_TIME: usize = 16;

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
    clock: &dyn Clock,
    progress: &dyn Progress,
) -> Result<Report> {
    let manifest = &point.manifest;
    let Some(current) = point.head(&point.manifest_ref).await?.lock else {
        return Err(Error::refused(format!(
            "{} is not locked, and holding extends locks",
            manifest.id
        ))
        .hint(
            "a directory has no locks: copy the point somewhere safe; a bucket needs Object Lock",
        ));
    };
    let lock = Lock {
        mode: current.mode,
        retain_until: until,
    };
    lock.check(clock.now(), max_lock_days)?;
    let objects_until = until
        .checked_add(MANIFEST_LEAD)
        .context(|| format!("{until} is out of range"))?;
    let objects_lock = Lock {
        retain_until: objects_until,
        ..lock
    };
    progress.phase("objects", None);
    let mut held = Held::default();
    for table in &manifest.tables {
        match point.parts(table).await {
            Ok(parts) => {
                let objects = parts.map(|part| Ok(part?.object));
                held.extend_all(point, objects, objects_lock).await?;
            }
            Err(error) => held.note(error)?,
        }
    }
    let lists = manifest
        .tables
        .iter()
        .filter_map(|table| table.list.as_ref());
    let others = manifest.objects.iter().chain(lists).cloned().map(Ok);
    held.extend_all(point, others, objects_lock).await?;
    extend(point, &point.manifest_ref, lock).await?;
    Ok(Report {
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        id: manifest.id.to_string(),
        locked_until: until,
        objects: held.objects + 1,
        failures: held.failures,
    })
}

/// What was held so far. One lost object must not keep the others from being held.
#[derive(Default)]
struct Held {
    objects: u64,
    failures: Vec<String>,
}

impl Held {
    async fn extend_all(
        &mut self,
        point: &RestorePoint,
        objects: impl Iterator<Item = Result<ObjectRef>>,
        lock: Lock,
    ) -> Result<()> {
        let done = stream::iter(objects)
            .map(async |object| extend(point, &object?, lock).await)
            .buffer_unordered(AT_A_TIME);
        let mut done = std::pin::pin!(done);
        while let Some(one) = done.next().await {
            match one {
                Ok(()) => self.objects += 1,
                Err(error) => self.note(error)?,
            }
        }
        Ok(())
    }

    /// A store that does not answer, or a refused right, would fail with every other object too.
    fn note(&mut self, error: Error) -> Result<()> {
        match error.kind() {
            Kind::NotFound | Kind::Damaged => self.failures.push(error.chain()),
            _ => return Err(error),
        }
        Ok(())
    }
}

async fn extend(point: &RestorePoint, object: &ObjectRef, lock: Lock) -> Result<()> {
    let now = point.head(object).await?.lock;
    if now.is_some_and(|now| now.covers(&lock)) {
        return Ok(());
    }
    let found = point.extend_lock(object, lock).await?;
    if found.covers(&lock) {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{} is locked {} until {}, asked was {} until {}",
        object.key, found.mode, found.retain_until, lock.mode, lock.retain_until
    ))
    .hint("the store did not keep the date; ask for an earlier one"))
}
