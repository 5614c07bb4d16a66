//! `lifeboat nightly`

use serde_json::Value;

use super::output::Answer;
use super::run::Run;
use super::snapshot::{copy, expire};
use super::steps::{Schedule, Steps};
use super::{export, verify};
use crate::config::Config;
use crate::config::accounts::Account;
use crate::error::Result;

/// The source account's schedule: export, copy snapshots, verify what was stored
///
/// Takes every step whatever became of the others, and ends with one report and one exit code: 1 where
/// a step failed, 3 where one has findings. Run again after anything: each step looks first.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat nightly\n  \
       lifeboat nightly --config /etc/lifeboat/lifeboat.toml --json"
))]
pub struct Args {}

pub async fn run(_: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let mut steps = Steps::new(Schedule::Nightly, run);
    let mut stored = Vec::new();
    for (step, args) in exports(&config) {
        let exported = steps.take(step, export::run(args, run)).await;
        stored.extend(exported.map(points).unwrap_or_default());
    }
    let copied = config.sources.iter().any(|source| source.rds.is_some());
    if copied && config.snapshot.kms_key.is_some() {
        steps
            .take("snapshot copy", copy::run(copy::Args::default(), run))
            .await;
    }
    for (name, id) in stored {
        let verify = verify::run(verify::Args::of(&id), run);
        steps.take(format!("verify {name}"), verify).await;
    }
    let expires = |account: &Account| account.expire_role.is_some();
    if copied && config.accounts.source.as_ref().is_some_and(expires) {
        let expire = expire::run(expire::Args::intermediates(), run);
        steps.take("snapshot expire", expire).await;
    }
    steps.end(&access, &config.notify).await
}

/// A step for each source: a password file that is missing is one source's trouble.
fn exports(config: &Config) -> Vec<(String, export::Args)> {
    if config.sources.is_empty() {
        // Says what is missing.
        return vec![("export".to_owned(), export::Args::default())];
    }
    let names = config.sources.iter().map(|source| &source.name);
    names
        .map(|name| (format!("export {name}"), export::Args::of(name)))
        .collect()
}

/// `source/database` and id of what an export's result says was stored.
fn points(result: &Value) -> Vec<(String, String)> {
    let databases = result["databases"].as_array();
    let text = |one: &Value, name: &str| one[name].as_str().map(str::to_owned);
    databases
        .into_iter()
        .flatten()
        .filter_map(|one| {
            let name = format!("{}/{}", text(one, "source")?, text(one, "database")?);
            Some((name, text(one, "id")?))
        })
        .collect()
}
