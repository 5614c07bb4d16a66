//! SIGINT and SIGTERM: the first asks to stop, the second stops.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::progress::Reporter;
use crate::error::{Result, ResultExt};
use crate::interrupt::Trigger;
use crate::progress::Progress;

/// As a shell reports a process that Ctrl-C ended.
const STOPPED_AT_ONCE: i32 = 130;

/// Listens for the rest of the process's life.
pub(super) fn listen(trigger: Trigger, reporter: Arc<Reporter>) -> Result<()> {
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
            // Before the run can end.
            reporter.warn("stopping; once more stops at once");
            trigger.set();
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::progress::Style;
    use crate::clock::SystemClock;
    use crate::interrupt::interrupt;

    #[tokio::test]
    async fn the_first_signal_asks_to_stop() {
        let (trigger, interrupt) = interrupt();
        let clock = Arc::new(SystemClock);
        let reporter = Reporter::new(Style::Quiet, Box::new(std::io::sink()), clock);
        listen(trigger, Arc::new(reporter)).unwrap();
        assert!(!interrupt.is_set());
        let pid = std::process::id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        assert!(sent.unwrap().success());
        let asked = tokio::time::timeout(std::time::Duration::from_secs(20), interrupt.cancelled());
        asked.await.unwrap();
    }
}
