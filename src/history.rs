//! `lifeboat history`: how large a database was at each restore point, and where its rows went.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::codec::Identities;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::catalog::Catalog;
use crate::model::id::Id;
use crate::model::manifest::{Manifest, NotCovered};
use crate::model::name::Name;
use crate::model::pattern::{Pattern, typable};
use crate::model::size::Size;
use crate::model::table_change::Change;
use crate::repository::{ListedPoint, MANIFESTS_AT_A_TIME, Repository, Room};
use crate::sign::Trust;

/// Of catalogs, which may be large.
const CATALOGS_AT_A_TIME: usize = 2;

pub(crate) struct Options {
    /// Only of this source, or of this database.
    pub source: Option<String>,
    pub database: Option<String>,
    /// Only of these tables, and what they are.
    pub tables: Option<Tables>,
    /// What lost more than this share of its rows or bytes has jumped.
    pub shrink_percent: u32,
}

pub(crate) struct Tables {
    pub pattern: Pattern,
    /// Names are sealed.
    pub identities: Identities,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub repository: String,
    /// Sorted by source and database.
    pub databases: Vec<DatabaseHistory>,
    /// Points that were passed over, and why; any makes the exit code 3.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct DatabaseHistory {
    pub source: String,
    pub database: String,
    /// Those that a trusted key signed, the oldest first.
    pub points: Vec<Point>,
    /// Tables that match, sorted by name; `None`: none were asked for.
    pub tables: Option<Vec<TableHistory>>,
}

