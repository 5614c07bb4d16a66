//! What an export leaves out on request, by patterns that are resolved once, as the snapshot shows names: pg_dump
//! resolves them by its own search_path, and leaves a partitioned table's partitions in.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::catalog::{KeyName, LeftOut, Name, NotCoveredNames};
use crate::model::pattern::{Exclude, Pattern};
use crate::pg::session::{Session, from_row};
use crate::quote::quote_literal;

const WHAT: &str = "cannot look for what is to be left out";

/// What the patterns mean in one database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resolved {
    /// Tables that come without rows.
    pub without_rows: BTreeSet<u32>,
    /// Materialized views that stay unfilled.
    pub unfilled: BTreeSet<Name>,
    pub left_out: LeftOut,
}

/// A table or view that a pattern means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Relation {
    oid: u32,
    name: Name,
    kind: String,
}

from_row!(Relation: oid, name, kind);

from_row!(KeyName: oid, on, name);

/// Resolves them for this session's database.
pub(crate) async fn resolve(
    session: &Session,
    database: &str,
    exclude: &Exclude,
) -> Result<Resolved> {
    let mut resolved = Resolved::default();
    let mut matched = BTreeSet::new();
    for pattern in for_database(&exclude.table_data, database) {
        matched.extend(find(session, pattern).await?);
    }
    if matched.is_empty() {
        return Ok(resolved);
    }
    add_rows(session, &matched, &mut resolved).await?;
    Ok(resolved)
}

fn for_database<'a>(patterns: &'a [Pattern], database: &str) -> impl Iterator<Item = &'a Pattern> {
    patterns.iter().filter(move |one| one.is_for(database))
}

/// What can be left out: nothing that an extension brings, but for rows of its configuration tables.
const CANDIDATES: &str = "
  SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
         AND d.objid = c.oid AND d.deptype = 'e'
    LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
   WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence IN ('p', 'u') AND n.nspname !~ '^pg_'
     AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')
     AND (e.oid IS NULL OR c.oid = ANY (e.extconfig))";

async fn find(session: &Session, pattern: &Pattern) -> Result<Vec<Relation>> {
    let is_like = |column: &str, regex: &str| {
        let regex = quote_literal(regex);
        format!(" AND {column} OPERATOR(pg_catalog.~) {regex} COLLATE pg_catalog.default")
    };
    let schema = pattern.schema.as_ref();
    let schema = schema.map(|schema| is_like("n.nspname", &schema.regex));
    let name = is_like("c.relname", &pattern.name.regex);
    let sql = format!("{CANDIDATES}{name}{}", schema.unwrap_or_default());
    let what = format!("cannot look for '{}'", pattern.text.escape_debug());
    let found: Vec<Relation> = session.rows(&sql, &what).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<Relation> = session.rows(CANDIDATES, WHAT).await?;
    Err(no_match(pattern, names.iter().map(|one| &one.name)))
}

/// A pattern without a match would leave in what somebody wants left out.
fn no_match<'a>(pattern: &Pattern, names: impl Iterator<Item = &'a Name>) -> Error {
    let (schema, name) = pattern.plain();
    let likeness = |other: &Name| {
        let of_schema = match schema {
            "" => 0.0,
            schema => strsim::jaro_winkler(&other.schema, schema),
        };
        strsim::jaro_winkler(&other.name, name) + of_schema
    };
    let nearest = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let error = Error::usage(format!(
        "nothing to leave out is called '{}'",
        pattern.text.escape_debug()
    ));
    match nearest {
        Some(nearest) => error.hint(format!(
            "the nearest is {nearest}; a pattern for one of several databases begins with its name: \
             database.schema.table"
        )),
        None => error.hint("the database has no table"),
    }
}

/// The tables themselves with all below them as `down`, and with all above them as `up`.
fn tree(oids: &BTreeSet<u32>) -> String {
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    format!(
        "WITH RECURSIVE down(oid) AS (
           SELECT pg_catalog.unnest(ARRAY[{}]::pg_catalog.oid[])
           UNION SELECT i.inhrelid FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid
                   JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition),
         up(oid) AS (
           SELECT oid FROM down
           UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid
                   JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition)",
        oids.join(", ")
    )
}

