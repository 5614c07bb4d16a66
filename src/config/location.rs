//! Where a repository lies: a bucket and prefix, or a directory.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::accounts::{check_id, check_region};
use crate::error::{Error, Result};

/// Where a repository lies.
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
            return directory(Path::new(&decoded(rest)?));
        }
        if url.contains("://") || url.starts_with("s3:") || url.starts_with("file:") {
            return Err(Error::usage(format!("'{url}' is not a repository URL")).hint(hint));
        }
        if url.is_empty() {
            return Err(Error::usage("the repository URL is empty").hint(hint));
        }
        directory(&base.join(url))
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

/// How a bucket is reached. What is `None` comes from the AWS SDK's usual places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Settings {
    pub region: Option<String>,
    /// `https://host[:port]` of a store that is not AWS.
    pub endpoint: Option<String>,
    pub path_style: Option<bool>,
    /// Account id that must own the bucket.
    pub bucket_owner: Option<String>,
    /// A profile of the AWS configuration files.
    pub profile: Option<String>,
}

impl S3Settings {
    /// These settings, completed by `lower`.
    #[must_use]
    pub fn over(self, lower: &Self) -> Self {
        Self {
            region: self.region.or_else(|| lower.region.clone()),
            endpoint: self.endpoint.or_else(|| lower.endpoint.clone()),
            path_style: self.path_style.or(lower.path_style),
            bucket_owner: self.bucket_owner.or_else(|| lower.bucket_owner.clone()),
            profile: self.profile.or_else(|| lower.profile.clone()),
        }
    }

    /// Refuses what cannot be meant; the name of the setting comes with the error.
    fn check(&self) -> std::result::Result<(), (&'static str, Error)> {
        if let Some(owner) = &self.bucket_owner {
            check_id(owner).map_err(|error| ("bucket_owner", error))?;
        }
        if let Some(region) = &self.region {
            check_region(region).map_err(|error| ("region", error))?;
        }
        if let Some(endpoint) = &self.endpoint {
            check_endpoint(endpoint).map_err(|error| ("endpoint", error))?;
        }
        Ok(())
    }

    fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("region", self.region.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("path_style", self.path_style.is_some()),
            ("bucket_owner", self.bucket_owner.is_some()),
            ("profile", self.profile.is_some()),
        ];
        given
            .iter()
            .find(|(_, given)| *given)
            .map(|(name, _)| *name)
    }
}

fn check_endpoint(endpoint: &str) -> Result<()> {
    let hint = "write https://host or https://host:port";
    let host = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"))
        .ok_or_else(|| {
            Error::usage("the endpoint does not begin with https:// or http://").hint(hint)
        })?;
    if host.contains('@') {
        return Err(Error::usage("the endpoint holds credentials")
            .hint("credentials come from the AWS SDK's usual places, such as a profile"));
    }
    if host.trim_end_matches('/').is_empty() || host.contains(char::is_whitespace) {
        return Err(Error::usage(format!("the endpoint '{endpoint}' names no host")).hint(hint));
    }
    Ok(())
}

/// A repository's place and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub location: Location,
    /// All `None` for a directory.
    pub s3: S3Settings,
}

impl Repository {
    /// Resolves a URL or a plain path; relative paths begin at `base`, an absolute folder. The
    /// setting that is wrong (`url`, `region`, …) comes with the error.
    pub fn new(
        url: &str,
        base: &Path,
        s3: S3Settings,
    ) -> std::result::Result<Self, (&'static str, Error)> {
        let location = Location::parse(url, base).map_err(|error| ("url", error))?;
        Self::at(location, s3)
    }

    /// A place and how to reach it; the setting that is wrong comes with the error.
    pub fn at(
        location: Location,
        s3: S3Settings,
    ) -> std::result::Result<Self, (&'static str, Error)> {
        if let (Location::Dir(_), Some(name)) = (&location, s3.first_given()) {
            let error = Error::usage("means nothing for a repository in a directory")
                .hint("leave it out, or name a bucket: s3://bucket/prefix");
            return Err((name, error));
        }
        s3.check()?;
        Ok(Self { location, s3 })
    }

    /// Whether the bucket's name goes into the path; unless said, where an endpoint is given.
    pub fn path_style(&self) -> bool {
        self.s3.path_style.unwrap_or(self.s3.endpoint.is_some())
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

/// Percent-decoded.
fn decoded(text: &str) -> Result<String> {
    let wrong = || Error::usage(format!("'{text}' has a % that no two hex digits follow"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let hex = std::str::from_utf8(hex).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| wrong())?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
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

    #[test]
    fn a_directory_takes_no_bucket_settings() {
        let s3 = S3Settings {
            region: Some("eu-central-1".to_owned()),
            ..S3Settings::default()
        };
        let (setting, _) = Repository::new("/x", Path::new("/"), s3.clone()).unwrap_err();
        assert_eq!(setting, "region");
        assert!(Repository::new("s3://bucket", Path::new("/"), s3).is_ok());
    }

    #[test]
    fn path_style_follows_the_endpoint_unless_said() {
        let with = |endpoint: Option<&str>, path_style| Repository {
            location: Location::Dir(PathBuf::from("/x")),
            s3: S3Settings {
                endpoint: endpoint.map(str::to_owned),
                path_style,
                ..S3Settings::default()
            },
        };
        assert!(!with(None, None).path_style());
        assert!(with(Some("http://localhost"), None).path_style());
        assert!(!with(Some("http://localhost"), Some(false)).path_style());
    }
}
