//! Which snapshot is copied: a recent one that is there, or a new one; and what earlier runs left.

use jiff::{SignedDuration, Timestamp};

use super::job::{Job, SourceSnapshot};
use crate::aws::rds::Snapshot;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::{Kind, id};
use crate::snapshot::names::{self, Origin, name_in, taken_at, to_second};
use crate::snapshot::wait::{self, Waited};

/// An older snapshot is not worth a copy: automated ones are made each day.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

impl Job<'_> {
    /// The snapshot to be copied; `None`: a new one has to be taken.
    pub(super) async fn choose(&mut self) -> Result<Option<Snapshot>> {
        let now = self.now();
        let recent =
            |one: &&Snapshot| taken_at(one).is_none_or(|taken| now.duration_since(taken) < RECENT);
        if !self.options.take_new {
            let automated = self
                .source_snapshots
                .iter()
                .filter(recent)
                .filter(|one| one.snapshot_type == "automated" && one.is_available());
            if let Some(newest) = automated.max_by_key(|one| taken_at(one)) {
                return Ok(Some(newest.clone()));
            }
        }
        let taken_by_us = self
            .source_snapshots
            .iter()
            .filter(recent)
            .filter(|one| is_root(one) && !one.has_failed())
            .max_by_key(|one| one.name.clone());
        match taken_by_us.cloned() {
            Some(ours) if !self.is_finished(&ours).await? => Ok(Some(ours)),
            _ => Ok(None),
        }
    }

    /// Whether an earlier run came to its end with a snapshot that it took.
    async fn is_finished(&self, root: &Snapshot) -> Result<bool> {
        let Some(origin) = self.origin_of(root).filter(|_| root.is_available()) else {
            return Ok(false);
        };
        let Some(copy) = self.copy_of(&origin).filter(|copy| copy.is_available()) else {
            return Ok(false);
        };
        if self.shared_snapshot_of(&origin).is_some() {
            return Ok(false);
        }
        match self.records {
            Some(records) => {
                let id = id(origin.taken_at, &copy.arn);
                records.repository.has_record(&self.source.name, &id).await
            }
            None => Ok(true),
        }
    }

    /// The tags of all copies of a snapshot; `None`: RDS does not say yet when it was taken.
    fn origin_of(&self, snapshot: &Snapshot) -> Option<Origin> {
        Some(Origin {
            source: self.source.name.clone(),
            from: snapshot.arn.clone(),
            taken_at: to_second(taken_at(snapshot)?),
        })
    }

    /// With the tags of a snapshot that is available.
    pub(super) fn original(&self, snapshot: Snapshot) -> Result<SourceSnapshot> {
        let origin = self.origin_of(&snapshot).ok_or_else(|| {
            Error::failed(format!(
                "RDS does not say when snapshot {} was taken",
                snapshot.name
            ))
        })?;
        Ok(SourceSnapshot { snapshot, origin })
    }

    /// Waits for a snapshot that an earlier run, or another one now, has started to take.
    pub(super) async fn wait_until_taken(&mut self, snapshot: Snapshot) -> Result<SourceSnapshot> {
        if snapshot.is_available() {
            return self.original(snapshot);
        }
        let snapshot = self.wait_for_source_snapshot(&snapshot.name).await?;
        self.original(snapshot)
    }

    /// Waits for a snapshot in the source account.
    pub(super) async fn wait_for_source_snapshot(&self, name: &str) -> Result<Snapshot> {
        let (limits, rds) = (self.options.limits, &self.clients.source);
        match wait::for_snapshot(rds, self.kind(), name, limits, self.context).await? {
            Waited::Settled(taken) if taken.is_available() => Ok(taken),
            Waited::Settled(taken) => {
                Err(Error::failed(format!("snapshot {}", wait::failed(&taken)))
                    .hint("RDS's events may say why (aws rds describe-events); then run it again"))
            }
            Waited::TimedOut(slow) => Err(Error::failed(format!(
                "snapshot {}",
                limits.exceeded_by(&slow)
            ))
            .hint("run it again: it waits for the same snapshot; snapshot.wait says for how long")),
        }
    }

    /// Takes a snapshot. Its name has the time, so that the next run finds it after a crash.
    pub(super) async fn take_new(&mut self) -> Result<SourceSnapshot> {
        let now = self.now();
        let name = names::stem(&self.source.identifier, now);
        let origin = Origin {
            source: self.source.name.clone(),
            from: self.future_arn(&name),
            taken_at: to_second(now),
        };
        let (kind, identifier) = (self.kind(), &self.source.identifier);
        let rds = &self.clients.source;
        let taken = rds
            .create_snapshot(kind, identifier, &name, &origin.tags())
            .await;
        if let Err(refused) = taken {
            let found = match refused.kind() {
                ErrorKind::Exists | ErrorKind::Unavailable => rds.snapshot(kind, &name).await?,
                _ => None,
            };
            match found {
                // Of this moment: our own call, whose reply was lost, or another run's.
                Some(found) if is_root(&found) => {}
                Some(found) => return Err(not_ours(&found, rds.side)),
                None => return Err(refused),
            }
        }
        let snapshot = self.wait_for_source_snapshot(&name).await?;
        self.source_snapshots.push(snapshot.clone());
        self.original(snapshot)
    }

    fn future_arn(&self, name: &str) -> String {
        let resource = match self.kind() {
            Kind::Instance => "snapshot",
            Kind::Cluster => "cluster-snapshot",
        };
        self.clients.source.arn(&format!("{resource}:{name}"))
    }

    /// Ends the sharing of what earlier runs left shared. One whose copy is under way is another
    /// run's, until it has taken too long.
    pub(super) async fn close_leftovers(&mut self, chosen: Option<&Snapshot>) {
        let now = self.now();
        let is_current = |origin: &Origin| {
            chosen.is_some_and(|chosen| {
                let taken = taken_at(chosen).map(to_second);
                origin.from == chosen.arn
                    && taken.is_none_or(|taken| taken == origin.taken_at || is_root(chosen))
            })
        };
        for shared in std::mem::take(&mut self.shared) {
            let name = name_in(&shared.arn).to_owned();
            let Some(origin) = self.source_snapshot(&name).and_then(Origin::from_tags) else {
                continue;
            };
            if origin.source != self.source.name || is_current(&origin) {
                self.shared.push(shared);
                continue;
            }
            let copy = self
                .copies
                .iter()
                .find(|copy| copy.copied_from.as_ref() == Some(&shared.arn));
            let is_under_way = copy.is_some_and(|copy| {
                !copy.is_available() && !copy.has_failed() && !self.is_too_old(copy.created_at, now)
            });
            if is_under_way {
                self.context.progress.note(&format!(
                    "{name} stays shared: it is being copied, by an earlier run or another one"
                ));
            } else if let Err(error) = self.unshare(&name).await {
                self.findings.push(error.chain());
            }
        }
    }

    fn is_too_old(&self, started: Option<Timestamp>, now: Timestamp) -> bool {
        let wait = SignedDuration::try_from(self.options.limits.wait).unwrap_or(RECENT);
        started.is_some_and(|started| now.duration_since(started) > wait)
    }
}

/// A snapshot that lifeboat took itself, not a copy of another one.
pub(super) fn is_root(snapshot: &Snapshot) -> bool {
    Origin::from_tags(snapshot).is_some_and(|origin| origin.from == snapshot.arn)
}

/// A name of ours that somebody else uses.
pub(super) fn not_ours(found: &Snapshot, side: &str) -> Error {
    Error::refused(format!(
        "{} exists in the {side}, and is not the snapshot that is to have that name: its tags, source \
         or time are others",
        found.arn
    ))
    .hint("find out who made it, and delete it: names that begin with lifeboat- are lifeboat's")
}
