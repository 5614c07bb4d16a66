//! `lifeboat prove`

use super::at_once::AtOnceArgs;
use super::drill::{self, snapshot};
use super::run::{Access, Answer, ChoiceArgs, DatabaseFilter, Run};
use super::{accounts, connect, promote, schedule, status};
use crate::compute::default_jobs;
use crate::config::Config;
use crate::drill::Options as DrillOptions;
use crate::error::{Error, Result};
use crate::keys::identities::IdentitySource;
use crate::model::choice::Choice;
use crate::prove::{self, Options};
use crate::schedule::SnapshotDrill;

/// The backup account's schedule: verify every byte, drill, promote, and show the status
///
/// For the newest restore point of each database, and the newest snapshot copy of each source where
/// there is a place for its drill. Takes every step whatever became of the others, and
/// ends with one report and one exit code: 1 where a step failed, 3 where one has findings.
///
/// With --source or --database it verifies and drills only those, and the snapshot copies of those sources;
/// promotion and status are about all that there is.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat prove\n  \
       lifeboat prove --identity drills.key --json\n  \
       lifeboat prove --source prod --database 'app_*'"
))]
pub(super) struct Args {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    at_once: AtOnceArgs,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let choice = args.choice.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let identities = connect::identity_source(&access, run);
    let options = options(choice, args.at_once, &access, &config, &identities, run).await;
    schedule::answer(&prove::run(options, run.context()).await?)
}

async fn options<'a>(
    choice: Choice,
    at_once: AtOnceArgs,
    access: &Access,
    config: &Config,
    identities: &'a Result<IdentitySource<'a>>,
    run: &Run,
) -> Options<'a> {
    let accounts = &access.accounts;
    let all = DatabaseFilter::default;
    let backup = accounts.backup.as_ref();
    let backup = backup.map(|_| accounts::backup(accounts, run));
    let notify = schedule::notify(&config.notify, backup, access).await;
    let turns = at_once.of_proof(Some(config));
    let drill = drill::options(access, Some(config), run).await;
    let jobs = turns.share(default_jobs());
    Options {
        repository: connect::repository(access, run).await,
        trust: access.trust.clone(),
        identities: identities.as_ref().map_err(Error::repeat),
        drill: drill.map(|drill| DrillOptions {
            jobs: Some(jobs),
            ..drill
        }),
        snapshot_drills: snapshot_drills(&choice, access, config, identities, run).await,
        promote: promote::options(all(), false, config, access),
        status: status::inputs(access, config, all(), run).await,
        notify,
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
