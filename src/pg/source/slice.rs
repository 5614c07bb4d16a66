//! Slices: ctid ranges of one table, the unit of reading. Sizes plan them, they never decide what
//! is read: the last slice of a table is open-ended.

use crate::model::catalog::{Name, Table};
use crate::pg::source::catalog::SourceTable;
use crate::quote::{quote_ident, quote_idents, quote_literal};

/// PostgreSQL's page size as nearly everyone compiles it. Another size makes slices uneven,
/// nothing else.
const PAGE_BYTES: u64 = 8192;

/// Table data, heap and TOAST, that makes a slice. Small enough that the workers end together,
/// large enough that a slice costs nothing.
const SLICE_BYTES: u64 = 64 * 1024 * 1024;

/// A slice has no fewer heap pages, however much TOAST they have.
const MIN_PAGES: u64 = 2;

/// A range of heap pages, and an estimate of what reading it moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    pub first_page: u64,
    /// `None`: to the end, wherever that is by then.
    pub end_page: Option<u64>,
    pub estimated_bytes: u64,
}

impl Slice {
    /// All of a table.
    pub(crate) const ALL: Self = Self {
        first_page: 0,
        end_page: None,
        estimated_bytes: 0,
    };

    fn condition(&self) -> Option<String> {
        match (self.first_page, self.end_page) {
            (0, None) => None,
            (first, None) => Some(format!("ctid >= '({first},0)'")),
            (0, Some(end)) => Some(format!("ctid < '({end},0)'")),
            (first, Some(end)) => Some(format!("ctid >= '({first},0)' AND ctid < '({end},0)'")),
        }
    }
}

/// Cuts a table. TID range scans are from 14 on, and for the heap access method only.
pub(crate) fn cut(source: &SourceTable, server_version_num: u32) -> Vec<Slice> {
    if source.without_rows {
        return Vec::new();
    }
    let bytes = source.table.table_bytes.max(source.heap_bytes);
    let pages = source.heap_bytes / PAGE_BYTES;
    let sliceable =
        server_version_num >= 140_000 && source.heap && source.table.condition.is_none();
    let slice_pages = match sliceable {
        true => pages_of_slice(pages, bytes),
        false => pages.max(1),
    };
    let count = pages.div_ceil(slice_pages).max(1);
    (0..count)
        .map(|at| Slice {
            first_page: slice_pages * at,
            end_page: (at + 1 < count).then_some(slice_pages * (at + 1)),
            estimated_bytes: bytes / count,
        })
        .collect()
}

/// A power of two: a table that grows keeps the ends of its slices, and so the chunks that end there.
fn pages_of_slice(pages: u64, bytes: u64) -> u64 {
    let bytes_of_page = (bytes / pages.max(1)).max(PAGE_BYTES);
    let fitting = SLICE_BYTES / bytes_of_page;
    // The nearest one: the few pages of its maps, which come and go, make no difference.
    1 << (fitting + fitting / 2).max(MIN_PAGES).ilog2()
}

/// The statement that reads a slice of a table, its bytes in `encoding`: the database's own, so that
/// nothing is converted: the stored columns, then the generated ones.
pub(crate) fn copy_out(table: &Table, slice: &Slice, encoding: &str) -> String {
    let generated = table.generated.iter().map(|column| &column.name);
    let columns = quote_idents(table.columns.iter().chain(generated));
    let name = table.name.quoted();
    // As the extension wrote it: begins with WHERE.
    let range = || slice.condition().map(|range| format!("WHERE {range}"));
    let what = match table.condition.clone().or_else(range) {
        Some(condition) => format!("(SELECT {columns} FROM ONLY {name} {condition})"),
        // A list of COPY's own takes no generated columns.
        None if columns.is_empty() || !table.generated.is_empty() => {
            format!("(SELECT {columns} FROM ONLY {name})")
        }
        // Nothing is planned then, and no executor stands in between: cheaper for the server. It
        // reads the table alone, without those that inherit from it.
        None => format!("{name} ({columns})"),
    };
    copy(&what, encoding)
}

