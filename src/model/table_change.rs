//! The tables of a database at two moments, and what became of each: pure functions.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::catalog::{Catalog, GeneratedColumn};
use super::digest::RowDigest;
use super::manifest::{Manifest, TableParts};
use super::name::Name;
use crate::escape;
use crate::humanize::{count, counted, first_names};

/// Of names in a sentence.
const NAMES: usize = 5;
/// Of what is not compared, in a sentence.
const LINES: usize = 2;

/// What is known of one table at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableFacts {
    pub oid: u32,
    /// `None`: it is sealed.
    pub name: Option<Name>,
    /// Those of its rows.
    pub columns: Vec<String>,
    pub rows: u64,
    /// As COPY text; `None`: they were not stored.
    pub copy_bytes: Option<u64>,
    /// `None`: it is sealed, or would say nothing.
    pub digest: Option<RowDigest>,
    pub generated: Vec<GeneratedColumn>,
}

/// The tables of a restore point; without its catalog by OIDs alone.
pub(crate) fn of_point(manifest: &Manifest, catalog: Option<&Catalog>) -> Vec<TableFacts> {
    let Some(catalog) = catalog else {
        let sealed = |parts: &TableParts| TableFacts {
            oid: parts.oid,
            name: None,
            columns: Vec::new(),
            rows: parts.rows,
            copy_bytes: Some(parts.copy_bytes),
            digest: None,
            generated: Vec::new(),
        };
        return manifest.user_tables().map(sealed).collect();
    };
    let parts = manifest.tables.iter();
    let bytes: BTreeMap<u32, u64> = parts.map(|parts| (parts.oid, parts.copy_bytes)).collect();
    of_catalog(catalog, |oid| {
        Some(bytes.get(&oid).copied().unwrap_or_default())
    })
}

/// The tables of a catalog; `copy_bytes`: what rows take as COPY text, by a table's OID.
pub(crate) fn of_catalog(
    catalog: &Catalog,
    copy_bytes: impl Fn(u32) -> Option<u64>,
) -> Vec<TableFacts> {
    let tables = catalog.tables.iter().map(|table| TableFacts {
        oid: table.oid,
        name: Some(table.name.clone()),
        columns: table.columns.clone(),
        rows: table.digest.rows,
        copy_bytes: copy_bytes(table.oid),
        digest: Some(table.digest),
        generated: table.generated.clone(),
    });
    tables.collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Came,
    Went,
    Changed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Came => "came",
            Self::Went => "went",
            Self::Changed => "changed",
        })
    }
}

/// A table that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableChange {
    pub change: Change,
    /// `None`, like `name`: it is sealed.
    pub schema: Option<String>,
    pub name: Option<String>,
    /// What it was called before; `None`: it has its name still, or it is not known to be the same table.
    pub renamed_from: Option<Name>,
    /// In B, else in A.
    pub oid: u32,
    pub rows_before: Option<u64>,
    pub rows_after: Option<u64>,
    /// Rows as COPY text.
    pub bytes_before: Option<u64>,
    pub bytes_after: Option<u64>,
    /// By their digests; `None`: not to be told, as the digests are sealed or of other columns.
    pub same_rows: Option<bool>,
    /// Whether its rows have other columns, or in another order.
    pub columns_changed: bool,
    /// Stored generated columns with other values, where the rows are the same.
    pub generated_changed: Vec<String>,
}

impl TableChange {
    /// For people: its name, else its OID.
    pub(crate) fn what(&self) -> String {
        match (&self.schema, &self.name) {
            (Some(schema), Some(name)) => {
                format!("{}.{}", escape::name(schema), escape::name(name))
            }
            _ => format!("OID {}", self.oid),
        }
    }
}

