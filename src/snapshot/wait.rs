//! Waiting for what RDS does in its own time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Patience;
use crate::aws::rds::{Rds, Snapshot};
use crate::context::Context;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::model::snapshot::Kind;

/// So many looks in a row may go unanswered, each of which has been tried several times.
const UNANSWERED: u32 = 3;

/// How a wait ended.
#[derive(Debug)]
pub enum Ended {
    /// Available or failed: it does not change any more.
    Settled(Snapshot),
    /// Still under way when the time was over.
    TooSlow(Snapshot),
}

/// Looks at a snapshot until it has settled.
pub async fn settled(
    rds: &Rds,
    kind: Kind,
    name: &str,
    patience: Patience,
    context: Context<'_>,
) -> Result<Ended> {
    let until = Instant::now() + patience.wait;
    let mut steps = Steps::default();
    let mut unanswered = 0;
    loop {
        match rds.snapshot(kind, name).await {
            Ok(Some(found)) if found.is_available() || found.has_failed() => {
                return Ok(Ended::Settled(found));
            }
            Ok(Some(found)) => {
                unanswered = 0;
                steps.tell(&found, context);
                if Instant::now() >= until {
                    return Ok(Ended::TooSlow(found));
                }
            }
            Ok(None) => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("snapshot {name} is gone from the {}", rds.side),
                )
                .hint("somebody deleted it: CloudTrail says who"));
            }
            Err(error) if error.kind() == ErrorKind::Unavailable && unanswered + 1 < UNANSWERED => {
                unanswered += 1;
            }
            Err(error) => return Err(error),
        }
        pause(patience.poll, context.interrupt).await?;
    }
}

/// A poll's interval, unless somebody asks to stop.
pub async fn pause(poll: Duration, interrupt: &Interrupt) -> Result<()> {
    let slept = async {
        sleep(poll).await;
        Ok(())
    };
    interrupt.or(slept).await
}

/// Turns percents into the bytes that progress counts.
#[derive(Default)]
struct Steps {
    told: bool,
    percent: u8,
}

impl Steps {
    fn tell(&mut self, snapshot: &Snapshot, context: Context<'_>) {
        let total = snapshot.allocated_gib << 30;
        if !self.told {
            self.told = true;
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
