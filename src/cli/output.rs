//! The one answer of a command: text or one JSON document on stdout, errors on stderr.

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::process::ExitCode;

use rustix::fs::{FileType, OFlags};
use serde::Serialize;
use serde_json::{Value, json};

use super::render::Page;
use crate::error::{Error, Kind, Result};
use crate::escape::{self, one_line};
use crate::outcome::Outcome;

/// What a command has to say, in both forms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// For people.
    pub text: Page,
    /// For programs: `result` of the document.
    pub result: Value,
    pub outcome: Outcome,
    /// Rows went to stdout: the text goes to stderr.
    beside_rows: bool,
}

impl Answer {
    /// An answer of a report and its rendering.
    pub(super) fn new(
        report: &impl Serialize,
        text: impl Into<Page>,
        outcome: Outcome,
    ) -> Result<Self> {
        let mut result = serde_json::to_value(report)
            .map_err(|why| Error::failed("cannot write the answer as JSON").because(why))?;
        put_sentences_on_one_line(&mut result, "");
        Ok(Self {
            text: text.into(),
            result,
            outcome,
            beside_rows: false,
        })
    }

    /// Of a command that wrote rows to stdout, where its text has no place any more.
    pub(super) fn beside_rows(self) -> Self {
        Self {
            beside_rows: true,
            ..self
        }
    }
}

/// Fields that hold sentences for people, as JSON.md has them. Names, values and statements stay as they
/// are stored; a sentence may quote one, and is one line also where `jq -r` prints it into a log.
const SENTENCES: [&str; 15] = [
    "damage",
    "error",
    "failures",
    "findings",
    "hint",
    "left_out",
    "mend",
    "means",
    "message",
    "notifications",
    "problems",
    "reason",
    "to_do",
    "what",
    "why",
];

/// `key` is the field that holds the value, or the list that the value is in.
fn put_sentences_on_one_line(value: &mut Value, key: &str) {
    match value {
        Value::String(text) if SENTENCES.contains(&key) => *text = one_line(text).into_owned(),
        Value::Array(items) => {
            for item in items {
                put_sentences_on_one_line(item, key);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                put_sentences_on_one_line(field, key);
            }
        }
        _ => {}
    }
}

/// Stdout for rows, which are data and not text for people.
pub(super) fn rows() -> Result<Box<dyn Write + Send>> {
    if was_closed(&io::stdout()) {
        return Err(Error::usage("standard output is closed, and rows go there")
            .hint("-o FILE writes them to a file"));
    }
    Ok(Box::new(io::stdout()))
}

/// In place of one that is closed at the start, Rust's runtime opens `/dev/null`, for reading, too: whatever is
/// written there is lost, and nobody asked for that. A shell's `> /dev/null` is for writing alone.
fn was_closed(stdout: &impl AsFd) -> bool {
    let null = std::fs::metadata("/dev/null");
    let (Ok(null), Ok(stat)) = (null, rustix::fs::fstat(stdout)) else {
        return false;
    };
    let flags = rustix::fs::fcntl_getfl(stdout);
    let mode = flags.map(|flags| flags & OFlags::RWMODE);
    null.file_type().is_char_device()
        && FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == null.rdev()
        && mode == Ok(OFlags::RDWR)
}

pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints a command's answer or error, once, and returns the exit code. `json`: as a document.
pub(super) fn print(json: bool, command: &str, done: Result<Answer>) -> ExitCode {
    let code = match &done {
        Ok(answer) => answer.outcome.exit_code(),
        Err(error) => exit_code(error),
    };
    if let Err(error) = &done {
        print_error(error);
    }
    match done {
        done if json => finish(&document(command, code, done), code),
        Ok(answer) if answer.beside_rows => {
            // Where stderr is gone the exit code still says it.
            let _ = io::stderr().write_all(answer.text.as_str().as_bytes());
            ExitCode::from(code)
        }
        Ok(answer) => finish(answer.text.as_str(), code),
        Err(_) => ExitCode::from(code),
    }
}

