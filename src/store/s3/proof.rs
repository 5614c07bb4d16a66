//! Proof by trying: with our own credentials, everything that must be refused, on a canary of ours.
//! The only place in the house that can ask S3 to delete.

use aws_sdk_s3::operation::delete_object::builders::DeleteObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode,
    ObjectLockRetention, ObjectLockRetentionMode,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::bucket::S3Store;
use super::fault::{Fault, HttpResponse, Operation, SdkError, ServiceError};
use crate::error::Result;
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::{Lock, LockMode};
use crate::store::Store as _;
use crate::store::audit::{Attempt, Outcome, RefusedBy};

/// In a folder of the repository. Objects under it belong to no restore point: two segments where those
/// of points have four.
pub(super) const CANARY_FOLDER: &str = "lifeboat.canary/";
pub(super) const CANARIES: &str = "parts/lifeboat.canary/";
const CANARY: &[u8] = b"lifeboat doctor tries to destroy this object. It must not succeed.\n";
/// A canary whose lock ends sooner is not tried on.
const MIN_LOCK_LEFT: SignedDuration = SignedDuration::from_hours(1);

/// What attempts are made on.
struct Canary {
    key: Key,
    version: String,
    lock: Option<Lock>,
}

impl S3Store {
    pub(super) async fn attack_canary(
        &self,
        lock: Option<Lock>,
        object_lock: bool,
        now: Timestamp,
        random: u64,
    ) -> Result<Vec<Attempt>> {
        let canary = self.some_canary(lock, object_lock, now, random).await?;
        let mut attempts = vec![self.overwrite(&canary.key, lock).await];
        if canary.lock.is_some() {
            attempts.push(self.shorten(&canary, now, false).await);
            attempts.push(self.shorten(&canary, now, true).await);
            attempts.push(self.legal_hold(&canary).await);
        }
        let deleted = self.delete(&canary, false).await;
        let gone = deleted.outcome == Outcome::Succeeded;
        attempts.push(deleted);
        if canary.lock.is_some() && !gone {
            attempts.push(self.delete(&canary, true).await);
        }
        // Last: it hides what the others look for.
        attempts.push(self.hide(&canary.key).await);
        Ok(attempts)
    }

    /// Deletion alone, as a lock must refuse it whoever asks: governance yields to the right to bypass
    /// it, which an administrator may well hold.
    pub(super) async fn delete_canary(
        &self,
        lock: Option<Lock>,
        now: Timestamp,
        random: u64,
    ) -> Result<Vec<Attempt>> {
        let canary = self.some_canary(lock, true, now, random).await?;
        let mut attempts = vec![self.delete(&canary, false).await];
        let compliance = |lock: &Lock| lock.mode == LockMode::Compliance;
        if attempts[0].outcome != Outcome::Succeeded && canary.lock.as_ref().is_some_and(compliance)
        {
            attempts.push(self.delete(&canary, true).await);
        }
        Ok(attempts)
    }

    async fn some_canary(
        &self,
        lock: Option<Lock>,
        object_lock: bool,
        now: Timestamp,
        random: u64,
    ) -> Result<Canary> {
        match self.canary(object_lock, now).await? {
            Some(canary) => Ok(canary),
            None => self.put_canary(lock, random).await,
        }
    }

    async fn canary(&self, object_lock: bool, now: Timestamp) -> Result<Option<Canary>> {
        let page = self.list_versions(CANARIES, None).await?;
        for one in page.objects {
            let lock = match object_lock {
                true => self.retention(&one.key, &one.version).await?,
                false => None,
            };
            let lasts = |lock: Lock| lock.retain_until.duration_since(now) > MIN_LOCK_LEFT;
            if lock.is_some_and(lasts) || !object_lock {
                return Ok(Some(Canary {
                    key: one.key,
                    version: one.version,
                    lock,
                }));
            }
        }
        Ok(None)
    }

    async fn put_canary(&self, lock: Option<Lock>, random: u64) -> Result<Canary> {
        let key: Key = format!("{CANARIES}{random:016x}").parse()?;
        let body = Bytes::from_static(CANARY);
        let sha256 = Sha256::of(&body);
        let head = self.put_new(&key, body, sha256, lock).await?;
        Ok(Canary {
            key,
            version: head.version,
            lock: head.lock,
        })
    }

    async fn delete(&self, canary: &Canary, bypass: bool) -> Attempt {
        let what = match (canary.lock.is_some(), bypass) {
            (true, false) => "delete a locked version",
            (true, true) => "delete a locked version, bypassing governance",
            (false, _) => "delete a version, which nothing locks",
        };
        let deletion = self.deletion(&canary.key).version_id(&canary.version);
        let deletion = deletion.set_bypass_governance_retention(bypass.then_some(true));
        self.attempt(what, &canary.key, deletion.send().await)
    }

