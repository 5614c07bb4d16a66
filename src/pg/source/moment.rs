//! One moment for everything: what no lock on a table protects must be as the snapshot shows it for as long
//! as its name is printed. pg_dump and COPY print names as they are now; had one changed meanwhile, the
//! point would mix two moments.
//!
//! The rule, for each object of the snapshot: what is printed of it is the same; and where its row was
//! written since, either one transaction did it, so that nobody saw anything in between, or something else in
//! the row, such as its privileges, explains it: that differs, now or at one of the looks in between.
//! Otherwise a change was undone, and nobody knows what was printed meanwhile. So a GRANT, a REFRESH or a new
//! object stops nothing. What this cannot see: a renaming undone between two looks, of an object on which
//! somebody also grants rights.

mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memchr::memmem;

use self::objects::{InRows, KINDS, ROLE_NAME, SCHEMA_NAME, Which};
use crate::error::{Error, Kind, Result};
use crate::pg::session::{Session, from_row};

/// More looks at the end, where a row was written and nothing in it differs: where rights are granted and
/// revoked all the time, one of them sees it.
const LAST_LOOKS: usize = 20;
const BETWEEN_LAST_LOOKS: Duration = Duration::from_millis(50);

/// A look may take a hundredth of the server's time.
const PAUSE_FOR_A_LOOK: u32 = 100;

/// Place in [`KINDS`], oid, number.
type Key = (usize, u32, i32);

/// A row of a catalog: hashes of what it holds, the transaction that wrote it, and the one that wrote the
/// next version, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    printed: i64,
    rest: i64,
    xmin: i64,
    xmax: i64,
}

from_row!(Version: printed, rest, xmin, xmax);

type Versions = BTreeMap<Key, Version>;

/// Which objects some column of the database can print.
#[derive(Debug, Clone, Copy)]
struct RegColumns {
    any: bool,
    roles: bool,
}

from_row!(RegColumns: any, roles);

const REG_COLUMNS: &str = "
  WITH reg AS (
    SELECT t.oid, t.typname ~ 'role$' AS role FROM pg_catalog.pg_type t
     WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname ~ '^_?reg'
  ), used AS (
    SELECT reg.role FROM reg JOIN pg_catalog.pg_attribute a ON a.atttypid = reg.oid
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
     WHERE c.relkind IN ('r', 'p', 'c') AND c.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT reg.role FROM reg JOIN pg_catalog.pg_type t ON t.typbasetype = reg.oid)
  SELECT count(*) > 0, coalesce(pg_catalog.bool_or(role), false) FROM used";

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Changed,
    Dropped,
}

/// Until when names count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until<'a> {
    /// Before anything is printed.
    Begin,
    /// pg_dump has written this archive.
    Dumped(&'a [u8]),
    /// All rows are read.
    Read,
}

/// What the snapshot shows, and what was seen to happen to it since.
pub(crate) struct Moment {
    objects: Versions,
    reg: RegColumns,
    /// The oldest transaction that the snapshot may not show.
    since: u32,
    /// Written since, and seen with other privileges or options.
    explained: Mutex<BTreeSet<Key>>,
    dumped: AtomicBool,
    next_look: Mutex<Instant>,
}

impl Moment {
    /// Reads what the snapshot of this session shows, but for what is left out: catalogs and OIDs.
    pub(crate) async fn read(
        session: &Session,
        left_out: &BTreeSet<(String, u32)>,
    ) -> Result<Self> {
        let what = "cannot look for columns that print names";
        let reg: RegColumns = session.row(REG_COLUMNS, what).await?;
        let xmin: i64 = session
            .row(
                "SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot())
                        & 4294967295",
                "cannot read the snapshot's bounds",
            )
            .await?;
        let which = if reg.roles {
            Which::All
        } else {
            // Others come and go, such as short-lived logins.
            Which::NamedRoles
        };
        Ok(Self {
            objects: without(list(session, which).await?, left_out),
            reg,
            since: u32::try_from(xmin).unwrap_or_default(),
            explained: Mutex::default(),
            dumped: AtomicBool::new(false),
            next_look: Mutex::new(Instant::now()),
        })
    }

