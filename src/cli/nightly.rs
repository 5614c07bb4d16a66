//! `lifeboat nightly`

use std::sync::Arc;

use super::at_once::AtOnceArgs;
use super::output::Answer;
use super::run::{Access, ChoiceArgs, Run};
use super::shard::{identify, variables};
use super::snapshot::{copy, expire};
use super::{accounts, connect, export, schedule};
use crate::config::{Config, Source};
use crate::error::{Error, Result, ResultExt};
use crate::model::choice::Choice;
use crate::model::run::RunText;
use crate::nightly::{self, Collector, Fleet, Options, ShardOptions, ShardSummary, Which};
use crate::outcome::Outcome;
use crate::schedule::{Export, Notify, Report, SnapshotExpire};
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
    /// Only this share of the databases: shard I of N, counted from 0
    #[arg(long, value_name = "I/N", conflicts_with = "collect")]
    shard: Option<String>,
    /// The run: the same text for all its shards, another one for each run
    #[arg(long, value_name = "TEXT")]
    run: Option<String>,
    /// A run that began longer ago than this many hours takes no shards any more
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8784))]
    run_hours: u32,
    /// Of a shard: exit code 0 where there are findings, as engines take 3 for a failure; the collector keeps it
    #[arg(long, conflicts_with = "collect")]
    findings_ok: bool,
    /// Export nothing: say what became of a run, and which shard never reported; the first one to do so notifies
    #[arg(long, conflicts_with_all = ["source", "database"])]
    collect: bool,
    /// Every shard has ended, as the engine or the clock says: one that did not report is a failure now, and not
    /// after --run-hours
    #[arg(long, requires = "collect")]
    ended: bool,
    /// Collect the newest run
    #[arg(long, requires = "collect", conflicts_with = "run")]
    latest: bool,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    at_once: AtOnceArgs,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    if args.collect {
        return collect(&args, run).await;
    }
    let shard = identify(args.shard.as_deref(), args.run.as_deref(), &variables()?)?;
    let choice = args.choice.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let options = options(&choice, args.at_once, &access, &config, run).await?;
    check_databases(&options, run).await?;
    match shard {
        None => schedule::nightly_answer(&nightly::run(options, run.context()).await?, None),
        Some(shard) => {
            let shard = ShardOptions {
                shard: shard.0,
                run: shard.1,
                spread: config.fleet.spread,
                fleet: fleet(&args, &access, &config, run).await?,
            };
            let (report, summary) = nightly::run_shard(options, &shard, run.context()).await?;
            shard_answer(&report, &summary, args.findings_ok)
        }
    }
}

async fn check_databases(options: &Options, run: &Run) -> Result<()> {
    let exports = options.exports.iter().flatten();
    let usable = exports.filter_map(|(_, export)| export.as_ref().ok());
    let sources: Vec<_> = usable.flat_map(|one| &one.options.sources).collect();
    crate::export::check_databases(&sources, run.context()).await
}

fn shard_answer(report: &Report, summary: &ShardSummary, findings_ok: bool) -> Result<Answer> {
    let mut answer = schedule::nightly_answer(report, Some(summary))?;
    if findings_ok && answer.outcome == Outcome::Findings {
        answer.outcome = Outcome::Done;
    }
    Ok(answer)
}

async fn collect(args: &Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let which = match &args.run {
        Some(text) => Which::Named(RunText::try_from(text.clone()).context(|| "--run".to_owned())?),
        None if args.latest => Which::Latest,
        None => {
            return Err(Error::usage("--collect: which run?")
                .hint("pass --run with the text of its shards, or --latest"));
        }
    };
    let fleet = fleet(args, &access, &config, run).await?;
    let sources: Vec<String> = config.sources.iter().map(|one| one.name.clone()).collect();
    let notify = notify(&access, &config, run).await;
    let collector = Collector {
        fleet: &fleet,
        sources: &sources,
        ended: args.ended,
        snapshot_expire: snapshot_expire(&Choice::default(), &access, &config, run).await,
        notify: &notify,
    };
    let report = collector.run(&which, run.context()).await?;
    schedule::nightly_answer(&report, None)
}

async fn fleet(args: &Args, access: &Access, config: &Config, run: &Run) -> Result<Fleet> {
    let access = access.clone().with_trust()?;
    let (repository, signer) = connect::signed(&access, config, run).await?;
    Ok(Fleet {
        repository,
        signer,
        trust: access.trust,
        lock: config.lock.policy,
        max_lock_days: config.lock.max_lock_days,
        run_hours: args.run_hours,
    })
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
