//! `verify` and `drill` of several databases: a step for each, whatever became of the others.

use super::inputs::{drill, verify};
use super::notify::Notify;
use super::step::{Report, Schedule, StepReport};
use super::steps::Steps;
use crate::context::Context;
use crate::drill;
use crate::error::Result;
use crate::keys::identities::IdentitySource;
use crate::repository::{Repository, Selected};
use crate::sign::Trust;

/// The points of one run, and by whom they must be signed.
pub(crate) struct Points {
    pub repository: Repository,
    pub trust: Trust,
    pub selected: Vec<Selected>,
}

/// Verifies each; `identities` as for one.
pub(crate) async fn verify_each(
    points: &Points,
    identities: Option<&IdentitySource<'_>>,
    context: Context<'_>,
) -> Result<Report> {
    let mut steps = Steps::new(Schedule::Verify, context);
    for one in &points.selected {
        let step = async {
            let point = points.repository.open_selected(one, &points.trust).await?;
            Ok(StepReport::Verify(
                verify(&point, identities, context).await?,
            ))
        };
        let name = format!("verify {}/{}", one.source, one.database);
        steps.take(name, step).await;
    }
    steps.finish(&Notify::default()).await
}

/// Drills one after the other: each needs the place of a whole database.
pub(crate) async fn drill_each(
    points: &Points,
    identities: &IdentitySource<'_>,
    options: &drill::Options,
    context: Context<'_>,
) -> Result<Report> {
    let mut steps = Steps::new(Schedule::Drill, context);
    for one in &points.selected {
        let step = async {
            let point = points.repository.open_selected(one, &points.trust).await?;
            Ok(StepReport::Drill(
                drill(&point, identities, options, context).await?,
            ))
        };
        let name = format!("drill {}/{}", one.source, one.database);
        steps.take(name, step).await;
    }
    steps.finish(&Notify::default()).await
}
