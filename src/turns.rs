//! Several databases at a time: how many in all, and how many of one server.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::context::Context;
use crate::progress::OneOfSeveral;

/// Shared by all that run at the same time.
#[derive(Debug)]
pub struct Turns {
    most: usize,
    all: Semaphore,
    /// How many run now, by server.
    servers: Mutex<BTreeMap<String, usize>>,
    /// A server has room again.
    freed: Notify,
}

/// Ends when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    _one_of_all: SemaphorePermit<'a>,
    _of_server: Option<OfServer<'a>>,
}

#[derive(Debug)]
struct OfServer<'a> {
    turns: &'a Turns,
    server: String,
}

impl Turns {
    /// At most `most` at a time, at least one.
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            most,
            all: Semaphore::new(most),
            servers: Mutex::default(),
            freed: Notify::new(),
        }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// What each of those that run at a time may use of what all may use together: at least one.
    pub(crate) fn share(&self, together: usize) -> usize {
        (together / self.most).max(1)
    }

    /// As it is where one runs alone; beside others, `named` says whose the progress is.
    pub(crate) fn context<'b>(
        &self,
        context: Context<'b>,
        named: &'b OneOfSeveral<'_>,
    ) -> Context<'b> {
        match self.most {
            1 => context,
            _ => Context {
                progress: named,
                ..context
            },
        }
    }

    /// Does these beside each other where several may run, else one after the other; what they return is in their order.
    pub(crate) async fn each<T>(
        &self,
        works: impl Iterator<Item = impl Future<Output = T>>,
    ) -> Vec<T> {
        if self.most > 1 {
            return join_all(works).await;
        }
        let mut done = Vec::new();
        for work in works {
            done.push(work.await);
        }
        done
    }

    /// Waits for a turn that no server is asked much in.
    pub async fn any(&self) -> Turn<'_> {
        Turn {
            _one_of_all: self.one_of_all().await,
            _of_server: None,
        }
    }

    /// Waits until fewer than `at_once` run on this server, and fewer than the most in all.
    pub(crate) async fn on(&self, server: &str, at_once: usize) -> Turn<'_> {
        let of_server = self.of_server(server, at_once).await;
        Turn {
            _one_of_all: self.one_of_all().await,
            _of_server: Some(of_server),
        }
    }

    async fn one_of_all(&self) -> SemaphorePermit<'_> {
        match self.all.acquire().await {
            Ok(permit) => permit,
            Err(_) => unreachable!("it is never closed"),
        }
    }

    async fn of_server(&self, server: &str, at_once: usize) -> OfServer<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Before looking: what is freed between looking and waiting must not be missed.
            freed.as_mut().enable();
            if self.enter(server, at_once) {
                return OfServer {
                    turns: self,
                    server: server.to_owned(),
                };
            }
            freed.await;
        }
    }

    fn enter(&self, server: &str, at_once: usize) -> bool {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let running = servers.entry(server.to_owned()).or_default();
        let is_free = *running < at_once.max(1);
        *running += usize::from(is_free);
        is_free
    }
}

impl Drop for OfServer<'_> {
    fn drop(&mut self) {
        let servers = self.turns.servers.lock();
        let mut servers = servers.unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = servers.get_mut(&self.server) {
            *running -= 1;
        }
        drop(servers);
        self.turns.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// How many ran at a time at most: in all, and of each server.
    #[derive(Default)]
    struct Seen {
        all: (AtomicUsize, AtomicUsize),
        servers: [(AtomicUsize, AtomicUsize); 3],
    }

    fn enter((now, most): &(AtomicUsize, AtomicUsize)) {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    fn leave((now, _): &(AtomicUsize, AtomicUsize)) {
        now.fetch_sub(1, Ordering::SeqCst);
    }

    async fn run_all(turns: &Turns, at_once: [usize; 3]) -> (usize, [usize; 3]) {
        let seen = Seen::default();
        let each = (0..60).map(async |number| {
            let server = number % 3;
            let _turn = turns.on(&format!("server {server}"), at_once[server]).await;
            enter(&seen.all);
            enter(&seen.servers[server]);
            for _ in 0..number % 5 + 1 {
                tokio::task::yield_now().await;
            }
            leave(&seen.all);
            leave(&seen.servers[server]);
        });
        turns.each(each).await;
        let most = |pair: &(AtomicUsize, AtomicUsize)| pair.1.load(Ordering::SeqCst);
        (most(&seen.all), seen.servers.each_ref().map(most))
    }

    #[tokio::test]
    async fn as_many_run_as_may_in_all_and_on_each_server() {
        assert_eq!(run_all(&Turns::new(8), [1, 2, 3]).await, (6, [1, 2, 3]));
        assert_eq!(run_all(&Turns::new(2), [1, 1, 1]).await.0, 2);
        assert_eq!(run_all(&Turns::new(1), [5, 5, 5]).await, (1, [1, 1, 1]));
        // Nonsense still ends.
        assert_eq!(run_all(&Turns::new(0), [0, 0, 0]).await.0, 1);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_takes_no_turn_with_it() {
        let turns = Turns::new(2);
        let first = turns.on("a", 1).await;
        {
            let waiting = turns.on("a", 1);
            tokio::pin!(waiting);
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        drop(first);
        let _second = turns.on("a", 1).await;
        let _third = turns.any().await;
    }

    #[test]
    fn shares_are_whole_and_never_nothing() {
        assert_eq!(Turns::new(3).share(8), 2);
        assert_eq!(Turns::new(8).share(2), 1);
    }
}