/// A restore point. Where tables were asked for, all sizes are of those that match.
#[derive(Debug, Serialize)]
pub(crate) struct Point {
    pub id: Id,
    /// The moment that the data shows.
    pub snapshot_at: Timestamp,
    /// When the store received the manifest, by its own clock.
    pub stored_at: Timestamp,
    pub tables: u64,
    pub rows: u64,
    /// Rows as COPY text.
    pub copy_bytes: u64,
    /// All of the point, whatever tables were asked for.
    pub stored_bytes: u64,
    /// Since the point before; `None`: there is none.
    pub rows_change: Option<i64>,
    pub bytes_change: Option<i64>,
    /// What `status` would have found to have shrunk, a line each; none where one of both points leaves out on
    /// request what the other does not.
    pub jumps: Vec<String>,
    /// What it leaves out on request, by kind.
    pub excluded: Vec<NotCovered>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TableHistory {
    /// Of a partitioned table that matches: its own name.
    pub schema: String,
    pub name: String,
    /// The oldest point's, then those where it came or went or has more or fewer rows than before.
    pub events: Vec<Event>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Event {
    pub id: Id,
    pub snapshot_at: Timestamp,
    /// `None`: it was there at the oldest point.
    pub change: Option<Change>,
    /// `None`: it was not there before.
    pub rows_before: Option<u64>,
    /// `None`: it is not there.
    pub rows: Option<u64>,
}

/// Reads every manifest, and with tables every catalog.
pub(crate) async fn history(
    repository: &Repository,
    trust: &Trust,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let mut found = repository
        .find(options.source.as_deref(), options.database.as_deref())
        .await?;
    found.sort_by_key(ListedPoint::order);
    let mut report = Report {
        repository: repository.url().to_owned(),
        databases: Vec::new(),
        findings: Vec::new(),
    };
    let mut read: BTreeMap<(String, String), Vec<Read>> = BTreeMap::new();
    let room = Room::default();
    let at_a_time = match options.tables {
        Some(_) => CATALOGS_AT_A_TIME,
        None => MANIFESTS_AT_A_TIME,
    };
    let reads = stream::iter(&found)
        .map(async |one| {
            let taken = room.take(&[one]).await;
            let read = read_point(repository, trust, one, options.tables.as_ref()).await;
            drop(taken);
            (one, read)
        })
        .buffered(at_a_time);
    let mut reads = std::pin::pin!(reads);
    while let Some((one, done)) = context
        .interrupt
        .or(async { Ok(reads.next().await) })
        .await?
    {
        match done {
            Ok(point) => {
                let name = (one.source.clone(), one.database.clone());
                read.entry(name).or_default().push(point);
            }
            Err(error) if error.affects_every_point() => return Err(error),
            Err(error) => {
                let why = error.chain();
                report
                    .findings
                    .push(format!("{} is passed over: {why}", one.id));
            }
        }
    }
    if let Some(tables) = &options.tables {
        check_any(&tables.pattern, &read)?;
    }
    let databases = read.into_iter();
    report.databases = databases
        .map(|((source, database), points)| DatabaseHistory {
            source,
            database,
            tables: options.tables.as_ref().map(|_| of_tables(&points)),
            points: chained(points, options.tables.is_some(), options.shrink_percent),
        })
        .collect();
    Ok(report)
}

/// What is kept of one point.
struct Read {
    point: Point,
    size: Size,
    /// Rows of the tables that match, by name.
    rows: BTreeMap<Name, u64>,
    /// Tables that match and that it leaves out on request, or rows of.
    left_out: BTreeSet<Name>,
    /// Of all tables, where none matches.
    others: BTreeSet<Name>,
}

async fn read_point(
    repository: &Repository,
    trust: &Trust,
    found: &ListedPoint,
    tables: Option<&Tables>,
) -> Result<Read> {
    let opened = repository.open(found, trust).await?;
    let mut others = BTreeSet::new();
    let (mut rows, mut left_out) = (BTreeMap::new(), BTreeSet::new());
    let size = match tables {
        None => Size::of(&opened.manifest),
        Some(tables) => {
            let catalog = opened.catalog(&tables.identities).await?;
            let pattern = &tables.pattern;
            let size = matching(&opened.manifest, &catalog, pattern, &mut rows);
            left_out = left_out_of(&catalog, pattern);
            if rows.is_empty() {
                others = catalog.tables.into_iter().map(|one| one.name).collect();
            }
            size
        }
    };
    let manifest = opened.manifest;
    let point = Point {
        stored_bytes: manifest.stored_bytes(),
        id: manifest.id,
        snapshot_at: manifest.snapshot_at,
        stored_at: found.stored_at(),
        tables: size.tables,
        rows: size.rows,
        copy_bytes: size.copy_bytes,
        rows_change: None,
        bytes_change: None,
        jumps: Vec::new(),
        excluded: manifest.excluded,
    };
    Ok(Read {
        point,
        size,
        rows,
        left_out,
        others,
    })
}

/// The tables that match: those of a partitioned one together, under its name.
fn matching(
    manifest: &Manifest,
    catalog: &Catalog,
    pattern: &Pattern,
    rows: &mut BTreeMap<Name, u64>,
) -> Size {
    let parts = manifest.tables.iter();
    let bytes: BTreeMap<u32, u64> = parts.map(|one| (one.oid, one.copy_bytes)).collect();
    let mut size = Size::default();
    for table in &catalog.tables {
        let root = table.root.as_ref().filter(|root| pattern.is(root));
        let own = pattern.is(&table.name).then_some(&table.name);
        let Some(name) = root.or(own) else { continue };
        *rows.entry(name.clone()).or_default() += table.digest.rows;
        size.tables += 1;
        size.rows += table.digest.rows;
        size.copy_bytes += bytes.get(&table.oid).copied().unwrap_or_default();
    }
    size
}

/// Tables that match and that the point does not hold as the database did.
fn left_out_of(catalog: &Catalog, pattern: &Pattern) -> BTreeSet<Name> {
    let left_out = &catalog.left_out;
    let without_rows = catalog.tables.iter();
    let without_rows = without_rows.filter(|table| left_out.rows.contains(&table.name));
    let names = without_rows.flat_map(|table| std::iter::once(&table.name).chain(&table.root));
    let gone = left_out.tables().map(|(_, name)| name);
    let names = names.cloned().chain(gone);
    names.filter(|name| pattern.is(name)).collect()
}

/// Refuses a pattern that no table of any point matches.
fn check_any(pattern: &Pattern, read: &BTreeMap<(String, String), Vec<Read>>) -> Result<()> {
    let points = || read.values().flatten();
    if points().any(|one| !one.rows.is_empty() || !one.left_out.is_empty()) {
        return Ok(());
    }
    let error = Error::not_found(format!(
        "--table {pattern}: no restore point that could be read holds such a table"
    ));
    let nearest = pattern.nearest(points().flat_map(|one| &one.others));
    Err(match nearest {
        Some(name) => error.hint(format!("did you mean {}?", typable(name))),
        None => {
            error.hint("`lifeboat list` shows the restore points, `lifeboat show ID` their tables")
        }
    })
}

/// Each point with what changed since the one before. `by_names`: of tables that were asked for.
fn chained(points: Vec<Read>, by_names: bool, shrink_percent: u32) -> Vec<Point> {
    let mut before: Option<Read> = None;
    let mut chained = Vec::with_capacity(points.len());
    for mut read in points {
        if let Some(before) = before {
            let (size, then) = (read.size, before.size);
            let point = &mut read.point;
            point.rows_change = Some(difference(then.rows, size.rows));
            point.bytes_change = Some(difference(then.copy_bytes, size.copy_bytes));
            // Of tables that were asked for, what is left out is known by name.
            let is_alike = match by_names {
                true => read.left_out == before.left_out,
                false => point.excluded == before.point.excluded,
            };
            if is_alike {
                point.jumps = size.shrunk(then, &before.point.id, shrink_percent);
            }
            chained.push(before.point);
        }
        before = Some(read);
    }
    chained.extend(before.map(|last| last.point));
    chained
}

/// Counts of a manifest may be of a thief's.
fn difference(before: u64, after: u64) -> i64 {
    let less = after < before;
    let change = i64::try_from(after.abs_diff(before)).unwrap_or(i64::MAX);
    if less { -change } else { change }
}

fn of_tables(points: &[Read]) -> Vec<TableHistory> {
    let names: BTreeSet<&Name> = points.iter().flat_map(|one| one.rows.keys()).collect();
    let history = |name: &Name| {
        let mut events = Vec::new();
        let mut before = None;
        let tells = |one: &Read| !one.left_out.contains(name);
        let first = points.iter().position(tells).unwrap_or_default();
        for (at, one) in points.iter().enumerate() {
            // What it does not tell neither went nor shrank.
            if one.left_out.contains(name) {
                continue;
            }
            let rows = one.rows.get(name).copied();
            let change = match (before, rows) {
                (None, Some(_)) if at == first => None,
                (None, Some(_)) => Some(Change::Came),
                (Some(_), None) => Some(Change::Went),
                (before, rows) if before == rows => continue,
                _ => Some(Change::Changed),
            };
            events.push(Event {
                id: one.point.id.clone(),
                snapshot_at: one.point.snapshot_at,
                change,
                rows_before: before,
                rows,
            });
            before = rows;
        }
        TableHistory {
            schema: name.schema.clone(),
            name: name.name.clone(),
            events,
        }
    };
    names.into_iter().map(history).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    fn read(number: u32, rows: &[(&str, u64)]) -> Read {
        let named = |(name, rows): &(&str, u64)| {
            let name = Name {
                schema: "s".to_owned(),
                name: (*name).to_owned(),
            };
            (name, *rows)
        };
        let rows: BTreeMap<Name, u64> = rows.iter().map(named).collect();
        let size = Size {
            tables: rows.len() as u64,
            rows: rows.values().sum(),
            copy_bytes: rows.values().sum::<u64>() * 10,
        };
        let at = Timestamp::UNIX_EPOCH;
        let point = Point {
            id: Id::new(at, number),
            snapshot_at: at,
            stored_at: at,
            tables: size.tables,
            rows: size.rows,
            copy_bytes: size.copy_bytes,
            stored_bytes: 1,
            rows_change: None,
            bytes_change: None,
            jumps: Vec::new(),
            excluded: Vec::new(),
        };
        Read {
            point,
            size,
            rows,
            left_out: BTreeSet::new(),
            others: BTreeSet::new(),
        }
    }

    #[test]
    fn each_point_says_what_changed_since_the_one_before_and_where_it_jumped() {
        let points = vec![
            read(1, &[("a", 100), ("b", 50)]),
            read(2, &[("a", 110), ("b", 50)]),
            read(3, &[("a", 79)]),
        ];
        let chained = chained(points, false, 50);
        let changes: Vec<_> = chained.iter().map(|one| one.rows_change).collect();
        assert_eq!(changes, [None, Some(10), Some(-81)]);
        assert_eq!(chained[2].bytes_change, Some(-810));
        assert!(chained[0].jumps.is_empty() && chained[1].jumps.is_empty());
        let [tables, rows] = chained[2].jumps.as_slice() else {
            panic!("{:?}", chained[2].jumps);
        };
        assert!(
            tables.starts_with("1 tables less than the 2 of "),
            "{tables}"
        );
        assert!(rows.starts_with("79 rows, "), "{rows}");
    }

    #[test]
    fn what_is_left_out_on_request_is_no_loss() {
        let points = || {
            let mut points = vec![
                read(1, &[("a", 100), ("log", 5000)]),
                read(2, &[("a", 100), ("log", 0)]),
                read(3, &[("a", 10)]),
                read(4, &[("a", 10), ("log", 6000)]),
            ];
            let log = points[0].rows.keys().nth(1).cloned();
            for at in [1, 2] {
                points[at].left_out.extend(log.clone());
                points[at].point.excluded = vec![NotCovered {
                    kind: "rows of tables".to_owned(),
                    count: 1,
                }];
            }
            points
        };
        for by_names in [false, true] {
            let jumps: Vec<usize> = chained(points(), by_names, 50)
                .iter()
                .map(|one| one.jumps.len())
                .collect();
            // The third lost rows that both are said to hold.
            assert_eq!(jumps, [0, 0, 2, 0]);
        }
        let tables = of_tables(&points());
        let told = tables[1].events.iter().map(|one| (one.change, one.rows));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(None, Some(5000)), (Some(Change::Changed), Some(6000))]
        );
    }

