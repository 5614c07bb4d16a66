//! Makes the plan of a run: which databases there are, how large they were, who exports which.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::fleet::{Fleet, Settled, ShardOptions, TOOL};
use crate::context::Context;
use crate::error::Result;
use crate::export::{self, Source};
use crate::model::databases::Databases;
use crate::model::deal::{Dealt, deal};
use crate::model::id::Id;
use crate::model::manifest::{FORMAT, Manifest};
use crate::model::run::RunPlan;
use crate::random;
use crate::repository::{ListedPoint, MANIFESTS_AT_A_TIME, Room};
use crate::schedule::Export;

/// How many points of a database are looked at for its size.
const MOST_PASSED_OVER: usize = 4;

/// Deals every database of every source to the shards.
pub(super) async fn make(
    options: &ShardOptions,
    exports: &[(String, Result<Export>)],
    settled: &Settled,
    context: Context<'_>,
) -> Result<RunPlan> {
    let mut databases = Vec::new();
    for (name, export) in exports {
        context.interrupt.check()?;
        let source = export.as_ref().ok();
        let source = source.and_then(|export| export.options.sources.first());
        databases.extend(databases_of(name, source, context).await);
    }
    let sizes = sizes(&options.fleet, context).await?;
    for one in &mut databases {
        let database = one.database.clone().unwrap_or_default();
        one.bytes = sizes.get(&(one.source.clone(), database)).copied();
    }
    let number = u32::from_ne_bytes(random::bytes()?);
    Ok(RunPlan {
        format: FORMAT,
        repository: settled.repository.clone(),
        id: Id::new(settled.now, number),
        run: options.run.clone(),
        shards: options.shard.count,
        planned_at: settled.now,
        tool: TOOL.to_owned(),
        databases: deal(&databases, options.shard.count, options.spread),
    })
}

/// One that cannot be asked now stays whole, unless it lists its databases: its shard asks again, and says what failed.
async fn databases_of(name: &str, source: Option<&Source>, context: Context<'_>) -> Vec<Dealt> {
    let listed = match source {
        Some(source) => export::covered(source, context).await.ok(),
        None => None,
    };
    let configured = source.map(|source| &source.databases);
    let (databases, server) = match (listed, configured) {
        (Some((databases, server)), _) => (databases, Some(server)),
        (None, Some(Databases::Named(databases))) => (databases.clone(), None),
        (None, _) => return vec![dealt(name, None, None)],
    };
    let mut databases: Vec<Option<String>> = databases.into_iter().map(Some).collect();
    databases.sort();
    databases.dedup();
    let all = databases.into_iter();
    all.map(|database| dealt(name, database, server.as_deref()))
        .collect()
}

fn dealt(source: &str, database: Option<String>, server: Option<&str>) -> Dealt {
    Dealt {
        source: source.to_owned(),
        database,
        server: server.map_or_else(|| format!("source {source}"), str::to_owned),
        bytes: None,
    }
}

/// What the newest point of each database took in the store.
async fn sizes(fleet: &Fleet, context: Context<'_>) -> Result<BTreeMap<(String, String), u64>> {
    let mut of: BTreeMap<(String, String), Vec<ListedPoint>> = BTreeMap::new();
    for point in fleet.repository.find(None, None).await? {
        let place = (point.source.clone(), point.database.clone());
        of.entry(place).or_default().push(point);
    }
    let room = Room::default();
    let sizes = stream::iter(of)
        .map(async |(place, points)| {
            context.interrupt.check()?;
            let newest = points.iter().max_by_key(|point| point.order());
            let taken = match newest {
                Some(newest) => Some(room.take(&[newest]).await),
                None => None,
            };
            let newest = fleet
                .repository
                .newest_trusted(points, &fleet.trust, MOST_PASSED_OVER)
                .await?;
            drop(taken);
            Ok(newest.map(|point| (place, stored_bytes(&point.manifest))))
        })
        .buffered(MANIFESTS_AT_A_TIME);
    let sizes: Vec<_> = sizes.try_collect().await?;
    Ok(sizes.into_iter().flatten().collect())
}

fn stored_bytes(manifest: &Manifest) -> u64 {
    let objects = manifest.objects.iter().map(|object| object.bytes);
    let tables = manifest.tables.iter().map(|table| table.stored_bytes);
    objects.chain(tables).fold(0, u64::saturating_add)
}
