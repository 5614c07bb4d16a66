//! Promises of the command line, kept by the real binary.

mod help;
mod output;
mod usage;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const COMMANDS: [&str; 13] = [
    "init",
    "export",
    "list",
    "show",
    "history",
    "diff",
    "verify",
    "hold",
    "restore",
    "extract",
    "keys",
    "completions",
    "man",
];
const TRUST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const ID: &str = "20261121T020000Z-k3v9q2";
/// A recipient that is no example's.
const KEY: &str = "age1kpjy408cj3tumqraw8ac09p348lrfwmnu8guuzvhfmh2y50utcnswnmcwg";

/// What one run printed, and its exit code.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// An empty HOME and working folder of its own.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path())
            .env("RUST_BACKTRACE", "1")
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end; nothing may ever panic.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// A configuration that an export could begin with.
    fn with_config(self) -> Self {
        self.write(
            "lifeboat.toml",
            &format!(
                "[repository]\nurl = 'store'\ntrust = ['{TRUST}']\n\
                 [keys]\nsigning_key = 'k.pem'\n[[recipient]]\nname = 'a'\nkey = '{KEY}'\n\
                 [[source]]\nname = 'prod'\nhost = '/tmp'\n[[source]]\nname = 'test'\nhost = '/tmp'\n"
            ),
        );
        self
    }
}

#[track_caller]
fn ran(output: Output) -> Ran {
    let ran = Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    for word in ["panicked", "backtrace", "RUST_"] {
        assert!(!ran.err.contains(word), "{}", ran.err);
    }
    ran
}

/// One line of cause, one of what to do, exit code 2.
#[track_caller]
fn usage_error(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(ran.out, "");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.err);
    assert!(
        lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
        "{}",
        ran.err
    );
    for word in words {
        assert!(ran.err.contains(word), "'{word}' is not in: {}", ran.err);
    }
}

/// Got past options and configuration to the use case.
#[track_caller]
fn understood(ran: &Ran) {
    assert_ne!(ran.code, 2, "{}", ran.err);
}
