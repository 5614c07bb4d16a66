//! `lifeboat nightly`

use std::sync::Arc;

use super::at_once::AtOnceArgs;
use super::fleet::FleetArgs;
use super::output::Answer;
use super::run::{Access, ChoiceArgs, Run};
use super::snapshot::{copy, expire};
use super::{accounts, export, schedule};
use crate::config::{Config, Source};
use crate::error::Result;
use crate::model::choice::Choice;
use crate::model::run::RunPurpose;
use crate::nightly::{self, Collects, Options};
use crate::schedule::{Export, Notify, SnapshotExpire};
use crate::turns::Turns;

/// The source account's schedule: export, copy snapshots, verify what was stored
///
/// Takes every step whatever became of the others, and ends with one report and one exit code: 1 where
/// a step failed, 3 where one has findings. Run again after anything: each step looks first.
///
/// As one shard of a run it does this for the databases that the run's plan gives to it. The first shard makes the plan,
/// the last one to report tells how the whole run ended; `--collect` tells it where shards never reported. Shard and
/// run come from --shard and --run, or from the engine: LIFEBOAT_INDEX, JOB_COMPLETION_INDEX (Kubernetes) or
/// SLURM_ARRAY_TASK_ID with LIFEBOAT_SHARDS, or AWS Batch's array; LIFEBOAT_RUN, or the array's job id.
///
/// With --source or --database it exports only those, and copies and removes RDS snapshots of those sources
/// alone. A database that is named in full is exported whatever the configuration lists; `*` finds those that
/// the configuration covers.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat nightly\n  \
       lifeboat nightly --config /etc/lifeboat/lifeboat.toml --json\n  \
       lifeboat nightly --shard 0/10 --run 2026-11-21\n  \
       lifeboat nightly --collect --latest --ended\n  \
       lifeboat nightly --source 'prod-*' --database 'app_*'"
))]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    at_once: AtOnceArgs,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    if args.fleet.collect {
        return collect(&args.fleet, run).await;
    }
    let shard = args.fleet.identify()?;
    let choice = args.choice.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let mut options = options(&choice, args.at_once, &access, &config, run).await?;
    check_databases(&options, run).await?;
    let Some(shard) = shard else {
        let report = nightly::run(options, run.context()).await?;
        return schedule::shared_answer(&report, None);
    };
    let of = args.fleet.fleet(RunPurpose::Export, &access, &config, run);
    let (fleet, collects) = (of.await?, options.collects());
    let (spread, tasks) = (config.fleet.spread, (options, collects));
    let shard = args.fleet.run_shard(shard, spread, tasks, fleet, run);
    shard.await
}

async fn check_databases(options: &Options, run: &Run) -> Result<()> {
    let exports = options.exports.iter().flatten();
    let usable = exports.filter_map(|(_, export)| export.as_ref().ok());
    let sources: Vec<_> = usable.flat_map(|one| &one.options.sources).collect();
    crate::export::check_databases(&sources, run.context()).await
}

async fn collect(args: &FleetArgs, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let which = args.which()?;
    let fleet = args
        .fleet(RunPurpose::Export, &access, &config, run)
        .await?;
    let collects = Collects {
        sources: config.sources.iter().map(|one| one.name.clone()).collect(),
        snapshot_expire: snapshot_expire(&Choice::default(), &access, &config, run).await,
        notify: notify(&access, &config, run).await,
    };
    args.collect(&which, collects, &fleet, run).await
}

async fn options(
    choice: &Choice,
    at_once: AtOnceArgs,
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<Options> {
    let settings = &config.snapshot;
    let sources = config.chosen(choice)?;
    let with_rds = with_rds(&sources);
    let jobs = config.export.jobs.map(usize::from);
    let turns = Arc::new(at_once.of_export(&config.export, &sources, jobs));
    let copied = !with_rds.is_empty() && settings.kms_key.is_some();
    let snapshot_copy = match copied {
        true => {
            let names = with_rds.iter().map(|source| source.name.clone());
            let args = copy::Args::of(names.collect());
            Some(copy::inputs(&args, access, config, run).await)
        }
        false => None,
    };
    Ok(Options {
        exports: exports(&sources, &turns, access, config, run).await,
        snapshot_copy,
        snapshot_expire: snapshot_expire(choice, access, config, run).await,
        not_copied: match settings.kms_key {
            Some(_) => Vec::new(),
            None => with_rds.iter().map(|source| source.name.clone()).collect(),
        },
        notify: notify(access, config, run).await,
        turns,
    })
}

fn with_rds(sources: &[Source]) -> Vec<&Source> {
    let sources = sources.iter();
    sources.filter(|source| source.rds.is_some()).collect()
}

/// Of the intermediates of chosen sources.
async fn snapshot_expire(
    choice: &Choice,
    access: &Access,
    config: &Config,
    run: &Run,
) -> Option<Result<SnapshotExpire>> {
    let source = access.accounts.source.as_ref();
    let expires = source.is_some_and(|source| source.expire_role.is_some());
    let mut sources = config.sources.iter();
    let with_rds = sources.any(|one| one.rds.is_some() && choice.has_source(&one.name));
    if !(with_rds && expires) {
        return None;
    }
    let expire = expire::inputs((true, false), access, config, run).await;
    Some(expire.map(|expire| expire.of(choice)))
}

async fn notify(access: &Access, config: &Config, run: &Run) -> Notify {
    let accounts = &access.accounts;
    let source = accounts.source.as_ref();
    let source = source.map(|_| accounts::source(accounts, run));
    schedule::notify(&config.notify, source, access).await
}

/// One for each source: a password file that is missing fails one source alone.
async fn exports(
    sources: &[Source],
    turns: &Arc<Turns>,
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<Vec<(String, Result<Export>)>> {
    export::check_sources(sources, config)?;
    let mut exports = Vec::with_capacity(sources.len());
    for source in sources {
        let source_alone = std::slice::from_ref(source);
        let export = export::inputs(access, config, source_alone, turns, run).await;
        exports.push((source.name.clone(), export));
    }
    Ok(exports)
}
