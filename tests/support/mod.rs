//! What tests share: real servers, throwaway databases, and the binary with a repository of its own.

pub mod certificates;
pub mod cloud;
pub mod cluster;
pub mod counted;
pub mod cutoff;
pub mod database;
pub mod deadly;
pub mod deployed;
pub mod drills;
pub mod faulty;
pub mod forge;
pub mod lane;
pub mod listener;
pub mod lossy;
pub mod master;
pub mod memory;
pub mod memory_s3;
pub mod program;
pub mod quick;
pub mod rds;
pub mod reading;
pub mod rig;
pub mod servers;
pub mod sigv4;
pub mod subjects;
pub mod tls;
pub mod tunnel;
pub mod watched;
pub mod wire;

pub use database::{Database, Major};
pub use program::Lifeboat;
pub use reading::Reading;

/// A variable that `tests/run.sh` sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run bash tests/run.sh"))
}

/// Every restore point of a repository, opened.
pub fn every_point(now: jiff::Timestamp) -> lifeboat::testing::list::Options {
    lifeboat::testing::list::Options {
        source: None,
        database: None,
        all: true,
        now,
    }
}

/// Waits for the clock's next second: of two points of one second, neither ids nor a bucket's times tell which came first.
pub fn next_second() {
    let nanoseconds = jiff::Timestamp::now().subsec_nanosecond().unsigned_abs();
    let left = u64::from(1_000_000_000 - nanoseconds);
    std::thread::sleep(std::time::Duration::from_nanos(left));
}

/// Short and unique on this machine for the time of a run.
pub fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let random: [u8; 4] = lifeboat::testing::random::bytes().unwrap();
    format!("{prefix}_{:08x}_{next}", u32::from_ne_bytes(random))
}
