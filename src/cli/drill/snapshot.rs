//! `lifeboat drill --snapshot`

use super::text::{show_assertion, show_troubles};
use crate::cli::point::{check_source, which_copy};
use crate::cli::render::seconds;
use crate::cli::run::{Access, Answer, Page, Run};
use crate::cli::{accounts, connect, render};
use crate::codec::Identities;
use crate::config::Config;
use crate::drill::spare::{Compared, Options, Report};
use crate::error::{Error, Result};
use crate::humanize::first_names;
use crate::keys::identities::IdentitySource;
use crate::schedule::SnapshotDrill;

/// Drills the copy of an id, or the newest.
pub(crate) async fn run(id: &str, source: Option<&str>, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let identities = connect::identity_source(&access, run)?;
    let drill = inputs(id, source, &identities, &access, &config, run).await?;
    answer(&drill.run(run.context()).await?)
}

pub(crate) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text(report), report.outcome())
}

pub(crate) async fn inputs<'a>(
    id: &str,
    source: Option<&str>,
    identities: &'a IdentitySource<'a>,
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<SnapshotDrill<'a>> {
    let options = options(id, source, config)?;
    Ok(SnapshotDrill {
        backup: accounts::restores(&access.accounts, run).await?,
        repository: connect::repository(access, run).await,
        trust: access.trust.clone(),
        identities,
        options,
    })
}

fn options(id: &str, source: Option<&str>, config: &Config) -> Result<Options> {
    check_source(source)?;
    let network = config.drill.network.clone().ok_or_else(|| {
        Error::usage(format!(
            "{} says no drill.subnet_group and drill.security_group",
            config.file.display()
        ))
        .hint("a copy that boots must reach nobody: name a place without a way out, as deploy/aws/backup-tasks.yaml makes it")
    })?;
    Ok(Options {
        which: which_copy(id)?,
        source: source.map(str::to_owned),
        subnet_group: network.subnet_group,
        security_group: network.security_group,
        class: config.drill.class.clone(),
        largest_size: config.drill.largest_size.clone(),
        databases: (config.sources.iter())
            .map(|source| (source.name.clone(), source.databases.clone()))
            .collect(),
        questions: config.drill.questions.clone(),
        within_percent: config.drill.within_percent,
        time_limit: config.drill.time_limit,
        identities: Identities::default(),
        limits: config.snapshot.limits,
    })
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for asked in &report.assertions {
        let place = format!(" in {}", asked.database);
        show_assertion(&mut page, &place, &asked.result);
    }
    for one in &report.compared {
        show_compared(&mut page, one);
    }
    show_troubles(&mut page, "missing", &report.failures);
    show_troubles(&mut page, "finding", &report.findings);
    page.line(format_args!(
        "{} of {}, taken at {}, as {}: {} asked",
        report.copy,
        report.source,
        render::time(report.snapshot_at),
        report.place,
        render::counted(report.databases.len() as u64, "database", "databases"),
    ));
    if let Some(first) = report.seconds_to_first_query {
        page.line(format_args!(
            "there after {}, first query after {}, ended after {}",
            seconds(report.seconds_to_restore),
            seconds(first),
            seconds(report.seconds)
        ));
    }
    for name in &report.removed {
        page.line(format_args!("removed: the older spare {name}"));
    }
    match &report.spare {
        Some(name) => page.line(format_args!("sound; kept as the warm spare: {name}")),
        None => page.line("NOT SOUND: removed again; hold and drill another copy"),
    }
    page
}

fn show_compared(page: &mut Page, one: &Compared) {
    /// Of tables that were not compared.
    const NAMES: usize = 10;
    let database = &one.database;
    if let Some(why) = &one.why {
        page.line(format_args!("not compared: {database}: {why}"));
    }
    if let (Some(export), Some(at)) = (&one.export, one.export_at) {
        page.line(format_args!(
            "compared: {database} with export {export}, of {}: {}, {} equal, {} changed within the limit",
            render::time(at),
            render::counted(one.tables, "table", "tables"),
            render::count(one.equal),
            render::count(one.changed),
        ));
    }
    if !one.not_compared.is_empty() {
        let names = first_names(&one.not_compared, NAMES);
        page.line(format_args!("not compared: of {database}: {names}"));
    }
}
