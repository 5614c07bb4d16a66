//! `lifeboat nightly`

use super::run::{Access, Answer, ChoiceArgs, Run};
use super::snapshot::{copy, expire};
use super::{accounts, export, schedule};
use crate::config::{Config, Source};
use crate::error::Result;
use crate::model::choice::Choice;
use crate::nightly::{self, Options};
use crate::schedule::Export;

/// The source account's schedule: export, copy snapshots, verify what was stored
///
/// Takes every step whatever became of the others, and ends with one report and one exit code: 1 where
/// a step failed, 3 where one has findings. Run again after anything: each step looks first.
///
/// With --source or --database it exports only those, and copies and removes RDS snapshots of those sources
/// alone. A database that is named in full is exported whatever the configuration lists; `*` finds those that
/// a server has, except exclude_databases.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat nightly\n  \
       lifeboat nightly --config /etc/lifeboat/lifeboat.toml --json\n  \
       lifeboat nightly --source 'prod-*' --database 'app_*'"
))]
pub(super) struct Args {
    #[command(flatten)]
    choice: ChoiceArgs,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let choice = args.choice.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let sources = config.chosen(&choice)?;
    let options = options(&choice, &sources, &access, &config, run).await;
    check_databases(&options, run).await?;
    schedule::answer(&nightly::run(options, run.context()).await?)
}

/// Where a source has no export, what it holds is not known.
async fn check_databases(options: &Options, run: &Run) -> Result<()> {
    let exports = options.exports.iter().flatten();
    let exports: Option<Vec<&Export>> = exports.map(|(_, export)| export.as_ref().ok()).collect();
    let sources = exports.iter().flatten();
    let sources: Vec<_> = sources.flat_map(|one| &one.options.sources).collect();
    crate::export::check_databases(&sources, run.context()).await
}

async fn options(
    choice: &Choice,
    sources: &[Source],
    access: &Access,
    config: &Config,
    run: &Run,
) -> Options {
    let (accounts, settings) = (&access.accounts, &config.snapshot);
    let with_rds: Vec<&Source> = (sources.iter())
        .filter(|source| source.rds.is_some())
        .collect();
    let copied = !with_rds.is_empty() && settings.kms_key.is_some();
    let snapshot_copy = match copied {
        true => {
            let names = with_rds.iter().map(|source| source.name.clone());
            let args = copy::Args::of(names.collect());
            Some(copy::inputs(&args, access, config, run).await)
        }
        false => None,
    };
    let expires = (accounts.source.as_ref()).is_some_and(|source| source.expire_role.is_some());
    let snapshot_expire = match !with_rds.is_empty() && expires {
        true => {
            let expire = expire::inputs((true, false), access, config, run).await;
            Some(expire.map(|expire| expire.of(choice)))
        }
        false => None,
    };
    let source = accounts.source.as_ref();
    let source = source.map(|_| accounts::source(accounts, run));
    let notify = schedule::notify(&config.notify, source, access).await;
    Options {
        exports: exports(sources, access, config, run).await,
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
    sources: &[Source],
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<Vec<(String, Result<Export>)>> {
    export::check_sources(sources, config)?;
    let mut exports = Vec::with_capacity(sources.len());
    for source in sources {
        let export = export::inputs(access, config, std::slice::from_ref(source), run).await;
        exports.push((source.name.clone(), export));
    }
    Ok(exports)
}
