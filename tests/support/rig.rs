//! A store behind a faulty proxy, for the tests of what can go wrong with S3. What lifeboat tries a store
//! by passes, and is counted nowhere.
#![allow(dead_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

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
    let keys = page.objects.iter().map(|listed| listed.key.as_str());
    keys.filter(|key| !key.contains("lifeboat.canary")).count()
}

/// A store behind a proxy, and one straight at the server, under the same prefix.
pub struct Rig {
    proxy: Faulty,
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
        let proxy = Faulty::before(&server.endpoint, past_trials(rule)).await;
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

/// A rule by the numbers of the other requests.
pub fn past_trials(
    rule: impl Fn(usize, &Seen) -> Fate + Send + Sync + 'static,
) -> impl Fn(usize, &Seen) -> Fate + Send + Sync + 'static {
    let number = AtomicUsize::new(0);
    move |_, seen| match seen.is_trial() {
        true => Fate::Pass,
        false => rule(number.fetch_add(1, Ordering::Relaxed), seen),
    }
}

impl Rig {
    /// The requests so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        let mut seen = self.proxy.seen();
        seen.retain(|seen| !seen.is_trial());
        seen
    }

    pub fn count(&self, method: &str) -> usize {
        let seen = self.seen();
        seen.iter().filter(|seen| seen.method == method).count()
    }

    /// How often the store was tried.
    pub fn trials(&self) -> usize {
        let seen = self.proxy.seen();
        seen.iter().filter(|seen| seen.is_trial()).count()
    }
}

pub fn says(error: &Error, parts: &[&str]) {
    let text = format!("{}; hint: {:?}", error.chain(), error.find_hint());
    for part in parts {
        assert!(text.contains(part), "no '{part}' in: {text}");
    }
}
