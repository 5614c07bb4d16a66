//! Promises of the command line, kept by the real binary.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::Lifeboat;

const COMMANDS: [&str; 9] = [
    "init",
    "export",
    "list",
    "show",
    "verify",
    "hold",
    "restore",
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

#[test]
fn every_command_explains_itself_with_examples_and_exit_codes() {
    let desk = Desk::new();
    let all = desk.run(&["--help"]);
    assert_eq!(all.code, 0);
    for name in COMMANDS {
        assert!(
            all.out.contains(&format!("\n  {name}")),
            "{name} is not in --help"
        );
        for args in [[name, "--help"], ["help", name]] {
            let help = desk.run(&args);
            assert_eq!((help.code, help.err.as_str()), (0, ""));
            for words in [
                "Examples:",
                &format!("lifeboat {name}"),
                "Exit codes:",
                "Usage:",
            ] {
                assert!(help.out.contains(words), "{words} is not in: {}", help.out);
            }
            assert!(help.out.contains("3  done, with findings"));
        }
    }
    for words in ["LIFEBOAT_CONFIG", "\"ok\": true", "seconds_left", "130"] {
        assert!(all.out.contains(words), "{words}");
    }
}

#[test]
fn no_argument_is_answered_with_the_commands() {
    let ran = Desk::new().run(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("Commands:") && ran.err.contains("restore"));
}

#[test]
fn every_option_has_a_description() {
    fn look(command: &clap::Command) {
        for arg in command.get_arguments() {
            assert!(
                arg.get_help().is_some(),
                "{} {}",
                command.get_name(),
                arg.get_id()
            );
        }
        command.get_subcommands().for_each(look);
    }
    let mut definition = lifeboat::cli::definition();
    definition.build();
    definition.clone().debug_assert();
    look(&definition);
}

#[test]
fn what_is_misspelt_is_answered_with_what_was_meant() {
    let desk = Desk::new();
    for (args, meant) in [
        (&["restroe"][..], "'restore'"),
        (&["list", "--databse", "x"], "'--database'"),
        (&["init", "--lock", "complience"], "'compliance'"),
    ] {
        let ran = desk.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains(meant), "{}", ran.err);
    }
}

#[test]
fn without_a_configuration_it_says_where_it_looked_and_what_to_do() {
    let desk = Desk::new();
    for args in [
        &["export"][..],
        &["list"],
        &["show", "latest"],
        &["verify", ID],
        &["hold", ID, "--until", "9d"],
        &[
            "restore",
            ID,
            "--target",
            "postgresql:///x",
            "--identity",
            "k",
        ],
    ] {
        let ran = desk.run(args);
        usage_error(
            &ran,
            &[
                "/etc/lifeboat/lifeboat.toml",
                "--config",
                "lifeboat init",
                "--trust",
            ],
        );
    }
    let ran = desk.run(&["list", "--config", "nowhere.toml"]);
    usage_error(&ran, &["nowhere.toml", "No such file"]);
}

#[test]
fn reading_commands_need_no_configuration_beside_their_flags() {
    let desk = Desk::new();
    // A broken file that happens to lie here must not stand in the way.
    desk.write("lifeboat.toml", "broken");
    let given = ["--repository", "store", "--trust", TRUST];
    for args in [
        &["list"][..],
        &["show", "latest"],
        &["verify", ID, "--data"],
        &["hold", "latest", "--until", "9d"],
        &[
            "restore",
            "latest",
            "--target",
            "postgresql:///x",
            "--identity",
            "k",
        ],
    ] {
        understood(&desk.run(&[args, &given].concat()));
    }
    understood(&desk.run(&["list", "--repository", "store"]));
    let ran = desk.run(&["verify", ID, "--repository", "store"]);
    usage_error(&ran, &["--trust FINGERPRINT"]);
}

#[test]
fn the_configuration_is_found_in_its_usual_places() {
    let desk = Desk::new();
    let folder = desk.path().join(".config/lifeboat");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("lifeboat.toml"), "in = 'home'").unwrap();
    usage_error(
        &desk.run(&["list"]),
        &[".config/lifeboat/lifeboat.toml:1", "unknown key 'in'"],
    );
    desk.write("lifeboat.toml", "here = 1");
    usage_error(
        &desk.run(&["list"]),
        &["lifeboat.toml:1", "unknown key 'here'"],
    );
    desk.write("other.toml", "other = 1");
    let ran = desk
        .command(&["list"])
        .env("LIFEBOAT_CONFIG", "other.toml")
        .output();
    usage_error(
        &self::ran(ran.unwrap()),
        &["other.toml:1", "unknown key 'other'"],
    );
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    let desk = Desk::new();
    desk.write(
        "lifeboat.toml",
        "[repository]\nurl = 'x'\n\n[lock]\ndayly_days = 3\n",
    );
    let ran = desk.run(&["list"]);
    usage_error(
        &ran,
        &["lifeboat.toml:5", "'lock.dayly_days'", "'lock.daily_days'"],
    );
}

