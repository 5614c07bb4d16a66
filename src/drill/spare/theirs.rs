//! Is it still as a drill left it? On the worst day people take a spare over, and may do more, or less, than the
//! runbook says: what shows any sign of that is theirs, whatever its tags say.

use jiff::{SignedDuration, Timestamp};

use crate::aws::rds::DbState;
use crate::snapshot::names::tag;

/// The value of a spare's tag `lifeboat:kept` while it is removed.
pub(super) const REMOVING: &str = "removing";
/// A drill makes it within hours of the moment in its name.
const MADE_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// What a killed drill left runs as well, but has no tag.
pub(super) fn is_in_use(there: &DbState) -> bool {
    let is_kept = there.tags.get(tag::KEPT).is_some_and(|at| at != REMOVING);
    is_kept && !["stopped", "deleting"].contains(&there.status.as_str())
}

/// What says that people have taken it over, for a finding; `None`: nothing. `group` is the parameter group
/// that the drill made for it, at `made_at`.
pub(super) fn taken_over(there: &DbState, group: &str, made_at: Timestamp) -> Option<&'static str> {
    let groups = &there.parameter_groups;
    let late = |at: Timestamp| at.duration_since(made_at).abs() > MADE_WITHIN;
    if there.deletion_protection {
        Some("it has deletion protection, which no drill switches on")
    } else if there.is_public {
        Some("it has a public address, which no drill gives it")
    } else if !groups.is_empty() && !groups.iter().any(|one| one == group) {
        Some("it has another parameter group than the drill made for it")
    } else if !there.tags.contains_key(tag::RUN) {
        Some("its tag lifeboat:run, which says what drill made it, is gone")
    } else if there.created_at.is_some_and(late) {
        Some("it was not created at the time that its name says")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "lifeboat-drill-prod-20261121t090000z";

    type Change = fn(&mut DbState);

    fn made_at() -> Timestamp {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    fn as_left() -> DbState {
        DbState {
            identifier: NAME.to_owned(),
            parameter_groups: vec![NAME.to_owned()],
            tags: [(tag::RUN.to_owned(), "nonce".to_owned())].into(),
            created_at: Some(made_at() + SignedDuration::from_hours(2)),
            ..DbState::default()
        }
    }

    #[test]
    fn a_kept_spare_that_runs_is_in_use_and_nothing_else() {
        let in_use = |kept: Option<&str>, status: &str| {
            let tags = kept.map(|kept| (tag::KEPT.to_owned(), kept.to_owned()));
            is_in_use(&DbState {
                status: status.to_owned(),
                tags: tags.into_iter().collect(),
                ..DbState::default()
            })
        };
        let kept = Some("2026-11-21T09:00:00Z");
        for status in ["available", "starting", "stopping", "modifying"] {
            assert!(in_use(kept, status), "{status}");
            assert!(!in_use(None, status), "left by a killed drill: {status}");
            // A cluster is started to be removed; the drill that did so may have been killed.
            assert!(!in_use(Some(REMOVING), status), "{status}");
        }
        assert!(!in_use(kept, "stopped"));
        assert!(!in_use(kept, "deleting"));
    }

    #[test]
    fn whatever_a_drill_does_not_do_says_that_people_took_it_over() {
        let sign = |change: Change| {
            let mut there = as_left();
            change(&mut there);
            taken_over(&there, NAME, made_at())
        };
        assert_eq!(sign(|_| {}), None);
        assert_eq!(sign(|there| there.created_at = None), None);
        let changes: [(Change, &str); 5] = [
            (
                |there| there.deletion_protection = true,
                "deletion protection",
            ),
            (|there| there.is_public = true, "public"),
            (
                |there| there.parameter_groups = vec!["prod".to_owned()],
                "parameter group",
            ),
            (|there| there.tags.clear(), "lifeboat:run"),
            (
                |there| there.created_at = Some(made_at() + SignedDuration::from_hours(25)),
                "time",
            ),
        ];
        for (change, says) in changes {
            assert!(
                sign(change).is_some_and(|sign| sign.contains(says)),
                "{says}"
            );
        }
    }
}
