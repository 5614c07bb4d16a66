//! Columns in full, each by its parts: whoever makes a table of them again needs no SQL of anybody.

use super::kind::{OWN_SCHEMA, not_of_extension};
use crate::error::Result;
use crate::model::catalog::Name;
use crate::model::definitions::{Column, Columns};
use crate::pg::session::{Session, from_row};

/// Of tables, foreign tables and views, in the order of the columns.
pub(crate) async fn read_columns(session: &Session) -> Result<Vec<Columns>> {
    let own = not_of_extension("pg_class", "c.oid");
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, a.attname::text,
                pg_catalog.format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attcollation <> t.typcollation
                     THEN a.attcollation::pg_catalog.regcollation::text END,
                a.attnotnull, nullif(a.attidentity, '')::text, nullif(a.attgenerated, '')::text,
                pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                CASE WHEN d.oid IS NULL THEN '{{}}' ELSE ARRAY(
                  SELECT i.type || ' ' || i.identity FROM pg_catalog.pg_depend u,
                         pg_catalog.pg_identify_object(u.refclassid, u.refobjid, u.refobjsubid) i
                   WHERE u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND u.objid = d.oid
                     AND u.deptype = 'n' AND u.refobjid <> c.oid AND i.identity IS NOT NULL
                   ORDER BY 1) END
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
           LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't'
            AND a.attnum > 0 AND NOT a.attisdropped AND {OWN_SCHEMA} AND {own}
          ORDER BY n.nspname, c.relname, a.attnum"
    );
    let rows: Vec<(Name, Column)> = session.rows(&sql, "cannot read the columns").await?;
    let mut all: Vec<Columns> = Vec::new();
    for (of, column) in rows {
        match all.last_mut() {
            Some(last) if last.of == of => last.columns.push(column),
            _ => all.push(Columns {
                of,
                columns: vec![column],
            }),
        }
    }
    Ok(all)
}

from_row!(Column: name, data_type, collation, not_null, identity, generated, default, default_needs);
