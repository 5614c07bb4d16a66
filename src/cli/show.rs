//! `lifeboat show`

use super::globals::Access;
use super::output::Answer;
use super::point::{Point, PointArgs};
use super::{Run, not_yet};
use crate::error::Result;

/// Show what one restore point holds
///
/// Times, sizes, rows, lock, who can open it, and what it does not cover. Names of tables are
/// sealed: with --identity they are shown too.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat show latest\n  \
       lifeboat show 20261121T020000Z-k3v9q2 --identity break-glass.key\n  \
       lifeboat show latest --source prod --database courses --json"
))]
pub struct Args {
    #[command(flatten)]
    point: PointArgs,
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    pub point: Point,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        Ok(Options {
            point: self.point.resolve()?,
            access: run.globals.access()?.with_trust()?,
        })
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let _options: Options = args.resolve(run)?;
    not_yet("show")
}