/// The statement that counts the rows that [`copy_out`] reads.
pub(crate) fn count(table: &Table, slice: &Slice) -> String {
    let range = || slice.condition().map(|range| format!("WHERE {range}"));
    let condition = table.condition.clone().or_else(range).unwrap_or_default();
    format!(
        "SELECT pg_catalog.count(*) FROM ONLY {} {condition}",
        table.name.quoted()
    )
}

/// All rows of a table without generated columns as [`copy_out`] reads them, and behind each the numbers
/// of the objects that these columns name.
pub(crate) fn copy_out_with_numbers(table: &Table, of: &[&String], encoding: &str) -> String {
    let numbers = of
        .iter()
        .map(|column| format!(", {}::pg_catalog.oid", quote_ident(column)));
    let condition = table.condition.as_deref().unwrap_or_default();
    let what = format!(
        "(SELECT {}{} FROM ONLY {} {condition})",
        quote_idents(&table.columns),
        numbers.collect::<String>(),
        table.name.quoted()
    );
    copy(&what, encoding)
}

/// All rows of a materialized view, its columns in their order.
pub(crate) fn copy_view(view: &Name, encoding: &str) -> String {
    copy(&format!("(SELECT * FROM {})", view.quoted()), encoding)
}

fn copy(what: &str, encoding: &str) -> String {
    let encoding = quote_literal(encoding);
    format!("COPY {what} TO STDOUT WITH (ENCODING {encoding})")
}

/// Every page of every large object, 1 MiB each, read by lo_get: it works in a read-only
/// transaction, under the snapshot, without access to pg_largeobject. An empty object has one
/// empty page.
pub(crate) fn large_object_pages(encoding: &str) -> String {
    copy(&format!("({LARGE_OBJECT_PAGES})"), encoding)
}

const LARGE_OBJECT_PAGES: &str = "
  SELECT m.oid, p.page, p.data FROM pg_catalog.pg_largeobject_metadata m
   CROSS JOIN LATERAL (
     WITH RECURSIVE page(page, data) AS (
       SELECT 0, pg_catalog.lo_get(m.oid, 0, 1048576)
       UNION ALL
       SELECT page + 1, pg_catalog.lo_get(m.oid, (page + 1)::bigint * 1048576, 1048576)
         FROM page WHERE pg_catalog.length(data) = 1048576)
     SELECT page, data FROM page WHERE page = 0 OR pg_catalog.length(data) > 0) p";

/// Owner, ACL and comment of every large object.
pub(crate) fn large_object_properties(encoding: &str) -> String {
    copy(&format!("({LARGE_OBJECT_PROPERTIES})"), encoding)
}

// As the snapshot shows the roles: pg_get_userbyid would print a number for one that was dropped since.

