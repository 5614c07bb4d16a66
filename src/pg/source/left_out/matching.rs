//! What patterns mean, and what stands above and below it.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::catalog::Name;
use crate::model::pattern::{NamePattern, Pattern};
use crate::pg::session::{Session, from_row};
use crate::quote::quote_literal;

pub(super) const WHAT: &str = "cannot look for what is to be left out";

pub(super) fn list(oids: impl IntoIterator<Item = u32>) -> String {
    let oids: Vec<String> = oids.into_iter().map(|oid| oid.to_string()).collect();
    format!("ARRAY[{}]::pg_catalog.oid[]", oids.join(", "))
}

/// A table, view or sequence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Relation {
    pub oid: u32,
    pub name: Name,
    /// pg_class.relkind
    pub kind: String,
}

from_row!(Relation: oid, name, kind);

/// Whether all of it may go, or its rows alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    All,
    Rows,
}

/// Nothing that an extension brings, but for rows of its configuration tables. An identity column's sequence is a
/// part of it.
fn candidates(what: What) -> String {
    let (kinds, of_extension) = match what {
        What::All => ("'r', 'p', 'v', 'm', 'f', 'S'", "false"),
        What::Rows => ("'r', 'p', 'm'", "c.oid = ANY (e.extconfig)"),
    };
    format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND d.objid = c.oid AND d.deptype = 'e'
           LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
          WHERE c.relkind IN ({kinds}) AND c.relpersistence IN ('p', 'u') AND {OWN_SCHEMA}
            AND (e.oid IS NULL OR {of_extension})
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i
                             WHERE i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objid = c.oid
                               AND i.deptype = 'i' AND c.relkind = 'S')"
    )
}

const OWN_SCHEMA: &str =
    "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')";

fn is_like(column: &str, pattern: &NamePattern) -> String {
    let regex = quote_literal(&pattern.regex);
    format!(" AND {column} OPERATOR(pg_catalog.~) {regex} COLLATE pg_catalog.default")
}

/// All that some pattern means; each must mean something.
pub(super) async fn relations(
    session: &Session,
    database: &str,
    patterns: &[Pattern],
    what: What,
) -> Result<BTreeSet<Relation>> {
    let mut matched = BTreeSet::new();
    let candidates = candidates(what);
    for pattern in patterns.iter().filter(|one| one.is_for(database)) {
        let schema = pattern.schema.as_ref();
        let schema = schema.map(|schema| is_like("n.nspname", schema));
        let name = is_like("c.relname", &pattern.name);
        let sql = format!("{candidates}{name}{}", schema.unwrap_or_default());
        let found: Vec<Relation> = session.rows(&sql, &looking_for(pattern)).await?;
        if found.is_empty() {
            let names: Vec<Relation> = session.rows(&candidates, WHAT).await?;
            let names: Vec<Name> = names.into_iter().map(|one| one.name).collect();
            return Err(no_match(pattern, &names));
        }
        matched.extend(found);
    }
    Ok(matched)
}

/// OIDs and names.
pub(super) async fn schemas(
    session: &Session,
    database: &str,
    patterns: &[Pattern],
) -> Result<Vec<(u32, String)>> {
    let mut matched = BTreeSet::new();
    let all =
        format!("SELECT n.oid, n.nspname::text FROM pg_catalog.pg_namespace n WHERE {OWN_SCHEMA}");
    for pattern in patterns.iter().filter(|one| one.is_for(database)) {
        let sql = format!("{all}{}", is_like("n.nspname", &pattern.name));
        let found: Vec<(u32, String)> = session.rows(&sql, &looking_for(pattern)).await?;
        if found.is_empty() {
            let names: Vec<(u32, String)> = session.rows(&all, WHAT).await?;
            let alone = |(_, schema): (u32, String)| Name {
                schema: String::new(),
                name: schema,
            };
            let names: Vec<Name> = names.into_iter().map(alone).collect();
            return Err(no_match(pattern, &names));
        }
        matched.extend(found);
    }
    Ok(matched.into_iter().collect())
}

fn looking_for(pattern: &Pattern) -> String {
    format!("cannot look for '{}'", pattern.text.escape_debug())
}

/// A pattern without a match would leave in what somebody wants left out. A schema has no schema.
fn no_match(pattern: &Pattern, names: &[Name]) -> Error {
    let error = Error::usage(format!(
        "nothing to leave out is called '{}'",
        pattern.text.escape_debug()
    ));
    let Some(nearest) = pattern.nearest(names) else {
        return error.hint("the database has nothing of this kind");
    };
    let nearest = nearest.to_string();
    error.hint(format!(
        "the nearest is {}; a pattern for one of several databases begins with the database's name and a dot",
        nearest.trim_start_matches('.')
    ))
}

/// These with all partitions below them as `down`, and these with all partitioned tables above as `up`.
pub(super) fn tree(oids: impl IntoIterator<Item = u32>) -> String {
    format!(
        "WITH RECURSIVE down(oid) AS (
           SELECT pg_catalog.unnest({})
           UNION SELECT i.inhrelid FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid
                   JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition),
         up(oid) AS (
           SELECT oid FROM down
           UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid
                   JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition)",
        list(oids)
    )
}

/// Names of all that these are partitions of or inherit from, at any distance.
pub(super) fn above(oids: impl IntoIterator<Item = u32>) -> String {
    format!(
        "WITH RECURSIVE above(oid) AS (
           SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = ANY ({})
           UNION SELECT i.inhparent FROM above JOIN pg_catalog.pg_inherits i ON i.inhrelid = above.oid)
         SELECT n.nspname::text, c.relname::text
           FROM above JOIN pg_catalog.pg_class c ON c.oid = above.oid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
        list(oids)
    )
}

/// Materialized views that read one of what `start` selects, through other views too; itself, where it is one.
pub(super) fn readers(with: &str, start: &str, gone: &str) -> String {
    format!(
        "{with} start(oid) AS ({start}), readers(oid) AS (
           SELECT oid FROM start
           UNION SELECT w.ev_class FROM readers
                   JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND d.refobjid = readers.oid
                        AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                   JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
                   JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm'))
         SELECT n.nspname::text, c.relname::text FROM readers
           JOIN pg_catalog.pg_class c ON c.oid = readers.oid AND c.relkind = 'm'
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.oid <> ALL ({gone}) ORDER BY 1, 2"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_match_names_the_nearest() {
        let name = |schema: &str, name: &str| Name {
            schema: schema.to_owned(),
            name: name.to_owned(),
        };
        let names = [
            name("log", "audit"),
            name("public", "audits"),
            name("public", "answer"),
        ];
        let nearest = |text: &str, names: &[Name]| {
            let pattern = Pattern::of_relation(text).unwrap();
            no_match(&pattern, names).advice().to_owned()
        };
        assert!(nearest("log.audti", &names).starts_with("the nearest is log.audit;"));
        assert!(nearest("Anwser", &names).starts_with("the nearest is public.answer;"));
        assert!(nearest("lgo", &[name("", "log")]).starts_with("the nearest is log;"));
        assert_eq!(nearest("x", &[]), "the database has nothing of this kind");
    }
}
