//! An AWS account: credentials from the SDK's usual chain, the role assumed with them, and whose
//! account that is, by what STS says.

use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::retries::classifiers::SharedRetryClassifier;

use super::call_error::{Operation, from_sdk};
use super::credentials::{RenewingCredentials, RetryExpired};
use super::role::Role;
use crate::error::{Error, Result};
use crate::http::Outbound;

/// The longest session that AWS allows for role chaining; it is renewed before it expires.
const SESSION: Duration = Duration::from_secs(3600);

const IDENTITY: Operation = Operation {
    name: "GetCallerIdentity",
    rights: "no permission for this, but no permissions boundary or session policy may deny it",
};

/// One side of the account boundary, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountOptions {
    /// For messages: `source account` or `backup account`.
    pub side: &'static str,
    /// 12 digits: what STS must say.
    pub id: String,
    pub region: String,
    /// Of the AWS configuration files; `None`: as the SDK finds credentials.
    pub profile: Option<String>,
    /// `None`: the chain's own credentials.
    pub role: Option<Role>,
}

/// An account that STS has confirmed, with credentials that renew themselves.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: String,
    pub region: String,
    /// The ARN that STS reports for the credentials.
    pub caller: String,
    side: &'static str,
    sdk: SdkConfig,
    credentials: Arc<RenewingCredentials>,
}

impl Account {
    /// Finds credentials, assumes the role, and asks STS whose account that is: another one than
    /// configured is `Refused`, a role that cannot be assumed `Denied`.
    pub async fn confirm(options: &AccountOptions) -> Result<Self> {
        let chain = load(options.profile.as_deref(), Some(&options.region)).await?;
        let (sdk, credentials) =
            with_renewal(with_role(chain, options).await, options.role.clone())?;
        let what = match &options.role {
            Some(role) => format!("cannot become {} in the {}", role.arn, options.side),
            None => format!("cannot tell whose credentials these are ({})", options.side),
        };
        let identity = aws_sdk_sts::Client::new(&sdk)
            .get_caller_identity()
            .send()
            .await
            .map_err(|why| from_sdk(&IDENTITY, what, why))?;
        let (id, caller) = (
            identity.account().unwrap_or_default(),
            identity.arn().unwrap_or_default(),
        );
        if id != options.id {
            return Err(Error::refused(format!(
                "the {} should be {}, but the credentials belong to {id} ({caller})",
                options.side, options.id
            ))
            .hint("look at profile, AWS_PROFILE, AWS_ACCESS_KEY_ID and the role of the configuration: nothing was done"));
        }
        Ok(Self {
            id: id.to_owned(),
            region: options.region.clone(),
            caller: caller.to_owned(),
            side: options.side,
            sdk,
            credentials,
        })
    }

    /// An account whose id the caller knows, with a configuration of the caller's; STS is not asked.
    pub fn unconfirmed(side: &'static str, id: &str, region: &str, sdk: SdkConfig) -> Result<Self> {
        let sdk = sdk.into_builder().region(Region::new(region.to_owned()));
        let (sdk, credentials) = with_renewal(sdk.build(), None)?;
        Ok(Self {
            id: id.to_owned(),
            region: region.to_owned(),
            caller: format!("arn:{}:sts::{id}:known", partition_of(region)),
            side,
            sdk,
            credentials,
        })
    }

    /// Uses the credentials and region that the SDK finds; STS is not asked whose account that is.
    pub async fn from_environment(side: &'static str, profile: Option<&str>) -> Result<Self> {
        let chain = load(profile, None).await?;
        let region = chain.region().map(ToString::to_string).ok_or_else(|| {
            Error::usage("in which region? Neither the configuration nor the environment says")
                .hint("name the account's id and region in the configuration, or set AWS_REGION")
        })?;
        Self::unconfirmed(side, "", &region, chain)
    }

