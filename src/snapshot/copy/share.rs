//! Brings a snapshot under a key that can be shared, shares it, copies it, and ends the sharing.

use tokio::time::Instant;

use super::choose::{is_root, not_ours};
use super::job::{Job, SourceSnapshot};
use crate::aws::kms;
use crate::aws::rds::{Rds, Snapshot};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::Kind;
use crate::snapshot::names::{self, MOST_ATTEMPTS, Origin};
use crate::snapshot::wait;

/// Another run may share the same snapshot again between our two calls.
const UNSHARE_ATTEMPTS: usize = 3;

impl Job<'_> {
    /// A manual snapshot of the source account, under a key that can be shared, or none.
    pub(super) async fn shareable_snapshot(
        &mut self,
        original: &SourceSnapshot,
    ) -> Result<Snapshot> {
        let snapshot = &original.snapshot;
        let other_key = self.needs_other_key(snapshot).await?;
        let stem = match (snapshot.snapshot_type == "manual", other_key) {
            (true, false) => return Ok(snapshot.clone()),
            // The stem is the name of the snapshot that we took.
            (true, true) => format!("{}-shared", self.stem(original)),
            (false, _) => self.stem(original),
        };
        let (name, found) = free_name(
            &stem,
            &self.source_snapshots,
            &original.origin,
            &self.clients.source,
        )?;
        let request = CopyRequest {
            rds: &self.clients.source,
            from: &snapshot.name,
            name: &name,
            key: other_key.then_some(self.options.share_key.as_str()),
            original,
        };
        let found = match found {
            Some(found) => found,
            None => self.copy(&request).await?,
        };
        if found.is_available() {
            return Ok(found);
        }
        self.wait_for_source_snapshot(&name).await
    }

    /// How the names of an original's copies begin. Snapshots that we took have names of their own; the
    /// second in which RDS took them may be the same.
    pub(super) fn stem(&self, original: &SourceSnapshot) -> String {
        match is_root(&original.snapshot) {
            true => original.snapshot.name.clone(),
            false => names::stem(&self.source.identifier, original.origin.taken_at),
        }
    }

    /// Whether a snapshot lies under a key of AWS's own, which cannot be shared.
    pub(super) async fn needs_other_key(&self, snapshot: &Snapshot) -> Result<bool> {
        if !snapshot.encrypted {
            return Ok(false);
        }
        let Some(key) = snapshot.kms_key.as_ref().filter(|_| !snapshot.owned_key) else {
            return Ok(true);
        };
        if [&self.options.share_key, &self.options.kms_key].contains(&key) {
            return Ok(false);
        }
        kms::is_managed_by_aws(self.accounts.source, key).await
    }

    /// Shares the snapshot and starts its copy, unless another run has.
    pub(super) async fn share_and_copy(
        &mut self,
        original: &SourceSnapshot,
        shareable: &Snapshot,
    ) -> Result<Snapshot> {
        let stem = self.stem(original);
        let (name, found) = free_name(&stem, &self.copies, &original.origin, &self.clients.backup)?;
        if let Some(found) = found {
            return Ok(found);
        }
        self.share(&shareable.name).await?;
        // A cluster's snapshot stays as it is where it is not encrypted; RDS refuses a key for it.
        let key = (shareable.encrypted || self.kind() == Kind::Instance)
            .then_some(self.options.kms_key.as_str());
        let request = CopyRequest {
            rds: &self.clients.backup,
            from: &shareable.arn,
            name: &name,
            key,
            original,
        };
        match self.copy(&request).await {
            // Another run, done with an older snapshot, took this sharing for a leftover.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.share(&shareable.name).await?;
                self.copy(&request).await
            }
            done => done,
        }
    }

    async fn share(&self, name: &str) -> Result<()> {
        let account = &self.clients.backup.account;
        let rds = &self.clients.source;
        rds.share_snapshot(self.kind(), name, account).await
    }

    /// Starts a copy, waiting while too many are under way. A copy of that name is ours, or in the way.
    async fn copy(&self, request: &CopyRequest<'_>) -> Result<Snapshot> {
        let until = Instant::now() + self.options.limits.wait;
        let tags = request.original.origin.tags();
        let (rds, kind) = (request.rds, self.kind());
        loop {
            let reply = rds.copy_snapshot(kind, request.from, request.name, request.key, &tags);
            let error = match reply.await {
                Ok(copy) => return Ok(copy),
                Err(error) => error,
            };
            // Too many are under way.
            if error.kind() == ErrorKind::Refused && Instant::now() < until {
                let progress = self.context.progress;
                progress.note(&format!("waiting to copy: {}", error.chain()));
                wait::pause(self.options.limits.poll, self.context.interrupt).await?;
                continue;
            }
            // Our own call may have lost its reply, or another run was faster. That one exists is not
            // always what RDS says: the role must not tag what is there, which is judged first.
            let is_ours = |found: &Snapshot| {
                Origin::from_tags(found).as_ref() == Some(&request.original.origin)
            };
            return match rds.snapshot(kind, request.name).await {
                Ok(Some(found)) if is_ours(&found) => Ok(found),
                Ok(Some(found)) => Err(not_ours(&found, rds.side)),
                Ok(None) | Err(_) => Err(error),
            };
        }
    }

    /// Ends the sharing with the backup account, and checks that it has ended.
    pub(super) async fn unshare(&mut self, name: &str) -> Result<()> {
        let (rds, kind) = (&self.clients.source, self.kind());
        let account = &self.clients.backup.account;
        for _ in 0..UNSHARE_ATTEMPTS {
            let left = async {
                rds.unshare_snapshot(kind, name, account).await?;
                rds.shared_with(kind, name).await
            };
            let left = match left.await {
                // A snapshot that is gone is shared with nobody.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                left => left?,
            };
            if left.contains(account) {
                continue;
            }
            if !left.is_empty() {
                self.findings.push(format!(
                    "snapshot {name} is shared with {}, and not by lifeboat",
                    left.join(", ")
                ));
            }
            return Ok(());
        }
        Err(Error::failed(format!(
            "snapshot {name} is still shared with account {account}, though that was ended {UNSHARE_ATTEMPTS} times"
        ))
        .hint("is another run copying it? Run it again when that one is done"))
    }
}

/// A copy to start, in either account.
struct CopyRequest<'a> {
    rds: &'a Rds,
    from: &'a str,
    name: &'a str,
    key: Option<&'a str>,
    original: &'a SourceSnapshot,
}

/// The first name whose snapshot has not failed, with that snapshot where there is one of ours.
fn free_name(
    stem: &str,
    among: &[Snapshot],
    origin: &Origin,
    rds: &Rds,
) -> Result<(String, Option<Snapshot>)> {
    for number in 1..=MOST_ATTEMPTS {
        let name = names::attempt(stem, number);
        let Some(found) = among.iter().find(|one| one.name == name) else {
            return Ok((name, None));
        };
        if Origin::from_tags(found).as_ref() != Some(origin) {
            return Err(not_ours(found, rds.side));
        }
        if !found.has_failed() {
            return Ok((name, Some(found.clone())));
        }
    }
    Err(Error::failed(format!(
        "{MOST_ATTEMPTS} copies of one snapshot have failed in the {}: {stem} and on",
        rds.side
    ))
    .hint("RDS's events may say why (aws rds describe-events); take a new snapshot: --new"))
}
