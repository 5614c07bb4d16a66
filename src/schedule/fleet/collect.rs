//! The collector: what became of a whole run, told once.

use super::runs::{Fleet, Settled, TOOL};
use super::task::{CollectTask, Made};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::manifest::FORMAT;
use crate::model::run::{
    Assignment, RunCollected, RunPurpose, RunText, ShardDatabase, ShardReport, ShardStep,
};
use crate::outcome::Outcome;
use crate::repository::{RunState, StoredPlan};
use crate::schedule::collection::{CollectedDatabase, Collection};
use crate::schedule::notify::Notify;
use crate::schedule::step::{Report, Schedule, StepReport};
use crate::schedule::steps::Steps;

/// Which run is collected.
pub(crate) enum Which {
    Named(RunText),
    /// The newest by the store's time.
    Latest,
}

/// What the collector looks with, and does for all shards.
pub(crate) struct Collector<'a, C> {
    pub fleet: &'a Fleet,
    pub task: &'a mut C,
    /// Every shard has ended, reported or not.
    pub ended: bool,
}

impl<C: CollectTask> Collector<'_, C> {
    /// Says what became of a run.
    pub(crate) async fn run(self, which: &Which, context: Context<'_>) -> Result<Report> {
        let settled = self.fleet.settle(context).await?;
        let stored = self.find(which, context).await?;
        Ok(self.tell(&stored, &settled, context).await?.0)
    }

    async fn find(&self, which: &Which, context: Context<'_>) -> Result<StoredPlan> {
        let Fleet {
            repository,
            run_trust,
            ..
        } = self.fleet;
        let (found, what) = match which {
            Which::Named(run) => {
                let found = self.fleet.plan(run).await?;
                (found, format!("no run '{run}'"))
            }
            Which::Latest => {
                let (found, passed_over) =
                    repository.newest_run(self.fleet.purpose, run_trust).await?;
                for one in passed_over {
                    context.progress.warn(&one);
                }
                (found, "no run".to_owned())
            }
        };
        found.ok_or_else(|| {
            Error::not_found(format!("{what} in {}", repository.url()))
                .hint("a run begins when its first shard starts: did the engine start any, with this --run?")
        })
    }

    /// The report, and whether it was this call that told it: then with notifications. Where the run is no longer waited
    /// for, also what is done for it as a whole.
    pub(super) async fn tell(
        self,
        stored: &StoredPlan,
        settled: &Settled,
        context: Context<'_>,
    ) -> Result<(Report, bool)> {
        let schedule = match self.fleet.purpose {
            RunPurpose::Export => Schedule::Nightly,
            RunPurpose::Prove => Schedule::Prove,
        };
        let mut taken = Steps::new(schedule, context);
        let mut collection = self.collect(stored, settled).await?;
        if collection.running {
            let step = async { Ok(StepReport::Collect(collection)) };
            taken.take("collect", step).await;
            return Ok((taken.finish(&Notify::default()).await?, false));
        }
        let mut whole = Steps::new(schedule, context);
        let is_told = collection.is_told;
        self.task.of_the_whole(&mut whole, is_told, context).await;
        // Who is stopped before it says how all ended leaves the run to be told by the next one.
        let whole = whole.finish(&Notify::default()).await?;
        let outcome = collection.outcome().max(whole.outcome());
        let told = self.claim(outcome, stored, settled).await?;
        collection.told = told;
        let step = async { Ok(StepReport::Collect(collection)) };
        taken.take("collect", step).await;
        for step in whole.steps {
            taken.add(step);
        }
        let nobody = Notify::default();
        let notify = if told { self.task.notify() } else { &nobody };
        Ok((taken.finish(notify).await?, told))
    }

    /// Whether nobody has told it yet. What somebody without a trusted key put there silences nobody.
    async fn claim(
        &self,
        outcome: Outcome,
        stored: &StoredPlan,
        settled: &Settled,
    ) -> Result<bool> {
        let (fleet, plan) = (self.fleet, &stored.plan);
        let collected = RunCollected {
            format: FORMAT,
            repository: plan.repository.clone(),
            id: plan.id.clone(),
            purpose: plan.purpose,
            run: plan.run.clone(),
            tool: TOOL.to_owned(),
            collected_at: settled.now,
            exit_code: outcome.exit_code(),
        };
        let put = fleet
            .repository
            .put_collected(collected, &fleet.signer, &settled.locks);
        if put.await? {
            return Ok(true);
        }
        let state = fleet.repository.run_state(plan, &fleet.run_trust).await?;
        Ok(state.collected.is_none())
    }

    async fn collect(&self, stored: &StoredPlan, settled: &Settled) -> Result<Collection> {
        let (fleet, plan) = (self.fleet, &stored.plan);
        let state = fleet.repository.run_state(plan, &fleet.run_trust).await?;
        // What was told is no longer waited for.
        let is_over = self.ended || state.collected.is_some() || fleet.is_over(stored, settled.now);
        let silent = (0..plan.shards).filter(|shard| !state.reports.contains_key(shard));
        let unreported: Vec<u32> = silent.collect();
        let made = self.task.made(fleet, stored).await?;
        let mut collection = Collection {
            purpose: plan.purpose,
            run: plan.run.clone(),
            id: plan.id.clone(),
            planned_at: stored.stored_at,
            shards: plan.shards,
            databases: self.databases(stored, &state, &made),
            running: !unreported.is_empty() && !is_over,
            unreported,
            told: false,
            is_told: state.collected.is_some(),
            failures: Vec::new(),
            findings: state.passed_over.clone(),
        };
        add_databases(&mut collection);
        add_shards(&mut collection);
        add_steps(&mut collection, &state);
        if state.collected.is_some() && fleet.is_yesterdays(stored, settled.now) {
            collection.findings.push(format!(
                "run '{}' began at {} and was told: no run has begun since, or another one is meant",
                plan.run, stored.stored_at
            ));
        }
        let missed = self.task.not_in_run(fleet, stored).await?;
        collection.findings.extend(missed);
        Ok(collection)
    }

    fn databases(
        &self,
        stored: &StoredPlan,
        state: &RunState,
        made: &Made,
    ) -> Vec<CollectedDatabase> {
        let collected = stored.plan.databases.iter().map(|one| {
            let said = last_said(one, state);
            let point = match &one.database {
                Some(database) => made.get(&(one.source.clone(), database.clone())).cloned(),
                None => said.iter().find_map(|said| said.point.clone()),
            };
            let failed = said.iter().find_map(|said| said.error.clone());
            let mends = C::A_POINT_MENDS && point.is_some() && one.database.is_some();
            CollectedDatabase {
                source: one.source.clone(),
                database: one.database.clone(),
                shard: one.shard,
                error: failed.filter(|_| !mends),
                point,
            }
        });
        collected.collect()
    }
}

