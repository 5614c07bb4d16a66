//! `lifeboat prove`

use std::collections::BTreeSet;

use super::output::Answer;
use super::steps::Steps;
use super::{Run, connect, drill, promote, status, verify};
use crate::config::Config;
use crate::error::Result;

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
    let repository = connect::repository(&access, run).await?;
    let found = repository.find(None, None).await?;
    let databases: BTreeSet<(String, String)> = found
        .into_iter()
        .map(|one| (one.source, one.database))
        .collect();
    let mut steps = Steps::new("prove", run);
    for (source, database) in &databases {
        let verify = verify::run(verify::Args::newest(source, database), run);
        steps
            .take(format!("verify {source}/{database}"), verify)
            .await;
        let drill = drill::run(drill::Args::newest(source, database), run);
        steps
            .take(format!("drill {source}/{database}"), drill)
            .await;
    }
    if config.drill.network.is_some() {
        for source in config.sources.iter().filter(|one| one.rds.is_some()) {
            let drill = drill::spare::run("latest", Some(&source.name), run);
            steps
                .take(format!("drill --snapshot {}", source.name), drill)
                .await;
        }
    }
    if tiers(&config) {
        steps
            .take("promote", promote::run(promote::Args::default(), run))
            .await;
    }
    steps
        .take("status", status::run(status::Args::default(), run))
        .await;
    steps.end(&config.notify).await
}

fn tiers(config: &Config) -> bool {
    let tiers = config.tiers;
    [tiers.weekly_days, tiers.monthly_days, tiers.yearly_days]
        .iter()
        .any(Option::is_some)
}
