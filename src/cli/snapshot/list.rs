//! `lifeboat snapshot list`, and the copies in `lifeboat list`

use super::{copies_account, meant};
use crate::cli::globals::Access;
use crate::cli::output::{Answer, Outcome};
use crate::cli::render::{self, Page, Table};
use crate::cli::run::Run;
use crate::config::Config;
use crate::error::{Result, ResultExt};
use crate::snapshot::list::{self, CopyPoint, Listing};

/// List snapshot copies, newest last
///
/// What RDS shows in the backup account; copies in the making and failed ones too.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat snapshot list\n  \
       lifeboat snapshot list --source prod --json"
))]
pub struct Args {
    /// Only copies of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    if let Some(name) = &args.source {
        crate::config::source::check_name(name).context(|| "--source".to_owned())?;
    }
    let account = copies_account(&access.accounts, &config.snapshot, run).await?;
    let listing = list::list(&account, args.source.as_deref()).await?;
    let outcome = if listing
        .copies
        .iter()
        .any(|copy| copy.status.starts_with("fail"))
    {
        Outcome::Findings
    } else {
        Outcome::Done
    };
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
pub fn table(copies: &[CopyPoint]) -> Table {
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

/// The copies for `lifeboat list`: none where the configuration has no backup account, or no source
/// with snapshots to copy, and RDS is not asked then. `Err`: a finding; exports are listed all the
/// same.
pub async fn beside_exports(
    access: &Access,
    config: &Config,
    source: Option<&str>,
    run: &Run,
) -> Result<Option<Vec<CopyPoint>>> {
    let named = config.sources.iter().filter_map(meant);
    let wanted = named.filter(|one| source.is_none_or(|source| one.name == source));
    if access.accounts.backup.is_none() || wanted.count() == 0 {
        return Ok(None);
    }
    let account = copies_account(&access.accounts, &config.snapshot, run).await?;
    Ok(Some(list::list(&account, source).await?.copies))
}
