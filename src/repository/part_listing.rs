//! A table's parts as listings show them, for a caller that may not read the signed list of them.

use std::collections::VecDeque;

use super::read::RestorePoint;
use crate::error::Result;
use crate::model::lock::Lock;
use crate::model::manifest::{TableParts, names};
use crate::store::{Cursor, ListedObject};

/// One object for each key, in the order of keys; a page of them is held at a time.
pub struct PartListing<'a> {
    point: &'a RestorePoint,
    /// Ends with a slash; `None`: the table has no parts.
    folder: Option<String>,
    page: VecDeque<ListedObject>,
    /// Where the next page begins; `None` with `ended`: nowhere.
    next: Option<Cursor>,
    ended: bool,
}

impl RestorePoint {
    /// The lock of a listed object now.
    pub async fn lock_of(&self, listed: &ListedObject) -> Result<Option<Lock>> {
        let store = &self.repository().store;
        Ok(store.head(&listed.key, &listed.version).await?.lock)
    }

    /// Lists the parts of a table.
    pub fn part_listing(&self, table: &TableParts) -> PartListing<'_> {
        let folder = table.list.as_ref().and_then(|list| {
            let folder = list.key.as_str().strip_suffix(names::PART_LIST)?;
            Some(folder.to_owned())
        });
        PartListing {
            point: self,
            ended: folder.is_none(),
            folder,
            page: VecDeque::new(),
            next: None,
        }
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
                self.page.push_front(other);
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
            if let Some(version) = self.page.pop_front() {
                return Ok(Some(version));
            }
            let Some(folder) = self.folder.as_deref().filter(|_| !self.ended) else {
                return Ok(None);
            };
            let store = &self.point.repository().store;
            let page = store.list_versions(folder, self.next.take()).await?;
            let parts = page.objects.into_iter();
            let parts = parts.filter(|listed| listed.key.name() != names::PART_LIST);
            self.page = parts.collect();
            self.ended = page.next.is_none();
            self.next = page.next;
        }
    }
}