/// Views, filled or not, that read one of `start`, through other views too.
const READERS: &str = "
  readers(oid) AS (
    SELECT oid FROM start
    UNION SELECT w.ev_class FROM readers
            JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 AND d.refobjid = readers.oid
                 AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
            JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm'))
  SELECT n.nspname::text, c.relname::text FROM readers
    JOIN pg_catalog.pg_class c ON c.oid = readers.oid AND c.relkind = 'm'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, 2";

async fn add_rows(
    session: &Session,
    matched: &BTreeSet<Relation>,
    resolved: &mut Resolved,
) -> Result<()> {
    let (views, tables): (Vec<_>, Vec<_>) = matched.iter().partition(|one| one.kind == "m");
    let tables: BTreeSet<u32> = tables.iter().map(|one| one.oid).collect();
    let tree = tree(&tables);
    let sql = format!(
        "{tree} SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text
           FROM down JOIN pg_catalog.pg_class c ON c.oid = down.oid AND c.relkind = 'r'
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 2, 3"
    );
    let tables: Vec<Relation> = session.rows(&sql, WHAT).await?;
    resolved.left_out.rows = tables.iter().map(|one| one.name.clone()).collect();
    resolved.without_rows = tables.iter().map(|one| one.oid).collect();
    let views: Vec<String> = views.iter().map(|one| one.oid.to_string()).collect();
    let sql = format!(
        "WITH RECURSIVE start(oid) AS (SELECT pg_catalog.unnest(ARRAY[{}]::pg_catalog.oid[])), {READERS}",
        views.join(", ")
    );
    let unfilled: Vec<Name> = session.rows(&sql, WHAT).await?;
    let left_out = &mut resolved.left_out;
    let named = |names: Vec<&Name>| names.iter().map(ToString::to_string).collect();
    let mut add = |kind: &str, names: Vec<String>| {
        left_out
            .names
            .extend((!names.is_empty()).then(|| NotCoveredNames {
                kind: kind.to_owned(),
                names,
            }));
    };
    add(
        "rows of tables",
        named(tables.iter().map(|one| &one.name).collect()),
    );
    add(
        "rows of materialized views",
        named(unfilled.iter().collect()),
    );
    // One that inherits has its rows read through its parent, but no key refers to them there.
    let sql = format!(
        "{tree}, start(oid) AS (
           SELECT oid FROM up UNION SELECT i.inhparent FROM start
             JOIN pg_catalog.pg_inherits i ON i.inhrelid = start.oid), {READERS}"
    );
    left_out.computed = session.rows(&sql, WHAT).await?;
    left_out.computed.retain(|view| !unfilled.contains(view));
    resolved.unfilled = unfilled.into_iter().collect();
    let sql = format!(
        "{tree} SELECT k.oid, n.nspname::text, c.relname::text, k.conname::text
           FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT oid FROM up)
            AND k.conrelid NOT IN (SELECT oid FROM down) ORDER BY 2, 3, 4"
    );
    left_out.foreign_keys = session.rows(&sql, WHAT).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_match_names_the_nearest_table() {
        let name = |schema: &str, name: &str| Name {
            schema: schema.to_owned(),
            name: name.to_owned(),
        };
        let names = [
            name("log", "audit"),
            name("public", "audits"),
            name("public", "answer"),
        ];
        let nearest = |text: &str| {
            let pattern = Pattern::of_relation(text).unwrap();
            no_match(&pattern, names.iter()).advice().to_owned()
        };
        assert!(nearest("log.audti").starts_with("the nearest is log.audit;"));
        assert!(nearest("Anwser").starts_with("the nearest is public.answer;"));
        let pattern = Pattern::of_relation("x").unwrap();
        assert_eq!(
            no_match(&pattern, [].iter()).advice(),
            "the database has no table"
        );
    }
}
