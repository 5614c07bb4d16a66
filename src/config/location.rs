//! A repository's location with the settings of its bucket.

use std::path::Path;

use super::accounts::{check_id, check_region};
use super::rules::{At, KeyError, given};
use crate::error::{Error, Result};
use crate::store::s3::S3Options;

pub use crate::store::location::Location;

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

    /// Refuses impossible values; the setting's name comes with the error.
    fn check(&self) -> Result<(), KeyError> {
        given(self.bucket_owner.as_ref(), check_id).at("bucket_owner")?;
        given(self.region.as_ref(), check_region).at("region")?;
        given(self.endpoint.as_ref(), check_endpoint).at("endpoint")
    }

    /// Those that are not `None`, by their keys in the configuration.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, String)> {
        let path_style = self.path_style.map(|style| style.to_string());
        let all = [
            ("region", self.region.clone()),
            ("endpoint", self.endpoint.clone()),
            ("path_style", path_style),
            ("bucket_owner", self.bucket_owner.clone()),
            ("profile", self.profile.clone()),
        ];
        (all.into_iter()).filter_map(|(key, value)| Some((key, value?)))
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

/// A repository's location and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub location: Location,
    /// All `None` for a directory.
    pub s3: S3Settings,
}

impl Repository {
    /// Resolves a URL or a plain path; relative paths begin at `base`, an absolute folder. The
    /// setting that is wrong (`url`, `region`, …) comes with the error.
    pub fn new(url: &str, base: &Path, s3: S3Settings) -> Result<Self, KeyError> {
        let location = Location::parse(url, base).at("url")?;
        Self::at(location, s3)
    }

    /// A location and how to reach it; the setting that is wrong comes with the error.
    pub fn at(location: Location, s3: S3Settings) -> Result<Self, KeyError> {
        if let (Location::Dir(_), Some((name, _))) = (&location, s3.given().next()) {
            let error = Error::usage("means nothing for a repository in a directory")
                .hint("leave it out, or name a bucket: s3://bucket/prefix");
            return Err((name, error));
        }
        s3.check()?;
        Ok(Self { location, s3 })
    }

    /// How its bucket is reached, for [`Location::open`].
    pub fn s3_options(&self) -> S3Options {
        let s3 = self.s3.clone();
        S3Options {
            // Unless set, where an endpoint is given.
            path_style: s3.path_style.unwrap_or(s3.endpoint.is_some()),
            region: s3.region,
            endpoint: s3.endpoint,
            expected_bucket_owner: s3.bucket_owner,
            profile: s3.profile,
            ..S3Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

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
        assert!(!with(None, None).s3_options().path_style);
        assert!(with(Some("http://localhost"), None).s3_options().path_style);
        assert!(
            !with(Some("http://localhost"), Some(false))
                .s3_options()
                .path_style
        );
    }
}
