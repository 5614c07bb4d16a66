//! The steps on the repository as a whole: the last ones of a single task, and the collector's of a run of shards.

use std::collections::{BTreeMap, BTreeSet};

use super::options::Whole;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::humanize::{counted, first_names};
use crate::model::id::Id;
use crate::promote;
use crate::repository::{Attestations, Repository, StoredPlan, by_database};
use crate::schedule::fleet::{CollectTask, Fleet, Made};
use crate::schedule::{Notify, StepReport, Steps};

impl Whole {
    fn repository(&self) -> Result<&Repository> {
        self.repository.as_ref().map_err(Error::repeat)
    }

    /// Promotes, and shows the status. `left`: what is to be said of points that may claim a period and were not drilled.
    pub(super) async fn take(
        &self,
        steps: &mut Steps<'_>,
        left: Vec<String>,
        context: Context<'_>,
    ) {
        if let Some(tiers) = &self.promote {
            let step = async {
                let promoted = promote::run(self.repository()?, &self.trust, tiers, context);
                let mut report = promoted.await?;
                report.findings.extend(left);
                Ok(StepReport::Promote(report))
            };
            steps.take("promote", step).await;
        }
        let step = async {
            let status = self.status.as_ref().map_err(Error::repeat)?;
            let report = status.run(self.repository()?, context).await?;
            Ok(StepReport::Status(report))
        };
        steps.take("status", step).await;
    }
}

impl CollectTask for Whole {
    /// A drill says nothing of what verifying found.
    const A_POINT_MENDS: bool = false;

    fn notify(&self) -> &Notify {
        &self.notify
    }

    /// Of each database the newest point that a drill of this run judged, however it did.
    async fn made(&self, fleet: &Fleet, stored: &StoredPlan) -> Result<Made> {
        let attestations = fleet.repository.attestations(None, None).await?;
        let mut made = BTreeMap::new();
        for one in &stored.plan.databases {
            let Some(database) = &one.database else {
                continue;
            };
            let place = (one.source.as_str(), database.as_str());
            let found = newest_drilled(fleet, &attestations, place, stored).await?;
            if let Some(id) = found {
                made.insert((one.source.clone(), database.clone()), id);
            }
        }
        Ok(made)
    }

    async fn not_in_run(&self, fleet: &Fleet, stored: &StoredPlan) -> Result<Vec<String>> {
        let planned = stored.plan.databases.iter();
        let planned: BTreeSet<(&str, Option<&str>)> = planned
            .map(|one| (one.source.as_str(), one.database.as_deref()))
            .collect();
        let (mut missing, mut nobodys) = (Vec::new(), Vec::new());
        for ((source, database), points) in by_database(fleet.repository.find(None, None).await?) {
            if planned.contains(&(&source, Some(&database))) {
                continue;
            }
            let of = match fleet.newest(points).await? {
                Some(_) => &mut missing,
                None => &mut nobodys,
            };
            of.push(format!("{source}/{database}"));
        }
        let mut told: Vec<String> = missing
            .into_iter()
            .map(|name| {
                format!(
                    "{name} is not in this run: its first restore point came after the plan, or --source and --database left it out"
                )
            })
            .collect();
        if !nobodys.is_empty() {
            told.push(format!(
                "{} in no run, as no trusted key signed any of the newest restore points: {}; `lifeboat status` says why",
                counted(nobodys.len() as u64, "database is", "databases are"),
                first_names(&nobodys, 3)
            ));
        }
        Ok(told)
    }

    /// Each time: a shard that was started again may have drilled what was missing.
    async fn of_the_whole(&mut self, steps: &mut Steps<'_>, _: bool, context: Context<'_>) {
        self.take(steps, Vec::new(), context).await;
    }
}

async fn newest_drilled(
    fleet: &Fleet,
    attestations: &Attestations,
    (source, database): (&str, &str),
    stored: &StoredPlan,
) -> Result<Option<Id>> {
    let after = stored.stored_at;
    for path in attestations.attested_since(source, database, after) {
        let Some(point) = fleet.repository.open_attested(path, &fleet.trust).await? else {
            continue;
        };
        let drill = attestations.drill_since(&point, after, &fleet.run_trust);
        if drill.await?.is_some() {
            return Ok(Some(point.manifest.id));
        }
    }
    Ok(None)
}
