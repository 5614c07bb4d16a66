//! What an export leaves out on request, by patterns that are resolved once, as the snapshot shows names: pg_dump
//! resolves them by its own search_path, and leaves a partitioned table's partitions in.

mod closure;
mod matching;

use std::collections::BTreeSet;

use self::closure::Gone;
use self::matching::{Relation, WHAT, What, list, tree};
use crate::error::{Error, Result};
use crate::model::catalog::{KeyName, LeftOut, Name, NotCoveredNames};
use crate::model::left_out::{ASKED, ROWS, ROWS_OF_VIEWS};
use crate::model::pattern::Exclude;
use crate::pg::session::{Session, from_row};
use crate::pg::source::catalog::THROUGH_ROOT;

/// What the patterns mean in one database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resolved {
    /// Tables that come without rows.
    pub without_rows: BTreeSet<u32>,
    /// What stands above tables whose rows are left out, or that are: its statistics are of their rows as well.
    pub ancestors: BTreeSet<Name>,
    /// Materialized views that stay unfilled.
    pub unfilled: BTreeSet<Name>,
    /// OIDs and names of tables, views and sequences that are left out.
    pub gone: BTreeSet<u32>,
    pub relations: BTreeSet<Name>,
    pub schemas: BTreeSet<String>,
    /// Catalogs and OIDs of all that is left out, parts of it among them.
    pub parts: BTreeSet<(String, u32)>,
    pub left_out: LeftOut,
}

from_row!(KeyName: oid, on, name);

/// Resolves them for this session's database.
pub(crate) async fn resolve(
    session: &Session,
    database: &str,
    exclude: &Exclude,
) -> Result<Resolved> {
    let mut resolved = Resolved::default();
    let schemas = matching::schemas(session, database, &exclude.schemas).await?;
    let tables = matching::relations(session, database, &exclude.tables, What::All).await?;
    let without_rows =
        matching::relations(session, database, &exclude.table_data, What::Rows).await?;
    if !schemas.is_empty() || !tables.is_empty() {
        resolved.add_objects(session, &schemas, &tables).await?;
    }
    if !resolved.gone.is_empty() || !without_rows.is_empty() {
        resolved.add_rows(session, &without_rows).await?;
    }
    Ok(resolved)
}

impl Resolved {
    /// What is asked for, with what cannot be made without it.
    async fn add_objects(
        &mut self,
        session: &Session,
        schemas: &[(u32, String)],
        tables: &BTreeSet<Relation>,
    ) -> Result<()> {
        let below = format!(
            "{} SELECT oid FROM down",
            tree(tables.iter().map(|one| one.oid))
        );
        let asked: BTreeSet<u32> = session.rows(&below, WHAT).await?;
        let start = format!(
            "SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, pg_catalog.unnest({})
             UNION ALL
             SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, pg_catalog.unnest({})",
            list(schemas.iter().map(|(oid, _)| *oid)),
            list(asked.iter().copied())
        );
        let gone = closure::read(session, &start).await?;
        self.parts = closure::parts(session, &start).await?;
        self.schemas = schemas.iter().map(|(_, name)| name.clone()).collect();
        let is_asked = |one: &Gone| {
            one.is_part
                || one.relkind.is_some() && asked.contains(&one.object.oid)
                || one.object.kind == "schema"
        };
        closure::refuse(&gone, is_asked)?;
        for one in &gone {
            if let Some(name) = one.relation() {
                self.gone.insert(one.object.oid);
                self.relations.insert(name);
            }
        }
        refuse_hash_partitions(session, &self.gone).await?;
        self.left_out.unowned = find_unowned(session, &self.gone).await?;
        self.name(&gone, is_asked, |oid| asked.contains(&oid));
        self.left_out.objects = gone.into_iter().map(|one| one.object).collect();
        self.left_out.objects.sort();
        Ok(())
    }

