//! Judges what was found of a database. Pure: the time is an argument.

use jiff::{SignedDuration, Timestamp};

use super::report::{DatabaseStatus, Finding, PastDrill, PointStatus};
use crate::escape;
use crate::humanize::age as words;
use crate::model::attestation::NOT_PROVEN;
use crate::model::size::Size;
use crate::model::snapshot::CopyStatus;

/// Of [`Limits`], where nothing is configured.
pub(crate) const SHRINK_PERCENT: u32 = 50;

/// How old things may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub export_age: SignedDuration,
    pub copy_age: SignedDuration,
    pub drill_age: SignedDuration,
    /// An export that lost more than this share of its rows or bytes is a finding.
    pub shrink_percent: u32,
}

/// What is wrong with one database's restore points, in sentences.
pub(super) fn database(one: &DatabaseStatus, limits: &Limits, now: Timestamp) -> Vec<Finding> {
    let name = format!("{}/{}", one.source, one.database);
    let Some(newest) = &one.newest else {
        return vec![Finding::urgent(match one.points {
            0 => format!("{name}: there is no restore point"),
            _ => format!("{name}: none of the newest restore points can be restored from"),
        })];
    };
    let mut findings = Vec::new();
    let age = now.duration_since(newest.snapshot_at);
    if age > limits.export_age {
        findings.push(Finding::urgent(format!(
            "{name}: the newest export is {} old, more than {}",
            words(age),
            words(limits.export_age)
        )));
    }
    findings.extend(unlocked(&name, newest, now));
    if let Some(previous) = &one.previous {
        findings.extend(shrunk(&name, newest, previous, limits));
        findings.extend(left_out(&name, newest, previous));
    }
    findings.extend(drilled(&name, one, limits, now));
    findings
}

fn unlocked(name: &str, newest: &PointStatus, now: Timestamp) -> Option<Finding> {
    /// Somebody must see it and act.
    const TIME_TO_ACT: SignedDuration = SignedDuration::from_hours(24 * 3);
    let id = &newest.id;
    let what = match newest.locked_until {
        None => format!("{name}: the newest export, {id}, is not locked"),
        Some(end) if end <= now => {
            format!("{name}: the lock of the newest export, {id}, ended {end}")
        }
        // Nothing new came for so long that the last one is about to lose its lock.
        Some(end) if end.duration_since(now) < TIME_TO_ACT => format!(
            "{name}: the lock of the newest export, {id}, ends in {}: `lifeboat hold {id} --until 90d` keeps it",
            words(end.duration_since(now))
        ),
        Some(_) => return None,
    };
    Some(Finding::urgent(what))
}

fn shrunk(
    name: &str,
    newest: &PointStatus,
    previous: &PointStatus,
    limits: &Limits,
) -> Vec<Finding> {
    let size = |point: &PointStatus| Size {
        tables: point.tables,
        rows: point.rows,
        copy_bytes: point.copy_bytes,
    };
    // What one of both leaves out on request was not lost.
    if newest.excluded != previous.excluded {
        return Vec::new();
    }
    let shrunk = size(newest).shrunk(size(previous), &previous.id, limits.shrink_percent);
    let findings = shrunk.into_iter();
    findings
        .map(|what| format!("{name}: {what}").into())
        .collect()
}

/// Whoever may change the exporter's configuration may leave out what is needed. Once it is so in two exports, it
/// is what somebody wants.
fn left_out(name: &str, newest: &PointStatus, previous: &PointStatus) -> Option<Finding> {
    let words = |point: &PointStatus| {
        let kinds = point.excluded.iter();
        let kinds = kinds.map(|one| format!("{} {}", one.count, escape::name(&one.kind)));
        match kinds.collect::<Vec<_>>() {
            kinds if kinds.is_empty() => "nothing".to_owned(),
            kinds => kinds.join(", "),
        }
    };
    (newest.excluded != previous.excluded).then(|| {
        let (now, then, id) = (words(newest), words(previous), &previous.id);
        let what = format!(
            "{name}: the newest export leaves out on request: {now}; {id} left out: {then}"
        );
        what.into()
    })
}

