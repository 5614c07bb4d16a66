//! What all workers of an export share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::plan::Plan;
use crate::codec::Sealer;
use crate::error::Error;
use crate::pg::connect::server::Server;
use crate::repository::PointWriter;

#[derive(Clone)]
pub(super) struct Shared {
    pub server: Server,
    pub application: String,
    pub snapshot_id: String,
    pub lock_wait: Duration,
    /// How long a session of somebody else's may wait for us.
    pub ddl_wait: Duration,
    pub plan: Arc<Plan>,
    pub writer: PointWriter,
    pub sealer: Sealer,
    pub failure: FirstFailure,
    pub limit: Option<Arc<RateLimit>>,
    /// Bytes of the source's tables read since the watchdog asked last.
    pub read: Arc<AtomicU64>,
    /// Where uploads run.
    pub uploads: Handle,
}

/// The first failure of an export's threads: it stops all of them, and is the one reported.
#[derive(Clone)]
pub(super) struct FirstFailure {
    first: Arc<Mutex<Option<Error>>>,
    stopped: watch::Sender<bool>,
}

impl FirstFailure {
    pub(super) fn new() -> Self {
        Self {
            first: Arc::default(),
            stopped: watch::Sender::new(false),
        }
    }

    /// Stops everything because of this error; later ones are consequences and are dropped.
    pub(super) fn set(&self, error: Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.stopped.send_replace(true);
    }

    pub(super) fn is_set(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Returns as soon as something failed.
    pub(super) async fn wait(&self) {
        // Cannot fail: self keeps the sender alive.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    pub(super) fn take(&self) -> Option<Error> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.take()
    }
}

/// Keeps all workers together below a rate.
pub(super) struct RateLimit {
    bytes_per_second: u64,
    next: tokio::sync::Mutex<Instant>,
}

impl RateLimit {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            next: tokio::sync::Mutex::new(Instant::now()),
        }
    }

    /// Called after `bytes` were read: waits until the bytes read before them have had their time.
    pub(super) async fn take(&self, bytes: u64) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let until = turn(&mut *self.next.lock().await, Instant::now(), cost);
        tokio::time::sleep_until(until).await;
    }
}

/// When what was read by `now` has its turn; `next` is moved to the end of it.
fn turn(next: &mut Instant, now: Instant, cost: Duration) -> Instant {
    let turn = (*next).max(now);
    *next = turn + cost;
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_takes_its_time_from_the_pause_and_a_slow_server_is_not_caught_up_with() {
        let (cost, begin) = (Duration::from_millis(10), Instant::now());
        let rounds = |work: u64| {
            let (mut now, mut next) = (begin, begin);
            for _ in 0..100 {
                now = turn(&mut next, now + Duration::from_millis(work), cost);
            }
            now - begin
        };
        assert_eq!(rounds(0), cost * 99);
        assert_eq!(rounds(4), Duration::from_millis(4) + cost * 99);
        assert_eq!(rounds(15), Duration::from_millis(15) * 100);
    }
}
