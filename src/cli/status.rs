//! `lifeboat status`

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::file::write_whole;
use super::globals::Access;
use super::output::{Answer, Outcome};
use super::point::{Of, OfArgs};
use super::render::{self, Page, Table};
use super::run::Run;
use super::{connect, snapshot};
use crate::config::{Config, Databases};
use crate::error::{Result, ResultExt};
use crate::repository::Repository;
use crate::snapshot::list::CopyPoint;
use crate::status::{self, CopyStatus, DatabaseStatus, Expected, Finding, Limits, Report};

/// How old, how large and how proven the newest restore points are, against the configured limits
///
/// Read from the repository, never from a log: what is not there does not count. Exit code 3 when
/// something is stale, has shrunk, loses its lock or was never drilled.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat status\n  \
       lifeboat status --source prod --json\n  \
       lifeboat status --prometheus /var/lib/node_exporter/textfile/lifeboat.prom"
))]
pub struct Args {
    #[command(flatten)]
    of: OfArgs,
    /// Also write the figures as Prometheus text, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let of = args.of.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let report = look(&access, &config, of, run).await?;
    if let Some(file) = &args.prometheus {
        write_whole(file, &status::prometheus(&report))?;
    }
    let outcome = if report.findings.is_empty() {
        Outcome::Done
    } else {
        Outcome::Findings
    };
    Answer::new(&report, text(&report), outcome)
}

/// How things stand with all that the configuration names.
pub async fn look(access: &Access, config: &Config, of: Of, run: &Run) -> Result<Report> {
    let repository = connect::repository(access, run).await?;
    ask(&repository, access, config, of, run).await
}

/// The same, of a repository that is open already.
pub async fn ask(
    repository: &Repository,
    access: &Access,
    config: &Config,
    of: Of,
    run: &Run,
) -> Result<Report> {
    let limits = Limits {
        export_age: signed(config.limits.export_age)?,
        copy_age: signed(config.limits.copy_age)?,
        drill_age: signed(config.limits.drill_age)?,
        shrink_percent: config.limits.shrink_percent,
    };
    let (copies, findings) = match of.database {
        // A copy is of no single database.
        Some(_) => (Vec::new(), Vec::new()),
        None => copies(access, config, of.source.as_deref(), run).await,
    };
    let options = status::Options {
        limits,
        expected: expected(config, &of),
        source: of.source,
        database: of.database,
        copies,
        findings,
    };
    let trust = connect::trust(access);
    status::status(repository, &trust, run.clock.as_ref(), options).await
}

/// The copies of each source that has any configured. Where AWS cannot be asked, that is a finding.
async fn copies(
    access: &Access,
    config: &Config,
    source: Option<&str>,
    run: &Run,
) -> (Vec<CopyStatus>, Vec<Finding>) {
    let found = match snapshot::list::beside_exports(access, config, source, run).await {
        Ok(Some(found)) => found,
        Ok(None) => return (Vec::new(), Vec::new()),
        Err(error) => {
            let why = format!("snapshot copies could not be listed: {}", error.chain());
            return (Vec::new(), vec![why.into()]);
        }
    };
    let wanted = config.sources.iter().filter(|one| one.rds.is_some());
    let wanted = wanted.filter(|one| source.is_none_or(|source| one.name == source));
    let copies = wanted.map(|one| {
        let usable = |copy: &&CopyPoint| copy.source == one.name && copy.status == "available";
        let of_source = found.iter().filter(usable);
        CopyStatus {
            source: one.name.clone(),
            newest_at: of_source.clone().map(|copy| copy.taken_at).max(),
            copies: of_source.count() as u64,
        }
    });
    (copies.collect(), Vec::new())
}

pub(super) fn signed(age: Duration) -> Result<SignedDuration> {
    SignedDuration::try_from(age).context(|| "a limit".to_owned())
}

/// With "all" only the server knows the databases' names, and one of the source's is expected.
fn expected(config: &Config, of: &Of) -> Vec<Expected> {
    let sources = config.sources.iter();
    let all = sources.flat_map(|source| {
        let expected = |database| Expected {
            source: source.name.clone(),
            database,
        };
        match &source.databases {
            Databases::Named(names) => {
                let named = names.iter().cloned().map(Some);
                named.map(expected).collect()
            }
            Databases::All { .. } | Databases::OfConnection => vec![expected(None)],
        }
    });
    all.filter(|one| {
        of.source
            .as_ref()
            .is_none_or(|source| *source == one.source)
    })
    .filter(|one| match (&of.database, &one.database) {
        (Some(wanted), Some(name)) => wanted == name,
        // Whether it has this one is not known here.
        (Some(_), None) => false,
        (None, _) => true,
    })
    .collect()
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    let mut table = Table::new(&[
        "source",
        "database",
        "newest export",
        ">age",
        ">rows",
        ">before",
        ">stored",
        "locked until",
        "drilled",
    ]);
    for one in &report.databases {
        table.row(row(one, report.now));
    }
    if table.is_empty() {
        page.line(format_args!("no restore point in {}", report.repository));
    } else {
        page.table(&table);
    }
    for copy in &report.copies {
        match copy.newest_at {
            Some(at) => page.line(format_args!(
                "{}: {}, the newest of {}",
                copy.source,
                render::counted(copy.copies, "snapshot copy", "snapshot copies"),
                render::time(at)
            )),
            None => page.line(format_args!("{}: no snapshot copy", copy.source)),
        }
    }
    if !report.leftovers.is_empty() {
        let bytes = report.leftovers.iter().map(|one| one.stored_bytes).sum();
        page.line(format_args!(
            "{} without a manifest: {} of exports that failed, or run now",
            render::counted(report.leftovers.len() as u64, "leftover", "leftovers"),
            render::bytes(bytes)
        ));
    }
    for finding in &report.findings {
        page.line(format_args!("finding: {finding}"));
    }
    page
}

fn row(one: &DatabaseStatus, now: Timestamp) -> [String; 9] {
    let none = || "none".to_owned();
    let newest = one.newest.as_ref();
    let age = |at: Timestamp| {
        let age = now.duration_since(at);
        render::duration(Duration::try_from(age).unwrap_or_default())
    };
    [
        one.source.clone(),
        one.database.clone(),
        newest.map_or_else(none, |point| point.id.to_string()),
        newest.map_or_else(none, |point| age(point.snapshot_at)),
        newest.map_or_else(none, |point| render::count(point.rows)),
        one.previous
            .as_ref()
            .map_or_else(none, |point| render::count(point.rows)),
        newest.map_or_else(none, |point| render::bytes(point.stored_bytes)),
        newest
            .and_then(|point| point.locked_until)
            .map_or_else(|| "not locked".to_owned(), render::time),
        one.drilled
            .as_ref()
            .map_or_else(|| "never".to_owned(), |drill| render::time(drill.at)),
    ]
}
