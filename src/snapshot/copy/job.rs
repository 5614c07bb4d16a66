//! One source's way from its snapshot to the copy.

use std::time::Instant;

use jiff::Timestamp;

use super::{Copied, Means, Options, Planned, Sides};
use crate::aws::rds::{Snapshot, SnapshotFilter};
use crate::error::{Error, Kind as ErrorKind, Result, ResultExt};
use crate::model::snapshot::{Kind, id};
use crate::snapshot::Source;
use crate::snapshot::names::{self, Mark, name_in};
use crate::snapshot::wait::{self, Ended};

pub(super) struct Job<'a> {
    pub means: &'a Means<'a>,
    pub options: &'a Options,
    pub sides: &'a Sides,
    pub source: &'a Source,
    /// The source account's snapshots of the instance or cluster.
    pub mine: Vec<Snapshot>,
    /// Copies in the backup account.
    pub copies: Vec<Snapshot>,
    /// The source account's snapshots that the backup account may copy now.
    pub shared: Vec<Snapshot>,
    pub findings: Vec<String>,
    began: Instant,
}

pub(super) enum Done {
    Copied(Copied),
    Planned(Planned),
}

/// The snapshot that a copy goes back to.
pub(super) struct Original {
    pub snapshot: Snapshot,
    /// What all that come of it are tagged with.
    pub mark: Mark,
}

impl<'a> Job<'a> {
    pub fn new(
        means: &'a Means<'a>,
        options: &'a Options,
        sides: &'a Sides,
        source: &'a Source,
    ) -> Self {
        Self {
            means,
            options,
            sides,
            source,
            mine: Vec::new(),
            copies: Vec::new(),
            shared: Vec::new(),
            findings: Vec::new(),
            began: Instant::now(),
        }
    }

    pub fn kind(&self) -> Kind {
        self.source.kind
    }

    pub fn now(&self) -> Timestamp {
        self.means.context.clock.now()
    }

    pub async fn run(&mut self) -> Result<Done> {
        self.look().await?;
        let chosen = self.choose().await?;
        if self.options.dry_run {
            return self.plan(chosen).await.map(Done::Planned);
        }
        self.close_leftovers(chosen.as_ref()).await;
        let settings = self.settings_unless_recorded(chosen.as_ref()).await;
        let original = match chosen {
            Some(snapshot) => self.waited_for(snapshot).await?,
            None => self.take_new().await?,
        };
        let there = self.copy_of(&original.mark).cloned();
        let was_there = there.as_ref().is_some_and(Snapshot::is_available);
        let copy = match there {
            Some(copy) => self.finish(&original, copy).await?,
            None => self.bring_over(&original).await?,
        };
        let recorded = self.record(&original, &copy, settings).await;
        Ok(Done::Copied(
            self.copied(&original, copy, was_there, recorded),
        ))
    }

    async fn look(&mut self) -> Result<()> {
        let (kind, sides) = (self.kind(), self.sides);
        self.mine = sides
            .source
            .snapshots(kind, SnapshotFilter::OwnOf(&self.source.identifier))
            .await?;
        let seen = sides
            .backup
            .snapshots(kind, SnapshotFilter::OwnAndShared)
            .await?;
        let own = format!(":{}:", sides.backup.account);
        let (copies, shared): (Vec<_>, Vec<_>) =
            seen.into_iter().partition(|one| one.arn.contains(&own));
        self.copies = copies;
        self.shared = match &sides.lobby {
            Some(lobby) => lobby.snapshots(kind, SnapshotFilter::Shared).await?,
            None => shared,
        };
        let from = format!(":{}:", sides.source.account);
        self.shared
            .retain(|one| one.arn.contains(&from) && one.identifier == self.source.identifier);
        Ok(())
    }

    /// The copy that goes back to this original, unless it has failed.
    pub fn copy_of(&self, mark: &Mark) -> Option<&Snapshot> {
        let ours = |one: &&Snapshot| Mark::of(one).as_ref() == Some(mark) && !one.has_failed();
        self.copies.iter().find(ours)
    }

    /// Shares, copies, and ends the sharing, however the copy ends.
    async fn bring_over(&mut self, original: &Original) -> Result<Snapshot> {
        let lent = self.lend(original).await?;
        let begun = match self.begin(original, &lent).await {
            Ok(begun) => begun,
            Err(error) => return Err(self.after_failure(&lent.name, error).await),
        };
        self.finish(original, begun).await
    }

