//! Credentials of one account, asked for once and renewed before they end: the store, the calls to
//! AWS and the tokens of a run share them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{
    ProvideCredentials, Result as Provided, SharedCredentialsProvider, future,
};

/// New ones are asked for so long before the end: AWS judges by its clock, and an export accepts a
/// machine whose clock is this far off.
const EARLY: Duration = Duration::from_secs(300);
/// Those without an end are asked for again after this: a profile's file may have changed.
const ENDLESS: Duration = Duration::from_secs(900);

/// What `from` provides, kept for as long as it is good.
#[derive(Debug)]
pub struct Renewing {
    from: SharedCredentialsProvider,
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
    pub fn new(from: SharedCredentialsProvider) -> Arc<Self> {
        Arc::new(Self {
            from,
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
                _ => Err(error),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::error::CredentialsError;

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
        Renewing::new(SharedCredentialsProvider::new(Numbered {
            seconds,
            good,
            asked: AtomicUsize::new(0),
        }))
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
    fn renewed_five_minutes_early_or_after_three_quarters() {
        let now = SystemTime::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        for (end, renewed) in [(3600, 3300), (1200, 900), (900, 675), (4, 3), (0, 0)] {
            assert_eq!(renew_at(Some(at(end)), now), at(renewed), "{end}");
        }
        assert_eq!(renew_at(None, now), at(900));
    }
}
