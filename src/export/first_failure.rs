//! The first failure stops everything, and is the one reported.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::Error;

/// Shared by all threads of one export.
#[derive(Clone)]
pub(super) struct FirstFailure {
    first: Arc<Mutex<Option<Error>>>,
    stopped: watch::Sender<bool>,
}

impl FirstFailure {
    pub(super) fn new() -> Self {
        Self {
            first: Arc::default(),
            stopped: watch::Sender::new(false),
        }
    }

    /// Stops everything because of this error; later ones are consequences and are dropped.
    pub(super) fn set(&self, error: Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.stopped.send_replace(true);
    }

    pub(super) fn is_set(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Returns as soon as something failed.
    pub(super) async fn wait(&self) {
        // Cannot fail: self keeps the sender alive.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    pub(super) fn take(&self) -> Option<Error> {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
