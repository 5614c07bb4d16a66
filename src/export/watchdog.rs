//! Runs beside the workers: is the snapshot alive, does production wait for us, were we asked to
//! stop?

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::pg::session::Session;
use crate::pg::snapshot::ExportedSnapshot;
use crate::pg::watch::Blocked;
use crate::progress::Progress;

const TICK: Duration = Duration::from_secs(1);

pub struct Watchdog<'a> {
    pub snapshot: &'a ExportedSnapshot,
    /// A session that is neither the coordinator's nor a worker's.
    pub scout: &'a Session,
    pub application: &'a str,
    pub ddl_wait: Duration,
    /// Bytes read since it was asked last.
    pub read: &'a AtomicU64,
    pub progress: &'a dyn Progress,
    pub interrupt: &'a Interrupt,
}

impl Watchdog<'_> {
    /// Returns only with an error.
    pub async fn run(&self) -> Result<std::convert::Infallible> {
        self.interrupt.or(self.watch()).await
    }

    async fn watch(&self) -> Result<std::convert::Infallible> {
        let mut blocked = Blocked::default();
        // Half of ddl_wait: a session is noticed and given way to before it has waited much longer.
        let mut ticks =
            tokio::time::interval(TICK.min(self.ddl_wait / 2).max(Duration::from_millis(50)));
        loop {
            ticks.tick().await;
            self.snapshot.check_alive().await?;
            blocked
                .check(self.scout, self.application, self.ddl_wait)
                .await?;
            self.progress.advance(self.read.swap(0, Ordering::Relaxed));
        }
    }
}
