//! Extending the locks of a whole restore point: parts first, the manifest last, which ends two days
//! earlier than they.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::read::RestorePoint;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::lock::{Lock, MANIFEST_LEAD};
use crate::model::manifest::ObjectRef;
use crate::progress::Progress;

const AT_A_TIME: usize = 16;

/// What was extended. One lost object must not keep the others from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtendedLocks {
    /// Objects whose lock now holds as asked, the manifest among them.
    pub objects: u64,
    /// Objects that are gone or damaged.
    pub failures: Vec<String>,
}

impl RestorePoint {
    /// Locks every object until `until` at least, in the manifest's mode. A lock that is longer
    /// already stays. Refused where the point is not locked, needs what we do not know, or `until` is over `max_lock_days` from
    /// `now`.
    pub async fn extend_locks(
        &self,
        until: Timestamp,
        max_lock_days: u32,
        now: Timestamp,
        progress: &dyn Progress,
    ) -> Result<ExtendedLocks> {
        self.check_requirements()?;
        let manifest = &self.manifest;
        let Some(current) = self.head(&self.manifest_ref).await?.lock else {
            return Err(Error::refused(format!(
                "{} is not locked, and only locks are extended",
                manifest.id
            ))
            .hint("a directory has no locks: copy the point somewhere safe; a bucket needs Object Lock"));
        };
        let lock = Lock {
            mode: current.mode,
            retain_until: until,
        };
        lock.check(now, max_lock_days)?;
        let objects_until = until
            .checked_add(MANIFEST_LEAD)
            .context(|| format!("{until} is out of range"))?;
        let objects_lock = Lock {
            retain_until: objects_until,
            ..lock
        };
        progress.phase("objects", None);
        let mut extended = ExtendedLocks::default();
        for table in &manifest.tables {
            match self.parts(table).await {
                Ok(parts) => {
                    let objects = parts.map(|part| Ok(part?.object));
                    extended.add_all(self, objects, objects_lock).await?;
                }
                Err(error) => extended.note(error)?,
            }
        }
        let lists = manifest
            .tables
            .iter()
            .filter_map(|table| table.list.as_ref());
        let others = manifest.other_objects().chain(lists).cloned().map(Ok);
        extended.add_all(self, others, objects_lock).await?;
        extend(self, &self.manifest_ref, extended.of_manifest(lock)).await?;
        extended.objects += 1;
        Ok(extended)
    }
}

impl ExtendedLocks {
    /// Whoever reads the manifest's lock takes the others for as long. Where one is not, it ends a second early: then
    /// the point counts as not promoted to its tier, and the next run tries again, and says so.
    fn of_manifest(&self, lock: Lock) -> Lock {
        let second = SignedDuration::from_secs(i64::from(!self.failures.is_empty()));
        Lock {
            retain_until: lock.retain_until - second,
            ..lock
        }
    }

    async fn add_all(
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
        "{} is locked {found}, asked was {lock}",
        object.key
    ))
    .hint("the store did not keep the date; ask for an earlier one"))
}
