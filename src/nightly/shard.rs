//! One shard of a run: its own databases, then a report; the last one to report collects.

use jiff::Timestamp;
use serde::Serialize;

use super::collect::Collector;
use super::fleet::{Fleet, Settled, ShardOptions, TOOL};
use super::own::Own;
use super::plan;
use super::steps::{self, Options, Stored};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::model::id::Id;
use crate::model::manifest::FORMAT;
use crate::model::run::{RunText, ShardDatabase, ShardReport, ShardStep};
use crate::outcome::Outcome;
use crate::repository::StoredPlan;
use crate::schedule::{Export, Notify, Report, Schedule, StepReport, Steps};

/// What is told of a shard beside its steps.
#[derive(Debug, Serialize)]
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
}

/// Exports the databases that the run's plan gives to this shard, and reports.
pub(crate) async fn run_shard(
    mut options: Options,
    shard: &ShardOptions,
    context: Context<'_>,
) -> Result<(Report, ShardSummary)> {
    let fleet = &shard.fleet;
    let exports = std::mem::replace(&mut options.exports, Ok(Vec::new()))?;
    let sources: Vec<String> = exports.iter().map(|(name, _)| name.clone()).collect();
    let settled = fleet.settle(context).await?;
    let stored = join(shard, &exports, &settled, context).await?;
    check(shard, &stored, &sources, &settled).await?;
    let mut summary = summary(shard, &stored, context);
    let own = Own::of(exports, shard, &stored, context).await?;
    own.narrow(&mut options, &stored.plan);
    summary.done_before = own.done_names();

    let report = take_steps(&mut options, fleet, &own, context).await?;
    // Hours later: the report is locked from now on.
    let settled = fleet.settle(context).await?;
    let said = said(&report, &stored, &own, settled.now);
    let put = fleet
        .repository
        .put_report(said, &fleet.signer, &settled.locks);
    put.await?;
    let state = fleet
        .repository
        .run_state(&stored.plan, &fleet.trust)
        .await?;
    if state.is_complete(&stored.plan) && state.collected.is_none() {
        let collector = Collector {
            fleet,
            sources: &sources,
            ended: true,
            snapshot_expire: options.snapshot_expire,
            notify: &options.notify,
        };
        let (collected, told) = collector.tell(&stored, &settled, context).await?;
        summary.collected = told.then(|| collected.outcome().exit_code());
    }
    Ok((report, summary))
}

/// The run's plan: as the first shard stored it, which may be this one.
async fn join(
    shard: &ShardOptions,
    exports: &[(String, Result<Export>)],
    settled: &Settled,
    context: Context<'_>,
) -> Result<StoredPlan> {
    let (fleet, run) = (&shard.fleet, &shard.run);
    if let Some(stored) = fleet.repository.run_plan(run, &fleet.trust).await? {
        return Ok(stored);
    }
    let plan = plan::make(shard, exports, settled, context).await?;
    let put = fleet
        .repository
        .put_plan(plan, &fleet.signer, &settled.locks);
    put.await?;
    let stored = fleet.repository.run_plan(run, &fleet.trust).await?;
    stored.ok_or_else(|| Error::failed(format!("the plan of run '{run}' was stored and is gone")))
}

/// Refuses a run that is not this shard's: nothing is exported then.
async fn check(
    shard: &ShardOptions,
    stored: &StoredPlan,
    sources: &[String],
    settled: &Settled,
) -> Result<()> {
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
    let state = fleet.repository.run_state(plan, &fleet.trust).await?;
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
    let unknown = |source: &&str| !sources.iter().any(|name| name == source);
    let mut named = plan.databases.iter().map(|one| one.source.as_str());
    if let Some(unknown) = named.find(unknown) {
        return Err(Error::usage(format!(
            "the plan of run '{}' has a source '{unknown}', and the configuration has none",
            plan.run
        ))
        .hint("give every shard the same configuration; a changed one takes a new run, by another --run"));
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

/// As in a night of one task, but for what is left to the collector.
async fn take_steps(
    options: &mut Options,
    fleet: &Fleet,
    own: &Own,
    context: Context<'_>,
) -> Result<Report> {
    let mut taken = Steps::new(Schedule::Nightly, context);
    let snapshot_copy = options.snapshot_copy.take();
    let mut stored = steps::store(
        &mut taken,
        &own.exports,
        snapshot_copy,
        &options.turns,
        context,
    )
    .await;
    // Stored by an earlier start, which may have ended before it verified them.
    stored.extend(own.done.iter().map(|point| Stored {
        repository: &fleet.repository,
        trust: &fleet.trust,
        point: point.clone(),
    }));
    steps::verify_all(&mut taken, stored, &options.turns, context).await;
    if !options.not_copied.is_empty() {
        taken.add_finding(steps::not_copied(&options.not_copied));
    }
    taken.finish(&Notify::default()).await
}

/// What the shard has to say of its steps.
fn said(report: &Report, stored: &StoredPlan, own: &Own, now: Timestamp) -> ShardReport {
    let plan = &stored.plan;
    let mut databases: Vec<ShardDatabase> = Vec::new();
    let mut add =
        |source: &str, database: Option<&str>, point: Option<&Id>, error: Option<Kind>| {
            databases.push(ShardDatabase {
                source: source.to_owned(),
                database: database.map(str::to_owned),
                point: point.cloned(),
                error: error.map(word),
            });
        };
    for point in &own.done {
        add(&point.source, Some(&point.database), Some(&point.id), None);
    }
    for step in &report.steps {
        let Some(source) = step.name.strip_prefix("export ") else {
            continue;
        };
        match &step.result {
            Ok(StepReport::Export(export)) => {
                for one in &export.databases {
                    add(source, Some(&one.database), one.id.as_ref(), None);
                }
                for one in &export.failures {
                    add(source, one.database.as_deref(), None, Some(one.kind));
                }
            }
            Ok(_) => {}
            Err(error) => add(source, None, None, Some(error.kind())),
        }
    }
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
        run: plan.run.clone(),
        shard: own.shard,
        attempt: 1,
        tool: TOOL.to_owned(),
        reported_at: now,
        databases,
        steps,
    }
}

/// As `--json` writes it.
fn word(kind: Kind) -> String {
    let word = serde_json::to_value(kind).ok();
    let word = word.and_then(|word| word.as_str().map(str::to_owned));
    word.unwrap_or_else(|| "failed".to_owned())
}
