//! Writing a restore point: objects first, the manifest last, nothing overwritten, every object
//! confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::envelope::{self, to_json_line};
use super::handle::Repository;
use super::layout::PointPath;
use super::locks::Locks;
use super::point_locks::PointLocks;
use super::read::sha256_of;
use crate::codec::{self, Sealed};
use crate::compute;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::manifest::{Manifest, ObjectRef, Part, TableParts};
use crate::sign::Signer;
use crate::store::Head;

/// Writes one restore point. Cheap to clone; parts and objects may be stored concurrently.
#[derive(Clone)]
pub(crate) struct PointWriter {
    repository: Repository,
    path: PointPath,
    locks: PointLocks,
    /// Bytes stored so far.
    stored: Arc<AtomicU64>,
}

impl Repository {
    pub(crate) fn point_writer(&self, path: PointPath, locks: PointLocks) -> PointWriter {
        PointWriter {
            repository: self.clone(),
            path,
            locks,
            stored: Arc::default(),
        }
    }
}

impl PointWriter {
    /// Stores one part of a table.
    pub(crate) async fn put_part(
        &self,
        table_oid: u32,
        number: u64,
        sealed: Sealed,
        rows: u64,
        copy_bytes: u64,
    ) -> Result<Part> {
        let key = self.path.part(table_oid, number)?;
        let object = self.put(key, sealed, &self.locks.parts).await?;
        Ok(Part {
            object,
            rows,
            copy_bytes,
        })
    }

    /// Stores the list of a table's parts and returns the table's totals.
    pub(crate) async fn put_part_list(&self, table_oid: u32, parts: &[Part]) -> Result<TableParts> {
        let mut table = TableParts::of(table_oid, parts, None);
        let mut lines = Vec::with_capacity(parts.len() * 256);
        for part in parts {
            lines.extend(to_json_line(part)?);
        }
        if !parts.is_empty() {
            let compress = move || codec::compress(&lines).map(Sealed::unencrypted);
            let list = compute::on_own_thread(compress).await??;
            let key = self.path.part_list(table_oid)?;
            table.list = Some(self.put(key, list, &self.locks.parts).await?);
        }
        Ok(table)
    }

    /// Names a part of another point by a second name in this one's folder, where the store can do so: nothing is
    /// stored, and neither point needs the other. `None`: it cannot, or the part is not there as it was.
    pub(crate) async fn link_part(&self, table_oid: u32, part: &Part) -> Result<Option<Part>> {
        let Some(number) = part.number() else {
            return Ok(None);
        };
        let key = self.path.part(table_oid, number)?;
        let linked = self.repository.store.link_new(&part.object, &key).await?;
        Ok(linked.map(|version| Part {
            object: ObjectRef {
                key,
                version,
                ..part.object.clone()
            },
            ..part.clone()
        }))
    }

    /// Whether parts of other points are named where they lie, under their locks.
    pub(crate) fn names_in_place(&self) -> bool {
        self.locks.objects != Locks::None
    }

    /// Stored bytes of all objects so far.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Stores an object that is neither a part nor a part list.
    pub(crate) async fn put_object(&self, name: &str, object: Sealed) -> Result<ObjectRef> {
        let key = self.path.object(name)?;
        self.put(key, object, &self.locks.objects).await
    }

    /// Stores what the next export may name again.
    pub(crate) async fn put_state(&self, state: Sealed) -> Result<ObjectRef> {
        let key = self.path.state()?;
        self.put(key, state, &self.locks.objects).await
    }

    /// Signs and stores the manifest: from here on the restore point exists.
    pub(crate) async fn commit(&self, manifest: &Manifest, signer: &Signer) -> Result<ObjectRef> {
        let key = self.path.manifest()?;
        let envelope = envelope::wrap(&key, manifest, signer).await?;
        self.repository
            .put_confirmed(key, envelope, &self.locks.objects, true)
            .await
    }

    async fn put(&self, key: Key, object: Sealed, locks: &Locks) -> Result<ObjectRef> {
        let put = self.repository.put_confirmed(key, object, locks, false);
        let object = put.await.map_err(|error| self.denied(error, locks))?;
        self.stored.fetch_add(object.bytes, Ordering::Relaxed);
        Ok(object)
    }

    /// A policy that allows the locks of all else may refuse the longer ones of parts that are to be named again.
    fn denied(&self, error: Error, locks: &Locks) -> Error {
        let longer = *locks == self.locks.parts && self.locks.parts != self.locks.objects;
        match locks.promised() {
            Some(lock) if longer && error.kind() == Kind::Denied => {
                let until = lock.retain_until.strftime("%Y-%m-%d");
                error.hint(format!(
                    "with a reuse key parts are locked until {until}, longer than all else: the caller's rights and the \
                     bucket's policy must allow that (docs/hourly.md), or switch keys.reuse_key off"
                ))
            }
            _ => error,
        }
    }
}

impl Repository {
    /// Stores an object under a key that must not exist yet, then confirms its bytes and lock.
    pub(super) async fn put_confirmed(
        &self,
        key: Key,
        object: Sealed,
        locks: &Locks,
        is_manifest: bool,
    ) -> Result<ObjectRef> {
        let Sealed { bytes, sha256 } = object;
        let size = bytes.len() as u64;
        let head = self
            .store
            .put_new(&key, bytes, sha256, locks.for_put(is_manifest))
            .await?;
        let mut confirmed = self.confirm_bytes(&key, &head, size, sha256).await;
        confirmed = confirmed.and_then(|()| locks.confirm(&key, &head, is_manifest));
        // Without a manifest nobody sees the other objects; what it makes is there whatever came back.
        match is_manifest {
            true => confirmed.context(|| format!("{key} was stored, but is not confirmed"))?,
            false => confirmed?,
        }
        Ok(ObjectRef {
            key,
            version: head.version,
            bytes: size,
            sha256,
        })
    }

    /// Checks that the store holds what we sent: by the SHA-256 it returned, else by reading back.
    async fn confirm_bytes(&self, key: &Key, head: &Head, size: u64, sha256: Sha256) -> Result<()> {
        let stored = match head.sha256 {
            Some(stored) => stored,
            None => {
                let body: Bytes = self
                    .store
                    .get(key, &head.version, size)
                    .await
                    .context(|| format!(
                        "{key} was stored, but is not confirmed: the store was not seen to compare what \
                         arrives with the announced SHA-256, and it cannot be read back"
                    ))?;
                sha256_of(&body).await?
            }
        };
        if head.bytes != size || stored != sha256 {
            return Err(Error::damaged(format!(
                "{key} was stored as {} bytes with SHA-256 {stored}, but {size} bytes with {sha256} were sent",
                head.bytes
            )));
        }
        Ok(())
    }
}
