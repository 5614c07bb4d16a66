//! A bucket, and how its objects are named.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_sdk_s3::Client;
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::model::id::Key;
use crate::retry::RetryPolicy;
use crate::store::Promises;

/// A bucket, or the part of it under a prefix.
pub struct S3Store {
    pub(super) client: Client,
    pub(super) bucket: String,
    /// With a slash at the end; empty where the repository is the whole bucket.
    pub(super) prefix: String,
    pub(super) url: String,
    pub(super) owner: Option<String>,
    pub(super) promises: Promises,
    pub(super) limits: RequestLimits,
    /// The bucket has no Object Lock at all: no need to ask for each object's.
    pub(super) lockless: AtomicBool,
    /// The store has answered something.
    pub(super) has_answered: AtomicBool,
    /// Whether the store was seen to refuse a body that is not the announced one; `None`: it could not
    /// be tried.
    pub(super) compares: OnceCell<Option<bool>>,
}

impl S3Store {
    pub(super) fn full_key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// How messages name an object.
    pub(super) fn name(&self, key: &Key) -> String {
        format!("{}/{key}", self.url)
    }

    /// The store's answer makes no sense.
    pub(super) fn odd(&self, key: &Key, what: String) -> Error {
        Error::failed(format!("{}: {what}", self.name(key)))
    }
}

/// How long and how often a request is tried.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    pub connect_timeout: Duration,
    /// For one attempt, until the reply begins; while a body is read, from one piece to the next.
    pub attempt_timeout: Duration,
    /// Of one request, as long as it is quick to try again.
    pub retry: RetryPolicy,
    /// How long a store that has answered before is waited for while it is overloaded or cannot be
    /// reached: as the pauses add up, which grow to 20 s. One that never answered is not waited for.
    pub patience: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(120),
            retry: RetryPolicy {
                attempts: 5,
                first_pause: Duration::from_millis(500),
            },
            patience: Duration::from_mins(5),
        }
    }
}
