//! Keys, constraints and indexes: read the same way in the source and in the target.

use crate::error::Result;
use crate::model::catalog::{Constraint, ConstraintKind};
use crate::pg::session::{FromRow, RowReader, Session};

/// As pg_dump sees them: no index that a failed CREATE INDEX CONCURRENTLY left behind. An index over
/// partitions of which one is foreign is never valid after a restore. What a foreign table checks
/// binds no row of ours.
const CONSTRAINTS: &str = "
  WITH found(relid, name, kind, valid) AS (
    SELECT k.conrelid, k.conname, k.contype::text, coalesce(x.indisvalid, true)
      FROM pg_catalog.pg_constraint k
      LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
     WHERE k.contype IN ('p', 'u', 'x', 'c') OR k.contype = 'f' AND k.conparentid = 0
    UNION ALL
    SELECT x.indrelid, i.relname, CASE WHEN x.indisunique THEN 'U' ELSE 'I' END,
           x.indisvalid AND NOT (i.relkind = 'I' AND EXISTS (
             SELECT FROM pg_catalog.pg_partition_tree(x.indrelid) p
               JOIN pg_catalog.pg_class f ON f.oid = p.relid AND f.relkind = 'f'))
      FROM pg_catalog.pg_index x
      JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
     WHERE x.indisready AND (x.indisvalid OR i.relkind = 'I')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                        WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')))
  SELECT n.nspname::text, c.relname::text, f.name::text, f.kind, f.valid
    FROM found f
    JOIN pg_catalog.pg_class c ON c.oid = f.relid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')
     AND c.relpersistence <> 't' AND c.relkind <> 'f'
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND d.objid = c.oid AND d.deptype = 'e')
   ORDER BY 1, 2, 3";

/// All of the database, sorted by table and name.
pub(crate) async fn read_constraints(session: &Session) -> Result<Vec<Constraint>> {
    session
        .rows(CONSTRAINTS, "cannot list the constraints and indexes")
        .await
}

impl FromRow for Constraint {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        Ok(Self {
            on: row.read()?,
            name: row.read()?,
            kind: match row.read::<String>()?.as_str() {
                "p" => ConstraintKind::PrimaryKey,
                "u" => ConstraintKind::Unique,
                "f" => ConstraintKind::ForeignKey,
                "x" => ConstraintKind::Exclusion,
                "c" => ConstraintKind::Check,
                "U" => ConstraintKind::UniqueIndex,
                _ => ConstraintKind::Index,
            },
            valid: row.read()?,
        })
    }
}
