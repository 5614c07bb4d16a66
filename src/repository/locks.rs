//! Which lock is sent with an object, and which must read back.

use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result, ResultExt};
use crate::model::id::Key;
use crate::model::lock::{Lock, LockPolicy, MANIFEST_LEAD};
use crate::store::{Head, Posture};

/// How far this machine's clock may be off the store's.
pub(crate) const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What to ask for and what must come back, for a restore point's objects and its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// Sent with every object, and read back at least as strong.
    Explicit { objects: Lock, manifest: Lock },
    /// Nothing is sent; the bucket's default must read back at least as strong as this.
    BucketDefault(Lock),
    /// The store has no locks.
    None,
}

impl Locks {
    /// Turns a policy into dates, by the store's clock where it has one. `max_days` bounds the
    /// manifest's lock; the parts' lasts two days longer.
    pub fn settle(
        policy: LockPolicy,
        posture: &Posture,
        store_has_locks: bool,
        now: Timestamp,
        max_days: u32,
    ) -> Result<Self> {
        let now = posture.server_time.unwrap_or(now);
        let lock = |mode, time: SignedDuration| {
            let retain_until = now
                .checked_add(time)
                .context(|| "the lock's date is out of range".to_owned())?;
            Ok(Lock { mode, retain_until })
        };
        let days = |count: u32| SignedDuration::from_hours(24 * i64::from(count));
        if policy == LockPolicy::None || !store_has_locks {
            return Ok(Self::None);
        }
        if !posture.object_lock || !posture.versioning {
            return Err(no_object_lock());
        }
        match policy {
            LockPolicy::Explicit { mode, days: count } => {
                let manifest: Lock = lock(mode, days(count))?;
                manifest.check(now, max_days)?;
                let objects = lock(mode, days(count) + MANIFEST_LEAD)?;
                Ok(Self::Explicit { objects, manifest })
            }
            LockPolicy::BucketDefault => {
                let (mode, count) = posture.default_retention.ok_or_else(|| {
                    Error::refused(
                        "lock mode is bucket-default, and the bucket has no default retention",
                    )
                    .hint("`aws s3api put-object-lock-configuration` sets one; or use lock mode compliance")
                })?;
                // The bucket counts from when each object arrives, by its own clock.
                let lock: Lock = lock(mode, days(count) - CLOCK_TOLERANCE)?;
                lock.check(now, max_days)?;
                Ok(Self::BucketDefault(lock))
            }
            LockPolicy::None => Ok(Self::None),
        }
    }

    /// The lock that everything will hold at least: the manifest's ends first.
    pub fn first_to_end(&self) -> Option<Lock> {
        match self {
            Self::Explicit { manifest, .. } => Some(*manifest),
            _ => self.promised(),
        }
    }

    /// The lock that parts and other objects but the manifest will hold at least.
    pub fn promised(&self) -> Option<Lock> {
        match self {
            Self::Explicit { objects, .. } => Some(*objects),
            Self::BucketDefault(lock) => Some(*lock),
            Self::None => None,
        }
    }

    /// What is sent with an object, or with the manifest.
    pub fn for_put(&self, is_manifest: bool) -> Option<Lock> {
        match self {
            Self::Explicit { manifest, .. } if is_manifest => Some(*manifest),
            Self::Explicit { objects, .. } => Some(*objects),
            Self::BucketDefault(_) | Self::None => None,
        }
    }

    /// Refuses an object whose lock does not read back as it must.
    pub(super) fn confirm(&self, key: &Key, head: &Head, is_manifest: bool) -> Result<()> {
        let expected = match self {
            Self::BucketDefault(lock) => Some(*lock),
            _ => self.for_put(is_manifest),
        };
        let Some(asked) = expected else { return Ok(()) };
        let hint = "the store must keep Object Lock dates exactly; reading them needs s3:GetObjectRetention";
        match head.lock {
            Some(found) if found.covers(&asked) => Ok(()),
            Some(found) => {
                Err(Error::failed(format!("{key} is locked {found}, asked was {asked}")).hint(hint))
            }
            None => Err(
                Error::failed(format!("{key} was stored, but reads back without a lock"))
                    .hint(hint),
            ),
        }
    }
}

pub(crate) fn no_object_lock() -> Error {
    Error::refused("the bucket has no Object Lock, or no versioning").hint(
        "turn both on: `aws s3api put-bucket-versioning --bucket B --versioning-configuration \
         Status=Enabled`, then `aws s3api put-object-lock-configuration --bucket B \
         --object-lock-configuration ObjectLockEnabled=Enabled`; neither can be turned off again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::LockMode::{Compliance, Governance};

    const NOW: &str = "2026-11-21T00:00:00Z";

    fn posture(default_retention: Option<(crate::model::lock::LockMode, u32)>) -> Posture {
        Posture {
            versioning: true,
            object_lock: true,
            default_retention,
            server_time: None,
        }
    }

    fn settle(policy: LockPolicy, posture: &Posture) -> Result<Locks> {
        Locks::settle(policy, posture, true, NOW.parse().unwrap(), 400)
    }

    #[test]
    fn the_manifest_is_unlocked_two_days_before_its_parts() {
        let policy = LockPolicy::Explicit {
            mode: Compliance,
            days: 35,
        };
        let Locks::Explicit { objects, manifest } = settle(policy, &posture(None)).unwrap() else {
            panic!("explicit")
        };
        assert_eq!(
            manifest.retain_until,
            "2026-12-26T00:00:00Z".parse().unwrap()
        );
        assert_eq!(
            objects.retain_until,
            "2026-12-28T00:00:00Z".parse().unwrap()
        );
    }

    #[test]
    fn a_lock_longer_than_allowed_is_refused() {
        let policy = LockPolicy::Explicit {
            mode: Compliance,
            days: 401,
        };
        assert!(settle(policy, &posture(None)).is_err());
        assert!(settle(LockPolicy::BucketDefault, &posture(Some((Compliance, 401)))).is_err());
    }

    #[test]
    fn the_buckets_default_must_be_there_and_is_what_is_promised() {
        assert!(settle(LockPolicy::BucketDefault, &posture(None)).is_err());
        let locks = settle(LockPolicy::BucketDefault, &posture(Some((Governance, 30)))).unwrap();
        assert_eq!(locks.for_put(false), None);
        assert_eq!(locks.promised().unwrap().mode, Governance);
    }

    #[test]
    fn a_bucket_without_object_lock_is_refused() {
        let bare = Posture {
            object_lock: false,
            ..posture(None)
        };
        let policy = LockPolicy::Explicit {
            mode: Compliance,
            days: 35,
        };
        assert!(settle(policy, &bare).is_err());
    }
}
