//! Entries of an archive for which the target has something by that name which the archive did not make:
//! it was there before, or an extension brought it.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::pg::session::Session;
use crate::pg::target::toc::Entry;

/// What is there: kinds and names as pg_restore lists them.
pub(crate) struct Existing(BTreeSet<(String, String)>);

/// Tables, indexes and types share their names.
const RELATION: &str = "relation";

const ROUTINE: &str = "routine";

impl Existing {
    /// All that is there, but for PostgreSQL's own schemas.
    pub(crate) async fn read(session: &Session) -> Result<Self> {
        Self::read_where(session, "true").await
    }

    /// What belongs to extensions: whoever made them, no entry made their members. The schema that one was
    /// put into is none, and may be an entry's.
    pub(crate) async fn of_extensions(session: &Session) -> Result<Self> {
        let is_member = "(class, oid) IN (SELECT class, oid FROM members)";
        Self::read_where(session, is_member).await
    }

    async fn read_where(session: &Session, condition: &str) -> Result<Self> {
        let sql = format!(
            "WITH RECURSIVE {MEMBERS}, {FOUND} SELECT DISTINCT kind, name FROM found WHERE {condition}"
        );
        let what = "cannot list what exists in the target";
        Ok(Self(session.rows(&sql, what).await?))
    }

    /// The ids of those entries whose names are taken.
    pub(crate) fn of<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) -> BTreeSet<u32> {
        let entries = entries.into_iter();
        let taken = entries.filter(|entry| !self.0.is_empty() && self.has(entry));
        taken.map(|entry| entry.id).collect()
    }

    fn has(&self, entry: &Entry) -> bool {
        let kind = match entry.kind.as_str() {
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "SEQUENCE" | "FOREIGN TABLE" | "INDEX"
            | "TYPE" | "SHELL TYPE" | "DOMAIN" => RELATION,
            "FUNCTION" | "PROCEDURE" | "AGGREGATE" => ROUTINE,
            // A key has the name of its index; pg_restore lists schema, table and name.
            "CONSTRAINT" => return self.has_index_of(&entry.names),
            kind => kind,
        };
        // Which space ends the name nobody can tell: an owner follows, who may have some in his.
        let ends = entry.names.match_indices(' ');
        let mut names = ends.map(|(end, _)| &entry.names[..end]);
        names.any(|name| self.contains(kind, name))
    }

    fn has_index_of(&self, names: &str) -> bool {
        let Some((schema, rest)) = names.split_once(' ') else {
            return false;
        };
        let begins: Vec<usize> = rest.match_indices(' ').map(|(at, _)| at).collect();
        let ends = |begin: usize| begins.iter().filter(move |end| **end > begin);
        let mut all = begins
            .iter()
            .flat_map(|begin| ends(*begin).map(|end| &rest[*begin + 1..*end]));
        all.any(|name| self.contains(RELATION, &format!("{schema} {name}")))
    }

    fn contains(&self, kind: &str, name: &str) -> bool {
        self.0.contains(&(kind.to_owned(), name.to_owned()))
    }
}

/// Of extensions, with what PostgreSQL itself made for these.
const MEMBERS: &str = "
  members(class, oid) AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
    UNION
    SELECT d.classid, d.objid FROM members m
      JOIN pg_catalog.pg_depend d ON d.refclassid = m.class AND d.refobjid = m.oid
     WHERE d.deptype = 'i')";

