//! Walks the files of a directory store in byte order of their keys, in bounded memory.

use std::collections::BinaryHeap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{VERSION, failed, stored_at};
use crate::error::{Error, Kind, Result};
use crate::model::id::Key;
use crate::store::{Cursor, ListedObject, PAGE_OBJECTS, Page};

/// Names of one folder held at a time; a longer folder is read again for the next ones.
const WINDOW_NAMES: usize = 1 << 12;

/// A walk that has come as far as the key `after`.
pub(super) struct Walk {
    root: PathBuf,
    prefix: String,
    after: String,
    window: usize,
    /// The folders on the way, outermost first.
    open: Vec<Folder>,
}

/// A folder that is being walked.
struct Folder {
    /// Its key with a `/` at the end; empty for the root.
    key: String,
    /// The next keys in it, the smallest last; those of folders end with a `/`. That `/` is what
    /// puts `a-b` and `a.b` before everything in `a/`, as byte order has it.
    next: Vec<String>,
    /// Where `next` did not hold all: its greatest key.
    rest_after: Option<String>,
}

impl Walk {
    /// A walk over all keys that begin with `prefix` and come after `after`.
    pub(super) fn new(root: &Path, prefix: &str, after: String) -> Result<Self> {
        let mut walk = Self {
            root: root.to_owned(),
            prefix: prefix.to_owned(),
            after,
            window: WINDOW_NAMES,
            open: Vec::new(),
        };
        walk.enter(String::new(), None)?;
        Ok(walk)
    }

    pub(super) fn is_at(&self, prefix: &str, after: &str) -> bool {
        self.prefix == prefix && self.after == after
    }

    pub(super) fn page(&mut self) -> Result<Page> {
        let mut objects = Vec::new();
        while objects.len() < PAGE_OBJECTS {
            let Some(listed) = self.next()? else {
                let next = None;
                return Ok(Page { objects, next });
            };
            objects.push(listed);
        }
        if let Some(last) = objects.last() {
            self.after = last.key.as_str().to_owned();
        }
        let next = Some(Cursor {
            key: self.after.clone(),
            version: None,
        });
        Ok(Page { objects, next })
    }

    fn next(&mut self) -> Result<Option<ListedObject>> {
        while let Some(folder) = self.open.last_mut() {
            if let Some(key) = folder.next.pop() {
                if key.ends_with('/') {
                    self.enter(key, None)?;
                } else if let Ok(key) = key.parse::<Key>() {
                    return self.listed(key).map(Some);
                }
            } else if let Some(folder) = self.open.pop()
                && folder.rest_after.is_some()
            {
                self.enter(folder.key, folder.rest_after)?;
            }
        }
        Ok(None)
    }

    fn listed(&self, key: Key) -> Result<ListedObject> {
        let path = self.root.join(key.as_str());
        let metadata = fs::metadata(&path).map_err(|error| cannot_list(&path, error))?;
        Ok(ListedObject {
            version: VERSION.to_owned(),
            bytes: metadata.len(),
            stored_at: stored_at(&path, &metadata)?,
            key,
        })
    }

    /// Reads the smallest keys of a folder that are wanted and come after `rest_after`.
    fn enter(&mut self, key: String, rest_after: Option<String>) -> Result<()> {
        let path = self.root.join(&key);
        let list = |error| cannot_list(&path, error);
        // A heap of the smallest: its greatest is on top and gives way.
        let mut smallest = BinaryHeap::new();
        let mut more = false;
        for entry in fs::read_dir(&path).map_err(list)? {
            let entry = entry.map_err(list)?;
            let Some(child) = child_key(&key, &entry).map_err(list)? else {
                continue;
            };
            if !self.wants(&child) || rest_after.as_ref().is_some_and(|after| child <= *after) {
                continue;
            }
            smallest.push(child);
            if smallest.len() > self.window {
                smallest.pop();
                more = true;
            }
        }
        let rest_after = smallest.peek().filter(|_| more).cloned();
        let mut next = smallest.into_sorted_vec();
        next.reverse();
        self.open.push(Folder {
            key,
            next,
            rest_after,
        });
        Ok(())
    }

    /// Whether a file is wanted, or a folder may hold wanted ones.
    fn wants(&self, key: &str) -> bool {
        let inside = |outer: &str| key.ends_with('/') && outer.starts_with(key);
        (key.starts_with(&self.prefix) || inside(&self.prefix))
            && (key > self.after.as_str() || inside(&self.after))
    }
}

/// Never `NotFound`: what was there a moment ago must not pass for an absent prefix.
fn cannot_list(path: &Path, error: io::Error) -> Error {
    match failed("list", path, error) {
        error if error.kind() == Kind::NotFound => {
            Error::failed("a file or folder vanished while it was listed").because(error)
        }
        error => error,
    }
}

/// The key of a folder's entry; `None` for what cannot be part of a key: temporary files, and what
/// others put there, such as `lost+found`, which is not even looked into.
fn child_key(folder: &str, entry: &fs::DirEntry) -> io::Result<Option<String>> {
    let name = entry.file_name();
    let Some(name) = name.to_str().filter(|name| name.parse::<Key>().is_ok()) else {
        return Ok(None);
    };
    let mut kind = entry.file_type()?;
    if kind.is_symlink() {
        kind = fs::metadata(entry.path())?.file_type();
    }
    Ok(if kind.is_dir() {
        Some(format!("{folder}{name}/"))
    } else if kind.is_file() {
        Some(format!("{folder}{name}"))
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(root: &Path, prefix: &str, after: &str, window: usize) -> Vec<String> {
        let mut walk = Walk::new(root, prefix, after.to_owned()).unwrap();
        walk.window = window;
        walk.open.clear();
        walk.enter(String::new(), None).unwrap();
        let mut keys = Vec::new();
        while let Some(listed) = walk.next().unwrap() {
            keys.push(listed.key.as_str().to_owned());
        }
        keys
    }

    #[test]
    fn any_window_and_any_start_give_the_keys_in_byte_order() {
        let root = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for folder in ["a", "a-b", "a.b", "a0", "b/c", "b/c-d", "b.c"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            for name in ["1", "1-", "1.x", "10", "2"] {
                let key = format!("{folder}/{name}");
                fs::write(root.path().join(&key), &key).unwrap();
                all.push(key);
            }
        }
        for key in ["a-", "a.", "a00", "b%"] {
            fs::write(root.path().join(key), "").unwrap();
            all.push(key.to_owned());
        }
        all.sort();
        for window in [1, 2, 3, 100] {
            for prefix in ["", "a", "a/", "a/1", "b/c", "b/c/", "b/c-d/10", "z"] {
                let expected: Vec<_> = all.iter().filter(|key| key.starts_with(prefix)).collect();
                for after in all
                    .iter()
                    .map(String::as_str)
                    .chain(["", "a/", "b/c", "zz"])
                {
                    let expected: Vec<_> =
                        expected.iter().filter(|key| key.as_str() > after).collect();
                    let found = keys(root.path(), prefix, after, window);
                    assert!(
                        expected.into_iter().copied().eq(&found),
                        "{prefix} {after} {window}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("a")).unwrap();
        let error = Walk::new(root.path(), "", String::new()).err().unwrap();
        assert_eq!(error.kind(), Kind::Failed);
        assert!(error.chain().contains("vanished"), "{}", error.chain());
    }
}