#[test]
fn bad_values_are_named_with_what_would_be_right() {
    let desk = Desk::new().with_config();
    for (args, words) in [
        (
            &["export", "--rate-limit", "fast"][..],
            &["--rate-limit", "MiB/s"][..],
        ),
        (&["export", "--rate-limit", "-1MiB/s"], &["--rate-limit"]),
        (
            &["export", "--source", "prd"],
            &["--source", "'prd'", "'prod'"],
        ),
        (
            &["export", "--source", "mysql://me:hunter2@x/y"],
            &["--source", "postgresql://"],
        ),
        (
            &["export", "--source", "prod", "--source", "prod"],
            &["given twice"],
        ),
        (
            &["export", "--database", "x"],
            &["of which source", "--source NAME"],
        ),
        (
            &["hold", ID, "--until", "soon"],
            &["--until", "'soon'", "90d"],
        ),
        (&["hold", ID, "--until", "2020-01-01"], &["in the past"]),
        (&["hold", ID, "--until", "2099-12-01"], &["max_lock_days"]),
        (&["hold", ID, "--until", "9999-01-01"], &["after 2100"]),
        (&["show", "yesterday"], &["'yesterday'", "lifeboat list"]),
        (&["verify", "../../etc/passwd"], &["not an id"]),
        (&["list", "--source", "a/b"], &["--source", "letters"]),
        (&["list", "--trust", "abc"], &["--trust", "64 hex digits"]),
        (
            &["list", "--repository", "gs://x"],
            &["--repository", "s3://bucket/prefix"],
        ),
        (
            &["list", "--repository", "s3://B"],
            &["--repository", "bucket name"],
        ),
        (
            &["list", "--region", "eu-central-1"],
            &["--region", "directory"],
        ),
        (
            &["list", "--repository", "s3://bucket", "--bucket-owner", "7"],
            &["--bucket-owner"],
        ),
        (
            &["restore", ID, "--target", "x", "--identity", "k"],
            &["--target", "postgresql://"],
        ),
        (
            &["restore", ID, "--target", "postgresql:///x"],
            &["identity", "break-glass.key"],
        ),
        (
            &[
                "restore",
                ID,
                "--target",
                "postgresql:///x",
                "--identity",
                "k",
                "--table",
                "a.b.c",
            ],
            &["--table", "schema.table"],
        ),
        (&["init", "--config", "new.toml"], &["--repository"]),
        (&["init", "--repository", "x"], &["--config"]),
        (
            &[
                "init",
                "--config",
                "n.toml",
                "--repository",
                "x",
                "--lock",
                "compliance",
            ],
            &["--lock", "no locks"],
        ),
        (
            &[
                "init",
                "--config",
                "n",
                "--repository",
                "x",
                "--source-url",
                "postgres://a:hunter2@b/c",
            ],
            &["--source-url", "password"],
        ),
    ] {
        let ran = desk.run(args);
        usage_error(&ran, words);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
    assert_eq!(desk.run(&["list", "--database", ""]).code, 2);
    for jobs in ["0", "129", "many", "-1"] {
        assert_eq!(desk.run(&["export", "--jobs", jobs]).code, 2);
    }
}

#[test]
fn good_lines_are_understood() {
    let desk = Desk::new().with_config();
    for args in [
        &["export"][..],
        &[
            "export",
            "--source",
            "prod",
            "--database",
            "a",
            "--database",
            "b",
            "--jobs",
            "3",
        ],
        &[
            "export",
            "--source",
            "postgresql://me@127.0.0.1:1/x",
            "--rate-limit",
            "none",
            "--dry-run",
        ],
        &["--json", "list", "--source", "prod"],
        &["hold", "latest", "--until", "9d", "--database", "a"],
    ] {
        understood(&desk.run(args));
    }
}

#[test]
fn an_example_key_never_seals_a_backup() {
    let desk = Desk::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/local.toml");
    let ran = desk.run(&["export", "--config", example]);
    usage_error(&ran, &["key of an example", "age-keygen"]);
}

#[test]
fn json_is_one_document_on_stdout_whatever_happens() {
    let desk = Desk::new();
    let document = |args: &[&str]| -> (Ran, Value) {
        let ran = desk.run(args);
        let value: Value = serde_json::from_str(&ran.out).expect(&ran.out);
        assert_eq!(value["exit_code"], ran.code);
        assert_eq!(value["ok"], ran.code == 0);
        (ran, value)
    };
    let (ran, value) = document(&["list", "--json"]);
    assert_eq!(value["command"], "list");
    assert_eq!(value["error"]["kind"], "usage");
    assert!(value["error"]["hint"].is_string());
    assert!(ran.err.starts_with("error: "), "people are told as well");

    let (_, value) = document(&["restore", "--json", "--oops"]);
    assert_eq!(
        (&value["command"], &value["error"]["kind"]),
        (&"restore".into(), &"usage".into())
    );
    let (_, value) = document(&["--json", "list", "--databse", "x"]);
    let hint = value["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("--database"), "{hint}");
    let (_, value) = document(&["--json"]);
    assert_eq!(value["command"], "");

    let (ran, value) = document(&["completions", "fish", "--json"]);
    assert!(
        value["result"]["script"]
            .as_str()
            .unwrap()
            .contains("lifeboat")
    );
    assert_eq!(ran.err, "");
}

#[test]
fn completions_are_sound_scripts() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = desk.run(&["completions", shell]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(
            ran.out.contains("restore") && !ran.out.contains("\\t\\t"),
            "{shell}"
        );
        desk.write("script", &ran.out);
        // Only bash is sure to be here.
        let parsed = Command::new(shell)
            .arg("-n")
            .arg(desk.path().join("script"))
            .output();
        match parsed {
            Ok(parsed) => assert!(
                parsed.status.success() && parsed.stderr.is_empty(),
                "{shell}"
            ),
            Err(why) => assert_ne!(shell, "bash", "{why}"),
        }
    }
    let ran = desk.run(&["completions", "cmd.exe"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn man_pages_cover_every_command() {
    let desk = Desk::new();
    let ran = desk.run(&["man", "new/man1"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let folder = desk.path().join("new/man1");
    for page in COMMANDS.map(|name| format!("lifeboat-{name}.1")) {
        let page = folder.join(page);
        let roff = std::fs::read_to_string(&page).unwrap();
        for words in [".TH lifeboat", "Examples:", "Exit codes:"] {
            assert!(roff.contains(words), "{words} is not in {}", page.display());
        }
        let shown = Command::new("man")
            .args(["-l", "-Tascii", "--warnings"])
            .arg(&page)
            .env("MANPAGER", "cat")
            .output();
        // Small systems have no man, or a stand-in that says so.
        if let Ok(shown) = shown
            && shown.stdout.starts_with(b"lifeboat")
        {
            assert!(shown.status.success());
            assert_eq!(String::from_utf8_lossy(&shown.stderr), "");
        }
    }
    assert!(folder.join("lifeboat.1").exists());
    desk.write("file", "");
    let ran = desk.run(&["man", "file"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("error: cannot write man pages into file"),
        "{}",
        ran.err
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let desk = Desk::new();
    for args in [
        &["completions", "bash"][..],
        &["--help"],
        &["completions", "zsh", "--json"],
    ] {
        let mut child = desk
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let desk = Desk::new();
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return;
    };
    let ran = ran(desk
        .command(&["completions", "bash"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap());
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("No space left"), "{}", ran.err);
}

#[test]
fn arguments_that_are_not_text_are_refused_without_panic() {
    use std::os::unix::ffi::OsStrExt as _;
    let desk = Desk::new();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for args in [
        &["show"][..],
        &["list", "--source"],
        &["export", "--source"],
        &[],
    ] {
        let output = desk.command(args).arg(odd).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    }
}

#[test]
fn escape_sequences_in_arguments_do_not_reach_the_terminal() {
    let desk = Desk::new().with_config();
    for args in [
        &["show", "\u{1b}[2J\nx"][..],
        &["export", "--source", "\u{1b}]0;x\u{7}"],
        &["list", "--repository", "s3://\u{1b}[2J"],
        &["list", "--repository", "\u{202e}://x"],
    ] {
        let ran = desk.run(args);
        usage_error(&ran, &[]);
        assert!(
            !ran.err.contains(['\u{1b}', '\u{202e}', '\u{7}']),
            "{:?}",
            ran.err
        );
    }
}

/// An export that waits so many seconds for a server which accepts and never answers.
fn waiting_export(it: &Lifeboat, seconds: u32) -> (Child, TcpStream) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url =
        format!("postgresql://me@127.0.0.1:{port}/x?sslmode=disable&connect_timeout={seconds}");
    let child = it
        .command(["export", "--source", &url, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (connected, _) = silent.accept().unwrap();
    (child, connected)
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.unwrap().success());
}

/// Reads stderr up to the line that answers the first signal.
fn wait_for_answer(child: &mut Child) -> String {
    let mut seen = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    while !seen.contains("stopping; once more stops at once") {
        assert_ne!(lines.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    child.stderr = Some(lines.into_inner());
    seen
}

#[test]
fn a_signal_ends_a_run_with_an_answer() {
    let it = Lifeboat::init();
    for name in ["-INT", "-TERM"] {
        let (mut child, _connected) = waiting_export(&it, 3);
        signal(&child, name);
        wait_for_answer(&mut child);
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 1, "{name}: {}{}", ran.out, ran.err);
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(document["error"]["kind"], "interrupted", "{}", ran.out);
    }
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let it = Lifeboat::init();
    let (mut child, _connected) = waiting_export(&it, 600);
    signal(&child, "-INT");
    wait_for_answer(&mut child);
    signal(&child, "-INT");
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (130, ""));
}
