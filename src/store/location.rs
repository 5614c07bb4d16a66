//! Where a store lies, and how it is opened. A further kind of store is added here and in a folder of
//! its own.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Store;
use super::dir::DirStore;
use super::s3::{S3Options, S3Store};
use crate::error::{Error, Kind, Result};
use crate::percent;

/// Where a repository lies: a bucket and prefix, or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    S3 {
        bucket: String,
        /// Without a slash at either end; empty for the bucket's root.
        prefix: String,
    },
    /// An absolute path.
    Dir(PathBuf),
}

impl Location {
    /// A URL or a plain path; relative paths begin at `base`, an absolute folder.
    pub fn parse(url: &str, base: &Path) -> Result<Self> {
        let hint = "write s3://bucket/prefix, file:///path, or a plain path";
        if let Some(rest) = url.strip_prefix("s3://") {
            return bucket(rest);
        }
        if let Some(rest) = url.strip_prefix("file://") {
            if !rest.starts_with('/') {
                return Err(
                    Error::usage(format!("'{url}' is not a path on this machine"))
                        .hint("after file:// comes an absolute path: file:///backup"),
                );
            }
            let path = percent::decode(rest).ok_or_else(|| {
                Error::usage(format!("'{rest}' has a % that no two hex digits follow"))
            })?;
            return directory(Path::new(&path));
        }
        if url.contains("://") || url.starts_with("s3:") || url.starts_with("file:") {
            return Err(Error::usage(format!("'{url}' is not a repository URL")).hint(hint));
        }
        if url.is_empty() {
            return Err(Error::usage("the repository URL is empty").hint(hint));
        }
        directory(&base.join(url))
    }

    /// `None`: it does not lie in a bucket.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::S3 { bucket, .. } => Some(bucket),
            Self::Dir(_) => None,
        }
    }

    /// Opens the store there, a bucket with these options. An absent directory is `NotFound`; nothing
    /// is sent to a bucket yet.
    pub async fn open(&self, options: S3Options) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Dir(path) => Arc::new(DirStore::open(path).map_err(|error| match error.kind() {
                Kind::NotFound => Error::not_found(format!("there is no repository at {}", path.display()),
                )
                .hint("check the path and whether its disk is mounted; `lifeboat init` prepares a new one"),
                _ => error,
            })?),
            Self::S3 { bucket, prefix } => Arc::new(
                S3Store::open(S3Options {
                    bucket: bucket.clone(),
                    prefix: prefix.clone(),
                    ..options
                })
                .await?,
            ),
        })
    }

    /// As [`Location::open`], for `init`: makes a directory that is not there yet.
    pub async fn create(&self, options: S3Options) -> Result<Arc<dyn Store>> {
        match self {
            Self::Dir(path) => Ok(Arc::new(DirStore::create(path)?)),
            Self::S3 { .. } => self.open(options).await,
        }
    }
}

/// As a URL: `s3://bucket/prefix` or `file:///path`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Dir(path) => {
                write!(f, "file://{}", path.to_string_lossy().replace('%', "%25"))
            }
        }
    }
}

fn bucket(rest: &str) -> Result<Location> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) {
        return Err(Error::usage(format!("'{bucket}' is not a bucket name"))
            .hint("3 to 63 lower-case letters, digits, dots and hyphens: s3://bucket/prefix"));
    }
    let prefix = prefix.trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let sound = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if !prefix.is_empty() && !prefix.split('/').all(sound) {
        return Err(Error::usage(format!("'{prefix}' cannot be a prefix"))
            .hint("segments of letters, digits, dots, hyphens and underscores, joined by one /"));
    }
    Ok(Location::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

/// Drops `.` from the path; `..` stays, as links may lie before it.
fn directory(path: &Path) -> Result<Location> {
    let path: PathBuf = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    if path.parent().is_none() {
        return Err(Error::usage("the root directory cannot be a repository")
            .hint("name a folder of its own: file:///backup/lifeboat"));
    }
    Ok(Location::Dir(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<String> {
        Location::parse(url, Path::new("/base")).map(|location| location.to_string())
    }

    #[test]
    fn buckets_and_paths_are_told_apart() {
        for (url, resolved) in [
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("file:///srv/x%20y", "file:///srv/x y"),
            ("/srv/backup", "file:///srv/backup"),
            ("./backup", "file:///base/backup"),
            ("../backup", "file:///base/../backup"),
        ] {
            assert_eq!(place(url).unwrap(), resolved);
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for url in [
            "",
            "/",
            "file:///",
            "gs://bucket",
            "s3:bucket",
            "s3://",
            "s3://Bucket",
            "s3://b",
            "s3://bucket//a",
            "s3://bucket/../a",
            "s3://bucket/a b",
            "file://host/x",
            "file:x",
            "file:///x%2",
        ] {
            assert!(place(url).is_err(), "{url}");
        }
    }
}
