//! Tables: which to lock, what their rows consist of, how their partitions load again.

use std::collections::BTreeSet;

use crate::error::{Error, Kind, Result};
use crate::humanize::first_names;
use crate::model::catalog::{GeneratedColumn, Name, Table};
use crate::model::digest::RowDigest;
use crate::pg::session::{FromRow, RowReader, Session, from_row};

/// The schema with the state of an unfinished restore: it is not exported.
pub(crate) const RESUME_STATE_SCHEMA: &str = "lifeboat_restore";

/// User tables as pg_dump sees them: ordinary and partitioned ones, no temporary ones, of an
/// extension only its configuration tables.
const USER_TABLES: &str = "
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
       AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence IN ('p', 'u')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'lifeboat_restore')
   AND (e.oid IS NULL OR c.oid = ANY (e.extconfig))";

/// A table to lock before the snapshot is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockTarget {
    pub oid: u32,
    pub name: Name,
}

from_row!(LockTarget: oid, name);

/// Of `c`: it is not among these relations.
pub(super) fn not_among(left_out: &BTreeSet<u32>) -> String {
    let oids: Vec<String> = left_out.iter().map(u32::to_string).collect();
    format!(
        " AND c.oid <> ALL (ARRAY[{}]::pg_catalog.oid[])",
        oids.join(", ")
    )
}

/// Lists the tables to lock, in a session of its own. `Denied` names those that we may not read.
pub(crate) async fn lock_targets(
    session: &Session,
    left_out: &BTreeSet<u32>,
) -> Result<Vec<LockTarget>> {
    let sql = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text,
                pg_catalog.has_table_privilege(c.oid, 'SELECT')
                  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
                c.relrowsecurity AND pg_catalog.row_security_active(c.oid)
           {USER_TABLES} {} ORDER BY c.oid",
        not_among(left_out)
    );
    let rows: Vec<(LockTarget, Option<bool>, Option<bool>)> =
        session.rows(&sql, "cannot list the tables").await?;
    let mut targets = Vec::with_capacity(rows.len());
    let (mut denied, mut hidden) = (Vec::new(), Vec::new());
    for (target, readable, row_security) in rows {
        match readable {
            Some(true) if row_security == Some(true) => hidden.push(target.name.to_string()),
            Some(true) => targets.push(target),
            Some(false) => denied.push(target.name.to_string()),
            // NULL: dropped since pg_class was read.
            None => {}
        }
    }
    let (what, hint) = if !denied.is_empty() {
        (
            format!("{} may not be read by this user", list(&denied)),
            "GRANT pg_read_all_data TO the exporting user (14 and later), or SELECT on each table",
        )
    } else if !hidden.is_empty() {
        (
            format!(
                "{} would not be read whole: row-level security may hide rows from this user",
                list(&hidden)
            ),
            "export as the owner without FORCE, or ALTER ROLE … BYPASSRLS",
        )
    } else {
        return Ok(targets);
    };
    Err(Error::new(Kind::Denied, what).hint(hint))
}

/// How many sequences, views and materialized views there are: their values are read, and pg_dump prints
/// their queries, which locks each until the end.
pub(crate) async fn count_sequences_and_views(session: &Session) -> Result<u64> {
    let sql = "
      SELECT count(*) FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('S', 'v', 'm') AND c.relpersistence IN ('p', 'u')
         AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'lifeboat_restore')";
    let what = "cannot count sequences and views";
    Ok(session.row::<i64>(sql, what).await?.unsigned_abs())
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { " tables" } else { "" };
    first_names(names, SHOWN) + more
}

/// A table as the snapshot shows it, with what planning its slices needs.
#[derive(Debug, Clone)]
pub(crate) struct SourceTable {
    pub table: Table,
    /// A partitioned table has no rows of its own.
    pub partitioned: bool,
    pub unlogged: bool,
    /// Only the heap access method has ctid ranges.
    pub heap: bool,
    /// Size of the heap alone; `table.table_bytes` has TOAST with it.
    pub heap_bytes: u64,
    /// Its rows are left out on request.
    pub without_rows: bool,
}

impl SourceTable {
    pub(crate) fn leave_rows_out(&mut self) {
        self.without_rows = true;
        self.table.table_bytes = 0;
        self.heap_bytes = 0;
    }
}

