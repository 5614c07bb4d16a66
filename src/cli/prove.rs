//! `lifeboat prove`

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Instant;

use super::globals::Access;
use super::output::Answer;
use super::run::Run;
use super::steps::{Schedule, Steps};
use super::{connect, drill, promote, status, verify};
use crate::error::Result;
use crate::repository::Found;

/// The backup account's schedule: verify every byte, drill, promote, and say how things stand
///
/// For the newest restore point of each database, and the newest snapshot copy of each source where
/// there is a place for its drill. Takes every step whatever became of the others, and
/// ends with one report and one exit code: 1 where a step failed, 3 where one has findings.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat prove\n  \
       lifeboat prove --identity drills.key --json"
))]
pub struct Args {}

pub async fn run(_: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let mut steps = Steps::new(Schedule::Prove, run);
    let began = Instant::now();
    let found = match newest(&access, run).await {
        Ok(found) => found,
        Err(error) => {
            steps.failed("find", began.elapsed().as_secs_f64(), &error);
            Vec::new()
        }
    };
    for Newest {
        source,
        database,
        id,
    } in found
    {
        let name = format!("{source}/{database}");
        let verify = verify::Args::whole(&source, &database, &id);
        let verify = verify::run(verify, run);
        steps.take(format!("verify {name}"), verify).await;
        let drill = drill::run(drill::Args::of(&source, &database, &id), run);
        steps.take(format!("drill {name}"), drill).await;
    }
    if config.drill.network.is_some() {
        for source in config.sources.iter().filter(|one| one.rds.is_some()) {
            let drill = drill::spare::run("latest", Some(&source.name), run);
            steps
                .take(format!("drill --snapshot {}", source.name), drill)
                .await;
        }
    }
    if !config.tiers.is_empty() {
        let promote = promote::run(promote::Args::default(), run);
        steps.take("promote", promote).await;
    }
    let status = status::run(status::Args::default(), run);
    steps.take("status", status).await;
    steps.end(&access, &config.notify).await
}

/// What is to be proven of a database.
struct Newest {
    source: String,
    database: String,
    /// Or `latest`.
    id: String,
}

/// The newest point of each database that can be trusted: a forged one must not keep the others from
/// being proven. Where none can be, `latest` will say why; `status` tells of those passed over.
async fn newest(access: &Access, run: &Run) -> Result<Vec<Newest>> {
    let repository = connect::repository(access, run).await?;
    let trust = connect::trust(access);
    let mut of: BTreeMap<(String, String), Vec<Found>> = BTreeMap::new();
    for one in repository.find(None, None).await? {
        let name = (one.source.clone(), one.database.clone());
        of.entry(name).or_default().push(one);
    }
    let mut newest = Vec::with_capacity(of.len());
    for ((source, database), mut found) in of {
        found.sort_by_key(|one| Reverse(one.order()));
        let mut id = "latest".to_owned();
        for one in &found {
            match repository.open(one, &trust).await {
                Ok(_) => {
                    id = one.id.to_string();
                    break;
                }
                Err(error) if error.affects_every_point() => return Err(error),
                Err(_) => {}
            }
        }
        newest.push(Newest {
            source,
            database,
            id,
        });
    }
    Ok(newest)
}
