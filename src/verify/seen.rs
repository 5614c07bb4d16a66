//! What was looked at with other points of a database: hourly points name nearly the same objects.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::model::digest::{RowDigest, Sha256};
use crate::model::lock::{Lock, LockMode};

/// Some 60 MB, where they are sound. Where there are more objects they are read again.
const MOST_KNOWN: usize = 400_000;

/// An object that is sound, or several.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Looked {
    pub digest: RowDigest,
    /// `None`: it was not asked for.
    pub lock: Option<Option<Lock>>,
}

impl Looked {
    pub(super) fn add(&mut self, other: Self) {
        self.digest.merge(other.digest);
        self.lock = self
            .lock
            .zip(other.lock)
            .map(|(one, other)| weaker(one?, other?));
    }
}

/// What both cover.
fn weaker(one: Lock, other: Lock) -> Option<Lock> {
    let governed = [one, other]
        .iter()
        .any(|lock| lock.mode == LockMode::Governance);
    Some(Lock {
        mode: if governed {
            LockMode::Governance
        } else {
            one.mode
        },
        retain_until: one.retain_until.min(other.retain_until),
    })
}

enum Known {
    Sound(Looked),
    /// How, for each point that names it.
    Damaged(Kind, String),
}

#[derive(Default)]
pub struct Seen {
    known: Mutex<HashMap<Sha256, Known>>,
}

impl Seen {
    /// Looks where it was not looked at before; `id` says at what, and how.
    pub(super) async fn once(
        &self,
        id: &str,
        look: impl Future<Output = Result<Looked>>,
    ) -> Result<Looked> {
        match self.known().get(&Sha256::of(id.as_bytes())) {
            Some(Known::Sound(looked)) => return Ok(*looked),
            Some(Known::Damaged(kind, how)) => return Err(Error::new(*kind, how.clone())),
            None => {}
        }
        let done = look.await;
        self.note(id, &done);
        done
    }

    pub(super) fn sound(&self, id: &str) -> Option<Looked> {
        match self.known().get(&Sha256::of(id.as_bytes()))? {
            Known::Sound(looked) => Some(*looked),
            Known::Damaged(..) => None,
        }
    }

    /// A store that did not answer is asked again.
    pub(super) fn note(&self, id: &str, done: &Result<Looked>) {
        let known = match done {
            Ok(looked) => Known::Sound(*looked),
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::NotFound) => {
                Known::Damaged(error.kind(), error.chain())
            }
            Err(_) => return,
        };
        let mut all = self.known();
        if all.len() >= MOST_KNOWN {
            all.clear();
        }
        all.insert(Sha256::of(id.as_bytes()), known);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Sha256, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sound_or_damaged_is_looked_at_once_and_what_did_not_answer_again() {
        let seen = Seen::default();
        let mut looks = 0;
        for kind in [Kind::Damaged, Kind::Unavailable] {
            for _ in 0..2 {
                let look = async {
                    looks += 1;
                    Err(Error::new(kind, "why"))
                };
                let done = seen.once(&format!("{kind:?}"), look).await;
                assert_eq!(done.unwrap_err().kind(), kind);
            }
        }
        assert_eq!(looks, 3);
    }

    #[test]
    fn the_weakest_lock_of_several_is_what_all_cover() {
        let lock = |mode, day: &str| Lock {
            mode,
            retain_until: format!("2026-12-{day}T00:00:00Z").parse().unwrap(),
        };
        let looked = |lock| Looked {
            lock,
            ..Looked::default()
        };
        let mut all = looked(Some(Some(lock(LockMode::Compliance, "02"))));
        all.add(looked(Some(Some(lock(LockMode::Governance, "03")))));
        all.add(looked(Some(Some(lock(LockMode::Compliance, "01")))));
        assert_eq!(all.lock, Some(Some(lock(LockMode::Governance, "01"))));
        all.add(looked(Some(None)));
        assert_eq!(all.lock, Some(None));
        all.add(looked(None));
        assert_eq!(all.lock, None);
    }
}
