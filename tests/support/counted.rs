//! A store that counts what it is asked, as S3 would bill it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat::testing::Result;
use lifeboat::testing::model::{Key, Lock, Sha256};
use lifeboat::testing::store::{Cursor, Head, Page, Posture, Promises, Store};

pub struct Counted {
    inner: Arc<dyn Store>,
    gets: AtomicU64,
    heads: AtomicU64,
    lists: AtomicU64,
    listed_keys: AtomicU64,
    puts: AtomicU64,
}

/// Since the last time that it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    pub gets: u64,
    pub heads: u64,
    pub lists: u64,
    pub listed_keys: u64,
    /// And locks that were extended.
    pub puts: u64,
}

impl Calls {
    pub fn all(self) -> u64 {
        self.gets + self.heads + self.lists + self.puts
    }
}

impl Counted {
    pub fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            gets: AtomicU64::new(0),
            heads: AtomicU64::new(0),
            lists: AtomicU64::new(0),
            listed_keys: AtomicU64::new(0),
            puts: AtomicU64::new(0),
        })
    }

    pub fn take(&self) -> Calls {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Calls {
            gets: take(&self.gets),
            heads: take(&self.heads),
            lists: take(&self.lists),
            listed_keys: take(&self.listed_keys),
            puts: take(&self.puts),
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

#[async_trait]
impl Store for Counted {
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
        add(&self.puts, 1);
        self.inner.put_new(key, body, sha256, lock).await
    }

    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes> {
        add(&self.gets, 1);
        self.inner.get(key, version, max_bytes).await
    }

    /// One call, as of S3.
    async fn get_with_lock(
        &self,
        key: &Key,
        version: &str,
        max_bytes: u64,
    ) -> Result<(Bytes, Option<Lock>)> {
        add(&self.gets, 1);
        self.inner.get_with_lock(key, version, max_bytes).await
    }

    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        add(&self.heads, 1);
        self.inner.head(key, version).await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        add(&self.lists, 1);
        let page = self.inner.list_versions(prefix, from).await?;
        add(&self.listed_keys, page.objects.len() as u64);
        Ok(page)
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        add(&self.puts, 1);
        self.inner.extend_lock(key, version, lock).await
    }
}