/// Functions are listed with the types of their arguments. Line breaks in names are spaces there.
const FOUND: &str = "
  named(class, oid, kind, schema, name) AS (
    SELECT tableoid, oid, 'relation', relnamespace, relname::text FROM pg_catalog.pg_class
    UNION ALL
    SELECT tableoid, oid, 'relation', typnamespace, typname::text FROM pg_catalog.pg_type
    UNION ALL
    SELECT tableoid, oid, 'routine', pronamespace, proname::text || '(' ||
           CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*' ELSE
             ARRAY_TO_STRING(ARRAY(SELECT pg_catalog.format_type(t.type, NULL)
               FROM pg_catalog.unnest(proargtypes) WITH ORDINALITY AS t(type, at) ORDER BY t.at), ', ')
           END || ')'
      FROM pg_catalog.pg_proc WHERE pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
    UNION ALL
    SELECT tableoid, oid, 'OPERATOR', oprnamespace, oprname::text FROM pg_catalog.pg_operator
    UNION ALL
    SELECT tableoid, oid, 'OPERATOR CLASS', opcnamespace, opcname::text FROM pg_catalog.pg_opclass
    UNION ALL
    SELECT tableoid, oid, 'OPERATOR FAMILY', opfnamespace, opfname::text FROM pg_catalog.pg_opfamily
    UNION ALL
    SELECT tableoid, oid, 'COLLATION', collnamespace, collname::text FROM pg_catalog.pg_collation
    UNION ALL
    SELECT tableoid, oid, 'CONVERSION', connamespace, conname::text FROM pg_catalog.pg_conversion
    UNION ALL
    SELECT tableoid, oid, 'STATISTICS', stxnamespace, stxname::text FROM pg_catalog.pg_statistic_ext
    UNION ALL
    SELECT tableoid, oid, 'TEXT SEARCH CONFIGURATION', cfgnamespace, cfgname::text
      FROM pg_catalog.pg_ts_config
    UNION ALL
    SELECT tableoid, oid, 'TEXT SEARCH DICTIONARY', dictnamespace, dictname::text
      FROM pg_catalog.pg_ts_dict
    UNION ALL
    SELECT tableoid, oid, 'TEXT SEARCH PARSER', prsnamespace, prsname::text FROM pg_catalog.pg_ts_parser
    UNION ALL
    SELECT tableoid, oid, 'TEXT SEARCH TEMPLATE', tmplnamespace, tmplname::text
      FROM pg_catalog.pg_ts_template
    UNION ALL
    SELECT tableoid, oid, 'SCHEMA', NULL, nspname::text FROM pg_catalog.pg_namespace
    UNION ALL
    SELECT tableoid, oid, 'FOREIGN DATA WRAPPER', NULL, fdwname::text
      FROM pg_catalog.pg_foreign_data_wrapper
    UNION ALL
    SELECT tableoid, oid, 'SERVER', NULL, srvname::text FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT tableoid, oid, 'PROCEDURAL LANGUAGE', NULL, lanname::text FROM pg_catalog.pg_language
    UNION ALL
    SELECT tableoid, oid, 'ACCESS METHOD', NULL, amname::text FROM pg_catalog.pg_am
    UNION ALL
    SELECT tableoid, oid, 'EVENT TRIGGER', NULL, evtname::text FROM pg_catalog.pg_event_trigger
    UNION ALL
    SELECT tableoid, oid, 'PUBLICATION', NULL, pubname::text FROM pg_catalog.pg_publication
    UNION ALL
    SELECT tableoid, oid, 'CAST', NULL, 'CAST (' || pg_catalog.format_type(castsource, NULL) || ' AS '
           || pg_catalog.format_type(casttarget, NULL) || ')'
      FROM pg_catalog.pg_cast),
  found(class, oid, kind, name) AS (
    SELECT d.class, d.oid, d.kind,
           pg_catalog.translate(coalesce(n.nspname::text, '-') || ' ' || d.name, E'\\r\\n', '  ')
      FROM named d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.schema
     WHERE d.schema IS NULL
        OR n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'lifeboat_restore'))";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::target::toc::{Section, parse_list};

    #[test]
    fn an_entry_is_known_by_its_kind_and_its_names() {
        let list = "\
1; 1255 1 FUNCTION public crypt(text, text) some body
2; 1255 1 FUNCTION public crypt(text) postgres
3; 1259 1 TABLE public a table postgres
4; 2606 1 CONSTRAINT public t a key postgres
5; 2606 1 CONSTRAINT public a key t postgres
6; 2615 1 SCHEMA - own postgres
7; 1259 1 VIEW own crypt postgres
8; 0 1 COMMENT public TABLE a table postgres
9; 1247 1 TYPE public a table postgres
";
        let entries = parse_list(list, Section::PreData);
        assert_eq!(entries.len(), 9);
        let existing = [
            (ROUTINE, "public crypt(text, text)"),
            (RELATION, "public a table"),
            (RELATION, "public a key"),
            ("SCHEMA", "- own"),
        ]
        .map(|(kind, name)| (kind.to_owned(), name.to_owned()));
        let existing = Existing(existing.into());
        assert_eq!(existing.of(&entries), BTreeSet::from([1, 3, 4, 6, 9]));
    }
}
