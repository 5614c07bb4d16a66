//! The task that moves a connection's bytes, and what it died of.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long an abandoned connection may take to close.
const GRACE: Duration = Duration::from_millis(500);

/// Owns the connection's task. An abandoned connection would go on draining what the server
/// still sends, which may be a whole table: after a moment of grace it is cut.
pub(crate) struct Driver {
    task: Option<JoinHandle<()>>,
    died_of: Arc<OnceLock<tokio_postgres::Error>>,
}

impl Driver {
    pub(crate) fn spawn<F>(connection: F) -> Self
    where
        F: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    {
        let died_of = Arc::new(OnceLock::new());
        let cause = Arc::clone(&died_of);
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                let _ = cause.set(error);
            }
        });
        Self {
            task: Some(task),
            died_of,
        }
    }

    /// Why the connection ended, if it ended by an error.
    pub(crate) fn last_words(&self) -> Option<&tokio_postgres::Error> {
        self.died_of.get()
    }

    /// Waits for the end; the client must have been dropped before.
    pub(crate) async fn finish(mut self) {
        if let Some(task) = self.task.take() {
            wind_down(task).await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(wind_down(task));
            }
            Err(_) => task.abort(),
        }
    }
}

async fn wind_down(mut task: JoinHandle<()>) {
    if tokio::time::timeout(GRACE, &mut task).await.is_err() {
        task.abort();
    }
}
