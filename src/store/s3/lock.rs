//! The lock of one version: read by GetObjectRetention, which fails where a HEAD would say nothing.

use std::sync::atomic::Ordering;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};

use super::bucket::S3Store;
use super::fault::{Fault, Operation};
use super::head::{lock_mode, lock_of};
use crate::error::{Error, Kind, Result};
use crate::model::id::Key;
use crate::model::lock::Lock;

const GET_RETENTION: Operation = Operation::new(
    "GetObjectRetention",
    "read the lock of",
    "s3:GetObjectRetention",
);
const PUT_RETENTION: Operation = Operation::new(
    "PutObjectRetention",
    "extend the lock of",
    "s3:PutObjectRetention",
);

impl S3Store {
    /// The lock in force, `None` where there is none.
    pub(super) async fn retention(&self, key: &Key, version: &str) -> Result<Option<Lock>> {
        let output = self
            .client
            .get_object_retention()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .version_id(version)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&GET_RETENTION, &self.name(key), error));
        let output = match output {
            Ok(output) => output,
            Err(fault) if fault.code == "NoSuchObjectLockConfiguration" => return Ok(None),
            // moto answers with the object. Taken for unlocked, which is the safe way to err.
            Err(fault) if fault.status == 200 => return Ok(None),
            Err(fault) if bucket_has_none(&fault) => {
                self.lockless.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Err(fault) => return Err(fault.error),
        };
        let Some(retention) = output.retention() else {
            return Ok(None);
        };
        lock_mode(retention.mode().map(|mode| mode.as_str()))
            .and_then(|mode| lock_of(mode, retention.retain_until_date()))
            .map_err(|what| self.odd(key, what))
    }

    pub(super) async fn extend(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        let name = self.name(key);
        let present = self.lock_in_force(key, version).await?;
        if let Some(present) = present {
            if !lock.covers(&present) {
                return Err(Error::refused(format!(
                    "the lock of {name} holds until {} ({}): it is not weakened",
                    present.retain_until, present.mode
                )));
            }
            if present.covers(&lock) {
                return Ok(present);
            }
        }
        self.put_retention(key, version, lock).await?;
        match self.lock_in_force(key, version).await? {
            Some(held) if held.covers(&lock) => Ok(held),
            held => {
                let held = held.map_or_else(|| "none".to_owned(), |held| held.to_string());
                let what = format!(
                    "{name} was to be locked until {}, but the store says: {held}",
                    lock.retain_until
                );
                Err(Error::failed(what).hint("this store does not keep locks as asked"))
            }
        }
    }

    /// As HeadObject has it or, for a caller that may not read, GetObjectRetention.
    async fn lock_in_force(&self, key: &Key, version: &str) -> Result<Option<Lock>> {
        match self.head_object(key, version).await {
            Ok(head) => Ok(head.lock),
            Err(fault) if fault.is_forbidden() => self.retention(key, version).await,
            Err(fault) => Err(fault.error),
        }
    }

    async fn put_retention(&self, key: &Key, version: &str, lock: Lock) -> Result<()> {
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::from(
                lock.mode.to_string().as_str(),
            ))
            .retain_until_date(DateTime::from_secs(lock.retain_until.as_second()))
            .build();
        self.client
            .put_object_retention()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .version_id(version)
            .retention(retention)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&PUT_RETENTION, &self.name(key), error).error)?;
        Ok(())
    }
}

/// The bucket was made without Object Lock: so no version in it has one.
fn bucket_has_none(fault: &Fault) -> bool {
    fault.code == "ObjectLockConfigurationNotFoundError"
        || (fault.code == "InvalidRequest" && fault.error.kind() == Kind::Refused)
}
