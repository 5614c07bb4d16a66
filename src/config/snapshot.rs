//! `[snapshot]`: copies of RDS snapshots in the backup account.

use std::time::Duration;

use super::accounts::{check_kms_key, check_region};
use super::raw;
use super::rules::{At, KeyError, given};
use crate::error::{Error, Result};
use crate::snapshot::WaitLimits;
use crate::snapshot::expire::{Expected, Keep, Period};

/// A large instance's first copy takes hours; beyond this it hangs.
pub(crate) const WAIT: Duration = Duration::from_secs(12 * 3600);
/// RDS takes minutes at least, and limits how often it is asked.
pub(crate) const POLL: Duration = Duration::from_secs(30);
/// The verified copies that stay, unless configured.
pub(crate) const KEEP_VERIFIED: u32 = 2;

/// The settings of `snapshot copy` and `snapshot expire`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// The backup account's key for copies; needed to copy.
    pub kms_key: Option<String>,
    /// Makes a snapshot shareable that lies under a key of AWS's own; `None`: `kms_key`.
    pub share_key: Option<String>,
    /// Take a new snapshot for every copy, instead of the newest automated one.
    pub take_new: bool,
    pub limits: WaitLimits,
    /// Whether `snapshot expire` deletes at all.
    pub expire: bool,
    pub keep: Keep,
}

pub(crate) fn resolve(raw: &raw::Snapshot) -> Result<SnapshotSettings, KeyError> {
    given(raw.kms_key.as_ref(), check_kms_key).at("kms_key")?;
    given(raw.share_key.as_ref(), check_kms_key).at("share_key")?;
    given(raw.region.as_ref(), check_region).at("region")?;
    Ok(SnapshotSettings {
        kms_key: raw.kms_key.clone(),
        share_key: raw.share_key.clone(),
        take_new: raw.take == Some(raw::Take::New),
        limits: limits(raw)?,
        expire: raw.expire.unwrap_or(false),
        keep: keep(raw)?,
    })
}

fn limits(raw: &raw::Snapshot) -> Result<WaitLimits, KeyError> {
    let wait = raw.wait.map_or(WAIT, |wait| wait.0);
    let poll = raw.poll.map_or(POLL, |poll| poll.0);
    if wait < Duration::from_secs(60) {
        let error = Error::usage("is less than any snapshot takes").hint("12h is the default");
        return Err(("wait", error));
    }
    if poll < Duration::from_millis(1) || poll > wait {
        let error = Error::usage("is not between 1ms and snapshot.wait").hint("30s is the default");
        return Err(("poll", error));
    }
    Ok(WaitLimits { poll, wait })
}

fn keep(raw: &raw::Snapshot) -> Result<Keep, KeyError> {
    let verified = raw.keep_verified.unwrap_or(KEEP_VERIFIED);
    if verified == 0 {
        let error = Error::usage("is 0: the last copy known to restore could go")
            .hint("2 is the default, 1 the least");
        return Err(("keep_verified", error));
    }
    Ok(Keep {
        days: raw.keep_days.unwrap_or(14),
        weeks: raw.keep_weeks.unwrap_or(8),
        months: raw.keep_months.unwrap_or(6),
        verified,
        expected: expected(raw),
    })
}

fn expected(raw: &raw::Snapshot) -> Expected {
    let (copies, of) = match raw.copies_a_week {
        Some(a_week) => (a_week, Period::Week),
        None => (raw.copies_a_day.unwrap_or(1), Period::Day),
    };
    let copies = copies.max(1);
    Expected { copies, of }
}
