//! A repository in a local directory: for tests, drills and copies on other media.
//!
//! A key is a path below the root. A file appears whole or not at all: it is written under a
//! temporary name in its folder, synced, linked to its name without overwriting, and the folder is
//! synced; new parent folders too. When [`Store::put_new`] returns, the bytes survive a power cut.
//!
//! What is confirmed: `put_new` reads the file back and compares it byte by byte with the body
//! whose SHA-256 it was handed, so that hash is not computed twice; [`Store::head`] reads the file
//! and hashes it. Neither asks the medium itself: the bytes may come from the system's cache.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use self::file::{Temporary, failed, hash, make_durable, same, stored_at, sync_folder};
use self::walk::Walk;
use crate::error::{Error, Kind, Result};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::Lock;
use crate::model::manifest::ObjectRef;
use crate::store::{Cursor, Head, Page, Posture, Promises, Store};

mod file;
mod walk;

pub(crate) use self::file::VERSION;

/// A repository directory.
pub struct DirStore {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    url: String,
    /// Folders whose own entry is known to be on disk.
    durable: Mutex<HashSet<PathBuf>>,
    /// The walk that the last page came from, so that the next one need not begin anew.
    walk: Mutex<Option<Walk>>,
}

impl DirStore {
    /// Opens a directory that exists: `NotFound` where it does not.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let root = std::path::absolute(path).map_err(|error| failed("open", path, error))?;
        check_root(&root)?;
        let url = format!("file://{}", root.display());
        let inner = Inner {
            root,
            url,
            durable: Mutex::default(),
            walk: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Makes the directory and its parents where they are missing, and opens it.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let root = std::path::absolute(path).map_err(|error| failed("create", path, error))?;
        let missing: Vec<&Path> = root.ancestors().take_while(|path| !path.exists()).collect();
        for folder in missing.into_iter().rev() {
            make_durable(folder)?;
        }
        Self::open(root)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(|error| Error::failed("a file operation broke off").because(error))?
    }
}

#[async_trait]
impl Store for DirStore {
    fn url(&self) -> &str {
        &self.inner.url
    }

    fn promises(&self) -> Promises {
        Promises {
            locks: false,
            checksums: true,
            conditional_puts: true,
        }
    }

    async fn posture(&self) -> Result<Posture> {
        self.blocking(|inner| {
            check_root(&inner.root)?;
            Ok(Posture::default())
        })
        .await
    }

    /// A `lock` is `Refused`: nothing is stored that its writer would believe to be locked.
    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head> {
        if lock.is_some() {
            return Err(no_locks(&format!("cannot lock {}/{key}", self.url())));
        }
        let key = key.clone();
        self.blocking(move |inner| inner.put_new(&key, &body, sha256))
            .await
    }

    /// `version` is not looked at: a key has one version, so a copy of an S3 repository, whose
    /// manifests name S3's version ids, can be read. The caller's comparison of the SHA-256 shows
    /// whether these are the bytes.
    async fn get(&self, key: &Key, _version: &str, max_bytes: u64) -> Result<Bytes> {
        let key = key.clone();
        self.blocking(move |inner| inner.get(&key, max_bytes)).await
    }

    /// There are no locks.
    async fn get_with_lock(
        &self,
        key: &Key,
        version: &str,
        max_bytes: u64,
    ) -> Result<(Bytes, Option<Lock>)> {
        Ok((self.get(key, version, max_bytes).await?, None))
    }

    /// Reads the whole file, to hash it. `version` is not looked at, as in `get`.
    async fn head(&self, key: &Key, _version: &str) -> Result<Head> {
        let key = key.clone();
        self.blocking(move |inner| {
            let path = inner.path(&key);
            let file = inner.open(&path)?;
            let sha256 = hash(&file).map_err(|error| failed("read", &path, error))?;
            head_of(&path, &file, sha256)
        })
        .await
    }

    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        let prefix = prefix.to_owned();
        self.blocking(move |inner| inner.list(&prefix, from)).await
    }

    /// A hard link: each name keeps the bytes, whatever becomes of the other.
    async fn link_new(&self, object: &ObjectRef, key: &Key) -> Result<Option<String>> {
        let (object, key) = (object.clone(), key.clone());
        self.blocking(move |inner| inner.link_new(&object, &key))
            .await
    }

    async fn extend_lock(&self, key: &Key, _version: &str, _lock: Lock) -> Result<Lock> {
        Err(no_locks(&format!(
            "cannot extend the lock of {}/{key}",
            self.url()
        )))
    }
}

impl Inner {
    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn open(&self, path: &Path) -> Result<File> {
        let file = File::open(path).map_err(|error| failed("open", path, error))?;
        let metadata = file
            .metadata()
            .map_err(|error| failed("open", path, error))?;
        if metadata.is_file() {
            Ok(file)
        } else {
            // A folder of longer keys: there is no object of this name.
            Err(Error::not_found(format!(
                "{} is not a file",
                path.display()
            )))
        }
    }

