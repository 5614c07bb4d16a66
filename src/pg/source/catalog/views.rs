//! Sequences, materialized views, large objects.

use std::collections::{BTreeMap, BTreeSet};

use super::tables::not_among;
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{MaterializedView, Name, Sequence};
use crate::pg::session::Session;

/// Sequences read by one UNION.
const SEQUENCES_A_QUERY: usize = 200;

const SEQUENCES: &str = "
  SELECT c.oid, n.nspname::text, c.relname::text, e.extname::text,
      pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
 FROM pg_catalog.pg_class c
 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 LEFT JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
     AND d.deptype = 'e'
 LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE c.relkind = 'S' AND n.nspname <> 'lifeboat_restore' $others
  -- A standby cannot read unlogged ones.
  AND (c.relpersistence = 'p'
       OR c.relpersistence = 'u' AND NOT pg_catalog.pg_is_in_recovery())
  AND (e.oid IS NULL AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_depend o
           JOIN pg_catalog.pg_depend m ON m.classid = o.refclassid
                AND m.objid = o.refobjid AND m.deptype = 'e'
           JOIN pg_catalog.pg_extension x ON x.oid = m.refobjid
          WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND o.objid = c.oid AND o.deptype IN ('a', 'i')
            AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND o.refobjid <> ALL (coalesce(x.extconfig, '{}')))
       OR c.oid = ANY (e.extconfig)
       OR EXISTS (SELECT FROM pg_catalog.pg_depend o
                   WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                     AND o.objid = c.oid AND o.deptype IN ('a', 'i')
                     AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                     AND o.refobjid = ANY (e.extconfig)))
ORDER BY 2, 3";

/// Values of all sequences. They are not transactional: read after the snapshot, a value is never
/// behind the rows. Of an extension: its configuration sequences, and those that number the rows of
/// its configuration tables. Not those of its other tables, which a restore does not have.
pub(crate) async fn read_sequences(
    session: &Session,
    left_out: &BTreeSet<u32>,
) -> Result<Vec<Sequence>> {
    let rows: Vec<(u32, Name, Option<String>, Option<bool>)> = session
        .rows(
            &SEQUENCES.replace("$others", &not_among(left_out)),
            "cannot list the sequences",
        )
        .await?;
    let mut sequences = Vec::with_capacity(rows.len());
    let mut oids = Vec::with_capacity(rows.len());
    for (oid, name, extension, readable) in rows {
        if readable != Some(true) {
            let what = format!("sequence {name} may not be read by this user");
            return Err(Error::new(Kind::Denied, what)
                .hint("GRANT pg_read_all_data TO the exporting user, or SELECT on it"));
        }
        oids.push(oid);
        sequences.push(Sequence {
            name,
            last_value: 0,
            is_called: false,
            extension,
        });
    }
    let oids = oids.chunks(SEQUENCES_A_QUERY);
    for (batch, oids) in sequences.chunks_mut(SEQUENCES_A_QUERY).zip(oids) {
        read_values(session, batch, oids).await?;
    }
    Ok(sequences)
}

/// A name may belong to another sequence by now than to the one that the snapshot shows.
async fn read_values(session: &Session, batch: &mut [Sequence], oids: &[u32]) -> Result<()> {
    let select = |(at, sequence): (usize, &Sequence)| {
        let name = sequence.name.quoted();
        format!("SELECT {at}, last_value, is_called, tableoid FROM {name}")
    };
    let selects: Vec<String> = batch.iter().enumerate().map(select).collect();
    let what = "cannot read the sequences' values";
    let rows: Vec<(i32, i64, bool, u32)> = session.rows(&selects.join(" UNION ALL "), what).await?;
    for (at, last_value, is_called, oid) in rows {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(sequence) = batch.get_mut(at) {
            if oids.get(at) != Some(&oid) {
                let name = &sequence.name;
                return Err(Error::new(
                    Kind::Changed,
                    format!("sequence {name} was replaced by another one"),
                ));
            }
            (sequence.last_value, sequence.is_called) = (last_value, is_called);
        }
    }
    Ok(())
}

/// Materialized views in an order in which they can be refreshed: each after those that it reads,
/// through views too.
pub(crate) async fn read_materialized_views(session: &Session) -> Result<Vec<MaterializedView>> {
    let rows: Vec<(u32, Name, bool, Vec<u32>)> = session
        .rows(
            "WITH RECURSIVE uses(view, used) AS (
               SELECT r.ev_class, d.refobjid
                 FROM pg_catalog.pg_rewrite r
                 JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('m', 'v')
                 JOIN pg_catalog.pg_depend d
                      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                     AND d.objid = r.oid
                     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                     AND d.refobjid <> r.ev_class
                 JOIN pg_catalog.pg_class u ON u.oid = d.refobjid AND u.relkind IN ('m', 'v')
             ), all_uses(view, used) AS (
               SELECT view, used FROM uses
               UNION
               SELECT a.view, u.used FROM all_uses a JOIN uses u ON u.view = a.used
             )
             SELECT c.oid, n.nspname::text, c.relname::text, c.relispopulated,
                    ARRAY(SELECT a.used FROM all_uses a
                            JOIN pg_catalog.pg_class m ON m.oid = a.used AND m.relkind = 'm'
                           WHERE a.view = c.oid)
               FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind = 'm'
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND d.objid = c.oid AND d.deptype = 'e')
              ORDER BY 2, 3",
            "cannot read the materialized views",
        )
        .await?;
    let waiting = rows.into_iter().map(|(oid, name, populated, uses)| {
        let view = MaterializedView {
            name,
            populated,
            digest: None,
        };
        (oid, (view, uses))
    });
    Ok(in_order(&mut waiting.collect()))
}

fn in_order(waiting: &mut BTreeMap<u32, (MaterializedView, Vec<u32>)>) -> Vec<MaterializedView> {
    let mut order = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let oids: BTreeSet<u32> = waiting.keys().copied().collect();
        let ready: Vec<u32> = waiting
            .iter()
            .filter(|(_, (_, uses))| uses.iter().all(|used| !oids.contains(used)))
            .map(|(oid, _)| *oid)
            .collect();
        // A cycle cannot be made by SQL; if one is there all the same, any order will do.
        let next = match ready.is_empty() {
            true => oids.into_iter().collect(),
            false => ready,
        };
        let next = next.iter().filter_map(|oid| waiting.remove(oid));
        order.extend(next.map(|(view, _)| view));
    }
    order
}

pub(crate) async fn count_large_objects(session: &Session) -> Result<u64> {
    let sql = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata";
    session.row(sql, "cannot count the large objects").await
}

/// How many large objects we may not read: pg_read_all_data does not cover them. None where all may be
/// read (superuser, or `lo_compat_privileges`).
pub(crate) async fn unreadable_large_objects(session: &Session) -> Result<u64> {
    session
        .row(
            "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata m
              WHERE NOT pg_catalog.current_setting('lo_compat_privileges')::boolean
                AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
                AND NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
                AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a
                                 WHERE a.privilege_type = 'SELECT'
                                   AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))",
            "cannot read the large objects' privileges",
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_materialized_view_comes_after_those_it_reads() {
        let view = |name: &str| MaterializedView {
            name: Name {
                schema: "s".into(),
                name: name.into(),
            },
            populated: true,
            digest: None,
        };
        let mut waiting = BTreeMap::from([
            (1, (view("c"), vec![2, 3])),
            (2, (view("b"), vec![3])),
            (3, (view("a"), vec![99])),
        ]);
        let names: Vec<String> = in_order(&mut waiting)
            .into_iter()
            .map(|view| view.name.name)
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
