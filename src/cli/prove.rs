//! `lifeboat prove`

use super::at_once::AtOnceArgs;
use super::drill::{self, snapshot};
use super::fleet::FleetArgs;
use super::run::{Access, Answer, ChoiceArgs, DatabaseFilter, Run};
use super::{accounts, connect, promote, schedule, status};
use crate::compute::default_jobs;
use crate::config::Config;
use crate::drill::Options as DrillOptions;
use crate::error::{Error, Result};
use crate::keys::identities::IdentitySource;
use crate::model::choice::Choice;
use crate::model::run::RunPurpose;
use crate::prove::{self, Options, Whole};
use crate::repository::Repository;
use crate::schedule::SnapshotDrill;

/// The backup account's schedule: verify every byte, drill, promote, and show the status
///
/// For the newest restore point of each database, and the newest snapshot copy of each source where
/// there is a place for its drill. Takes every step whatever became of the others, and
/// ends with one report and one exit code: 1 where a step failed, 3 where one has findings.
///
/// With --source or --database it verifies and drills only those, and the snapshot copies of those sources;
/// promotion and status are about all that there is.
///
/// Where exports name stored parts again, it drills an older point of the database as well, drawn by chance. Of damage
/// it stores a signed statement, as of a drill: the next export then names no stored part again.
///
/// As one shard of a run it verifies and drills the databases that the run's plan gives to it. The first shard makes the
/// plan, the last one to report promotes, shows the status and notifies, for all; `--collect` promotes and shows the
/// status of a run that has ended, too, and notifies where nobody did. Shard and run come from --shard and --run, or from the engine, as of `nightly`.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat prove\n  \
       lifeboat prove --identity drills.key --json\n  \
       lifeboat prove --shard 0/10 --run 2026-11-21\n  \
       lifeboat prove --collect --latest --ended\n  \
       lifeboat prove --source prod --database 'app_*'"
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
    let which = match args.fleet.collect {
        true => Some(args.fleet.which()?),
        false => None,
    };
    let shard = match which {
        Some(_) => None,
        None => args.fleet.identify()?,
    };
    let choice = args.choice.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let repository = connect::repository(&access, run).await;
    let whole = whole(&repository, &access, &config, run).await;
    if let Some(which) = which {
        let fleet = args.fleet.fleet(RunPurpose::Prove, &access, &config, run);
        let fleet = fleet.await?;
        return args.fleet.collect(&which, whole, &fleet, run).await;
    }
    let identities = connect::identity_source(&access, run);
    let options = options(
        choice,
        args.at_once,
        repository,
        &access,
        &config,
        &identities,
        run,
    );
    let options = options.await;
    let Some(shard) = shard else {
        let report = prove::run(options, whole, run.context()).await?;
        return schedule::shared_answer(&report, None);
    };
    let fleet = args.fleet.fleet(RunPurpose::Prove, &access, &config, run);
    // What is proven lies in one store: no server is asked, so nothing is kept together.
    let (fleet, spread, tasks) = (fleet.await?, true, (options, whole));
    args.fleet.run_shard(shard, spread, tasks, fleet, run).await
}

async fn whole(
    repository: &Result<Repository>,
    access: &Access,
    config: &Config,
    run: &Run,
) -> Whole {
    let accounts = &access.accounts;
    let all = DatabaseFilter::default;
    let backup = accounts.backup.as_ref();
    let backup = backup.map(|_| accounts::backup(accounts, run));
    Whole {
        repository: match repository {
            Ok(repository) => Ok(repository.clone()),
            Err(error) => Err(error.repeat()),
        },
        trust: access.trust.clone(),
        promote: promote::options(all(), false, config, access),
        status: status::inputs(access, config, all(), run).await,
        notify: schedule::notify(&config.notify, backup, access).await,
    }
}

async fn options<'a>(
    choice: Choice,
    at_once: AtOnceArgs,
    repository: Result<Repository>,
    access: &Access,
    config: &Config,
    identities: &'a Result<IdentitySource<'a>>,
    run: &Run,
) -> Options<'a> {
    let turns = at_once.of_proof(Some(config));
    let drill = drill::options(access, Some(config), run).await;
    let jobs = turns.share(default_jobs());
    Options {
        repository,
        trust: access.trust.clone(),
        identities: identities.as_ref().map_err(Error::repeat),
        drill: drill.map(|drill| DrillOptions {
            jobs: Some(jobs),
            ..drill
        }),
        snapshot_drills: snapshot_drills(&choice, access, config, identities, run).await,
        promote: promote::options(DatabaseFilter::default(), false, config, access),
        choice,
        turns,
    }
}

/// The newest copy of each chosen source, where there is a place for its drill.
async fn snapshot_drills<'a>(
    choice: &Choice,
    access: &Access,
    config: &Config,
    identities: &'a Result<IdentitySource<'a>>,
    run: &Run,
) -> Vec<(String, Result<SnapshotDrill<'a>>)> {
    let mut drills = Vec::new();
    if config.drill.network.is_none() {
        return drills;
    }
    let copied = status::copied_sources(config, &DatabaseFilter::default());
    for source in copied.into_iter().filter(|one| choice.has_source(one)) {
        let drill = match identities {
            Ok(identities) => {
                snapshot::inputs("latest", Some(&source), identities, access, config, run).await
            }
            Err(error) => Err(error.repeat()),
        };
        drills.push((source, drill));
    }
    drills
}
