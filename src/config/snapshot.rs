//! `[snapshot]`: copies of RDS snapshots in the backup account.

use std::time::Duration;

use super::accounts::{check_kms_key, check_region};
use super::place::Place;
use super::{units, written};
use crate::error::{Error, Result};

/// A large instance's first copy takes hours; beyond this it hangs.
pub const WAIT: Duration = Duration::from_secs(12 * 3600);
/// RDS takes minutes at least, and answers only so many questions.
pub const POLL: Duration = Duration::from_secs(30);
/// So many verified copies stay whatever else is configured.
pub const KEEP_VERIFIED: u32 = 2;

/// What `snapshot copy` and `snapshot expire` go by.
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
    /// The newest copy of each of so many days, weeks and months stays.
    pub keep: Keep,
}

/// Which copies stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub days: u32,
    pub weeks: u32,
    pub months: u32,
    /// Never fewer verified ones than this.
    pub verified: u32,
}

pub fn resolve(written: &written::Snapshot, place: &Place<'_>) -> Result<SnapshotSettings> {
    let wrong = |key| move |error| place.at("snapshot", key, error);
    for (name, key) in [
        ("kms_key", &written.kms_key),
        ("share_key", &written.share_key),
    ] {
        if let Some(key) = key {
            check_kms_key(key).map_err(wrong(name))?;
        }
    }
    if let Some(region) = &written.region {
        check_region(region).map_err(wrong("region"))?;
    }
    let wait = match &written.wait {
        Some(text) => units::duration(text).map_err(wrong("wait"))?,
        None => WAIT,
    };
    if wait < Duration::from_secs(60) {
        let error = Error::usage("is less than any snapshot takes").hint("12h is the default");
        return Err(wrong("wait")(error));
    }
    let poll = match &written.poll {
        Some(text) => units::duration(text).map_err(wrong("poll"))?,
        None => POLL,
    };
    if poll < Duration::from_millis(1) || poll > wait {
        let error = Error::usage("is not between 1ms and snapshot.wait").hint("30s is the default");
        return Err(wrong("poll")(error));
    }
    let keep = Keep {
        days: written.keep_days.unwrap_or(14),
        weeks: written.keep_weeks.unwrap_or(8),
        months: written.keep_months.unwrap_or(6),
        verified: written.keep_verified.unwrap_or(KEEP_VERIFIED),
    };
    if keep.verified == 0 {
        let error = Error::usage("is 0: the last copy known to restore could go")
            .hint("2 is the default, 1 the least");
        return Err(wrong("keep_verified")(error));
    }
    Ok(SnapshotSettings {
        kms_key: written.kms_key.clone(),
        share_key: written.share_key.clone(),
        region: written.region.clone(),
        take_new: written.take == Some(written::Take::New),
        wait,
        poll,
        expire: written.expire.unwrap_or(false),
        keep,
    })
}