    /// From a copy that has begun, by whichever run, to one that is checked and shared no more.
    async fn finish(&mut self, original: &Original, begun: Snapshot) -> Result<Snapshot> {
        let lent = begun.copied_from.as_deref().map_or_else(
            || self.lent_before(&original.mark),
            |arn| Some(name_in(arn).to_owned()),
        );
        let copy = if begun.is_available() {
            begun
        } else {
            self.arrived(&begun, lent.as_deref()).await?
        };
        let checked = self.check(original, &copy);
        match (lent, checked) {
            (Some(lent), Err(error)) => Err(self.after_failure(&lent, error).await),
            (None, Err(error)) => Err(error),
            (Some(lent), Ok(())) => {
                self.unshare(&lent).await?;
                Ok(copy)
            }
            (None, Ok(())) => Ok(copy),
        }
    }

    /// Waits for the copy. One that has failed is shared no more; one that is under way still
    /// needs the sharing, whether we wait for it or not.
    async fn arrived(&mut self, begun: &Snapshot, lent: Option<&str>) -> Result<Snapshot> {
        let (patience, context) = (self.options.patience, self.means.context);
        let ended = wait::settled(
            &self.sides.backup,
            self.kind(),
            &begun.name,
            patience,
            context,
        );
        let goes_on = || format!("copy {} goes on in the backup account", begun.name);
        let ended = match ended.await {
            // Nothing is under way any more.
            Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
            ended => Ok(ended.context(goes_on)?),
        };
        let error = match ended {
            Ok(Ended::Settled(copy)) if copy.is_available() => return Ok(copy),
            Ok(Ended::TooSlow(copy)) => {
                return Err(Error::failed(format!(
                    "copy {} is still '{}' at {} % after {} s; it goes on, and its source stays shared for it",
                    copy.name,
                    copy.status,
                    copy.percent,
                    patience.wait.as_secs()
                ))
                .hint("run it again: it waits for the same copy; snapshot.wait says for how long"));
            }
            Ok(Ended::Settled(copy)) => Error::failed(format!(
                "copy {} has failed: RDS says '{}' at {} %",
                copy.name, copy.status, copy.percent
            ))
            .hint(
                "RDS's events of the backup account may say why (aws rds describe-events); run it again: \
                 the next copy has another name, and `lifeboat snapshot expire` removes this one",
            ),
            Err(error) => error,
        };
        match lent {
            Some(lent) => Err(self.after_failure(lent, error).await),
            None => Err(error),
        }
    }

    /// Ends the sharing of a snapshot whose copy will not come; the error says where that failed.
    async fn after_failure(&mut self, lent: &str, error: Error) -> Error {
        let Err(still) = self.unshare(lent).await else {
            return error;
        };
        let hint = error.advice().to_owned();
        Error::new(
            error.kind(),
            format!(
                "{}; and snapshot {lent} stays shared with the backup account: {}",
                error.chain(),
                still.chain()
            ),
        )
        .hint(hint)
    }

    /// The intermediate of an original, where a copy does not say what it was copied from.
    fn lent_before(&self, mark: &Mark) -> Option<String> {
        let ours = self.shared.iter().filter(|shared| {
            let mine = self
                .mine
                .iter()
                .find(|mine| mine.name == name_in(&shared.arn));
            mine.and_then(Mark::of)
                .is_some_and(|other| other.from == mark.from)
        });
        ours.map(|shared| name_in(&shared.arn).to_owned()).next()
    }

    fn copied(
        &self,
        original: &Original,
        copy: Snapshot,
        was_there: bool,
        recorded: bool,
    ) -> Copied {
        Copied {
            source: self.source.name.clone(),
            kind: self.kind(),
            identifier: self.source.identifier.clone(),
            id: id(original.mark.taken_at, &copy.arn).to_string(),
            snapshot: original.snapshot.name.clone(),
            taken_at: original.mark.taken_at,
            copy: copy.name,
            copy_arn: copy.arn,
            region: self.sides.backup.region.clone(),
            encrypted: copy.encrypted,
            kms_key: copy.kms_key,
            engine: copy.engine,
            engine_version: copy.engine_version,
            allocated_gib: copy.allocated_gib,
            was_there,
            recorded,
            seconds: self.began.elapsed().as_secs_f64(),
        }
    }

    async fn plan(&mut self, chosen: Option<Snapshot>) -> Result<Planned> {
        let mut planned = Planned {
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
        planned.taken_at = Some(original.mark.taken_at);
        planned.re_encrypted = Some(self.needs_other_key(&original.snapshot).await?);
        let copy = self.copy_of(&original.mark);
        planned.was_there = copy.is_some_and(Snapshot::is_available);
        let stem = names::stem(&self.source.identifier, original.mark.taken_at);
        planned.copy = Some(copy.map_or(stem, |copy| copy.name.clone()));
        Ok(planned)
    }
}
