//! SnapshotFilter snapshot is copied: a recent one that is there, or a new one; and what earlier runs left.

use jiff::{SignedDuration, Timestamp};

use super::job::{Job, Original};
use crate::aws::rds::{Reason, Snapshot};
use crate::error::{Error, Result};
use crate::model::snapshot::{Kind, id};
use crate::snapshot::names::{self, Mark, name_in, to_second, told_time};
use crate::snapshot::wait::{self, Ended};

/// An older snapshot is not worth a copy: automated ones are made each day.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

impl Job<'_> {
    /// The snapshot to be copied; `None`: a new one has to be taken.
    pub async fn choose(&mut self) -> Result<Option<Snapshot>> {
        let now = self.now();
        let recent =
            |one: &&Snapshot| told_time(one).is_none_or(|taken| now.duration_since(taken) < RECENT);
        if !self.options.take_new {
            let automated = self
                .mine
                .iter()
                .filter(recent)
                .filter(|one| one.snapshot_type == "automated" && one.is_available());
            if let Some(newest) = automated.max_by_key(|one| told_time(one)) {
                return Ok(Some(newest.clone()));
            }
        }
        let taken_by_us = self
            .mine
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
        let Some(mark) = self.mark(root).filter(|_| root.is_available()) else {
            return Ok(false);
        };
        let Some(copy) = self.copy_of(&mark).filter(|copy| copy.is_available()) else {
            return Ok(false);
        };
        let is_of_it = |shared: &Snapshot| {
            let mine = self.mine.iter().find(|mine| mine.arn == shared.arn);
            mine.and_then(Mark::of)
                .is_some_and(|other| other.from == mark.from)
        };
        if self.shared.iter().any(is_of_it) {
            return Ok(false);
        }
        match &self.means.records {
            Ok(records) => {
                let id = id(mark.taken_at, &copy.arn);
                records.repository.has_record(&self.source.name, &id).await
            }
            Err(_) => Ok(true),
        }
    }

    /// What everything that comes of a snapshot is tagged with; `None`: RDS does not say yet when it
    /// was taken.
    fn mark(&self, snapshot: &Snapshot) -> Option<Mark> {
        Some(Mark {
            source: self.source.name.clone(),
            from: snapshot.arn.clone(),
            taken_at: to_second(told_time(snapshot)?),
        })
    }

    /// A snapshot that is available.
    pub fn original(&self, snapshot: Snapshot) -> Result<Original> {
        let mark = self.mark(&snapshot).ok_or_else(|| {
            Error::failed(format!(
                "RDS does not say when snapshot {} was taken",
                snapshot.name
            ))
        })?;
        Ok(Original { snapshot, mark })
    }

    /// A snapshot of ours that an earlier run, or another one now, has begun to take.
    pub async fn waited_for(&mut self, snapshot: Snapshot) -> Result<Original> {
        if snapshot.is_available() {
            return self.original(snapshot);
        }
        let snapshot = self.made(&snapshot.name).await?;
        self.original(snapshot)
    }

    /// Waits for a snapshot in the source account.
    pub async fn made(&self, name: &str) -> Result<Snapshot> {
        let (patience, rds) = (self.options.patience, &self.sides.source);
        match wait::settled(rds, self.kind(), name, patience, self.means.context).await? {
            Ended::Settled(made) if made.is_available() => Ok(made),
            Ended::Settled(failed) => Err(Error::failed(format!(
                "snapshot {name} has failed: RDS says '{}' at {} %",
                failed.status, failed.percent
            ))
            .hint("RDS's events may say why (aws rds describe-events); then run it again")),
            Ended::TooSlow(slow) => Err(Error::failed(format!(
                "snapshot {name} is still '{}' at {} % after {} s",
                slow.status,
                slow.percent,
                patience.wait.as_secs()
            ))
            .hint("run it again: it waits for the same snapshot; snapshot.wait says for how long")),
        }
    }

    /// Takes a snapshot. Its name tells when, for the next run to find it after a crash.
    pub async fn take_new(&mut self) -> Result<Original> {
        let now = self.now();
        let name = names::stem(&self.source.identifier, now);
        let mark = Mark {
            source: self.source.name.clone(),
            from: self.arn_to_be(&name),
            taken_at: to_second(now),
        };
        let (kind, identifier) = (self.kind(), &self.source.identifier);
        let rds = &self.sides.source;
        let taken = rds
            .create_snapshot(kind, identifier, &name, &mark.tags())
            .await;
        if let Err(refused) = taken {
            let found = match refused.reason {
                Reason::Exists | Reason::Unanswered => rds.snapshot(kind, &name).await?,
                _ => None,
            };
            match found {
                // Of this moment: our own call, whose reply was lost, or another run's.
                Some(found) if is_root(&found) => {}
                Some(found) => return Err(not_ours(&found, rds.side)),
                None => return Err(refused.error),
            }
        }
        let made = self.made(&name).await?;
        self.mine.push(made.clone());
        self.original(made)
    }

    fn arn_to_be(&self, name: &str) -> String {
        let account = self.means.source;
        // As STS spells the partition: arn:aws:sts:…, arn:aws-cn:sts:…
        let partition = account.caller.split(':').nth(1).unwrap_or("aws");
        let resource = match self.kind() {
            Kind::Instance => "snapshot",
            Kind::Cluster => "cluster-snapshot",
        };
        let (region, id) = (&account.region, &account.id);
        format!("arn:{partition}:rds:{region}:{id}:{resource}:{name}")
    }

    /// Ends the sharing of what earlier runs left shared. One whose copy is under way is another
    /// run's, until it has taken too long.
    pub async fn close_leftovers(&mut self, chosen: Option<&Snapshot>) {
        let now = self.now();
        let is_current = |mark: &Mark| {
            chosen.is_some_and(|chosen| {
                let taken = told_time(chosen).map(to_second);
                mark.from == chosen.arn
                    && taken.is_none_or(|taken| taken == mark.taken_at || is_root(chosen))
            })
        };
        for shared in std::mem::take(&mut self.shared) {
            let name = name_in(&shared.arn).to_owned();
            let mine = self.mine.iter().find(|mine| mine.name == name);
            let Some(mark) = mine.and_then(Mark::of) else {
                continue;
            };
            if mark.source != self.source.name || is_current(&mark) {
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
                self.means.context.progress.note(&format!(
                    "{name} stays shared: it is being copied, by an earlier run or another one"
                ));
            } else if let Err(error) = self.unshare(&name).await {
                self.findings.push(error.chain());
            }
        }
    }

    fn is_too_old(&self, begun: Option<Timestamp>, now: Timestamp) -> bool {
        let wait = SignedDuration::try_from(self.options.patience.wait).unwrap_or(RECENT);
        begun.is_some_and(|begun| now.duration_since(begun) > wait)
    }
}

/// A snapshot that lifeboat took itself, not a copy of another one.
pub fn is_root(snapshot: &Snapshot) -> bool {
    Mark::of(snapshot).is_some_and(|mark| mark.from == snapshot.arn)
}

/// A name of ours that somebody else uses.
pub fn not_ours(found: &Snapshot, side: &str) -> Error {
    Error::refused(format!(
        "{} exists in the {side}, and is not the snapshot that is to have that name: its tags, source \
         or time are others",
        found.arn
    ))
    .hint("find out who made it, and delete it: names that begin with lifeboat- are lifeboat's")
}