/// All tables of the snapshot, sorted by schema and name.
pub(crate) async fn read_tables(
    session: &Session,
    left_out: &BTreeSet<u32>,
) -> Result<Vec<SourceTable>> {
    let sql = format!(
        "SELECT c.relkind = 'p', c.relpersistence = 'u',
                coalesce(am.amname = 'heap', false),
                coalesce(pg_catalog.pg_relation_size(c.oid), 0),
                c.oid, n.nspname::text, c.relname::text,
                -- Of each the main fork alone: the others are looked for in as many files again.
                coalesce(pg_catalog.pg_relation_size(c.oid)
                  + coalesce(pg_catalog.pg_relation_size(NULLIF(c.reltoastrelid, 0)), 0), 0),
                {}, {},
                e.extname::text,
                NULLIF(e.extcondition[pg_catalog.array_position(e.extconfig, c.oid)], ''),
                {THROUGH_ROOT},
                EXISTS (SELECT FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                           AND a.atttypid = ANY ({REG_TYPES})),
                rn.nspname::text, r.relname::text
           {} {}
          ORDER BY n.nspname, c.relname",
        columns("''"),
        columns("'s'"),
        USER_TABLES.replacen(
            " WHERE ",
            " LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
              LEFT JOIN pg_catalog.pg_class r ON c.relispartition
                   AND r.oid = pg_catalog.pg_partition_root(c.oid)
              LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
             WHERE ",
            1
        ),
        not_among(left_out)
    );
    session
        .rows(&sql, "cannot read the tables' definitions")
        .await
}

/// Names of a table's columns: `''` those that are not generated, `'s'` stored generated ones.
fn columns(generated: &str) -> String {
    format!(
        "ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND a.attgenerated = {generated} ORDER BY a.attnum)"
    )
}

/// A hash partition's bounds depend on the hash of the key. Hashes of enums, and of types that may
/// hold one (arrays, records, ranges), depend on OIDs, which differ in another database; those of
/// user-defined types may.
pub(in crate::pg::source) const THROUGH_ROOT: &str = "
  c.relispartition AND EXISTS (
    SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a(relid)
      JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = a.relid AND p.partstrat = 'h'
      JOIN pg_catalog.pg_opclass o ON o.oid = ANY (p.partclass::pg_catalog.oid[])
     WHERE o.opcintype >= 16384 OR o.opcintype IN (2277, 2249, 3500, 3831, 4537))";

/// Types whose text names another object.
const REG_TYPES: &str = "ARRAY[
  'pg_catalog.regclass', 'pg_catalog.regproc', 'pg_catalog.regprocedure', 'pg_catalog.regoper',
  'pg_catalog.regoperator', 'pg_catalog.regtype', 'pg_catalog.regrole', 'pg_catalog.regnamespace',
  'pg_catalog.regconfig', 'pg_catalog.regdictionary', 'pg_catalog.regcollation',
  'pg_catalog.regclass[]', 'pg_catalog.regproc[]', 'pg_catalog.regprocedure[]',
  'pg_catalog.regoper[]', 'pg_catalog.regoperator[]', 'pg_catalog.regtype[]',
  'pg_catalog.regrole[]', 'pg_catalog.regnamespace[]', 'pg_catalog.regconfig[]',
  'pg_catalog.regdictionary[]', 'pg_catalog.regcollation[]']::pg_catalog.regtype[]";

impl FromRow for SourceTable {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        Ok(Self {
            partitioned: row.read()?,
            unlogged: row.read()?,
            heap: row.read()?,
            heap_bytes: row.read()?,
            without_rows: false,
            table: Table {
                oid: row.read()?,
                name: row.read()?,
                table_bytes: row.read()?,
                columns: row.read()?,
                generated: generated(row.read()?),
                extension: row.read()?,
                condition: row.read()?,
                through_root: row.read()?,
                has_reg_columns: row.read()?,
                root: match row.read::<(Option<String>, Option<String>)>()? {
                    (Some(schema), Some(name)) => Some(Name { schema, name }),
                    _ => None,
                },
                digest: RowDigest::default(),
            },
        })
    }
}

fn generated(names: Vec<String>) -> Vec<GeneratedColumn> {
    let not_read = RowDigest::default();
    let names = names.into_iter();
    let column = |name| GeneratedColumn {
        name,
        digest: not_read,
    };
    names.map(column).collect()
}

/// Tables whose file is not the one that the snapshot shows: truncated or rewritten since, so that
/// the snapshot would read them as empty. Dropped ones count.
pub(crate) async fn find_rewritten(
    session: &Session,
    left_out: &BTreeSet<u32>,
) -> Result<Vec<Name>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text {USER_TABLES} AND c.relkind = 'r' {}
            AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)",
        not_among(left_out)
    );
    session.rows(&sql, "cannot compare the tables' files").await
}
