//! A store that keeps what it was asked for: a version does not change, and one run reads some of them again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::audit::AuditedStore;
use super::{Cursor, Head, Page, Posture, Promises, Store};
use crate::error::{Error, Result};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::Lock;

/// Of all bodies that are kept. What finds no room is asked for again.
const MOST_BYTES: usize = 64 << 20;

/// For one run: a lock is what it was when the object was read.
pub(crate) struct KeptStore {
    inner: Arc<dyn Store>,
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    of: BTreeMap<(Key, String), One>,
}

#[derive(Clone)]
struct One {
    body: Bytes,
    /// `None`: nobody asked for it.
    lock: Option<Option<Lock>>,
}

impl KeptStore {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            most_bytes: MOST_BYTES,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what is longer than allowed, as the store would.
    fn known(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Option<One>> {
        let known = self
            .kept()
            .of
            .get(&(key.clone(), version.to_owned()))
            .cloned();
        match known {
            Some(one) if one.body.len() as u64 > max_bytes => Err(Error::damaged(format!(
                "{key} is longer than the {max_bytes} bytes it may have"
            ))),
            known => Ok(known),
        }
    }

    fn keep(&self, key: &Key, version: &str, one: One) {
        let mut kept = self.kept();
        let place = (key.clone(), version.to_owned());
        let more = match kept.of.contains_key(&place) {
            true => 0,
            false => one.body.len(),
        };
        if kept.bytes + more <= self.most_bytes {
            kept.bytes += more;
            kept.of.insert(place, one);
        }
    }
}

#[async_trait]
impl Store for KeptStore {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }

    fn audited(&self) -> Option<&dyn AuditedStore> {
        self.inner.audited()
    }

    async fn posture(&self) -> Result<Posture> {
        self.inner.posture().await
    }

    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        self.inner.put_new(key, body, sha256, lock).await
    }

    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes> {
        if let Some(known) = self.known(key, version, max_bytes)? {
            return Ok(known.body);
        }
        let body = self.inner.get(key, version, max_bytes).await?;
        let one = One {
            body: body.clone(),
            lock: None,
        };
        self.keep(key, version, one);
        Ok(body)
    }

    async fn get_with_lock(
        &self,
        key: &Key,
        version: &str,
        max_bytes: u64,
    ) -> Result<(Bytes, Option<Lock>)> {
        let (body, lock) = match self.known(key, version, max_bytes)? {
            Some(One {
                body,
                lock: Some(lock),
            }) => return Ok((body, lock)),
            Some(One { body, lock: None }) => (body, self.inner.head(key, version).await?.lock),
            None => self.inner.get_with_lock(key, version, max_bytes).await?,
        };
        let one = One {
            body: body.clone(),
            lock: Some(lock),
        };
        self.keep(key, version, one);
        Ok((body, lock))
    }

    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        self.inner.head(key, version).await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        self.inner.list_versions(prefix, from).await
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        self.inner.extend_lock(key, version, lock).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::dir::DirStore;

    #[tokio::test]
    async fn what_was_read_is_not_read_again_while_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        let inner = Arc::new(DirStore::open(folder.path()).unwrap());
        let store = KeptStore {
            most_bytes: 6,
            ..KeptStore::over(inner)
        };
        let key = |name: &str| name.parse::<Key>().unwrap();
        for name in ["a", "b", "c"] {
            write(name, "old").unwrap();
            store.get(&key(name), "file", 3).await.unwrap();
            write(name, "new").unwrap();
        }
        let read = async |name: &str| store.get(&key(name), "file", 3).await.unwrap();
        assert_eq!([read("a").await, read("b").await], ["old", "old"]);
        assert_eq!(read("c").await, "new");
        let with_lock = store.get_with_lock(&key("a"), "file", 3).await.unwrap();
        assert_eq!(with_lock, (Bytes::from("old"), None));
        // Of another version, and of one that is longer than asked for, nothing is told.
        let other = store.get(&key("a"), "other", 3).await.unwrap();
        assert_eq!(other, "new");
        let longer = store.get(&key("a"), "file", 2).await.unwrap_err();
        assert_eq!(longer.kind(), Kind::Damaged);
    }
}
