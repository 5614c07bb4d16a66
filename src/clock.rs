//! Time is injected, so that locks and freshness can be tested at any date.

use jiff::Timestamp;

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The number of a moment's day, in UTC.
pub(crate) fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(SECONDS_OF_A_DAY)
}

pub(crate) const SECONDS_OF_A_DAY: i64 = 24 * 3600;

/// This machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
