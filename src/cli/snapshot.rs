//! `lifeboat snapshot …`

pub(super) mod copy;
pub(super) mod expire;
pub(super) mod list;
pub(super) mod restore;

use super::run::{Answer, Run};
use crate::error::Result;

/// Copies of RDS snapshots in the backup account
///
/// A snapshot is the whole instance as it stood on disk, restored by RDS within minutes or hours;
/// an export is the rows, restored anywhere. Have both. RDS snapshots cannot be locked, in any
/// account: a copy is as safe as the list of who may delete it.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(super) struct Args {
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

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    match args.command {
        Command::Copy(args) => copy::run(args, run).await,
        Command::List(args) => list::run(args, run).await,
        Command::Expire(args) => expire::run(args, run).await,
        Command::Restore(args) => restore::run(args, run).await,
    }
}
