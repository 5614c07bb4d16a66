//! `lifeboat drill --snapshot`

use std::cmp::Reverse;
use std::time::Duration;

use super::assertion;
use crate::cli::globals::Access;
use crate::cli::output::{Answer, Outcome};
use crate::cli::render::{self, Page};
use crate::cli::run::Run;
use crate::cli::snapshot::{in_region, patience, restore};
use crate::cli::{accounts, connect, kms};
use crate::codec::Identities;
use crate::config::Config;
use crate::config::drill::Assert;
use crate::config::source::check_name;
use crate::drill::spare::{self, Means, Options, Question, Report};
use crate::error::{Error, Result, ResultExt};
use crate::repository::{Repository, RestorePoint};

/// Drills the copy of an id, or the newest.
pub async fn run(id: &str, source: Option<&str>, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let mut options = options(id, source, &config)?;
    let account = accounts::backup(&access.accounts, run).await?;
    let backup = in_region(account, &config.snapshot);
    let repository = connect::repository(&access, run).await;
    let trust = connect::trust(&access);
    if let Ok(repository) = &repository
        && options.questions.iter().any(|one| one.assertion.compares())
    {
        match identities(repository, source, &access, run).await {
            Ok(identities) => options.identities = identities,
            Err(error) => run.progress.warn(&error.chain()),
        }
    }
    let means = Means {
        backup: &backup,
        records: repository.as_ref().map(|repository| (repository, &trust)),
        context: run.context(),
    };
    let report = spare::run(&means, &options).await?;
    let outcome = match (report.is_sound(), report.findings.is_empty()) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::Findings,
        (true, true) => Outcome::Done,
    };
    Answer::new(&report, text(&report), outcome)
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
    let questions = config.drill.assertions.iter().map(question);
    Ok(Options {
        which: restore::which(id)?,
        source: source.map(str::to_owned),
        subnet_group: network.subnet_group,
        security_group: network.security_group,
        class: config.drill.class.clone(),
        databases: (config.sources.iter())
            .map(|source| (source.name.clone(), source.databases.clone()))
            .collect(),
        questions: questions.collect::<Result<_>>()?,
        identities: Identities::default(),
        patience: patience(&config.snapshot),
    })
}

/// To read what assertions gave at drills of exports: those that are given, else what KMS opens for the
/// newest restore point. Databases of one configuration have the same recipients. Where none opens,
/// that is told, and the drill goes on without.
async fn identities(
    repository: &Repository,
    source: Option<&str>,
    access: &Access,
    run: &Run,
) -> Result<Identities> {
    let given = connect::identities(access)?;
    let newest = newest(repository, source, access).await?;
    let (true, Some(point)) = (given.is_empty(), newest) else {
        return Ok(given);
    };
    let opened = kms::identities(given, access, &point, run).await?;
    if let Some(refused) = &opened.refused {
        run.progress.warn(&refused.chain());
    }
    Ok(opened.identities)
}

/// The newest restore point that a trusted key signed.
async fn newest(
    repository: &Repository,
    source: Option<&str>,
    access: &Access,
) -> Result<Option<RestorePoint>> {
    let mut found = repository.find(source, None).await?;
    found.sort_by_key(|one| Reverse(one.order()));
    let trust = connect::trust(access);
    for one in &found {
        match repository.open(one, &trust).await {
            Ok(point) => return Ok(Some(point)),
            Err(error) if error.affects_every_point() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn question(one: &Assert) -> Result<Question> {
    Ok(Question {
        source: one.source.clone(),
        database: one.database.clone(),
        assertion: assertion(one)?,
    })
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for asked in &report.assertions {
        let (one, database) = (&asked.outcome, &asked.database);
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
