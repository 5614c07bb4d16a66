//! `lifeboat prove`: the backup account's schedule.

mod changes;
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::id::Id;
use crate::repository::{ListedPoint, PointSelector};
use crate::schedule::{Report, Schedule, StepReport, Steps, verify};
use crate::{drill, promote};

pub(crate) use self::options::Options;
use self::options::Selected;

/// Verifies and drills the newest point of each database, drills the newest snapshot copies, promotes,
/// and looks at all that there is.
pub(crate) async fn run(mut options: Options<'_>, context: Context<'_>) -> Result<Report> {
    let mut steps = Steps::new(Schedule::Prove, context);
    let began = Instant::now();
    let newest = match newest(&options, context).await {
        Ok(newest) => newest,
        Err(error) => {
            steps.add("find", began, Err(error));
            Vec::new()
        }
    };
    let claimants = undrilled(&options, &newest, context).await;
    // What keeps it from being asked keeps the promotion from being made, which says so.
    let claimants = claimants.unwrap_or_default();
    for newest in newest {
        let name = format!("{}/{}", newest.source, newest.database);
        let step = verify_point(&options, &newest, context);
        steps.take(format!("verify {name}"), step).await;
        let changes = changes::since_last_drill(&options, &newest, &claimants.contested, context);
        match changes.await {
            Ok(changes) => steps.add_changes(changes),
            // What keeps it from being read keeps the drill from succeeding, which says so.
            Err(error) => context.progress.warn(&format!(
                "{name}: what changed since the last drill is not known: {}",
                error.chain()
            )),
        }
        let step = drill_point(&options, &newest, context);
        steps.take(format!("drill {name}"), step).await;
    }
    for claimant in claimants.to_drill {
        let Selected {
            source,
            database,
            which,
        } = &claimant;
        let name = format!("drill {source}/{database} {which}");
        steps
            .take(name, drill_point(&options, &claimant, context))
            .await;
    }
    for (source, drill) in std::mem::take(&mut options.snapshot_drills) {
        let step = async { Ok(StepReport::SnapshotDrill(drill?.run(context).await?)) };
        steps.take(format!("drill --snapshot {source}"), step).await;
    }
    if let Some(tiers) = &options.promote {
        let step = async {
            let promoted = promote::run(options.repository()?, &options.trust, tiers, context);
            let mut report = promoted.await?;
            report.findings.extend(claimants.left);
            Ok(StepReport::Promote(report))
        };
        steps.take("promote", step).await;
    }
    let step = async {
        let status = options.status.as_ref().map_err(Error::repeat)?;
        let report = status.run(options.repository()?, context).await?;
        Ok(StepReport::Status(report))
    };
    steps.take("status", step).await;
    steps.finish(&options.notify).await
}

/// Points that may be the first of a week, a month or a year, and that no drill judged yet.
#[derive(Default)]
struct Claimants {
    to_drill: Vec<Selected>,
    /// What is said of those that this run does not drill.
    left: Vec<String>,
    /// Too many claim one period: any of them may be a thief's.
    contested: BTreeSet<Id>,
}

/// The newest point of each database that can be trusted: a forged one must not keep the others from
/// being proven. `status` reports those passed over.
async fn newest(options: &Options<'_>, context: Context<'_>) -> Result<Vec<Selected>> {
    let repository = options.repository()?;
    let mut by_database: BTreeMap<(String, String), Vec<ListedPoint>> = BTreeMap::new();
    for one in repository.find(None, None).await? {
        let name = (one.source.clone(), one.database.clone());
        by_database.entry(name).or_default().push(one);
    }
    let mut newest = Vec::with_capacity(by_database.len());
    for ((source, database), found) in by_database {
        let trusted = repository.newest_trusted(found, &options.trust, usize::MAX);
        let which = match trusted.await? {
            Some(point) => PointSelector::Id(point.manifest.id.clone()),
            None => PointSelector::Latest,
        };
        newest.push(Selected {
            source,
            database,
            which,
        });
    }
    repository.note_announced(context.progress).await;
    Ok(newest)
}

/// Beside the newest ones, which are drilled anyway; of each database as many as may claim a period.
async fn undrilled(
    options: &Options<'_>,
    newest: &[Selected],
    context: Context<'_>,
) -> Result<Claimants> {
    let mut claimants = Claimants::default();
    let Some(tiers) = &options.promote else {
        return Ok(claimants);
    };
    let found = promote::undrilled(options.repository()?, &options.trust, tiers, context);
    for one in found.await? {
        let is_newest = |which: &PointSelector| {
            let mut newest = newest.iter();
            newest.any(|other| other.which == *which && other.database == one.database)
        };
        claimants.contested.extend(one.contested);
        let all = one.ids.into_iter().map(PointSelector::Id);
        let mut all: Vec<PointSelector> = all.filter(|which| !is_newest(which)).collect();
        let left = all.len().saturating_sub(tiers.contested_limit);
        all.truncate(tiers.contested_limit);
        let (source, database) = (&one.source, &one.database);
        if left > 0 {
            claimants.left.push(format!(
                "{source}/{database}: {left} more points may be the first of their period and were not drilled: one run drills {} beside the newest; they are held until then",
                tiers.contested_limit
            ));
        }
        claimants
            .to_drill
            .extend(all.into_iter().map(|which| Selected {
                source: source.clone(),
                database: database.clone(),
                which,
            }));
    }
    Ok(claimants)
}

async fn verify_point(
    options: &Options<'_>,
    selected: &Selected,
    context: Context<'_>,
) -> Result<StepReport> {
    let identities = options.identities()?;
    let point = options.open(selected).await?;
    let report = verify(&point, Some(identities), context).await?;
    Ok(StepReport::Verify(report))
}

async fn drill_point(
    options: &Options<'_>,
    selected: &Selected,
    context: Context<'_>,
) -> Result<StepReport> {
    let identities = options.identities()?;
    let drill = options.drill.as_ref().map_err(Error::repeat)?;
    let point = options.open(selected).await?;
    let available = identities.find(&point, context.progress).await?;
    let identities = available.required_by("drill")?;
    let report = drill::run(&point, &identities, drill, context).await?;
    Ok(StepReport::Drill(report))
}
