//! SIGINT and SIGTERM: the first asks to stop, the second stops.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::progress::Reporter;
use crate::error::{Context, Result};
use crate::interrupt::Trigger;
use crate::progress::Progress;

/// As a shell reports a process that Ctrl-C ended.
const STOPPED_AT_ONCE: i32 = 130;

/// Listens for the rest of the process's life.
pub fn listen(trigger: Trigger, reporter: Arc<Reporter>) -> Result<()> {
    let cannot = || "cannot listen for signals".to_owned();
    let mut interrupted = signal(SignalKind::interrupt()).context(cannot)?;
    let mut terminated = signal(SignalKind::terminate()).context(cannot)?;
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
            if asked {
                reporter.finish();
                std::process::exit(STOPPED_AT_ONCE);
            }
            asked = true;
            trigger.set();
            reporter.warn("stopping; once more stops at once");
        }
    });
    Ok(())
}