const LARGE_OBJECT_PROPERTIES: &str = "
  SELECT m.oid, (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = m.lomowner),
         CASE WHEN m.lomacl IS NOT NULL THEN coalesce((
           SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                    'grantor', (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = a.grantor),
                    'grantee', (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = a.grantee),
                    'privilege', a.privilege_type, 'grantable', a.is_grantable)
                    ORDER BY a.grantor, a.grantee, a.privilege_type)
             FROM pg_catalog.aclexplode(m.lomacl) a), '[]') END,
         pg_catalog.obj_description(m.oid, 'pg_largeobject')
    FROM pg_catalog.pg_largeobject_metadata m";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::{GeneratedColumn, Name};
    use crate::model::digest::RowDigest;

    fn source(heap_bytes: u64, table_bytes: u64) -> SourceTable {
        SourceTable {
            table: Table {
                oid: 1,
                name: Name {
                    schema: "s".into(),
                    name: "t\"".into(),
                },
                columns: vec!["a".into()],
                condition: None,
                root: None,
                through_root: false,
                extension: None,
                table_bytes,
                has_reg_columns: false,
                digest: RowDigest::default(),
                generated: Vec::new(),
            },
            partitioned: false,
            unlogged: false,
            heap: true,
            heap_bytes,
            without_rows: false,
        }
    }

    #[test]
    fn slices_join_without_gap_and_end_open() {
        for (heap, table) in [
            (0, 0),
            (8192, 900 << 30),
            (3 << 30, 900 << 30),
            (200 << 20, 201 << 20),
            (16384, 100 << 30),
        ] {
            let slices = cut(&source(heap, table), 150_000);
            assert_eq!(slices[0].first_page, 0);
            for pair in slices.windows(2) {
                assert_eq!(pair[0].end_page, Some(pair[1].first_page));
                assert!(pair[0].first_page < pair[1].first_page);
            }
            assert_eq!(slices.last().unwrap().end_page, None);
        }
        assert_eq!(
            cut(&source(3 << 30, 3 << 30), 130_000).len(),
            1,
            "no TID range scan in 13"
        );
    }

    #[test]
    fn of_a_table_without_rows_nothing_is_read() {
        let mut source = source(3 << 30, 3 << 30);
        source.leave_rows_out();
        assert_eq!(cut(&source, 150_000), []);
        assert_eq!(source.table.table_bytes, 0);
    }

    #[test]
    fn a_table_that_grows_keeps_the_ends_of_its_slices() {
        let ends = |mib: u64| -> Vec<_> {
            let slices = cut(&source(mib << 20, mib << 20), 150_000);
            slices.iter().filter_map(|slice| slice.end_page).collect()
        };
        assert_eq!(ends(200), [8192, 16384, 24576]);
        for mib in 200..700 {
            assert_eq!(ends(mib), ends(mib + 1)[..ends(mib).len()]);
        }
        let with_maps = cut(&source(200 << 20, (200 << 20) + 12 * 8192), 150_000);
        assert_eq!(with_maps[0].end_page, Some(8192));
    }

    #[test]
    fn toast_weighs() {
        assert!(cut(&source(3 << 30, 900 << 30), 150_000).len() > 10_000);
    }

    #[test]
    fn generated_columns_are_read_after_the_stored_ones() {
        let mut source = source(0, 0);
        source.table.generated = vec![GeneratedColumn {
            name: "g".into(),
            digest: RowDigest::default(),
        }];
        let slice = &cut(&source, 150_000)[0];
        assert_eq!(
            copy_out(&source.table, slice, "UTF8"),
            "COPY (SELECT \"a\", \"g\" FROM ONLY \"s\".\"t\"\"\") TO STDOUT WITH (ENCODING 'UTF8')"
        );
        source.table.columns.clear();
        assert_eq!(
            copy_out(&source.table, slice, "UTF8"),
            "COPY (SELECT \"g\" FROM ONLY \"s\".\"t\"\"\") TO STDOUT WITH (ENCODING 'UTF8')"
        );
    }

    #[test]
    fn statements_quote_names_and_keep_the_extension_condition() {
        let mut source = source(1 << 30, 1 << 30);
        let slices = cut(&source, 150_000);
        assert_eq!(
            copy_out(&source.table, &slices[0], "LATIN1"),
            format!(
                "COPY (SELECT \"a\" FROM ONLY \"s\".\"t\"\"\" WHERE ctid < '({},0)') TO STDOUT \
                 WITH (ENCODING 'LATIN1')",
                slices[0].end_page.unwrap()
            )
        );
        assert_eq!(
            copy_out(&source.table, &cut(&source, 130_000)[0], "UTF8"),
            "COPY \"s\".\"t\"\"\" (\"a\") TO STDOUT WITH (ENCODING 'UTF8')"
        );
        source.table.columns.clear();
        assert_eq!(
            copy_out(&source.table, &cut(&source, 130_000)[0], "UTF8"),
            "COPY (SELECT  FROM ONLY \"s\".\"t\"\"\") TO STDOUT WITH (ENCODING 'UTF8')"
        );
        source.table.condition = Some("WHERE srid > 5".into());
        assert_eq!(
            copy_out(&source.table, &cut(&source, 150_000)[0], "UTF8"),
            "COPY (SELECT  FROM ONLY \"s\".\"t\"\"\" WHERE srid > 5) TO STDOUT WITH (ENCODING 'UTF8')"
        );
    }
}
