//! Credentials of one account, fetched once and renewed before they expire, or when AWS says that they
//! have: the store, the calls to AWS and the tokens of a run share them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{
    ProvideCredentials, Result as Provided, SharedCredentialsProvider, future,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::call_error::no_credentials;
use super::role::Role;

/// How long before they expire credentials are renewed: AWS judges by its clock, and an export accepts
/// a machine whose clock is this far off.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);
/// Those without an expiry are fetched again after this: a profile's file may have changed.
const RENEWED_WITHOUT_EXPIRY: Duration = Duration::from_secs(900);

/// Keeps what another provider provides until it has to be renewed.
#[derive(Debug)]
pub(super) struct RenewingCredentials {
    provider: SharedCredentialsProvider,
    /// The role that the provider assumes.
    role: Option<Role>,
    cached: Mutex<Option<Cached>>,
    /// Locked while the provider is asked: a hundred requests at once ask one time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Cached {
    credentials: Credentials,
    renew_at: SystemTime,
}

impl RenewingCredentials {
    pub(super) fn new(provider: SharedCredentialsProvider, role: Option<Role>) -> Arc<Self> {
        Arc::new(Self {
            provider,
            role,
            cached: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// AWS has called these expired: they are not given out again. Newer ones stay.
    pub(super) fn forget(&self, access_key: &str) {
        let mut cached = self.cached();
        if (cached.as_ref()).is_some_and(|cached| cached.credentials.access_key_id() == access_key)
        {
            *cached = None;
        }
    }

    async fn provide(&self) -> Provided {
        let _asking = self.asking.lock().await;
        let cached = self.cached().clone();
        let now = SystemTime::now();
        if let Some(cached) = &cached
            && now < cached.renew_at
        {
            return Ok(cached.credentials.clone());
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                *self.cached() = Some(Cached {
                    renew_at: renew_at(credentials.expiry(), now),
                    credentials: credentials.clone(),
                });
                Ok(credentials)
            }
            // STS may not answer for a moment; the old ones are good for some minutes more.
            Err(error) => match cached {
                Some(cached) if cached.credentials.expiry().is_some_and(|end| now < end) => {
                    Ok(cached.credentials)
                }
                // In our words, wherever the SDK shows them.
                _ => Err(CredentialsError::provider_error(no_credentials(
                    &error,
                    self.role.as_ref(),
                ))),
            },
        }
    }

    fn cached(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that do not last long are renewed after three quarters of their time.
fn renew_at(end: Option<SystemTime>, now: SystemTime) -> SystemTime {
    let Some(end) = end else {
        return now + RENEWED_WITHOUT_EXPIRY;
    };
    let left = end.duration_since(now).unwrap_or_default();
    now + (left - RENEWED_BEFORE.min(left / 4))
}

impl ProvideCredentials for RenewingCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// Repeats a call that AWS refused for expired credentials, with new ones: the interceptor forgets the
/// old ones, the classifier asks for another attempt.
#[derive(Debug, Clone)]
pub(super) struct RetryExpired(pub Arc<RenewingCredentials>);

/// The access key of an attempt.
#[derive(Debug)]
struct SignedBy(String);

impl Storable for SignedBy {
    type Storer = StoreReplace<Self>;
}

impl Intercept for RetryExpired {
    fn name(&self) -> &'static str {
        "expired credentials"
    }

    fn read_before_transmit(
        &self,
        call: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let authorization = call.request().headers().get("authorization");
        if let Some(access_key) = authorization.and_then(access_key_in) {
            bag.interceptor_state()
                .store_put(SignedBy(access_key.to_owned()));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        call: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(SignedBy(access_key)) = bag.load::<SignedBy>()
            && call.response().is_some_and(says_expired)
        {
            self.0.forget(access_key);
        }
        Ok(())
    }
}

impl ClassifyRetry for RetryExpired {
    fn classify_retry(&self, call: &InterceptorContext) -> RetryAction {
        match call.response().is_some_and(says_expired) {
            true => RetryAction::transient_error(),
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "expired credentials"
    }
}

/// Whether AWS calls the credentials expired: by the code `ExpiredToken` or, in JSON,
/// `ExpiredTokenException`. The answer to a HEAD has no body, and S3 refuses ours for nothing else.
fn says_expired(response: &HttpResponse) -> bool {
    let body = response.body().bytes().unwrap_or_default();
    let says = |code: &str| memchr::memmem::find(body, code.as_bytes()).is_some();
    match response.status().as_u16() {
        400 if body.is_empty() => true,
        400 | 403 => says("ExpiredToken") || says("TokenRefreshRequired"),
        _ => false,
    }
}

/// `AWS4-HMAC-SHA256 Credential=KEY/20261121/…`
fn access_key_in(authorization: &str) -> Option<&str> {
    let (_, rest) = authorization.split_once("Credential=")?;
    rest.split('/').next()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Provides credentials with numbered keys that last `seconds`; `good` of them, then errors.
    #[derive(Debug)]
    struct NumberedCredentials {
        seconds: i64,
        good: usize,
        asked: AtomicUsize,
    }

    impl ProvideCredentials for NumberedCredentials {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            let life = Duration::from_secs(self.seconds.unsigned_abs());
            let now = SystemTime::now();
            let end = if self.seconds < 0 {
                now - life
            } else {
                now + life
            };
            let made = Credentials::new(format!("key{number}"), "s", None, Some(end), "test");
            future::ProvideCredentials::ready(if number < self.good {
                Ok(made)
            } else {
                Err(CredentialsError::provider_error("no answer"))
            })
        }
    }

    fn renewing_credentials(seconds: i64, good: usize) -> Arc<RenewingCredentials> {
        let numbered = NumberedCredentials {
            seconds,
            good,
            asked: AtomicUsize::new(0),
        };
        RenewingCredentials::new(SharedCredentialsProvider::new(numbered), None)
    }

    async fn key(of: &RenewingCredentials) -> Option<String> {
        let provided = of.provide_credentials().await.ok();
        provided.map(|credentials| credentials.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn good_ones_are_asked_for_once() {
        let many = renewing_credentials(3600, 9);
        for _ in 0..3 {
            assert_eq!(key(&many).await.as_deref(), Some("key0"));
        }
    }

    #[tokio::test]
    async fn what_aws_called_expired_is_not_given_out_again() {
        let many = renewing_credentials(3600, 9);
        assert_eq!(key(&many).await.as_deref(), Some("key0"));
        many.forget("key0");
        assert_eq!(key(&many).await.as_deref(), Some("key1"));
        many.forget("key0");
        assert_eq!(key(&many).await.as_deref(), Some("key1"));
    }

    #[tokio::test]
    async fn expired_ones_are_renewed_and_never_used_instead() {
        let old = renewing_credentials(-1, 2);
        assert_eq!(key(&old).await.as_deref(), Some("key0"));
        assert_eq!(key(&old).await.as_deref(), Some("key1"));
        assert_eq!(key(&old).await, None);
    }

    #[tokio::test]
    async fn while_nobody_renews_them_good_ones_go_on() {
        let one = renewing_credentials(3600, 1);
        assert_eq!(key(&one).await.as_deref(), Some("key0"));
        one.cached().as_mut().unwrap().renew_at = SystemTime::now();
        assert_eq!(key(&one).await.as_deref(), Some("key0"));
    }

    #[test]
    fn the_key_that_signed_is_found() {
        let header = "AWS4-HMAC-SHA256 Credential=ASIAX/20261121/eu-central-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0f";
        assert_eq!(access_key_in(header), Some("ASIAX"));
        assert_eq!(access_key_in("Bearer x"), None);
    }

    #[test]
    fn renewed_five_minutes_early_or_after_three_quarters() {
        let now = SystemTime::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        for (end, renewed) in [(3600, 3300), (1200, 900), (900, 675), (4, 3), (0, 0)] {
            assert_eq!(renew_at(Some(at(end)), now), at(renewed), "{end}");
        }
        assert_eq!(renew_at(None, now), at(900));
    }
}
