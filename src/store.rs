//! Where objects lie: S3 or a directory. A store can add and read; it has no delete.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::{Lock, LockMode};

pub mod dir;
pub mod s3;

/// Where a repository lies, as the user writes it. No I/O yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `s3://bucket/prefix`; the prefix has no slash at its ends and may be empty.
    S3 { bucket: String, prefix: String },
    /// `file:///path` or a plain path.
    Dir(PathBuf),
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("s3://") {
            return s3_location(text, rest);
        }
        if let Some(path) = text.strip_prefix("file://") {
            if path.starts_with('/') {
                return Ok(Self::Dir(path.into()));
            }
            return Err(Error::usage(format!("'{text}' does not hold a whole path"))
                .hint(format!("did you mean file:///{path}?")));
        }
        if text.is_empty() {
            return Err(Error::usage("the repository's location is empty").hint(LOCATIONS));
        }
        match misspelt(text) {
            Some(meant) => Err(
                Error::usage(format!("'{text}' is not a repository's location"))
                    .hint(format!("did you mean {meant}? {LOCATIONS}")),
            ),
            None => Ok(Self::Dir(text.into())),
        }
    }
}

const LOCATIONS: &str = "a repository is s3://bucket/prefix, file:///path or a path";

fn s3_location(text: &str, rest: &str) -> Result<Location> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if bucket.is_empty() || !bucket.bytes().all(plain) {
        return Err(Error::usage(format!("'{text}' names no bucket")).hint(LOCATIONS));
    }
    if !prefix.is_empty() && prefix.parse::<Key>().is_err() {
        return Err(Error::usage(format!("'{prefix}' cannot be a prefix"))
            .hint("segments of letters, digits and . _ % - joined by single slashes"));
    }
    Ok(Location::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

/// What a text that looks like a URL, but is none of ours, was probably meant to be.
fn misspelt(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("arn:aws:s3:::") {
        return Some(format!("s3://{rest}"));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let scheme = scheme.to_ascii_lowercase();
        let far = |known| strsim::levenshtein(&scheme, known);
        let nearest = if far("file") < far("s3") {
            "file"
        } else {
            "s3"
        };
        return Some(format!("{nearest}://{rest}"));
    }
    let (scheme, rest) = text.split_once(':')?;
    let known = ["s3", "file"].contains(&scheme);
    known.then(|| format!("{scheme}://{}", rest.trim_start_matches('/')))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Dir(path) => write!(f, "file://{}", path.display()),
        }
    }
}

/// How to get at a bucket; what is `None` comes from the SDK's default chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    pub region: Option<String>,
    /// Another store's address, such as `https://s3.example.org`.
    pub endpoint: Option<String>,
    /// `endpoint/bucket/key`, as most stores other than AWS need it.
    pub path_style: bool,
    /// The account id that the bucket must belong to.
    pub expected_bucket_owner: Option<String>,
    pub profile: Option<String>,
}

/// Opens what is at a location. A directory must exist; a bucket is not asked anything yet.
pub async fn open(location: &Location, access: &Access) -> Result<Arc<dyn Store>> {
    match location {
        Location::Dir(path) => Ok(Arc::new(dir::DirStore::open(path)?)),
        Location::S3 { bucket, prefix } => {
            let access = access.clone();
            let options = s3::S3Options {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                region: access.region,
                endpoint: access.endpoint,
                path_style: access.path_style,
                expected_bucket_owner: access.expected_bucket_owner,
                profile: access.profile,
                ..s3::S3Options::default()
            };
            Ok(Arc::new(s3::S3Store::open(options).await?))
        }
    }
}

/// What a store is able to promise. Readers and writers rely on nothing that is not declared here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// Keeps every version of a key and can lock one against deletion.
    pub locks: bool,
    /// [`Store::put_new`] and [`Store::head`] return a SHA-256 that the store itself computed or
    /// compared. Where not, a caller that must be sure gets the object and hashes it.
    pub checksums: bool,
    /// [`Store::put_new`] refuses a key that exists, atomically.
    pub conditional_puts: bool,
}

/// What the store says about itself, asked once before an export and by `init`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posture {
    pub versioning: bool,
    pub object_lock: bool,
    /// The bucket's default retention in days.
    pub default_retention: Option<(LockMode, u32)>,
    /// The store's clock, where it has one of its own.
    pub server_time: Option<Timestamp>,
}