/// What the shard's last report has on it; of a whole source on all that is in it.
fn last_said<'a>(one: &Assignment, state: &'a RunState) -> Vec<&'a ShardDatabase> {
    let last = state.reports.get(&one.shard);
    let last = last.and_then(|reports| reports.last());
    let about = |said: &&ShardDatabase| {
        let whole = one.database.is_none() || said.database.is_none();
        said.source == one.source && (whole || said.database == one.database)
    };
    let said = last.into_iter().flat_map(|report| &report.databases);
    said.filter(about).collect()
}

fn add_databases(collection: &mut Collection) {
    let databases = std::mem::take(&mut collection.databases);
    for one in &databases {
        let name = match &one.database {
            Some(database) => format!("{}/{database}", one.source),
            None => one.source.clone(),
        };
        let shard = one.shard;
        if let Some(error) = &one.error {
            collection.failures.push(format!(
                "{name}: {error}: the log of shard {shard} says why"
            ));
        } else if one.point.is_none() && !collection.unreported.contains(&shard) {
            let (no, question) = match collection.purpose {
                RunPurpose::Export => (
                    "no point",
                    "was it dropped, is its drop unfinished, or did `hourly_budget` leave it out?",
                ),
                RunPurpose::Prove => ("no drill", "was its attestation not stored?"),
            };
            collection.findings.push(format!(
                "{name}: {no}, and shard {shard} reported no failure: {question}"
            ));
        }
    }
    collection.databases = databases;
}

fn add_shards(collection: &mut Collection) {
    for shard in collection.unreported.clone() {
        let own = collection.databases.iter().filter(|one| one.shard == shard);
        let missing = own.filter(|one| one.point.is_none()).count();
        let without = format!(
            "{missing} of its databases have no {} of this run",
            collection.made()
        );
        match collection.running {
            true => collection
                .findings
                .push(format!("shard {shard} is still running: {without}")),
            false => collection
                .failures
                .push(format!("shard {shard} never reported: {without}")),
        }
    }
}

fn add_steps(collection: &mut Collection, state: &RunState) {
    for report in state.reports.values().filter_map(|reports| reports.last()) {
        for step in &report.steps {
            let told = format!("shard {}: {}", report.shard, step.name);
            if step.exit_code == Outcome::Findings.exit_code() {
                let finding = format!("{told}: its log has findings");
                collection.findings.push(finding);
            } else if !is_told_by_databases(step, report) {
                let failure = format!("{told} failed: its log says why");
                collection.failures.push(failure);
            }
        }
    }
}

/// An export fails by its databases, or as a whole; a proof by what it does with one database.
fn is_told_by_databases(step: &ShardStep, report: &ShardReport) -> bool {
    let mut failed = report.databases.iter().filter(|said| said.error.is_some());
    if let Some(source) = step.name.strip_prefix("export ") {
        return !failed.any(|said| said.source == source && said.database.is_none());
    }
    failed.any(|said| {
        let Some(database) = &said.database else {
            return false;
        };
        let name = format!("{}/{database}", said.source);
        let of = ["find", "verify", "drill"].map(|step| format!("{step} {name}"));
        of.contains(&step.name)
    })
}
