//! Proof by trying: with our own credentials, everything that must be refused, on a canary of ours.
//! The only place in the house that can ask S3 to delete.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::S3Store;
use super::fault::{Fault, Operation};
use crate::error::Result;
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::Lock;
use crate::store::Store as _;

/// Objects under it belong to no restore point: two segments where those of points have four.
const CANARIES: &str = "parts/lifeboat.canary/";
const CANARY: &[u8] = b"lifeboat doctor tries to destroy this object. It must not succeed.\n";
/// One with less of its lock left is not worth trying on.
const WORTH: SignedDuration = SignedDuration::from_hours(1);

const A_DAY: i64 = 24 * 3600;

/// What was tried, and what the store said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// As in "delete a locked version".
    pub what: &'static str,
    pub outcome: Outcome,
    /// Whether success harms: a delete marker hides an object and destroys nothing.
    pub harmless: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service's code.
    Refused(String),
    Succeeded,
    /// No answer that says either; why.
    Unclear(String),
}

impl S3Store {
    /// Tries to destroy a canary that is locked as `lock` says. It is stored where none is there
    /// from an earlier time, and stays until its lock ends.
    pub async fn try_to_destroy(
        &self,
        lock: Lock,
        now: Timestamp,
        random: u64,
    ) -> Result<Vec<Attempt>> {
        let (key, version) = match self.canary(now).await? {
            Some(canary) => canary,
            None => self.put_canary(lock, random).await?,
        };
        Ok(vec![
            self.overwrite(&key, now).await,
            self.shorten(&key, &version, now, false).await,
            self.shorten(&key, &version, now, true).await,
            self.legal_hold(&key, &version).await,
            self.delete(&key, Some(&version), false).await,
            self.delete(&key, Some(&version), true).await,
            // Last: it hides what the others look for.
            self.delete(&key, None, false).await,
        ])
    }

    async fn canary(&self, now: Timestamp) -> Result<Option<(Key, String)>> {
        let page = self.list_versions(CANARIES, None).await?;
        for one in page.objects {
            let lock = self.retention(&one.key, &one.version).await?;
            if lock.is_some_and(|lock| lock.retain_until.duration_since(now) > WORTH) {
                return Ok(Some((one.key, one.version)));
            }
        }
        Ok(None)
    }

    async fn put_canary(&self, lock: Lock, random: u64) -> Result<(Key, String)> {
        let key: Key = format!("{CANARIES}{random:016x}").parse()?;
        let body = Bytes::from_static(CANARY);
        let sha256 = Sha256::of(&body);
        let head = self.put_new(&key, body, sha256, Some(lock)).await?;
        Ok((key, head.version))
    }

    async fn delete(&self, key: &Key, version: Option<&str>, bypass: bool) -> Attempt {
        let output = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .set_version_id(version.map(str::to_owned))
            .set_bypass_governance_retention(bypass.then_some(true))
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&TRY, &self.name(key), error));
        Attempt {
            what: match (version, bypass) {
                (Some(_), false) => "delete a locked version",
                (Some(_), true) => "delete a locked version, bypassing governance",
                (None, _) => "hide an object behind a delete marker",
            },
            outcome: outcome(output),
            harmless: version.is_none(),
        }
    }

    async fn shorten(&self, key: &Key, version: &str, now: Timestamp, bypass: bool) -> Attempt {
        let soon = now.as_second().saturating_add(60);
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Governance)
            .retain_until_date(DateTime::from_secs(soon))
            .build();
        let output = self
            .client
            .put_object_retention()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .version_id(version)
            .retention(retention)
            .set_bypass_governance_retention(bypass.then_some(true))
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&TRY, &self.name(key), error));
        Attempt {
            what: if bypass {
                "shorten a lock, bypassing governance"
            } else {
                "shorten a lock"
            },
            outcome: outcome(output),
            harmless: false,
        }
    }

    async fn legal_hold(&self, key: &Key, version: &str) -> Attempt {
        let hold = ObjectLockLegalHold::builder()
            .status(ObjectLockLegalHoldStatus::Off)
            .build();
        let output = self
            .client
            .put_object_legal_hold()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .version_id(version)
            .legal_hold(hold)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&TRY, &self.name(key), error));
        Attempt {
            what: "take a legal hold off",
            outcome: outcome(output),
            // Nothing is held: the lock alone protects.
            harmless: true,
        }
    }

    /// Without the condition that every PUT of ours carries. The same bytes, should it succeed.
    async fn overwrite(&self, key: &Key, now: Timestamp) -> Attempt {
        let lock = DateTime::from_secs(now.as_second().saturating_add(A_DAY));
        let output = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .object_lock_mode(ObjectLockMode::Compliance)
            .object_lock_retain_until_date(lock)
            .set_expected_bucket_owner(self.owner.clone())
            .body(ByteStream::from_static(CANARY))
            .send()
            .await
            .map_err(|error| Fault::new(&TRY, &self.name(key), error));
        Attempt {
            what: "put a version on top of a runbook's",
            outcome: outcome(output),
            // Readers take the oldest version that is sound.
            harmless: true,
        }
    }
}

const TRY: Operation = Operation {
    name: "a try",
    verb: "destroy",
    rights: "nothing of the kind",
};

fn outcome<T>(output: Result<T, Fault>) -> Outcome {
    match output {
        Ok(_) => Outcome::Succeeded,
        Err(fault) if (400..500).contains(&fault.status) => Outcome::Refused(fault.code),
        Err(fault) => Outcome::Unclear(fault.error.chain()),
    }
}