    /// For people, by kind: what is asked for first.
    fn name(
        &mut self,
        gone: &[Gone],
        is_asked: impl Fn(&Gone) -> bool,
        is_named: impl Fn(u32) -> bool,
    ) {
        let (asked, others): (Vec<_>, Vec<_>) = gone.iter().partition(|one| is_asked(one));
        for (kind, kinds) in ASKED {
            let of_kind = asked.iter().filter(|one| one.object.kind == kind);
            // One of an identity column or a schema goes without being called by name.
            let named = of_kind.filter(|one| kind != "sequence" || is_named(one.object.oid));
            self.add_names(kinds, named.map(|one| one.object.asked_name()).collect());
        }
        let mut kinds: Vec<String> = (others.iter())
            .map(|one| one.object.needing_kind())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of_kind = (others.iter()).filter(|one| one.object.needing_kind() == kind);
            let names = of_kind.map(|one| one.object.identity.clone()).collect();
            self.add_names(&kind, names);
        }
    }

    fn add_names(&mut self, kind: &str, mut names: Vec<String>) {
        names.sort_unstable();
        self.left_out
            .names
            .extend((!names.is_empty()).then(|| NotCoveredNames {
                kind: kind.to_owned(),
                names,
            }));
    }

    /// Tables that come without rows, and what follows for keys and views; from partitions that are left out, too.
    async fn add_rows(&mut self, session: &Session, matched: &BTreeSet<Relation>) -> Result<()> {
        let (views, tables): (Vec<_>, Vec<_>) = matched.iter().partition(|one| one.kind == "m");
        let gone = list(self.gone.iter().copied());
        let sql = format!(
            "{} SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text
               FROM down JOIN pg_catalog.pg_class c ON c.oid = down.oid AND c.relkind = 'r'
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE c.oid <> ALL ({gone}) ORDER BY 2, 3",
            tree(tables.iter().map(|one| one.oid))
        );
        let tables: Vec<Relation> = session.rows(&sql, WHAT).await?;
        self.left_out.rows = tables.iter().map(|one| one.name.clone()).collect();
        self.without_rows = tables.iter().map(|one| one.oid).collect();
        let start = format!(
            "SELECT pg_catalog.unnest({})",
            list(views.iter().map(|one| one.oid))
        );
        let unfilled = matching::readers("WITH RECURSIVE ", &start, &gone);
        let unfilled: Vec<Name> = session.rows(&unfilled, WHAT).await?;
        self.add_names(
            ROWS,
            tables.iter().map(|one| one.name.to_string()).collect(),
        );
        self.add_names(
            ROWS_OF_VIEWS,
            unfilled.iter().map(ToString::to_string).collect(),
        );
        let lacking = self.without_rows.union(&self.gone).copied();
        let above = matching::above(lacking.clone());
        self.ancestors = session.rows(&above, WHAT).await?;
        let tree = tree(lacking);
        // Of a table that inherits, rows are read through its parent, but no key refers to them there.
        let start = "SELECT oid FROM up
                     UNION SELECT i.inhparent FROM start
                             JOIN pg_catalog.pg_inherits i ON i.inhrelid = start.oid";
        let computed = matching::readers(&format!("{tree}, "), start, &gone);
        self.left_out.computed = session.rows(&computed, WHAT).await?;
        self.left_out
            .computed
            .retain(|view| !unfilled.contains(view));
        self.unfilled = unfilled.into_iter().collect();
        let sql = format!(
            "{tree} SELECT k.oid, n.nspname::text, c.relname::text, k.conname::text
               FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT oid FROM up)
                AND k.confrelid <> ALL ({gone}) AND k.conrelid NOT IN (SELECT oid FROM down)
              ORDER BY 2, 3, 4"
        );
        self.left_out.foreign_keys = session.rows(&sql, WHAT).await?;
        Ok(())
    }
}

/// Rows of such a table are loaded through its root, and some would find no partition.
async fn refuse_hash_partitions(session: &Session, gone: &BTreeSet<u32>) -> Result<()> {
    let gone = list(gone.iter().copied());
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.oid = ANY ({gone}) AND pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid <> ALL ({gone})
            AND {THROUGH_ROOT} LIMIT 1"
    );
    let found: Vec<Name> = session.rows(&sql, WHAT).await?;
    match found.first() {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!(
            "{name} is a partition by hash, whose rows may belong to another one where they are restored: it cannot \
             be left out alone"
        ))
        .hint("leave out the partitioned table, or only the rows of the partition")),
    }
}

/// An owned sequence outlives its table, as in pg_dump.
async fn find_unowned(session: &Session, gone: &BTreeSet<u32>) -> Result<Vec<Name>> {
    let gone = list(gone.iter().copied());
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND d.objid = c.oid AND d.deptype = 'a'
                AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          WHERE c.relkind = 'S' AND d.refobjid = ANY ({gone}) AND c.oid <> ALL ({gone}) ORDER BY 1, 2"
    );
    session.rows(&sql, WHAT).await
}
