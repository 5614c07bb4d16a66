//! The stores that the contract suite runs over, each empty and with an attacker.

use std::sync::Arc;

use async_trait::async_trait;
use lifeboat::testing::SystemClock;
use lifeboat::testing::model::{Key, Sha256};
use lifeboat::testing::store::DirStore;
use lifeboat::testing::store::{Head, Promises, Store};
use tempfile::TempDir;

use super::memory::MemoryStore;
use super::servers::{self, Raw, Server};

/// A store under test, empty, and whoever would destroy what is in it.
pub struct Subject {
    pub store: Arc<dyn Store>,
    pub attacker: Option<Arc<dyn Attacker>>,
    /// What it does, which may be more than it promises.
    pub keeps: Promises,
    /// A put returns the SHA-256, a later look perhaps not; or the other way round.
    pub confirms: bool,
    /// Goes away with the subject.
    _folder: Option<TempDir>,
}

impl Subject {
    /// What a look at a version says, by what its put said.
    pub fn later(&self, put: &Head, sha256: Option<Sha256>) -> Head {
        Head {
            sha256: sha256.filter(|_| self.keeps.checksums),
            ..put.clone()
        }
    }
}

/// What a holder of delete rights can try.
#[async_trait]
pub trait Attacker: Send + Sync {
    /// A plain DELETE, which only adds a delete marker.
    async fn delete(&self, key: &Key);
    /// A DELETE of one version: whether it is gone.
    async fn delete_version(&self, key: &Key, version: &str) -> bool;
}

#[async_trait]
impl Attacker for MemoryStore {
    async fn delete(&self, key: &Key) {
        MemoryStore::delete(self, key);
    }

    async fn delete_version(&self, key: &Key, version: &str) -> bool {
        MemoryStore::delete_version(self, key, version).is_ok()
    }
}

#[async_trait]
impl Attacker for Raw {
    async fn delete(&self, key: &Key) {
        Raw::delete(self, key, None).await.unwrap();
    }

    async fn delete_version(&self, key: &Key, version: &str) -> bool {
        Raw::delete(self, key, Some(version)).await.is_ok()
    }
}

const ALL: Promises = Promises {
    locks: true,
    checksums: true,
    conditional_puts: true,
};
const LOCKS_ONLY: Promises = Promises {
    locks: true,
    checksums: false,
    conditional_puts: false,
};

pub async fn directory() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::create(folder.path().join("new/repository")).unwrap();
    Subject {
        keeps: store.promises(),
        confirms: true,
        store: Arc::new(store),
        attacker: None,
        _folder: Some(folder),
    }
}

pub async fn in_memory() -> Subject {
    over(MemoryStore::default())
}

pub async fn in_memory_with_locks_only() -> Subject {
    over(MemoryStore::with(Arc::new(SystemClock), LOCKS_ONLY))
}

fn over(store: MemoryStore) -> Subject {
    let store = Arc::new(store);
    Subject {
        keeps: store.promises(),
        confirms: store.promises().checksums,
        store: store.clone(),
        attacker: Some(store),
        _folder: None,
    }
}

/// Gives back any SHA-256 that was announced: nothing confirms a put.
pub async fn moto() -> Subject {
    Subject {
        confirms: false,
        ..on_server(Server::moto(), ALL).await
    }
}

/// Ceph RGW 16 ignores `If-None-Match` and stores no checksum.
pub async fn ceph() -> Subject {
    on_server(Server::ceph(), LOCKS_ONLY).await
}

async fn on_server(server: Server, keeps: Promises) -> Subject {
    let options = server.options();
    let store = servers::open(options.clone()).await;
    assert_eq!(store.promises(), LOCKS_ONLY, "it is not AWS");
    Subject {
        keeps,
        confirms: true,
        store: Arc::new(store),
        attacker: Some(Arc::new(server.attacker(&options))),
        _folder: None,
    }
}
