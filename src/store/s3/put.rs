//! PutObject: conditional, checked by the store, and looked up where the reply was lost.

use std::time::Duration;

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockMode};
use aws_smithy_runtime_api::box_error::BoxError;
use backon::Retryable as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::bucket::S3Store;
use super::fault::{Fault, Operation};
use super::head::confirmed;
use super::list::Tagged;
use crate::compute;
use crate::error::{Error, Kind, Result, ResultExt as _};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::Lock;
use crate::store::{Head, ListedObject};

const PUT: Operation = Operation::new("PutObject", "store", "s3:PutObject");
const PUT_LOCKED: Operation = Operation::new(
    "PutObject",
    "store",
    "s3:PutObject and s3:PutObjectRetention",
);

/// An uplink of 3 Mbit/s that several puts share.
const SLOWEST_BYTES_PER_SECOND: f64 = 50_000.0;

/// What is to be stored.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    pub key: &'a Key,
    pub body: &'a Bytes,
    /// Announced to the store.
    pub sha256: Sha256,
    pub lock: Option<Lock>,
}

impl S3Store {
    pub(super) async fn put(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        let upload = Upload {
            key,
            body: &body,
            sha256,
            lock,
        };
        // 409: another request for this key was under way; who won shows in the next attempt.
        let mut head = (|| self.put_or_look_up(upload))
            .retry(self.limits.retry)
            .when(|fault| fault.status == 409)
            .await
            .map_err(|fault| fault.error)?;
        if !self.promises.checksums {
            // A store may give back what was announced, whatever arrived.
            head.sha256 = match self.compares(key.as_str(), lock).await {
                Ok(Some(true)) => head.sha256.or(Some(sha256)),
                _ => None,
            };
        }
        Ok(head)
    }

    async fn put_or_look_up(&self, upload: Upload<'_>) -> Result<Head, Fault> {
        let fault = match self.put_object(upload).await {
            Ok(output) => return Ok(self.confirm(upload, &output).await?),
            Err(fault) => fault,
        };
        // 412: a key that exists, perhaps by an attempt of ours whose reply was lost.
        if fault.status != 412 && !fault.ambiguous {
            return Err(fault);
        }
        let found = self.look_up(upload, &fault).await?;
        found.ok_or(fault)
    }

