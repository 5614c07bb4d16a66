//! Format v1: which objects make a restore point, and in which order. `FORMAT.md` beside this file
//! says it for a second reader. Nothing else in the house knows keys.

mod announce;
mod attest;
mod commit;
pub mod details;
mod envelope;
mod extend;
mod layout;
mod leftovers;
mod listed;
mod locks;
mod newest;
mod parts;
mod read;
pub mod runbook;
mod snapshots;
mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OnceCell};

use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::digest::Sha256;
use crate::model::manifest::FORMAT;
use crate::sign::Fingerprint;
use crate::store::{Listed, Posture, Store};

pub use announce::{Announcement, Chain};
pub use attest::{Attestations, History, Proof, if_allowed};
pub use commit::{Committed, PointWriter};
pub use extend::Extended;
pub use layout::{MAX_CATALOG_BYTES, MAX_TABLES, Place};
pub use leftovers::Leftover;
pub use listed::ListedParts;
pub use locks::{CLOCK_TOLERANCE, Locks, no_object_lock};
pub use parts::Parts;
pub use read::{Found, RestorePoint, Which};

/// `lifeboat.json`, in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub format: u32,
    /// Random, so that a manifest says which repository it belongs to.
    pub repository: String,
}

/// A key and the pinned ones, to the way between them.
type Announced = BTreeMap<(Fingerprint, Vec<Fingerprint>), Option<Chain>>;

/// A repository in a store.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn Store>,
    /// As reading found it once.
    marker: Arc<OnceCell<Option<Marker>>>,
    /// Keys that are not pinned, each with those that are: as it was looked up once.
    announced: Arc<Mutex<Announced>>,
}

impl Repository {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            marker: Arc::default(),
            announced: Arc::default(),
        }
    }

    pub fn url(&self) -> &str {
        self.store.url()
    }

    pub async fn posture(&self) -> Result<Posture> {
        self.store.posture().await
    }

    pub fn has_locks(&self) -> bool {
        self.store.promises().locks
    }

    /// Makes the store a repository, once. `Exists` where it is one already.
    pub async fn create(&self, random: u128, locks: &Locks) -> Result<Marker> {
        if self.find_marker().await?.is_some() {
            return Err(Error::new(
                Kind::Exists,
                format!("{} is a lifeboat repository already", self.url()),
            ));
        }
        let marker = Marker {
            format: FORMAT,
            repository: format!("{random:032x}"),
        };
        let body = Bytes::from(to_json_line(&marker)?);
        let sha256 = Sha256::of(&body);
        let head = self
            .store
            .put_new(&layout::marker()?, body, sha256, locks.sent(false))
            .await?;
        locks.confirm(&layout::marker()?, &head, false)?;
        Ok(marker)
    }

    /// Reads `lifeboat.json`; a store without one is not a repository that may be written to.
    pub async fn marker(&self) -> Result<Marker> {
        let found = self.find_marker().await?;
        // Where reading found one before, it is the same: it is never written twice.
        if found.is_some() {
            let _ = self.marker.set(found.clone());
        }
        found.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("{} is not a lifeboat repository", self.url()),
            )
            .hint("`lifeboat init --repository URL` prepares one; check bucket, prefix or folder")
        })
    }

    /// The marker for comparing; `None` where it is damaged or gone, for it is needed for writing
    /// alone.
    async fn home(&self) -> Result<Option<&Marker>> {
        let marker = self.marker.get_or_try_init(|| async {
            match self.find_marker().await {
                Err(error) if error.kind() == Kind::Damaged => Ok(None),
                found => found,
            }
        });
        Ok(marker.await?.as_ref())
    }

    async fn find_marker(&self) -> Result<Option<Marker>> {
        let key = layout::marker()?;
        let Some(oldest) = oldest_first(self.versions_of(key.as_str()).await?)
            .into_iter()
            .next()
        else {
            return Ok(None);
        };
        let body = self
            .store
            .get(&key, &oldest.version, layout::MAX_MARKER_BYTES)
            .await?;
        let marker: Marker = serde_json::from_slice(&body).map_err(|source| {
            Error::damaged(format!("{key} is not JSON as expected")).because(source)
        })?;
        if marker.format != FORMAT {
            return Err(unknown_format(self.url(), marker.format));
        }
        Ok(Some(marker))
    }

    /// All versions of one key, newest first.
    async fn versions_of(&self, key: &str) -> Result<Vec<Listed>> {
        let mut versions = Vec::new();
        let mut from = None;
        loop {
            let page = self.store.list_versions(key, from).await?;
            let done = page.objects.iter().any(|object| object.key.as_str() > key);
            versions.extend(
                page.objects
                    .into_iter()
                    .filter(|object| object.key.as_str() == key),
            );
            match page.next {
                Some(next) if !done => from = Some(next),
                _ => return Ok(versions),
            }
        }
    }
}

/// What was there first counts: a thief of writing rights can put a version on top, never below.
fn oldest_first(mut versions: Vec<Listed>) -> Vec<Listed> {
    versions.reverse();
    versions.sort_by_key(|version| version.stored_at);
    versions
}

fn unknown_format(what: &str, format: u32) -> Error {
    Error::refused(format!(
        "{what} is in format {format}; this version of lifeboat knows format {FORMAT}"
    ))
    .hint("use a newer lifeboat; the restore.sh beside each restore point needs none")
}

fn to_json_line<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).context(|| "cannot write JSON".to_owned())?;
    line.push(b'\n');
    Ok(line)
}
