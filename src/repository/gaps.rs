//! Points that another one names as the one before it, and that are not there.

use jiff::{SignedDuration, Timestamp};

use super::read::ListedPoint;
use crate::model::id::Id;
use crate::model::lock::MANIFEST_LEAD;
use crate::model::manifest::Manifest;

/// What a manifest says of the one before it.
pub(crate) struct Link {
    source: String,
    database: String,
    id: Id,
    previous: Id,
    /// When the lock of the previous one ends, as far as it says so.
    until: Option<Timestamp>,
    /// How long its own lock was when it was made; `None`: not locked.
    locked_for: Option<SignedDuration>,
}

impl Link {
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let previous = manifest.previous.as_ref()?;
        let made_at = manifest.id.time().ok()?;
        let until = |until: Timestamp| until.duration_since(made_at) - MANIFEST_LEAD;
        Some(Self {
            source: manifest.source.clone(),
            database: manifest.database.clone(),
            id: manifest.id.clone(),
            previous: previous.id.clone(),
            until: previous.until,
            locked_for: manifest.lock.map(|lock| until(lock.retain_until)),
        })
    }
}

/// A line for each that should be there: one whose lock has not ended, by what the point after it says, or else by
/// how long that one's own is; or, where nothing is locked, one that is younger than a point that is there. What aged out is no gap.
pub(crate) fn missing_points(
    links: &[Link],
    listed: &[ListedPoint],
    now: Timestamp,
) -> Vec<String> {
    let find = |link: &Link, id: &Id| {
        listed
            .iter()
            .find(|one| (&one.source, &one.database, &one.id) == (&link.source, &link.database, id))
    };
    let missing = links.iter().filter(|link| {
        let (source, database) = (&*link.source, &*link.database);
        let named_by = find(link, &link.id);
        // Whatever came later under its id is not what the other one names.
        let is_before =
            |one: &ListedPoint| named_by.is_none_or(|other| one.stored_at() <= other.stored_at());
        if find(link, &link.previous).is_some_and(is_before) {
            return false;
        }
        match link.locked_for {
            Some(_) if link.until.is_some() => link.until > Some(now),
            Some(length) => {
                let until = link
                    .previous
                    .time()
                    .ok()
                    .and_then(|at| at.checked_add(length).ok());
                until.is_some_and(|until| until > now)
            }
            // What was stored before the point after it was stored before it as well.
            None => {
                let is_older = |one: &ListedPoint| {
                    let is_of_same = (&*one.source, &*one.database) == (source, database);
                    is_of_same && named_by.is_some_and(|other| one.order() < other.order())
                };
                listed.iter().any(is_older)
            }
        }
    });
    let told = missing.map(|link| {
        let what = match find(link, &link.previous) {
            None => "it should still be there",
            Some(_) => "what lies there was stored later",
        };
        format!(
            "{} is missing: {} of {}/{} names it as the point before, and {what}",
            link.previous, link.id, link.source, link.database
        )
    });
    told.collect()
}
