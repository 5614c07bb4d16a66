//! Constraints that rows must meet while they load: how each is taken off, and added again.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::catalog::{ConstraintKind, Name, describe_constraint, describe_domain};
use crate::pg::session::{Session, from_row};
use crate::quote::{quote_ident, quote_literal};

const WHAT: &str = "cannot read the constraints that refuse rows";

/// A CHECK of a table, or a constraint of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// The table or the domain.
    pub on: Name,
    /// Empty for a domain's NOT NULL before 17.
    pub name: String,
    pub of_domain: bool,
    /// As PostgreSQL prints it, such as `CHECK ((a > 0)) NO INHERIT`.
    pub definition: String,
    pub comment: Option<String>,
}

from_row!(Check: on, name, of_domain, definition, comment);

impl Check {
    /// For messages.
    pub(crate) fn what(&self) -> String {
        match (self.of_domain, self.name.as_str()) {
            (false, name) => describe_constraint(&ConstraintKind::Check, name, &self.on),
            (true, name) => describe_domain(&self.on, name),
        }
    }

    fn alter(&self, what: &str) -> String {
        let kind = if self.of_domain { "DOMAIN" } else { "TABLE" };
        format!("ALTER {kind} {} {what}", self.on.quoted())
    }

    fn named(&self, verb: &str) -> String {
        self.alter(&format!("{verb} CONSTRAINT {}", quote_ident(&self.name)))
    }

    pub(crate) fn drop_it(&self) -> String {
        match self.name.as_str() {
            "" => self.alter("DROP NOT NULL"),
            _ => self.named("DROP"),
        }
    }

    pub(crate) fn drop_if_there(&self) -> String {
        match self.name.as_str() {
            "" => self.drop_it(),
            name => self.alter(&format!("DROP CONSTRAINT IF EXISTS {}", quote_ident(name))),
        }
    }

    /// One that was NOT VALID stays so.
    pub(crate) fn add(&self) -> String {
        match self.name.as_str() {
            "" => self.alter("SET NOT NULL"),
            _ => format!("{} {}", self.named("ADD"), self.definition),
        }
    }

    /// Adds it for new rows alone. PostgreSQL refuses that for a NOT NULL of a domain.
    pub(crate) fn add_not_valid(&self) -> String {
        format!("{} NOT VALID", self.add())
    }

    /// What ends its being NOT VALID.
    pub(crate) fn validate(&self) -> String {
        self.named("VALIDATE")
    }

    pub(crate) fn set_comment(&self) -> Option<String> {
        let on = if self.of_domain { "DOMAIN " } else { "" };
        let comment = quote_literal(self.comment.as_ref()?);
        let name = quote_ident(&self.name);
        let on = format!("{on}{}", self.on.quoted());
        Some(format!("COMMENT ON CONSTRAINT {name} ON {on} IS {comment}"))
    }
}

/// The CHECKs that a table's rows must meet, each where it can be dropped: an inherited one at its
/// topmost parent. One that a child has of its own, too, is found there once it is off the parents.
pub(crate) async fn of_table(session: &Session, table: &Name) -> Result<Vec<Check>> {
    let table = quote_literal(&table.quoted());
    let sql = format!(
        "WITH RECURSIVE up(oid) AS (
           SELECT {table}::pg_catalog.regclass::pg_catalog.oid
           UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid)
         SELECT n.nspname::text, c.relname::text, k.conname::text, false, d.definition,
                pg_catalog.obj_description(k.oid, 'pg_constraint')
           FROM up JOIN pg_catalog.pg_constraint k ON k.conrelid = up.oid AND k.contype = 'c'
           JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
                LATERAL pg_catalog.pg_get_constraintdef(k.oid) AS d(definition)
          WHERE k.coninhcount = 0 AND (NOT k.connoinherit OR k.conrelid = {table}::pg_catalog.regclass)
            AND d.definition !~ ' NOT ENFORCED$'
            AND EXISTS (SELECT FROM pg_catalog.pg_constraint own
                         WHERE own.conrelid = {table}::pg_catalog.regclass
                           AND own.contype = 'c' AND own.conname = k.conname)
          ORDER BY 1, 2, 3"
    );
    session.rows(&sql, WHAT).await
}

/// The constraints of the domains that a table's columns are of, also within arrays, ranges and
/// composite types.
pub(crate) async fn of_domains(session: &Session, table: &Name) -> Result<Vec<Check>> {
    let table = quote_literal(&table.quoted());
    let sql = format!(
        "WITH RECURSIVE used(oid) AS (
           SELECT a.atttypid FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
           UNION
           SELECT part.oid FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid,
                  LATERAL (SELECT t.typbasetype UNION SELECT t.typelem
                           UNION SELECT r.rngsubtype FROM pg_catalog.pg_range r
                                  WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
                           UNION SELECT a.atttypid FROM pg_catalog.pg_attribute a
                                  WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                          ) AS part(oid)
            WHERE part.oid <> 0),
         found(oid, name, definition, comment) AS (
           SELECT k.contypid, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid),
                  pg_catalog.obj_description(k.oid, 'pg_constraint')
             FROM pg_catalog.pg_constraint k WHERE k.contypid <> 0
           UNION ALL
           SELECT t.oid, '', 'NOT NULL', NULL FROM pg_catalog.pg_type t
            WHERE t.typtype = 'd' AND t.typnotnull
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                               WHERE k.contypid = t.oid AND k.contype = 'n'))
         SELECT n.nspname::text, t.typname::text, f.name, true, f.definition, f.comment
           FROM used JOIN found f ON f.oid = used.oid JOIN pg_catalog.pg_type t ON t.oid = used.oid
           JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
          ORDER BY 1, 2, 3"
    );
    session.rows(&sql, WHAT).await
}

