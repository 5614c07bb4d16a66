//! A store in memory that behaves as S3 does: versions, delete markers, and locks enforced against
//! an injected clock. Held to the same contract suite as the real ones (`store_contract.rs`).
//!
//! Beside [`Store`] it offers what an attacker can do (`delete`, `delete_version`, `overwrite`) and
//! what a disk can do (`replace`, `truncate`, `flip`, `lose`), which no lock hinders.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::model::Key;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::model::{Lock, LockMode};
use lifeboat::testing::store::{
    Cursor, Head, ListedObject, PAGE_OBJECTS, Page, Posture, Promises, Store,
};
use lifeboat::testing::{Clock, SystemClock};
use lifeboat::testing::{Error, Kind, Result};

/// A clock that stands still until it is moved.
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub fn at(now: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(now.parse().unwrap())))
    }

    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }

    pub fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    url: String,
    promises: Promises,
    default_retention: Option<(LockMode, u32)>,
    versions_made: AtomicU64,
    keys: Mutex<BTreeMap<Key, Vec<Version>>>,
}

/// One version of a key, the oldest first in its list.
#[derive(Clone)]
struct Version {
    head: Head,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Bytes(Bytes),
    DeleteMarker,
    /// Still listed, no longer readable.
    Lost,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl MemoryStore {
    /// Locks, checksums and conditional puts, as AWS.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with(
            clock,
            Promises {
                locks: true,
                checksums: true,
                conditional_puts: true,
            },
        )
    }

    /// A store that promises less: Ceph RGW 16 has locks only.
    pub fn with(clock: Arc<dyn Clock>, promises: Promises) -> Self {
        Self {
            clock,
            url: "s3://memory/test".to_owned(),
            promises,
            default_retention: None,
            versions_made: AtomicU64::new(0),
            keys: Mutex::default(),
        }
    }

    /// The bucket's default retention, applied to what is put without a lock.
    pub fn default_retention(mut self, mode: LockMode, days: u32) -> Self {
        self.default_retention = Some((mode, days));
        self
    }

    /// Another one that holds the same, to be changed by itself.
    pub fn fork(&self) -> Self {
        Self {
            clock: self.clock.clone(),
            url: self.url.clone(),
            promises: self.promises,
            default_retention: self.default_retention,
            versions_made: AtomicU64::new(self.versions_made.load(Ordering::Relaxed)),
            keys: Mutex::new(self.lock().clone()),
        }
    }

    /// The store's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Every version with its bytes and its lock, delete markers and what is lost left out.
    pub fn contents(&self) -> BTreeMap<(Key, String), (Bytes, Option<Lock>)> {
        let keys = self.lock();
        let versions = keys.iter().flat_map(|(key, versions)| {
            versions
                .iter()
                .filter_map(move |version| match &version.body {
                    Body::Bytes(bytes) => {
                        let head = &version.head;
                        Some((
                            (key.clone(), head.version.clone()),
                            (bytes.clone(), head.lock),
                        ))
                    }
                    Body::DeleteMarker | Body::Lost => None,
                })
        });
        versions.collect()
    }

    /// All keys that have a version, hidden ones included.
    pub fn keys(&self) -> Vec<Key> {
        self.lock().keys().cloned().collect()
    }

    /// The newest version id of a key, delete markers not counted.
    pub fn newest(&self, key: &Key) -> Option<String> {
        let keys = self.lock();
        let mut versions = keys.get(key)?.iter().rev();
        let version = versions.find(|version| !matches!(version.body, Body::DeleteMarker))?;
        Some(version.head.version.clone())
    }

    /// A plain DELETE: hides the key under a delete marker. Nothing refuses it.
    pub fn delete(&self, key: &Key) {
        let marker = Version {
            head: self.new_head(0, None, None),
            body: Body::DeleteMarker,
        };
        self.lock().entry(key.clone()).or_default().push(marker);
    }

    /// A DELETE of one version: `Denied` while it is locked.
    pub fn delete_version(&self, key: &Key, version: &str) -> Result<()> {
        let now = self.clock.now();
        self.change(key, version, |versions, at| {
            let until = versions[at].head.lock.map(|lock| lock.retain_until);
            if let Some(until) = until.filter(|until| now < *until) {
                return Err(Error::new(
                    Kind::Denied,
                    format!("cannot delete {key}: locked until {until}"),
                ));
            }
            versions.remove(at);
            Ok(())
        })
    }

    /// A PUT without any condition, as a thief of the exporter's rights can send: a newer version.
    pub fn overwrite(&self, key: &Key, body: impl Into<Bytes>) -> String {
        let body = body.into();
        let sha256 = Some(Sha256::of(&body));
        let head = self.new_head(body.len(), sha256, None);
        let version = head.version.clone();
        let body = Body::Bytes(body);
        let mut keys = self.lock();
        keys.entry(key.clone())
            .or_default()
            .push(Version { head, body });
        version
    }

    /// Adds a version as another store had it: with its id, its time and its lock, past or not.
    pub fn adopt(&self, key: &Key, head: Head, body: impl Into<Bytes>) {
        let body = Body::Bytes(body.into());
        let mut keys = self.lock();
        let versions = keys.entry(key.clone()).or_default();
        versions.push(Version { head, body });
    }

    /// Other bytes under the same version id; what `head` says stays as it was, the harder case.
    /// Brings back what was lost, too.
    pub fn replace(&self, key: &Key, version: &str, bytes: impl Into<Bytes>) {
        let body = Body::Bytes(bytes.into());
        self.change(key, version, |versions, at| {
            versions[at].body = body;
            Ok(())
        })
        .unwrap();
    }

    /// Cuts the stored bytes; what `head` says stays as it was.
    pub fn truncate(&self, key: &Key, version: &str, len: usize) {
        self.damage(key, version, |bytes| Body::Bytes(bytes.slice(..len)));
    }

    /// Inverts the bits of `mask` in the byte at `at`; what `head` says stays as it was.
    pub fn flip(&self, key: &Key, version: &str, at: usize, mask: u8) {
        self.damage(key, version, |bytes| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= mask;
            Body::Bytes(bytes.into())
        });
    }

    /// Loses the bytes: the version is still listed, `get` and `head` answer `NotFound`.
    pub fn lose(&self, key: &Key, version: &str) {
        self.damage(key, version, |_| Body::Lost);
    }

    /// Another lock, as an administrator may set it under governance.
    pub fn relock(&self, key: &Key, version: &str, lock: Option<Lock>) {
        self.change(key, version, |versions, at| {
            versions[at].head.lock = lock;
            Ok(())
        })
        .unwrap();
    }

    /// Removes a version without a trace, whatever its lock says.
    pub fn remove(&self, key: &Key, version: &str) {
        self.change(key, version, |versions, at| {
            versions.remove(at);
            Ok(())
        })
        .unwrap();
    }

    fn damage(&self, key: &Key, version: &str, how: impl FnOnce(&Bytes) -> Body) {
        self.change(key, version, |versions, at| {
            let version = &mut versions[at];
            if let Body::Bytes(bytes) = &version.body {
                version.body = how(bytes);
            }
            Ok(())
        })
        .unwrap();
    }

    /// Runs `how` on the versions of a key and the index of one of them.
    fn change<T>(
        &self,
        key: &Key,
        version: &str,
        how: impl FnOnce(&mut Vec<Version>, usize) -> Result<T>,
    ) -> Result<T> {
        let absent = || self.absent(key, version);
        let mut keys = self.lock();
        let versions = keys.get_mut(key).ok_or_else(absent)?;
        let at = versions
            .iter()
            .position(|other| other.head.version == version)
            .ok_or_else(absent)?;
        let result = how(versions, at);
        if versions.is_empty() {
            keys.remove(key);
        }
        result
    }

    fn new_head(&self, bytes: usize, sha256: Option<Sha256>, lock: Option<Lock>) -> Head {
        let number = self.versions_made.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let default = || {
            let (mode, days) = self.default_retention?;
            let retain_until = now + SignedDuration::from_hours(24 * i64::from(days));
            Some(Lock { mode, retain_until })
        };
        let lock = lock.or_else(default).map(|lock| Lock {
            mode: lock.mode,
            retain_until: whole_seconds(lock.retain_until),
        });
        Head {
            version: format!("v{number}"),
            bytes: bytes as u64,
            sha256: sha256.filter(|_| self.promises.checksums),
            lock,
            stored_at: whole_seconds(now),
        }
    }

    fn absent(&self, key: &Key, version: &str) -> Error {
        let url = &self.url;
        Error::new(
            Kind::NotFound,
            format!("{url}/{key} has no version {version}"),
        )
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<Version>>> {
        self.keys.lock().unwrap()
    }
}

