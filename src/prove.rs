//! `lifeboat prove`: the backup account's schedule, by one task or by several shards.

mod attest;
mod changes;
mod claimants;
mod older;
mod options;
mod shard;
mod steps;
mod whole;

use crate::context::Context;
use crate::error::{Kind, Result};
use crate::repository::Selected;
use crate::schedule::{Report, Schedule, Steps};

use self::claimants::Claimants;
pub(crate) use self::options::{Options, Whole};
use self::steps::{Newest, prove_each};

/// Verifies and drills the newest point of each database, drills the newest snapshot copies, promotes,
/// and looks at all that there is.
pub(crate) async fn run(
    mut options: Options<'_>,
    whole: Whole,
    context: Context<'_>,
) -> Result<Report> {
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
    let newest: Vec<Newest> = newest.into_iter().map(Newest::undrilled).collect();
    let claimants = claimants::undrilled(&options, &newest, context).await;
    // What keeps it from being asked keeps the promotion from being made, which says so.
    let Claimants {
        to_drill,
        left,
        contested,
    } = claimants.unwrap_or_default();
    prove_each(&mut steps, &newest, &contested, &options, context).await;
    let older = older_points(&mut steps, &newest, to_drill, &options).await;
    steps::drill_each(&mut steps, &older, &options, context).await;
    let snapshot_drills = std::mem::take(&mut options.snapshot_drills);
    steps::drill_snapshots(&mut steps, snapshot_drills, context).await;
    whole.take(&mut steps, left, context).await;
    steps.finish(&whole.notify).await
}

/// Those to be drilled anyway, and of each database one by chance.
async fn older_points(
    steps: &mut Steps<'_>,
    newest: &[Newest],
    mut points: Vec<Selected>,
    options: &Options<'_>,
) -> Vec<Selected> {
    let drawn = older::by_chance(options, newest, &points).await;
    match drawn {
        Ok(drawn) => points.extend(drawn),
        Err(error) => {
            steps
                .take("find an older point", async { Err(error) })
                .await;
        }
    }
    points
}

/// The newest point of each chosen database.
async fn newest(options: &Options<'_>, context: Context<'_>) -> Result<Vec<Selected>> {
    let repository = options.repository()?;
    let newest = (repository.newest_chosen(&options.choice, &options.trust)).await?;
    repository.note_announced(context.progress).await;
    Ok(newest)
}
