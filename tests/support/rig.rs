//! A store behind a faulty proxy, for the tests of what can go wrong with S3.
#![allow(dead_code)]

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::model::Key;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::model::{Lock, LockMode};
use lifeboat::testing::store::{Head, Store as _};
use lifeboat::testing::store::{RequestLimits, S3Options, S3Store};
use lifeboat::testing::{Error, Result};

use super::faulty::{Fate, Faulty, Seen};
use super::servers::{self, Server};

pub fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub fn lock() -> Lock {
    Lock {
        mode: LockMode::Compliance,
        retain_until: Timestamp::now() + SignedDuration::from_hours(48),
    }
}

pub async fn put(store: &S3Store, body: &'static str) -> Result<Head> {
    let body = Bytes::from(body);
    let sha256 = Sha256::of(&body);
    store.put_new(&key("a"), body, sha256, Some(lock())).await
}

pub async fn versions(store: &S3Store) -> usize {
    let page = store.list_versions("", None).await.unwrap();
    page.objects.len()
}

/// A store behind a proxy, and one straight at the server, under the same prefix.
pub struct Rig {
    pub proxy: Faulty,
    pub through: S3Store,
    pub straight: S3Store,
}

impl Rig {
    pub async fn new(server: Server, rule: fn(usize, &Seen) -> Fate) -> Self {
        Self::with(server, rule, |_, _| {}).await
    }

    pub async fn with(
        server: Server,
        rule: fn(usize, &Seen) -> Fate,
        change: fn(&mut S3Options, &mut RequestLimits),
    ) -> Self {
        let options = server.options();
        let proxy = Faulty::before(&server.endpoint, rule).await;
        let mut proxied = S3Options {
            endpoint: Some(proxy.endpoint.clone()),
            ..options.clone()
        };
        let mut limits = servers::limits();
        change(&mut proxied, &mut limits);
        Self {
            proxy,
            through: S3Store::open_with(proxied, limits).await.unwrap(),
            straight: servers::open(options).await,
        }
    }
}

pub fn says(error: &Error, parts: &[&str]) {
    let text = format!("{}; hint: {:?}", error.chain(), error.find_hint());
    for part in parts {
        assert!(text.contains(part), "no '{part}' in: {text}");
    }
}
