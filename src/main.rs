//! The binary: parse, run, print once, exit.

use std::process::ExitCode;

use lifeboat::cli::{self, output};

fn main() -> ExitCode {
    lifeboat::wall::hide_this_process();
    match cli::parse(std::env::args_os()) {
        Ok(asked) => {
            let form = asked.form();
            let command = asked.command_name();
            let done = cli::run(asked);
            output::print(form, command, done)
        }
        Err(stop) => stop.print(),
    }
}
