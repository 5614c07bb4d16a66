//! `lifeboat verify`

pub(super) mod text;

use super::at_once::AtOnceArgs;
use super::connect::RestorePoints;
use super::run::{Answer, ChoiceArgs, Run};
use super::{connect, schedule};
use crate::error::Result;
use crate::schedule as use_case;

/// Verify that a restore point is complete, unchanged and locked
///
/// Checks the signature, and of every object its presence, size, checksum and lock, as the store
/// reports them. With --data every byte is read again; where an identity is at hand too, by
/// --identity or kept by KMS, it is also opened, and each table's row count and digest is compared.
///
/// Where --source or --database has a `*` or is repeated, the newest point of each database is verified, whatever
/// became of the others. With --all it is every point of each, and each point that a damaged part hurts is named.
///
/// Credentials that may not read parts look at them by the point's state: of a point that is not the first of its day, at
/// those that it stored itself.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat verify latest\n  \
       lifeboat verify latest --database courses --data --identity break-glass.key\n  \
       lifeboat verify latest --source prod --database 'app_*'\n  \
       lifeboat verify --all --data --identity break-glass.key\n  \
       lifeboat verify 20261121T020000Z-k3v9q2 --repository /mnt/backup --trust FINGERPRINT"
))]
pub(super) struct Args {
    /// The restore point: an id as `lifeboat list` shows it, or `latest`
    #[arg(value_name = "ID", required_unless_present = "all")]
    id: Option<String>,
    /// Verify every restore point of the chosen databases; an object that several name is read once
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Read every stored byte again
    #[arg(long)]
    data: bool,
    #[command(flatten)]
    at_once: AtOnceArgs,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let which = args.id.as_deref().unwrap_or("latest").parse()?;
    let (access, config) = run.globals.access_and_maybe_config()?;
    let access = access.with_trust()?;
    let turns = args.at_once.of_proof(config.as_ref());
    let identities = connect::identity_source(&access, run)?;
    let (identities, context) = (args.data.then_some(&identities), run.context());
    if args.all {
        let points = connect::all_points(&access, &args.choice, turns, run).await?;
        return schedule::answer(&use_case::verify_all(&points, identities, context).await?);
    }
    let points = connect::restore_points(&access, &which, &args.choice, turns, run).await?;
    match points {
        RestorePoints::One(point) => {
            text::answer(&use_case::verify(&point, identities, context).await?)
        }
        RestorePoints::Each(points) => {
            schedule::answer(&use_case::verify_each(&points, identities, context).await?)
        }
    }
}
