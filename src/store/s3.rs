//! A repository in S3, or in a store that speaks its protocol (Ceph RGW and moto are tested).
//!
//! An object is one PutObject from memory, so a retry replays it and nothing is half there.
//! Objects are read and headed by version id, so delete markers hide nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType, ObjectLockMode, ObjectLockRetentionMode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use self::fault::{Fault, Operation};
use crate::error::{Error, Result};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::{Lock, LockMode};
use crate::store::{Cursor, Head, Page, Posture, Promises, Store};

mod audit;
mod connect;
mod fault;
mod get;
mod list;
mod lock;
mod posture;
mod proof;
mod put;

pub use self::audit::{Asked, Audit, Rule};
pub use self::connect::{Renewed, RequestLimits, S3Options, StaticCredentials};
pub use self::proof::{Attempt, Outcome};

/// A bucket, or the part of it under a prefix.
pub struct S3Store {
    client: Client,
    bucket: String,
    /// With a slash at the end; empty where the repository is the whole bucket.
    prefix: String,
    url: String,
    owner: Option<String>,
    promises: Promises,
    limits: RequestLimits,
    /// The bucket has no Object Lock at all: no need to ask for each object's.
    lockless: AtomicBool,
    /// The store was seen to refuse a body that is not the announced one.
    compares: OnceCell<bool>,
}

impl S3Store {
    /// Resolves region, endpoint and credentials; sends nothing to the bucket yet.
    pub async fn open(options: S3Options) -> Result<Self> {
        Self::open_with(options, RequestLimits::default()).await
    }

    /// As [`S3Store::open`], with other limits of time and attempts.
    pub async fn open_with(options: S3Options, limits: RequestLimits) -> Result<Self> {
        connect::open(options, limits).await
    }

    fn full_key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// How messages name an object.
    fn name(&self, key: &Key) -> String {
        format!("{}/{key}", self.url)
    }

    async fn head_object(&self, key: &Key, version: &str) -> Result<Head, Fault> {
        const HEAD: Operation = Operation {
            name: "HeadObject",
            verb: "look at",
            rights: "s3:GetObject and s3:GetObjectVersion",
        };
        let output = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .version_id(version)
            .checksum_mode(ChecksumMode::Enabled)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&HEAD, &self.name(key), error))?;
        let mut head = head_of(&output, version).map_err(|error| self.odd(key, error))?;
        if head.lock.is_none() && !self.lockless.load(Ordering::Relaxed) {
            // Without s3:GetObjectRetention a HEAD leaves the lock out and does not say so.
            head.lock = self.retention(key, version).await?;
        }
        Ok(head)
    }

    /// The store's answer makes no sense.
    fn odd(&self, key: &Key, what: String) -> Error {
        Error::failed(format!("{}: {what}", self.name(key)))
    }
}

fn head_of(output: &HeadObjectOutput, version: &str) -> Result<Head, String> {
    let bytes = output.content_length().and_then(|len| len.try_into().ok());
    let mode = output.object_lock_mode().map(lock_mode).transpose()?;
    let until = output.object_lock_retain_until_date();
    Ok(Head {
        version: output.version_id().unwrap_or(version).to_owned(),
        bytes: bytes.ok_or("the store gives no size")?,
        sha256: confirmed(output.checksum_sha256(), output.checksum_type()),
        lock: lock_of(mode, until)?,
        stored_at: timestamp(output.last_modified())?,
    })
}

/// The store's SHA-256, where it is one of the whole object and not of a multipart upload's parts.
fn confirmed(base64: Option<&str>, kind: Option<&ChecksumType>) -> Option<Sha256> {
    if kind.is_some_and(|kind| *kind != ChecksumType::FullObject) {
        return None;
    }
    // A composite one ends with `-` and the number of parts, which is not base64.
    let bytes = BASE64.decode(base64?).ok()?;
    bytes.try_into().ok().map(Sha256)
}

fn lock_of(mode: Option<LockMode>, until: Option<&DateTime>) -> Result<Option<Lock>, String> {
    match (mode, until) {
        (Some(mode), Some(until)) => Ok(Some(Lock {
            mode,
            retain_until: timestamp(Some(until))?,
        })),
        (None, None) => Ok(None),
        _ => Err("the store gives half a lock: a mode or a date alone".to_owned()),
    }
}

fn lock_mode(mode: &ObjectLockMode) -> Result<LockMode, String> {
    lock_mode_named(mode.as_str())
}

fn retention_mode(mode: &ObjectLockRetentionMode) -> Result<LockMode, String> {
    lock_mode_named(mode.as_str())
}

fn lock_mode_named(name: &str) -> Result<LockMode, String> {
    let known = [LockMode::Compliance, LockMode::Governance];
    let mode = known.into_iter().find(|mode| mode.to_string() == name);
    mode.ok_or_else(|| format!("the store knows a lock mode '{name}', which we do not"))
}

fn timestamp(time: Option<&DateTime>) -> Result<Timestamp, String> {
    let time = time.ok_or("the store gives no time")?;
    let nanos = i32::try_from(time.subsec_nanos()).unwrap_or(0);
    Timestamp::new(time.secs(), nanos).map_err(|error| format!("an impossible time: {error}"))
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

/// A place that an interceptor leaves something in.
type Slot<T> = std::sync::Arc<Mutex<Option<T>>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_checksum_of_the_whole_object_confirms_it() {
        let sha256 = Sha256::of(b"x");
        let text = BASE64.encode(sha256.0);
        assert_eq!(confirmed(Some(&text), None), Some(sha256));
        let full = Some(&ChecksumType::FullObject);
        assert_eq!(confirmed(Some(&text), full), Some(sha256));
        let composite = Some(&ChecksumType::Composite);
        assert_eq!(confirmed(Some(&text), composite), None);
        assert_eq!(confirmed(Some(&format!("{text}-2")), None), None);
        assert_eq!(confirmed(None, full), None);
    }

    #[test]
    fn half_a_lock_is_an_error_and_not_an_unlocked_object() {
        let until = DateTime::from_secs(1);
        assert!(lock_of(None, Some(&until)).is_err());
        assert!(lock_of(Some(LockMode::Compliance), None).is_err());
        assert!(lock_mode(&ObjectLockMode::from("LEGAL")).is_err());
        let lock = lock_of(Some(LockMode::Governance), Some(&until)).unwrap();
        assert_eq!(lock.unwrap().retain_until.as_second(), 1);
    }
}
