//! A repository in S3, or in a store that speaks its protocol (Ceph RGW and moto are tested).
//!
//! An object is one PutObject from memory, so a retry replays it and nothing is half there.
//! Objects are read and headed by version id, so delete markers hide nothing.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::Lock;
use crate::store::audit::AuditedStore;
use crate::store::{Cursor, Head, Page, Posture, Promises, Store};

mod audit;
mod bucket;
mod compare;
mod connect;
mod fault;
mod get;
mod head;
mod list;
mod lock;
mod patience;
mod posture;
mod proof;
mod put;

pub use self::bucket::{RequestLimits, S3Store};
pub(crate) use self::connect::Renewed;
pub use self::connect::{S3Options, StaticCredentials};

#[async_trait]
impl Store for S3Store {
    fn url(&self) -> &str {
        &self.url
    }

    /// All of them on AWS; elsewhere only locks: RGW 16 stores no checksum and ignores
    /// `If-None-Match`, and moto gives back any checksum that was announced.
    fn promises(&self) -> Promises {
        self.promises
    }

    fn audited(&self) -> Option<&dyn AuditedStore> {
        Some(self)
    }

    async fn posture(&self) -> Result<Posture> {
        self.ask_posture().await
    }

    /// Where HeadObject is denied (an exporter may not read parts) the answer is put together from
    /// the PUT's reply, the lock and the listing. Of a store that is not AWS a SHA-256 counts only
    /// after it refused a body that was not the announced one.
    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        self.patiently(|| self.put(key, body.clone(), sha256, lock))
            .await
    }

    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes> {
        let read = self.patiently(|| self.read(key, version, max_bytes));
        Ok(read.await?.body)
    }

    async fn get_with_lock(
        &self,
        key: &Key,
        version: &str,
        max_bytes: u64,
    ) -> Result<(Bytes, Option<Lock>)> {
        self.patiently(|| async move {
            let read = self.read(key, version, max_bytes).await?;
            let told = read.lock.map_err(|what| self.odd(key, what))?;
            Ok((read.body, self.lock_told(key, version, told).await?))
        })
        .await
    }

    /// Where HeadObject is denied, what the listing and the lock say.
    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        self.patiently(|| async move {
            match self.head_object(key, version).await {
                Err(fault) if fault.is_forbidden() => self.head_unread(key, version, fault).await,
                head => head.map_err(|fault| fault.error),
            }
        })
        .await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        self.patiently(|| self.list(prefix, from.clone())).await
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        self.patiently(|| self.extend(key, version, lock)).await
    }
}
