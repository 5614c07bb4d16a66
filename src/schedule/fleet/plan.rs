//! Makes the plan of a run: which databases there are, how large they were, whose each is.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::runs::{Fleet, Settled, ShardOptions, TOOL};
use super::task::ShardTask;
use crate::context::Context;
use crate::error::Result;
use crate::model::deal::deal;
use crate::model::id::Id;
use crate::model::manifest::{FORMAT, Manifest};
use crate::model::run::{RunPlan, RunPurpose};
use crate::random;
use crate::repository::{MANIFESTS_AT_A_TIME, Room, by_database};

/// Deals every database of the task to the shards.
pub(super) async fn make(
    options: &ShardOptions,
    task: &impl ShardTask,
    settled: &Settled,
    context: Context<'_>,
) -> Result<RunPlan> {
    let mut databases = task.databases(context).await?;
    let sizes = sizes(&options.fleet, context).await?;
    for one in &mut databases {
        let database = one.database.clone().unwrap_or_default();
        one.bytes = sizes.get(&(one.source.clone(), database)).copied();
    }
    if options.fleet.purpose == RunPurpose::Prove {
        // What no trusted key signed is nobody's database, and whoever may write can store any number of them. The
        // collector counts them.
        databases.retain(|one| one.bytes.is_some());
    }
    let number = u32::from_ne_bytes(random::bytes()?);
    Ok(RunPlan {
        format: FORMAT,
        repository: settled.repository.clone(),
        id: Id::new(settled.now, number),
        purpose: options.fleet.purpose,
        run: options.run.clone(),
        shards: options.shard.count,
        planned_at: settled.now,
        tool: TOOL.to_owned(),
        databases: deal(&databases, options.shard.count, options.spread),
    })
}

/// What the newest point of each database took in the store.
async fn sizes(fleet: &Fleet, context: Context<'_>) -> Result<BTreeMap<(String, String), u64>> {
    let of = by_database(fleet.repository.find(None, None).await?);
    let room = Room::default();
    let sizes = stream::iter(of)
        .map(async |(place, points)| {
            context.interrupt.check()?;
            let newest = points.iter().max_by_key(|point| point.order());
            let taken = match newest {
                Some(newest) => Some(room.take(&[newest]).await),
                None => None,
            };
            let newest = fleet.newest(points).await?;
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
