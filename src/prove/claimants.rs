//! Points that may be the first of a week, a month or a year, and that no drill judged yet.

use std::collections::BTreeSet;

use super::options::Options;
use super::steps::Newest;
use crate::context::Context;
use crate::error::Result;
use crate::model::id::Id;
use crate::promote;
use crate::repository::{PointSelector, Selected};

#[derive(Default)]
pub(super) struct Claimants {
    pub to_drill: Vec<Selected>,
    /// What is said of those that this run does not drill.
    pub left: Vec<String>,
    /// Too many claim one period: any of them may be a thief's.
    pub contested: BTreeSet<Id>,
}

/// Of all chosen databases.
pub(super) async fn undrilled(
    options: &Options<'_>,
    newest: &[Newest],
    context: Context<'_>,
) -> Result<Claimants> {
    Claimants::of(options.promote.clone(), options, newest, context).await
}

/// Of the databases of these newest points alone.
pub(super) async fn undrilled_beside(
    options: &Options<'_>,
    newest: &[Newest],
    context: Context<'_>,
) -> Result<Claimants> {
    let tiers = options.promote.iter();
    let tiers = tiers.flat_map(|tiers| {
        newest.iter().map(|one| promote::Options {
            source: Some(one.point.source.clone()),
            database: Some(one.point.database.clone()),
            ..tiers.clone()
        })
    });
    Claimants::of(tiers, options, newest, context).await
}

impl Claimants {
    /// Of what each of `tiers` asks for.
    async fn of(
        tiers: impl IntoIterator<Item = promote::Options>,
        options: &Options<'_>,
        newest: &[Newest],
        context: Context<'_>,
    ) -> Result<Self> {
        let mut claimants = Self::default();
        for tiers in tiers {
            claimants.find(options, &tiers, newest, context).await?;
        }
        Ok(claimants)
    }

    /// Beside the newest ones, which are drilled anyway; of each database as many as may claim a period.
    async fn find(
        &mut self,
        options: &Options<'_>,
        tiers: &promote::Options,
        newest: &[Newest],
        context: Context<'_>,
    ) -> Result<()> {
        let found = promote::undrilled(options.repository()?, &options.trust, tiers, context);
        let chosen = |one: &promote::Undrilled| options.choice.has(&one.source, &one.database);
        for one in found.await?.into_iter().filter(chosen) {
            let is_newest = |which: &PointSelector| {
                let mut newest = newest.iter().map(|one| &one.point);
                let of = (&one.source, &one.database);
                newest.any(|other| other.which == *which && (&other.source, &other.database) == of)
            };
            self.contested.extend(one.contested);
            let all = one.ids.into_iter().map(PointSelector::Id);
            let mut all: Vec<PointSelector> = all.filter(|which| !is_newest(which)).collect();
            let left = all.len().saturating_sub(tiers.contested_limit);
            all.truncate(tiers.contested_limit);
            let (source, database) = (&one.source, &one.database);
            if left > 0 {
                self.left.push(format!(
                    "{source}/{database}: {left} more points may be the first of their period and were not drilled: one run drills {} beside the newest; they are held until then",
                    tiers.contested_limit
                ));
            }
            self.to_drill.extend(all.into_iter().map(|which| Selected {
                source: source.clone(),
                database: database.clone(),
                which,
            }));
        }
        Ok(())
    }
}
