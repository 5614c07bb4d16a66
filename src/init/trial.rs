//! Does the store keep its promises? Tried before anything else is stored: that a lock holds, and that
//! the store compares what arrives.

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::random;
use crate::repository::{Locks, Repository};
use crate::store::audit::{Attempt, AuditedStore, Outcome, RefusedBy};

/// What the trial showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    /// A lock refused to let a version go; `None`: nothing locks here.
    pub lock_held: Option<bool>,
    /// What is not proven, or costs something.
    pub notes: Vec<String>,
}

/// An error where the store let a locked version go.
pub(super) async fn try_store(
    repository: &Repository,
    locks: &Locks,
    clock: &dyn Clock,
) -> Result<Trial> {
    let audited = match repository.audited() {
        Some(audited) if *locks != Locks::None => audited,
        _ => return Ok(Trial::default()),
    };
    let url = repository.url();
    let lock = locks.for_put(false);
    let random = u64::from_ne_bytes(random::bytes()?);
    let mut trial = match audited.try_to_delete(lock, clock.now(), random).await {
        Ok(attempts) => judge(url, &attempts, audited)?,
        Err(error) => not_proven(audited, &error.chain()),
    };
    if audited.refuses_wrong_bodies(lock).await == Some(false) {
        trial.notes.push(format!(
            "{url} took an object whose bytes were not those of the announced SHA-256: lifeboat reads back all \
             that it stores there, so an exporter needs s3:GetObject (docs/stores.md)"
        ));
    }
    Ok(trial)
}

fn judge(url: &str, attempts: &[Attempt], audited: &dyn AuditedStore) -> Result<Trial> {
    let succeeded = attempts
        .iter()
        .find(|one| one.outcome == Outcome::Succeeded);
    if let Some(one) = succeeded {
        return Err(
            Error::refused(format!("{url}: an attempt to {} succeeded", one.what)).hint(
                "what is stored there can be destroyed, whatever its locks say: use another store \
                 (docs/stores.md)",
            ),
        );
    }
    let by_lock = |one: &Attempt| {
        let by = RefusedBy::Lock;
        matches!(&one.outcome, Outcome::Refused { by: found, .. } if *found == by)
    };
    if attempts.iter().any(by_lock) {
        return Ok(Trial {
            lock_held: Some(true),
            notes: Vec::new(),
        });
    }
    let says = attempts.first().map(|one| match &one.outcome {
        Outcome::Refused { by, code } => match by {
            RefusedBy::Rights => {
                format!("{code} for want of rights, which says nothing of the lock")
            }
            _ => format!(
                "{code}, and the store does not say whether by the lock or for want of rights"
            ),
        },
        Outcome::Unclear(why) => why.clone(),
        Outcome::Succeeded => String::new(),
    });
    Ok(not_proven(audited, &says.unwrap_or_default()))
}

fn not_proven(audited: &dyn AuditedStore, why: &str) -> Trial {
    Trial {
        lock_held: Some(false),
        notes: vec![format!(
            "it is not proven that a lock holds: an attempt to delete a locked version ended with {why}. The attempt \
             needs {}; where a bucket policy denies deletion to everybody, as that of deploy/aws does, \
             nobody can try",
            audited.rights_to_try()
        )],
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use jiff::Timestamp;

    use super::*;
    use crate::error::Kind;
    use crate::model::lock::Lock;
    use crate::store::audit::Audit;

    /// Names rights, and is never asked for more.
    struct Named;

    #[async_trait]
    impl AuditedStore for Named {
        fn key_prefix(&self) -> &str {
            unreachable!()
        }

        async fn audit(&self) -> Audit {
            unreachable!()
        }

        async fn try_to_destroy(
            &self,
            _: Option<Lock>,
            _: bool,
            _: Timestamp,
            _: u64,
        ) -> Result<Vec<Attempt>> {
            unreachable!()
        }

        async fn try_to_delete(
            &self,
            _: Option<Lock>,
            _: Timestamp,
            _: u64,
        ) -> Result<Vec<Attempt>> {
            unreachable!()
        }

        fn rights_to_try(&self) -> String {
            "s3:DeleteObjectVersion".to_owned()
        }

        async fn refuses_wrong_bodies(&self, _: Option<Lock>) -> Option<bool> {
            unreachable!()
        }
    }

    fn judged(outcomes: &[Outcome]) -> Result<Trial> {
        let attempts = outcomes.iter().map(|outcome| Attempt {
            what: "delete",
            outcome: outcome.clone(),
            harmless: false,
        });
        judge("s3://b", &attempts.collect::<Vec<_>>(), &Named)
    }

    fn refused(by: RefusedBy) -> Outcome {
        Outcome::Refused {
            by,
            code: "AccessDenied".to_owned(),
        }
    }

    #[test]
    fn only_a_lock_that_refuses_proves_that_locks_hold() {
        let held = judged(&[refused(RefusedBy::Lock), refused(RefusedBy::Rights)]).unwrap();
        assert_eq!((held.lock_held, held.notes.len()), (Some(true), 0));
        for (outcome, says) in [
            (refused(RefusedBy::Rights), "for want of rights"),
            (refused(RefusedBy::Unsaid), "does not say"),
            (Outcome::Unclear("no answer".to_owned()), "no answer"),
        ] {
            let trial = judged(&[outcome]).unwrap();
            assert_eq!(trial.lock_held, Some(false));
            assert!(trial.notes[0].contains(says), "{trial:?}");
            assert!(
                trial.notes[0].contains("s3:DeleteObjectVersion"),
                "{trial:?}"
            );
        }
        let gone = judged(&[refused(RefusedBy::Lock), Outcome::Succeeded]).unwrap_err();
        assert_eq!(gone.kind(), Kind::Refused);
    }
}
