//! One shard of a run of exports, and what its collector does.

use std::collections::BTreeMap;

use super::own::Own;
use super::plan;
use super::steps::{self, Options, Stored};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::model::deal::Dealt;
use crate::model::id::Id;
use crate::model::run::{RunPlan, ShardDatabase};
use crate::repository::{StoredPlan, by_database};
use crate::schedule::fleet::{CollectTask, Fleet, Made, ShardTask, Worked, word};
use crate::schedule::{Export, Notify, Report, Schedule, SnapshotExpire, StepReport, Steps};

impl Options {
    fn exports(&self) -> Result<&[(String, Result<Export>)]> {
        let exports = self.exports.as_ref().map_err(Error::repeat)?;
        Ok(exports)
    }

    /// Takes out what a shard leaves to the collector.
    pub(crate) fn collects(&mut self) -> Collects {
        let exports = self.exports.iter().flatten();
        Collects {
            sources: exports.map(|(name, _)| name.clone()).collect(),
            snapshot_expire: self.snapshot_expire.take(),
            notify: std::mem::take(&mut self.notify),
        }
    }
}

impl ShardTask for Options {
    async fn databases(&self, context: Context<'_>) -> Result<Vec<Dealt>> {
        plan::databases(self.exports()?, context).await
    }

    fn check(&self, plan: &RunPlan) -> Result<()> {
        let exports = self.exports()?;
        let unknown = |source: &&str| !exports.iter().any(|(name, _)| name == source);
        let mut named = plan.databases.iter().map(|one| one.source.as_str());
        match named.find(unknown) {
            None => Ok(()),
            Some(unknown) => Err(Error::usage(format!(
                "the plan of run '{}' has a source '{unknown}', and the configuration has none",
                plan.run
            ))
            .hint("give every shard the same configuration; a changed one takes a new run, by another --run")),
        }
    }

    async fn work(
        &mut self,
        shard: u32,
        fleet: &Fleet,
        stored: &StoredPlan,
        context: Context<'_>,
    ) -> Result<Worked> {
        let exports = std::mem::replace(&mut self.exports, Ok(Vec::new()))?;
        let own = Own::of(exports, shard, fleet, stored, context).await?;
        own.narrow(self, &stored.plan);
        let report = take_steps(self, fleet, &own, context).await?;
        Ok(Worked {
            databases: databases(&report, &own),
            done_before: own.done_names(),
            report,
        })
    }
}

/// What is left to the collector of a run of exports.
pub(crate) struct Collects {
    /// Names of the configured sources.
    pub sources: Vec<String>,
    pub snapshot_expire: Option<Result<SnapshotExpire>>,
    pub notify: Notify,
}

impl CollectTask for Collects {
    const A_POINT_MENDS: bool = true;

    fn notify(&self) -> &Notify {
        &self.notify
    }

    async fn made(&self, fleet: &Fleet, stored: &StoredPlan) -> Result<Made> {
        let mut points = by_database(fleet.repository.find(None, None).await?);
        let mut made = BTreeMap::new();
        for one in &stored.plan.databases {
            let Some(database) = &one.database else {
                continue;
            };
            let place = (one.source.clone(), database.clone());
            let of_database = points.remove(&place).unwrap_or_default();
            if let Some(point) = fleet.made_by(stored, of_database).await? {
                made.insert(place, point.id);
            }
        }
        Ok(made)
    }

    async fn not_in_run(&self, _: &Fleet, stored: &StoredPlan) -> Result<Vec<String>> {
        let missing = |source: &&String| stored.plan.first_of(source).is_none();
        let missing = self.sources.iter().filter(missing).map(|source| {
            format!(
                "source {source} is not in this run: it has no database, or was configured after the plan"
            )
        });
        Ok(missing.collect())
    }

    /// Once: what is left of it is the next night's.
    async fn of_the_whole(&mut self, steps: &mut Steps<'_>, is_told: bool, context: Context<'_>) {
        if !is_told {
            steps::expire(steps, self.snapshot_expire.take(), context).await;
        }
    }
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

/// How the export of each database ended.
fn databases(report: &Report, own: &Own) -> Vec<ShardDatabase> {
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
                for one in &export.skipped {
                    add(source, Some(&one.database), None, None);
                }
                for one in &export.failures {
                    add(source, one.database.as_deref(), None, Some(one.kind));
                }
            }
            Ok(_) => {}
            Err(error) => add(source, None, None, Some(error.kind())),
        }
    }
    databases
}
