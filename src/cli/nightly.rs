//! `lifeboat nightly`

use super::run::{Access, Answer, Run};
use super::snapshot::{copy, expire};
use super::{accounts, export, schedule};
use crate::config::{Config, Source};
use crate::error::Result;
use crate::nightly::{self, Options};
use crate::schedule::Export;

/// The source account's schedule: export, copy snapshots, verify what was stored
///
/// Takes every step whatever became of the others, and ends with one report and one exit code: 1 where
/// a step failed, 3 where one has findings. Run again after anything: each step looks first.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat nightly\n  \
       lifeboat nightly --config /etc/lifeboat/lifeboat.toml --json"
))]
pub(super) struct Args {}

pub(super) async fn run(_: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let options = options(&access, &config, run).await;
    schedule::answer(&nightly::run(options, run.context()).await?)
}

async fn options(access: &Access, config: &Config, run: &Run) -> Options {
    let (accounts, settings) = (&access.accounts, &config.snapshot);
    let with_rds: Vec<&Source> = (config.sources.iter())
        .filter(|source| source.rds.is_some())
        .collect();
    let copied = !with_rds.is_empty() && settings.kms_key.is_some();
    let snapshot_copy = match copied {
        true => Some(copy::inputs(&copy::Args::default(), access, config, run).await),
        false => None,
    };
    let expires = (accounts.source.as_ref()).is_some_and(|source| source.expire_role.is_some());
    let snapshot_expire = match !with_rds.is_empty() && expires {
        true => Some(expire::inputs((true, false), access, config, run).await),
        false => None,
    };
    let source = accounts.source.as_ref();
    let source = source.map(|_| accounts::source(accounts, run));
    let notify = schedule::notify(&config.notify, source, access).await;
    Options {
        exports: exports(access, config, run).await,
        snapshot_copy,
        snapshot_expire,
        not_copied: match settings.kms_key {
            Some(_) => Vec::new(),
            None => with_rds.iter().map(|source| source.name.clone()).collect(),
        },
        notify,
    }
}

/// One for each source: a password file that is missing fails one source alone.
async fn exports(
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<Vec<(String, Result<Export>)>> {
    export::check_sources(&config.sources, config)?;
    let mut exports = Vec::with_capacity(config.sources.len());
    for source in &config.sources {
        let export = export::inputs(access, config, std::slice::from_ref(source), run).await;
        exports.push((source.name.clone(), export));
    }
    Ok(exports)
}
