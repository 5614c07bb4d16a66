//! What shards of a run tell each other: the plan that the first one stored, a report of each, and that somebody
//! collected them. Signed and locked as manifests are, and read with the same mistrust.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::envelope;
use super::handle::{Repository, oldest_first, oldest_sound};
use super::layout;
use super::locks::Locks;
use crate::error::{Error, Kind, Result};
use crate::model::id::Key;
use crate::model::run::{RunCollected, RunPlan, RunPurpose, RunStatement, RunText, ShardReport};
use crate::sign::{Signer, Trust};
use crate::store::ListedObject;

/// A shard that was started more often than this does not report any more: no engine tries so often.
const MAX_ATTEMPTS: u32 = 100;
/// How many plans are looked at for the newest one that is sound.
const MAX_PLANS_READ: usize = 16;

/// A plan, and when the store received it: what a run's age goes by.
#[derive(Debug, Clone)]
pub(crate) struct StoredPlan {
    pub plan: RunPlan,
    pub stored_at: Timestamp,
}

/// What is known of a run beside its plan.
#[derive(Debug, Default)]
pub(crate) struct RunState {
    /// By shard, the first attempt first.
    pub reports: BTreeMap<u32, Vec<ShardReport>>,
    pub collected: Option<RunCollected>,
    /// What counts as none, and why.
    pub passed_over: Vec<String>,
}

impl RunState {
    /// Whether every shard has reported.
    pub(crate) fn is_complete(&self, plan: &RunPlan) -> bool {
        (0..plan.shards).all(|shard| self.reports.contains_key(&shard))
    }
}

impl Repository {
    /// Stores a plan; where there is one already, that one counts: read it again.
    pub(crate) async fn put_plan(
        &self,
        plan: RunPlan,
        signer: &Signer,
        locks: &Locks,
    ) -> Result<()> {
        let key = layout::run_plan(plan.purpose, &plan.run)?;
        let put = self.put_statement(key, RunStatement::Plan(plan), signer, locks);
        put.await.map(|_| ())
    }

    /// Stores the report of a shard as its next attempt.
    pub(crate) async fn put_report(
        &self,
        mut report: ShardReport,
        signer: &Signer,
        locks: &Locks,
    ) -> Result<()> {
        for attempt in report.attempt..=MAX_ATTEMPTS {
            report.attempt = attempt;
            let key = layout::run_report(report.purpose, &report.run, report.shard, attempt)?;
            let statement = RunStatement::Report(report.clone());
            if self.put_statement(key, statement, signer, locks).await? {
                return Ok(());
            }
        }
        Err(Error::refused(format!(
            "shard {} of run '{}' has reported {MAX_ATTEMPTS} times",
            report.shard, report.run
        ))
        .hint("start a new run, by another --run"))
    }

    /// Whether it was this call that stored it: who did tells how the run ended, and nobody else does.
    pub(crate) async fn put_collected(
        &self,
        collected: RunCollected,
        signer: &Signer,
        locks: &Locks,
    ) -> Result<bool> {
        let key = layout::run_collected(collected.purpose, &collected.run)?;
        self.put_statement(key, RunStatement::Collected(collected), signer, locks)
            .await
    }

