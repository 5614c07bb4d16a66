//! What shards and collectors of the two schedules do differently.

use std::collections::BTreeMap;

use super::runs::Fleet;
use crate::context::Context;
use crate::error::Result;
use crate::model::deal::Dealt;
use crate::model::id::Id;
use crate::model::run::{RunPlan, ShardDatabase};
use crate::repository::StoredPlan;
use crate::schedule::notify::Notify;
use crate::schedule::step::Report;
use crate::schedule::steps::Steps;

/// The work of a run.
pub(crate) trait ShardTask {
    /// Everything that is dealt to shards; sizes are filled in later.
    async fn databases(&self, context: Context<'_>) -> Result<Vec<Dealt>>;

    /// Refuses a plan that was made with another configuration or choice.
    fn check(&self, plan: &RunPlan) -> Result<()>;

    /// Does the work of one shard, and sends no notification.
    async fn work(
        &mut self,
        shard: u32,
        fleet: &Fleet,
        stored: &StoredPlan,
        context: Context<'_>,
    ) -> Result<Worked>;
}

/// What became of a shard's work.
pub(crate) struct Worked {
    pub report: Report,
    /// How each of its databases ended.
    pub databases: Vec<ShardDatabase>,
    /// `prod/courses`, …: what an earlier start had done.
    pub done_before: Vec<String>,
}

/// By source and database, the restore point that a run made or drilled.
pub(crate) type Made = BTreeMap<(String, String), Id>;

/// What is done for a run as a whole.
pub(crate) trait CollectTask {
    /// Whether a point of the run outweighs a failure that the shard reported of its database.
    const A_POINT_MENDS: bool;

    fn notify(&self) -> &Notify;

    /// What the run made so far of the databases in its plan, as the repository shows.
    async fn made(&self, fleet: &Fleet, stored: &StoredPlan) -> Result<Made>;

    /// What is not in the run and may be missed, a line each.
    async fn not_in_run(&self, fleet: &Fleet, stored: &StoredPlan) -> Result<Vec<String>>;

    /// The steps that belong to no shard: of a run that is no longer waited for, whenever somebody asks. `is_told`: it
    /// was told before.
    async fn of_the_whole(&mut self, steps: &mut Steps<'_>, is_told: bool, context: Context<'_>);
}
