//! Options of commands that several shards share.

use super::connect;
use super::output::Answer;
use super::run::{Access, Run};
use super::schedule::shared_answer;
use super::shard::{identify, variables};
use crate::config::Config;
use crate::error::{Error, Result, ResultExt};
use crate::model::run::{RunPurpose, RunText, Shard};
use crate::outcome::Outcome;
use crate::schedule::Report;
use crate::schedule::fleet::{
    CollectTask, Collector, Fleet, ShardOptions, ShardSummary, ShardTask, Which, run_shard,
};
use crate::sign::Trust;

#[derive(Debug, clap::Args)]
pub(super) struct FleetArgs {
    /// Only this share of the databases: shard I of N, counted from 0
    #[arg(long, value_name = "I/N", conflicts_with = "collect")]
    shard: Option<String>,
    /// The run: the same text for all its shards, another one for each run
    #[arg(long, value_name = "TEXT")]
    run: Option<String>,
    /// A run that began longer ago than this many hours takes no shards any more
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8784))]
    run_hours: u32,
    /// Of a shard: exit code 0 where there are findings, as engines take 3 for a failure; the collector keeps it
    #[arg(long, conflicts_with = "collect")]
    findings_ok: bool,
    /// Work on no database: say what became of a run, and which shard never reported; the first one to do so notifies
    #[arg(long, conflicts_with_all = ["source", "database"])]
    pub collect: bool,
    /// Every shard has ended, as the engine or the clock says: one that did not report is a failure now, and not
    /// after --run-hours
    #[arg(long, requires = "collect")]
    ended: bool,
    /// Collect the newest run
    #[arg(long, requires = "collect", conflicts_with = "run")]
    latest: bool,
}

impl FleetArgs {
    /// Which shard this is; `None`: neither options nor the engine name one.
    pub(super) fn identify(&self) -> Result<Option<(Shard, RunText)>> {
        identify(self.shard.as_deref(), self.run.as_deref(), &variables()?)
    }

    /// Runs one shard. `spread`: whether a server's databases may be dealt to several.
    pub(super) async fn run_shard(
        &self,
        (shard, text): (Shard, RunText),
        spread: bool,
        (task, collects): (impl ShardTask, impl CollectTask),
        fleet: Fleet,
        run: &Run,
    ) -> Result<Answer> {
        let shard = ShardOptions {
            shard,
            run: text,
            spread,
            fleet,
        };
        let ran = Box::pin(run_shard(task, collects, &shard, run.context()));
        let (report, summary) = ran.await?;
        self.answer(&report, &summary)
    }

    fn answer(&self, report: &Report, summary: &ShardSummary) -> Result<Answer> {
        let mut answer = shared_answer(report, Some(summary))?;
        if self.findings_ok && answer.outcome == Outcome::Findings {
            answer.outcome = Outcome::Done;
        }
        Ok(answer)
    }

    /// Which run is to be collected.
    pub(super) fn which(&self) -> Result<Which> {
        match &self.run {
            Some(text) => {
                let text = RunText::try_from(text.clone()).context(|| "--run".to_owned());
                Ok(Which::Named(text?))
            }
            None if self.latest => Ok(Which::Latest),
            None => Err(Error::usage("--collect: which run?")
                .hint("pass --run with the text of its shards, or --latest")),
        }
    }

    pub(super) async fn collect(
        &self,
        which: &Which,
        mut task: impl CollectTask,
        fleet: &Fleet,
        run: &Run,
    ) -> Result<Answer> {
        let collector = Collector {
            fleet,
            task: &mut task,
            ended: self.ended,
        };
        let report = collector.run(which, run.context()).await?;
        shared_answer(&report, None)
    }

    /// Where the shards meet. Of prove only what its own key signed counts: configurations trust the exporter's key,
    /// too, for its manifests.
    pub(super) async fn fleet(
        &self,
        purpose: RunPurpose,
        access: &Access,
        config: &Config,
        run: &Run,
    ) -> Result<Fleet> {
        let access = access.clone().with_trust()?;
        let (repository, signer) = connect::signed(&access, config, run).await?;
        Ok(Fleet {
            purpose,
            repository,
            run_trust: match purpose {
                RunPurpose::Export => access.trust.clone(),
                RunPurpose::Prove => Trust {
                    fingerprints: vec![signer.fingerprint()],
                },
            },
            signer,
            trust: access.trust,
            lock: config.lock.policy,
            max_lock_days: config.lock.max_lock_days,
            run_hours: self.run_hours,
        })
    }
}
