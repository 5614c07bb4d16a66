//! The bucket's policy, public access block and lifecycle rules, for `doctor`.

use aws_sdk_s3::types::ExpirationStatus;

use super::bucket::S3Store;
use super::fault::{Fault, Operation};
use crate::store::audit::{Asked, Audit, Rule};

const GET_POLICY: Operation = Operation {
    name: "GetBucketPolicy",
    verb: "read the policy of",
    rights: "s3:GetBucketPolicy",
};
const GET_PUBLIC_ACCESS: Operation = Operation {
    name: "GetPublicAccessBlock",
    verb: "read the public access block of",
    rights: "s3:GetBucketPublicAccessBlock",
};
const GET_LIFECYCLE: Operation = Operation {
    name: "GetBucketLifecycleConfiguration",
    verb: "read the lifecycle rules of",
    rights: "s3:GetLifecycleConfiguration",
};

impl S3Store {
    /// Asks for all of them; what may not be asked is `Unknown`.
    pub(super) async fn read_settings(&self) -> Audit {
        Audit {
            policy: self.policy().await,
            public_access_blocked: self.public_access_blocked().await,
            lifecycle: self.lifecycle().await,
        }
    }

    async fn policy(&self) -> Asked<String> {
        let output = self
            .client
            .get_bucket_policy()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&GET_POLICY, &self.url, error));
        match output {
            Ok(output) => output.policy.map_or(Asked::Absent, Asked::Is),
            Err(fault) => unless(fault, "NoSuchBucketPolicy"),
        }
    }

    async fn public_access_blocked(&self) -> Asked<bool> {
        let output = self
            .client
            .get_public_access_block()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&GET_PUBLIC_ACCESS, &self.url, error));
        match output {
            Ok(output) => {
                output
                    .public_access_block_configuration()
                    .map_or(Asked::Absent, |block| {
                        let switches = [
                            block.block_public_acls(),
                            block.ignore_public_acls(),
                            block.block_public_policy(),
                            block.restrict_public_buckets(),
                        ];
                        Asked::Is(switches.iter().all(|switch| *switch == Some(true)))
                    })
            }
            Err(fault) => unless(fault, "NoSuchPublicAccessBlockConfiguration"),
        }
    }

    async fn lifecycle(&self) -> Asked<Vec<Rule>> {
        let output = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&GET_LIFECYCLE, &self.url, error));
        match output {
            Ok(output) => Asked::Is(output.rules().iter().filter_map(rule).collect()),
            Err(fault) => unless(fault, "NoSuchLifecycleConfiguration"),
        }
    }
}

fn unless<T>(fault: Fault, absent: &str) -> Asked<T> {
    if fault.code == absent {
        Asked::Absent
    } else {
        Asked::Unknown(fault.error.chain())
    }
}

fn rule(rule: &aws_sdk_s3::types::LifecycleRule) -> Option<Rule> {
    let days = |days: i32| u32::try_from(days).ok();
    let filter = rule.filter();
    let within = filter.and_then(|filter| filter.prefix().or(filter.and()?.prefix()));
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