    /// For the store: they renew themselves.
    pub fn credentials(&self) -> SharedCredentialsProvider {
        let credentials: Arc<dyn ProvideCredentials> = self.credentials.clone();
        credentials.into()
    }

    /// For an S3 client with these credentials. When AWS calls them expired, the interceptor drops
    /// them, so that new ones are fetched, and the classifier has the call retried.
    pub fn retries_of_expired(&self) -> (SharedInterceptor, SharedRetryClassifier) {
        let retry = self.retry_expired();
        (
            SharedInterceptor::new(retry.clone()),
            SharedRetryClassifier::new(retry),
        )
    }

    /// AWS has called these credentials expired: they are not given out again.
    pub(super) fn forget(&self, access_key: &str) {
        self.credentials.forget(access_key);
    }

    pub(super) fn retry_expired(&self) -> RetryExpired {
        RetryExpired(self.credentials.clone())
    }

    /// What messages call this account, such as `source account`.
    pub fn side(&self) -> &'static str {
        self.side
    }

    /// The same identity, calling another region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let sdk = self.sdk.to_builder().region(Region::new(region.to_owned()));
        Self {
            region: region.to_owned(),
            sdk: sdk.build(),
            ..self.clone()
        }
    }

    /// The URL of a service that no SDK here calls: the configured one, or AWS's own.
    pub(super) fn endpoint(&self, service: &str) -> String {
        let suffix = match self.region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        match self.sdk.endpoint_url() {
            Some(configured) => format!("{}/", configured.trim_end_matches('/')),
            None => format!("https://{service}.{}.{suffix}/", self.region),
        }
    }

    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub(super) fn partition(&self) -> &str {
        self.caller.split(':').nth(1).unwrap_or("aws")
    }

    pub(super) fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }
}

fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The SDK's configuration, with the credentials that it finds, and the region where none is given.
pub(super) async fn load(profile: Option<&str>, region: Option<&str>) -> Result<SdkConfig> {
    let http = Outbound::from_environment()?.sdk_client()?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(5));
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    Ok(loader.load().await)
}

/// All clients of the configuration share one set of credentials; the SDK's own cache, one for each
/// client, is off.
fn with_renewal(
    sdk: SdkConfig,
    role: Option<Role>,
) -> Result<(SdkConfig, Arc<RenewingCredentials>)> {
    let provider = sdk
        .credentials_provider()
        .ok_or_else(|| Error::failed("the AWS SDK configuration has no credentials provider"))?;
    let credentials = RenewingCredentials::new(provider, role);
    let shared: Arc<dyn ProvideCredentials> = credentials.clone();
    let sdk = sdk
        .into_builder()
        .credentials_provider(shared.into())
        .identity_cache(IdentityCache::no_cache())
        .build();
    Ok((sdk, credentials))
}

async fn with_role(base: SdkConfig, options: &AccountOptions) -> SdkConfig {
    let Some(role) = &options.role else {
        return base;
    };
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(&role.session_name)
        .session_length(SESSION)
        .configure(&base);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    let provider = SharedCredentialsProvider::new(provider.build().await);
    base.into_builder().credentials_provider(provider).build()
}

/// Refuses to keep backups in the source account: who destroys that account destroys them, too.
pub(crate) fn check_apart(source: &str, backup: &str, allowed: bool) -> Result<()> {
    if source != backup || allowed {
        return Ok(());
    }
    Err(Error::refused(format!(
        "source and backup account are one: {source}"
    ))
    .hint(
        "those who can destroy the database could destroy its backups: use a second account, or say \
         backup_account.allow_same_account = true and live with it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;

    #[test]
    fn the_partition_follows_from_the_region_where_sts_is_not_asked() {
        let keys = Credentials::for_tests();
        let sdk = SdkConfig::builder()
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
        ] {
            let account = Account::unconfirmed("source account", "1", region, sdk.clone());
            assert_eq!(account.unwrap().partition(), partition);
        }
    }
}
