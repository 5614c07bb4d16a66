//! From options to a client.

use std::env;
use std::fmt;
use std::sync::atomic::AtomicBool;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials as Given, ResponseChecksumValidation};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::retries::classifiers::SharedRetryClassifier;
use tokio::sync::OnceCell;

use super::bucket::{RequestLimits, S3Store};
use crate::error::{Error, Result};
use crate::http::Outbound;
use crate::store::Promises;

/// The region in which stores other than AWS believe to be.
const DEFAULT_REGION: &str = "us-east-1";

/// Where a bucket is and how to get at it. What is `None` comes from the SDK's default chain
/// (environment, profile, role).
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    pub bucket: String,
    /// Without slashes at its ends; may be empty.
    pub prefix: String,
    pub region: Option<String>,
    /// Another store's address, such as `https://s3.example.org`.
    pub endpoint: Option<String>,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`: most stores other than AWS need it.
    pub path_style: bool,
    /// The account id that the bucket must belong to; sent with every request.
    pub expected_bucket_owner: Option<String>,
    pub credentials: Option<StaticCredentials>,
    /// Of an account that was entered: win over all others.
    pub renewed: Option<Renewed>,
    pub profile: Option<String>,
}

/// Credentials that renew themselves.
#[derive(Debug, Clone)]
pub struct Renewed {
    pub credentials: SharedCredentialsProvider,
    /// Where the store calls them expired: the first has them renewed, the second the request
    /// repeated.
    pub after_expiry: (SharedInterceptor, SharedRetryClassifier),
}

/// Credentials given directly.
#[derive(Clone)]
pub struct StaticCredentials {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticCredentials({}, …)", self.access_key)
    }
}

impl S3Store {
    /// Resolves region, endpoint and credentials; sends nothing to the bucket yet.
    pub async fn open(options: S3Options) -> Result<Self> {
        Self::open_with(options, RequestLimits::default()).await
    }

    /// As [`S3Store::open`], with other limits of time and attempts.
    pub async fn open_with(options: S3Options, limits: RequestLimits) -> Result<Self> {
        let shared = load(&options, &limits).await?;
        if shared.region().is_none() {
            return Err(Error::usage(format!(
                "no AWS region is known for s3://{}",
                options.bucket
            ))
            .hint("set the repository's region, or AWS_REGION"));
        }
        let elsewhere = options
            .endpoint
            .clone()
            .or_else(|| env::var("AWS_ENDPOINT_URL_S3").ok())
            .or_else(|| shared.endpoint_url().map(str::to_owned));
        let mut config = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(options.path_style)
            // Every reader compares the SHA-256 of what it got with the signed manifest's.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(renewed) = options.renewed {
            let (interceptor, classifier) = renewed.after_expiry;
            config = config.interceptor(interceptor).retry_classifier(classifier);
        }
        let (prefix, url) = match options.prefix.trim_matches('/') {
            "" => (String::new(), format!("s3://{}", options.bucket)),
            prefix => (
                format!("{prefix}/"),
                format!("s3://{}/{prefix}", options.bucket),
            ),
        };
        let aws = elsewhere.is_none_or(|endpoint| is_aws(&endpoint));
        Ok(S3Store {
            client: Client::from_conf(config.build()),
            bucket: options.bucket,
            prefix,
            url,
            owner: options.expected_bucket_owner,
            promises: Promises {
                locks: true,
                checksums: aws,
                conditional_puts: aws,
            },
            limits,
            lockless: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            compares: OnceCell::new(),
        })
    }
}

async fn load(options: &S3Options, limits: &RequestLimits) -> Result<SdkConfig> {
    let http = Outbound::from_environment()?.sdk_client()?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(limits.connect_timeout)
        .operation_attempt_timeout(limits.attempt_timeout)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(limits.retry.attempts)
        .with_initial_backoff(limits.retry.first_pause);
    let mut loader: ConfigLoader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries);
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(given) = &options.credentials {
        let token = given.session_token.clone();
        loader = loader.credentials_provider(Given::new(
            &given.access_key,
            &given.secret_key,
            token,
            None,
            "options",
        ));
    }
    if let Some(renewed) = &options.renewed {
        loader = loader
            .credentials_provider(renewed.credentials.clone())
            // They are kept where they are renewed.
            .identity_cache(IdentityCache::no_cache());
    }
    let fallback = options.endpoint.as_ref().map(|_| DEFAULT_REGION.to_owned());
    if let Some(region) = options
        .region
        .clone()
        .or_else(environment_region)
        .or(fallback)
    {
        loader = loader.region(Region::new(region));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Ok(loader.load().await)
}

fn environment_region() -> Option<String> {
    let set = |name| env::var(name).ok().filter(|region| !region.is_empty());
    set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"))
}

/// Whether an endpoint is one of AWS's own, such as a VPC endpoint.
fn is_aws(endpoint: &str) -> bool {
    let host = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or(host);
    [".amazonaws.com", ".amazonaws.com.cn"]
        .iter()
        .any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_aws_is_believed_to_be_aws() {
        assert!(is_aws("https://s3.eu-central-1.amazonaws.com"));
        assert!(is_aws(
            "https://bucket.vpce-1-2.s3.eu-central-1.vpce.amazonaws.com:443/"
        ));
        assert!(!is_aws("https://amazonaws.com.example.org"));
        assert!(!is_aws("https://example.org/.amazonaws.com"));
        assert!(!is_aws("http://127.0.0.1:9000"));
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let credentials = StaticCredentials {
            access_key: "key".into(),
            secret_key: "hidden".into(),
            session_token: Some("hidden".into()),
        };
        assert!(!format!("{credentials:?}").contains("hidden"));
    }
}
