//! `lifeboat report`

use std::path::PathBuf;

use serde::Serialize;

use super::file::write_whole;
use super::output::Answer;
use super::point::DatabaseFilter;
use super::render;
use super::run::Run;
use super::{connect, status};
use crate::codec::Identities;
use crate::config::Config;
use crate::error::Result;
use crate::outcome::Outcome;
use crate::report::{self, Limits, Options};
use crate::status::Report as Status;

/// Write one page about all restore points, their locks and drills, for people
///
/// Reads every manifest and every drill's attestation. The page loads nothing and runs no script, so
/// that it can be kept, mailed and printed. What assertions gave is on it only where --identity opens
/// that. What `lifeboat status` finds is on the page, and no failure of writing it: the exit code is 0
/// then, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lifeboat report --html report.html
  lifeboat report --html /srv/reports/$(date +%F).html --source prod
  lifeboat report --html report.html --identity break-glass.key

Exit codes:
  0  written, whatever it says
  1  failed
  2  wrong usage or configuration")]
pub(super) struct Args {
    #[command(flatten)]
    filter: DatabaseFilter,
    /// The file to write; one that is there is replaced in one step
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
}

/// What `report` prints.
#[derive(Debug, Serialize)]
struct Written {
    repository: String,
    file: String,
    bytes: u64,
    databases: u64,
    points: u64,
    drills: u64,
    /// All that are on the page.
    findings: Vec<String>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let repository = connect::repository(&access, run).await?;
    let inputs = status::inputs(&access, &config, filter.clone(), run).await?;
    let status = inputs.run(&repository, run.context()).await?;
    let identities = connect::identities(&access)?;
    let options = options(status, filter, identities, &config)?;
    let page = report::report(&repository, &connect::trust(&access), options).await?;
    repository.note_announced(run.progress.as_ref()).await;
    write_whole(&args.html, &page.html)?;
    let written = Written {
        repository: repository.url().to_owned(),
        file: args.html.display().to_string(),
        bytes: page.html.len() as u64,
        databases: page.databases,
        points: page.points,
        drills: page.drills,
        findings: page.findings,
    };
    Answer::new(&written, text(&written), Outcome::Done)
}

fn options(
    status: Status,
    filter: DatabaseFilter,
    identities: Identities,
    config: &Config,
) -> Result<Options> {
    let recipients = config.recipients.iter();
    Ok(Options {
        source: filter.source,
        database: filter.database,
        now: status.now,
        limits: Limits {
            export_age: status::signed(config.limits.export_age)?,
            copy_age: status::signed(config.limits.copy_age)?,
            drill_age: status::signed(config.limits.drill_age)?,
        },
        databases: status
            .databases
            .into_iter()
            .map(|one| (one.source, one.database))
            .collect(),
        findings: status.findings.iter().map(ToString::to_string).collect(),
        copies: status.copies,
        leftovers: status.leftovers,
        identities,
        recipients: recipients
            .map(|one| (one.key.clone(), one.name.clone()))
            .collect(),
    })
}

fn text(written: &Written) -> String {
    format!(
        "{}: {}, {}, {}, {}, {}",
        written.file,
        render::bytes(written.bytes),
        render::counted(written.databases, "database", "databases"),
        render::counted(written.points, "restore point", "restore points"),
        render::counted(written.drills, "drill", "drills"),
        render::counted(written.findings.len() as u64, "finding", "findings"),
    )
}
