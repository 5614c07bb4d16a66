//! Several commands as one run: each step is taken whatever became of the others, and all of them are
//! in one report with one exit code.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::globals::Access;
use super::metric;
use super::output::{Answer, Outcome, error_value, exit_code};
use super::render::{self, Page};
use super::run::Run;
use crate::config::NotifySettings;
use crate::error::{Error, Kind, Result};
use crate::escape::one_line;
use crate::notify::{self, DeliveryOptions};

/// What a step came to.
#[derive(Debug, Serialize)]
pub struct Step {
    /// As in "verify prod/courses".
    pub name: String,
    /// As the command alone would have ended.
    pub exit_code: u8,
    pub seconds: f64,
    /// The command's own result; null where it failed before it had one.
    pub result: Option<Value>,
    pub error: Option<Value>,
    #[serde(skip)]
    text: Page,
}

/// Which of the two it is.
#[derive(Debug, Clone, Copy)]
pub enum Schedule {
    Nightly,
    Prove,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nightly => "nightly",
            Self::Prove => "prove",
        })
    }
}

/// The steps so far.
pub struct Steps<'a> {
    run: &'a Run,
    schedule: Schedule,
    taken: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Report {
    steps: Vec<Step>,
    /// What could not be told to somebody: any makes the exit code 3 at least.
    notifications: Vec<String>,
}

impl<'a> Steps<'a> {
    pub fn new(schedule: Schedule, run: &'a Run) -> Self {
        Self {
            run,
            schedule,
            taken: Vec::new(),
        }
    }

    /// Takes a step and returns its result, where it has one. Once somebody asked us to stop, no
    /// further step is taken.
    pub async fn take(
        &mut self,
        name: impl Into<String>,
        step: impl Future<Output = Result<Answer>>,
    ) -> Option<&Value> {
        let name = name.into();
        if self.run.interrupt.is_set() {
            return None;
        }
        self.run
            .progress
            .note(&format!("{}: {name}", self.schedule));
        let began = Instant::now();
        match step.await {
            Ok(answer) => self.taken.push(Step {
                name,
                exit_code: answer.outcome.exit_code(),
                seconds: began.elapsed().as_secs_f64(),
                result: Some(answer.result),
                error: None,
                text: answer.text,
            }),
            Err(error) => self.failed(name, began.elapsed().as_secs_f64(), &error),
        }
        self.taken.last()?.result.as_ref()
    }

    /// Notes a step that came to nothing.
    pub fn failed(&mut self, name: impl Into<String>, seconds: f64, error: &Error) {
        let mut text = Page::from(format_args!("error: {}", error.chain()));
        text.line(format_args!("hint: {}", error.advice()));
        self.taken.push(Step {
            name: name.into(),
            exit_code: exit_code(error),
            seconds,
            result: None,
            text,
            error: Some(error_value(error)),
        });
    }

    /// Tells whoever is to be told, and makes the one answer of it.
    pub async fn end(self, access: &Access, settings: &NotifySettings) -> Result<Answer> {
        if self.run.interrupt.is_set() {
            return Err(Error::new(Kind::Interrupted, "stopped on request")
                .hint("run it again: what is stored stays, every step looks first"));
        }
        let outcome = worst(&self.taken);
        let notifications = self.tell(access, settings, outcome).await;
        let outcome = match (outcome, notifications.is_empty()) {
            (Outcome::Done, false) => Outcome::Findings,
            (outcome, _) => outcome,
        };
        let mut page = Page::default();
        for step in &self.taken {
            page.line(format_args!(
                "== {}: {} ({})",
                step.name,
                word(step.exit_code),
                render::duration(Duration::from_secs_f64(step.seconds)),
            ));
            page.append(&step.text);
            page.space();
        }
        for failed in &notifications {
            page.line(format_args!("finding: {failed}"));
        }
        page.line(format_args!(
            "{}: {}",
            self.schedule,
            word(outcome.exit_code())
        ));
        let report = Report {
            steps: self.taken,
            notifications,
        };
        Answer::new(&report, page, outcome)
    }

    /// What could not be told, in sentences.
    async fn tell(
        &self,
        access: &Access,
        settings: &NotifySettings,
        outcome: Outcome,
    ) -> Vec<String> {
        let mut failed = Vec::new();
        if let Some(file) = &settings.webhook_file
            && (outcome != Outcome::Done || settings.webhook_always)
        {
            failed.extend(untold("webhook", self.webhook(file).await));
        }
        // At success only: its silence is the alarm.
        if let Some(file) = &settings.ping_file
            && outcome == Outcome::Done
        {
            failed.extend(untold("ping", ping(file).await));
        }
        // The last one, as it tells of the others, too.
        if settings.metrics {
            let well = outcome == Outcome::Done && failed.is_empty();
            let told = metric::tell(self.schedule, well, access, self.run).await;
            failed.extend(untold("metric", told));
        }
        failed
    }

    async fn webhook(&self, file: &Path) -> Result<()> {
        let mut text = format!(
            "lifeboat {}: {}",
            self.schedule,
            word(worst(&self.taken).exit_code())
        );
        for step in self.taken.iter().filter(|step| step.exit_code != 0) {
            let name = one_line(&step.name);
            let name = notify::escaped(&name);
            text += &format!("\n*{name}*: {}", word(step.exit_code));
            for line in telling(&step.text) {
                text += &format!("\n> {}", notify::escaped(&line));
            }
        }
        notify::webhook(&secret(file)?, &text, DeliveryOptions::default()).await
    }
}

fn untold(what: &str, told: Result<()>) -> Option<String> {
    let error = told.err()?;
    Some(format!("the {what} could not be told: {}", error.chain()))
}

async fn ping(file: &Path) -> Result<()> {
    notify::ping(&secret(file)?, DeliveryOptions::default()).await
}

/// 1 before 3 before 0.
fn worst(steps: &[Step]) -> Outcome {
    let (done, findings) = (Outcome::Done.exit_code(), Outcome::Findings.exit_code());
    let codes = || steps.iter().map(|step| step.exit_code);
    if codes().any(|code| code != done && code != findings) {
        Outcome::Failed
    } else if codes().any(|code| code == findings) {
        Outcome::Findings
    } else {
        Outcome::Done
    }
}

fn word(exit_code: u8) -> &'static str {
    match exit_code {
        0 => "done",
        3 => "done, with findings",
        _ => "FAILED",
    }
}

/// The lines of a step's text that somebody must read, and not many, nor long ones.
fn telling(text: &Page) -> impl Iterator<Item = String> {
    const SHOWN: usize = 10;
    const CHARACTERS: usize = 400;
    let begins = [
        "error",
        "FAILED",
        "finding",
        "problem",
        "missing",
        "DOES NOT",
        "NOT SOUND",
        "NOT PROVEN",
        "unproven",
        "DAMAGED",
        "hint",
    ];
    let telling = move |line: &&str| begins.iter().any(|word| line.starts_with(word));
    text.lines().filter(telling).take(SHOWN).map(|line| {
        let mut shown: String = line.chars().take(CHARACTERS).collect();
        if shown.len() < line.len() {
            shown.push('…');
        }
        shown
    })
}

/// A URL that lets whoever has it speak in our name lies in a file of its own.
fn secret(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)
        .map_err(|why| Error::usage(format!("cannot read {}", file.display())).because(why))?;
    Ok(text.trim().to_owned())
}
