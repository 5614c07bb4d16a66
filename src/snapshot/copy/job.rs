//! One source's way from its snapshot to the copy.

use std::time::Instant;

use jiff::Timestamp;

use super::options::{Accounts, CopiedSnapshot, Options, PlannedCopy, RecordWriter};
use crate::aws::rds::{Rds, Snapshot, SnapshotFilter};
use crate::context::Context;
use crate::error::{Error, Kind as ErrorKind, Result, ResultExt};
use crate::model::snapshot::{Kind, id};
use crate::snapshot::Source;
use crate::snapshot::names::{Origin, name_in};
use crate::snapshot::wait::{self, Waited};

pub(super) struct Job<'a> {
    pub accounts: Accounts<'a>,
    /// `None`: no record can be kept.
    pub records: Option<&'a RecordWriter<'a>>,
    pub options: &'a Options,
    pub context: Context<'a>,
    pub clients: &'a Clients,
    pub source: &'a Source,
    /// The source account's snapshots of the instance or cluster.
    pub source_snapshots: Vec<Snapshot>,
    /// Copies in the backup account.
    pub copies: Vec<Snapshot>,
    /// The source account's snapshots that the backup account may copy now.
    pub shared: Vec<Snapshot>,
    pub findings: Vec<String>,
}

pub(super) struct Clients {
    pub source: Rds,
    pub backup: Rds,
    /// The backup account in the region of the databases, where it sees what is shared with it;
    /// `None`: its copies lie in that region.
    pub backup_in_source_region: Option<Rds>,
}

impl Clients {
    pub(super) fn new(accounts: Accounts<'_>) -> Self {
        let Accounts { source, backup } = accounts;
        Self {
            source: Rds::new(source),
            backup: Rds::new(backup),
            backup_in_source_region: (source.region != backup.region)
                .then(|| Rds::new(&backup.in_region(&source.region))),
        }
    }
}

pub(super) enum JobResult {
    Copied(CopiedSnapshot),
    Planned(PlannedCopy),
}

/// The snapshot that a copy goes back to.
pub(super) struct SourceSnapshot {
    pub snapshot: Snapshot,
    /// The tags of all copies of it.
    pub origin: Origin,
}

