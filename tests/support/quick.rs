//! A directory that is filled quickly: nothing is synced, and files are as old as the clock says. `DirStore` reads
//! it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lifeboat::testing::model::{Key, Lock, Sha256};
use lifeboat::testing::store::{Cursor, DirStore, Head, Page, Posture, Promises, Store};
use lifeboat::testing::{Clock, Error, Kind, Result};

use super::memory::TestClock;

pub struct QuickDir {
    root: PathBuf,
    clock: Arc<TestClock>,
    reader: DirStore,
}

impl QuickDir {
    pub fn at(root: &std::path::Path, clock: Arc<TestClock>) -> Self {
        Self {
            root: root.to_owned(),
            clock,
            reader: DirStore::open(root).unwrap(),
        }
    }
}

#[async_trait]
impl Store for QuickDir {
    fn url(&self) -> &str {
        self.reader.url()
    }

    fn promises(&self) -> Promises {
        self.reader.promises()
    }

    async fn posture(&self) -> Result<Posture> {
        self.reader.posture().await
    }

    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        assert_eq!(lock, None, "a directory has no locks");
        let path = self.root.join(key.as_str());
        if path.exists() {
            return Err(Error::new(Kind::Exists, format!("{key} exists")));
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &body).unwrap();
        let stored_at: Timestamp = self.clock.now();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(stored_at.into()).unwrap();
        Ok(Head {
            version: "file".to_owned(),
            bytes: body.len() as u64,
            sha256: Some(sha256),
            lock: None,
            stored_at,
        })
    }

    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes> {
        self.reader.get(key, version, max_bytes).await
    }

    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        self.reader.head(key, version).await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        self.reader.list_versions(prefix, from).await
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        self.reader.extend_lock(key, version, lock).await
    }
}
