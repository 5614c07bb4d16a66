//! `lifeboat report`

use std::path::PathBuf;

use serde_json::json;

use super::file::write_whole;
use super::run::{Access, Answer, DatabaseFilter, Run};
use super::{connect, promote, render, status};
use crate::codec::Identities;
use crate::config::Config;
use crate::error::Result;
use crate::outcome::Outcome;
use crate::report::{self, Limits, Options};
use crate::repository::{Repository, if_allowed};
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

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let repository = connect::repository(&access, run).await?;
    let inputs = status::inputs(&access, &config, filter.clone(), run).await?;
    let status = inputs.run(&repository, run.context()).await?;
    let identities = Identities::from_files(&access.identities)?;
    let mut options = options(status, filter.clone(), identities, &config)?;
    let contested = contested(&repository, filter, &access, &config, run).await?;
    options.findings.extend(contested);
    let page = report::report(&repository, &access.trust, options).await?;
    repository.note_announced(run.progress.as_ref()).await;
    write_whole(&args.html, &page.html)?;
    let file = args.html.display().to_string();
    let text = format!(
        "{file}: {}, {}, {}, {}, {}",
        render::bytes(page.html.len() as u64),
        render::counted(page.databases, "database", "databases"),
        render::counted(page.points, "restore point", "restore points"),
        render::counted(page.drills, "drill", "drills"),
        render::counted(page.findings.len() as u64, "finding", "findings"),
    );
    let written = json!({
        "repository": repository.url(),
        "file": file,
        "bytes": page.html.len(),
        "databases": page.databases,
        "points": page.points,
        "drills": page.drills,
        "findings": page.findings,
    });
    Answer::new(&written, text, Outcome::Done)
}

/// What `promote` would tell: a person must choose, and this page is what people read.
async fn contested(
    repository: &Repository,
    filter: DatabaseFilter,
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<Vec<String>> {
    let options = promote::options(filter, true, config, access);
    let Some(options) = options.filter(|_| repository.has_locks()) else {
        return Ok(Vec::new());
    };
    let told = crate::promote::run(repository, &access.trust, &options, run.context());
    // The page itself says where drills may not be read.
    if_allowed(told.await.map(|report| report.findings))
}

fn options(
    status: Status,
    filter: DatabaseFilter,
    identities: Identities,
    config: &Config,
) -> Result<Options> {
    let limits = &config.limits.status;
    let databases = status.databases.into_iter();
    Ok(Options {
        source: filter.source,
        database: filter.database,
        now: status.now,
        limits: Limits {
            export_age: limits.export_age,
            copy_age: limits.copy_age,
            drill_age: limits.drill_age,
        },
        databases: databases.map(|one| (one.source, one.database)).collect(),
        findings: status.findings.iter().map(ToString::to_string).collect(),
        copies: status.copies,
        leftovers: status.leftovers,
        identities,
        recipients: config.names_of_recipients(),
    })
}
