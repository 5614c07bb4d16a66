//! `lifeboat drill --snapshot`

use std::time::Duration;

use super::questions::questions;
use crate::cli::globals::Access;
use crate::cli::output::Answer;
use crate::cli::render::{self, Page};
use crate::cli::run::Run;
use crate::cli::snapshot::options::{wait_limits, which};
use crate::cli::{accounts, connect};
use crate::codec::Identities;
use crate::config::Config;
use crate::config::source::check_name;
use crate::drill::spare::{Options, Report};
use crate::error::{Error, Result, ResultExt};
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
        backup: accounts::restores(&access.accounts, &config.snapshot, run).await?,
        repository: connect::repository(access, run).await,
        trust: connect::trust(access),
        identities,
        options,
    })
}

fn options(id: &str, source: Option<&str>, config: &Config) -> Result<Options> {
    if let Some(name) = source {
        check_name(name).context(|| "--source".to_owned())?;
    }
    let network = config.drill.network.clone().ok_or_else(|| {
        Error::usage(format!(
            "{} says no drill.subnet_group and drill.security_group",
            config.file.display()
        ))
        .hint("a copy that boots must reach nobody: name a place without a way out, as deploy/aws/backup-tasks.yaml makes it")
    })?;
    Ok(Options {
        which: which(id)?,
        source: source.map(str::to_owned),
        subnet_group: network.subnet_group,
        security_group: network.security_group,
        class: config.drill.class.clone(),
        databases: (config.sources.iter())
            .map(|source| (source.name.clone(), source.databases.clone()))
            .collect(),
        questions: questions(&config.drill.assertions)?,
        identities: Identities::default(),
        limits: wait_limits(&config.snapshot),
    })
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for asked in &report.assertions {
        let (one, database) = (&asked.result, &asked.database);
        match (one.ok, &one.value) {
            (true, value) => page.line(format_args!(
                "holds in {database}: {} ({})",
                one.name,
                value.as_deref().unwrap_or_default()
            )),
            (false, _) => page.line(format_args!(
                "DOES NOT HOLD in {database}: {}: {}",
                one.name, one.why
            )),
        }
    }
    for failure in &report.failures {
        page.line(format_args!("missing: {}: {}", failure.what, failure.why));
    }
    for finding in &report.findings {
        page.line(format_args!("finding: {}: {}", finding.what, finding.why));
    }
    let seconds = |seconds| render::duration(Duration::from_secs_f64(seconds));
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
