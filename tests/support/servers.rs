//! The S3 servers that `bash tests/run.sh` starts, and what a raw client can do to a bucket there.
#![allow(dead_code)]

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use lifeboat::testing::RetryPolicy;
use lifeboat::testing::model::Key;
use lifeboat::testing::store::{RequestLimits, S3Options, S3Store, StaticCredentials};

use super::variable;

/// A server with one bucket that has Object Lock.
pub struct Server {
    pub endpoint: String,
    pub bucket: String,
    pub credentials: StaticCredentials,
}

impl Server {
    pub fn moto() -> Self {
        Self {
            endpoint: variable("LIFEBOAT_TEST_MOTO_ENDPOINT"),
            bucket: variable("LIFEBOAT_TEST_MOTO_BUCKET"),
            credentials: credentials("test".to_owned(), "test".to_owned()),
        }
    }

    /// With every right.
    pub fn ceph() -> Self {
        Self::ceph_as("ADMIN")
    }

    /// As a user who may add, and nothing else.
    pub fn ceph_as_exporter() -> Self {
        Self::ceph_as("EXPORTER")
    }

    fn ceph_as(user: &str) -> Self {
        Self {
            endpoint: variable("LIFEBOAT_TEST_RGW_ENDPOINT"),
            bucket: variable("LIFEBOAT_TEST_RGW_BUCKET"),
            credentials: credentials(
                variable(&format!("LIFEBOAT_TEST_RGW_{user}_KEY")),
                variable(&format!("LIFEBOAT_TEST_RGW_{user}_SECRET")),
            ),
        }
    }

    /// A prefix of its own in the server's bucket.
    pub fn options(&self) -> S3Options {
        S3Options {
            bucket: self.bucket.clone(),
            prefix: format!("tests/{:016x}", getrandom::u64().unwrap()),
            endpoint: Some(self.endpoint.clone()),
            path_style: true,
            credentials: Some(self.credentials.clone()),
            ..S3Options::default()
        }
    }

    /// A client without any of the store's manners, at work under the same prefix.
    pub fn attacker(&self, options: &S3Options) -> Raw {
        let credentials = &self.credentials;
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&self.endpoint)
            .region(Region::new("us-east-1"))
            .force_path_style(true)
            .credentials_provider(Credentials::new(
                &credentials.access_key,
                &credentials.secret_key,
                None,
                None,
                "tests",
            ))
            .build();
        Raw {
            client: Client::from_conf(config),
            bucket: self.bucket.clone(),
            prefix: options.prefix.clone(),
        }
    }
}

pub struct Raw {
    pub client: Client,
    pub bucket: String,
    pub prefix: String,
}

impl Raw {
    /// Deletes a version, or hides the key under a delete marker.
    pub async fn delete(&self, key: &Key, version: Option<&str>) -> Result<(), String> {
        let deleted = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(format!("{}/{key}", self.prefix))
            .set_version_id(version.map(str::to_owned))
            .send()
            .await;
        deleted.map(drop).map_err(|error| format!("{error:?}"))
    }

    /// Puts an object of any name, unlocked and without condition.
    pub async fn put(&self, name: &str, body: &[u8]) {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(format!("{}/{name}", self.prefix))
            .body(ByteStream::from(body.to_vec()))
            .send()
            .await
            .unwrap();
    }
}

/// Retries as ever, with shorter pauses.
pub fn limits() -> RequestLimits {
    RequestLimits {
        retry: RetryPolicy {
            attempts: 5,
            first_pause: Duration::from_millis(20),
        },
        patience: Duration::ZERO,
        ..RequestLimits::default()
    }
}

pub async fn open(options: S3Options) -> S3Store {
    S3Store::open_with(options, limits()).await.unwrap()
}

pub fn credentials(access_key: String, secret_key: String) -> StaticCredentials {
    StaticCredentials {
        access_key,
        secret_key,
        session_token: None,
    }
}
