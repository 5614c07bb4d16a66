//! One shard of a run of proofs.

use std::collections::BTreeSet;

use super::claimants::{self, Claimants};
use super::older_points;
use super::options::Options;
use super::steps::{self, Newest};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::{Attestation, Verdict};
use crate::model::deal::Dealt;
use crate::model::run::{RunPlan, ShardDatabase};
use crate::outcome::Outcome;
use crate::repository::{PointSelector, Selected, StoredPlan};
use crate::schedule::fleet::{Fleet, ShardTask, Worked, word};
use crate::schedule::{Notify, Report, Schedule, SnapshotDrill, Step, StepReport, Steps};

impl ShardTask for Options<'_> {
    /// Those that have restore points and are chosen. What is proven lies in one store, so a server's databases need not
    /// stay together.
    async fn databases(&self, _: Context<'_>) -> Result<Vec<Dealt>> {
        let points = self.repository()?.find(None, None).await?;
        let places = points.into_iter().map(|one| (one.source, one.database));
        let places: BTreeSet<(String, String)> = places.collect();
        if !self.choice.is_all() {
            self.choice.check(&places, self.repository()?.url())?;
        }
        let chosen = places
            .into_iter()
            .filter(|one| self.choice.has(&one.0, &one.1));
        let dealt = chosen.map(|(source, database)| Dealt {
            server: format!("{source}/{database}"),
            source,
            database: Some(database),
            bytes: None,
        });
        Ok(dealt.collect())
    }

    fn check(&self, plan: &RunPlan) -> Result<()> {
        let foreign = plan.databases.iter().find(|one| {
            let database = one.database.as_deref();
            database.is_none_or(|database| !self.choice.has(&one.source, database))
        });
        match foreign {
            None => Ok(()),
            Some(one) => Err(Error::usage(format!(
                "the plan of run '{}' has {}/{}, and --source and --database leave it out",
                plan.run,
                one.source,
                one.database.as_deref().unwrap_or("*")
            ))
            .hint("give every shard the same options; others take a new run, by another --run")),
        }
    }

    async fn work(
        &mut self,
        shard: u32,
        fleet: &Fleet,
        stored: &StoredPlan,
        context: Context<'_>,
    ) -> Result<Worked> {
        let own = places_of(&stored.plan, shard);
        let (newest, again) = self.newest_of(&own, fleet, stored).await?;
        self.repository()?.note_announced(context.progress).await;
        let mut taken = Steps::new(Schedule::Prove, context);
        for (source, database) in gone(&own, &newest) {
            let what = format!("{source}/{database} has no restore point any more");
            let error = Error::not_found(what).hint("it had one when the run was planned");
            let name = format!("find {source}/{database}");
            taken.take(name, async { Err(error) }).await;
        }
        let claimants = self.claimants(&mut taken, &newest, context).await;
        steps::prove_each(&mut taken, &newest, &claimants.contested, self, context).await;
        let older = [again, claimants.to_drill].concat();
        let older = older_points(&mut taken, &newest, older, self).await;
        steps::drill_each(&mut taken, &older, self, context).await;
        let snapshot_drills = self.snapshot_drills_of(shard, &stored.plan);
        steps::drill_snapshots(&mut taken, snapshot_drills, context).await;
        for finding in claimants.left {
            taken.add_finding(finding);
        }
        let report = taken.finish(&Notify::default()).await?;
        let databases = own.iter().map(|place| ended(place, &newest, &report));
        Ok(Worked {
            databases: databases.collect(),
            done_before: done_names(&newest),
            report,
        })
    }
}

impl<'a> Options<'a> {
    async fn newest_of(
        &self,
        own: &BTreeSet<Place>,
        fleet: &Fleet,
        stored: &StoredPlan,
    ) -> Result<(Vec<Newest>, Vec<Selected>)> {
        let selected = self.repository()?.newest_of(own, &self.trust).await?;
        let (mut newest, mut again) = (Vec::with_capacity(selected.len()), Vec::new());
        for point in selected {
            let before = drilled_before(point, fleet, stored).await?;
            newest.push(before.0);
            again.extend(before.1);
        }
        Ok((newest, again))
    }

    /// Promotion comes with the collector, who may be able to read what this shard was not: so it is told here.
    async fn claimants(
        &self,
        taken: &mut Steps<'_>,
        newest: &[Newest],
        context: Context<'_>,
    ) -> Claimants {
        match claimants::undrilled_beside(self, newest, context).await {
            Ok(claimants) => claimants,
            Err(error) => {
                let name = "find what may be the first of its period";
                taken.take(name, async { Err(error) }).await;
                Claimants::default()
            }
        }
    }

    /// Of sources whose first database is the shard's; a source without databases is the first shard's.
    fn snapshot_drills_of(
        &mut self,
        shard: u32,
        plan: &RunPlan,
    ) -> Vec<(String, Result<SnapshotDrill<'a>>)> {
        let mut drills = std::mem::take(&mut self.snapshot_drills);
        drills.retain(|(source, _)| plan.first_of(source).unwrap_or(0) == shard);
        drills
    }
}

/// Source and database.
type Place = (String, String);

