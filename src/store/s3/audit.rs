//! The bucket's policy, public access block and lifecycle rules, for `doctor`.

use async_trait::async_trait;
use aws_sdk_s3::types::ExpirationStatus;
use jiff::Timestamp;

use super::bucket::S3Store;
use super::fault::{Fault, HttpResponse, Operation, SdkError, ServiceError};
use super::proof::CANARIES;
use crate::error::Result;
use crate::model::lock::Lock;
use crate::store::audit::{Asked, Attempt, Audit, AuditedStore, Rule};

const GET_POLICY: Operation = Operation::new(
    "GetBucketPolicy",
    "read the policy of",
    "s3:GetBucketPolicy",
);
const GET_PUBLIC_ACCESS: Operation = Operation::new(
    "GetPublicAccessBlock",
    "read the public access block of",
    "s3:GetBucketPublicAccessBlock",
);
const GET_LIFECYCLE: Operation = Operation::new(
    "GetBucketLifecycleConfiguration",
    "read the lifecycle rules of",
    "s3:GetLifecycleConfiguration",
);

#[async_trait]
impl AuditedStore for S3Store {
    fn key_prefix(&self) -> &str {
        &self.prefix
    }

    async fn audit(&self) -> Audit {
        Audit {
            policy: self.policy().await,
            public_access_blocked: self.public_access_blocked().await,
            lifecycle: self.lifecycle().await,
        }
    }

    async fn try_to_destroy(
        &self,
        lock: Option<Lock>,
        object_lock: bool,
        now: Timestamp,
        random: u64,
    ) -> Result<Vec<Attempt>> {
        self.attack_canary(lock, object_lock, now, random).await
    }

    async fn try_to_delete(
        &self,
        lock: Option<Lock>,
        now: Timestamp,
        random: u64,
    ) -> Result<Vec<Attempt>> {
        self.delete_canary(lock, now, random).await
    }

    fn rights_to_try(&self) -> String {
        format!(
            "s3:PutObject, s3:PutObjectRetention, s3:GetObjectRetention, s3:DeleteObjectVersion and \
             s3:BypassGovernanceRetention on {}/{CANARIES}*",
            self.url
        )
    }

    async fn refuses_wrong_bodies(&self, lock: Option<Lock>) -> Option<bool> {
        self.compares(CANARIES, lock).await.ok().flatten()
    }
}

impl S3Store {
    async fn policy(&self) -> Asked<String> {
        let output = self
            .client
            .get_bucket_policy()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await;
        self.asked(&GET_POLICY, "NoSuchBucketPolicy", output, |output| {
            output.policy
        })
    }

    async fn public_access_blocked(&self) -> Asked<bool> {
        let output = self
            .client
            .get_public_access_block()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await;
        let absent = "NoSuchPublicAccessBlockConfiguration";
        self.asked(&GET_PUBLIC_ACCESS, absent, output, |output| {
            let block = output.public_access_block_configuration?;
            let switches = [
                block.block_public_acls,
                block.ignore_public_acls,
                block.block_public_policy,
                block.restrict_public_buckets,
            ];
            Some(switches == [Some(true); 4])
        })
    }

    async fn lifecycle(&self) -> Asked<Vec<Rule>> {
        let output = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await;
        let absent = "NoSuchLifecycleConfiguration";
        self.asked(&GET_LIFECYCLE, absent, output, |output| {
            Some(output.rules().iter().filter_map(rule).collect())
        })
    }

    /// `absent`: the code of a setting that is not set.
    fn asked<O, T, E: ServiceError>(
        &self,
        operation: &Operation,
        absent: &str,
        output: Result<O, SdkError<E, HttpResponse>>,
        read: impl FnOnce(O) -> Option<T>,
    ) -> Asked<T> {
        match output.map_err(|error| Fault::new(operation, &self.url, error)) {
            Ok(output) => read(output).map_or(Asked::Absent, Asked::Is),
            Err(fault) if fault.code == absent => Asked::Absent,
            Err(fault) => Asked::Unknown(fault.error.chain()),
        }
    }
}

fn rule(rule: &aws_sdk_s3::types::LifecycleRule) -> Option<Rule> {
    let days = |days: i32| u32::try_from(days).ok();
    let filter = rule.filter();
    let within = filter.and_then(|one| one.prefix().or_else(|| one.and()?.prefix()));
    // Deprecated, and still what some tools write.
    #[allow(deprecated)]
    let prefix = within.or(rule.prefix()).unwrap_or_default();
    (*rule.status() == ExpirationStatus::Enabled).then(|| Rule {
        id: rule.id().unwrap_or_default().to_owned(),
        prefix: prefix.to_owned(),
        expire_days: rule.expiration().and_then(|one| one.days()).and_then(days),
        noncurrent_days: rule
            .noncurrent_version_expiration()
            .and_then(|one| one.noncurrent_days())
            .and_then(days),
    })
}