/// What came, went or changed from `before` to `after`, sorted by name or OID, and how many tables are
/// the same. `one_server`: an OID that both have is one table's. `None`: neither names nor OIDs tell which table
/// is which.
pub(crate) fn compare(
    before: &[TableFacts],
    after: &[TableFacts],
    one_server: bool,
) -> Option<(Vec<TableChange>, u64)> {
    let by_names = before.iter().chain(after).all(|table| table.name.is_some());
    if !by_names && !one_server {
        return None;
    }
    let mut pairs = Pairs::new(before, after, by_names);
    if by_names && one_server {
        pairs.join_renamed();
    }
    let mut same = 0;
    let mut changes = Vec::new();
    for pair in pairs.0.into_values() {
        let change = match pair {
            (Some(before), Some(after)) => changed(before, after),
            (Some(gone), None) => Some(one_sided(Change::Went, gone)),
            (None, Some(new)) => Some(one_sided(Change::Came, new)),
            (None, None) => continue,
        };
        same += u64::from(change.is_none());
        changes.extend(change);
    }
    Some((changes, same))
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Oid(u32),
    Name(&'a Name),
}

/// Each table's facts at both moments.
struct Pairs<'a>(BTreeMap<Key<'a>, (Option<&'a TableFacts>, Option<&'a TableFacts>)>);

impl<'a> Pairs<'a> {
    fn new(before: &'a [TableFacts], after: &'a [TableFacts], by_names: bool) -> Self {
        let key = |table: &'a TableFacts| match &table.name {
            Some(name) if by_names => Key::Name(name),
            _ => Key::Oid(table.oid),
        };
        let mut pairs: BTreeMap<Key<'_>, (Option<_>, Option<_>)> = BTreeMap::new();
        for table in before {
            pairs.entry(key(table)).or_default().0 = Some(table);
        }
        for table in after {
            pairs.entry(key(table)).or_default().1 = Some(table);
        }
        Self(pairs)
    }

    /// One that went and one that came with the same OID are one table.
    fn join_renamed(&mut self) {
        let went = self.0.iter().filter_map(|(key, pair)| match pair {
            (Some(old), None) => Some((old.oid, (key.clone(), *old))),
            _ => None,
        });
        let went: BTreeMap<u32, (Key<'a>, &'a TableFacts)> = went.collect();
        let mut joined = Vec::new();
        for pair in self.0.values_mut() {
            if let (before @ None, Some(new)) = pair
                && let Some((key, old)) = went.get(&new.oid)
            {
                *before = Some(old);
                joined.push(key.clone());
            }
        }
        for key in joined {
            self.0.remove(&key);
        }
    }
}

fn one_sided(change: Change, table: &TableFacts) -> TableChange {
    let (before, after) = match change {
        Change::Came => (None, Some(table)),
        _ => (Some(table), None),
    };
    let rows = |table: Option<&TableFacts>| table.map(|table| table.rows);
    let bytes = |table: Option<&TableFacts>| table.and_then(|table| table.copy_bytes);
    TableChange {
        change,
        schema: table.name.as_ref().map(|name| name.schema.clone()),
        name: table.name.as_ref().map(|name| name.name.clone()),
        renamed_from: None,
        oid: table.oid,
        rows_before: rows(before),
        rows_after: rows(after),
        bytes_before: bytes(before),
        bytes_after: bytes(after),
        same_rows: None,
        columns_changed: false,
        generated_changed: Vec::new(),
    }
}

/// `None`: it is the same, as far as can be told.
fn changed(before: &TableFacts, after: &TableFacts) -> Option<TableChange> {
    // Where a name is sealed, columns are.
    let are_known = before.name.is_some() && after.name.is_some();
    let columns_changed = are_known && before.columns != after.columns;
    let same_rows = match (before.digest, after.digest) {
        // Without a row, columns make no difference.
        (Some(before), Some(after)) if !columns_changed || before.rows != after.rows => {
            Some(before == after)
        }
        _ if before.rows != after.rows => Some(false),
        _ => None,
    };
    let generated_changed = match same_rows {
        Some(true) => other_values(before, after),
        _ => Vec::new(),
    };
    let bytes_differ = match (before.copy_bytes, after.copy_bytes) {
        (Some(before), Some(after)) => before != after,
        _ => false,
    };
    let renamed_from = before.name.clone().filter(|_| before.name != after.name);
    let is_same = same_rows != Some(false)
        && !bytes_differ
        && !columns_changed
        && renamed_from.is_none()
        && generated_changed.is_empty();
    let change = TableChange {
        renamed_from,
        rows_before: Some(before.rows),
        bytes_before: before.copy_bytes,
        same_rows,
        columns_changed,
        generated_changed,
        ..one_sided(Change::Came, after)
    };
    (!is_same).then_some(TableChange {
        change: Change::Changed,
        ..change
    })
}

