//! What cannot be made without something that is left out, by PostgreSQL's own notes of what needs what.

use std::collections::BTreeSet;

use super::matching::WHAT;
use crate::error::{Error, Result};
use crate::humanize::first_names;
use crate::model::catalog::{LeftOutObject, Name};
use crate::pg::definitions::{FUNCTION_NAME, IDENTITY};
use crate::pg::session::{FromRow, RowReader, Session, from_row};

/// Names of one kind that an error shows.
const SHOWN: usize = 5;

/// An object that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    pub object: LeftOutObject,
    /// Of a relation: pg_class.relkind.
    pub relkind: Option<String>,
    /// It goes with something of which it is a part, such as an index with its table.
    pub is_part: bool,
}

impl FromRow for Gone {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        Ok(Self {
            object: row.read()?,
            relkind: row.read()?,
            is_part: row.read()?,
        })
    }
}

from_row!(LeftOutObject: class, oid, kind, name, class_name, identity);

impl Gone {
    /// The name of a table, a view or a sequence.
    pub(super) fn relation(&self) -> Option<Name> {
        match (self.relkind.as_deref()?, self.object.name.as_slice()) {
            ("r" | "p" | "v" | "m" | "f" | "S", [schema, name]) => Some(Name {
                schema: schema.clone(),
                name: name.clone(),
            }),
            _ => None,
        }
    }
}

/// `start` selects classes and OIDs. An owned sequence outlives its table, as in pg_dump; so does what an
/// extension brings.
fn closure(start: &str) -> String {
    format!(
        "WITH RECURSIVE gone(class, oid) AS (
           {start}
           UNION
           SELECT next.class, next.oid FROM gone g, LATERAL (
             SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
              WHERE d.refclassid = g.class AND d.refobjid = g.oid AND d.deptype IN ('n', 'a', 'i', 'P', 'S')
                AND NOT (d.deptype = 'a' AND g.class = 'pg_catalog.pg_class'::pg_catalog.regclass
                         AND d.classid = g.class AND EXISTS (
                           SELECT FROM pg_catalog.pg_class s WHERE s.oid = d.objid AND s.relkind = 'S'))
             UNION ALL
             SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class FROM pg_catalog.pg_rewrite w
              WHERE g.class = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = g.oid
                AND w.rulename = '_RETURN'
             UNION ALL
             SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, a.adrelid FROM pg_catalog.pg_attrdef a
              WHERE g.class = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.oid = g.oid
             UNION ALL
             SELECT CASE WHEN k.contypid <> 0 THEN 'pg_catalog.pg_type'::pg_catalog.regclass
                         ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END,
                    CASE WHEN k.contypid <> 0 THEN k.contypid ELSE k.conrelid END
               FROM pg_catalog.pg_constraint k
              WHERE g.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = g.oid
                AND k.contype NOT IN ('f', 't')
             UNION ALL
             -- Without its index there is no constraint.
             SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
              WHERE g.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.classid = g.class
                AND d.objid = g.oid AND d.deptype = 'i'
                AND d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
           ) next(class, oid)),
         marked AS (
           SELECT g.class, g.oid, EXISTS (
                    SELECT FROM pg_catalog.pg_depend d
                      JOIN gone o ON o.class = d.refclassid AND o.oid = d.refobjid
                     WHERE d.classid = g.class AND d.objid = g.oid
                       AND (d.refclassid, d.refobjid) <> (d.classid, d.objid)
                       AND (d.deptype IN ('a', 'i', 'P', 'S')
                            OR d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)
                  ) OR EXISTS (
                    SELECT FROM pg_catalog.pg_constraint k
                     WHERE g.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = g.oid
                       AND k.conparentid <> 0) AS is_part
             FROM gone g)"
    )
}

/// Kind and name of each as in the catalog's definitions; of the parts of tables and views only these
/// themselves, whose parts go with them.
fn select(start: &str) -> String {
    let parts = [relations(), on_tables(), others()].concat();
    format!("{} {}", closure(start), parts.join(" UNION ALL "))
}

/// What pg_identify_object says, as `i`: nothing of what was dropped since the snapshot.
fn said(kind: &str, name: &str) -> String {
    format!("coalesce(i.type, {kind}), coalesce({IDENTITY}, {name})")
}

/// Of one catalog, as `x`.
fn of(catalog: &str, kind: &str, name: &str, from: &str, only: &str) -> String {
    let said = said(kind, &format!("pg_catalog.array_to_string({name}, '.')"));
    format!(
        "SELECT g.class, g.oid, {kind}, {name}, {said}, NULL::text, g.is_part
           FROM marked g JOIN pg_catalog.{catalog} x ON x.oid = g.oid {from},
                pg_catalog.pg_identify_object(g.class, g.oid, 0) i
          WHERE g.class = 'pg_catalog.{catalog}'::pg_catalog.regclass AND {only}"
    )
}

