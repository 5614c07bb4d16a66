//! Waiting for what RDS does in its own time.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};

use crate::aws::rds::{Rds, Snapshot};
use crate::context::Context;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::model::snapshot::Kind;

/// How often RDS may leave us without an answer in a row; each call has been tried several times.
const UNANSWERED: u32 = 3;

/// How often RDS is asked, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitLimits {
    /// From one call to the next.
    pub poll: Duration,
    /// For one snapshot, copy or restored instance.
    pub wait: Duration,
}

impl WaitLimits {
    /// What is said of a snapshot that is still under way.
    pub(crate) fn exceeded_by(&self, slow: &Snapshot) -> String {
        let (name, status, percent) = (&slow.name, &slow.status, slow.percent);
        let seconds = self.wait.as_secs();
        format!("{name} is still '{status}' at {percent} % after {seconds} s")
    }
}

/// What is said of a snapshot that will not become available.
pub(crate) fn failed(snapshot: &Snapshot) -> String {
    let (name, status, percent) = (&snapshot.name, &snapshot.status, snapshot.percent);
    format!("{name} has failed: RDS says '{status}' at {percent} %")
}

/// How a wait for a snapshot ended.
#[derive(Debug)]
pub(crate) enum Waited {
    /// Available or failed: it does not change any more.
    Settled(Snapshot),
    /// Still under way when the time was over.
    TimedOut(Snapshot),
}

/// Asks RDS until `judge` returns a result; `judge` also gets whether the time is over. What RDS does
/// not know any more is `NotFound`, in the words of `gone`.
pub(crate) async fn poll<T, R>(
    limits: WaitLimits,
    interrupt: &Interrupt,
    ask: impl AsyncFn() -> Result<Option<T>>,
    gone: impl Fn() -> String,
    mut judge: impl FnMut(T, bool) -> Result<Option<R>>,
) -> Result<R> {
    let until = Instant::now() + limits.wait;
    let mut unanswered = 0;
    loop {
        match ask().await {
            Ok(Some(found)) => {
                unanswered = 0;
                if let Some(result) = judge(found, Instant::now() >= until)? {
                    return Ok(result);
                }
            }
            Ok(None) => {
                return Err(Error::new(ErrorKind::NotFound, gone())
                    .hint("somebody deleted it: CloudTrail says who"));
            }
            Err(error) if error.kind() == ErrorKind::Unavailable && unanswered + 1 < UNANSWERED => {
                unanswered += 1;
            }
            Err(error) => return Err(error),
        }
        pause(limits.poll, interrupt).await?;
    }
}

/// Waits until a snapshot has settled.
pub(crate) async fn for_snapshot(
    rds: &Rds,
    kind: Kind,
    name: &str,
    limits: WaitLimits,
    context: Context<'_>,
) -> Result<Waited> {
    let mut shown = ShownProgress::default();
    poll(
        limits,
        context.interrupt,
        async || rds.snapshot(kind, name).await,
        || format!("snapshot {name} is gone from the {}", rds.side),
        |found: Snapshot, is_over| {
            if found.is_available() || found.has_failed() {
                return Ok(Some(Waited::Settled(found)));
            }
            shown.update(&found, context);
            Ok(is_over.then_some(Waited::TimedOut(found)))
        },
    )
    .await
}

/// Sleeps until the next poll, unless somebody asks to stop.
pub(crate) async fn pause(poll: Duration, interrupt: &Interrupt) -> Result<()> {
    interrupt.or(sleep(poll).map(Ok)).await
}

/// Turns RDS's percents into the bytes that progress counts.
#[derive(Default)]
struct ShownProgress {
    has_begun: bool,
    percent: u8,
}

impl ShownProgress {
    fn update(&mut self, snapshot: &Snapshot, context: Context<'_>) {
        let total = snapshot.allocated_gib << 30;
        if !self.has_begun {
            self.has_begun = true;
            let phase = format!("{} in the making", snapshot.name);
            context.progress.phase(&phase, (total > 0).then_some(total));
        }
        if snapshot.percent > self.percent {
            let step = u64::from(snapshot.percent - self.percent);
            self.percent = snapshot.percent;
            context.progress.advance(total / 100 * step);
        }
    }
}
