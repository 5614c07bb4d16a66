//! `verify` and `drill` of several databases: a step for each, whatever became of the others.

use super::inputs::{drill, verify, verify_beside};
use super::notify::Notify;
use super::step::{Report, Schedule, StepReport};
use super::steps::Steps;
use crate::context::Context;
use crate::drill;
use crate::error::Result;
use crate::keys::identities::IdentitySource;
use crate::progress::OneOfSeveral;
use crate::repository::{Repository, RestorePoint, Selected};
use crate::sign::Trust;
use crate::turns::Turns;
use crate::verify::Seen;

/// The points of one run, by whom they must be signed, and how many are looked at at the same time.
pub(crate) struct Points {
    pub repository: Repository,
    pub trust: Trust,
    pub selected: Vec<Selected>,
    pub turns: Turns,
}

impl Points {
    async fn each(
        &self,
        schedule: Schedule,
        step: impl AsyncFn(RestorePoint, Context<'_>) -> Result<StepReport>,
        context: Context<'_>,
    ) -> Result<Report> {
        let mut steps = Steps::new(schedule, context);
        let taker = steps.taker();
        let taken = self.selected.iter().map(async |one| {
            let _turn = self.turns.any().await;
            let named = OneOfSeveral::new(context.progress, &one.source, &one.database);
            let context = self.turns.context(context, &named);
            let step = async {
                let point = self.repository.open_selected(one, &self.trust).await?;
                step(point, context).await
            };
            let name = format!("{schedule} {}/{}", one.source, one.database);
            taker.take(name, step).await
        });
        for step in self.turns.each(taken).await.into_iter().flatten() {
            steps.add(step);
        }
        steps.finish(&Notify::default()).await
    }
}

/// Verifies each; `identities` as for one.
pub(crate) async fn verify_each(
    points: &Points,
    identities: Option<&IdentitySource<'_>>,
    context: Context<'_>,
) -> Result<Report> {
    let step = async |point: RestorePoint, context: Context<'_>| {
        let report = verify(&point, identities, context).await?;
        Ok(StepReport::Verify(report))
    };
    points.each(Schedule::Verify, step, context).await
}

/// Verifies all points, of each database one after the other, so that what several name is read once.
pub(crate) async fn verify_all(
    points: &Points,
    identities: Option<&IdentitySource<'_>>,
    context: Context<'_>,
) -> Result<Report> {
    let mut steps = Steps::new(Schedule::Verify, context);
    let taker = steps.taker();
    let databases: Vec<&[Selected]> = points
        .selected
        .chunk_by(|one, next| (&one.source, &one.database) == (&next.source, &next.database))
        .collect();
    let taken = databases.into_iter().map(async |all| {
        let _turn = points.turns.any().await;
        let (source, database) = (&all[0].source, &all[0].database);
        let named = OneOfSeveral::new(context.progress, source, database);
        let context = points.turns.context(context, &named);
        let (seen, mut taken) = (Seen::default(), Vec::with_capacity(all.len()));
        for one in all {
            let step = async {
                let point = points.repository.open_selected(one, &points.trust).await?;
                let report = verify_beside(&point, identities, Some(&seen), context).await?;
                Ok(StepReport::Verify(report))
            };
            let name = format!("verify {source}/{database} {}", one.which);
            taken.extend(taker.take(name, Box::pin(step)).await);
        }
        taken
    });
    for step in points.turns.each(taken).await.into_iter().flatten() {
        steps.add(step);
    }
    steps.finish(&Notify::default()).await
}

/// Drills each. One needs the place of a whole database.
pub(crate) async fn drill_each(
    points: &Points,
    identities: &IdentitySource<'_>,
    options: &drill::Options,
    context: Context<'_>,
) -> Result<Report> {
    let step = async |point: RestorePoint, context: Context<'_>| {
        let report = drill(&point, identities, options, context).await?;
        Ok(StepReport::Drill(report))
    };
    points.each(Schedule::Drill, step, context).await
}
