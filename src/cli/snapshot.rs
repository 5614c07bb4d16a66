//! `lifeboat snapshot …`

pub mod copy;
pub mod expire;
pub mod list;
pub mod restore;

use super::accounts;
use super::output::Answer;
use super::run::Run;
use crate::aws::Account;
use crate::config::{Accounts, Config, Rds, SnapshotSettings, Source as Configured};
use crate::error::{Error, Result, ResultExt};
use crate::model::snapshot::Kind;
use crate::snapshot::{Patience, Source};

/// Copies of RDS snapshots in the backup account
///
/// A snapshot is the whole instance as it stood on disk, restored by RDS within minutes or hours;
/// an export is the rows, restored anywhere. Have both. RDS snapshots cannot be locked, in any
/// account: a copy is as safe as the list of who may delete it.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Copy(copy::Args),
    List(list::Args),
    Expire(expire::Args),
    Restore(restore::Args),
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    match args.command {
        Command::Copy(args) => copy::run(args, run).await,
        Command::List(args) => list::run(args, run).await,
        Command::Expire(args) => expire::run(args, run).await,
        Command::Restore(args) => restore::run(args, run).await,
    }
}

/// What the use cases take of a source; `None`: its snapshots are not copied.
pub(super) fn meant(source: &Configured) -> Option<Source> {
    let (kind, identifier) = match source.rds.as_ref()? {
        Rds::Instance(name) => (Kind::Instance, name),
        Rds::Cluster(name) => (Kind::Cluster, name),
    };
    Some(Source {
        name: source.name.clone(),
        kind,
        identifier: identifier.clone(),
    })
}

/// The sources that are meant: those of these names, or all that have snapshots to copy.
fn sources(config: &Config, names: &[String]) -> Result<Vec<Source>> {
    let file = config.file.display();
    if names.is_empty() {
        let all: Vec<Source> = config.sources.iter().filter_map(meant).collect();
        if all.is_empty() {
            return Err(Error::usage(format!(
                "{file} names no source with an instance or cluster"
            ))
            .hint("say `instance = \"…\"` or `cluster = \"…\"` in its [[source]]: the identifier in RDS"));
        }
        return Ok(all);
    }
    let one = |name: &String| {
        let source = config.source(name).context(|| "--source".to_owned())?;
        meant(source).ok_or_else(|| {
            Error::usage(format!(
                "--source: {file} names no instance or cluster of source '{name}'"
            ))
            .hint("say `instance = \"…\"` or `cluster = \"…\"` there: the identifier in RDS")
        })
    };
    names.iter().map(one).collect()
}

pub(super) fn patience(settings: &SnapshotSettings) -> Patience {
    Patience {
        poll: settings.poll,
        wait: settings.wait,
    }
}

/// The backup account where copies lie, as the role that makes them.
async fn copies_account(
    accounts: &Accounts,
    settings: &SnapshotSettings,
    run: &Run,
) -> Result<Account> {
    let account = accounts::backup_snapshots(accounts, run).await?;
    Ok(in_region(account, settings))
}

pub(super) fn in_region(account: Account, settings: &SnapshotSettings) -> Account {
    match &settings.region {
        Some(region) => account.in_region(region),
        None => account,
    }
}
