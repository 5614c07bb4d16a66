//! `lifeboat report`

use std::path::PathBuf;

use serde_json::json;

use super::file::write_whole;
use super::run::{Access, Answer, DatabaseFilter, Run};
use super::states::StateFilter;
use super::{connect, promote, render, status};
use crate::codec::Identities;
use crate::config::Config;
use crate::error::Result;
use crate::model::id::Id;
use crate::outcome::Outcome;
use crate::promote as promotion;
use crate::report::{self, Limits, Options};
use crate::repository::{Repository, if_allowed};
use crate::status::Report as Status;

/// Write one page about all restore points, their locks and drills, for people
///
/// Reads every manifest and every drill's attestation. Of several databases with more than 200 restore points
/// together, of each that has more than 20, it reads only the newest trusted one and its newest drill; of one with
/// more than 200, every point of the two newest days, and of each day before with more than four the newest trusted
/// one and those that were drilled. The others are counted as not opened; --all opens every one. Where not all are
/// opened, it does not tell of older points that were drilled that they do not open or are not locked: `lifeboat
/// promote --dry-run` does. The worst databases come first. The page loads nothing and runs no script, so that it can
/// be kept, mailed and printed. What assertions gave is on it only where --identity opens that. What `lifeboat
/// status` finds is on the page, and no failure of writing it: the exit code is 0 then, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lifeboat report --html report.html
  lifeboat report --html /srv/reports/$(date +%F).html --source prod
  lifeboat report --html worst.html --state urgent,findings
  lifeboat report --html report.html --identity break-glass.key

Exit codes:
  0  written, whatever it says
  1  failed
  2  wrong usage or configuration")]
pub(super) struct Args {
    #[command(flatten)]
    filter: DatabaseFilter,
    #[command(flatten)]
    states: StateFilter,
    /// Open every restore point, however many there are: a page of megabytes
    #[arg(long)]
    all: bool,
    /// The file to write; one that is there is replaced in one step
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let repository = connect::repository(&access, run).await?.keeping();
    let inputs = status::inputs(&access, &config, filter.clone(), run).await?;
    let mut status = inputs.run(&repository, run.context()).await?;
    if let Some(states) = args.states.chosen() {
        status.show_only(states);
    }
    let identities = Identities::from_files(&access.identities)?;
    let mut options = options(status, filter.clone(), identities, &config)?;
    options.all = args.all;
    options.states = args.states.chosen().unwrap_or_default().to_vec();
    let told = promote::options(filter, true, &config, &access).map(|told| promotion::Options {
        only_crowded: !args.all,
        ..told
    });
    let undecided = undecided(&repository, told, &access, run).await?;
    if let Some(Undecided { findings, points }) = undecided {
        options.findings.extend(findings);
        options.contested = Some(points);
    }
    let page = report::report(&repository, &access.trust, options).await?;
    repository.note_announced(run.progress.as_ref()).await;
    write_whole(&args.html, &page.html)?;
    let file = args.html.display().to_string();
    let text = format!(
        "{file}: {}, {}, {}, {}, {}",
        render::bytes(page.html.len() as u64),
        render::counted(page.databases, "database", "databases"),
        points(&page),
        render::counted(page.drills, "drill", "drills"),
        render::counted(page.findings.len() as u64, "finding", "findings"),
    );
    let text = match page.not_shown.line() {
        Some(left_out) => format!("{text}; {left_out}"),
        None => text,
    };
    let written = json!({
        "repository": repository.url(),
        "file": file,
        "bytes": page.html.len(),
        "databases": page.databases,
        "points": page.points,
        "not_opened": page.not_opened,
        "drills": page.drills,
        "findings": page.findings,
        "databases_not_shown": page.not_shown.databases,
        "findings_not_shown": page.not_shown.findings,
    });
    Answer::new(&written, text, Outcome::Done)
}

fn points(page: &report::Page) -> String {
    let points = render::counted(page.points, "restore point", "restore points");
    match page.not_opened {
        0 => points,
        not_opened => format!("{points} ({} not opened)", render::count(not_opened)),
    }
}

/// What `promote` leaves to a person: this page is what people read.
#[derive(Default)]
struct Undecided {
    findings: Vec<String>,
    /// Those of periods that too many claim.
    points: Vec<Id>,
}

/// `None`: these credentials may not ask for it.
async fn undecided(
    repository: &Repository,
    options: Option<promotion::Options>,
    access: &Access,
    run: &Run,
) -> Result<Option<Undecided>> {
    let Some(options) = options.filter(|_| repository.has_locks()) else {
        return Ok(Some(Undecided::default()));
    };
    let told = promotion::run(repository, &access.trust, &options, run.context());
    if_allowed(told.await.map(|report| {
        let contested = report.contested.into_iter();
        Some(Undecided {
            findings: report.findings,
            points: contested.flat_map(|one| one.claimed.ids).collect(),
        })
    }))
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
        not_shown: status.not_shown,
        copies: status.copies,
        leftovers: status.leftovers,
        contested: None,
        all: false,
        states: Vec::new(),
        identities,
        recipients: config.names_of_recipients(),
    })
}