/// Generated columns that both have, with other digests.
fn other_values(before: &TableFacts, after: &TableFacts) -> Vec<String> {
    let differs = |column: &&GeneratedColumn| {
        let other = after.generated.iter().find(|one| one.name == column.name);
        other.is_some_and(|other| other.digest != column.digest)
    };
    let columns = before.generated.iter().filter(differs);
    columns.map(|column| column.name.clone()).collect()
}

/// One line of what became of a database's tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Tables that went; `None` where names are sealed.
    pub gone: Option<Vec<Name>>,
    /// `None`, like the two that follow: neither names nor OIDs tell which table is which.
    pub tables_gone: Option<u64>,
    pub tables_new: Option<u64>,
    /// Tables that both have whose rows are not the same, or have other columns; without digests: are not as many
    /// or take other bytes.
    pub tables_changed: Option<u64>,
    /// Of all tables that are compared.
    pub tables_before: u64,
    pub tables_after: u64,
    pub rows_before: u64,
    pub rows_after: u64,
    /// What says nothing, and why.
    pub not_compared: Vec<String>,
}

impl Summary {
    /// `not_compared`: what is in neither list, and why.
    pub(crate) fn new(
        before: &[TableFacts],
        after: &[TableFacts],
        one_server: bool,
        not_compared: Vec<String>,
    ) -> Self {
        let found = compare(before, after, one_server);
        let is_told = found.is_some();
        let (changes, _) = found.unwrap_or_default();
        let of = |change: Change| changes.iter().filter(move |one| one.change == change);
        let told = |count: usize| is_told.then_some(count as u64);
        let names = of(Change::Went).map(|one| {
            Some(Name {
                schema: one.schema.clone()?,
                name: one.name.clone()?,
            })
        });
        let rows = |tables: &[TableFacts]| tables.iter().map(|table| table.rows).sum();
        let other_rows = |one: &&TableChange| one.same_rows != Some(true);
        Self {
            gone: names.collect::<Option<_>>().filter(|_| is_told),
            tables_gone: told(of(Change::Went).count()),
            tables_new: told(of(Change::Came).count()),
            tables_changed: told(of(Change::Changed).filter(other_rows).count()),
            tables_before: before.len() as u64,
            tables_after: after.len() as u64,
            rows_before: rows(before),
            rows_after: rows(after),
            not_compared,
        }
    }

    fn tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(gone), Some(new), Some(changed)) =
            (self.tables_gone, self.tables_new, self.tables_changed)
        else {
            let before = counted(self.tables_before, "table", "tables");
            let after = count(self.tables_after);
            return write!(f, "{before}, now {after}, and nothing tells which is which");
        };
        let went = counted(gone, "table", "tables");
        match (gone, &self.gone) {
            (0, _) => write!(f, "no table gone")?,
            (_, Some(names)) => {
                let names: Vec<String> = names.iter().map(Name::to_string).collect();
                write!(f, "{went} GONE ({})", first_names(&names, NAMES))?;
            }
            (_, None) => write!(f, "{went} GONE")?,
        }
        let (new, changed) = (count(new), count(changed));
        write!(f, ", {new} new, {changed} with other rows")
    }
}

