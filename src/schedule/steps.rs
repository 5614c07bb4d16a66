//! Takes the steps of a run.

use std::future::Future;
use std::time::Instant;

use super::notify::Notify;
use super::step::{Changes, Report, Schedule, Step, StepReport};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

pub(crate) struct Steps<'a> {
    taker: Taker<'a>,
    report: Report,
}

/// Takes steps that run beside each other; [`Steps::add`] puts them in order.
#[derive(Clone, Copy)]
pub(crate) struct Taker<'a> {
    schedule: Schedule,
    context: Context<'a>,
}

impl Taker<'_> {
    /// `None` after a request to stop: no further step is taken.
    pub(crate) async fn take(
        self,
        name: impl Into<String>,
        step: impl Future<Output = Result<StepReport>>,
    ) -> Option<Step> {
        if self.context.interrupt.is_set() {
            return None;
        }
        let name = name.into();
        let note = format!("{}: {name}", self.schedule);
        self.context.progress.note(&note);
        let began = Instant::now();
        // Boxed: several of these futures would not fit a thread's stack.
        let result = Box::pin(step).await;
        Some(Step {
            name,
            seconds: began.elapsed().as_secs_f64(),
            result,
        })
    }
}

impl<'a> Steps<'a> {
    pub(crate) fn new(schedule: Schedule, context: Context<'a>) -> Self {
        let report = Report {
            schedule,
            steps: Vec::new(),
            changes: Vec::new(),
            findings: Vec::new(),
            notifications: Vec::new(),
        };
        let taker = Taker { schedule, context };
        Self { taker, report }
    }

    pub(crate) fn taker(&self) -> Taker<'a> {
        self.taker
    }

    /// Takes a step and returns its report, where it has one. After a request to stop, no further step
    /// is taken.
    pub(crate) async fn take(
        &mut self,
        name: impl Into<String>,
        step: impl Future<Output = Result<StepReport>>,
    ) -> Option<&StepReport> {
        let step = self.taker.take(name, step).await?;
        self.add(step)
    }

    /// Adds a step that was taken, and returns its report, where it has one.
    pub(crate) fn add(&mut self, step: Step) -> Option<&StepReport> {
        self.report.steps.push(step);
        self.report.steps.last()?.result.as_ref().ok()
    }

    /// Adds what changed in a database, where that is known.
    pub(crate) fn add_changes(&mut self, changes: Option<Changes>) {
        self.report.changes.extend(changes);
    }

    /// Adds a finding about the run as a whole.
    pub(crate) fn add_finding(&mut self, finding: String) {
        self.report.findings.push(finding);
    }

    /// Sends the notifications.
    pub(crate) async fn finish(mut self, notify: &Notify) -> Result<Report> {
        let interrupt = self.taker.context.interrupt;
        interrupt.check().map_err(|error| self.stopped(error))?;
        self.report.notifications = notify.send(&self.report).await;
        Ok(self.report)
    }

    /// Names the restore points that exports committed: the last step's own error names those of an
    /// export that was stopped.
    fn stopped(&self, stopped: Error) -> Error {
        let steps = &self.report.steps;
        let last = steps.last().and_then(|step| step.result.as_ref().err());
        let last = last.filter(|error| error.kind() == Kind::Interrupted);
        let mut what = last.unwrap_or(&stopped).to_string();
        let reports = steps.iter().filter_map(|step| step.result.as_ref().ok());
        let points = reports.flat_map(StepReport::stored);
        let points: Vec<String> = points.map(|point| point.to_string()).collect();
        if !points.is_empty() {
            what += &format!("; committed by earlier steps: {}", points.join(", "));
        }
        Error::new(Kind::Interrupted, what)
            .hint("run it again: what is stored stays, every step looks first")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::export;
    use crate::interrupt::interrupt;
    use crate::model::id::Id;
    use crate::progress::Silent;

    #[tokio::test]
    async fn a_stopped_run_names_the_points_that_its_exports_committed() {
        let (trigger, interrupt) = interrupt();
        let context = Context {
            clock: &SystemClock,
            progress: &Silent,
            interrupt: &interrupt,
        };
        let id = Id::new(jiff::Timestamp::UNIX_EPOCH, 7);
        let mut steps = Steps::new(Schedule::Nightly, context);
        let committed = export::Report::committed(&id, "prod", &["courses", "users"]);
        let first = async { Ok(StepReport::Export(committed)) };
        assert!(steps.take("export prod", first).await.is_some());
        let second = async {
            trigger.set();
            let what = format!("stopped on request; committed before: {id} of test/app");
            Err(Error::new(Kind::Interrupted, what))
        };
        assert!(steps.take("export test", second).await.is_none());
        let Err(error) = steps.finish(&Notify::default()).await else {
            panic!("it was stopped");
        };
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(
            error.to_string(),
            format!(
                "stopped on request; committed before: {id} of test/app; committed by earlier steps: \
                 {id} of prod/courses, {id} of prod/users"
            )
        );
        assert_eq!(
            error.advice(),
            "run it again: what is stored stays, every step looks first"
        );
    }

    #[tokio::test]
    async fn a_run_that_is_stopped_before_its_first_step_names_no_point() {
        let (trigger, interrupt) = interrupt();
        trigger.set();
        let context = Context {
            clock: &SystemClock,
            progress: &Silent,
            interrupt: &interrupt,
        };
        let steps = Steps::new(Schedule::Prove, context);
        let Err(error) = steps.finish(&Notify::default()).await else {
            panic!("it was stopped");
        };
        assert_eq!(error.to_string(), "stopped on request");
    }
}
