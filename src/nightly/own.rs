//! What a shard exports: its databases of the plan, without those that the run has a point of already.

use super::steps::Options;
use crate::context::Context;
use crate::error::Result;
use crate::export::{self, Source};
use crate::model::databases::Databases;
use crate::model::run::RunPlan;
use crate::repository::{PointPath, StoredPlan};
use crate::schedule::Export;
use crate::schedule::fleet::Fleet;

pub(super) struct Own {
    pub shard: u32,
    /// What is to be done: pairs of source name and export.
    pub exports: Vec<(String, Result<Export>)>,
    /// Points of this run, by an earlier start of the shard.
    pub done: Vec<PointPath>,
}

impl Own {
    pub(super) async fn of(
        exports: Vec<(String, Result<Export>)>,
        shard: u32,
        fleet: &Fleet,
        stored: &StoredPlan,
        context: Context<'_>,
    ) -> Result<Self> {
        let mut own = Self {
            shard,
            exports: Vec::new(),
            done: Vec::new(),
        };
        for (name, mut export) in exports {
            context.interrupt.check()?;
            let databases = own.databases(&name, &export, &stored.plan, context).await;
            let Some(databases) = databases else { continue };
            let mut left = Vec::new();
            for database in &databases {
                let points = fleet.repository.find(Some(&name), Some(database));
                match fleet.made_by(stored, points.await?).await? {
                    Some(point) => own.done.push(point),
                    None => left.push(database.clone()),
                }
            }
            if left.is_empty() && !databases.is_empty() {
                continue;
            }
            if let Ok(export) = &mut export
                && !databases.is_empty()
            {
                let says_uncovered = stored.plan.first_of(&name) == Some(own.shard);
                for source in &mut export.options.sources {
                    take_only(source, &left, &databases, &stored.plan);
                    source.uncovered_is_finding &= says_uncovered;
                }
            }
            own.exports.push((name, export));
        }
        Ok(own)
    }

    /// The shard's own databases of a source; empty: the whole source, as nobody could list them. `None`: nothing of it
    /// is this shard's.
    async fn databases(
        &self,
        name: &str,
        export: &Result<Export>,
        plan: &RunPlan,
        context: Context<'_>,
    ) -> Option<Vec<String>> {
        let own: Vec<_> = plan
            .of(self.shard)
            .filter(|one| one.source == name)
            .collect();
        if own.is_empty() {
            return None;
        }
        let databases: Vec<String> = own.iter().filter_map(|one| one.database.clone()).collect();
        if !databases.is_empty() {
            return Some(databases);
        }
        let source = export.as_ref().ok()?.options.sources.first();
        let listed = match source {
            Some(source) => export::covered(source, context).await.ok(),
            None => None,
        };
        Some(listed.map(|(databases, _)| databases).unwrap_or_default())
    }

    /// Leaves to the shard with a source's first database what is done once a source.
    pub(super) fn narrow(&self, options: &mut Options, plan: &RunPlan) {
        let is_ours = |source: &str| plan.first_of(source) == Some(self.shard);
        options.not_copied.retain(|source| is_ours(source));
        let mut nothing_to_copy = false;
        if let Some(Ok(copy)) = &mut options.snapshot_copy {
            copy.options.sources.retain(|source| is_ours(&source.name));
            nothing_to_copy = copy.options.sources.is_empty();
        }
        if nothing_to_copy {
            options.snapshot_copy = None;
        }
    }

    /// `prod/courses`, …
    pub(super) fn done_names(&self) -> Vec<String> {
        let name = |point: &PointPath| format!("{}/{}", point.source, point.database);
        self.done.iter().map(name).collect()
    }
}

/// Of a source only what is `left` of the shard's own databases.
fn take_only(source: &mut Source, left: &[String], own: &[String], plan: &RunPlan) {
    let elsewhere = plan.databases_of(&source.name).map(str::to_owned);
    source.elsewhere = elsewhere.chain(own.iter().cloned()).collect();
    let configured = std::mem::replace(&mut source.databases, Databases::Named(left.to_vec()));
    if let Databases::All { except } = configured {
        source.elsewhere.extend(except);
    }
}
