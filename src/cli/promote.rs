//! `lifeboat promote`

use super::connect;
use super::globals::Access;
use super::output::{Answer, Outcome};
use super::point::{Of, OfArgs};
use super::render::{self, Page, Table};
use super::run::Run;
use crate::error::{Error, Result};
use crate::promote::{self, Means, Promoted, Report, Tier, Tiers};

/// Lock the oldest drilled point of each week, month and year for longer
///
/// Exports are locked for lock.daily_days. This extends the lock of the oldest restore point of each
/// ISO week, month and year (UTC) that a drill found sound, to lock.weekly_days, monthly_days and
/// yearly_days from its snapshot. It may run at any time and again; locks are only ever extended.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat promote --dry-run\n  \
       lifeboat promote\n  \
       lifeboat promote --source prod --database courses --json"
))]
pub struct Args {
    #[command(flatten)]
    of: OfArgs,
    /// Only tell which points would be locked until when
    #[arg(long)]
    dry_run: bool,
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    pub of: Of,
    pub tiers: Tiers,
    pub dry_run: bool,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        let of = self.of.resolve()?;
        let (access, config) = run.globals.access_and_config()?;
        let tiers = Tiers {
            weekly_days: config.tiers.weekly_days,
            monthly_days: config.tiers.monthly_days,
            yearly_days: config.tiers.yearly_days,
        };
        if tiers.is_empty() {
            return Err(Error::usage(format!(
                "{} sets no tier to promote to",
                config.file.display()
            ))
            .hint("set lock.weekly_days, lock.monthly_days or lock.yearly_days"));
        }
        Ok(Options {
            access: access.with_trust()?,
            of,
            tiers,
            dry_run: self.dry_run,
        })
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let options = args.resolve(run)?;
    let repository = connect::repository(&options.access, run).await?;
    let means = Means {
        repository: &repository,
        trust: &connect::trust(&options.access),
        clock: run.clock.as_ref(),
        progress: run.progress.as_ref(),
    };
    let promote_options = promote::Options {
        source: options.of.source,
        database: options.of.database,
        tiers: options.tiers,
        max_lock_days: options.access.max_lock_days,
        dry_run: options.dry_run,
    };
    let report = promote::run(&means, &promote_options).await?;
    let outcome = match (report.failures.len(), report.findings.len()) {
        (0, 0) => Outcome::Done,
        (0, _) => Outcome::Findings,
        _ => Outcome::Failed,
    };
    Answer::new(&report, text(&report), outcome)
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    let mut table = Table::new(&[
        "source",
        "database",
        "restore point",
        "oldest drilled of",
        "locked until",
        "",
    ]);
    for point in &report.points {
        table.row([
            point.source.clone(),
            point.database.clone(),
            point.id.to_string(),
            periods(&point.tiers),
            render::time(point.locked_until),
            done(point, report.dry_run).to_owned(),
        ]);
    }
    if table.is_empty() {
        let repository = &report.repository;
        page.line(format_args!(
            "no drilled restore point to promote in {repository}"
        ));
    } else {
        page.table(&table);
    }
    for finding in &report.findings {
        page.line(format_args!("finding: {finding}"));
    }
    for failure in &report.failures {
        page.line(format_args!("FAILED {failure}"));
    }
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
    let word = |tier: &Tier| match tier {
        Tier::Weekly => "week",
        Tier::Monthly => "month",
        Tier::Yearly => "year",
    };
    tiers.iter().map(word).collect::<Vec<_>>().join(", ")
}