fn drilled(name: &str, one: &DatabaseStatus, limits: &Limits, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(PastDrill { id, at }) = &one.drill_failed {
        findings.push(format!(
            "{name}: a drill FAILED at {at}: of {id}; neither it nor a newer point was drilled and sound since"
        ));
    }
    if let Some(PastDrill { id, at }) = &one.drill_unproven {
        findings.push(format!("{name}: {id}, drilled at {at}, {NOT_PROVEN}"));
    }
    match &one.drilled {
        None => findings.push(format!(
            "{name}: no restore point is known to have restored in a drill"
        )),
        Some(drill) => {
            let age = now.duration_since(drill.at);
            if age > limits.drill_age {
                findings.push(format!(
                    "{name}: the newest sound drill is {} old, more than {}",
                    words(age),
                    words(limits.drill_age)
                ));
            }
        }
    }
    findings.into_iter().map(Finding::from).collect()
}

/// What is wrong with the copies of one source's RDS snapshots.
pub(super) fn copies(one: &CopyStatus, limits: &Limits, now: Timestamp) -> Option<Finding> {
    let Some(taken) = one.newest_at else {
        let none = format!("{}: there is no snapshot copy", one.source);
        return Some(Finding::urgent(none));
    };
    let age = now.duration_since(taken);
    (age > limits.copy_age).then(|| {
        Finding::urgent(format!(
            "{}: the newest snapshot copy is {} old, more than {}",
            one.source,
            words(age),
            words(limits.copy_age)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::DrillStatus;
    use super::*;
    use crate::model::manifest::NotCovered;
    use crate::model::state::State;

    const LIMITS: Limits = Limits {
        export_age: SignedDuration::from_hours(26),
        copy_age: SignedDuration::from_hours(26),
        drill_age: SignedDuration::from_hours(8 * 24),
        shrink_percent: 50,
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn point(id: &str, snapshot_at: &str, rows: u64) -> PointStatus {
        PointStatus {
            id: format!("{id}-k3v9q2").parse().unwrap(),
            snapshot_at: at(snapshot_at),
            rows,
            tables: 10,
            copy_bytes: rows * 100,
            stored_bytes: rows,
            excluded: Vec::new(),
            locked_until: Some(at("2026-12-25T02:00:00Z")),
        }
    }

    fn healthy() -> DatabaseStatus {
        DatabaseStatus {
            source: "prod".into(),
            database: "courses".into(),
            state: State::Ok,
            newest: Some(point("20261121T020000Z", "2026-11-21T02:00:00Z", 1000)),
            previous: Some(point("20261120T020000Z", "2026-11-20T02:00:00Z", 990)),
            drilled: Some(DrillStatus {
                id: "20261120T020000Z-k3v9q2".parse().unwrap(),
                at: at("2026-11-20T04:00:00Z"),
                seconds_to_restore: 60.0,
            }),
            drill_failed: None,
            drill_unproven: None,
            points: 2,
        }
    }

    fn found(change: impl FnOnce(&mut DatabaseStatus), now: &str) -> Vec<String> {
        let mut one = healthy();
        change(&mut one);
        let found = database(&one, &LIMITS, at(now)).into_iter();
        found.map(String::from).collect()
    }

    #[track_caller]
    fn only(found: &[String], words: &str) {
        assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
    }

    #[test]
    fn each_limit_holds_to_the_very_second() {
        assert_eq!(found(|_| {}, "2026-11-21T03:00:00Z"), [""; 0]);
        assert_eq!(found(|_| {}, "2026-11-22T04:00:00Z"), [""; 0]);
        only(&found(|_| {}, "2026-11-22T04:00:01Z"), "26 h old");
        let fresh = |one: &mut DatabaseStatus| {
            one.newest = Some(point("20261128T020000Z", "2026-11-28T04:00:00Z", 1000));
        };
        assert_eq!(found(fresh, "2026-11-28T04:00:00Z"), [""; 0]);
        only(&found(fresh, "2026-11-28T04:00:01Z"), "drill is 8 d old");
    }

    #[test]
    fn a_lock_that_ends_is_told_while_something_can_be_done() {
        let now = "2026-11-21T03:00:00Z";
        let ending = |end: Option<&str>| {
            let end = end.map(at);
            found(|one| one.newest.as_mut().unwrap().locked_until = end, now)
        };
        only(&ending(None), "is not locked");
        only(&ending(Some(now)), "ended");
        only(&ending(Some("2026-11-24T02:59:59Z")), "hold");
        assert_eq!(ending(Some("2026-11-24T03:00:00Z")), [""; 0]);
    }

    #[test]
    fn what_shrinks_by_half_or_loses_a_table_is_told() {
        let now = "2026-11-21T03:00:00Z";
        let rows = |rows| {
            found(
                |one| one.newest = Some(point("20261121T020000Z", "2026-11-21T02:00:00Z", rows)),
                now,
            )
        };
        assert_eq!(rows(495), [""; 0]);
        only(&rows(494), "494 rows");
        only(&rows(0), "0 rows");
        only(
            &found(|one| one.newest.as_mut().unwrap().tables = 9, now),
            "1 tables less",
        );
        assert_eq!(found(|one| one.previous = None, now), [""; 0]);
    }

    #[test]
    fn what_is_left_out_on_request_has_not_shrunk() {
        let now = "2026-11-21T03:00:00Z";
        let leave_out = |point: Option<&mut PointStatus>| {
            let excluded = &mut point.unwrap().excluded;
            excluded.push(crate::model::manifest::NotCovered {
                kind: "rows of tables".to_owned(),
                count: 1,
            });
        };
        let shrunk = |one: &mut DatabaseStatus| one.newest.as_mut().unwrap().rows = 0;
        let since_now = |one: &mut DatabaseStatus| {
            shrunk(one);
            leave_out(one.newest.as_mut());
        };
        only(
            &found(since_now, now),
            "leaves out on request: 1 rows of tables",
        );
        let as_before = |one: &mut DatabaseStatus| {
            since_now(one);
            leave_out(one.previous.as_mut());
        };
        only(&found(as_before, now), "0 rows");
    }

    #[test]
    fn what_is_left_out_otherwise_than_before_is_told() {
        let now = "2026-11-21T03:00:00Z";
        let tables = |count| {
            vec![NotCovered {
                kind: "tables".to_owned(),
                count,
            }]
        };
        let found = |newest, previous| {
            let change = |one: &mut DatabaseStatus| {
                one.newest.as_mut().unwrap().excluded = newest;
                one.previous.as_mut().unwrap().excluded = previous;
            };
            found(change, now)
        };
        only(
            &found(tables(2), Vec::new()),
            "leaves out on request: 2 tables; 20261120T020000Z-k3v9q2 left out: nothing",
        );
        only(&found(tables(2), tables(1)), "left out: 1 tables");
        only(&found(Vec::new(), tables(1)), "on request: nothing;");
        assert_eq!(found(tables(1), tables(1)), [""; 0]);
    }

    #[test]
    fn what_is_not_there_is_told() {
        let now = "2026-11-21T03:00:00Z";
        let none = |points| found(|one| (one.newest, one.points) = (None, points), now);
        only(&none(0), "there is no restore point");
        only(&none(3), "none of the newest restore points");
        only(&found(|one| one.drilled = None, now), "no restore point is");
        let drill = || PastDrill {
            id: "20261121T020000Z-k3v9q2".parse().unwrap(),
            at: at(now),
        };
        let failed = |one: &mut DatabaseStatus| one.drill_failed = Some(drill());
        only(&found(failed, now), "FAILED");
        let unproven = |one: &mut DatabaseStatus| one.drill_unproven = Some(drill());
        only(
            &found(unproven, now),
            "cannot be proven without a superuser",
        );
        let copy = |newest_at: Option<&str>| CopyStatus {
            source: "prod".into(),
            newest_at: newest_at.map(at),
            copies: 1,
        };
        assert!(copies(&copy(None), &LIMITS, at(now)).is_some());
        assert!(copies(&copy(Some("2026-11-20T00:59:59Z")), &LIMITS, at(now)).is_some());
        assert!(copies(&copy(Some("2026-11-20T01:00:00Z")), &LIMITS, at(now)).is_none());
    }

    #[test]
    fn a_clock_that_runs_ahead_elsewhere_is_no_finding() {
        assert_eq!(found(|_| {}, "2026-11-21T01:00:00Z"), [""; 0]);
    }
}
