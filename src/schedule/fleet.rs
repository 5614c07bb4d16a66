//! Runs of several shards: what `nightly --shard` and `prove --shard` have in common.

mod collect;
mod plan;
mod runs;
mod shard;
mod task;

pub(crate) use collect::{Collector, Which};
pub(crate) use runs::{Fleet, ShardOptions};
pub(crate) use shard::{ShardSummary, run_shard, word};
pub(crate) use task::{CollectTask, Made, ShardTask, Worked};
