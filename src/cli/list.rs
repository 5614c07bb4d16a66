//! `lifeboat list`

use super::globals::Access;
use super::output::Answer;
use super::point::{Of, OfArgs};
use super::{Run, not_yet};
use crate::error::Result;

/// List restore points, newest last
///
/// Reads all versions, so delete markers hide nothing. Also shows what exports that did not finish
/// left behind, with its size and when its lock ends.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat list\n  \
       lifeboat list --database courses --json\n  \
       lifeboat list --repository s3://backup-bucket/prod --trust FINGERPRINT"
))]
pub struct Args {
    #[command(flatten)]
    of: OfArgs,
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    pub of: Of,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        Ok(Options {
            of: self.of.resolve()?,
            access: run.globals.access()?,
        })
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let _options: Options = args.resolve(run)?;
    not_yet("list")
}