    /// `false`: something is there already.
    async fn put_statement(
        &self,
        key: Key,
        statement: RunStatement,
        signer: &Signer,
        locks: &Locks,
    ) -> Result<bool> {
        let envelope = envelope::wrap(&key, &statement, signer).await?;
        match self.put_confirmed(key, envelope, locks, true).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::Exists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The plan of a run; `None`: nobody has stored one. The oldest sound version counts.
    pub(crate) async fn run_plan(
        &self,
        purpose: RunPurpose,
        run: &RunText,
        trust: &Trust,
    ) -> Result<Option<StoredPlan>> {
        let key = layout::run_plan(purpose, run)?;
        let versions = oldest_first(self.versions_of(key.as_str()).await?);
        oldest_sound(&versions, async |version| {
            self.open_plan(version, trust).await
        })
        .await
    }

    async fn open_plan(&self, version: &ListedObject, trust: &Trust) -> Result<StoredPlan> {
        let key = &version.key;
        let RunStatement::Plan(plan) = self.open_statement(version, trust).await? else {
            return Err(misplaced(key));
        };
        if layout::run_plan(plan.purpose, &plan.run)? != *key {
            return Err(misplaced(key));
        }
        if !plan.is_sound() {
            return Err(Error::damaged(format!("{key} is no sound plan")));
        }
        Ok(StoredPlan {
            plan,
            stored_at: version.stored_at,
        })
    }

    async fn open_statement(&self, version: &ListedObject, trust: &Trust) -> Result<RunStatement> {
        let statement: RunStatement = self.open_signed(version, trust).await?.body;
        self.check_repository_id(statement.repository(), statement.id())
            .await?;
        Ok(statement)
    }

    /// The newest run by the store's time, and what was passed over on the way.
    pub(crate) async fn newest_run(
        &self,
        purpose: RunPurpose,
        trust: &Trust,
    ) -> Result<(Option<StoredPlan>, Vec<String>)> {
        let mut listing = self.listing(layout::runs(purpose));
        let mut plans: BTreeMap<RunText, Timestamp> = BTreeMap::new();
        while let Some(listed) = listing.next().await? {
            if let Some(run) = layout::run_of_plan(purpose, &listed.key) {
                let stored_at = plans.entry(run).or_insert(listed.stored_at);
                *stored_at = listed.stored_at.min(*stored_at);
            }
        }
        let mut plans: Vec<(Timestamp, RunText)> =
            plans.into_iter().map(|(run, at)| (at, run)).collect();
        plans.sort_by_key(|plan| Reverse(plan.clone()));
        let mut passed_over = Vec::new();
        for (_, run) in plans.into_iter().take(MAX_PLANS_READ) {
            match self.run_plan(purpose, &run, trust).await {
                Ok(Some(plan)) => return Ok((Some(plan), passed_over)),
                Ok(None) => {}
                Err(error) if error.affects_every_point() => return Err(error),
                Err(error) => passed_over.push(error.chain()),
            }
        }
        Ok((None, passed_over))
    }

    /// Reads what shards of this plan reported, and whether it was collected.
    pub(crate) async fn run_state(&self, plan: &RunPlan, trust: &Trust) -> Result<RunState> {
        let mut state = RunState::default();
        let mut keys: BTreeMap<Key, Vec<ListedObject>> = BTreeMap::new();
        let mut listing = self.listing(layout::run_folder(plan.purpose, &plan.run));
        let collected = layout::run_collected(plan.purpose, &plan.run)?;
        while let Some(listed) = listing.next().await? {
            let reports = |(shard, attempt)| shard < plan.shards && attempt <= MAX_ATTEMPTS;
            if layout::shard_and_attempt(&listed.key).is_some_and(reports)
                || listed.key == collected
            {
                keys.entry(listed.key.clone()).or_default().push(listed);
            }
        }
        for versions in keys.into_values() {
            let versions = oldest_first(versions);
            let opened = oldest_sound(&versions, async |version| {
                self.open_of_plan(version, plan, trust).await
            });
            match opened.await {
                Ok(Some(RunStatement::Report(report))) => {
                    state.reports.entry(report.shard).or_default().push(report);
                }
                Ok(Some(RunStatement::Collected(one))) => state.collected = Some(one),
                Ok(_) => {}
                Err(error) if error.affects_every_point() => return Err(error),
                Err(error) => state.passed_over.push(error.chain()),
            }
        }
        for reports in state.reports.values_mut() {
            reports.sort_by_key(|report| report.attempt);
        }
        Ok(state)
    }

    /// What belongs to this plan, and lies where it belongs.
    async fn open_of_plan(
        &self,
        version: &ListedObject,
        plan: &RunPlan,
        trust: &Trust,
    ) -> Result<RunStatement> {
        let statement = self.open_statement(version, trust).await?;
        let home = match &statement {
            RunStatement::Plan(_) => None,
            RunStatement::Report(report) => Some(layout::run_report(
                report.purpose,
                &report.run,
                report.shard,
                report.attempt,
            )?),
            RunStatement::Collected(one) => Some(layout::run_collected(one.purpose, &one.run)?),
        };
        if home.as_ref() != Some(&version.key) || *statement.id() != plan.id {
            return Err(misplaced(&version.key));
        }
        Ok(statement)
    }
}

fn misplaced(key: &Key) -> Error {
    Error::untrusted(format!("{key} belongs to another run, or elsewhere in it"))
        .hint("somebody moved it; nothing of it is believed")
}