impl Job<'_> {
    pub(super) fn kind(&self) -> Kind {
        self.source.kind
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    pub(super) async fn run(&mut self) -> Result<JobResult> {
        let began = Instant::now();
        self.list_snapshots().await?;
        let chosen = self.choose().await?;
        if self.options.dry_run {
            return self.plan(chosen).await.map(JobResult::Planned);
        }
        self.close_leftovers(chosen.as_ref()).await;
        let settings = self.settings_unless_recorded(chosen.as_ref()).await;
        let original = match chosen {
            Some(snapshot) => self.wait_until_taken(snapshot).await?,
            None => self.take_new().await?,
        };
        let existing = self.copy_of(&original.origin).cloned();
        let was_there = existing.as_ref().is_some_and(Snapshot::is_available);
        let copy = match existing {
            Some(copy) => self.finish(&original, copy).await?,
            None => self.bring_over(&original).await?,
        };
        let recorded = self.record(&original, &copy, settings).await;
        let mut copy = self.describe(&original, copy);
        (copy.was_there, copy.recorded) = (was_there, recorded);
        copy.seconds = began.elapsed().as_secs_f64();
        Ok(JobResult::Copied(copy))
    }

    async fn list_snapshots(&mut self) -> Result<()> {
        let (kind, clients) = (self.kind(), self.clients);
        let of_source = SnapshotFilter::OwnOf(&self.source.identifier);
        self.source_snapshots = clients.source.snapshots(kind, of_source).await?;
        let filter = SnapshotFilter::OwnAndShared;
        let seen = clients.backup.snapshots(kind, filter).await?;
        let backup = format!(":{}:", clients.backup.account);
        let shared;
        (self.copies, shared) = (seen.into_iter()).partition(|one| one.arn.contains(&backup));
        self.shared = match &clients.backup_in_source_region {
            Some(backup) => backup.snapshots(kind, SnapshotFilter::Shared).await?,
            None => shared,
        };
        let from = format!(":{}:", clients.source.account);
        self.shared
            .retain(|one| one.arn.contains(&from) && one.identifier == self.source.identifier);
        Ok(())
    }

    /// The copy that goes back to this original, unless it has failed.
    pub(super) fn copy_of(&self, origin: &Origin) -> Option<&Snapshot> {
        let is_copy =
            |one: &&Snapshot| Origin::from_tags(one).as_ref() == Some(origin) && !one.has_failed();
        self.copies.iter().find(is_copy)
    }

    /// Shares, copies, and ends the sharing, however the copy ends.
    async fn bring_over(&mut self, original: &SourceSnapshot) -> Result<Snapshot> {
        let shareable = self.shareable_snapshot(original).await?;
        match self.share_and_copy(original, &shareable).await {
            Ok(copy) => self.finish(original, copy).await,
            Err(error) => Err(self
                .unshare_after_failure(Some(&shareable.name), error)
                .await),
        }
    }

    /// Waits for a copy that some run has started, checks it, and ends the sharing.
    async fn finish(&mut self, original: &SourceSnapshot, copy: Snapshot) -> Result<Snapshot> {
        let shared = copy.copied_from.as_deref().map_or_else(
            || self.shared_snapshot_of(&original.origin),
            |arn| Some(name_in(arn).to_owned()),
        );
        let copy = match copy.is_available() {
            true => copy,
            false => self.wait_for_copy(&copy, shared.as_deref()).await?,
        };
        if let Err(error) = self.check(original, &copy) {
            return Err(self.unshare_after_failure(shared.as_deref(), error).await);
        }
        if let Some(shared) = shared {
            self.unshare(&shared).await?;
        }
        Ok(copy)
    }

    /// Waits for the copy. One that has failed is shared no more; one that is under way still
    /// needs the sharing, whether we wait for it or not.
    async fn wait_for_copy(&mut self, copy: &Snapshot, shared: Option<&str>) -> Result<Snapshot> {
        let (limits, rds) = (self.options.limits, &self.clients.backup);
        let ended = wait::for_snapshot(rds, self.kind(), &copy.name, limits, self.context);
        let goes_on = || format!("copy {} goes on in the backup account", copy.name);
        let ended = match ended.await {
            // Nothing is under way any more.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
            ended => Ok(ended.context(goes_on)?),
        };
        let error = match ended {
            Ok(Waited::Settled(copy)) if copy.is_available() => return Ok(copy),
            Ok(Waited::TimedOut(copy)) => {
                return Err(Error::failed(format!(
                    "copy {}; it goes on, and its source stays shared for it",
                    limits.exceeded_by(&copy)
                ))
                .hint("run it again: it waits for the same copy; snapshot.wait says for how long"));
            }
            Ok(Waited::Settled(copy)) => Error::failed(format!("copy {}", wait::failed(&copy)))
            .hint(
                "RDS's events of the backup account may say why (aws rds describe-events); run it again: \
                 the next copy has another name, and `lifeboat snapshot expire` removes this one",
            ),
            Err(error) => error,
        };
        Err(self.unshare_after_failure(shared, error).await)
    }

    /// Ends the sharing of a snapshot whose copy will not come; the error says where that failed.
    async fn unshare_after_failure(&mut self, shared: Option<&str>, error: Error) -> Error {
        let Some(shared) = shared else {
            return error;
        };
        let Err(still_shared) = self.unshare(shared).await else {
            return error;
        };
        let what = format!(
            "{}; and snapshot {shared} stays shared with the backup account: {}",
            error.chain(),
            still_shared.chain()
        );
        Error::new(error.kind(), what).hint(error.advice())
    }

    /// The shared snapshot of an original, where a copy does not say what it was copied from.
    pub(super) fn shared_snapshot_of(&self, origin: &Origin) -> Option<String> {
        let mut names = self.shared.iter().map(|shared| name_in(&shared.arn));
        let name = names.find(|name| self.is_of(origin, self.source_snapshot(name)));
        name.map(str::to_owned)
    }

    /// Whether a snapshot of the source account goes back to the same original.
    pub(super) fn is_of(&self, origin: &Origin, snapshot: Option<&Snapshot>) -> bool {
        (snapshot.and_then(Origin::from_tags)).is_some_and(|other| other.from == origin.from)
    }

    pub(super) fn source_snapshot(&self, name: &str) -> Option<&Snapshot> {
        self.source_snapshots.iter().find(|one| one.name == name)
    }

    fn describe(&self, original: &SourceSnapshot, copy: Snapshot) -> CopiedSnapshot {
        CopiedSnapshot {
            source: self.source.name.clone(),
            kind: self.kind(),
            identifier: self.source.identifier.clone(),
            id: id(original.origin.taken_at, &copy.arn).to_string(),
            snapshot: original.snapshot.name.clone(),
            taken_at: original.origin.taken_at,
            copy: copy.name,
            copy_arn: copy.arn,
            region: self.clients.backup.region.clone(),
            encrypted: copy.encrypted,
            kms_key: copy.kms_key,
            engine: copy.engine,
            engine_version: copy.engine_version,
            allocated_gib: copy.allocated_gib,
            was_there: false,
            recorded: false,
            seconds: 0.0,
        }
    }

    async fn plan(&mut self, chosen: Option<Snapshot>) -> Result<PlannedCopy> {
        let mut planned = PlannedCopy {
            source: self.source.name.clone(),
            kind: self.kind(),
            identifier: self.source.identifier.clone(),
            snapshot: chosen.as_ref().map(|snapshot| snapshot.name.clone()),
            taken_at: None,
            re_encrypted: None,
            copy: None,
            was_there: false,
        };
        let Some(original) = chosen.filter(Snapshot::is_available) else {
            return Ok(planned);
        };
        let original = self.original(original)?;
        planned.taken_at = Some(original.origin.taken_at);
        planned.re_encrypted = Some(self.needs_other_key(&original.snapshot).await?);
        let copy = self.copy_of(&original.origin);
        planned.was_there = copy.is_some_and(Snapshot::is_available);
        planned.copy = Some(copy.map_or_else(|| self.stem(&original), |copy| copy.name.clone()));
        Ok(planned)
    }
}
