//! Says how a run ended: to a webhook, to a dead man's switch, and by a metric.

use std::path::{Path, PathBuf};

use super::notices::notices;
use super::step::Report;
use crate::aws::{Account, metric};
use crate::error::{Error, Result};
use crate::escape::one_line;
use crate::notify::{self, DeliveryOptions, Format, Message, Part};
use crate::outcome::Outcome;

#[derive(Default)]
pub(crate) struct Notify {
    pub webhook: Option<Webhook>,
    /// Holds a URL that is asked for at success only: its silence is the alarm.
    pub ping_file: Option<PathBuf>,
    /// Where the metric of CloudWatch is put. It is a call of its own: a line of the log that CloudWatch
    /// reads a metric from could be written by anybody who has a text in that log, such as a database.
    pub metric: Option<Result<Account>>,
}

/// Who is told of trouble.
pub(crate) struct Webhook {
    /// Holds its URL, or its key.
    pub file: PathBuf,
    pub format: Format,
    /// At success too.
    pub always: bool,
    /// Where the run stores what it makes.
    pub repository: String,
}

impl Webhook {
    /// PagerDuty hears of every success: it ends the incident.
    fn hears_of(&self, outcome: Outcome) -> bool {
        outcome != Outcome::Done || self.always || self.format == Format::PagerDuty
    }

    async fn send(&self, report: &Report) -> Result<()> {
        let secret = secret_in(&self.file)?;
        let message = message(report, &self.repository);
        notify::webhook(&secret, self.format, &message, DeliveryOptions::default()).await
    }
}

impl Notify {
    /// Which notifications could not be sent, and why.
    pub(super) async fn send(&self, report: &Report) -> Vec<String> {
        let outcome = report.outcome();
        let mut failed = Vec::new();
        if let Some(webhook) = &self.webhook
            && webhook.hears_of(outcome)
        {
            failed.extend(failure("webhook", webhook.send(report).await));
        }
        if let Some(file) = &self.ping_file
            && outcome == Outcome::Done
        {
            let sent = async { notify::ping(&secret_in(file)?, DeliveryOptions::default()).await };
            failed.extend(failure("ping", sent.await));
        }
        // The last one, as it counts the failures of the others, too.
        if let (Some(account), Some(metric)) = (&self.metric, report.schedule.metric()) {
            let success = outcome == Outcome::Done && failed.is_empty();
            let put = put(account, metric, success).await;
            failed.extend(failure("metric", put));
        }
        failed
    }
}

fn failure(what: &str, sent: Result<()>) -> Option<String> {
    let error = sent.err()?;
    Some(format!("the {what} could not be sent: {}", error.chain()))
}

async fn put(account: &Result<Account>, metric: &'static str, success: bool) -> Result<()> {
    let account = account.as_ref().map_err(Error::repeat)?;
    metric::put(account, metric, u8::from(success)).await
}

/// The steps that did not go well, each with what a person must read.
fn message(report: &Report, repository: &str) -> Message {
    let (schedule, outcome) = (report.schedule, report.outcome());
    let troubled = report.steps.iter();
    let troubled = troubled.filter(|step| step.outcome() != Outcome::Done);
    let mut parts: Vec<Part> = troubled
        .map(|step| Part {
            step: Some((one_line(&step.name).into_owned(), step.outcome().describe())),
            lines: shown(notices(step)),
        })
        .collect();
    let changes = report.changes.iter().map(ToString::to_string).collect();
    let findings = report.findings.iter();
    let findings = findings.map(|finding| format!("finding: {finding}"));
    let of_run = [shown(changes), shown(findings.collect())].concat();
    if !of_run.is_empty() {
        parts.push(Part {
            step: None,
            lines: of_run,
        });
    }
    Message {
        title: format!("lifeboat {schedule}: {}", outcome.describe()),
        parts,
        outcome,
        about: format!("lifeboat {schedule} of {repository}"),
    }
}

/// Not many lines, nor long ones.
fn shown(lines: Vec<String>) -> Vec<String> {
    const LINES: usize = 10;
    const CHARACTERS: usize = 400;
    let lines = lines.iter().take(LINES).map(|line| {
        let line = one_line(line);
        let mut shown: String = line.chars().take(CHARACTERS).collect();
        if shown.len() < line.len() {
            shown.push('…');
        }
        shown
    });
    lines.collect()
}

/// A URL that lets its holder speak in our name lies in a file of its own.
fn secret_in(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)
        .map_err(|why| Error::usage(format!("cannot read {}", file.display())).because(why))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Id;
    use crate::model::name::Name;
    use crate::model::table_change::Summary;
    use crate::schedule::step::{Changes, Schedule, Step};

    fn changes(database: &str) -> Changes {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let gone = Name {
            schema: "s".to_owned(),
            name: "t".to_owned(),
        };
        Changes {
            source: "prod".to_owned(),
            database: database.to_owned(),
            since: Id::new(at, 1),
            drilled_at: at,
            id: Id::new(at, 2),
            tables: Summary {
                gone: Some(vec![gone]),
                tables_gone: Some(1),
                tables_new: Some(0),
                tables_changed: Some(0),
                tables_before: 1,
                tables_after: 0,
                rows_before: 2,
                rows_after: 0,
                not_compared: Vec::new(),
            },
        }
    }

    #[test]
    fn a_message_names_steps_that_failed_and_findings_and_is_not_long() {
        let failed = |name: &str, error| Step {
            name: name.to_owned(),
            seconds: 1.0,
            result: Err(error),
        };
        let long = "é".repeat(500);
        let report = Report {
            schedule: Schedule::Nightly,
            steps: vec![
                failed("export prod", Error::failed("<!channel>\nline").hint("h")),
                failed("export b", Error::failed(long)),
            ],
            changes: vec![changes("a<b")],
            findings: vec!["not copied".to_owned()],
            notifications: Vec::new(),
        };
        let message = message(&report, "s3://b");
        assert_eq!(message.title, "lifeboat nightly: FAILED");
        assert_eq!(message.about, "lifeboat nightly of s3://b");
        let [first, second, run] = message.parts.as_slice() else {
            panic!("{message:?}");
        };
        assert_eq!(first.step, Some(("export prod".to_owned(), "FAILED")));
        assert_eq!(first.lines, ["error: <!channel>\\nline", "hint: h"]);
        assert_eq!(second.lines[0].chars().count(), 400 + 1);
        let [changes, last] = run.lines.as_slice() else {
            panic!("{run:?}");
        };
        let expected = "prod/a<b, since the last drill (of 19700101T000000Z-";
        assert!(changes.starts_with(expected), "{changes}");
        let expected = "2 rows, now 0; 1 table GONE (s.t), 0 new, 0 with other rows";
        assert!(changes.ends_with(expected), "{changes}");
        assert_eq!(last, "finding: not copied");
    }
}
