//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    lifeboat::wall::hide_this_process();
    lifeboat::cli::run(std::env::args_os())
}
