//! One shard of a run: its own databases, then a report; the last one to report collects.

use jiff::Timestamp;
use serde::Serialize;

use super::collect::Collector;
use super::plan;
use super::runs::{Settled, ShardOptions, TOOL};
use super::task::{CollectTask, ShardTask, Worked};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::model::id::Id;
use crate::model::manifest::FORMAT;
use crate::model::run::{RunText, ShardReport, ShardStep};
use crate::outcome::Outcome;
use crate::repository::StoredPlan;
use crate::schedule::step::Report;

/// What is told of a shard beside its steps.
#[derive(Serialize)]
pub(crate) struct ShardSummary {
    pub run: RunText,
    /// Of the run's plan.
    pub id: Id,
    /// When the store received the plan.
    pub planned_at: Timestamp,
    pub shard: u32,
    pub shards: u32,
    /// How many are the shard's own.
    pub databases: usize,
    /// Those with a point of this run, from an earlier start of the shard.
    pub done_before: Vec<String>,
    /// How the whole run ended, where this shard was the last one to report and told it.
    pub collected: Option<u8>,
    /// What it told then.
    #[serde(skip)]
    pub told: Option<Report>,
}

/// Does the share that the run's plan gives to this shard, and reports.
/// `collects`: what is left to the collector, should this shard be the last one to report.
pub(crate) async fn run_shard(
    mut task: impl ShardTask,
    mut collects: impl CollectTask,
    shard: &ShardOptions,
    context: Context<'_>,
) -> Result<(Report, ShardSummary)> {
    let (fleet, index) = (&shard.fleet, shard.shard.index);
    let settled = fleet.settle(context).await?;
    let stored = join(shard, &task, &settled, context).await?;
    check(shard, &stored, &settled).await?;
    task.check(&stored.plan)?;
    let mut summary = summary(shard, &stored, context);
    // Boxed: the futures of its steps would not fit a thread's stack.
    let worked = Box::pin(task.work(index, fleet, &stored, context)).await?;
    summary.done_before.clone_from(&worked.done_before);
    // Hours later: the report is locked from now on.
    let settled = fleet.settle(context).await?;
    let said = said(&worked, &stored, index, settled.now);
    let put = fleet
        .repository
        .put_report(said, &fleet.signer, &settled.locks);
    put.await?;
    let state = fleet.repository.run_state(&stored.plan, &fleet.run_trust);
    let state = state.await?;
    if state.is_complete(&stored.plan) && state.collected.is_none() {
        let collector = Collector {
            fleet,
            task: &mut collects,
            ended: true,
        };
        let (collected, told) = collector.tell(&stored, &settled, context).await?;
        if told {
            summary.collected = Some(collected.outcome().exit_code());
            summary.told = Some(collected);
        }
    }
    Ok((worked.report, summary))
}

/// The run's plan: as the first shard stored it, which may be this one.
async fn join(
    shard: &ShardOptions,
    task: &impl ShardTask,
    settled: &Settled,
    context: Context<'_>,
) -> Result<StoredPlan> {
    let (fleet, run) = (&shard.fleet, &shard.run);
    if let Some(stored) = fleet.plan(run).await? {
        return Ok(stored);
    }
    let plan = plan::make(shard, task, settled, context).await?;
    let put = fleet
        .repository
        .put_plan(plan, &fleet.signer, &settled.locks);
    put.await?;
    let stored = fleet.plan(run).await?;
    stored.ok_or_else(|| Error::failed(format!("the plan of run '{run}' was stored and is gone")))
}

/// Refuses a run that is not this shard's: nothing is done then.
async fn check(shard: &ShardOptions, stored: &StoredPlan, settled: &Settled) -> Result<()> {
    let (fleet, plan) = (&shard.fleet, &stored.plan);
    let of = format!("run '{}' began at {}", plan.run, stored.stored_at);
    let used_again =
        "name each run anew, by --run or LIFEBOAT_RUN: an engine's job id, or the date";
    if fleet.is_over(stored, settled.now) {
        let what = format!(
            "{of}, more than {} hours ago (--run-hours)",
            fleet.run_hours
        );
        return Err(Error::refused(what).hint(used_again));
    }
    let state = fleet.repository.run_state(plan, &fleet.run_trust).await?;
    let reports = state.reports.get(&shard.shard.index);
    let last = reports.and_then(|reports| reports.last());
    if let Some(collected) = &state.collected
        && last.is_some_and(|report| !report.failed())
    {
        let what = format!("{of} and was collected at {}", collected.collected_at);
        return Err(Error::refused(what).hint(used_again));
    }
    if plan.shards != shard.shard.count {
        return Err(Error::usage(format!(
            "{of} with {} shards, and this is one of {}",
            plan.shards, shard.shard.count
        ))
        .hint(
            "give every shard the same number; another number takes a new run, by another --run",
        ));
    }
    Ok(())
}

fn summary(shard: &ShardOptions, stored: &StoredPlan, context: Context<'_>) -> ShardSummary {
    let (plan, index) = (&stored.plan, shard.shard.index);
    let summary = ShardSummary {
        run: plan.run.clone(),
        id: plan.id.clone(),
        planned_at: stored.stored_at,
        shard: index,
        shards: plan.shards,
        databases: plan.of(index).count(),
        done_before: Vec::new(),
        collected: None,
        told: None,
    };
    context.progress.note(&format!(
        "run '{}' ({}): shard {index} of {} has {} of {} databases",
        plan.run,
        plan.id,
        plan.shards,
        summary.databases,
        plan.databases.len()
    ));
    summary
}

/// What the shard has to say of its work.
fn said(worked: &Worked, stored: &StoredPlan, shard: u32, now: Timestamp) -> ShardReport {
    let (plan, report) = (&stored.plan, &worked.report);
    let steps = report.steps.iter().map(|step| (&step.name, step.outcome()));
    let mut steps: Vec<ShardStep> = steps
        .filter(|(_, outcome)| *outcome != Outcome::Done)
        .map(|(name, outcome)| ShardStep {
            name: name.clone(),
            exit_code: outcome.exit_code(),
        })
        .collect();
    if !report.findings.is_empty() {
        steps.push(ShardStep {
            name: "the shard as a whole".to_owned(),
            exit_code: Outcome::Findings.exit_code(),
        });
    }
    ShardReport {
        format: FORMAT,
        repository: plan.repository.clone(),
        id: plan.id.clone(),
        purpose: plan.purpose,
        run: plan.run.clone(),
        shard,
        attempt: 1,
        tool: TOOL.to_owned(),
        reported_at: now,
        databases: worked.databases.clone(),
        steps,
    }
}

/// A kind of error, as `--json` writes it.
pub(crate) fn word(kind: Kind) -> String {
    let word = serde_json::to_value(kind).ok();
    let word = word.and_then(|word| word.as_str().map(str::to_owned));
    word.unwrap_or_else(|| "failed".to_owned())
}
