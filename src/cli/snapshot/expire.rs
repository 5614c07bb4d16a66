//! `lifeboat snapshot expire`

use super::{copies_account, in_region};
use crate::cli::accounts;
use crate::cli::output::{Answer, Outcome};
use crate::cli::render::{self, Page, Table};
use crate::cli::run::Run;
use crate::config::{Accounts, Config};
use crate::error::{Error, Result};
use crate::snapshot::expire::{self, Keep, Report, Side};

/// Delete snapshots that are no longer needed
///
/// In the source account: intermediate snapshots whose copy is in the backup account, checked. In
/// the backup account: copies beyond what [snapshot] keeps; never the newest one, never one with
/// the tag lifeboat:hold, and never so many that fewer than keep_verified verified ones are left.
/// Only what lifeboat named and tagged is looked at. It only prints what would go, unless
/// snapshot.expire is true.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat snapshot expire --dry-run\n  \
       lifeboat snapshot expire --source-account\n  \
       lifeboat snapshot expire --backup-account --json"
))]
pub struct Args {
    /// Intermediates in the source account [default: where its expire_role_arn is configured]
    #[arg(long)]
    source_account: bool,
    /// Copies in the backup account [default: where its expire_role_arn is configured]
    #[arg(long, conflicts_with = "source_account")]
    backup_account: bool,
    /// Delete nothing, whatever the configuration says
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Intermediates in the source account.
    pub fn intermediates() -> Self {
        Self {
            source_account: true,
            ..Self::default()
        }
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let (on_source, on_backup) = args.sides(&access.accounts)?;
    let accounts = &access.accounts;
    let source = if on_source {
        Some(source_side(accounts, &config, run).await?)
    } else {
        None
    };
    let backup = if on_backup {
        let configured = accounts::configured(&accounts.backup, "backup_account")?;
        let account = accounts::expire("backup account", configured, run).await?;
        Some(in_region(account, &config.snapshot))
    } else {
        None
    };
    let mut sides = Vec::new();
    if let Some((source, backup, kms_key)) = &source {
        sides.push(Side::Source {
            source,
            backup,
            kms_key,
        });
    }
    if let Some(backup) = &backup {
        let keep = config.snapshot.keep;
        sides.push(Side::Backup {
            backup,
            keep: Keep {
                days: keep.days,
                weeks: keep.weeks,
                months: keep.months,
                verified: keep.verified,
            },
        });
    }
    let deletes = config.snapshot.expire && !args.dry_run;
    let report = expire::run(&sides, deletes, run.context()).await?;
    let outcome = if report.failures.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed
    };
    Answer::new(&report, text(&report, args.dry_run), outcome)
}

async fn source_side(
    accounts: &Accounts,
    config: &Config,
    run: &Run,
) -> Result<(crate::aws::Account, crate::aws::Account, String)> {
    let kms_key = config.snapshot.kms_key.clone().ok_or_else(|| {
        Error::usage(format!(
            "{} names no snapshot.kms_key",
            config.file.display()
        ))
        .hint("an intermediate goes only where its copy lies under that key")
    })?;
    let configured = accounts::configured(&accounts.source, "source_account")?;
    let source = accounts::expire("source account", configured, run).await?;
    let backup = copies_account(accounts, &config.snapshot, run).await?;
    Ok((source, backup, kms_key))
}

impl Args {
    /// Whether on the source's side, and whether on the backup's.
    fn sides(&self, accounts: &Accounts) -> Result<(bool, bool)> {
        if self.source_account || self.backup_account {
            return Ok((self.source_account, self.backup_account));
        }
        let has_role = |side: &Option<crate::config::accounts::Account>| {
            side.as_ref().is_some_and(|side| side.expire_role.is_some())
        };
        match (has_role(&accounts.source), has_role(&accounts.backup)) {
            (false, false) => Err(Error::usage(
                "in which account? The configuration names an expire_role_arn of neither",
            )
            .hint("name it there, or pass --source-account or --backup-account")),
            sides => Ok(sides),
        }
    }
}

fn text(report: &Report, dry_run: bool) -> Page {
    let mut table = Table::new(&["", "source", "account", "snapshot", "taken at", "why"]);
    for line in &report.snapshots {
        let fate = match (line.goes, line.deleted) {
            (_, true) => "deleted",
            (true, false) => "to go",
            (false, _) => "stays",
        };
        table.row([
            fate.to_owned(),
            line.source.clone(),
            line.side.replace(" account", ""),
            line.name.clone(),
            render::time(line.taken_at),
            line.reason.clone(),
        ]);
    }
    let mut page = Page::default();
    if table.is_empty() {
        page.line("no snapshot of lifeboat");
    } else {
        page.table(&table);
    }
    let going = report.snapshots.iter().any(|line| line.goes);
    if going && !report.deletes && !dry_run {
        page.space();
        page.line("Nothing was deleted: snapshot.expire is not true in the configuration.");
    }
    for failure in &report.failures {
        page.line(format_args!("failed: {failure}"));
    }
    page
}