impl fmt::Display for Summary {
    /// `1,000 rows, now 990; 1 table gone (public.x), 2 new; 3 with other rows`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = counted(self.rows_before, "row", "rows");
        write!(f, "{rows}, now {}; ", count(self.rows_after))?;
        self.tables(f)?;
        match self.not_compared.as_slice() {
            [] => Ok(()),
            lines => write!(f, "; not compared: {}", first_names(lines, LINES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32, name: &str, digest: u128) -> TableFacts {
        TableFacts {
            oid,
            name: Some(Name {
                schema: "s".to_owned(),
                name: name.to_owned(),
            }),
            columns: vec!["a".to_owned()],
            rows: 10,
            copy_bytes: Some(100),
            digest: Some(RowDigest {
                rows: 10,
                sum: digest,
            }),
            generated: Vec::new(),
        }
    }

    fn sealed(table: TableFacts) -> TableFacts {
        TableFacts {
            name: None,
            digest: None,
            columns: Vec::new(),
            ..table
        }
    }

    #[test]
    fn tables_are_matched_by_name_and_compared_by_digest() {
        let before = [table(1, "a", 7), table(2, "b", 7), table(3, "c", 7)];
        let after = [table(9, "a", 7), table(2, "b", 8), table(4, "d", 7)];
        let (changes, same) = compare(&before, &after, false).unwrap();
        let found: Vec<_> = changes
            .iter()
            .map(|one| (one.what(), one.change, one.same_rows))
            .collect();
        let expected = [
            ("s.b".to_owned(), Change::Changed, Some(false)),
            ("s.c".to_owned(), Change::Went, None),
            ("s.d".to_owned(), Change::Came, None),
        ];
        assert_eq!((found.as_slice(), same), (&expected[..], 1));
        let summary = Summary::new(&before, &after, false, Vec::new()).to_string();
        assert_eq!(
            summary,
            "30 rows, now 30; 1 table GONE (s.c), 1 new, 1 with other rows"
        );
    }

    #[test]
    fn a_renamed_table_is_one_table_where_oids_mean_one_server() {
        let (before, after) = ([table(1, "a", 7)], [table(1, "z", 7)]);
        let (changes, _) = compare(&before, &after, true).unwrap();
        let [renamed] = changes.as_slice() else {
            panic!("{changes:?}");
        };
        assert_eq!(
            (renamed.change, renamed.same_rows),
            (Change::Changed, Some(true))
        );
        assert_eq!(renamed.renamed_from, before[0].name);
        assert_eq!(compare(&before, &after, false).unwrap().0.len(), 2);
    }

    #[test]
    fn other_columns_make_digests_say_nothing() {
        let mut after = table(1, "a", 8);
        after.columns.push("b".to_owned());
        let (changes, _) = compare(&[table(1, "a", 7)], &[after.clone()], false).unwrap();
        assert_eq!(
            (changes[0].same_rows, changes[0].columns_changed),
            (None, true)
        );
        after.rows = 9;
        after.digest = Some(RowDigest { rows: 9, sum: 8 });
        let (changes, _) = compare(&[table(1, "a", 7)], &[after], false).unwrap();
        assert_eq!(changes[0].same_rows, Some(false));
    }

    #[test]
    fn without_names_oids_rows_and_bytes_are_compared() {
        let before = [sealed(table(1, "a", 7)), sealed(table(2, "b", 7))];
        let mut after = [table(1, "z", 8), table(3, "c", 7)];
        let (changes, same) = compare(&before, &after, true).unwrap();
        let found: Vec<_> = changes.iter().map(|one| (one.oid, one.change)).collect();
        assert_eq!(
            (found.as_slice(), same),
            (&[(2, Change::Went), (3, Change::Came)][..], 1)
        );
        after[0].rows = 9;
        let (changes, _) = compare(&before, &after, true).unwrap();
        assert_eq!(changes[0].same_rows, Some(false));
        let summary = Summary::new(&before, &after, true, Vec::new());
        assert_eq!(summary.gone, None);
        assert_eq!(
            summary.to_string(),
            "20 rows, now 19; 1 table GONE, 1 new, 1 with other rows"
        );
    }

    #[test]
    fn without_names_and_of_two_servers_only_totals_are_told() {
        let before = [sealed(table(1, "a", 7)), sealed(table(2, "b", 7))];
        let after = [sealed(table(1, "b", 7))];
        assert_eq!(compare(&before, &after, false), None);
        let summary = Summary::new(&before, &after, false, vec!["x: y".to_owned()]);
        assert_eq!((summary.tables_gone, &summary.gone), (None, &None));
        assert_eq!(
            summary.to_string(),
            "20 rows, now 10; 2 tables, now 1, and nothing tells which is which; not compared: x: y"
        );
    }
}
