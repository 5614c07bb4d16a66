//! `lifeboat snapshot list`, and the copies in `lifeboat list`

use crate::cli::point::check_source;
use crate::cli::run::{Answer, Page, Run};
use crate::cli::{accounts, render};
use crate::error::Result;
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
    let (access, _) = run.globals.access_and_config()?;
    check_source(args.source.as_deref())?;
    let account = accounts::copies(&access.accounts, run).await?;
    let listing = list::list(&account, args.source.as_deref()).await?;
    let failed = |copy: &&CopyPoint| copy.status.starts_with("fail");
    let failed = listing.copies.iter().filter(failed).count();
    let outcome = Outcome::from_counts(0, failed);
    Answer::new(&listing, text(&listing), outcome)
}

fn text(listing: &Listing) -> Page {
    let (account, region) = (&listing.account, &listing.region);
    let none = format!("no snapshot copy in account {account}, {region}");
    let mut page = Page::default();
    show(&mut page, &listing.copies, &none);
    page
}

/// Copies as a table, or a line where there is none.
pub(crate) fn show(page: &mut Page, copies: &[CopyPoint], none: &str) {
    let rows = copies.iter().map(|copy| {
        let held = if copy.held { ", held" } else { "" };
        let percent = match copy.status.as_str() {
            "available" => String::new(),
            _ => format!(" {} %", copy.percent),
        };
        [
            copy.source.clone(),
            format!("{} {}", copy.kind, copy.identifier),
            copy.id.to_string(),
            render::time(copy.taken_at),
            copy.allocated_gib.to_string(),
            format!("{}{percent}{held}", copy.status),
            copy.verified.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    });
    let headers = "source | snapshot of | restore point | taken at | >GiB | status | verified";
    page.table_or(headers, rows, none);
}
