//! A repository in S3, or in a store that speaks its protocol (Ceph RGW and moto are tested).
//!
//! An object is one PutObject from memory, so a retry replays it and nothing is half there.
//! Objects are read and headed by version id, so delete markers hide nothing.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::Lock;
use crate::retry::RetryPolicy;
use crate::store::audit::AuditedStore;
use crate::store::{Cursor, Head, Page, Posture, Promises, Store};

mod audit;
mod connect;
mod fault;
mod get;
mod head;
mod list;
mod lock;
mod posture;
mod proof;
mod put;

pub(crate) use self::connect::Renewed;
pub use self::connect::{S3Options, StaticCredentials};

/// A bucket, or the part of it under a prefix.
pub struct S3Store {
    pub(super) client: Client,
    pub(super) bucket: String,
    /// With a slash at the end; empty where the repository is the whole bucket.
    pub(super) prefix: String,
    pub(super) url: String,
    pub(super) owner: Option<String>,
    pub(super) promises: Promises,
    pub(super) limits: RequestLimits,
    /// The bucket has no Object Lock at all: no need to ask for each object's.
    pub(super) lockless: AtomicBool,
    /// The store was seen to refuse a body that is not the announced one.
    pub(super) compares: OnceCell<bool>,
}

impl S3Store {
    pub(super) fn full_key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// How messages name an object.
    pub(super) fn name(&self, key: &Key) -> String {
        format!("{}/{key}", self.url)
    }

    /// The store's answer makes no sense.
    pub(super) fn odd(&self, key: &Key, what: String) -> Error {
        Error::failed(format!("{}: {what}", self.name(key)))
    }
}

/// How long and how often a request is tried.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    pub connect_timeout: Duration,
    /// For one attempt, until the reply begins; while a body is read, from one piece to the next.
    pub attempt_timeout: Duration,
    pub retry: RetryPolicy,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(120),
            retry: RetryPolicy {
                attempts: 5,
                first_pause: Duration::from_millis(500),
            },
        }
    }
}

#[async_trait]
impl Store for S3Store {
    fn url(&self) -> &str {
        &self.url
    }

    /// All of them on AWS; elsewhere only locks, as long as nobody has shown more: RGW 16 stores
    /// no checksum and ignores `If-None-Match`.
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
    /// the PUT's reply, the lock and the listing.
    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        self.put(key, body, sha256, lock).await
    }

    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes> {
        self.read(key, version, max_bytes).await
    }

    /// Where HeadObject is denied, what the listing and the lock say.
    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        match self.head_object(key, version).await {
            Err(fault) if fault.is_forbidden() => self.head_unread(key, version, fault).await,
            head => head.map_err(|fault| fault.error),
        }
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        self.list(prefix, from).await
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        self.extend(key, version, lock).await
    }
}