    fn put_new(&self, key: &Key, body: &[u8], sha256: Sha256) -> Result<Head> {
        // Without this an unmounted disk's mount point would quietly become a repository.
        check_root(&self.root)?;
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        self.prepare(folder)?;
        let temporary = Temporary::write(folder, body)?;
        match fs::hard_link(temporary.path(), &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(cannot_link(&path, error));
            }
            // Of one that exists the writer may have died before syncing the folder.
            _ => sync_folder(folder)?,
        }
        drop(temporary);
        let file = self.open(&path).map_err(|error| match error.kind() {
            Kind::NotFound => exists(&path),
            _ => error,
        })?;
        if !same(&file, body).map_err(|error| failed("read back", &path, error))? {
            return Err(exists(&path));
        }
        head_of(&path, &file, sha256)
    }

    fn link_new(&self, object: &ObjectRef, key: &Key) -> Result<Option<String>> {
        check_root(&self.root)?;
        let (from, path) = (self.path(&object.key), self.path(key));
        let metadata = fs::symlink_metadata(&from).ok();
        let is_as_it_was = |found: &fs::Metadata| found.is_file() && found.len() == object.bytes;
        if !metadata.as_ref().is_some_and(is_as_it_was) {
            return Ok(None);
        }
        let folder = path.parent().unwrap_or(&self.root);
        self.prepare(folder)?;
        // A file has only so many names, and not every file system gives a second one: then it is stored anew.
        if fs::hard_link(&from, &path).is_err() {
            return Ok(None);
        }
        sync_folder(folder)?;
        Ok(Some(VERSION.to_owned()))
    }

    /// Makes the folder and its parents below the root, each with its entry on disk. A folder that
    /// is already there may have been made a moment ago by a writer that has not synced yet: so
    /// every one is synced once by each process.
    fn prepare(&self, folder: &Path) -> Result<()> {
        let wanted: Vec<&Path> = folder
            .ancestors()
            .take_while(|path| *path != self.root && !locked(&self.durable).contains(*path))
            .collect();
        for path in wanted.into_iter().rev() {
            make_durable(path)?;
            locked(&self.durable).insert(path.to_owned());
        }
        Ok(())
    }

    fn get(&self, key: &Key, max_bytes: u64) -> Result<Bytes> {
        let path = self.path(key);
        let file = self.open(&path)?;
        let read = |error| failed("read", &path, error);
        let bytes = file.metadata().map_err(read)?.len();
        let mut body = Vec::with_capacity(usize::try_from(bytes.min(max_bytes)).unwrap_or(0));
        let limit = max_bytes.saturating_add(1);
        file.take(limit).read_to_end(&mut body).map_err(read)?;
        if body.len() as u64 > max_bytes {
            return Err(Error::damaged(format!(
                "{} is longer than the {max_bytes} bytes it may have",
                path.display()
            )));
        }
        Ok(body.into())
    }

    fn list(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        check_root(&self.root)?;
        let after = from.map_or_else(String::new, |cursor| cursor.key);
        let kept = locked(&self.walk).take();
        let mut walk = match kept.filter(|walk| !after.is_empty() && walk.is_at(prefix, &after)) {
            Some(walk) => walk,
            None => Walk::new(&self.root, prefix, after)?,
        };
        let page = walk.page()?;
        if page.next.is_some() {
            *locked(&self.walk) = Some(walk);
        }
        Ok(page)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_root(root: &Path) -> Result<()> {
    let metadata = fs::metadata(root).map_err(|error| failed("open", root, error))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} is not a directory",
        root.display()
    )))
}

fn head_of(path: &Path, file: &File, sha256: Sha256) -> Result<Head> {
    let metadata = file
        .metadata()
        .map_err(|error| failed("read", path, error))?;
    Ok(Head {
        version: VERSION.to_owned(),
        bytes: metadata.len(),
        sha256: Some(sha256),
        lock: None,
        stored_at: stored_at(path, &metadata)?,
    })
}

fn exists(path: &Path) -> Error {
    Error::new(
        Kind::Exists,
        format!("{} exists with other content", path.display()),
    )
}

fn no_locks(what: &str) -> Error {
    Error::refused(format!("{what}: a directory has no locks"))
        .hint("use a bucket with Object Lock, or configure the lock as none")
}

fn cannot_link(path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let unable = matches!(error.kind(), Io::Unsupported | Io::PermissionDenied);
    let hint = unable.then_some("the file system must support hard links (FAT and exFAT do not)");
    failed("link", path, error).hint_if_any(hint)
}