    pub(super) async fn put_object(&self, upload: Upload<'_>) -> Result<PutObjectOutput, Fault> {
        let Upload {
            key,
            body,
            sha256,
            lock,
        } = upload;
        let operation = lock.map_or(&PUT, |_| &PUT_LOCKED);
        let mode = lock.map(|lock| ObjectLockMode::from(lock.mode.to_string().as_str()));
        let until = lock.map(|lock| DateTime::from_secs(lock.retain_until.as_second()));
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .if_none_match("*")
            // Both: a value alone is refused by moto, an algorithm alone is computed again.
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64.encode(sha256.0))
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .set_expected_bucket_owner(self.owner.clone())
            .body(ByteStream::from(body.clone()))
            .customize()
            .config_override(self.time_for(body.len()))
            .interceptor(KnownHash(sha256.to_string()))
            .send()
            .await
            .map_err(|error| Fault::new(operation, &self.name(key), error))
    }

    /// One attempt may take longer the more it has to send; that nothing moves at all ends it long before.
    fn time_for(&self, bytes: usize) -> aws_sdk_s3::config::Builder {
        let sending = Duration::from_secs_f64(bytes as f64 / SLOWEST_BYTES_PER_SECOND);
        let limit = TimeoutConfig::builder()
            .operation_attempt_timeout(self.limits.attempt_timeout + sending)
            .build();
        aws_sdk_s3::config::Builder::new().timeout_config(limit)
    }

    /// What the store says of the version just written.
    async fn confirm(&self, upload: Upload<'_>, output: &PutObjectOutput) -> Result<Head> {
        let key = upload.key;
        let version = output.version_id().filter(|version| *version != "null");
        let Some(version) = version else {
            let what = format!("{}: the bucket does not keep versions", self.name(key));
            return Err(Error::refused(what).hint("switch on versioning and Object Lock"));
        };
        let head = match self.head_object(key, version).await {
            Err(fault) if fault.is_forbidden() => self.piece_together(key, version, output).await,
            head => head.map_err(|fault| fault.error),
        }
        .context(|| format!("{} was stored, but not confirmed", self.name(key)))?;
        let bytes = upload.body.len() as u64;
        if head.bytes != bytes {
            return Err(Error::damaged(format!(
                "{}: {bytes} bytes were sent, {} are stored",
                self.name(key),
                head.bytes
            )));
        }
        Ok(head)
    }

    /// What HeadObject would say, for a caller that may write but not read.
    async fn piece_together(
        &self,
        key: &Key,
        version: &str,
        output: &PutObjectOutput,
    ) -> Result<Head> {
        let Some(listed) = self.listed_version(key, version).await? else {
            let what = format!("{} is not listed after it was stored", self.name(key));
            return Err(Error::failed(what));
        };
        let sha256 = confirmed(output.checksum_sha256(), output.checksum_type());
        self.unread(listed, sha256).await
    }

    /// What the store says of a version to a caller that may list but not read. The refusal stands
    /// where listing is refused too.
    pub(super) async fn head_unread(
        &self,
        key: &Key,
        version: &str,
        refused: Fault,
    ) -> Result<Head> {
        match self.listed_version(key, version).await {
            Err(error) if error.kind() == Kind::Denied => Err(refused.error),
            listed => match listed? {
                Some(listed) => self.unread(listed, None).await,
                None => {
                    let what = format!("{} has no version {version}", self.name(key));
                    Err(Error::not_found(what))
                }
            },
        }
    }

    async fn listed_version(&self, key: &Key, version: &str) -> Result<Option<ListedObject>> {
        let versions = self.versions_of(key).await?;
        let mut listed = versions.into_iter().map(|one| one.listed);
        Ok(listed.find(|listed| listed.version == version))
    }

    /// A version that may not be read, with its lock.
    async fn unread(&self, listed: ListedObject, sha256: Option<Sha256>) -> Result<Head> {
        Ok(Head {
            lock: self.retention(&listed.key, &listed.version).await?,
            version: listed.version,
            bytes: listed.bytes,
            sha256,
            stored_at: listed.stored_at,
        })
    }

    /// The version that holds these bytes, stored by this process or by another.
    async fn look_up(&self, upload: Upload<'_>, fault: &Fault) -> Result<Option<Head>> {
        let Upload {
            key, body, sha256, ..
        } = upload;
        let bytes = body.len() as u64;
        let versions = match self.versions_of(key).await {
            Ok(versions) => versions,
            // A store that is down is still down: the first error says more.
            Err(error) if fault.ambiguous && error.kind() == Kind::Unavailable => {
                let said = fault.error.chain();
                let what = format!(
                    "{said}; cannot tell whether it was stored, as the store does not answer"
                );
                return Err(
                    Error::new(Kind::Unavailable, what).hint_if_any(fault.error.find_hint())
                );
            }
            Err(error) => return Err(error).context(|| self.unsure(key)),
        };
        for Tagged { listed, etag } in versions {
            if listed.bytes != bytes {
                continue;
            }
            let head = match self.head_object(key, &listed.version).await {
                Ok(head) => head,
                // The size and MD5 of what we sent, under a key that only this run writes.
                Err(fault) if fault.is_forbidden() && etag == Some(md5(body)) => {
                    let head = self.unread(listed, Some(sha256)).await;
                    return head.map(Some).context(|| self.unsure(key));
                }
                Err(fault) => return Err(fault.error).context(|| self.unsure(key)),
            };
            let stored = match head.sha256 {
                Some(stored) => stored,
                None => {
                    let read = self.read(key, &listed.version, bytes).await;
                    let body = read.context(|| self.unsure(key))?.body;
                    compute::on_own_thread(move || Sha256::of(&body)).await?
                }
            };
            if stored == sha256 {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    fn unsure(&self, key: &Key) -> String {
        let name = self.name(key);
        format!("cannot tell whether {name} was stored: its reply was lost, or the key exists")
    }
}

/// As an ETag has it. Guards against accident only, which is what a lost reply is.
fn md5(body: &Bytes) -> String {
    let digest: [u8; 16] = Md5::digest(body).into();
    format!("{:032x}", u128::from_be_bytes(digest))
}

/// Signs the body by the SHA-256 that is already known: the SDK would compute it once more, or
/// would leave the body unsigned. The store compares it with what arrives.
#[derive(Debug)]
struct KnownHash(String);

impl Intercept for KnownHash {
    fn name(&self) -> &'static str {
        "KnownHash"
    }

    fn modify_before_signing(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let hash = PayloadSigningOverride::Precomputed(self.0.clone());
        config.interceptor_state().store_put(hash);
        Ok(())
    }
}
