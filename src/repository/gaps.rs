//! Points that another one names as the one before it, and that are not there.

use jiff::{SignedDuration, Timestamp};

use super::handle::Repository;
use super::read::{ListedPoint, RestorePoint};
use super::room::Room;
use crate::error::Result;
use crate::model::digest::Sha256;
use crate::model::id::Id;
use crate::model::lock::MANIFEST_LEAD;
use crate::model::manifest::Manifest;
use crate::sign::Trust;

/// What a manifest says of the one before it.
pub(crate) struct Link {
    id: Id,
    previous: Id,
    /// When the lock of the previous one ends, as far as it says so.
    until: Option<Timestamp>,
    previous_sha256: Sha256,
    /// How long its own lock was when it was made; `None`: not locked.
    locked_for: Option<SignedDuration>,
}

impl Link {
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let previous = manifest.previous.as_ref()?;
        let made_at = manifest.id.time().ok()?;
        let until = |until: Timestamp| until.duration_since(made_at) - MANIFEST_LEAD;
        Some(Self {
            id: manifest.id.clone(),
            previous: previous.id.clone(),
            until: previous.until,
            previous_sha256: previous.sha256,
            locked_for: manifest.lock.map(|lock| until(lock.retain_until)),
        })
    }
}

/// A line for each that should be there: one whose lock, as long as that of the point after it, has not ended; or,
/// where nothing is locked, one that is younger than a point that is there. What aged out is no gap.
///
/// `listed`: of one database. Opens a point only where the store received it later than the one that names it, as it
/// may have of a copy: whatever somebody stored under the id of a missing one closes no gap.
pub(crate) async fn missing_points(
    repository: &Repository,
    trust: &Trust,
    room: &Room,
    links: &[Link],
    listed: &[ListedPoint],
    now: Timestamp,
) -> Result<Vec<String>> {
    let find = |id: &Id| listed.iter().find(|one| one.id == *id);
    let mut told = Vec::new();
    for link in links {
        let named_by = find(&link.id);
        let stored_later = match find(&link.previous) {
            None => false,
            Some(one) if named_by.is_none_or(|other| one.stored_at() <= other.stored_at()) => {
                continue;
            }
            Some(one) => {
                let _taken = room.take(&[one]).await;
                if link.names(repository.open(one, trust).await)? {
                    continue;
                }
                true
            }
        };
        if link.reaches(now) || link.has_older(named_by, listed) {
            let what = match stored_later {
                true => "what lies there was stored later, and is not that point",
                false => "it should still be there",
            };
            told.push(format!(
                "{} is missing: {} names it as the point before, and {what}",
                link.previous, link.id
            ));
        }
    }
    Ok(told)
}

impl Link {
    /// Whether this is the point before, which is known by the digest of its manifest.
    fn names(&self, opened: Result<RestorePoint>) -> Result<bool> {
        match opened {
            Ok(point) => Ok(point.body_sha256 == self.previous_sha256),
            Err(error) if error.affects_every_point() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Whether the lock of the point before has not ended.
    fn reaches(&self, now: Timestamp) -> bool {
        let until = self.locked_for.and_then(|length| {
            let at = self.previous.time().ok()?;
            self.until.or_else(|| at.checked_add(length).ok())
        });
        until.is_some_and(|until| until > now)
    }

    /// Where nothing is locked: what was stored before the point after it was stored before it as well.
    fn has_older(&self, named_by: Option<&ListedPoint>, listed: &[ListedPoint]) -> bool {
        let is_older =
            |one: &ListedPoint| named_by.is_some_and(|other| one.order() < other.order());
        self.locked_for.is_none() && listed.iter().any(is_older)
    }
}
