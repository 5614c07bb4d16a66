//! Tokens for IAM database authentication: a password for RDS that is a signed URL and lasts fifteen
//! minutes. It is made on this machine; AWS is asked for credentials only.

use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};

use super::account::Account;
use super::call_error;
use crate::error::{Error, Result};
use crate::percent;

/// Makes tokens with the credentials of one account, for its region.
pub(crate) struct Tokens {
    account: Account,
}

impl Tokens {
    pub(crate) fn new(account: Account) -> Self {
        Self { account }
    }

    /// Makes a token for a user at the instance's own endpoint.
    pub(crate) async fn make(&self, host: &str, port: u16, user: &str) -> Result<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) {
            return Err(Error::usage(format!("{host:?} is no endpoint of RDS")));
        }
        // The generator puts the name into the URL as it is.
        let config = Config::builder()
            .hostname(host)
            .port(u64::from(port))
            .username(percent::encode(user))
            .build()
            .map_err(|error| call_error::no_token(host, error.as_ref()))?;
        let token = AuthTokenGenerator::new(config)
            .auth_token(self.account.sdk())
            .await
            .map_err(|error| call_error::no_token(host, error.as_ref()))?;
        Ok(token.as_str().to_owned())
    }

    /// What to look at when the server refuses a token: it never says why.
    pub(crate) fn hint_when_refused(&self, host: &str, user: &str) -> String {
        let Account {
            id, region, caller, ..
        } = &self.account;
        let partition = self.account.partition();
        format!(
            "has {user} the role rds_iam (GRANT rds_iam TO {user}), has the instance IAM authentication \
             turned on, is {host} its own endpoint in {region} and no alias, and may {caller} do \
             rds-db:connect on arn:{partition}:rds-db:{region}:{id}:dbuser:*/{user}?"
        )
    }
}
