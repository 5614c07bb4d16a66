//! Object Lock: mode and date on one object version.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Nobody shortens a compliance lock; a governance lock yields to a special right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LockMode {
    Governance,
    Compliance,
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        })
    }
}

/// A lock on an object version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub mode: LockMode,
    pub retain_until: Timestamp,
}

impl fmt::Display for Lock {
    /// `COMPLIANCE until 2026-12-25T02:00:00Z`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} until {}", self.mode, self.retain_until)
    }
}

impl Lock {
    /// Whether this lock, as read back, holds at least as well as the one asked for.
    pub fn covers(&self, asked: &Lock) -> bool {
        let mode = self.mode == LockMode::Compliance || asked.mode == LockMode::Governance;
        // S3 keeps whole seconds.
        mode && self.retain_until.as_second() >= asked.retain_until.as_second()
    }

    /// That of the manifest of a point whose other objects have this one.
    pub fn of_manifest(self) -> Self {
        Self {
            retain_until: (self.retain_until.checked_sub(MANIFEST_LEAD)).unwrap_or(Timestamp::MIN),
            ..self
        }
    }

    /// Refuses a date in the past, over `max_days` from now, or after 2100 (Ceph RGW 16 wraps
    /// such dates to the past and the version could be deleted).
    pub fn check(&self, now: Timestamp, max_days: u32) -> Result<()> {
        let until = self.retain_until;
        if until <= now {
            return Err(Error::usage(format!("a lock until {until} is in the past")));
        }
        if until.as_second() >= FIRST_SECOND_OF_2100 {
            return Err(
                Error::usage(format!("a lock until {until} ends after 2100"))
                    .hint("some stores wrap such dates into the past; ask for an earlier date"),
            );
        }
        // A day begun counts.
        let days = until
            .duration_since(now)
            .as_secs()
            .unsigned_abs()
            .div_ceil(86_400);
        if days > u64::from(max_days) {
            return Err(Error::usage(format!(
                "a lock until {until} is {days} days long, over max_lock_days = {max_days}"
            ))
            .hint("a compliance lock cannot be undone; raise max_lock_days if you mean it"));
        }
        Ok(())
    }
}

/// 2100-01-01T00:00:00Z, in seconds since 1970.
const FIRST_SECOND_OF_2100: i64 = 4_102_444_800;

/// The manifest's lock ends this much before its parts': a restore point that can still be found
/// can still be read.
pub const MANIFEST_LEAD: SignedDuration = SignedDuration::from_hours(48);

/// How new objects are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockPolicy {
    /// An explicit lock on every object: the manifest for `days`, its parts two days longer.
    Explicit { mode: LockMode, days: u32 },
    /// No headers are sent: the bucket's default retention applies and is read back.
    BucketDefault,
    /// The store has no locks (a directory). Said at every export and in the manifest.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(mode: LockMode, until: &str) -> Lock {
        Lock {
            mode,
            retain_until: until.parse().unwrap(),
        }
    }

    #[test]
    fn a_weaker_or_shorter_lock_does_not_cover_the_asked_one() {
        use LockMode::{Compliance, Governance};
        let asked = lock(Compliance, "2026-12-01T00:00:00.7Z");
        assert!(lock(Compliance, "2026-12-01T00:00:00Z").covers(&asked));
        assert!(!lock(Compliance, "2026-11-30T23:59:59Z").covers(&asked));
        assert!(!lock(Governance, "2027-12-01T00:00:00Z").covers(&asked));
        let asked = lock(Governance, "2026-12-01T00:00:00Z");
        assert!(lock(Compliance, "2026-12-01T00:00:00Z").covers(&asked));
    }

    #[test]
    fn dates_past_too_far_or_after_2100_are_refused() {
        let now = "2026-11-21T00:00:00Z".parse().unwrap();
        let check = |until, days| lock(LockMode::Compliance, until).check(now, days);
        assert!(check("2026-12-21T00:00:00Z", 400).is_ok());
        assert!(check("2026-11-20T00:00:00Z", 400).is_err());
        assert!(check("2028-12-21T00:00:00Z", 400).is_err());
        assert!(check("2100-01-01T00:00:00Z", 1_000_000).is_err());
        assert!(check("2125-01-01T00:00:00Z", 1_000_000).is_err());
    }
}
