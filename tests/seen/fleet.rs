//! A fleet in one repository: hundreds of databases, of each the points of some weeks, signed and drilled.

use std::sync::Arc;

use lifeboat::testing::model::{Key, Previous, Sha256, Verdict};
use lifeboat::testing::store::Store;

use crate::report::made::{HOUR, Made, Signed, Spec, now, two_ways};
use crate::support::memory::TestClock;

pub struct Size {
    pub databases: usize,
    pub points: i64,
    /// Between exports.
    pub hours: i32,
    /// One of so many points is drilled.
    pub drilled: i64,
}

/// Hundreds.
pub const WHOLE: Size = Size {
    databases: 500,
    points: 40,
    hours: 24,
    drilled: 8,
};

/// Every hour for five weeks.
pub const HOURLY: Size = Size {
    databases: 20,
    points: 24 * 35,
    hours: 1,
    drilled: 24,
};

/// More than are opened one by one.
pub const SMALL: Size = Size {
    databases: 8,
    points: 30,
    hours: 24,
    drilled: 8,
};

/// Of two servers, `a` and `b`.
pub fn name(number: usize) -> (String, String) {
    let source = ["a", "b"][number % 2];
    (source.to_owned(), format!("tenant-{number:03}"))
}

/// An export each night or hour, the newest four hours ago, and drills of some: that of the newest point, or of
/// the one before it, an hour ago.
pub async fn fill(store: Arc<dyn Store>, clock: Arc<TestClock>, size: &Size) -> Made {
    let made = Made::over(store, clock).await;
    for number in 0..size.databases {
        let (source, database) = name(number);
        let keys = made
            .keys(&format!("{source}/{database}"), &two_ways())
            .await;
        let mut before: Option<Signed> = None;
        for night in (0..size.points).rev() {
            let before_now = HOUR * size.hours * i32::try_from(night).unwrap();
            let spec = Spec {
                source: source.clone(),
                database: database.clone(),
                at: now() - before_now - HOUR * 4,
                rows: 100_000 * (number as u64 + 1) - night as u64 * 37,
                lock_days: made.forge.store.promises().locks.then_some(50),
            };
            let previous = before.as_ref().map(|point| Previous {
                id: point.manifest.id.clone(),
                sha256: point.sha256,
                until: None,
            });
            let point = made
                .point_with(&spec, |manifest| {
                    manifest.previous = previous;
                    manifest.objects.push(keys.clone());
                })
                .await;
            part(&made, &point).await;
            if night % size.drilled == number as i64 % 2 {
                let age = before_now + HOUR;
                made.drill(&point, age, 60.0, Verdict::Sound, Vec::new())
                    .await;
            }
            before = Some(point);
        }
    }
    made
}

/// One object of the point, so that listings have folders to pass over.
async fn part(made: &Made, point: &Signed) {
    let manifest = &point.manifest;
    let (source, database, id) = (&manifest.source, &manifest.database, &manifest.id);
    for name in ["keys.json", "16400/0.copy.zst.age"] {
        let key: Key = format!("parts/{source}/{database}/{id}/{name}")
            .parse()
            .unwrap();
        let body = b"{}".as_slice();
        let put = made
            .forge
            .store
            .put_new(&key, body.into(), Sha256::of(body), None);
        put.await.unwrap();
    }
}