fn places_of(plan: &RunPlan, shard: u32) -> BTreeSet<Place> {
    let own = plan.of(shard);
    own.filter_map(|one| Some((one.source.clone(), one.database.clone()?)))
        .collect()
}

fn gone<'a>(own: &'a BTreeSet<Place>, newest: &[Newest]) -> Vec<&'a Place> {
    let is_there = |place: &&Place| {
        let mut points = newest.iter().map(|one| &one.point);
        points.any(|point| point.source == place.0 && point.database == place.1)
    };
    own.iter().filter(|place| !is_there(place)).collect()
}

/// What an earlier start of the shard drilled of a database: the newest point, and older ones that are to be drilled
/// again. Only a drill with nothing to tell stands: what others found may be in no report.
async fn drilled_before(
    point: Selected,
    fleet: &Fleet,
    stored: &StoredPlan,
) -> Result<(Newest, Vec<Selected>)> {
    let (repository, after) = (&fleet.repository, stored.stored_at);
    let (source, database) = (point.source.as_str(), point.database.as_str());
    let drills = repository
        .attestations(Some(source), Some(database))
        .await?;
    let (mut drilled, mut again) = (None, Vec::new());
    for path in drills.attested_since(source, database, after) {
        let Some(opened) = repository.open_attested(path, &fleet.trust).await? else {
            continue;
        };
        let drill = drills.drill_since(&opened, after, &fleet.run_trust).await?;
        let Some(drill) = drill else { continue };
        let which = PointSelector::Id(path.id.clone());
        match (is_clean(&drill), which == point.which) {
            (true, true) => drilled = Some(drill.id),
            (false, false) => again.push(Selected {
                source: source.to_owned(),
                database: database.to_owned(),
                which,
            }),
            _ => {}
        }
    }
    Ok((Newest { point, drilled }, again))
}

fn is_clean(drill: &Attestation) -> bool {
    drill.result == Verdict::Sound && drill.findings == 0 && drill.sample.is_none()
}

fn ended((source, database): &Place, newest: &[Newest], report: &Report) -> ShardDatabase {
    let step = |verb: &str| {
        let name = format!("{verb} {source}/{database}");
        report.steps.iter().find(|step| step.name == name)
    };
    let drilled = step("drill").and_then(|step| match &step.result {
        Ok(StepReport::Drill(report)) => Some(report.id.clone()),
        _ => None,
    });
    let mut newest = newest.iter();
    let before = newest.find(|one| one.point.source == *source && one.point.database == *database);
    let before = before.and_then(|one| one.drilled.clone());
    let mut steps = ["find", "verify", "drill"].into_iter().filter_map(step);
    ShardDatabase {
        source: source.clone(),
        database: Some(database.clone()),
        point: drilled.or(before),
        error: steps.find_map(failure),
    }
}

/// The kind of a step's error; `failed`: its report says that the point is none.
fn failure(step: &Step) -> Option<String> {
    match &step.result {
        Err(error) => Some(word(error.kind())),
        Ok(_) => (step.outcome() == Outcome::Failed).then(|| word(Kind::Failed)),
    }
}

fn done_names(newest: &[Newest]) -> Vec<String> {
    let done = newest.iter().filter(|one| one.drilled.is_some());
    done.map(|one| format!("{}/{}", one.point.source, one.point.database))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::choice::Choice;
    use crate::model::id::Id;
    use crate::model::run::{Assignment, RunPurpose, RunText};
    use crate::sign::Trust;
    use crate::turns::Turns;

    fn plan(databases: &[(&str, &str, u32)]) -> RunPlan {
        let assignment = |(source, database, shard): &(&str, &str, u32)| Assignment {
            source: (*source).to_owned(),
            database: Some((*database).to_owned()),
            shard: *shard,
        };
        RunPlan {
            format: 1,
            repository: "r".to_owned(),
            id: Id::new(jiff::Timestamp::UNIX_EPOCH, 7),
            purpose: RunPurpose::Prove,
            run: RunText::try_from("proof".to_owned()).unwrap(),
            shards: 3,
            planned_at: jiff::Timestamp::UNIX_EPOCH,
            tool: "lifeboat".to_owned(),
            databases: databases.iter().map(assignment).collect(),
        }
    }

    #[test]
    fn a_snapshot_copy_is_drilled_by_the_shard_with_its_sources_first_database() {
        let nothing = || Error::failed("not asked");
        let plan = plan(&[("a", "x", 2), ("a", "y", 1), ("b", "x", 1)]);
        let drilled = [0, 1, 2].map(|shard| {
            let sources = ["a", "b", "without-points"];
            let mut options = Options {
                repository: Err(nothing()),
                trust: Trust::default(),
                choice: Choice::default(),
                identities: Err(nothing()),
                drill: Err(nothing()),
                snapshot_drills: sources.map(|name| (name.to_owned(), Err(nothing()))).into(),
                promote: None,
                turns: Turns::new(1),
            };
            let drills = options.snapshot_drills_of(shard, &plan);
            drills
                .into_iter()
                .map(|(source, _)| source)
                .collect::<Vec<_>>()
        });
        assert_eq!(drilled, [vec!["without-points"], vec!["b"], vec!["a"]]);
    }
}
