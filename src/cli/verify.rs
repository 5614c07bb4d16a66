//! `lifeboat verify`

use super::connect::RestorePoints;
use super::run::{Answer, ChoiceArgs, Page, Run};
use super::{connect, render, schedule};
use crate::error::Result;
use crate::schedule as use_case;
use crate::verify::Report;

/// Verify that a restore point is complete, unchanged and locked
///
/// Checks the signature, and of every object its presence, size, checksum and lock, as the store
/// reports them. With --data every byte is read again; where an identity is at hand too, by
/// --identity or kept by KMS, it is also opened, and each table's row count and digest is compared.
///
/// Where --source and --database name several databases, the newest point of each is verified, whatever became of
/// the others.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat verify latest\n  \
       lifeboat verify latest --database courses --data --identity break-glass.key\n  \
       lifeboat verify latest --source prod --database 'app_*'\n  \
       lifeboat verify 20261121T020000Z-k3v9q2 --repository /mnt/backup --trust FINGERPRINT"
))]
pub(super) struct Args {
    /// The restore point: an id as `lifeboat list` shows it, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Read every stored byte again
    #[arg(long)]
    data: bool,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (which, choice) = (args.id.parse()?, args.choice.resolve()?);
    let access = run.globals.access()?.with_trust()?;
    let identities = connect::identity_source(&access, run)?;
    let points = connect::restore_points(&access, &which, &choice, run).await?;
    let (identities, context) = (args.data.then_some(&identities), run.context());
    match points {
        RestorePoints::One(point) => answer(&use_case::verify(&point, identities, context).await?),
        RestorePoints::Each(points) => {
            schedule::answer(&use_case::verify_each(&points, identities, context).await?)
        }
    }
}

pub(super) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text(report), report.outcome())
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    page.lines("problem:", &report.problems);
    if report.problems_in_all > report.problems.len() as u64 {
        let all = render::count(report.problems_in_all);
        page.line(format_args!("{all} problems in all"));
    }
    page.lines("finding:", &report.findings);
    let depth = match (report.data, report.rows) {
        (false, _) if report.listed => {
            "parts as listings and locks show them: these credentials may not read them".to_owned()
        }
        (false, _) => "as the store reports them; --data reads every byte".to_owned(),
        (true, None) => "every byte read; --identity also opens and counts".to_owned(),
        (true, Some(rows)) => {
            let rows = render::counted(rows, "row", "rows");
            match report.problems_in_all {
                0 => format!("every byte read, {rows} counted and digested again"),
                _ => format!(
                    "every byte read; what is damaged was not opened, {rows} of the rest counted and \
                     digested again"
                ),
            }
        }
    };
    page.line(format_args!(
        "{} of {}/{}: {}, {}, {depth} ({})",
        report.id,
        report.source,
        report.database,
        render::counted(report.objects, "object", "objects"),
        render::bytes(report.stored_bytes),
        render::seconds(report.seconds),
    ));
    if !report.locked {
        page.line("not locked: anybody who may write there may delete it");
    }
    page.line(match report.problems_in_all {
        0 => "sound",
        _ if report.locked => "DAMAGED: hold and restore another point",
        _ => "DAMAGED: restore another point",
    });
    page
}
