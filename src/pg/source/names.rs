//! Names that no lock protects: of schemas, by which rows are read, and those that rows print: labels of
//! enums, attributes of composite types, and what reg* types show. COPY prints them as they are now,
//! pg_dump as the snapshot shows them; where the two differ, the data would not load.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::pg::session::Session;

/// What is printed, by kind and oid.
pub(crate) type Printed = BTreeMap<(String, u32, i32), String>;

/// Names that no lock on a table protects. Schemas: rows are read by name, and a renamed schema would
/// show another table's. xmin shows a renaming that was undone.
const ALWAYS: &str = "
  SELECT 'schema', n.oid, 0, n.nspname || ' ' || n.xmin
    FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_t(oast|emp)'
  UNION ALL
  SELECT 'enum label', e.oid, 0, e.enumtypid || ' ' || e.enumlabel || ' ' || e.xmin
    FROM pg_catalog.pg_enum e
  UNION ALL
  SELECT 'attribute', a.attrelid, a.attnum::int,
         a.attname || ' ' || a.atttypid || ' ' || a.attisdropped
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
   WHERE c.relkind = 'c' AND a.attnum > 0";

const OBJECTS: &str = "
  UNION ALL
  SELECT 'relation', c.oid, 0, n.nspname || '.' || c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relpersistence <> 't' AND n.nspname !~ '^pg_toast'
  UNION ALL
  SELECT 'function', p.oid, 0, n.nspname || '.' || p.proname
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
   WHERE p.oid >= 16384
  UNION ALL
  SELECT 'operator', o.oid, 0, n.nspname || '.' || o.oprname
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
   WHERE o.oid >= 16384
  UNION ALL
  SELECT 'type', t.oid, 0, n.nspname || '.' || t.typname
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
   WHERE t.oid >= 16384 AND n.nspname !~ '^pg_t(oast|emp)'
  UNION ALL
  SELECT 'role', r.oid, 0, r.rolname::text FROM pg_catalog.pg_roles r
  UNION ALL
  SELECT 'text search configuration', c.oid, 0, n.nspname || '.' || c.cfgname
    FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_namespace n ON n.oid = c.cfgnamespace
  UNION ALL
  SELECT 'text search dictionary', d.oid, 0, n.nspname || '.' || d.dictname
    FROM pg_catalog.pg_ts_dict d JOIN pg_catalog.pg_namespace n ON n.oid = d.dictnamespace
  UNION ALL
  SELECT 'collation', c.oid, 0, n.nspname || '.' || c.collname
    FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
   WHERE c.oid >= 16384";

/// Whether some column, directly or through a domain or composite type, is of a reg* type.
pub(crate) async fn prints_objects(session: &Session) -> Result<bool> {
    session
        .row(
            "WITH reg AS (
               SELECT t.oid FROM pg_catalog.pg_type t
                WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
                  AND t.typname ~ '^_?reg')
             SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                              JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
                              JOIN reg ON reg.oid = a.atttypid
                             WHERE c.relkind IN ('r', 'p', 'c') AND c.oid >= 16384
                               AND a.attnum > 0 AND NOT a.attisdropped)
                 OR EXISTS (SELECT FROM pg_catalog.pg_type t JOIN reg ON reg.oid = t.typbasetype)",
            "cannot look for columns that print names",
        )
        .await
}

/// Reads what is printed; objects' names only where some column is of a reg* type.
pub(crate) async fn read(session: &Session, with_objects: bool) -> Result<Printed> {
    let objects = if with_objects { OBJECTS } else { "" };
    let what = "cannot read the names that values print";
    session.rows(&format!("{ALWAYS}{objects}"), what).await
}

/// The first thing that printed otherwise at the start; what came since is harmless.
pub(crate) fn first_change(before: &Printed, after: &Printed) -> Option<String> {
    before
        .iter()
        .find_map(|(key, text)| {
            let now = after.get(key);
            // A schema that is gone held none of our tables: their locks would have kept it.
            let is_harmless = now == Some(text) || (now.is_none() && key.0 == "schema");
            (!is_harmless).then(|| format!("{} {text}", key.0))
        })
        .or_else(|| {
            after
                .iter()
                // One that came since changes how existing rows print.
                .find(|((kind, oid, number), _)| {
                    kind == "attribute"
                        && before.contains_key(&(kind.clone(), *oid, 1))
                        && !before.contains_key(&(kind.clone(), *oid, *number))
                })
                .map(|(key, text)| format!("{} {text}", key.0))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(all: &[(&str, u32, i32, &str)]) -> Printed {
        all.iter()
            .map(|(kind, oid, number, text)| {
                (((*kind).to_owned(), *oid, *number), (*text).to_owned())
            })
            .collect()
    }

    #[test]
    fn what_went_or_came_matters_where_rows_may_print_it() {
        let (app, old) = (("schema", 1, 0, "app 7"), ("schema", 2, 0, "old 7"));
        let (label, first) = (
            ("enum label", 3, 0, "5 yes 7"),
            ("attribute", 4, 1, "a 23 f"),
        );
        let before = printed(&[app, old, label, first]);
        let change = |after: &[_]| first_change(&before, &printed(after));
        assert_eq!(
            change(&[app, old, label, first, ("schema", 9, 0, "new 8")]),
            None
        );
        assert_eq!(change(&[app, label, first]), None);
        let renamed = [("schema", 1, 0, "app 8"), old, label, first];
        assert_eq!(change(&renamed).as_deref(), Some("schema app 7"));
        assert_eq!(
            change(&[app, old, first]).as_deref(),
            Some("enum label 5 yes 7")
        );
        let added = [app, old, label, first, ("attribute", 4, 2, "b 23 f")];
        assert_eq!(change(&added).as_deref(), Some("attribute b 23 f"));
    }
}
