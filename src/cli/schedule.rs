//! Renders the report of `nightly` and `prove`.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::drill::{self, snapshot as snapshot_drill};
use super::globals::Access;
use super::output::{Answer, error_value, exit_code};
use super::render::{self, Page};
use super::snapshot::{copy, expire};
use super::{export, promote, status, verify};
use crate::aws::Account;
use crate::config::NotifySettings;
use crate::error::Result;
use crate::schedule::{Notify, Report, Step, StepReport};

/// `metric`: the account that the metric is put into.
pub(super) fn notify(settings: &NotifySettings, metric: Option<Result<Account>>) -> Notify {
    Notify {
        webhook_file: settings.webhook_file.clone(),
        webhook_always: settings.webhook_always,
        ping_file: settings.ping_file.clone(),
        metric,
    }
}

/// With the credentials and the region that the SDK finds.
pub(super) async fn chain_account(access: &Access) -> Result<Account> {
    let profile = access.repository.s3.profile.as_deref();
    Account::from_environment("account of the metric", profile).await
}

#[derive(Serialize)]
struct Shown<'a> {
    steps: Vec<ShownStep<'a>>,
    findings: &'a [String],
    notifications: &'a [String],
}

#[derive(Serialize)]
struct ShownStep<'a> {
    name: &'a str,
    /// As the command alone would have ended.
    exit_code: u8,
    seconds: f64,
    /// The command's own result; null where it failed before it had one.
    result: Option<Value>,
    error: Option<Value>,
}

pub(super) fn answer(report: &Report) -> Result<Answer> {
    let mut page = Page::default();
    let mut steps = Vec::with_capacity(report.steps.len());
    for step in &report.steps {
        steps.push(show_step(&mut page, step)?);
    }
    page.lines("finding:", &report.findings);
    page.lines("finding:", &report.notifications);
    let outcome = report.outcome();
    page.line(format_args!("{}: {}", report.schedule, outcome.describe()));
    let shown = Shown {
        steps,
        findings: &report.findings,
        notifications: &report.notifications,
    };
    Answer::new(&shown, page, outcome)
}

fn show_step<'a>(page: &mut Page, step: &'a Step) -> Result<ShownStep<'a>> {
    page.line(format_args!(
        "== {}: {} ({})",
        step.name,
        step.outcome().describe(),
        render::duration(Duration::from_secs_f64(step.seconds)),
    ));
    let mut shown = ShownStep {
        name: &step.name,
        exit_code: step.outcome().exit_code(),
        seconds: step.seconds,
        result: None,
        error: None,
    };
    match &step.result {
        Ok(report) => {
            let answer = step_answer(report)?;
            page.append(&answer.text);
            shown.result = Some(answer.result);
        }
        Err(error) => {
            page.line(format_args!("error: {}", error.chain()));
            page.line(format_args!("hint: {}", error.advice()));
            shown.exit_code = exit_code(error);
            shown.error = Some(error_value(error));
        }
    }
    page.space();
    Ok(shown)
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
    }
}
