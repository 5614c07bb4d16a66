//! How much of a database nobody can delete: now, and in a month at the pace of the last days. The state carries what
//! earlier exports stored, so no other object is read for it.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::options::Run;
use super::report::UnderLock;
use crate::error::Result;
use crate::repository::{ListedPoint, StoredUnderLock};

const A_MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Beyond the time after which a part is stored anew: the last days then show a full export.
const MORE_DAYS: SignedDuration = SignedDuration::from_hours(48);

/// The least that shows a pace.
const LEAST: SignedDuration = SignedDuration::from_mins(30);

/// How many manifests are read where no state carries the figures.
const MOST_READ: usize = 256;

/// What a GB is for whoever asks for money.
const GB: f64 = 1e9;

/// What these exports stored. `full_every`: after which a part is stored anew; `price`: of a GB for a month.
pub(super) fn under_lock(
    stored: &[StoredUnderLock],
    now: Timestamp,
    full_every: SignedDuration,
    price: Option<f64>,
) -> UnderLock {
    let locked = stored.iter().filter(|one| one.until > now);
    let bytes = locked.map(|one| one.bytes).sum();
    let later = in_a_month(stored, now, full_every.saturating_add(MORE_DAYS));
    let cost = |bytes: u64| price.map(|price| bytes as f64 / GB * price);
    UnderLock {
        bytes,
        bytes_in_a_month: later.map(|(bytes, _)| bytes),
        pace_seconds: later.map(|(_, pace)| pace.as_secs()),
        cost: cost(bytes),
        cost_in_a_month: later.and_then(|(bytes, _)| cost(bytes)),
    }
}

/// As if what was stored in the last days, at most `longest`, were stored again and again, each time locked for as
/// long; and the time that shows it. `None`: too short a time. The export with which it begins is not of it.
fn in_a_month(
    stored: &[StoredUnderLock],
    now: Timestamp,
    longest: SignedDuration,
) -> Option<(u64, SignedDuration)> {
    let first = stored.iter().map(|one| one.at).min()?;
    let shown = now.duration_since(first).min(longest);
    if shown < LEAST {
        return None;
    }
    let then = now.checked_add(A_MONTH).ok()?;
    let begin = now.checked_sub(shown).ok()?;
    let mut bytes: u64 = 0;
    for one in stored {
        let mut again = *one;
        while again.at <= then {
            if again.until > then {
                bytes = bytes.saturating_add(again.bytes);
            }
            if one.at <= begin {
                break;
            }
            again.at = again.at.checked_add(shown).ok()?;
            again.until = again.until.checked_add(shown).ok()?;
        }
    }
    Some((bytes, shown))
}

/// What the manifests of the newest points say, where no state carries it.
pub(super) async fn of_manifests(
    run: &Run<'_>,
    found: &[ListedPoint],
) -> Result<Vec<StoredUnderLock>> {
    let mut newest: Vec<&ListedPoint> = found.iter().collect();
    newest.sort_by_key(|one| Reverse(one.order()));
    let mut stored = Vec::new();
    for one in newest.into_iter().take(MOST_READ) {
        match run.repository.open(one, run.keys.trust).await {
            Ok(point) => stored.extend(StoredUnderLock::all_of(&point)),
            Err(error) if error.affects_every_point() => return Err(error),
            // `status` reports it.
            Err(_) => {}
        }
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);
    const A_DAY: SignedDuration = SignedDuration::from_hours(24);
    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

    fn now() -> Timestamp {
        "2026-11-21T02:00:00Z".parse().unwrap()
    }

    fn stored(ago: SignedDuration, bytes: u64, locked: SignedDuration) -> StoredUnderLock {
        let at = now() - ago;
        StoredUnderLock {
            at,
            bytes,
            until: at + locked,
        }
    }

    fn of(stored: &[StoredUnderLock]) -> (u64, Option<u64>) {
        let told = under_lock(stored, now(), WEEK, None);
        (told.bytes, told.bytes_in_a_month)
    }

    #[test]
    fn what_is_stored_each_day_adds_up_until_its_locks_end() {
        let daily = |ago: i32| stored(A_DAY * ago, 100, A_DAY * 35);
        let young: Vec<_> = (0..4).map(daily).collect();
        assert_eq!(of(&young), (400, Some(3400)), "30 days more");
        let old: Vec<_> = (0..60).map(daily).collect();
        assert_eq!(of(&old), (3500, Some(3500)), "as much ends as begins");
        let told = under_lock(&old, now(), WEEK, Some(0.5));
        assert_eq!(told.pace_seconds, Some(9 * 86_400));
        assert_eq!(told.cost, Some(1.75e-6));
        assert_eq!(told.cost_in_a_month, told.cost);
    }

    #[test]
    fn one_export_shows_no_pace_and_a_full_one_is_not_the_pace_of_the_hours_after_it() {
        let full = stored(AN_HOUR * 2, 1000, A_DAY * 45);
        assert_eq!(
            of(&[stored(SignedDuration::ZERO, 1000, A_DAY)]),
            (1000, None)
        );
        let hours = [1, 0].map(|ago| stored(AN_HOUR * ago, 1, A_DAY * 7));
        let all = [full, hours[0], hours[1]];
        assert_eq!(of(&all), (1002, Some(1000 + 7 * 24)));
        assert_eq!(of(&[]), (0, None));
    }
}
