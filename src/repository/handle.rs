//! A repository in a store: its marker, and the versions of a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OnceCell};

use super::announcement::AnnouncementChain;
use super::envelope::{to_json_line, unknown_format};
use super::layout;
use super::locks::Locks;
use crate::codec::Sealed;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::FORMAT;
use crate::sign::Fingerprint;
use crate::store::audit::AuditedStore;
use crate::store::kept::KeptStore;
use crate::store::{ListedObject, Posture, Store};

/// `lifeboat.json`, in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub format: u32,
    /// Random, so that a manifest says which repository it belongs to.
    pub repository: String,
}

/// A key and the pinned ones, to the way between them.
type Announced = BTreeMap<(Fingerprint, Vec<Fingerprint>), Option<AnnouncementChain>>;

/// A repository in a store.
#[derive(Clone)]
pub struct Repository {
    pub(super) store: Arc<dyn Store>,
    /// As reading found it once.
    marker: Arc<OnceCell<Option<Marker>>>,
    /// Keys that are not pinned, each with those that are: as it was looked up once.
    pub(super) announced: Arc<Mutex<Announced>>,
}

impl Repository {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            marker: Arc::default(),
            announced: Arc::default(),
        }
    }

    /// For one run that reads some objects again: small enough ones are asked for once.
    pub fn keeping(&self) -> Self {
        Self::new(Arc::new(KeptStore::over(Arc::clone(&self.store))))
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

    /// `None`: nothing here keeps an object from being deleted.
    pub(crate) fn audited(&self) -> Option<&dyn AuditedStore> {
        self.store.audited()
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
        let body = Sealed::unencrypted(to_json_line(&marker)?);
        self.put_confirmed(layout::marker()?, body, locks, false)
            .await?;
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
            Error::not_found(format!("{} is not a lifeboat repository", self.url())).hint(
                "`lifeboat init --repository URL` prepares one; check bucket, prefix or folder",
            )
        })
    }

    /// The marker for comparing; `None` where it is damaged or gone, for it is needed for writing
    /// alone.
    pub(super) async fn sound_marker(&self) -> Result<Option<&Marker>> {
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
        let versions = oldest_first(self.versions_of(key.as_str()).await?);
        let Some(oldest) = versions.first() else {
            return Ok(None);
        };
        let read = || {
            let version = &oldest.version;
            self.store.get(&key, version, layout::MAX_MARKER_BYTES)
        };
        let body = read().await?;
        // Nothing signs it, and its id goes into all that is signed. AWS is reached by TLS alone; another bucket's
        // comes twice.
        if !self.store.promises().checksums && read().await? != body {
            let what = format!(
                "{key} came in two ways: something changes what {} sends",
                self.url()
            );
            return Err(
                Error::new(Kind::Unavailable, what).hint("try again, by TLS where there is none")
            );
        }
        let marker: Marker = serde_json::from_slice(&body).map_err(|source| {
            Error::damaged(format!("{key} is not JSON as expected")).because(source)
        })?;
        if marker.format != FORMAT {
            return Err(unknown_format(self.url(), marker.format));
        }
        Ok(Some(marker))
    }

    /// All versions of one key, newest first.
    pub(super) async fn versions_of(&self, key: &str) -> Result<Vec<ListedObject>> {
        let mut versions = Vec::new();
        let mut listing = self.listing(key);
        // The key itself comes before all longer ones.
        while let Some(listed) = listing.next().await?
            && listed.key.as_str() == key
        {
            versions.push(listed);
        }
        Ok(versions)
    }
}

/// What was there first counts: a thief of writing rights can put a version on top, never below.
pub(super) fn oldest_first(mut versions: Vec<ListedObject>) -> Vec<ListedObject> {
    versions.reverse();
    versions.sort_by_key(|version| version.stored_at);
    versions
}

/// Opens the oldest version that is sound: else the error is the first one's. `None`: there is no
/// version. What says nothing of a version (the store does not answer, say) chooses none.
pub(super) async fn oldest_sound<T>(
    oldest_first: &[ListedObject],
    open: impl AsyncFn(&ListedObject) -> Result<T>,
) -> Result<Option<T>> {
    let mut first_error = None;
    for version in oldest_first {
        match open(version).await {
            Ok(opened) => return Ok(Some(opened)),
            Err(error) if error.affects_every_point() => return Err(error),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(None), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_that_says_nothing_of_a_version_lets_no_other_one_count() {
        let version = |version: &str| ListedObject {
            key: "manifests/x.json".parse().unwrap(),
            version: version.to_owned(),
            bytes: 1,
            stored_at: jiff::Timestamp::default(),
        };
        let versions = [version("first"), version("second")];
        let open = async |kind: Option<Kind>| {
            oldest_sound(&versions, async |one| match (kind, &*one.version) {
                (Some(kind), "first") => Err(Error::new(kind, "the first")),
                _ => Ok(one.version.clone()),
            })
            .await
        };
        assert_eq!(open(None).await.unwrap().unwrap(), "first");
        assert_eq!(open(Some(Kind::Damaged)).await.unwrap().unwrap(), "second");
        for kind in [Kind::Unavailable, Kind::Denied, Kind::Unauthenticated] {
            assert_eq!(open(Some(kind)).await.unwrap_err().kind(), kind);
        }
    }
}
