//! Whatever is given wrong: one line of cause that names it, one `hint:`, the documented exit code,
//! no panic, and nothing lost or left behind.

mod damaged;
mod permissions;
mod points;
mod pooler;
mod reach;
mod settings;
mod stores;
mod targets;

use serde_json::json;

use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

/// One line says what is wrong and names it, one says what to do.
#[track_caller]
pub fn complains(ran: &Ran, code: i32, words: &[&str]) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(code), "{all}");
    for panic in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
        assert!(!all.contains(panic), "{all}");
    }
    let lines = |starts: &[&str]| -> Vec<&str> {
        let begins = |line: &&str| starts.iter().any(|start| line.starts_with(start));
        all.lines().filter(begins).collect()
    };
    let causes = lines(&["error: ", "FAILED "]);
    let hints = lines(&["hint: "]);
    assert_eq!(
        (causes.len(), hints.len()),
        (1, 1),
        "causes and hints in:\n{all}"
    );
    for word in words {
        let said = causes[0].contains(word) || hints[0].contains(word);
        assert!(said, "no '{word}' in:\n{}\n{}", causes[0], hints[0]);
    }
}

/// An export that must fail and leave no restore point.
#[track_caller]
fn export_complains(lifeboat: &Lifeboat, url: &str, words: &[&str]) {
    let ran = lifeboat.bare(["export", "--source", url]);
    complains(&ran, 1, words);
    no_points(lifeboat);
}

#[track_caller]
fn no_points(lifeboat: &Lifeboat) {
    let listed = lifeboat.run(["list"]).json();
    assert_eq!(listed["result"]["points"], json!([]), "{listed}");
}

/// Arguments of a restore of the latest point.
fn restoring<'a>(lifeboat: &Lifeboat, target: &'a str, more: &[&'a str]) -> Vec<String> {
    let identity = lifeboat.identity().to_str().unwrap().to_owned();
    let mut args = vec![
        "restore",
        "latest",
        "--target",
        target,
        "--identity",
        &identity,
    ];
    args.extend(more);
    args.into_iter().map(str::to_owned).collect()
}

/// Roles of a server that are dropped with this value: declare it before databases.
struct Roles(Vec<(Major, String)>);

impl Drop for Roles {
    fn drop(&mut self) {
        for (major, role) in self.0.drain(..).rev() {
            let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
            if let Err(error) = major.try_sql("postgres", "postgres", &drop) {
                eprintln!("{drop}: {error}");
            }
        }
    }
}
