//! `lifeboat verify`

use std::time::Duration;

use super::globals::Access;
use super::output::{Answer, Outcome};
use super::point::{OfArgs, Point, PointArgs};
use super::render::{self, Page};
use super::run::Run;
use super::{connect, kms};
use crate::error::Result;
use crate::verify::{self, Report};

/// Verify that a restore point is complete, unchanged and locked
///
/// Checks the signature, and of every object its presence, size, checksum and lock, as the store
/// reports them. With --data every byte is read again; where an identity is at hand too, by
/// --identity or kept by KMS, it is also opened, and each table's row count and digest is compared.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat verify latest\n  \
       lifeboat verify latest --database courses --data --identity break-glass.key\n  \
       lifeboat verify 20261121T020000Z-k3v9q2 --repository /mnt/backup --trust FINGERPRINT"
))]
pub struct Args {
    #[command(flatten)]
    point: PointArgs,
    /// Read every stored byte again
    #[arg(long)]
    data: bool,
}

impl Args {
    /// What the store says of this point.
    pub fn of(id: &str) -> Self {
        Self {
            point: PointArgs {
                id: id.to_owned(),
                of: OfArgs::default(),
            },
            data: false,
        }
    }

    /// Every byte of a point, an id or `latest`.
    pub fn whole(source: &str, database: &str, id: &str) -> Self {
        Self {
            point: PointArgs {
                id: id.to_owned(),
                of: OfArgs::only(source, database),
            },
            data: true,
        }
    }
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    pub point: Point,
    pub data: bool,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        Ok(Options {
            point: self.point.resolve()?,
            data: self.data,
            access: run.globals.access()?.with_trust()?,
        })
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let Options {
        access,
        point,
        data,
    } = args.resolve(run)?;
    let given = connect::identities(&access)?;
    let point = connect::restore_point(&access, &point, run).await?;
    // Nothing is opened without --data: KMS is not asked.
    let opened = if data {
        kms::identities(given, &access, &point, run).await?
    } else {
        kms::Opened::from(given)
    };
    let mut report = verify::verify(
        &point,
        &opened.identities,
        verify::Options {
            data,
            jobs: None,
            now: run.clock.now(),
        },
        run.progress.as_ref(),
        &run.interrupt,
    )
    .await?;
    if let Some(refused) = &opened.refused {
        report.findings.push(format!(
            "every byte was read, but nothing was opened: {}; {}",
            refused.chain(),
            refused.advice()
        ));
    }
    let outcome = match (report.problems_in_all, report.findings.len()) {
        (0, 0) => Outcome::Done,
        (0, _) => Outcome::Findings,
        _ => Outcome::Failed,
    };
    Answer::new(&report, text(&report), outcome)
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for problem in &report.problems {
        page.line(format_args!("problem: {problem}"));
    }
    if report.problems_in_all > report.problems.len() as u64 {
        let all = render::count(report.problems_in_all);
        page.line(format_args!("{all} problems in all"));
    }
    for finding in &report.findings {
        page.line(format_args!("finding: {finding}"));
    }
    let depth = match (report.data, report.rows) {
        (false, _) if report.listed => {
            "parts as listings and locks show them: these credentials may not read them".to_owned()
        }
        (false, _) => "as the store reports them; --data reads every byte".to_owned(),
        (true, None) => "every byte read; --identity also opens and counts".to_owned(),
        (true, Some(rows)) => format!(
            "every byte read, {} counted and digested again",
            render::counted(rows, "row", "rows")
        ),
    };
    page.line(format_args!(
        "{} of {}/{}: {}, {}, {depth} ({})",
        report.id,
        report.source,
        report.database,
        render::counted(report.objects, "object", "objects"),
        render::bytes(report.stored_bytes),
        render::duration(Duration::from_secs_f64(report.seconds)),
    ));
    if !report.locked {
        page.line("not locked: whoever may write there may delete it");
    }
    page.line(match report.problems_in_all {
        0 => "sound",
        _ => "DAMAGED: hold and restore another point",
    });
    page
}
