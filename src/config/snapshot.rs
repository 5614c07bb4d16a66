//! `[snapshot]`: copies of RDS snapshots in the backup account.

use std::time::Duration;

use super::accounts::{check_kms_key, check_region};
use super::position::KeyError;
use super::raw;
use crate::error::{Error, Result};
use crate::snapshot::expire::Keep;

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
    /// Where copies lie; `None`: the backup account's region.
    pub region: Option<String>,
    /// Take a new snapshot for every copy, instead of the newest automated one.
    pub take_new: bool,
    /// How long one snapshot or copy may take.
    pub wait: Duration,
    /// From one look at its progress to the next.
    pub poll: Duration,
    /// Whether `snapshot expire` deletes at all.
    pub expire: bool,
    pub keep: Keep,
}

pub(crate) fn resolve(raw: &raw::Snapshot) -> Result<SnapshotSettings, KeyError> {
    for (name, key) in [("kms_key", &raw.kms_key), ("share_key", &raw.share_key)] {
        if let Some(key) = key {
            check_kms_key(key).map_err(|error| (name, error))?;
        }
    }
    if let Some(region) = &raw.region {
        check_region(region).map_err(|error| ("region", error))?;
    }
    let (wait, poll) = pace(raw)?;
    Ok(SnapshotSettings {
        kms_key: raw.kms_key.clone(),
        share_key: raw.share_key.clone(),
        region: raw.region.clone(),
        take_new: raw.take == Some(raw::Take::New),
        wait,
        poll,
        expire: raw.expire.unwrap_or(false),
        keep: keep(raw)?,
    })
}

fn pace(raw: &raw::Snapshot) -> Result<(Duration, Duration), KeyError> {
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
    Ok((wait, poll))
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
    })
}
