//! Takes the steps of a run.

use std::future::Future;
use std::time::Instant;

use super::notify::Notify;
use super::step::{Report, Schedule, Step, StepReport};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

pub(crate) struct Steps<'a> {
    context: Context<'a>,
    report: Report,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(schedule: Schedule, context: Context<'a>) -> Self {
        let report = Report {
            schedule,
            steps: Vec::new(),
            findings: Vec::new(),
            notifications: Vec::new(),
        };
        Self { context, report }
    }

    /// Takes a step and returns its report, where it has one. After a request to stop, no further step
    /// is taken.
    pub(crate) async fn take(
        &mut self,
        name: impl Into<String>,
        step: impl Future<Output = Result<StepReport>>,
    ) -> Option<&StepReport> {
        if self.context.interrupt.is_set() {
            return None;
        }
        let (name, progress) = (name.into(), self.context.progress);
        progress.note(&format!("{}: {name}", self.report.schedule));
        let began = Instant::now();
        // Boxed: several of these futures would not fit a thread's stack.
        let result = Box::pin(step).await;
        self.add(name, began, result);
        self.report.steps.last()?.result.as_ref().ok()
    }

    /// Adds a step that was taken.
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        began: Instant,
        result: Result<StepReport>,
    ) {
        self.report.steps.push(Step {
            name: name.into(),
            seconds: began.elapsed().as_secs_f64(),
            result,
        });
    }

    /// Adds a finding about the run as a whole.
    pub(crate) fn add_finding(&mut self, finding: String) {
        self.report.findings.push(finding);
    }

    /// Sends the notifications.
    pub(crate) async fn finish(mut self, notify: &Notify) -> Result<Report> {
        if self.context.interrupt.is_set() {
            return Err(Error::new(Kind::Interrupted, "stopped on request")
                .hint("run it again: what is stored stays, every step looks first"));
        }
        self.report.notifications = notify.send(&self.report).await;
        Ok(self.report)
    }
}
