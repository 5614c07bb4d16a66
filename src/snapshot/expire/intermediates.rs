//! Intermediate snapshots in the source account: they go when their copy is safe.

use super::keep::Decision;
use crate::aws::rds::Snapshot;
use crate::model::snapshot::Kind;
use crate::snapshot::list::FoundCopy;
use crate::snapshot::names::{Origin, to_second};

/// `None`: not a snapshot of ours.
pub(super) fn decide(
    snapshot: &Snapshot,
    copies: &[FoundCopy],
    kms_key: &str,
) -> Option<(Origin, Decision)> {
    let origin = Origin::from_tags(snapshot)?;
    let of_same =
        |copy: &&FoundCopy| copy.snapshot.kind == snapshot.kind && copy.origin.from == origin.from;
    let copies: Vec<&FoundCopy> = copies.iter().filter(of_same).collect();
    let safe = copies
        .iter()
        .find(|copy| what_is_wrong(snapshot, copy, kms_key).is_none());
    let decision = match (safe, copies.first()) {
        (Some(copy), _) => Decision::goes(format!(
            "its copy {} is in the backup account, checked",
            copy.snapshot.name
        )),
        (None, Some(copy)) => Decision::stays(format!(
            "its copy {} is not safe yet: {}",
            copy.snapshot.name,
            what_is_wrong(snapshot, copy, kms_key).unwrap_or_default()
        )),
        (None, None) => Decision::stays("no copy of it is in the backup account"),
    };
    Some((origin, decision))
}

fn what_is_wrong(snapshot: &Snapshot, copy: &FoundCopy, kms_key: &str) -> Option<String> {
    let there = &copy.snapshot;
    if !there.is_available() {
        return Some(format!("it is '{}'", there.status));
    }
    let must_be_encrypted = snapshot.kind == Kind::Instance || snapshot.encrypted;
    if must_be_encrypted && there.kms_key.as_deref() != Some(kms_key) {
        return Some(format!("it does not lie under {kms_key}"));
    }
    if there.engine != snapshot.engine || there.engine_version != snapshot.engine_version {
        return Some(format!(
            "it is of {} {}",
            there.engine, there.engine_version
        ));
    }
    // An intermediate that is still in the making has no time of its own yet.
    if let (Some(here), Some(there)) = (snapshot.original_at, there.original_at)
        && to_second(here) != to_second(there)
    {
        return Some(format!("its data was taken at {there}"));
    }
    None
}
