//! `lifeboat status`

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::file::write_whole;
use super::run::{Access, Answer, DatabaseFilter, Page, Run};
use super::states::{StateFilter, none, not_shown};
use super::{accounts, connect, render};
use crate::aws::Account;
use crate::config::{Config, Databases};
use crate::error::Result;
use crate::model::left_out;
use crate::schedule::Status;
use crate::status::{self, DatabaseStatus, Expected, Report};

/// How old, how large and how proven the newest restore points are, against the configured limits
///
/// Read from the repository, never from a log: what is not there does not count. Exit code 3 when
/// something is stale, has shrunk, loses its lock or was never drilled. The worst databases come first: urgent
/// means that, if all were lost now, there would be no backup, or one too old, or one that may be deleted. Opens
/// the newest restore point of each database, the newest that is a day older, and its newest drill; the others are counted.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat status\n  \
       lifeboat status --source prod --json\n  \
       lifeboat status --state urgent,findings\n  \
       lifeboat status --prometheus /var/lib/node_exporter/textfile/lifeboat.prom"
))]
pub(super) struct Args {
    #[command(flatten)]
    filter: DatabaseFilter,
    #[command(flatten)]
    states: StateFilter,
    /// Also write the figures of all databases as Prometheus text, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let mut report = report(&access, &config, filter, run).await?;
    if let Some(file) = &args.prometheus {
        write_whole(file, &status::prometheus(&report))?;
    }
    if let Some(states) = args.states.chosen() {
        report.show_only(states);
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
    let copies = copies(access, config, &filter, run).await;
    Ok(Status {
        trust: access.trust.clone(),
        limits: config.limits.status,
        expected: expected(config, &filter),
        source: filter.source,
        database: filter.database,
        copies,
    })
}

/// The account where copies lie, and the sources whose snapshots are copied. `None` where the
/// configuration has no backup account or no such source: RDS is not asked then.
pub(super) async fn copies(
    access: &Access,
    config: &Config,
    filter: &DatabaseFilter,
    run: &Run,
) -> Option<(Result<Account>, Vec<String>)> {
    let copied = copied_sources(config, filter);
    if access.accounts.backup.is_none() || copied.is_empty() {
        return None;
    }
    Some((accounts::copies(&access.accounts, run).await, copied))
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

/// With "all" only the server knows the databases' names, and one of the source's is expected.
fn expected(config: &Config, filter: &DatabaseFilter) -> Vec<Expected> {
    let sources = config.sources.iter();
    let all = sources.flat_map(|source| {
        let names = match &source.databases {
            Databases::Named(names) => names.iter().cloned().map(Some).collect(),
            Databases::All { .. } | Databases::OfConnection | Databases::Matching { .. } => {
                vec![None]
            }
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
    page.table_or(
        "state | source | database | newest export | >age | >rows | >before | >stored | locked until | last drilled (any point)",
        report.databases.iter().map(|one| row(one, report.now)),
        none(&report.repository, report.not_shown),
    );
    for newest in report
        .databases
        .iter()
        .filter_map(|one| one.newest.as_ref())
    {
        let line = left_out::line(newest.id.as_str(), &newest.excluded);
        line.iter().for_each(|line| page.line(line));
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
            "{} without a manifest: {} of exports that failed or run now, or whose manifest was deleted",
            render::counted(report.leftovers.len() as u64, "leftover", "leftovers"),
            render::bytes(bytes)
        ));
    }
    page.lines("finding:", &report.findings);
    not_shown(&mut page, report.not_shown);
    page
}

fn row(one: &DatabaseStatus, now: Timestamp) -> [String; 10] {
    let none = || "none".to_owned();
    let (newest, previous) = (one.newest.as_ref(), one.previous.as_ref());
    let locked = newest
        .and_then(|point| point.locked_until)
        .map(render::time);
    let drilled = one.drilled.as_ref().map(|drill| render::time(drill.at));
    let age = |at: Timestamp| {
        let age = now.duration_since(at);
        render::duration(Duration::try_from(age).unwrap_or_default())
    };
    [
        one.state.as_str().to_owned(),
        one.source.clone(),
        one.database.clone(),
        newest.map_or_else(none, |point| point.id.to_string()),
        newest.map_or_else(none, |point| age(point.snapshot_at)),
        newest.map_or_else(none, |point| render::count(point.rows)),
        previous.map_or_else(none, |point| render::count(point.rows)),
        newest.map_or_else(none, |point| render::bytes(point.stored_bytes)),
        locked.unwrap_or_else(|| "not locked".to_owned()),
        drilled.unwrap_or_else(|| "never".to_owned()),
    ]
}