/// Statements that validate a CHECK in the partitions and children of its table, the lowest first:
/// only those whose rows break it refuse.
pub(crate) async fn validate_below(session: &Session, check: &Check) -> Result<Vec<String>> {
    if check.of_domain {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH RECURSIVE down(oid, depth) AS (
           SELECT {}::pg_catalog.regclass::pg_catalog.oid, 0
           UNION SELECT i.inhrelid, depth + 1
             FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid)
         SELECT pg_catalog.format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I', n.nspname, c.relname, k.conname)
           FROM down JOIN pg_catalog.pg_constraint k ON k.conrelid = down.oid AND k.contype = 'c'
           JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE NOT k.convalidated AND down.depth > 0 AND k.conname = {}
          ORDER BY down.depth DESC",
        quote_literal(&check.on.quoted()),
        quote_literal(&check.name)
    );
    session.rows(&sql, WHAT).await
}

/// A key, constraint or unique index that is there.
#[derive(Debug)]
pub(crate) struct There {
    pub what: String,
    pub valid: bool,
    /// The tables whose rows it is about; of a foreign key both.
    pub tables: Vec<u32>,
}

struct ThereRow {
    on: Name,
    name: String,
    kind: String,
    valid: bool,
    tables: Vec<u32>,
}

from_row!(ThereRow: on, name, kind, valid, tables);

/// All of the database.
pub(crate) async fn there(session: &Session) -> Result<Vec<There>> {
    const SQL: &str = "
      SELECT n.nspname::text, c.relname::text, k.conname::text,
             CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique constraint'
                            WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion constraint'
                            ELSE 'check constraint' END,
             k.convalidated, ARRAY[k.conrelid, k.confrelid]
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE k.contype IN ('p', 'u', 'x', 'c') OR k.contype = 'f' AND k.conparentid = 0
      UNION ALL
      SELECT n.nspname::text, t.relname::text, i.relname::text, 'unique index', x.indisvalid, ARRAY[x.indrelid]
        FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
        JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
       WHERE x.indisunique AND n.nspname !~ '^pg_'
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                          WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
      UNION ALL
      SELECT n.nspname::text, t.typname::text, coalesce(k.conname::text, ''), 'domain', coalesce(k.convalidated, true),
             ARRAY(SELECT a.attrelid FROM pg_catalog.pg_attribute a WHERE a.atttypid IN (t.oid, t.typarray))
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid
       WHERE t.typtype = 'd' AND (k.oid IS NOT NULL OR t.typnotnull)";
    let rows: Vec<ThereRow> = session.rows(SQL, WHAT).await?;
    let there = rows.into_iter().map(|row| There {
        what: match row.kind.as_str() {
            "domain" => describe_domain(&row.on, &row.name),
            kind => describe_constraint(&kind, &row.name, &row.on),
        },
        valid: row.valid,
        tables: row.tables,
    });
    Ok(there.collect())
}

/// These tables with all their partitions and children.
pub(crate) async fn with_descendants(session: &Session, tables: &[u32]) -> Result<Vec<Name>> {
    let oids: Vec<String> = tables.iter().map(u32::to_string).collect();
    let sql = format!(
        "WITH RECURSIVE down(oid) AS (
           SELECT pg_catalog.unnest(ARRAY[{}]::pg_catalog.oid[])
           UNION SELECT i.inhrelid FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid)
         SELECT n.nspname::text, c.relname::text FROM down JOIN pg_catalog.pg_class c ON c.oid = down.oid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
        oids.join(", ")
    );
    session.rows(&sql, WHAT).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_is_taken_off_and_added_again() {
        let check = |name: &str, of_domain, definition: &str| Check {
            on: Name {
                schema: "s".to_owned(),
                name: "t\"".to_owned(),
            },
            name: name.to_owned(),
            of_domain,
            definition: definition.to_owned(),
            comment: Some("it's".to_owned()),
        };
        let table = check("a b", false, "CHECK ((a > 0)) NO INHERIT");
        let on = "ALTER TABLE \"s\".\"t\"\"\"";
        assert_eq!(table.drop_it(), format!("{on} DROP CONSTRAINT \"a b\""));
        assert_eq!(
            table.add_not_valid(),
            format!("{on} ADD CONSTRAINT \"a b\" CHECK ((a > 0)) NO INHERIT NOT VALID")
        );
        assert_eq!(
            table.set_comment().unwrap(),
            "COMMENT ON CONSTRAINT \"a b\" ON \"s\".\"t\"\"\" IS 'it''s'"
        );
        let unnamed = check("", true, "NOT NULL");
        assert!(unnamed.drop_it().ends_with(" DROP NOT NULL"));
        assert!(unnamed.add().starts_with("ALTER DOMAIN "));
    }
}
