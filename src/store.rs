//! Where objects lie: S3 or a directory. A store can add and read; it has no delete.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use self::audit::AuditedStore;
use crate::error::Result;
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::{Lock, LockMode};
use crate::model::manifest::ObjectRef;

pub(crate) mod audit;
pub(crate) mod dir;
pub(crate) mod kept;
pub(crate) mod location;
pub(crate) mod s3;

/// What a store is able to promise. Readers and writers rely on nothing that is not declared here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Keeps every version of a key and can lock one against deletion.
    pub locks: bool,
    /// [`Store::head`] returns a SHA-256 that the store itself computed or compared. Where not, a
    /// caller that must be sure gets the object and hashes it.
    pub checksums: bool,
    /// [`Store::put_new`] refuses a key that exists, atomically.
    pub conditional_puts: bool,
}

/// What the store says about itself, asked once before an export and by `init`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posture {
    pub versioning: bool,
    pub object_lock: bool,
    /// The bucket's default retention in days.
    pub default_retention: Option<(LockMode, u32)>,
    /// The store's clock, where it has one of its own.
    pub server_time: Option<Timestamp>,
}

/// An object version as the store reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub version: String,
    /// Size in bytes.
    pub bytes: u64,
    /// `None`: the store does not confirm one for this version.
    pub sha256: Option<Sha256>,
    /// `None`: not locked, or the store has no locks.
    pub lock: Option<Lock>,
    /// When the store received this version, by the store's clock.
    pub stored_at: Timestamp,
}

/// One line of a listing. Delete markers are not listed: they hide nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: Key,
    pub version: String,
    /// Size in bytes.
    pub bytes: u64,
    pub stored_at: Timestamp,
}

/// A page of a listing and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub objects: Vec<ListedObject>,
    pub next: Option<Cursor>,
}

/// The most objects in a page.
pub const PAGE_OBJECTS: usize = 1000;

/// A position in a listing: behind this version of this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// As the store spells it: maybe of an object that is not lifeboat's.
    pub key: String,
    /// `None`: behind all versions of the key.
    pub version: Option<String>,
}

impl Cursor {
    /// Behind all keys that begin with `prefix`: `~` comes after all that a [`Key`] may hold.
    pub fn past(prefix: &str) -> Self {
        Self {
            key: format!("{prefix}~"),
            version: None,
        }
    }
}

/// Every method names the key in its errors. Kinds: `NotFound` for an absent key or version,
/// `Exists`, `Denied`, `Damaged` for wrong bytes, `Unavailable` after bounded retries of a store
/// that does not answer, `Failed` otherwise.
#[async_trait]
pub trait Store: Send + Sync {
    /// For messages and the runbook: `s3://bucket/prefix` or `file:///path`.
    fn url(&self) -> &str;

    fn promises(&self) -> Promises;

    /// `None`: nothing in this store keeps an object from being deleted.
    fn audited(&self) -> Option<&dyn AuditedStore> {
        None
    }

    /// Asks the store about itself. An absent bucket or folder is `NotFound`.
    async fn posture(&self) -> Result<Posture>;

    /// Stores `body` whole under a key that does not exist, locked where `lock` is given, and
    /// returns what the store then says of that version (as [`Store::head`]): the caller compares
    /// checksum and lock. The SHA-256 is set, too, where the store is known to compare it with what
    /// arrives, even if it does not report it.
    ///
    /// Atomic: a reader sees all of it or nothing. Retried within bounds. After a lost reply the
    /// store is looked up: where the same bytes (size and SHA-256; for a caller that may not read
    /// them, size and MD5) are there, that is the answer.
    /// Other bytes under the key are `Exists`. A store without conditional puts may add a second
    /// version beside one that it did not see; the version id returned is the one just written.
    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head>;

    /// The whole body of exactly this version. A body longer than `max_bytes` is `Damaged` and not
    /// read further. The bytes are as received: the caller compares the SHA-256.
    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes>;

    /// As [`Store::get`], with the lock that [`Store::head`] tells: one call where the store answers both at once.
    async fn get_with_lock(
        &self,
        key: &Key,
        version: &str,
        max_bytes: u64,
    ) -> Result<(Bytes, Option<Lock>)> {
        let body = self.get(key, version, max_bytes).await?;
        Ok((body, self.head(key, version).await?.lock))
    }

    /// What the store says of this version; without a SHA-256 for a caller that may list and not read.
    async fn head(&self, key: &Key, version: &str) -> Result<Head>;

    /// A page of all versions of all keys that begin with `prefix` (not necessarily at a `/`), keys
    /// in byte order, hidden ones included. An absent prefix is an empty page; a store that
    /// cannot be read is an error, never an empty page.
    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page>;

    /// Gives an object a second key, under which nothing may be yet, and returns the version id there. `None`: this
    /// store cannot, or has no such object of as many bytes; nothing was made then.
    async fn link_new(&self, _object: &ObjectRef, _key: &Key) -> Result<Option<String>> {
        Ok(None)
    }

    /// Extends the lock of a version and reads it back: the lock now in force. Never shortens.
    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock>;
}