    async fn hide(&self, key: &Key) -> Attempt {
        let what = "hide an object behind a delete marker";
        Attempt {
            harmless: true,
            ..self.attempt(what, key, self.deletion(key).send().await)
        }
    }

    fn deletion(&self, key: &Key) -> DeleteObjectFluentBuilder {
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .set_expected_bucket_owner(self.owner.clone())
    }

    async fn shorten(&self, canary: &Canary, now: Timestamp, bypass: bool) -> Attempt {
        let what = match bypass {
            true => "shorten a lock, bypassing governance",
            false => "shorten a lock",
        };
        let soon = now.as_second().saturating_add(60);
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Governance)
            .retain_until_date(DateTime::from_secs(soon))
            .build();
        let output = self
            .client
            .put_object_retention()
            .bucket(&self.bucket)
            .key(self.full_key(&canary.key))
            .version_id(&canary.version)
            .retention(retention)
            .set_bypass_governance_retention(bypass.then_some(true))
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await;
        self.attempt(what, &canary.key, output)
    }

    async fn legal_hold(&self, canary: &Canary) -> Attempt {
        let hold = ObjectLockLegalHold::builder()
            .status(ObjectLockLegalHoldStatus::Off)
            .build();
        let output = self
            .client
            .put_object_legal_hold()
            .bucket(&self.bucket)
            .key(self.full_key(&canary.key))
            .version_id(&canary.version)
            .legal_hold(hold)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await;
        Attempt {
            // Nothing is held: only the lock protects.
            harmless: true,
            ..self.attempt("take a legal hold off", &canary.key, output)
        }
    }

    /// Without the condition that every PUT of ours carries, and otherwise like one. The same bytes,
    /// should it succeed.
    async fn overwrite(&self, key: &Key, lock: Option<Lock>) -> Attempt {
        let mode = lock.map(|lock| ObjectLockMode::from(lock.mode.to_string().as_str()));
        let until = lock.map(|lock| DateTime::from_secs(lock.retain_until.as_second()));
        let output = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .set_expected_bucket_owner(self.owner.clone())
            .body(ByteStream::from_static(CANARY))
            .send()
            .await;
        Attempt {
            // Readers take the oldest version that is sound.
            harmless: true,
            ..self.attempt("put a version on top of an object", key, output)
        }
    }

    /// A refusal is one by rights or by the lock. Credentials that have expired prove nothing.
    fn attempt<T, E: ServiceError>(
        &self,
        what: &'static str,
        key: &Key,
        output: Result<T, SdkError<E, HttpResponse>>,
    ) -> Attempt {
        const REFUSALS: [&str; 5] = [
            "AccessDenied",
            "HTTP 403",
            "InvalidRequest",
            "InvalidRetentionPeriod",
            "ObjectLocked",
        ];
        let message = match &output {
            Err(SdkError::ServiceError(error)) => error.err().message().unwrap_or_default(),
            _ => "",
        };
        let by = refused_by(message);
        let outcome = match output.map_err(|error| Fault::new(&TRY, &self.name(key), error)) {
            Ok(_) => Outcome::Succeeded,
            Err(fault) if REFUSALS.contains(&fault.code.as_str()) => Outcome::Refused {
                by,
                code: fault.code,
            },
            Err(fault) => Outcome::Unclear(fault.error.chain()),
        };
        Attempt {
            what,
            outcome,
            harmless: false,
        }
    }
}

/// What refused, as far as stores say: they answer `AccessDenied` for both.
fn refused_by(message: &str) -> RefusedBy {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    // AWS, Ceph RGW and moto; MinIO.
    if says(&["object lock", "worm"]) {
        RefusedBy::Lock
    } else if says(&["not authorized", "policy"]) {
        RefusedBy::Rights
    } else {
        RefusedBy::Unsaid
    }
}

const TRY: Operation = Operation::new("a try", "destroy", "nothing of the kind");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_want_of_rights_is_told_from_that_of_a_lock() {
        let aws = "User: arn:aws:iam::1:user/a is not authorized to perform: s3:DeleteObjectVersion on \
                   resource: \"arn:aws:s3:::b/k\" with an explicit deny in a resource-based policy";
        for (message, by) in [
            (
                "Access Denied because object protected by object lock.",
                RefusedBy::Lock,
            ),
            ("forbidden by object lock", RefusedBy::Lock),
            (
                "Object is WORM protected and cannot be overwritten",
                RefusedBy::Lock,
            ),
            (aws, RefusedBy::Rights),
            ("Access Denied", RefusedBy::Unsaid),
            ("", RefusedBy::Unsaid),
        ] {
            assert_eq!(refused_by(message), by, "{message}");
        }
    }
}
