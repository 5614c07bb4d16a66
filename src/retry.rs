//! One way to try again: a number of attempts, with pauses that double.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How often something is attempted, and how long is waited in between. Goes into
/// [`backon::Retryable::retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first one included.
    pub attempts: u32,
    /// Before the second attempt; doubled each time, at most 20 s.
    pub first_pause: Duration,
}

impl BackoffBuilder for RetryPolicy {
    type Backoff = ExponentialBackoff;

    fn build(self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(self.attempts.saturating_sub(1) as usize)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = |attempts, first_pause| -> Vec<u64> {
            let policy = RetryPolicy {
                attempts,
                first_pause: Duration::from_secs(first_pause),
            };
            policy.build().map(|pause| pause.as_secs()).collect()
        };
        assert_eq!(seconds(5, 3), [3, 6, 12, 20]);
        assert!(seconds(1, 3).is_empty() && seconds(0, 3).is_empty());
    }
}
