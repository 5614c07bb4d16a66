//! A request to stop, passed down so that work can end cleanly.

use std::future::Future;

use tokio::sync::watch;

use crate::error::{Error, Kind, Result};

/// Whether someone asked us to stop. Clones see the same request.
#[derive(Debug, Clone)]
pub struct Interrupt {
    asked: watch::Receiver<bool>,
}

/// The end that asks.
#[derive(Debug)]
pub struct Trigger {
    ask: watch::Sender<bool>,
}

/// A trigger and the interrupt that it sets.
pub fn interrupt() -> (Trigger, Interrupt) {
    let (ask, asked) = watch::channel(false);
    (Trigger { ask }, Interrupt { asked })
}

impl Trigger {
    /// Asks to stop; cannot be taken back.
    pub fn set(&self) {
        self.ask.send_replace(true);
    }
}

impl Interrupt {
    /// One that is never set.
    pub fn never() -> Self {
        interrupt().1
    }

    pub fn is_set(&self) -> bool {
        *self.asked.borrow()
    }

    /// An error of kind `Interrupted` once it is set: for loops and blocking threads.
    pub fn check(&self) -> Result<()> {
        if self.is_set() {
            Err(interrupted())
        } else {
            Ok(())
        }
    }

    /// Returns when it is set, at once where it is already; never where it cannot be set any more.
    pub async fn cancelled(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|set| *set).await.is_err() {
            std::future::pending().await
        }
    }

    /// Runs `work` to its end, or drops it and fails with kind `Interrupted` as soon as this is
    /// set. Only for work that may be dropped at any await.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(interrupted()),
            done = work => done,
        }
    }
}

fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "stopped on request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_set_interrupt_stops_work_that_would_never_end() {
        let (trigger, interrupt) = interrupt();
        let copy = interrupt.clone();
        assert!(interrupt.check().is_ok());
        trigger.set();
        drop(trigger);
        let stopped = copy.or(std::future::pending::<Result<()>>()).await;
        assert_eq!(stopped.unwrap_err().kind(), Kind::Interrupted);
        assert!(interrupt.is_set());
    }

    #[tokio::test]
    async fn one_that_is_never_set_lets_work_end() {
        let never = Interrupt::never();
        let work = async {
            tokio::task::yield_now().await;
            Ok(3)
        };
        assert_eq!(never.or(work).await.unwrap(), 3);
    }
}
