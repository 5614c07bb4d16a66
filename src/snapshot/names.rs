//! Names and tags by which lifeboat knows its own snapshots. Roles may delete by them alone, so
//! nothing is ours that lacks either.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::aws::rds::Snapshot;
use crate::model::digest::Sha256;

pub(crate) const PREFIX: &str = "lifeboat-";
/// Prefix of instances, clusters and parameter groups that drills create: prove may change no others.
const SPARE: &str = "lifeboat-drill-";
/// The format of times in names.
const MOMENT: &str = "%Y%m%dt%H%M%Sz";

/// Keys of tags.
pub(crate) mod tag {
    pub(crate) const MANAGED: &str = "lifeboat:managed";
    /// The configured source's name.
    pub(crate) const SOURCE: &str = "lifeboat:source";
    /// ARN of the original snapshot.
    pub(crate) const FROM: &str = "lifeboat:from";
    /// When the original was taken.
    pub(crate) const TAKEN: &str = "lifeboat:taken";
    /// Set by prove: the copy was restored and found sound.
    pub(crate) const VERIFIED: &str = "lifeboat:verified";
    /// On what a drill created.
    pub(crate) const DRILL: &str = "lifeboat:drill";
    /// On a spare that was stopped: since when. If it runs, somebody has started it.
    pub(crate) const KEPT: &str = "lifeboat:kept";
    /// On what a restore created: ARN of the copy.
    pub(crate) const RESTORED_FROM: &str = "lifeboat:restored-from";
    /// On what a run created: which run. A lost reply is looked up by it.
    pub(crate) const RUN: &str = "lifeboat:run";
    /// Set by people: the copy is not to be deleted.
    pub(crate) const HOLD: &str = "lifeboat:hold";
}

/// RDS allows 63 characters for a cluster's; what is added to a stem takes up to 35 of them.
const LONGEST_IDENTIFIER: usize = 28;
/// Digits added to an identifier that is cut, so that two long ones stay apart.
const HASH_DIGITS: usize = 8;
/// How often one snapshot is copied at most; a copy that failed keeps its name until it is expired.
pub(crate) const MOST_ATTEMPTS: usize = 9;

/// How the names of one snapshot and of all its copies begin: `lifeboat-prod-20261121t020000z`.
pub(crate) fn stem(identifier: &str, taken_at: Timestamp) -> String {
    let moment = taken_at.strftime(MOMENT);
    format!("{PREFIX}{}-{moment}", short(identifier))
}

fn short(identifier: &str) -> String {
    let identifier = identifier.to_lowercase();
    if identifier.len() <= LONGEST_IDENTIFIER {
        return identifier;
    }
    with_hash(&identifier, &identifier)
}

/// The beginning of a text, then of the hash of `hashed`.
fn with_hash(text: &str, hashed: &str) -> String {
    let hash = Sha256::of(hashed.as_bytes()).to_string();
    let kept = &text[..text.len().min(LONGEST_IDENTIFIER - HASH_DIGITS - 1)];
    let words = [kept.trim_end_matches('-'), &hash[..HASH_DIGITS]];
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// The name of what a drill of this source creates: `lifeboat-drill-prod-20261121t090000z`.
pub(crate) fn spare(source: &str, at: Timestamp) -> String {
    format!("{}{}", spare_prefix(source), at.strftime(MOMENT))
}

/// When a drill of this source created what has this name; `None`: no drill did.
pub(crate) fn spare_made_at(name: &str, source: &str) -> Option<Timestamp> {
    let moment = name.strip_prefix(&spare_prefix(source))?;
    let moment = jiff::civil::DateTime::strptime(MOMENT, moment).ok()?;
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(moment.timestamp())
}

/// Names of sources may have characters that RDS does not allow.
fn spare_prefix(source: &str) -> String {
    let words = source.split(|one: char| !one.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let plain = words.join("-").to_lowercase();
    let plain = if plain == source {
        short(&plain)
    } else {
        with_hash(&plain, source)
    };
    format!("{SPARE}{plain}-")
}

/// The name of the first attempt is the stem itself.
pub(crate) fn attempt(stem: &str, number: usize) -> String {
    match number {
        1 => stem.to_owned(),
        number => format!("{stem}-{number}"),
    }
}

/// Where a snapshot of ours comes from, as its tags say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub source: String,
    /// ARN of the original snapshot.
    pub from: String,
    /// To the second.
    pub taken_at: Timestamp,
}

impl Origin {
    /// The tags, to be set when the snapshot is created: nobody may set them later.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
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
    pub(crate) fn from_tags(snapshot: &Snapshot) -> Option<Self> {
        let tag = |key: &str| snapshot.tags.get(key);
        if !snapshot.name.starts_with(PREFIX)
            || snapshot.snapshot_type != "manual"
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

/// When a snapshot, or what it is a copy of, was taken, as RDS says; for copies of clusters' snapshots
/// it does not.
pub(crate) fn taken_at(snapshot: &Snapshot) -> Option<Timestamp> {
    snapshot.original_at.or(snapshot.created_at)
}

/// Names and tags have whole seconds.
pub(crate) fn to_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The name in a snapshot's ARN.
pub(crate) fn name_in(arn: &str) -> &str {
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

    #[test]
    fn a_spare_tells_whose_it_is_and_when_it_was_made() {
        let now = at("2026-11-21T09:00:00Z");
        let name = spare("prod", now);
        assert_eq!(name, "lifeboat-drill-prod-20261121t090000z");
        assert_eq!(spare_made_at(&name, "prod"), Some(now));
        for other in ["pro", "prod-x", "PROD", "prod_", "x"] {
            assert_eq!(spare_made_at(&name, other), None, "{other}");
        }
        for odd in [
            format!("{name}-1"),
            "lifeboat-drill-prod-".to_owned(),
            "prod".to_owned(),
        ] {
            assert_eq!(spare_made_at(&odd, "prod"), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_source_has_a_name_for_its_spare(source in "[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,62}") {
            let now = at("2026-11-21T09:00:00Z");
            let name = spare(&source, now);
            let member = format!("{name}-1");
            prop_assert!(member.len() <= 63, "{name}");
            prop_assert!(!name.contains("--") && !name.ends_with('-'), "{name}");
            prop_assert_eq!(name.to_lowercase(), name.clone());
            prop_assert_eq!(spare_made_at(&name, &source), Some(now));
        }

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
