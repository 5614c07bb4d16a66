//! Writing a restore point: objects first, the manifest last, nothing overwritten, every object
//! confirmed.

use bytes::Bytes;

use super::envelope::{self, to_json_line};
use super::handle::Repository;
use super::layout::PointPath;
use super::locks::Locks;
use super::read::sha256_of;
use crate::codec::{self, Sealed};
use crate::compute;
use crate::error::{Error, Result, ResultExt};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::manifest::{Manifest, ObjectRef, Part, TableParts};
use crate::sign::Signer;
use crate::store::Head;

/// Writes one restore point. Cheap to clone; parts and objects may be stored concurrently.
#[derive(Clone)]
pub struct PointWriter {
    repository: Repository,
    path: PointPath,
    locks: Locks,
}

impl Repository {
    pub fn point_writer(&self, path: PointPath, locks: Locks) -> PointWriter {
        PointWriter {
            repository: self.clone(),
            path,
            locks,
        }
    }
}

impl PointWriter {
    /// Stores one part of a table.
    pub async fn put_part(
        &self,
        table_oid: u32,
        number: u64,
        sealed: Sealed,
        rows: u64,
        copy_bytes: u64,
    ) -> Result<Part> {
        let object = self.put(self.path.part(table_oid, number)?, sealed).await?;
        Ok(Part {
            object,
            rows,
            copy_bytes,
        })
    }

    /// Stores the list of a table's parts and returns the table's totals.
    pub async fn put_part_list(&self, table_oid: u32, parts: &[Part]) -> Result<TableParts> {
        let mut table = TableParts {
            oid: table_oid,
            parts: parts.len() as u64,
            ..TableParts::default()
        };
        let mut lines = Vec::with_capacity(parts.len() * 256);
        for part in parts {
            table.rows += part.rows;
            table.stored_bytes += part.object.bytes;
            table.copy_bytes += part.copy_bytes;
            lines.extend(to_json_line(part)?);
        }
        if !parts.is_empty() {
            let compress = move || codec::compress(&lines).map(Sealed::unencrypted);
            let list = compute::on_own_thread(compress).await??;
            table.list = Some(self.put(self.path.part_list(table_oid)?, list).await?);
        }
        Ok(table)
    }

    /// Stores an object that is neither a part nor a part list.
    pub async fn put_object(&self, name: &str, object: Sealed) -> Result<ObjectRef> {
        self.put(self.path.object(name)?, object).await
    }

    /// Signs and stores the manifest: from here on the restore point exists.
    pub async fn commit(&self, manifest: &Manifest, signer: &Signer) -> Result<ObjectRef> {
        let key = self.path.manifest()?;
        let envelope = envelope::wrap(&key, manifest, signer).await?;
        self.repository
            .put_confirmed(key, envelope, &self.locks, true)
            .await
    }

    async fn put(&self, key: Key, object: Sealed) -> Result<ObjectRef> {
        self.repository
            .put_confirmed(key, object, &self.locks, false)
            .await
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
        self.confirm_bytes(&key, &head, size, sha256).await?;
        locks.confirm(&key, &head, is_manifest)?;
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
