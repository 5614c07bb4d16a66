//! `lifeboat nightly`: everything that runs each night in the source account, by one task or by several shards.

mod own;
mod plan;
mod shard;
mod steps;

use crate::context::Context;
use crate::error::Result;
use crate::schedule::{Report, Schedule, Steps};

pub(crate) use shard::Collects;
pub(crate) use steps::Options;
use steps::{expire, not_copied, store, verify_all};

/// Exports each source, copies snapshots, verifies what the exports stored, and removes intermediate
/// snapshots that are no longer needed.
pub(crate) async fn run(options: Options, context: Context<'_>) -> Result<Report> {
    let mut steps = Steps::new(Schedule::Nightly, context);
    let exports = match options.exports {
        Ok(exports) => exports,
        Err(error) => {
            steps.take("export", async { Err(error) }).await;
            Vec::new()
        }
    };
    let stored = store(
        &mut steps,
        &exports,
        options.snapshot_copy,
        &options.turns,
        context,
    )
    .await;
    verify_all(&mut steps, stored, &options.turns, context).await;
    expire(&mut steps, options.snapshot_expire, context).await;
    if !options.not_copied.is_empty() {
        steps.add_finding(not_copied(&options.not_copied));
    }
    steps.finish(&options.notify).await
}
