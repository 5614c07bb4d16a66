//! Reads one object after the other, and once where several points name it.

use jiff::Timestamp;

use super::rows::digest_rows;
use super::seen::{Looked, Seen};
use crate::codec::Identities;
use crate::compute;
use crate::error::{Error, Result, ResultExt};
use crate::model::digest::RowDigest;
use crate::model::id::Key;
use crate::model::lock::Lock;
use crate::model::manifest::{ObjectRef, Part, TableParts};
use crate::model::rows::Listed;
use crate::repository::RestorePoint;

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub point: &'a RestorePoint,
    pub identities: &'a Identities,
    /// Every stored byte is read.
    pub data: bool,
    /// Locks that ended before are findings.
    pub now: Timestamp,
    /// With other points of the database.
    pub seen: Option<&'a Seen>,
}

impl Reader<'_> {
    /// One object that is not a part.
    pub(super) async fn stored(self, object: &ObjectRef) -> Result<Looked> {
        let look = async {
            let lock = self.look(object).await?;
            if self.data {
                self.point.fetch(object).await?;
            }
            let digest = RowDigest::default();
            Ok(Looked { digest, lock })
        };
        self.once(object, "stored", look).await
    }

    /// A part's rows, digested where it is to be opened, and its lock.
    pub(super) async fn part(self, part: &Part, open: bool) -> Result<Looked> {
        let how = format!("{open} {} {}", part.rows, part.copy_bytes);
        let look = self.read_part(part, open);
        self.once(&part.object, &how, look).await
    }

    async fn once(
        self,
        object: &ObjectRef,
        how: &str,
        look: impl Future<Output = Result<Looked>>,
    ) -> Result<Looked> {
        match self.seen {
            Some(seen) => seen.once(&self.id(object, how), look).await,
            None => look.await,
        }
    }

    /// Points that are not locked do not ask for locks.
    fn id(self, object: &ObjectRef, how: &str) -> String {
        let ObjectRef {
            key,
            version,
            bytes,
            sha256,
        } = object;
        let locked = self.point.manifest.lock.is_some();
        format!(
            "{key} {version} {bytes} {sha256} {locked} {} {how}",
            self.data
        )
    }

    fn id_of_whole(self, table: &TableParts, list: &ObjectRef, open: bool) -> String {
        let (parts, rows, bytes) = (table.parts, table.rows, table.stored_bytes);
        let oid = table.oid;
        self.id(list, &format!("whole {oid} {open} {parts} {rows} {bytes}"))
    }

    /// The rows of a table whose list and parts were all looked at with another point, and found sound and locked for
    /// as long as this one promises.
    pub(super) fn known_whole(
        self,
        table: &TableParts,
        list: &ObjectRef,
        open: bool,
    ) -> Option<RowDigest> {
        let looked = self.seen?.sound(&self.id_of_whole(table, list, open))?;
        let is_locked = self.unlocked(&list.key, looked.lock).is_none();
        is_locked.then_some(looked.digest)
    }

    pub(super) fn note_whole(
        self,
        table: &TableParts,
        list: &ObjectRef,
        open: bool,
        whole: Looked,
    ) {
        if let Some(seen) = self.seen {
            seen.note(&self.id_of_whole(table, list, open), &Ok(whole));
        }
    }

    async fn read_part(self, part: &Part, open: bool) -> Result<Looked> {
        let object = &part.object;
        let lock = self.look(object).await?;
        let mut digest = RowDigest::default();
        if self.data {
            let stored = self.point.fetch(object).await?;
            if open {
                let identities = self.identities.clone();
                let listed = Listed::from(part);
                let read = compute::on_own_thread(move || {
                    let plain = identities.open_compressed(stored)?;
                    digest_rows(plain, listed)
                });
                digest = read
                    .await?
                    .context(|| format!("{} is damaged", object.key))?;
            }
        }
        Ok(Looked { digest, lock })
    }

    /// Size, checksum and lock as the store reports them; `None`: its lock was not asked for.
    pub(super) async fn look(self, object: &ObjectRef) -> Result<Option<Option<Lock>>> {
        if self.data && self.point.manifest.lock.is_none() {
            // The bytes themselves are about to be read: there is nothing else to ask for.
            return Ok(None);
        }
        let head = self.point.head(object).await?;
        let other = head.sha256.filter(|sha256| *sha256 != object.sha256);
        if head.bytes != object.bytes || other.is_some() {
            let stored = head.sha256.map(|sha256| format!(", with SHA-256 {sha256}"));
            return Err(Error::damaged(format!(
                "{} is damaged: the manifest says {} bytes with SHA-256 {}, the store reports {} bytes{}",
                object.key,
                object.bytes,
                object.sha256,
                head.bytes,
                stored.unwrap_or_default(),
            )));
        }
        Ok(Some(head.lock))
    }

    /// What is wrong with an object's lock, if that was asked for.
    pub(super) fn unlocked(self, key: &Key, lock: Option<Option<Lock>>) -> Option<String> {
        let mut promised = self.point.manifest.lock?;
        // Among all points those are no news whose time has come.
        if self.seen.is_some() && promised.retain_until <= self.now {
            return None;
        }
        if *key == self.point.manifest_ref.key {
            // The manifest's own lock ends earlier.
            promised = promised.of_manifest();
        }
        match lock? {
            Some(lock) if lock.retain_until <= self.now => Some(format!(
                "{key} is not protected any more: its lock ended {}",
                lock.retain_until
            )),
            Some(lock) if lock.covers(&promised) => None,
            Some(lock) => Some(format!("{key} is locked {lock}, promised was {promised}")),
            None => Some(format!("{key} is not locked any more")),
        }
    }
}
