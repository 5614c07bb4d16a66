//! `lifeboat snapshot expire`

use crate::cli::run::{Access, Answer, Page, Run};
use crate::cli::{accounts, render};
use crate::config::accounts::Account;
use crate::config::{Accounts, Config};
use crate::error::{Error, Result};
use crate::model::choice::Choice;
use crate::schedule::{Copies, Intermediates, SnapshotExpire};
use crate::snapshot::expire::{AT_MOST, Limits, Report};

/// Delete snapshots that are no longer needed
///
/// In the source account: intermediate snapshots whose copy is in the backup account, checked. In
/// the backup account: copies beyond what [snapshot] keeps; never one of the newest day, never one with the tag
/// lifeboat:hold, never one of the last keep_verified verified ones, never one of a day with more copies than
/// copies_a_day, and none before a drill has verified another one.
/// Only what lifeboat named and tagged is looked at. It only prints what would go, unless
/// snapshot.expire is true.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat snapshot expire --dry-run\n  \
       lifeboat snapshot expire --source-account\n  \
       lifeboat snapshot expire --backup-account --json"
))]
pub(crate) struct Args {
    /// Intermediates in the source account [default: where its expire_role_arn is configured]
    #[arg(long)]
    source_account: bool,
    /// Copies in the backup account [default: where its expire_role_arn is configured]
    #[arg(long, conflicts_with = "source_account")]
    backup_account: bool,
    /// Delete at most this many of a source in one run
    #[arg(long, value_name = "N", default_value_t = AT_MOST)]
    at_most: usize,
    /// Delete nothing, whatever the configuration says
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let sides = args.sides(&access.accounts)?;
    let mut expire = inputs(sides, &access, &config, run).await?;
    expire.limits.deletes &= !args.dry_run;
    expire.limits.at_most = args.at_most;
    answer(&expire.run(run.context()).await?, args.dry_run)
}

pub(crate) fn answer(report: &Report, dry_run: bool) -> Result<Answer> {
    Answer::new(report, text(report, dry_run), report.outcome())
}

/// In the source account, in the backup account, or in both, as it is configured.
pub(crate) async fn inputs(
    (in_source, in_backup): (bool, bool),
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<SnapshotExpire> {
    let (accounts, settings) = (&access.accounts, &config.snapshot);
    let intermediates = match in_source {
        true => Some(intermediates(accounts, config, run).await?),
        false => None,
    };
    let copies = match in_backup {
        true => Some(Copies {
            backup: accounts::expire_in_backup(accounts, run).await?,
            keep: settings.keep,
            kms_key: settings.kms_key.clone(),
        }),
        false => None,
    };
    Ok(SnapshotExpire {
        intermediates,
        copies,
        limits: Limits {
            deletes: settings.expire,
            at_most: AT_MOST,
        },
    })
}

async fn intermediates(accounts: &Accounts, config: &Config, run: &Run) -> Result<Intermediates> {
    let kms_key = config.snapshot.kms_key.clone().ok_or_else(|| {
        let error = config.lacks("snapshot.kms_key");
        error.hint("an intermediate goes only where its copy lies under that key")
    })?;
    Ok(Intermediates {
        source: accounts::expire_in_source(accounts, run).await?,
        backup: accounts::copies(accounts, run).await?,
        kms_key,
        choice: Choice::default(),
    })
}

impl Args {
    /// Whether on the source's side, and whether on the backup's.
    fn sides(&self, accounts: &Accounts) -> Result<(bool, bool)> {
        if self.source_account || self.backup_account {
            return Ok((self.source_account, self.backup_account));
        }
        let has_role = |account: &Option<Account>| {
            (account.as_ref()).is_some_and(|account| account.expire_role.is_some())
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
    let rows = report.snapshots.iter().map(|line| {
        let fate = match (line.goes, line.deleted) {
            (_, true) => "deleted",
            (true, false) => "to go",
            (false, _) => "stays",
        };
        [
            fate.to_owned(),
            line.source.clone(),
            line.side.replace(" account", ""),
            line.name.clone(),
            render::time(line.taken_at),
            line.reason.clone(),
        ]
    });
    let mut page = Page::default();
    let headers = " | source | account | snapshot | taken at | why";
    page.table_or(headers, rows, "no snapshot of lifeboat");
    let going = report.snapshots.iter().any(|line| line.goes);
    if going && !report.deletes && !dry_run {
        page.space();
        page.line("Nothing was deleted: snapshot.expire is not true in the configuration.");
    }
    page.lines("finding:", &report.findings);
    page.lines("failed:", &report.failures);
    page
}
