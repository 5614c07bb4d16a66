//! A store whose operations fail as told, by their number: the network or the process is gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat::testing::model::Key;
use lifeboat::testing::model::Lock;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::store::{Cursor, Head, Page, Posture, Promises, Store};
use lifeboat::testing::{Error, Kind, Result};

/// What goes wrong; operations are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Never,
    /// This one and all after it fail, and are not carried out.
    From(usize),
    /// This one alone fails, and is not carried out.
    Once(usize),
    /// This one is carried out; its reply is lost, and nothing works after it.
    ReplyAndAfter(usize),
    /// This one is carried out; its reply is lost.
    Reply(usize),
}

pub struct Cutoff {
    inner: Arc<dyn Store>,
    cut: Cut,
    next: AtomicUsize,
    /// Keys that were put, in order.
    put: Mutex<Vec<Key>>,
}

impl Cutoff {
    pub fn new(inner: Arc<dyn Store>, cut: Cut) -> Arc<Self> {
        Arc::new(Self {
            inner,
            cut,
            next: AtomicUsize::new(0),
            put: Mutex::default(),
        })
    }

    /// Operations so far.
    pub fn count(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// What really was stored.
    pub fn stored(&self) -> Vec<Key> {
        self.put.lock().unwrap().clone()
    }

    async fn through<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let refused = match self.cut {
            Cut::From(first) => number >= first,
            Cut::Once(one) => number == one,
            Cut::ReplyAndAfter(last) => number > last,
            Cut::Never | Cut::Reply(_) => false,
        };
        let gone = || Error::new(Kind::Unavailable, format!("operation {number} was cut off"));
        if refused {
            return Err(gone());
        }
        let done = operation.await;
        match self.cut {
            Cut::Reply(one) | Cut::ReplyAndAfter(one) if number == one => Err(gone()),
            _ => done,
        }
    }
}

#[async_trait]
impl Store for Cutoff {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }

    async fn posture(&self) -> Result<Posture> {
        self.through(self.inner.posture()).await
    }

    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        let put = async {
            let head = self.inner.put_new(key, body, sha256, lock).await?;
            self.put.lock().unwrap().push(key.clone());
            Ok(head)
        };
        self.through(put).await
    }

    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes> {
        self.through(self.inner.get(key, version, max_bytes)).await
    }

    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        self.through(self.inner.head(key, version)).await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        self.through(self.inner.list_versions(prefix, from)).await
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        self.through(self.inner.extend_lock(key, version, lock))
            .await
    }
}
