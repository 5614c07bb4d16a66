//! Where shards of one run meet: its plan and reports in the repository.

use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::error::{Result, ResultExt};
use crate::model::lock::LockPolicy;
use crate::model::run::{RunPurpose, RunText, Shard};
use crate::repository::{ListedPoint, Locks, PointPath, Repository, RestorePoint, StoredPlan};
use crate::sign::{Signer, Trust};

pub(super) const TOOL: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));
/// How many points of a database are looked at for one that a trusted key signed.
const MOST_PASSED_OVER: usize = 16;

/// From one run to the next.
const A_NIGHT: SignedDuration = SignedDuration::from_hours(24);

pub(crate) struct Fleet {
    pub purpose: RunPurpose,
    pub repository: Repository,
    pub signer: Signer,
    /// Whose restore points count.
    pub trust: Trust,
    /// Whose plans and reports count.
    pub run_trust: Trust,
    pub lock: LockPolicy,
    pub max_lock_days: u32,
    /// A run whose plan is older than this is over.
    pub run_hours: u32,
}

pub(crate) struct ShardOptions {
    pub shard: Shard,
    pub run: RunText,
    /// Whether a server's databases may be dealt to several shards.
    pub spread: bool,
    pub fleet: Fleet,
}

/// What was settled before anything of a run is read or written.
pub(super) struct Settled {
    /// The store's time, where it has one.
    pub now: Timestamp,
    pub locks: Locks,
    /// The repository's id.
    pub repository: String,
}

impl Fleet {
    pub(super) async fn settle(&self, context: Context<'_>) -> Result<Settled> {
        let marker = self.repository.marker().await?;
        let posture = self.repository.posture().await?;
        let now = context.clock.now();
        let locks = Locks::settle(
            self.lock,
            &posture,
            self.repository.has_locks(),
            now,
            self.max_lock_days,
        );
        Ok(Settled {
            now: posture.server_time.unwrap_or(now),
            locks: locks.context(|| self.repository.url().to_owned())?,
            repository: marker.repository,
        })
    }

    /// The plan of a run, if a shard has stored one.
    pub(super) async fn plan(&self, run: &RunText) -> Result<Option<StoredPlan>> {
        let repository = &self.repository;
        repository
            .run_plan(self.purpose, run, &self.run_trust)
            .await
    }

    /// Whether it is too late for shards of this run.
    pub(super) fn is_over(&self, stored: &StoredPlan, now: Timestamp) -> bool {
        let limit = SignedDuration::from_hours(i64::from(self.run_hours));
        now.duration_since(stored.stored_at) > limit
    }

    /// Whether a newer run should have begun: runs are nightly, whatever time shards are given.
    pub(super) fn is_yesterdays(&self, stored: &StoredPlan, now: Timestamp) -> bool {
        self.is_over(stored, now) && now.duration_since(stored.stored_at) > A_NIGHT
    }

    /// Of these points of one database, the newest that the run made: stored after its plan, by the store's time,
    /// and signed by a trusted key.
    pub(crate) async fn made_by(
        &self,
        stored: &StoredPlan,
        mut points: Vec<ListedPoint>,
    ) -> Result<Option<PointPath>> {
        points.retain(|point| point.stored_at() > stored.stored_at);
        Ok(self.newest(points).await?.map(|point| point.path()))
    }

    /// The newest of one database's points that a trusted key signed.
    pub(crate) async fn newest(&self, points: Vec<ListedPoint>) -> Result<Option<RestorePoint>> {
        let (trust, tries) = (&self.trust, MOST_PASSED_OVER);
        self.repository.newest_trusted(points, trust, tries).await
    }
}