/// S3 keeps whole seconds.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap()
}

#[async_trait]
impl Store for MemoryStore {
    fn url(&self) -> &str {
        &self.url
    }

    fn promises(&self) -> Promises {
        self.promises
    }

    async fn posture(&self) -> Result<Posture> {
        Ok(Posture {
            versioning: self.promises.locks,
            object_lock: self.promises.locks,
            default_retention: self.default_retention,
            server_time: Some(self.clock.now()),
        })
    }

    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        let url = &self.url;
        if Sha256::of(&body) != sha256 {
            return Err(Error::damaged(format!(
                "{url}/{key}: the body does not match its SHA-256"
            )));
        }
        if lock.is_some() && !self.promises.locks {
            return Err(Error::refused(format!("{url} has no locks")));
        }
        if lock.is_some_and(|lock| lock.retain_until <= self.clock.now()) {
            return Err(Error::failed(format!("{url}/{key}: the lock is past")));
        }
        let mut keys = self.lock();
        let versions = keys.entry(key.clone()).or_default();
        if let Some(Version {
            head,
            body: Body::Bytes(present),
        }) = versions.last().filter(|_| self.promises.conditional_puts)
        {
            if *present == body {
                return Ok(head.clone());
            }
            return Err(Error::new(Kind::Exists, format!("{url}/{key} exists")));
        }
        let head = self.new_head(body.len(), Some(sha256), lock);
        versions.push(Version {
            head: head.clone(),
            body: Body::Bytes(body),
        });
        Ok(head)
    }

    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes> {
        let url = &self.url;
        self.change(key, version, |versions, at| match &versions[at].body {
            Body::Bytes(bytes) if bytes.len() as u64 > max_bytes => Err(Error::damaged(format!(
                "{url}/{key} is longer than {max_bytes} bytes"
            ))),
            Body::Bytes(bytes) => Ok(bytes.clone()),
            Body::DeleteMarker | Body::Lost => Err(self.absent(key, version)),
        })
    }

    async fn head(&self, key: &Key, version: &str) -> Result<Head> {
        self.change(key, version, |versions, at| match &versions[at].body {
            Body::Bytes(_) => Ok(versions[at].head.clone()),
            Body::DeleteMarker | Body::Lost => Err(self.absent(key, version)),
        })
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        let mut page = Page::default();
        for (key, versions) in self.lock().iter() {
            let begins = match &from {
                Some(from) if key.as_str() < from.key.as_str() => continue,
                Some(from) if key.as_str() == from.key => versions
                    .iter()
                    .position(|other| Some(&other.head.version) == from.version.as_ref())
                    .unwrap_or(0),
                _ => versions.len(),
            };
            let newest_first = versions[..begins].iter().rev();
            for version in newest_first.filter(|_| key.as_str().starts_with(prefix)) {
                if matches!(version.body, Body::DeleteMarker) {
                    continue;
                }
                let head = &version.head;
                page.objects.push(ListedObject {
                    key: key.clone(),
                    version: head.version.clone(),
                    bytes: head.bytes,
                    stored_at: head.stored_at,
                });
                if page.objects.len() == PAGE_OBJECTS {
                    page.next = Some(Cursor {
                        key: key.as_str().to_owned(),
                        version: Some(head.version.clone()),
                    });
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock> {
        if !self.promises.locks {
            return Err(Error::refused(format!("{} has no locks", self.url)));
        }
        self.change(key, version, |versions, at| {
            let head = &mut versions[at].head;
            if head.lock.is_some_and(|present| !lock.covers(&present)) {
                return Err(Error::refused(format!("the lock of {key} holds longer")));
            }
            let lock = Lock {
                mode: lock.mode,
                retain_until: whole_seconds(lock.retain_until),
            };
            head.lock = Some(lock);
            Ok(lock)
        })
    }
}
