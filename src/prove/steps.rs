//! The steps on single databases and sources, of one task or of a shard.

use std::collections::BTreeSet;

use super::options::Options;
use super::{attest, changes};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::id::Id;
use crate::progress::OneOfSeveral;
use crate::repository::Selected;
use crate::schedule::{self, SnapshotDrill, StepReport, Steps, verify};

/// The newest point of a database.
pub(super) struct Newest {
    pub point: Selected,
    /// The point that an earlier start of the shard drilled: this one, without a finding.
    pub drilled: Option<Id>,
}

impl Newest {
    pub(super) fn undrilled(point: Selected) -> Self {
        Self {
            point,
            drilled: None,
        }
    }
}

/// Verifies and drills each, and says what changed since its last drill.
pub(super) async fn prove_each(
    steps: &mut Steps<'_>,
    newest: &[Newest],
    contested: &BTreeSet<Id>,
    options: &Options<'_>,
    context: Context<'_>,
) {
    let taker = steps.taker();
    let each = newest.iter().map(async |newest| {
        let _turn = options.turns.any().await;
        let (point, drilled) = (&newest.point, newest.drilled.is_some());
        let name = format!("{}/{}", point.source, point.database);
        let all = context.progress;
        let named = OneOfSeveral::new(all, &point.source, &point.database);
        let context = options.turns.context(context, &named);
        let step = verify_point(options, point, context);
        let verified = taker.take(format!("verify {name}"), step).await;
        if drilled {
            return (verified, None, None);
        }
        let changes = changes::since_last_drill(options, point, contested, context);
        let changes = changes.await.unwrap_or_else(|error| {
            // What keeps it from being read keeps the drill from succeeding, which says so.
            all.warn(&format!(
                "{name}: what changed since the last drill is not known: {}",
                error.chain()
            ));
            None
        });
        let step = drill_point(options, point, context);
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

/// Drills these points, each a step with the point's id in its name.
pub(super) async fn drill_each(
    steps: &mut Steps<'_>,
    points: &[Selected],
    options: &Options<'_>,
    context: Context<'_>,
) {
    let taker = steps.taker();
    let drills = points.iter().map(async |point| {
        let _turn = options.turns.any().await;
        let Selected {
            source,
            database,
            which,
        } = point;
        let name = format!("drill {source}/{database} {which}");
        let named = OneOfSeveral::new(context.progress, source, database);
        let context = options.turns.context(context, &named);
        let step = drill_point(options, point, context);
        taker.take(name, step).await
    });
    for step in options.turns.each(drills).await.into_iter().flatten() {
        steps.add(step);
    }
}

pub(super) async fn drill_snapshots(
    steps: &mut Steps<'_>,
    drills: Vec<(String, Result<SnapshotDrill<'_>>)>,
    context: Context<'_>,
) {
    for (source, drill) in drills {
        let step = async { Ok(StepReport::SnapshotDrill(drill?.run(context).await?)) };
        steps.take(format!("drill --snapshot {source}"), step).await;
    }
}

async fn verify_point(
    options: &Options<'_>,
    selected: &Selected,
    context: Context<'_>,
) -> Result<StepReport> {
    let identities = options.identities()?;
    let point = options.open(selected).await?;
    let mut report = verify(&point, Some(identities), context).await?;
    attest::attest_damage(&point, &mut report, options, context).await;
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