/// The document of a command line that did not parse; its text was printed already.
pub(super) fn print_usage_document(json: bool, command: &str, error: &clap::Error) -> ExitCode {
    const USAGE: u8 = 2;
    if !json {
        return ExitCode::from(USAGE);
    }
    let rendered = error.render().to_string();
    // clap's text: the error up to an empty line, perhaps tips, the usage.
    let (message, rest) = rendered.split_once("\n\n").unwrap_or((&rendered, ""));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let tip = rest
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("tip: "));
    let error = Error::usage(words(message))
        .hint(tip.unwrap_or("lifeboat --help shows commands and options"));
    finish(&document(command, USAGE, Err(error)), USAGE)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Of a process that fails with it.
pub(super) fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        Kind::Usage => 2,
        _ => 1,
    }
}

fn print_error(error: &Error) {
    let text = format!(
        "error: {}\nhint: {}\n",
        one_line(&error.chain()),
        one_line(error.advice())
    );
    // Where stderr is gone the exit code still says it.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// One line: `result` lies inside it, so that nothing of a database can pass for a line of its own.
fn document(command: &str, code: u8, done: Result<Answer>) -> String {
    let (key, value) = match done {
        Ok(answer) => ("result", answer.result),
        Err(error) => ("error", error_value(&error)),
    };
    escape::json(&json!({
        "ok": code == 0,
        "command": command,
        "exit_code": code,
        key: value,
    }))
}

/// `error` of a document.
pub(super) fn error_value(error: &Error) -> Value {
    json!({
        "kind": error.kind(),
        "message": one_line(&error.chain()),
        "hint": one_line(error.advice()),
    })
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no failure; an answer that could
/// not be written for another reason is.
fn finish(text: &str, code: u8) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let newline = if text.ends_with('\n') || text.is_empty() {
        ""
    } else {
        "\n"
    };
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(newline.as_bytes()))
        .and_then(|()| stdout.flush());
    match written {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            print_error(&Error::failed("cannot write to standard output").because(why));
            ExitCode::from(code.max(1))
        }
        _ => ExitCode::from(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_ok_only_with_exit_code_0() {
        let answer = |outcome| Answer::new(&json!({"points": 3}), "three", outcome).unwrap();
        let read = |outcome: Outcome| -> Value {
            let text = document("list", outcome.exit_code(), Ok(answer(outcome)));
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(read(Outcome::Done)["ok"], true);
        let found = read(Outcome::Findings);
        assert_eq!(
            (&found["ok"], &found["exit_code"]),
            (&json!(false), &json!(3))
        );
        assert_eq!(found["result"]["points"], 3);
        assert_eq!(read(Outcome::Failed)["exit_code"], 1);
    }

    #[test]
    fn sentences_are_one_line_and_names_values_and_statements_as_they_are() {
        let odd = "a\n\u{2028}b";
        let report = json!({
            "findings": [odd], "failures": [{ "what": odd, "why": odd, "sql": odd }],
            "database": odd, "assertions": [{ "value": odd }],
        });
        let answer = Answer::new(&report, "done", Outcome::Findings).unwrap();
        let document = document("restore", 3, Ok(answer));
        assert!(document.chars().all(escape::is_plain), "{document}");
        let read: Value = serde_json::from_str(&document).unwrap();
        let (result, sentence) = (&read["result"], r"a\n\u{2028}b");
        let trouble = &result["failures"][0];
        for shown in [&result["findings"][0], &trouble["what"], &trouble["why"]] {
            assert_eq!(shown, sentence);
        }
        for exact in [
            &trouble["sql"],
            &result["database"],
            &result["assertions"][0]["value"],
        ] {
            assert_eq!(exact, odd);
        }
    }

    #[test]
    fn a_closed_stdout_is_told_from_one_that_is_thrown_away() {
        let null = |read: bool| {
            let mut options = std::fs::File::options();
            options.read(read).write(true).open("/dev/null").unwrap()
        };
        assert!(was_closed(&null(true)));
        assert!(!was_closed(&null(false)));
        assert!(!was_closed(&tempfile::tempfile().unwrap()));
    }

    #[test]
    fn an_error_document_holds_the_chain_and_the_hint() {
        let error = Error::damaged("part 7").because(Error::failed("too\nshort").hint("fetch it"));
        let read: Value = serde_json::from_str(&document("verify", 1, Err(error))).unwrap();
        assert_eq!(read["error"]["kind"], "damaged");
        assert_eq!(read["error"]["message"], r"part 7: too\nshort");
        assert_eq!(read["error"]["hint"], "fetch it");
    }
}
