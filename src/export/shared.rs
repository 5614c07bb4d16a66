//! What all workers of an export share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::runtime::Handle;

use super::plan::Plan;
use super::stop::Stop;
use crate::codec::Sealer;
use crate::pg::conninfo::Server;
use crate::repository::PointWriter;

#[derive(Clone)]
pub struct Shared {
    pub server: Server,
    pub application: String,
    pub snapshot_id: String,
    pub plan: Arc<Plan>,
    pub writer: PointWriter,
    pub sealer: Sealer,
    pub stop: Stop,
    pub limit: Option<Arc<RateLimit>>,
    /// Bytes of the source's tables read since the watchdog asked last.
    pub read: Arc<AtomicU64>,
    /// Where uploads run.
    pub uploads: Handle,
}

/// Keeps all workers together below a rate.
pub struct RateLimit {
    bytes_per_second: u64,
    next: tokio::sync::Mutex<tokio::time::Instant>,
}

impl RateLimit {
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            next: tokio::sync::Mutex::new(tokio::time::Instant::now()),
        }
    }

    /// Waits until what was read before has had its time.
    pub async fn take(&self, bytes: u64) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let until = {
            let mut next = self.next.lock().await;
            let until = (*next).max(tokio::time::Instant::now());
            *next = until + cost;
            until
        };
        tokio::time::sleep_until(until).await;
    }
}
