//! Credentials of one account, asked for once and renewed before they end, or when AWS says that they
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

use super::account::Role;
use super::fault::no_credentials;

/// New ones are asked for so long before the end: AWS judges by its clock, and an export accepts a
/// machine whose clock is this far off.
const EARLY: Duration = Duration::from_secs(300);
/// Those without an end are asked for again after this: a profile's file may have changed.
const ENDLESS: Duration = Duration::from_secs(900);

/// What `from` provides, kept for as long as it is good.
#[derive(Debug)]
pub struct Renewing {
    from: SharedCredentialsProvider,
    /// That `from` becomes.
    role: Option<Role>,
    held: Mutex<Option<Held>>,
    /// Whoever asks `from` holds it: a hundred requests at once ask one time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Held {
    credentials: Credentials,
    renew_at: SystemTime,
}

impl Renewing {
    pub fn new(from: SharedCredentialsProvider, role: Option<Role>) -> Arc<Self> {
        Arc::new(Self {
            from,
            role,
            held: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// AWS has called these expired: they are not given out again. Newer ones stay.
    pub fn forget(&self, access_key: &str) {
        let mut held = self.held();
        if (held.as_ref()).is_some_and(|held| held.credentials.access_key_id() == access_key) {
            *held = None;
        }
    }

    async fn provide(&self) -> Provided {
        let _asking = self.asking.lock().await;
        let held = self.held().clone();
        let now = SystemTime::now();
        if let Some(held) = &held
            && now < held.renew_at
        {
            return Ok(held.credentials.clone());
        }
        match self.from.provide_credentials().await {
            Ok(credentials) => {
                *self.held() = Some(Held {
                    renew_at: renew_at(credentials.expiry(), now),
                    credentials: credentials.clone(),
                });
                Ok(credentials)
            }
            // STS may not answer for a moment; the old ones are good for some minutes more.
            Err(error) => match held {
                Some(held) if held.credentials.expiry().is_some_and(|end| now < end) => {
                    Ok(held.credentials)
                }
                // In the words of this house, wherever the SDK shows them.
                _ => Err(CredentialsError::provider_error(no_credentials(
                    &error,
                    self.role.as_ref(),
                ))),
            },
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A quarter of the time of short ones is early enough.
fn renew_at(end: Option<SystemTime>, now: SystemTime) -> SystemTime {
    let Some(end) = end else {
        return now + ENDLESS;
    };
    let left = end.duration_since(now).unwrap_or_default();
    now + (left - EARLY.min(left / 4))
}

impl ProvideCredentials for Renewing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// Has a call repeated that AWS refused because of its time, with new credentials: the interceptor
/// forgets the old ones, the classifier asks for another attempt.
#[derive(Debug, Clone)]
pub struct AfterExpiry(pub Arc<Renewing>);

/// The access key of an attempt.
#[derive(Debug)]
struct SignedBy(String);

impl Storable for SignedBy {
    type Storer = StoreReplace<Self>;
}

impl Intercept for AfterExpiry {
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
            && call.response().is_some_and(calls_expired)
        {
            self.0.forget(access_key);
        }
        Ok(())
    }
}

impl ClassifyRetry for AfterExpiry {
    fn classify_retry(&self, call: &InterceptorContext) -> RetryAction {
        match call.response().is_some_and(calls_expired) {
            true => RetryAction::transient_error(),
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "expired credentials"
    }
}

/// The code is `ExpiredToken` or, in JSON, `ExpiredTokenException`. The answer to a HEAD has no body,
/// and there is nothing else that S3 would call one of ours bad for.
fn calls_expired(response: &HttpResponse) -> bool {
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

    /// Credentials that last so many seconds, numbered; none after the first `good`.
    #[derive(Debug)]
    struct Numbered {
        seconds: i64,
        good: usize,
        asked: AtomicUsize,
    }

    impl ProvideCredentials for Numbered {
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

    fn renewing(seconds: i64, good: usize) -> Arc<Renewing> {
        let numbered = Numbered {
            seconds,
            good,
            asked: AtomicUsize::new(0),
        };
        Renewing::new(SharedCredentialsProvider::new(numbered), None)
    }

    async fn key(of: &Renewing) -> Option<String> {
        let provided = of.provide_credentials().await.ok();
        provided.map(|credentials| credentials.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn good_ones_are_asked_for_once() {
        let many = renewing(3600, 9);
        for _ in 0..3 {
            assert_eq!(key(&many).await.as_deref(), Some("key0"));
        }
    }

    #[tokio::test]
    async fn what_aws_called_expired_is_not_given_out_again() {
        let many = renewing(3600, 9);
        assert_eq!(key(&many).await.as_deref(), Some("key0"));
        many.forget("key0");
        assert_eq!(key(&many).await.as_deref(), Some("key1"));
        many.forget("key0");
        assert_eq!(key(&many).await.as_deref(), Some("key1"));
    }

    #[tokio::test]
    async fn expired_ones_are_renewed_and_never_used_instead() {
        let old = renewing(-1, 2);
        assert_eq!(key(&old).await.as_deref(), Some("key0"));
        assert_eq!(key(&old).await.as_deref(), Some("key1"));
        assert_eq!(key(&old).await, None);
    }

    #[tokio::test]
    async fn while_nobody_renews_them_good_ones_go_on() {
        let one = renewing(3600, 1);
        assert_eq!(key(&one).await.as_deref(), Some("key0"));
        one.held().as_mut().unwrap().renew_at = SystemTime::now();
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