    /// Compares the snapshot, in the session `then`, with the present, in the session `now`. An error of
    /// the kind `Changed` names what differs.
    pub(crate) async fn check(
        &self,
        then: &Session,
        now: &Session,
        until: Until<'_>,
    ) -> Result<()> {
        let present = list(now, Which::All).await?;
        let (change, mut rewritten) = self.compare(&present, until);
        fail_on(change, then).await?;
        if !rewritten.is_empty() {
            // The snapshot's own versions say who wrote the next ones.
            let ours = list(then, Which::All).await?;
            let next = |key: &Key| ours.get(key).map(|version| version.xmax);
            let last = |key: &Key| present.get(key).map(|version| version.xmin);
            rewritten.retain(|key| next(key) != last(key));
        }
        if !matches!(until, Until::Begin) {
            for _ in 0..LAST_LOOKS {
                if rewritten.is_empty() {
                    break;
                }
                tokio::time::sleep(BETWEEN_LAST_LOOKS).await;
                self.look(then, now).await?;
                rewritten.retain(|key| !lock(&self.explained).contains(key));
            }
        }
        if let Some(key) = rewritten.first() {
            let name = describe(then, *key).await;
            return Err(changed(format!("{name} was changed and changed back")));
        }
        if matches!(until, Until::Dumped(_)) {
            self.dumped.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A look in between, at what was written since only: sees what explains it, or that a check will fail.
    pub(crate) async fn look_if_due(&self, then: &Session, now: &Session) -> Result<()> {
        if Instant::now() < *lock(&self.next_look) {
            return Ok(());
        }
        let begun = Instant::now();
        self.look(then, now).await?;
        *lock(&self.next_look) = Instant::now() + begun.elapsed() * PAUSE_FOR_A_LOOK;
        Ok(())
    }

    async fn look(&self, then: &Session, now: &Session) -> Result<()> {
        let written = list(now, Which::WrittenSince(self.since)).await?;
        let mut change = None;
        for (key, version) in &written {
            match self.objects.get(key) {
                Some(before) if before.printed == version.printed => {
                    let explained = before.rest != version.rest;
                    lock(&self.explained).extend(explained.then_some(*key));
                }
                None if !self.has_grown(*key) => {}
                _ if self.matters(*key) => {
                    change = change.or(Some((*key, Change::Changed)));
                }
                _ => {}
            }
        }
        fail_on(change, then).await
    }

    /// The first object that changed, and those that were written without a difference.
    fn compare(&self, present: &Versions, until: Until<'_>) -> (Option<(Key, Change)>, Vec<Key>) {
        let mut rewritten = Vec::new();
        for (key, before) in &self.objects {
            if !self.matters(*key) {
                continue;
            }
            match present.get(key) {
                None if self.may_go(*key, until) => {}
                None => return (Some((*key, Change::Dropped)), rewritten),
                Some(version) if version.printed != before.printed => {
                    return (Some((*key, Change::Changed)), rewritten);
                }
                Some(version) if version.xmin == before.xmin => {}
                Some(version) if version.rest != before.rest => {
                    lock(&self.explained).insert(*key);
                }
                Some(_) if lock(&self.explained).contains(key) => {}
                Some(_) => rewritten.push(*key),
            }
        }
        let grown = present
            .keys()
            .find(|key| self.has_grown(**key) && self.matters(**key));
        (grown.map(|key| (*key, Change::Changed)), rewritten)
    }

    /// Whether its name can still be printed.
    fn matters(&self, (kind, ..): Key) -> bool {
        !self.dumped.load(Ordering::Relaxed)
            || match KINDS[kind].in_rows {
                InRows::Always => true,
                InRows::AsObject => self.reg.any,
                InRows::AsRole => self.reg.roles,
                InRows::Never => false,
            }
    }

    /// Whether it is a new column of a type or view that the snapshot shows.
    fn has_grown(&self, key: Key) -> bool {
        let (kind, oid, number) = key;
        number > 0
            && !self.objects.contains_key(&key)
            && (self.objects.range((kind, oid, 0)..=(kind, oid, i32::MAX)))
                .next()
                .is_some()
    }

    /// Whether it does no harm that an object is gone.
    fn may_go(&self, (kind, oid, _): Key, until: Until<'_>) -> bool {
        match (KINDS[kind].what, until) {
            // It held none of our tables: their locks would have kept it.
            (SCHEMA_NAME, _) => true,
            // Privileges name a role that is gone by its number: where pg_dump came too late.
            (ROLE_NAME, Until::Dumped(archive)) => {
                let number = format!("\"{oid}\"");
                memmem::find(archive, number.as_bytes()).is_none()
            }
            _ => false,
        }
    }
}

async fn fail_on(change: Option<(Key, Change)>, then: &Session) -> Result<()> {
    let Some((key, change)) = change else {
        return Ok(());
    };
    let name = describe(then, key).await;
    Err(changed(match change {
        Change::Changed => format!("{name} was changed"),
        Change::Dropped => format!("{name} was dropped"),
    }))
}

fn changed(what: String) -> Error {
    Error::new(Kind::Changed, what)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nothing prints it, and it may come and go.
fn without(mut objects: Versions, left_out: &BTreeSet<(String, u32)>) -> Versions {
    let left_out: BTreeSet<(&str, u32)> = (left_out.iter())
        .map(|(catalog, oid)| (catalog.as_str(), *oid))
        .collect();
    objects.retain(|(kind, oid, _), _| !left_out.contains(&(KINDS[*kind].catalog(), *oid)));
    objects
}

async fn list(session: &Session, which: Which) -> Result<Versions> {
    let sql = objects::list(session.server_version_num, which);
    let what = "cannot list the objects that no lock protects";
    let rows: Vec<((i32, u32, i32), Version)> = session.rows(&sql, what).await?;
    let known = rows
        .into_iter()
        .filter_map(|((kind, oid, number), version)| {
            let kind = usize::try_from(kind)
                .ok()
                .filter(|kind| *kind < KINDS.len())?;
            Some(((kind, oid, number), version))
        });
    Ok(known.collect())
}

/// Its name as the snapshot shows it; its oid where the name is in an encoding that cannot be read.
async fn describe(then: &Session, (kind, oid, number): Key) -> String {
    let kind = &KINDS[kind];
    let names: Result<Vec<String>> = then
        .rows(&objects::name(kind, oid, number), "cannot read a name")
        .await;
    match names.ok().and_then(|names| names.into_iter().next()) {
        Some(name) => format!("{} {name}", kind.what),
        None => format!("{} with oid {oid}", kind.what),
    }
}

/// The first of some tables, which nobody had locked when the snapshot was taken, that is no longer as it
/// shows it: columns may have been renamed, or dropped and made anew.
pub(crate) async fn redefined(
    then: &Session,
    now: &Session,
    tables: &[u32],
) -> Result<Option<u32>> {
    if tables.is_empty() {
        return Ok(None);
    }
    let sql = objects::definitions(tables);
    let what = "cannot compare the definitions of new tables";
    let before: BTreeSet<(u32, i32, i64, i64)> = then.rows(&sql, what).await?;
    let present: BTreeSet<(u32, i32, i64, i64)> = now.rows(&sql, what).await?;
    // What was added, such as an index, the snapshot does not show.
    Ok(before.difference(&present).next().map(|row| row.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(objects: &[(Key, Version)], reg: bool) -> Moment {
        Moment {
            objects: objects.iter().copied().collect(),
            reg: RegColumns {
                any: reg,
                roles: reg,
            },
            since: 3,
            explained: Mutex::default(),
            dumped: AtomicBool::new(false),
            next_look: Mutex::new(Instant::now()),
        }
    }

    fn key(what: &str, number: i32) -> Key {
        let kind = KINDS.iter().position(|kind| kind.what == what).unwrap();
        (kind, 20_000, number)
    }

    const AS_WAS: Version = Version {
        printed: 1,
        rest: 1,
        xmin: 7,
        xmax: 0,
    };

    fn compared(what: &str, present: Option<Version>, until: Until<'_>) -> (bool, bool) {
        let moment = moment(&[(key(what, 0), AS_WAS)], false);
        let present = present.map(|version| (key(what, 0), version));
        let (change, rewritten) = moment.compare(&present.into_iter().collect(), until);
        (change.is_some(), !rewritten.is_empty())
    }

    #[test]
    fn what_is_printed_must_be_the_same_and_only_another_difference_explains_a_write() {
        let fine = (false, false);
        let is = |version| compared("function", Some(version), Until::Begin);
        assert_eq!(is(AS_WAS), fine);
        assert_eq!(
            is(Version {
                printed: 2,
                ..AS_WAS
            }),
            (true, false)
        );
        assert_eq!(
            is(Version {
                rest: 2,
                xmin: 8,
                ..AS_WAS
            }),
            fine,
            "a GRANT"
        );
        assert_eq!(
            is(Version { xmin: 8, ..AS_WAS }),
            (false, true),
            "there and back"
        );
    }

    #[test]
    fn what_is_left_out_may_come_and_go() {
        let all = ["relation", "column", "function", "type", "enum label"]
            .map(|kind| (key(kind, 0), AS_WAS));
        let left_out = ["pg_class", "pg_type"].map(|catalog| (catalog.to_owned(), 20_000));
        let kept = without(all.into(), &left_out.into());
        let kept: Vec<&str> = kept.keys().map(|(kind, ..)| KINDS[*kind].what).collect();
        assert_eq!(kept, ["enum label", "function"]);
        for kind in KINDS.iter().filter(|kind| kind.what != ROLE_NAME) {
            assert!(kind.catalog().starts_with("pg_"), "{}", kind.catalog());
        }
    }

    #[test]
    fn what_is_gone_matters_unless_nothing_printed_it() {
        let gone = |what, until| compared(what, None, until).0;
        assert!(gone("function", Until::Begin));
        assert!(!gone("schema", Until::Begin));
        assert!(!gone(
            "role",
            Until::Dumped(b"GRANT ALL ON TABLE t TO \"v_1\"")
        ));
        assert!(gone(
            "role",
            Until::Dumped(b"GRANT ALL ON TABLE t TO \"20000\"")
        ));
    }

    #[test]
    fn after_pg_dump_only_what_rows_print_matters() {
        for (what, reg, matters) in [
            ("schema", false, true),
            ("enum label", false, true),
            ("attribute", false, true),
            ("function", false, false),
            ("function", true, true),
            ("role", true, true),
            ("trigger", true, false),
        ] {
            let moment = moment(&[(key(what, 0), AS_WAS)], reg);
            moment.dumped.store(true, Ordering::Relaxed);
            let other = Version {
                printed: 2,
                ..AS_WAS
            };
            let (change, _) = moment.compare(&[(key(what, 0), other)].into(), Until::Read);
            assert_eq!(change.is_some(), matters, "{what} {reg}");
        }
    }

    #[test]
    fn a_new_attribute_of_a_known_type_matters_a_new_type_does_not() {
        let moment = moment(&[(key("attribute", 1), AS_WAS)], false);
        let (_, oid, _) = key("attribute", 1);
        for (new, matters) in [
            ((key("attribute", 1).0, oid, 2), true),
            ((key("attribute", 1).0, oid + 1, 1), false),
        ] {
            let present = [(key("attribute", 1), AS_WAS), (new, AS_WAS)].into();
            let (change, _) = moment.compare(&present, Until::Begin);
            assert_eq!(change.is_some(), matters, "{new:?}");
        }
    }
}
