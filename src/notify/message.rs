//! What a webhook is told, in the form that its service takes.

use serde_json::{Value, json};

use crate::outcome::Outcome;

/// Which service a webhook belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// `{"text": …}`, which Mattermost, Rocket.Chat and many others take, too.
    #[default]
    Slack,
    /// A card, as a workflow "When a Teams webhook request is received" posts it.
    Teams,
    /// An event of the Events API v2, and its end once all went well again.
    PagerDuty,
}

/// PagerDuty takes no more of these.
const SUMMARY: usize = 1024;
const DEDUP_KEY: usize = 255;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line of our own words.
    pub title: String,
    pub parts: Vec<Part>,
    pub outcome: Outcome,
    /// The same for each run of its kind into the same repository.
    pub about: String,
}

/// One step, or the run as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The step and how it ended.
    pub step: Option<(String, &'static str)>,
    /// Escaped, one line each.
    pub lines: Vec<String>,
}

impl Message {
    /// In Slack's own markup, in which a table may be called `<!channel>`.
    pub(crate) fn slack(&self) -> Value {
        let mut text = escaped(&self.title);
        for Part { step, lines } in &self.parts {
            if let Some((name, state)) = step {
                text += &format!("\n*{}*: {state}", escaped(name));
            }
            text.extend(lines.iter().map(|line| format!("\n> {}", escaped(line))));
        }
        json!({ "text": text })
    }

    /// An adaptive card. Its runs of text, unlike its blocks, know no markup.
    pub(crate) fn teams(&self) -> Value {
        let run = |text: &str, bold: bool| {
            let weight = if bold { "Bolder" } else { "Default" };
            json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "weight": weight }] })
        };
        let mut body = vec![run(&self.title, true)];
        for Part { step, lines } in &self.parts {
            let step = step
                .as_ref()
                .map(|(name, state)| format!("{name}: {state}"));
            body.extend(step.map(|step| run(&step, true)));
            body.extend(lines.iter().map(|line| run(line, false)));
        }
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": { "width": "Full" },
                    "body": body,
                },
            }],
        })
    }

    /// Success ends what trouble began: both go by the same key.
    pub(crate) fn pager_duty(&self, integration_key: &str) -> Value {
        let (action, severity) = match self.outcome {
            Outcome::Done => ("resolve", "info"),
            Outcome::Findings => ("trigger", "warning"),
            Outcome::Failed => ("trigger", "critical"),
        };
        let steps = self.parts.iter().filter_map(|part| part.step.as_ref());
        let names: Vec<&str> = steps.map(|(name, _)| name.as_str()).collect();
        let summary = match names.is_empty() {
            true => self.title.clone(),
            false => format!("{}: {}", self.title, names.join(", ")),
        };
        let details = self.parts.iter().map(|Part { step, lines }| {
            let (step, state) = step.clone().unzip();
            json!({ "step": step, "outcome": state, "lines": lines })
        });
        json!({
            "routing_key": integration_key,
            "event_action": action,
            "dedup_key": first(&self.about, DEDUP_KEY),
            "payload": {
                "summary": first(&summary, SUMMARY),
                "source": self.about,
                "severity": severity,
                "custom_details": { "steps": details.collect::<Vec<_>>() },
            },
        })
    }
}

fn first(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// Slack's control characters.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(outcome: Outcome) -> Message {
        Message {
            title: "lifeboat nightly: FAILED".to_owned(),
            parts: vec![
                Part {
                    step: Some(("export <!channel>".to_owned(), "FAILED")),
                    lines: vec!["error: *no* [room](http://x)".to_owned()],
                },
                Part {
                    step: None,
                    lines: vec!["finding: not copied".to_owned()],
                },
            ],
            outcome,
            about: format!("lifeboat nightly of s3://{}", "b".repeat(300)),
        }
    }

    #[test]
    fn slack_takes_no_name_for_a_command() {
        assert_eq!(
            message(Outcome::Failed).slack()["text"],
            "lifeboat nightly: FAILED\n*export &lt;!channel&gt;*: FAILED\n\
             > error: *no* [room](http://x)\n> finding: not copied"
        );
    }

    #[test]
    fn a_card_of_teams_holds_every_line_and_no_markup() {
        let card = message(Outcome::Failed).teams();
        let body = &card["attachments"][0]["content"]["body"];
        let body = body.as_array().unwrap();
        assert!(body.iter().all(|block| block["type"] == "RichTextBlock"));
        let texts = body.iter().map(|block| &block["inlines"][0]["text"]);
        let texts: Vec<&str> = texts.map(|text| text.as_str().unwrap()).collect();
        assert_eq!(
            texts,
            [
                "lifeboat nightly: FAILED",
                "export <!channel>: FAILED",
                "error: *no* [room](http://x)",
                "finding: not copied",
            ]
        );
    }

    #[test]
    fn an_event_of_pagerduty_is_ended_by_the_key_that_it_began_with() {
        let failed = message(Outcome::Failed).pager_duty("key");
        let done = message(Outcome::Done).pager_duty("key");
        assert_eq!(failed["event_action"], "trigger");
        assert_eq!(done["event_action"], "resolve");
        assert_eq!(failed["dedup_key"], done["dedup_key"]);
        assert_eq!(failed["dedup_key"].as_str().unwrap().len(), DEDUP_KEY);
        assert_eq!(failed["routing_key"], "key");
        assert_eq!(failed["payload"]["severity"], "critical");
        let findings = message(Outcome::Findings).pager_duty("key");
        assert_eq!(findings["payload"]["severity"], "warning");
        assert_eq!(
            failed["payload"]["summary"],
            "lifeboat nightly: FAILED: export <!channel>"
        );
        let details = &failed["payload"]["custom_details"]["steps"];
        assert_eq!(details[1]["lines"][0], "finding: not copied");
    }
}
