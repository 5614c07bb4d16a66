//! Room for manifests that are read at the same time: nothing is known of who wrote them before they are
//! read.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::read::ListedPoint;

/// How many are read at a time.
pub(crate) const MANIFESTS_AT_A_TIME: usize = 16;
/// How many MiB of them.
const MIB_AT_A_TIME: u32 = 128;

pub(crate) struct Room {
    manifests: Semaphore,
    mib: Semaphore,
}

/// Room that was taken, until it is dropped.
pub(crate) struct Taken<'a> {
    _manifests: Option<SemaphorePermit<'a>>,
    _mib: Option<SemaphorePermit<'a>>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            manifests: Semaphore::new(MANIFESTS_AT_A_TIME),
            mib: Semaphore::new(MIB_AT_A_TIME as usize),
        }
    }
}

impl Room {
    /// Waits until there is room for the manifests of these points. All that one task needs at a time must be taken
    /// at once: two that each wait for more than they have would wait forever.
    pub(crate) async fn take(&self, ones: &[&ListedPoint]) -> Taken<'_> {
        let mib_of = |one: &&ListedPoint| one.manifest_bytes().div_ceil(1 << 20).max(1);
        let mib = ones.iter().map(mib_of).fold(0, u64::saturating_add);
        let mib = u32::try_from(mib).unwrap_or(u32::MAX).min(MIB_AT_A_TIME);
        let number = u32::try_from(ones.len()).unwrap_or(u32::MAX);
        // Neither is ever closed.
        let manifests = self.manifests.acquire_many(number).await.ok();
        Taken {
            _manifests: manifests,
            _mib: self.mib.acquire_many(mib).await.ok(),
        }
    }
}
