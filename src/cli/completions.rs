//! `lifeboat completions`

use clap_complete::Shell;
use serde_json::json;

use super::run::{Answer, Page};
use crate::error::Result;
use crate::outcome::Outcome;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat completions bash > /etc/bash_completion.d/lifeboat\n  \
       lifeboat completions zsh > ~/.zfunc/_lifeboat\n  \
       lifeboat completions fish > ~/.config/fish/completions/lifeboat.fish"
))]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args, definition: &mut clap::Command) -> Result<Answer> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, definition, "lifeboat", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let report = json!({ "script": script });
    Answer::new(&report, Page::script(script), Outcome::Done)
}
