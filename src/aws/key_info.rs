//! Whose a KMS key is.

use super::Account;
use super::fault::{Operation, error};
use crate::error::Result;

const DESCRIBE: Operation = Operation {
    name: "DescribeKey",
    rights: "kms:DescribeKey, and the key's policy must admit it",
};

/// Whether AWS manages the key, such as `aws/rds`: what lies under it cannot be shared.
pub async fn is_managed_by_aws(account: &Account, key: &str) -> Result<bool> {
    let config = aws_sdk_kms::config::Builder::from(account.sdk())
        .interceptor(account.on_expiry())
        .retry_classifier(account.on_expiry());
    let told = aws_sdk_kms::Client::from_conf(config.build())
        .describe_key()
        .key_id(key)
        .send()
        .await
        .map_err(|why| {
            let what = format!("cannot tell whose key {key} is ({})", account.side());
            error(&DESCRIBE, what, why)
        })?;
    let manager = told.key_metadata.and_then(|key| key.key_manager);
    Ok(manager.is_some_and(|manager| manager.as_str() == "AWS"))
}
