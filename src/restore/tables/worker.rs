//! One connection that loads parts until none is left.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, Retryable as _};

use super::load::TableLoad;
use super::queue::{FetchedPart, PartQueue, QueuedPart};
use crate::error::{Error, Result, ResultExt};
use crate::model::catalog::Name;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::load::{Failure, Open, load_part};
use crate::restore::run::Run;
use crate::retry::RetryPolicy;

/// How often a part is tried before a lost connection or a deadlock ends the restore.
const ATTEMPTS: RetryPolicy = RetryPolicy {
    attempts: 5,
    first_pause: Duration::from_millis(400),
};

pub(super) struct Worker<'a> {
    run: &'a Run<'a>,
    session: Session,
}

impl<'a> Worker<'a> {
    pub(super) async fn connect(run: &'a Run<'a>) -> Result<Self> {
        let session = connect(run).await?;
        Ok(Self { run, session })
    }

    /// Loads until nothing is left or something fails that concerns every table.
    pub(super) async fn run(mut self, queue: &PartQueue<'_>) -> Result<()> {
        while let Some(loads) = queue.next_in_order() {
            for load in loads {
                self.load_in_order(queue, load).await?;
            }
        }
        let mut own = None;
        while let Some(fetched) = queue.next(&mut own).await? {
            // A failed load is reported at once; a failed fetch, once this part is loaded.
            let ahead = async { Ok(queue.fetch_ahead(&mut own).await) };
            let ((), ahead) = tokio::try_join!(self.load(queue, &fetched), ahead)?;
            ahead?;
        }
        self.session.close().await;
        Ok(())
    }

    async fn load_in_order<'q>(
        &mut self,
        queue: &PartQueue<'q>,
        load: &'q TableLoad<'q>,
    ) -> Result<()> {
        let parts = self.run.inputs.point.parts(load.parts).await?;
        for (number, part) in (0..).zip(parts) {
            let part = part?;
            let queued = QueuedPart { load, number, part };
            if queue.is_pending(&queued) {
                self.load(queue, &queue.fetch(queued).await?).await?;
            }
        }
        Ok(())
    }

    async fn load(&mut self, queue: &PartQueue<'_>, fetched: &FetchedPart<'_>) -> Result<()> {
        let QueuedPart { load, part, .. } = &fetched.queued;
        // Maybe since it was fetched.
        if load.refusal().is_none() {
            self.load_with_retries(queue, fetched).await?;
        }
        self.run.inputs.context.progress.advance(part.copy_bytes);
        Ok(())
    }

    async fn load_with_retries(
        &mut self,
        queue: &PartQueue<'_>,
        fetched: &FetchedPart<'_>,
    ) -> Result<()> {
        let load = fetched.queued.load;
        let (mut pauses, mut was_lost) = (ATTEMPTS.build(), false);
        loop {
            let through_root = load.goes_through_root();
            let Err(failure) = self.load_once(queue, fetched, through_root).await else {
                return Ok(());
            };
            match failure {
                Failure::WrongPartition(_) if load.root.is_some() && !through_root => {
                    load.go_through_root();
                    continue;
                }
                Failure::TryAgain(error) => wait(&mut pauses, error).await?,
                Failure::Lost(error) => {
                    was_lost = true;
                    wait(&mut pauses, error).await?;
                    if self.was_committed(&fetched.queued, &mut pauses).await? {
                        return Ok(());
                    }
                }
                // The session that was believed lost may have committed only now.
                Failure::Rows(_)
                    if was_lost && self.was_committed(&fetched.queued, &mut pauses).await? =>
                {
                    return Ok(());
                }
                Failure::WrongPartition(error) if load.foreign_root.is_some() => {
                    let root = load.foreign_root.as_ref().map(Name::to_string);
                    let root = root.unwrap_or_default();
                    let why = format!("it would reach a foreign server through {root}");
                    load.refuse(Error::refused(why).because(error));
                    return Ok(());
                }
                Failure::Rows(error) | Failure::WrongPartition(error) => {
                    load.refuse(error);
                    return Ok(());
                }
                Failure::Fatal(error) => return Err(error),
            }
        }
    }

    async fn load_once(
        &self,
        queue: &PartQueue<'_>,
        fetched: &FetchedPart<'_>,
        through_root: bool,
    ) -> Result<(), Failure> {
        let QueuedPart { load, number, part } = &fetched.queued;
        let identities = self.run.inputs.identities.clone();
        let stored = fetched.stored.clone();
        let open: Open = Box::new(move || identities.open_compressed(stored));
        let root = load.root.as_ref().filter(|_| through_root);
        let lock = root.and_then(|(root, _)| queue.root_lock(root));
        let _alone = match lock {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        let to = root.map_or(&load.direct, |(_, to)| to);
        load_part(&self.session, &self.run.state, to, *number, part, open).await
    }

    /// Connects again after a lost connection, and asks whether the part was committed before that.
    async fn was_committed(
        &mut self,
        part: &QueuedPart<'_>,
        pauses: &mut ExponentialBackoff,
    ) -> Result<bool> {
        let (run, oid) = (self.run, part.load.parts.oid);
        let ask = async || {
            let session = connect(run).await?;
            let loaded = run.state.loaded_parts(&session, Some(oid)).await?;
            Ok((session, loaded.contains_key(&(oid, part.number))))
        };
        let asked = retry(pauses, ask).await;
        let (session, committed) = asked.context(|| "the connection was lost".to_owned())?;
        self.session = session;
        Ok(committed)
    }
}

async fn connect(run: &Run<'_>) -> Result<Session> {
    let application = run.inputs.application();
    Session::connect(&run.own.server, &application, Purpose::Compute).await
}

/// Waits before the next attempt; the error of the last one ends the restore.
async fn wait(pauses: &mut ExponentialBackoff, error: Error) -> Result<()> {
    let pause = pauses.next().ok_or(error)?;
    tokio::time::sleep(pause).await;
    Ok(())
}

/// Repeats `work` until it succeeds. Each failure counts as an attempt to load the part.
async fn retry<T>(pauses: &mut ExponentialBackoff, work: impl AsyncFn() -> Result<T>) -> Result<T> {
    (|| work()).retry(pauses).await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The pauses of a part that was lost once, of no length.
    fn pauses() -> ExponentialBackoff {
        let first_pause = Duration::ZERO;
        let mut pauses = RetryPolicy {
            first_pause,
            ..ATTEMPTS
        }
        .build();
        pauses.next().unwrap();
        pauses
    }

    async fn connect_after(failures: u32, pauses: &mut ExponentialBackoff) -> (Result<()>, u32) {
        let tried = Cell::new(0);
        let connected = retry(pauses, async || {
            tried.set(tried.get() + 1);
            if tried.get() > failures {
                return Ok(());
            }
            Err(Error::failed("connection refused"))
        });
        (connected.await, tried.get())
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_asked_as_often_as_a_part_is_tried() {
        let mut left = pauses();
        let (connected, tried) = connect_after(2, &mut left).await;
        assert!(connected.is_ok());
        assert_eq!((tried, left.count()), (3, 1));
        let (connected, tried) = connect_after(u32::MAX, &mut pauses()).await;
        assert!(connected.is_err());
        let most = ATTEMPTS.attempts - 1;
        assert_eq!(tried, most, "the first attempt was the lost one");
    }
}
