//! `lifeboat snapshot list`, and the copies in `lifeboat list`

use crate::cli::accounts;
use crate::cli::output::Answer;
use crate::cli::render::{self, Page, Table};
use crate::cli::run::Run;
use crate::config::source::check_name;
use crate::error::{Result, ResultExt};
use crate::outcome::Outcome;
use crate::snapshot::list::{self, CopyPoint, Listing};

/// List snapshot copies, newest last
///
/// What RDS shows in the backup account; copies in the making and failed ones too.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat snapshot list\n  \
       lifeboat snapshot list --source prod --json"
))]
pub(crate) struct Args {
    /// Only copies of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

pub(crate) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    if let Some(name) = &args.source {
        check_name(name).context(|| "--source".to_owned())?;
    }
    let account = accounts::copies(&access.accounts, &config.snapshot, run).await?;
    let listing = list::list(&account, args.source.as_deref()).await?;
    let failed = |copy: &&CopyPoint| copy.status.starts_with("fail");
    let failed = listing.copies.iter().filter(failed).count();
    let outcome = Outcome::from_counts(0, failed);
    Answer::new(&listing, text(&listing), outcome)
}

fn text(listing: &Listing) -> Page {
    if listing.copies.is_empty() {
        return Page::from(format_args!(
            "no snapshot copy in account {}, {}",
            listing.account, listing.region
        ));
    }
    let mut page = Page::default();
    page.table(&table(&listing.copies));
    page
}

/// Copies as a table.
pub(crate) fn table(copies: &[CopyPoint]) -> Table {
    let mut table = Table::new(&[
        "source",
        "snapshot of",
        "restore point",
        "taken at",
        ">GiB",
        "status",
        "verified",
    ]);
    for copy in copies {
        let held = if copy.held { ", held" } else { "" };
        let percent = match copy.status.as_str() {
            "available" => String::new(),
            _ => format!(" {} %", copy.percent),
        };
        table.row([
            copy.source.clone(),
            format!("{} {}", copy.kind, copy.identifier),
            copy.id.to_string(),
            render::time(copy.taken_at),
            copy.allocated_gib.to_string(),
            format!("{}{percent}{held}", copy.status),
            copy.verified.clone().unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table
}
