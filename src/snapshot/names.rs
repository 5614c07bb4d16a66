//! Names and tags by which lifeboat knows its own snapshots. Roles may delete by them alone, so
//! nothing is ours that lacks either.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::aws::rds::Snapshot;
use crate::model::digest::Sha256;

pub const PREFIX: &str = "lifeboat-";

/// Keys of tags.
pub mod tag {
    pub const MANAGED: &str = "lifeboat:managed";
    /// The configured source's name.
    pub const SOURCE: &str = "lifeboat:source";
    /// ARN of the original snapshot.
    pub const FROM: &str = "lifeboat:from";
    /// When the original was taken.
    pub const TAKEN: &str = "lifeboat:taken";
    /// Set by prove: the copy was restored and found sound.
    pub const VERIFIED: &str = "lifeboat:verified";
    /// Set by people: the copy is not to go.
    pub const HOLD: &str = "lifeboat:hold";
}

/// RDS takes 63 characters for a cluster's; what is added to a stem takes up to 35 of them.
const LONGEST_IDENTIFIER: usize = 28;
/// Of an identifier that is cut, so that two long ones stay apart.
const HASH_DIGITS: usize = 8;
/// A copy that failed keeps its name until it is expired; so many failures of one snapshot are enough.
pub const MOST_ATTEMPTS: usize = 9;

/// What names of all snapshots that lead from one original begin with:
/// `lifeboat-prod-20261121t020000z`.
pub fn stem(identifier: &str, taken_at: Timestamp) -> String {
    let moment = taken_at.strftime("%Y%m%dt%H%M%Sz");
    format!("{PREFIX}{}-{moment}", short(identifier))
}

fn short(identifier: &str) -> String {
    let identifier = identifier.to_lowercase();
    if identifier.len() <= LONGEST_IDENTIFIER {
        return identifier;
    }
    let hash = Sha256::of(identifier.as_bytes()).to_string();
    let kept = &identifier[..LONGEST_IDENTIFIER - HASH_DIGITS - 1];
    format!("{}-{}", kept.trim_end_matches('-'), &hash[..HASH_DIGITS])
}

/// The name of the first attempt is the stem itself.
pub fn attempt(stem: &str, number: usize) -> String {
    match number {
        1 => stem.to_owned(),
        number => format!("{stem}-{number}"),
    }
}

/// What a snapshot of ours says of itself in its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub source: String,
    /// ARN of the original snapshot.
    pub from: String,
    /// To the second.
    pub taken_at: Timestamp,
}

impl Mark {
    /// All of them, to be set as the snapshot is made: nobody may set them later.
    pub fn tags(&self) -> BTreeMap<String, String> {
        [
            (tag::MANAGED, "true".to_owned()),
            (tag::SOURCE, self.source.clone()),
            (tag::FROM, self.from.clone()),
            (tag::TAKEN, self.taken_at.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// `None`: not a snapshot of ours, by its name or by its tags.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let tag = |key: &str| snapshot.tags.get(key);
        if !snapshot.name.starts_with(PREFIX)
            || snapshot.made != "manual"
            || tag(tag::MANAGED).is_none_or(|value| value != "true")
        {
            return None;
        }
        Some(Self {
            source: tag(tag::SOURCE)?.clone(),
            from: tag(tag::FROM)?.clone(),
            taken_at: tag(tag::TAKEN)?.parse().ok()?,
        })
    }
}

/// When a snapshot, or what it is a copy of, was taken, by RDS's word; of clusters' copies RDS
/// does not say.
pub fn told_time(snapshot: &Snapshot) -> Option<Timestamp> {
    snapshot.original_at.or(snapshot.created_at)
}

/// Names tell whole seconds, and so do tags.
pub fn to_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The name in a snapshot's ARN.
pub fn name_in(arn: &str) -> &str {
    arn.splitn(7, ':').nth(6).unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_stem_tells_what_and_when() {
        let taken = at("2026-11-21T02:00:00.7Z");
        assert_eq!(stem("Prod", taken), "lifeboat-prod-20261121t020000z");
        assert_eq!(attempt("x", 1), "x");
        assert_eq!(attempt("x", 2), "x-2");
        assert_eq!(
            name_in("arn:aws:rds:eu-west-1:111122223333:snapshot:rds:prod-2026"),
            "rds:prod-2026"
        );
    }

    #[test]
    fn long_identifiers_that_begin_alike_stay_apart() {
        let taken = at("2026-11-21T02:00:00Z");
        let (one, other) = (
            format!("{}a", "x".repeat(40)),
            format!("{}b", "x".repeat(40)),
        );
        assert_ne!(stem(&one, taken), stem(&other, taken));
    }

    proptest! {
        #[test]
        fn any_name_is_one_that_rds_takes(identifier in "[a-zA-Z](-?[a-zA-Z0-9]){0,61}") {
            let stem = stem(&identifier, at("2026-11-21T02:00:00Z"));
            let name = attempt(&format!("{stem}-shared"), MOST_ATTEMPTS);
            prop_assert!(name.len() <= 63, "{name}");
            prop_assert!(!name.contains("--") && !name.ends_with('-'), "{name}");
            prop_assert_eq!(name.to_lowercase(), name);
        }
    }
}