/// An object version as the store reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub version: String,
    /// Size in bytes.
    pub bytes: u64,
    /// `None`: the store does not confirm one for this version.
    pub sha256: Option<Sha256>,
    /// `None`: not locked, or the store has no locks.
    pub lock: Option<Lock>,
    /// When the store received this version, by the store's clock.
    pub stored_at: Timestamp,
}

/// One line of a listing. Delete markers are not listed: they hide nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: Key,
    pub version: String,
    /// Size in bytes.
    pub bytes: u64,
    pub stored_at: Timestamp,
}

/// A page of a listing and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub objects: Vec<Listed>,
    pub next: Option<Cursor>,
}

/// At most so many objects are in a page.
pub const PAGE_OBJECTS: usize = 1000;

/// An opaque position in a listing; means something only to the store that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Every method names the key in its errors. Kinds: `NotFound` for an absent key or version,
/// `Exists`, `Denied`, `Damaged` for wrong bytes, `Unavailable` after bounded retries of a store
/// that does not answer, `Failed` otherwise.
#[async_trait]
pub trait Store: Send + Sync {
    /// For messages and the runbook: `s3://bucket/prefix` or `file:///path`.
    fn url(&self) -> &str;

    fn promises(&self) -> Promises;

    /// Asks the store about itself. An absent bucket or folder is `NotFound`.
    async fn posture(&self) -> Result<Posture>;

    /// Stores `body` whole under a key that does not exist, locked where `lock` is given, and
    /// returns what the store then says of that version (as [`Store::head`]): the caller compares
    /// checksum and lock.
    ///
    /// Atomic: a reader sees all of it or nothing. Retried within bounds. After a lost reply the
    /// store is looked up: where the same bytes (size and SHA-256) are there, that is the answer.
    /// Other bytes under the key are `Exists`. A store without conditional puts may add a second
    /// version beside one that it did not see; the version id returned is the one just written.
    async fn put_new(
        &self,
        key: &Key,
        body: Bytes,
        sha256: Sha256,
        lock: Option<Lock>,
    ) -> Result<Head>;

    /// The whole body of exactly this version. A body longer than `max_bytes` is `Damaged` and not
    /// read further. The bytes are as received: the caller compares the SHA-256.
    async fn get(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Bytes>;

    /// What the store says of this version.
    async fn head(&self, key: &Key, version: &str) -> Result<Head>;

    /// A page of all versions of all keys that begin with `prefix` (not necessarily at a `/`), keys
    /// in byte order, hidden ones included. An absent prefix is an empty page; a store that
    /// cannot be read is an error, never an empty page.
    async fn list_versions(&self, prefix: &str, from: Option<Cursor>) -> Result<Page>;

    /// Extends the lock of a version and reads it back: the lock now in force. Never shortens.
    async fn extend_lock(&self, key: &Key, version: &str, lock: Lock) -> Result<Lock>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_as_written() {
        let s3 = |bucket: &str, prefix: &str| Location::S3 {
            bucket: bucket.into(),
            prefix: prefix.into(),
        };
        for (text, location, shown) in [
            ("s3://b", s3("b", ""), "s3://b"),
            ("s3://b/", s3("b", ""), "s3://b"),
            ("s3://b/p/q/", s3("b", "p/q"), "s3://b/p/q"),
            (
                "file:///var/b",
                Location::Dir("/var/b".into()),
                "file:///var/b",
            ),
            ("/var/b", Location::Dir("/var/b".into()), "file:///var/b"),
        ] {
            let read: Location = text.parse().unwrap();
            assert_eq!(read, location);
            assert_eq!(read.to_string(), shown);
        }
        assert_eq!(
            "b/c".parse::<Location>().unwrap(),
            Location::Dir("b/c".into())
        );
    }

    #[test]
    fn what_looks_like_another_url_is_refused_with_the_nearest_one() {
        for (text, hint) in [
            ("", "a repository is"),
            ("S3://b/p", "mean s3://b/p?"),
            ("s3:b/p", "mean s3://b/p?"),
            ("s3:/b", "mean s3://b?"),
            ("s4://b", "mean s3://b?"),
            ("flie:///p", "mean file:///p?"),
            ("file://p", "mean file:///p?"),
            ("arn:aws:s3:::b/p", "mean s3://b/p?"),
            ("s3://", "a repository is"),
            ("s3:///p", "a repository is"),
            ("s3://b/../p", "segments"),
            ("s3://b//p", "segments"),
        ] {
            let error = text.parse::<Location>().unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Usage);
            let found = error.find_hint().unwrap();
            assert!(found.contains(hint), "{text}: {found}");
        }
    }
}
