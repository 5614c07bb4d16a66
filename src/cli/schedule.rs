//! Renders the report of `nightly` and `prove`.

use serde_json::{Value, json};

use super::drill::{snapshot as snapshot_drill, text as drill};
use super::output::{error_value, exit_code};
use super::run::{Access, Answer, Page};
use super::snapshot::{copy, expire};
use super::verify::text as verify;
use super::{export, promote, render, status};
use crate::aws::Account;
use crate::config::NotifySettings;
use crate::error::Result;
use crate::schedule::fleet::ShardSummary;
use crate::schedule::{Collection, Notify, Report, Schedule, Step, StepReport, Webhook};

/// `account`: the one that the metric is put into, where it is configured; without it, that of the
/// credentials and the region that the SDK finds.
pub(super) async fn notify(
    settings: &NotifySettings,
    account: Option<impl Future<Output = Result<Account>>>,
    access: &Access,
) -> Notify {
    let metric = match account {
        _ if !settings.metrics => None,
        Some(account) => Some(account.await),
        None => {
            let profile = access.repository.s3.profile.as_deref();
            Some(Account::from_environment("account of the metric", profile).await)
        }
    };
    let webhook = settings.webhook_file.clone().map(|file| Webhook {
        file,
        format: settings.webhook_format,
        always: settings.webhook_always,
        repository: access.repository.location.to_string(),
    });
    Notify {
        webhook,
        ping_file: settings.ping_file.clone(),
        metric,
    }
}

pub(super) fn answer(report: &Report) -> Result<Answer> {
    let (shown, page) = show(report)?;
    Answer::new(&shown, page, report.outcome())
}

/// Of a run that several shards may share; `shard`: what is told of one beside its steps.
pub(super) fn shared_answer(report: &Report, shard: Option<&ShardSummary>) -> Result<Answer> {
    let (mut shown, mut page) = show(report)?;
    shown["shard"] = json!(shard);
    if let Some(shard) = shard {
        page.append(&shard_page(report.schedule, shard));
        if let Some(told) = &shard.told {
            page.append(&show(told)?.1);
        }
    }
    Answer::new(&shown, page, report.outcome())
}

fn shard_page(schedule: Schedule, shard: &ShardSummary) -> Page {
    let mut page = Page::default();
    page.line(format_args!(
        "shard {} of {} of run '{}' ({}): {}, {} by an earlier start",
        shard.shard,
        shard.shards,
        shard.run,
        shard.id,
        render::counted(shard.databases as u64, "database", "databases"),
        render::count(shard.done_before.len() as u64),
    ));
    if let Some(code) = shard.collected {
        page.line(format_args!(
            "every shard has reported: the run as a whole ended with {code}; `lifeboat {schedule} --collect` shows it again"
        ));
    }
    page
}

fn show(report: &Report) -> Result<(Value, Page)> {
    let mut page = Page::default();
    let steps = report.steps.iter().map(|step| show_step(&mut page, step));
    let steps = steps.collect::<Result<Vec<Value>>>()?;
    page.lines("changed:", &report.changes);
    page.lines("finding:", &report.findings);
    page.lines("finding:", &report.notifications);
    let outcome = report.outcome();
    page.line(format_args!("{}: {}", report.schedule, outcome.describe()));
    let mut shown = json!({
        "steps": steps,
        "findings": report.findings,
        "notifications": report.notifications,
    });
    if report.schedule == Schedule::Prove {
        shown["changes"] = json!(report.changes);
    }
    Ok((shown, page))
}

/// Exit code and result are as the command alone would have had them; the result is null where it failed
/// before it had one.
fn show_step(page: &mut Page, step: &Step) -> Result<Value> {
    page.line(format_args!(
        "== {}: {} ({})",
        step.name,
        step.outcome().describe(),
        render::seconds(step.seconds),
    ));
    let (exit_code, result, error) = match &step.result {
        Ok(report) => {
            let answer = step_answer(report)?;
            page.append(&answer.text);
            (step.outcome().exit_code(), Some(answer.result), None)
        }
        Err(error) => {
            page.line(format_args!("error: {}", error.chain()));
            page.line(format_args!("hint: {}", error.advice()));
            (exit_code(error), None, Some(error_value(error)))
        }
    };
    page.space();
    Ok(json!({
        "name": step.name,
        "exit_code": exit_code,
        "seconds": step.seconds,
        "result": result,
        "error": error,
    }))
}

/// As the command alone would answer.
fn step_answer(report: &StepReport) -> Result<Answer> {
    match report {
        StepReport::Export(report) => export::answer(report),
        StepReport::SnapshotCopy(report) => copy::answer(report),
        StepReport::SnapshotExpire(report) => expire::answer(report, false),
        StepReport::Verify(report) => verify::answer(report),
        StepReport::Drill(report) => drill::answer(report),
        StepReport::SnapshotDrill(report) => snapshot_drill::answer(report),
        StepReport::Promote(report) => promote::answer(report),
        StepReport::Status(report) => status::answer(report),
        StepReport::Collect(report) => collected(report),
    }
}

fn collected(report: &Collection) -> Result<Answer> {
    let mut page = Page::default();
    page.line(format_args!(
        "run '{}' ({}) of {}, {}",
        report.run,
        report.id,
        render::time(report.planned_at),
        render::counted(u64::from(report.shards), "shard", "shards"),
    ));
    let with_point = report.databases.iter().filter(|one| one.point.is_some());
    page.line(format_args!(
        "{} of {} have a {} of this run",
        render::count(with_point.count() as u64),
        render::counted(report.databases.len() as u64, "database", "databases"),
        report.made(),
    ));
    page.lines("FAILED", &report.failures);
    page.lines("finding:", &report.findings);
    Answer::new(report, page, report.outcome())
}
