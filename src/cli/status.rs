//! `lifeboat status`

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::file::write_whole;
use super::globals::Access;
use super::output::Answer;
use super::point::DatabaseFilter;
use super::render::{self, Page, Table};
use super::run::Run;
use super::{accounts, connect};
use crate::config::{Config, Databases};
use crate::error::{Result, ResultExt};
use crate::schedule::Status;
use crate::status::{self, DatabaseStatus, Expected, Limits, Report};

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
pub(super) struct Args {
    #[command(flatten)]
    filter: DatabaseFilter,
    /// Also write the figures as Prometheus text, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let report = report(&access, &config, filter, run).await?;
    if let Some(file) = &args.prometheus {
        write_whole(file, &status::prometheus(&report))?;
    }
    answer(&report)
}

pub(super) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text(report), report.outcome())
}

/// The status of all that the configuration names.
pub(super) async fn report(
    access: &Access,
    config: &Config,
    filter: DatabaseFilter,
    run: &Run,
) -> Result<Report> {
    let repository = connect::repository(access, run).await?;
    let status = inputs(access, config, filter, run).await?;
    status.run(&repository, run.context()).await
}

pub(super) async fn inputs(
    access: &Access,
    config: &Config,
    filter: DatabaseFilter,
    run: &Run,
) -> Result<Status> {
    let limits = Limits {
        export_age: signed(config.limits.export_age)?,
        copy_age: signed(config.limits.copy_age)?,
        drill_age: signed(config.limits.drill_age)?,
        shrink_percent: config.limits.shrink_percent,
    };
    let copied = copied_sources(config, &filter);
    let copies = if access.accounts.backup.is_none() || copied.is_empty() {
        None
    } else {
        let account = accounts::copies(&access.accounts, &config.snapshot, run).await;
        Some((account, copied))
    };
    Ok(Status {
        trust: connect::trust(access),
        limits,
        expected: expected(config, &filter),
        source: filter.source,
        database: filter.database,
        copies,
    })
}

/// Sources whose snapshots are copied. A copy is of no single database.
pub(super) fn copied_sources(config: &Config, filter: &DatabaseFilter) -> Vec<String> {
    let wanted = |name: &String| {
        filter.database.is_none() && filter.source.as_ref().is_none_or(|source| source == name)
    };
    let sources = config.sources.iter().filter(|one| one.rds.is_some());
    let names = sources.map(|one| one.name.clone());
    names.filter(wanted).collect()
}

pub(super) fn signed(age: Duration) -> Result<SignedDuration> {
    SignedDuration::try_from(age).context(|| "a limit".to_owned())
}

/// With "all" only the server knows the databases' names, and one of the source's is expected.
fn expected(config: &Config, filter: &DatabaseFilter) -> Vec<Expected> {
    let sources = config.sources.iter();
    let all = sources.flat_map(|source| {
        let names = match &source.databases {
            Databases::Named(names) => names.iter().cloned().map(Some).collect(),
            Databases::All { .. } | Databases::OfConnection => vec![None],
        };
        let expected = |database| Expected {
            source: source.name.clone(),
            database,
        };
        names.into_iter().map(expected).collect::<Vec<_>>()
    });
    let is_wanted = |one: &Expected| {
        let source = filter.source.as_ref();
        // Whether a source that names no database has this one is not known here.
        source.is_none_or(|source| *source == one.source)
            && (filter.database.is_none() || filter.database == one.database)
    };
    all.filter(is_wanted).collect()
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
    page.lines("finding:", &report.findings);
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
