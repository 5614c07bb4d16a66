//! The client, and whose resources it names.

use crate::aws::account::Account;

/// RDS of one account in one region.
#[derive(Debug, Clone)]
pub(crate) struct Rds {
    pub(super) client: aws_sdk_rds::Client,
    partition: String,
    /// Of the account, 12 digits.
    pub account: String,
    pub region: String,
    /// `source account` or `backup account`.
    pub side: &'static str,
}

impl Rds {
    pub(crate) fn new(account: &Account) -> Self {
        let config = aws_sdk_rds::config::Builder::from(account.sdk())
            .interceptor(account.retry_expired())
            .retry_classifier(account.retry_expired());
        Self {
            client: aws_sdk_rds::Client::from_conf(config.build()),
            partition: account.partition().to_owned(),
            account: account.id.clone(),
            region: account.region.clone(),
            side: account.side(),
        }
    }

    /// The ARN of a resource of this account and region, such as `snapshot:NAME`.
    pub(crate) fn arn(&self, resource: &str) -> String {
        let Self {
            partition,
            region,
            account,
            ..
        } = self;
        format!("arn:{partition}:rds:{region}:{account}:{resource}")
    }
}
