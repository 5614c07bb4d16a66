//! Room for manifests that are read at the same time: nothing is known of who wrote them before they are
//! read.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::read::ListedPoint;

/// How many are read at a time.
pub(crate) const MANIFESTS_AT_A_TIME: usize = 16;
/// How many MiB of them.
const MIB_AT_A_TIME: u32 = 128;

pub(crate) struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(MIB_AT_A_TIME as usize))
    }
}

impl Room {
    /// Waits until there is room for a point's manifest, which is taken until the permit is dropped.
    pub(crate) async fn take(&self, one: &ListedPoint) -> Option<SemaphorePermit<'_>> {
        let mib = u32::try_from(one.manifest_bytes() >> 20).unwrap_or(u32::MAX);
        let mib = mib.min(MIB_AT_A_TIME - 1) + 1;
        // Never closed.
        self.0.acquire_many(mib).await.ok()
    }
}
