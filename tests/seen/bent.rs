//! A store that says what no real one would of its objects, and counts how many are read at the same time.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat::testing::model::{Key, Lock, Sha256};
use lifeboat::testing::store::{Cursor, Head, Page, Posture, Promises, Store};
use lifeboat::testing::{Error, Kind, Result};

pub struct Bent {
    inner: Arc<dyn Store>,
    /// Manifests are listed as so long.
    pub manifest_bytes: Option<u64>,
    /// Manifests are not answered for.
    pub silent: AtomicBool,
    /// The version of which no lock can be told.
    pub without_lock: Mutex<Option<String>>,
    reading: AtomicU64,
    most: AtomicU64,
}

impl Bent {
    pub fn over(inner: Arc<dyn Store>, manifest_bytes: Option<u64>) -> Self {
        Self {
            inner,
            manifest_bytes,
            silent: AtomicBool::new(false),
            without_lock: Mutex::default(),
            reading: AtomicU64::new(0),
            most: AtomicU64::new(0),
        }
    }

    /// How many lists of recipients were read at the same time.
    pub fn most_at_a_time(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Store for Bent {
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
        if self.silent.load(Ordering::Relaxed) && key.as_str().starts_with("manifests/") {
            return Err(Error::new(Kind::Unavailable, format!("{key}: no answer")));
        }
        if key.name() == "keys.json" {
            let reading = self.reading.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(reading, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.reading.fetch_sub(1, Ordering::Relaxed);
        }
        self.inner.get(key, version, max_bytes).await
    }

    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        if self.without_lock.lock().unwrap().as_deref() == Some(version) {
            let what = format!("{key}: the store tells a lock that nobody knows");
            return Err(Error::new(Kind::Failed, what));
        }
        self.inner.head(key, version).await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        let mut page = self.inner.list_versions(prefix, from).await?;
        for one in &mut page.objects {
            if one.key.as_str().starts_with("manifests/") {
                one.bytes = self.manifest_bytes.unwrap_or(one.bytes);
            }
        }
        Ok(page)
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        self.inner.extend_lock(key, version, lock).await
    }
}
