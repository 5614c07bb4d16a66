//! Listings, a page held at a time; and a table's parts as they show them, for a caller that may not
//! read the signed list of them.

use std::collections::VecDeque;

use super::handle::Repository;
use super::read::RestorePoint;
use crate::error::Result;
use crate::model::lock::Lock;
use crate::model::manifest::{ObjectRef, names};
use crate::store::{Cursor, ListedObject, Store};

/// The versions of all keys that begin with a prefix, in the order of [`Store::list_versions`].
pub(super) struct Listing<'a> {
    store: &'a dyn Store,
    prefix: String,
    page: VecDeque<ListedObject>,
    /// Where the next page begins; `None`: this one is the last.
    next: Option<Option<Cursor>>,
}

impl Repository {
    pub(super) fn listing(&self, prefix: impl Into<String>) -> Listing<'_> {
        Listing {
            store: self.store.as_ref(),
            prefix: prefix.into(),
            page: VecDeque::new(),
            next: Some(None),
        }
    }
}

impl Listing<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<ListedObject>> {
        loop {
            if let Some(version) = self.page.pop_front() {
                return Ok(Some(version));
            }
            let Some(from) = self.next.take() else {
                return Ok(None);
            };
            let page = self.store.list_versions(&self.prefix, from).await?;
            self.page = page.objects.into();
            self.next = page.next.map(Some);
        }
    }

    /// Goes on behind all keys that begin with `prefix`: those on other pages are not asked for.
    pub(super) fn skip(&mut self, prefix: &str) {
        let skipped = |listed: &ListedObject| listed.key.as_str().starts_with(prefix);
        while self.page.pop_front_if(|listed| skipped(listed)).is_some() {}
        if self.page.is_empty() && self.next.is_some() {
            self.next = Some(Some(Cursor::past(prefix)));
        }
    }
}

/// One object for each key of a part, in the order of keys.
pub struct PartListing<'a>(Listing<'a>);

impl RestorePoint {
    /// The lock of a listed object now.
    pub async fn lock_of(&self, listed: &ListedObject) -> Result<Option<Lock>> {
        let store = &self.repository().store;
        Ok(store.head(&listed.key, &listed.version).await?.lock)
    }

    /// Lists the parts that lie beside their list.
    pub fn part_listing(&self, list: &ObjectRef) -> PartListing<'_> {
        let key = list.key.as_str();
        let folder = key.strip_suffix(names::PART_LIST).unwrap_or(key);
        PartListing(self.repository().listing(folder))
    }
}

impl PartListing<'_> {
    /// The next part: of several versions under its key the one that was there first.
    pub async fn next(&mut self) -> Result<Option<ListedObject>> {
        let Some(mut part) = self.version().await? else {
            return Ok(None);
        };
        while let Some(other) = self.version().await? {
            if other.key != part.key {
                self.0.page.push_front(other);
                break;
            }
            if other.stored_at <= part.stored_at {
                part = other;
            }
        }
        Ok(Some(part))
    }

    async fn version(&mut self) -> Result<Option<ListedObject>> {
        loop {
            match self.0.next().await? {
                Some(listed) if listed.key.name() == names::PART_LIST => {}
                other => return Ok(other),
            }
        }
    }
}
