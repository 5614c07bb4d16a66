//! What is printed, where, and how a run ends early.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Desk, Ran, ran, usage_error};
use crate::support::program::Lifeboat;

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
fn waiting_export(it: &Lifeboat) -> (Child, TcpStream) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url =
        format!("postgresql://me@127.0.0.1:{port}/x?sslmode=disable&connect_timeout=600");
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
        let (mut child, _connected) = waiting_export(&it);
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
    // Reading a file cannot be broken off: from a pipe that nobody writes to it lasts for ever.
    let pipe = it.folder().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let identity = pipe.to_str().unwrap();
    let target = "postgresql://me@127.0.0.1/x";
    let mut child = it
        .command(["restore", "latest", "--target", target, "--identity", identity])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Returns once the other end is open.
    let _writer = File::options().write(true).open(&pipe).unwrap();
    signal(&child, "-INT");
    wait_for_answer(&mut child);
    signal(&child, "-INT");
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (130, ""));
}
