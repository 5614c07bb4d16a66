//! `lifeboat snapshot copy`

use crate::cli::run::{Access, Answer, Page, Run};
use crate::cli::{accounts, connect, render};
use crate::config::{Config, Source as Configured};
use crate::error::{Error, Result, ResultExt};
use crate::schedule::SnapshotCopy;
use crate::snapshot::Source;
use crate::snapshot::copy::{CopiedSnapshot, Options, PlannedCopy, Report};

/// Copy the newest snapshot of each source into the backup account
///
/// Takes the newest automated snapshot of the last day, or makes one; brings it under a key that can
/// be shared, where it needs that; shares it, copies it from the backup account under that account's
/// key, checks the copy, and ends the sharing. The settings that no snapshot carries (parameter
/// groups, class, networks) are recorded in the repository. Interrupted, it goes on when it is run
/// again.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat snapshot copy\n  \
       lifeboat snapshot copy --source prod --dry-run\n  \
       lifeboat snapshot copy --new"
))]
pub(crate) struct Args {
    /// Only this configured source; may be repeated
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Take a new snapshot, whatever there is
    #[arg(long)]
    new: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// A copy of each of these sources.
    pub(crate) fn of(source: Vec<String>) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }
}

pub(crate) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let copy = inputs(&args, &access, &config, run).await?;
    answer(&copy.run(run.context()).await?)
}

pub(crate) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text(report), report.outcome())
}

pub(crate) async fn inputs(
    args: &Args,
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<SnapshotCopy> {
    let options = options(args, config)?;
    let access = access.clone().with_trust()?;
    let source = accounts::source(&access.accounts, run).await?;
    let backup = accounts::copies(&access.accounts, run).await?;
    // Where no record can be kept, copies are made all the same.
    let records = if options.dry_run {
        Err(Error::usage("nothing is recorded in a dry run"))
    } else {
        connect::signed(&access, config, run).await
    };
    Ok(SnapshotCopy {
        source,
        backup,
        records,
        trust: access.trust.clone(),
        lock: config.lock.policy,
        max_lock_days: config.lock.max_lock_days,
        options,
    })
}

fn options(args: &Args, config: &Config) -> Result<Options> {
    let settings = &config.snapshot;
    let kms_key = settings.kms_key.clone().ok_or_else(|| {
        let error = config.lacks("snapshot.kms_key");
        error.hint(
            "copies lie under a key of the backup account: output SnapshotKeyArn of its stack",
        )
    })?;
    let share_key = settings.share_key.as_ref();
    Ok(Options {
        sources: sources(config, &args.source)?,
        take_new: args.new || settings.take_new,
        share_key: share_key.unwrap_or(&kms_key).clone(),
        kms_key,
        limits: settings.limits,
        dry_run: args.dry_run,
    })
}

/// `None`: its snapshots are not copied.
fn source(configured: &Configured) -> Option<Source> {
    let rds = configured.rds.clone()?;
    Some(Source {
        name: configured.name.clone(),
        kind: rds.kind,
        identifier: rds.identifier,
    })
}

/// The sources of these names; without names, all that have snapshots to copy.
fn sources(config: &Config, names: &[String]) -> Result<Vec<Source>> {
    let hint =
        "say `instance = \"…\"` or `cluster = \"…\"` in its [[source]]: the identifier in RDS";
    if names.is_empty() {
        let all: Vec<Source> = config.sources.iter().filter_map(source).collect();
        if all.is_empty() {
            return Err(config
                .lacks("source with an instance or cluster")
                .hint(hint));
        }
        return Ok(all);
    }
    let named = names.iter().map(|name| {
        let configured = config.source(name).context(|| "--source".to_owned())?;
        source(configured).ok_or_else(|| {
            let file = config.file.display();
            let what = format!("--source: {file} names no instance or cluster of source '{name}'");
            Error::usage(what).hint(hint)
        })
    });
    named.collect()
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for one in &report.planned {
        show_planned(&mut page, one);
    }
    if !report.copies.is_empty() {
        let headers = "source | copy | restore point | taken at | >GiB | region | ";
        page.table(headers, report.copies.iter().map(row));
    }
    page.lines("finding:", &report.findings);
    for failure in &report.failures {
        page.line(format_args!(
            "failed: {}: {}",
            failure.source, failure.error
        ));
        page.line(format_args!("hint: {}", failure.hint));
    }
    page
}

fn show_planned(page: &mut Page, one: &PlannedCopy) {
    let what = match &one.snapshot {
        Some(snapshot) => format!("snapshot {snapshot}"),
        None => "a new snapshot".to_owned(),
    };
    let key = match one.re_encrypted {
        Some(true) => ", brought under another key first",
        _ => "",
    };
    let copy = match (&one.copy, one.was_there) {
        (Some(copy), true) => format!("is there as {copy}"),
        (Some(copy), false) => format!("would be copied to {copy}"),
        (None, _) => "would be copied".to_owned(),
    };
    page.line(format_args!(
        "{}: {what} of {} {} {copy}{key}",
        one.source, one.kind, one.identifier
    ));
}

fn row(one: &CopiedSnapshot) -> [String; 7] {
    [
        one.source.clone(),
        one.copy.clone(),
        one.id.clone(),
        render::time(one.taken_at),
        one.allocated_gib.to_string(),
        one.region.clone(),
        if one.was_there { "was there" } else { "new" }.to_owned(),
    ]
}
