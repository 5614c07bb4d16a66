//! `lifeboat hold`

use super::point::until;
use super::run::{Answer, Page, PointArgs, Run};
use super::{connect, render};
use crate::error::{Result, ResultExt};
use crate::hold::{self, Report};
use crate::outcome::Outcome;

/// Extend the lock of a restore point
///
/// The first step of an emergency: while nothing new is made, the last good restore point must not
/// age out. Locks are only ever extended, never shortened.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat hold latest --until 90d\n  \
       lifeboat hold 20261121T020000Z-k3v9q2 --until 2027-01-31\n  \
       lifeboat hold latest --database courses --until 2027-01-31T12:00:00Z"
))]
pub(super) struct Args {
    #[command(flatten)]
    point: PointArgs,
    /// Through this day in UTC (2027-01-31), to a moment (2027-01-31T12:00:00Z), or for a number
    /// of days from now (90d); at most max_lock_days (400 unless configured)
    #[arg(long, value_name = "DATE", allow_hyphen_values = true)]
    until: String,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let point = args.point.resolve()?;
    let access = run.globals.access()?.with_trust()?;
    let until = until(&args.until, run.clock.now(), access.max_lock_days)
        .context(|| "--until".to_owned())?;
    let point = connect::restore_point(&access, &point, run).await?;
    let report = hold::hold(&point, until, access.max_lock_days, run.context()).await?;
    let outcome = Outcome::from_counts(report.failures.len(), 0);
    Answer::new(&report, text(&report), outcome)
}

fn text(report: &Report) -> Page {
    let mut page = Page::from(format_args!(
        "{} of {}/{}: {} locked at least until {}",
        report.id,
        report.source,
        report.database,
        render::counted(report.objects, "object", "objects"),
        render::time(report.locked_until),
    ));
    if !report.failures.is_empty() {
        page.line("not held, as they are gone or damaged:");
        page.lines(" ", &report.failures);
        page.line("hold an older restore point too: `lifeboat list` shows them");
    }
    page
}
