//! Runs beside the work: is the snapshot alive, does production wait for us, did names change, were we
//! asked to stop?

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::context::Context;
use crate::error::Result;
use crate::pg::session::Session;
use crate::pg::source::blocked::BlockedSessions;
use crate::pg::source::snapshot::ExportedSnapshot;

const TICK: Duration = Duration::from_secs(1);

pub(super) struct Watchdog<'a> {
    pub context: Context<'a>,
    /// Holds locks and snapshot.
    pub snapshot: &'a ExportedSnapshot,
    /// A session that is neither the holder's nor a worker's.
    pub scout: &'a Session,
    pub application: &'a str,
    pub ddl_wait: Duration,
}

impl Watchdog<'_> {
    /// Does the work, unless something ends it before. `read` are bytes read since asked last.
    pub(super) async fn guard<T>(
        &self,
        read: &AtomicU64,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            Err(error) = self.context.interrupt.or(self.watch(read)) => Err(error),
            done = work => done,
        }
    }

    /// Returns only with an error.
    async fn watch(&self, read: &AtomicU64) -> Result<std::convert::Infallible> {
        let mut blocked = BlockedSessions::default();
        // Half of ddl_wait: a session is noticed and given way to before it has waited much longer.
        let tick = TICK.min(self.ddl_wait / 2).max(Duration::from_millis(50));
        let mut ticks = tokio::time::interval(tick);
        loop {
            ticks.tick().await;
            let holder = &self.snapshot.session;
            holder
                .check_alive("the session that holds the exported snapshot")
                .await?;
            let waiting = blocked
                .check(self.scout, self.application, self.ddl_wait)
                .await?;
            for line in &waiting {
                self.context.progress.warn(line);
            }
            let moment = &self.snapshot.moment;
            moment.look_if_due(holder, self.scout).await?;
            self.context
                .progress
                .advance(read.swap(0, Ordering::Relaxed));
        }
    }
}
