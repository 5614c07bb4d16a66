//! Bad weather: a store that has answered before is waited for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};

use super::bucket::S3Store;
use crate::error::{Kind, Result};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

impl S3Store {
    /// Does it again while the store is overloaded or cannot be reached, within the limits. What an earlier
    /// attempt may have done must show in the next one.
    pub(super) async fn patiently<T, A>(&self, attempt: impl Fn() -> A) -> Result<T>
    where
        A: Future<Output = Result<T>>,
    {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times()
            .with_total_delay(Some(self.limits.patience));
        let once = || async {
            let result = attempt().await;
            let answered = match &result {
                Ok(_) => true,
                Err(error) => error.kind() != Kind::Unavailable,
            };
            self.has_answered.fetch_or(answered, Ordering::Relaxed);
            result
        };
        once.retry(pauses)
            .when(|error| {
                error.kind() == Kind::Unavailable && self.has_answered.load(Ordering::Relaxed)
            })
            .await
    }
}
