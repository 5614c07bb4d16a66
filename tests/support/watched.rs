//! A store that notes which locks are extended, and fails when told.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat::testing::model::Key;
use lifeboat::testing::model::Lock;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::store::{Cursor, Head, Page, Posture, Promises, Store};
use lifeboat::testing::{Error, Kind, Result};

pub struct Watched {
    inner: Arc<dyn Store>,
    /// In order.
    pub extended: Mutex<Vec<Key>>,
    /// The first extension that fails, and all after it.
    pub fails_from: Mutex<usize>,
    /// Neither listed nor read, as without rights: keys that begin with it.
    pub denied: Mutex<Option<&'static str>>,
    /// Listed and not read: keys that begin with it.
    pub unreadable: Mutex<Option<&'static str>>,
    /// What both are refused with.
    pub refusal: Mutex<Kind>,
}

impl Watched {
    pub fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            extended: Mutex::default(),
            fails_from: Mutex::new(usize::MAX),
            denied: Mutex::default(),
            unreadable: Mutex::default(),
            refusal: Mutex::new(Kind::Denied),
        })
    }

    fn may_list(&self, key: &str) -> Result<()> {
        self.check(&self.denied, key)
    }

    fn may_read(&self, key: &str) -> Result<()> {
        self.may_list(key)?;
        self.check(&self.unreadable, key)
    }

    fn check(&self, denied: &Mutex<Option<&'static str>>, key: &str) -> Result<()> {
        match *denied.lock().unwrap() {
            Some(denied) if key.starts_with(denied) => {
                let kind = *self.refusal.lock().unwrap();
                Err(Error::new(kind, format!("{key}: access denied")))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Watched {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
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
        self.may_read(key.as_str())?;
        self.inner.get(key, version, max_bytes).await
    }

    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        self.inner.head(key, version).await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        self.may_list(prefix)?;
        self.inner.list_versions(prefix, from).await
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        {
            let mut extended = self.extended.lock().unwrap();
            if extended.len() >= *self.fails_from.lock().unwrap() {
                return Err(Error::new(Kind::Unavailable, format!("{key}: cut off")));
            }
            extended.push(key.clone());
        }
        self.inner.extend_lock(key, version, lock).await
    }
}
