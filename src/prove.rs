//! `lifeboat prove`: the backup account's schedule.

mod changes;
mod options;

use std::collections::BTreeSet;

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::model::id::Id;
use crate::progress::OneOfSeveral;
use crate::promote;
use crate::repository::{PointSelector, Selected};
use crate::schedule::{self, Report, Schedule, StepReport, Steps, verify};

pub(crate) use self::options::Options;

/// Verifies and drills the newest point of each database, drills the newest snapshot copies, promotes,
/// and looks at all that there is.
pub(crate) async fn run(mut options: Options<'_>, context: Context<'_>) -> Result<Report> {
    let mut steps = Steps::new(Schedule::Prove, context);
    let newest = match newest(&options, context).await {
        Ok(newest) => newest,
        // What was typed stands for nothing.
        Err(error) if error.kind() == Kind::Usage && options.repository.is_ok() => {
            return Err(error);
        }
        Err(error) => {
            steps.take("find", async { Err(error) }).await;
            Vec::new()
        }
    };
    let claimants = undrilled(&options, &newest, context).await;
    // What keeps it from being asked keeps the promotion from being made, which says so.
    let claimants = claimants.unwrap_or_default();
    prove_newest(&mut steps, &newest, &claimants, &options, context).await;
    let taker = steps.taker();
    let drills = claimants.to_drill.iter().map(async |claimant| {
        let _turn = options.turns.any().await;
        let Selected {
            source,
            database,
            which,
        } = claimant;
        let name = format!("drill {source}/{database} {which}");
        let named = OneOfSeveral::new(context.progress, source, database);
        let context = options.turns.context(context, &named);
        let step = drill_point(&options, claimant, context);
        taker.take(name, step).await
    });
    for step in options.turns.each(drills).await.into_iter().flatten() {
        steps.add(step);
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

/// Verifies and drills each, and says what changed since its last drill.
async fn prove_newest(
    steps: &mut Steps<'_>,
    newest: &[Selected],
    claimants: &Claimants,
    options: &Options<'_>,
    context: Context<'_>,
) {
    let taker = steps.taker();
    let each = newest.iter().map(async |newest| {
        let _turn = options.turns.any().await;
        let name = format!("{}/{}", newest.source, newest.database);
        let all = context.progress;
        let named = OneOfSeveral::new(all, &newest.source, &newest.database);
        let context = options.turns.context(context, &named);
        let step = verify_point(options, newest, context);
        let verified = taker.take(format!("verify {name}"), step).await;
        let changes = changes::since_last_drill(options, newest, &claimants.contested, context);
        let changes = changes.await.unwrap_or_else(|error| {
            // What keeps it from being read keeps the drill from succeeding, which says so.
            all.warn(&format!(
                "{name}: what changed since the last drill is not known: {}",
                error.chain()
            ));
            None
        });
        let step = drill_point(options, newest, context);
        let drilled = taker.take(format!("drill {name}"), step).await;
        (verified, changes, drilled)
    });
    for (verified, changes, drilled) in options.turns.each(each).await {
        for step in verified.into_iter().chain(drilled) {
            steps.add(step);
        }
        steps.add_changes(changes);
    }
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

/// The newest point of each chosen database.
async fn newest(options: &Options<'_>, context: Context<'_>) -> Result<Vec<Selected>> {
    let repository = options.repository()?;
    let newest = (repository.newest_chosen(&options.choice, &options.trust)).await?;
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
    let chosen = |one: &promote::Undrilled| options.choice.has(&one.source, &one.database);
    for one in found.await?.into_iter().filter(chosen) {
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
    let report = schedule::drill(&point, identities, drill, context).await?;
    Ok(StepReport::Drill(report))
}