fn relations() -> Vec<String> {
    let said = said("'relation'", "n.nspname || '.' || x.relname");
    let tables_and_views = format!(
        "
      SELECT g.class, g.oid, CASE x.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
               WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' ELSE 'table' END,
             ARRAY[n.nspname, x.relname]::text[], {said}, x.relkind::text, g.is_part
        FROM marked g JOIN pg_catalog.pg_class x ON x.oid = g.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace,
             pg_catalog.pg_identify_object(g.class, g.oid, 0) i
       WHERE g.class = 'pg_catalog.pg_class'::pg_catalog.regclass
         AND x.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    );
    let indexes = of(
        "pg_class",
        "CASE WHEN d.indisunique THEN 'unique index' ELSE 'index' END",
        "ARRAY[n.nspname, c.relname, x.relname]::text[]",
        "JOIN pg_catalog.pg_index d ON d.indexrelid = x.oid JOIN pg_catalog.pg_class c ON c.oid = d.indrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
        "NOT g.is_part",
    );
    vec![tables_and_views, indexes]
}

/// What stands on a table that is kept: catalog, kind, columns of its name and its table, and which.
fn on_tables() -> Vec<String> {
    const ALL: [(&str, &str, &str, &str, &str); 4] = [
        (
            "pg_constraint",
            "CASE x.contype WHEN 'f' THEN 'key' ELSE 'check' END",
            "conname",
            "conrelid",
            "true",
        ),
        (
            "pg_trigger",
            "'trigger'",
            "tgname",
            "tgrelid",
            "NOT x.tgisinternal",
        ),
        ("pg_rewrite", "'rule'", "rulename", "ev_class", "true"),
        ("pg_policy", "'policy'", "polname", "polrelid", "true"),
    ];
    let of = |(catalog, kind, name, table, only): (&str, &str, &str, &str, &str)| {
        let name = format!("ARRAY[n.nspname, c.relname, x.{name}]::text[]");
        let from = format!(
            "JOIN pg_catalog.pg_class c ON c.oid = x.{table}
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        );
        of(
            catalog,
            kind,
            &name,
            &from,
            &format!("NOT g.is_part AND {only}"),
        )
    };
    ALL.into_iter().map(of).collect()
}

fn others() -> Vec<String> {
    let in_schema =
        |column: &str| format!("JOIN pg_catalog.pg_namespace n ON n.oid = x.{column}namespace");
    let function = FUNCTION_NAME.replace("p.pro", "x.pro");
    let named = |column: &str| format!("ARRAY[n.nspname, x.{column}]::text[]");
    let own = |column: &str| format!("ARRAY[x.{column}]::text[]");
    let gone = said("'object'", "g.oid::text");
    vec![
        of("pg_namespace", "'schema'", &own("nspname"), "", "true"),
        of("pg_proc", "'function'", &function, &in_schema("pro"), "true"),
        of("pg_type", "'type'", &named("typname"), &in_schema("typ"), "NOT g.is_part"),
        of(
            "pg_statistic_ext",
            "'statistics'",
            &named("stxname"),
            &in_schema("stx"),
            "NOT g.is_part",
        ),
        of("pg_event_trigger", "'event trigger'", &own("evtname"), "", "true"),
        format!(
            "SELECT g.class, g.oid, 'object', ARRAY[{gone}], {gone}, NULL::text, g.is_part
               FROM marked g, pg_catalog.pg_identify_object(g.class, g.oid, 0) i
              WHERE g.class::pg_catalog.regclass::text <> ALL (ARRAY['pg_class', 'pg_namespace', 'pg_proc', 'pg_type',
                      'pg_constraint', 'pg_trigger', 'pg_rewrite', 'pg_policy', 'pg_statistic_ext',
                      'pg_event_trigger', 'pg_attrdef', 'pg_amop', 'pg_amproc', 'pg_default_acl'])"
        ),
    ]
}

/// Everything that goes with what `start` selects as class and OID.
pub(super) async fn read(session: &Session, start: &str) -> Result<Vec<Gone>> {
    session.rows(&select(start), WHAT).await
}

/// Catalogs and OIDs of the same, and of all parts.
pub(super) async fn parts(session: &Session, start: &str) -> Result<BTreeSet<(String, u32)>> {
    let sql = format!(
        "{} SELECT g.class::pg_catalog.regclass::text, g.oid FROM gone g
         UNION ALL
         SELECT 'pg_enum', e.oid FROM pg_catalog.pg_enum e JOIN gone g ON g.oid = e.enumtypid
          WHERE g.class = 'pg_catalog.pg_type'::pg_catalog.regclass",
        closure(start)
    );
    session.rows(&sql, WHAT).await
}

/// What must not go without somebody's word: rows, what keeps rows from somebody, and what keeps them right.
pub(super) fn refuse(gone: &[Gone], is_asked: impl Fn(&Gone) -> bool) -> Result<()> {
    let is_kept = |one: &&Gone| match (one.relkind.as_deref(), one.object.kind.as_str()) {
        (Some("r" | "p"), _) | (None, "policy" | "check" | "unique index" | "trigger") => {
            !is_asked(one)
        }
        _ => one.object.class_name == "extension",
    };
    let kept = gone.iter().filter(is_kept);
    let mut kept: Vec<String> = kept.map(|one| one.object.shown()).collect();
    kept.sort_unstable();
    if kept.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "what is to be left out is needed by {}",
        first_names(&kept, SHOWN)
    ))
    .hint(
        "leave that out as well, or keep what it needs: what it inherits from, its types, functions and sequences",
    ))
}
