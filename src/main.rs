//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    lifeboat::hide_this_process();
    lifeboat::run(std::env::args_os())
}
