//! Between reader and packer: a queue bounded by bytes, so that rows of 300 MB do not pile up.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::tally::Tally;
use crate::model::digest::RowDigest;

/// Rows between reader and packer, those being packed included. A row that is larger passes alone.
const QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// Whole rows of one table.
pub struct Batch {
    pub tally: Arc<Tally>,
    pub rows: Bytes,
    pub digest: RowDigest,
    /// The slice ends with it.
    pub last: bool,
}

/// Both ends share it; an end that is dropped closes it for the other.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Batch>,
    bytes: usize,
    closed: bool,
}

/// The reader's end.
pub struct Sender(Arc<Shared>);

/// The packer's end.
pub struct Receiver(Arc<Shared>);

/// The packer is gone; why, it has said itself.
pub struct Closed;

pub fn queue() -> (Sender, Receiver) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl Sender {
    /// Blocks while the queue is full.
    pub fn send(&self, batch: Batch) -> Result<(), Closed> {
        let size = batch.rows.len();
        let mut state = self.0.lock();
        while !state.closed && state.bytes > 0 && state.bytes + size > QUEUED_BYTES {
            state = self.0.wait(state);
        }
        if state.closed {
            return Err(Closed);
        }
        state.bytes += size;
        state.batches.push_back(batch);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl Receiver {
    /// Blocks until there is one; `None` after the last. [`Receiver::done`] frees its room.
    pub fn receive(&self) -> Option<Batch> {
        let mut state = self.0.lock();
        loop {
            if let Some(batch) = state.batches.pop_front() {
                return Some(batch);
            }
            if state.closed {
                return None;
            }
            state = self.0.wait(state);
        }
    }

    /// A batch of so many bytes is packed and let go.
    pub fn done(&self, bytes: usize) {
        self.0.lock().bytes -= bytes;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn batch(tally: &Arc<Tally>, bytes: usize) -> Batch {
        Batch {
            tally: Arc::clone(tally),
            rows: Bytes::from(vec![b'x'; bytes]),
            digest: RowDigest::default(),
            last: false,
        }
    }

    #[test]
    fn a_wide_row_waits_until_the_one_before_it_is_packed() {
        let tally = Arc::new(Tally::new(1, "t".to_owned(), 1));
        let (sender, receiver) = queue();
        let (told, sent) = mpsc::channel();
        let writer = std::thread::spawn(move || {
            for _ in 0..3 {
                assert!(sender.send(batch(&tally, 3 * QUEUED_BYTES)).is_ok());
                told.send(()).unwrap();
            }
        });
        sent.recv().unwrap();
        for _ in 0..2 {
            let bytes = receiver.receive().unwrap().rows.len();
            assert!(sent.try_recv().is_err(), "one at a time");
            receiver.done(bytes);
            sent.recv().unwrap();
        }
        assert!(receiver.receive().is_some());
        assert!(receiver.receive().is_none(), "the sender is gone");
        writer.join().unwrap();
    }

    #[test]
    fn a_sender_learns_that_the_packer_is_gone() {
        let tally = Arc::new(Tally::new(1, "t".to_owned(), 1));
        let (sender, receiver) = queue();
        drop(receiver);
        assert!(sender.send(batch(&tally, 1)).is_err());
    }
}
