//! HeadObject, and what it says.

use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use super::bucket::S3Store;
use super::fault::{Fault, Operation};
use crate::error::Result;
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::{Lock, LockMode};
use crate::store::Head;

impl S3Store {
    pub(super) async fn head_object(&self, key: &Key, version: &str) -> Result<Head, Fault> {
        const HEAD: Operation = Operation::new(
            "HeadObject",
            "look at",
            "s3:GetObject and s3:GetObjectVersion",
        );
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
        head.lock = self.lock_told(key, version, head.lock).await?;
        Ok(head)
    }

    /// The lock that came with an answer; or, where none did, what the store says when it is asked for that:
    /// without s3:GetObjectRetention an answer leaves the lock out and does not say so.
    pub(super) async fn lock_told(
        &self,
        key: &Key,
        version: &str,
        told: Option<Lock>,
    ) -> Result<Option<Lock>> {
        if told.is_none() && !self.lockless.load(Ordering::Relaxed) {
            return self.retention(key, version).await;
        }
        Ok(told)
    }
}

fn head_of(output: &HeadObjectOutput, version: &str) -> Result<Head, String> {
    let bytes = output.content_length().and_then(|len| len.try_into().ok());
    if let Some(other) = output.version_id().filter(|other| *other != version) {
        return Err(format!(
            "asked about version {version}, the store answered about {other}"
        ));
    }
    let mode = lock_mode(output.object_lock_mode().map(|mode| mode.as_str()))?;
    let until = output.object_lock_retain_until_date();
    Ok(Head {
        version: version.to_owned(),
        bytes: bytes.ok_or("the store gives no size")?,
        sha256: confirmed(output.checksum_sha256(), output.checksum_type()),
        lock: lock_of(mode, until)?,
        stored_at: timestamp(output.last_modified())?,
    })
}

/// The store's SHA-256, where it is one of the whole object and not of a multipart upload's parts.
pub(super) fn confirmed(base64: Option<&str>, kind: Option<&ChecksumType>) -> Option<Sha256> {
    if kind.is_some_and(|kind| *kind != ChecksumType::FullObject) {
        return None;
    }
    // A composite one ends with `-` and the number of parts, which is not base64.
    let bytes = BASE64.decode(base64?).ok()?;
    bytes.try_into().ok().map(Sha256)
}

pub(super) fn lock_of(
    mode: Option<LockMode>,
    until: Option<&DateTime>,
) -> Result<Option<Lock>, String> {
    match (mode, until) {
        (Some(mode), Some(until)) => Ok(Some(Lock {
            mode,
            retain_until: timestamp(Some(until))?,
        })),
        (None, None) => Ok(None),
        _ => Err("the store gives half a lock: a mode or a date alone".to_owned()),
    }
}

pub(super) fn lock_mode(name: Option<&str>) -> Result<Option<LockMode>, String> {
    match name {
        None => Ok(None),
        Some("COMPLIANCE") => Ok(Some(LockMode::Compliance)),
        Some("GOVERNANCE") => Ok(Some(LockMode::Governance)),
        Some(name) => Err(format!(
            "the store knows a lock mode '{name}', which we do not"
        )),
    }
}

pub(super) fn timestamp(time: Option<&DateTime>) -> Result<Timestamp, String> {
    let time = time.ok_or("the store gives no time")?;
    let nanos = i32::try_from(time.subsec_nanos()).unwrap_or(0);
    Timestamp::new(time.secs(), nanos).map_err(|error| format!("an impossible time: {error}"))
}

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
    fn an_answer_about_another_version_is_an_error() {
        let told = |version: Option<&str>| {
            let output = HeadObjectOutput::builder()
                .set_version_id(version.map(str::to_owned))
                .content_length(1)
                .last_modified(DateTime::from_secs(1))
                .build();
            head_of(&output, "v1").map(|head| head.version)
        };
        assert_eq!(told(Some("v1")).unwrap(), "v1");
        assert_eq!(told(None).unwrap(), "v1");
        assert!(told(Some("v2")).unwrap_err().contains("v2"));
    }

    #[test]
    fn half_a_lock_is_an_error_and_not_an_unlocked_object() {
        let until = DateTime::from_secs(1);
        assert!(lock_of(None, Some(&until)).is_err());
        assert!(lock_of(Some(LockMode::Compliance), None).is_err());
        assert!(lock_mode(Some("LEGAL")).is_err());
        let lock = lock_of(Some(LockMode::Governance), Some(&until)).unwrap();
        assert_eq!(lock.unwrap().retain_until.as_second(), 1);
    }
}
