//! `lifeboat verify`

use super::globals::Access;
use super::output::Answer;
use super::point::{Point, PointArgs};
use super::{Run, not_yet};
use crate::error::Result;

/// Verify that a restore point is complete, unchanged and locked
///
/// Checks the signature, and of every object its presence, size, checksum and lock, as the store
/// reports them. With --data every byte is read again; with --identity too, it is also opened, and
/// each table's row count and digest is compared.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat verify latest\n  \
       lifeboat verify latest --database courses --data --identity break-glass.key\n  \
       lifeboat verify 20261121T020000Z-k3v9q2 --repository /mnt/backup --trust FINGERPRINT"
))]
pub struct Args {
    #[command(flatten)]
    point: PointArgs,
    /// Read every stored byte again
    #[arg(long)]
    data: bool,
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    pub point: Point,
    pub data: bool,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        Ok(Options {
            point: self.point.resolve()?,
            data: self.data,
            access: run.globals.access()?.with_trust()?,
        })
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let _options: Options = args.resolve(run)?;
    not_yet("verify")
}
