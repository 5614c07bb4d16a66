//! Whether a copy is what was copied, by what AWS says of both.

use super::job::{Job, SourceSnapshot};
use crate::aws::rds::Snapshot;
use crate::error::{Error, Result};
use crate::model::snapshot::Kind;
use crate::snapshot::names::to_second;

impl Job<'_> {
    /// Compares a copy that is available with its original.
    pub(super) fn check(&mut self, original: &SourceSnapshot, copy: &Snapshot) -> Result<()> {
        let kms_key = &self.options.kms_key;
        let mut wrong = differences(original, copy, kms_key);
        if let Some(from) = &copy.copied_from
            && !self.is_ours(from, original)
        {
            wrong.push(format!("it was copied from {from}"));
        }
        if !wrong.is_empty() {
            return Err(Error::damaged(format!(
                "copy {} is not what was copied: {}",
                copy.arn,
                wrong.join("; ")
            ))
            .hint("do not count on it; find out in CloudTrail who made it, delete it, and run it again"));
        }
        if !copy.encrypted {
            self.findings.push(format!(
                "copy {} is not encrypted, as its cluster is not: RDS cannot encrypt a cluster's snapshot by \
                 copying it",
                copy.name
            ));
        }
        Ok(())
    }

    /// Whether an ARN is of a snapshot of ours in the source account, from the same original; one that
    /// was expired meanwhile is gone from there.
    fn is_ours(&self, from: &str, original: &SourceSnapshot) -> bool {
        let of_source = format!(":{}:", self.clients.source.account);
        let known = self.source_snapshots.iter().find(|one| one.arn == from);
        from.contains(&of_source)
            && (known.is_none()
                || from == original.origin.from
                || self.is_of(&original.origin, known))
    }
}

fn differences(original: &SourceSnapshot, copy: &Snapshot, kms_key: &str) -> Vec<String> {
    let snapshot = &original.snapshot;
    let mut wrong = Vec::new();
    let mut differ = |what: &str, is: &str, should: &str| {
        if is != should {
            wrong.push(format!("its {what} is '{is}', not '{should}'"));
        }
    };
    differ("status", &copy.status, "available");
    differ("engine", &copy.engine, &snapshot.engine);
    differ("version", &copy.engine_version, &snapshot.engine_version);
    // Aurora's storage has no size that is allocated.
    if !snapshot.engine.starts_with("aurora") {
        differ(
            "size in GiB",
            &copy.allocated_gib.to_string(),
            &snapshot.allocated_gib.to_string(),
        );
    }
    if snapshot.kind == Kind::Instance || snapshot.encrypted {
        let key = copy.kms_key.as_deref().filter(|_| copy.encrypted);
        differ("key", key.unwrap_or("none"), kms_key);
    }
    if let Some(taken) = copy.original_at
        && to_second(taken) != original.origin.taken_at
    {
        wrong.push(format!(
            "its data was taken at {taken}, not at {}",
            original.origin.taken_at
        ));
    }
    wrong
}
