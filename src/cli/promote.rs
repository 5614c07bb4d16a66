//! `lifeboat promote`

use super::run::{Access, Answer, DatabaseFilter, Page, Run};
use super::{connect, render};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::promote::{self, Options, Promoted, Report, Tier};

/// Lock the first drilled points of each week, month and year for longer
///
/// Exports are locked for lock.daily_days. This extends the locks of the first restore points of each ISO
/// week, month and year (UTC): all that were stored within 1¼ limits.export_every of the first one and that a
/// drill found sound, to lock.weekly_days, monthly_days and yearly_days from when the store received them. Where
/// they are more than limits.contested_limit, none is chosen: all are held for lock.daily_days at a time, which is
/// a finding until a person chooses one with lifeboat hold. It may run at any time and again; locks are only ever
/// extended.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat promote --dry-run\n  \
       lifeboat promote\n  \
       lifeboat promote --source prod --database courses --json"
))]
pub(super) struct Args {
    #[command(flatten)]
    filter: DatabaseFilter,
    /// Only show which points would be locked until when
    #[arg(long)]
    dry_run: bool,
}

/// `None`: the configuration sets no tier.
pub(super) fn options(
    filter: DatabaseFilter,
    dry_run: bool,
    config: &Config,
    access: &Access,
) -> Option<Options> {
    (!config.tiers.is_empty()).then_some(Options {
        source: filter.source,
        database: filter.database,
        tiers: config.tiers,
        daily_days: config.lock.daily_days,
        export_every: config.limits.export_every,
        contested_limit: config.limits.contested_limit,
        only_crowded: false,
        max_lock_days: access.max_lock_days,
        dry_run,
    })
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let options = options(filter, args.dry_run, &config, &access).ok_or_else(|| {
        Error::usage(format!(
            "{} sets no tier to promote to",
            config.file.display()
        ))
        .hint("set lock.weekly_days, lock.monthly_days or lock.yearly_days")
    })?;
    let access = access.with_trust()?;
    let repository = connect::repository(&access, run).await?;
    let report = promote::run(&repository, &access.trust, &options, run.context()).await?;
    answer(&report)
}

pub(super) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text(report), report.outcome())
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    let rows = report.points.iter().map(|point| {
        [
            point.source.clone(),
            point.database.clone(),
            point.id.to_string(),
            periods(&point.tiers),
            render::time(point.locked_until),
            done(point, report.dry_run).to_owned(),
        ]
    });
    let headers = "source | database | restore point | first of its | locked until | ";
    let none = format!(
        "no drilled restore point to promote in {}",
        report.repository
    );
    page.table_or(headers, rows, none);
    page.lines("finding:", &report.findings);
    page.lines("FAILED", &report.failures);
    page
}

fn done(point: &Promoted, dry_run: bool) -> &'static str {
    match (point.extended, dry_run) {
        (true, true) => "would be extended",
        (true, false) => "extended",
        (false, _) => "as it was",
    }
}

fn periods(tiers: &[Tier]) -> String {
    if tiers.is_empty() {
        return "held".to_owned();
    }
    tiers
        .iter()
        .map(|tier| tier.period())
        .collect::<Vec<_>>()
        .join(", ")
}