    #[test]
    fn a_table_tells_where_it_came_changed_and_went() {
        let points = [
            read(1, &[("a", 100)]),
            read(2, &[("a", 100), ("b", 5)]),
            read(3, &[("b", 0)]),
            read(4, &[("a", 7), ("b", 0)]),
        ];
        let tables = of_tables(&points);
        let told = |at: usize| -> Vec<_> {
            let events = tables[at].events.iter();
            events
                .map(|one| (one.change, one.rows_before, one.rows))
                .collect()
        };
        assert_eq!(
            told(0),
            [
                (None, None, Some(100)),
                (Some(Change::Went), Some(100), None),
                (Some(Change::Came), None, Some(7)),
            ]
        );
        assert_eq!(
            told(1),
            [
                (Some(Change::Came), None, Some(5)),
                (Some(Change::Changed), Some(5), Some(0)),
            ]
        );
    }

    #[test]
    fn partitions_are_told_under_the_name_that_matches() {
        let (mut catalog, mut rows) = (fixture::catalog(), BTreeMap::new());
        for table in &mut catalog.tables {
            table.digest.rows = u64::from(table.oid);
        }
        let names = |rows: &BTreeMap<Name, u64>| -> Vec<(String, u64)> {
            let names = rows.iter();
            names
                .map(|(name, rows)| (name.to_string(), *rows))
                .collect()
        };
        let manifest = fixture::manifest();
        let pattern = "a.*".parse().unwrap();
        let size = matching(&manifest, &catalog, &pattern, &mut rows);
        assert_eq!((size.tables, size.rows), (3, 6));
        let expected = [("a.parted".to_owned(), 5), ("a.t".to_owned(), 1)];
        assert_eq!(names(&rows), expected);
        rows.clear();
        matching(&manifest, &catalog, &"leaf".parse().unwrap(), &mut rows);
        assert_eq!(names(&rows), [("a.leaf".to_owned(), 3)]);
    }
}
