//! Hashing, compressing and opening, away from the threads that serve connections.

use std::sync::LazyLock;

use tokio::sync::Semaphore;

use crate::error::{Result, ResultExt as _};

static IDLE_CORES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// How many cores there are; 2 where the system does not say.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Sessions with a server unless configured. Two overlap reading and compressing; more than eight
/// would be felt by production.
pub(crate) fn default_jobs() -> usize {
    cores().clamp(2, 8)
}

/// Runs `work` on a thread of its own, at most one for each core at a time. What waits holds its input:
/// the caller bounds how many it starts.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    // Never closed.
    let core = IDLE_CORES.acquire().await.ok();
    let computed = tokio::task::spawn_blocking(move || {
        let _core = core;
        work()
    });
    computed
        .await
        .context(|| "a computing thread broke off".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;

    #[tokio::test]
    async fn one_task_keeps_all_cores_busy_and_no_more() {
        let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        // None ends before as many run as there are cores.
        let all_cores = Arc::new(Barrier::new(cores()));
        let works = (0..4 * cores()).map(|_| {
            let (running, all_cores) = (Arc::clone(&running), Arc::clone(&all_cores));
            on_own_thread(move || {
                let now = running.0.fetch_add(1, Ordering::SeqCst) + 1;
                running.1.fetch_max(now, Ordering::SeqCst);
                all_cores.wait();
                running.0.fetch_sub(1, Ordering::SeqCst);
            })
        });
        futures_util::future::join_all(works).await;
        assert_eq!(running.1.load(Ordering::SeqCst), cores());
    }
}
