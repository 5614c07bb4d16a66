//! Tables whose rows can only be compared together.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::catalog::{Name, Table};
use crate::model::digest::RowDigest;
use crate::pg::target::resume_state::LoadedParts;
use crate::restore::tables::parts_of;

/// One table, or the partitions of a root that were loaded through it.
pub(super) struct Group<'a> {
    pub name: &'a Name,
    /// Rows moved between its tables.
    pub moved: bool,
    pub tables: Vec<&'a Table>,
    pub expected: Digests<'a>,
}

impl Group<'_> {
    pub(super) fn what(&self) -> String {
        format!("table {}", self.name)
    }

    /// A row that moved to a partition with another order of columns reads otherwise.
    pub(super) fn orders_differ(&self) -> bool {
        let mut pairs = self.tables.windows(2);
        pairs.any(|pair| pair[0].columns != pair[1].columns)
    }
}

/// Of a group's rows, and of its generated columns by their names.
#[derive(Default)]
pub(super) struct Digests<'a> {
    pub rows: RowDigest,
    pub generated: BTreeMap<&'a str, RowDigest>,
}

impl<'a> Digests<'a> {
    pub(super) fn add(
        &mut self,
        table: &'a Table,
        rows: RowDigest,
        generated: impl IntoIterator<Item = RowDigest>,
    ) {
        self.rows.merge(rows);
        for (column, digest) in table.generated.iter().zip(generated) {
            self.generated
                .entry(&column.name)
                .or_default()
                .merge(digest);
        }
    }
}

pub(super) fn grouped<'a>(tables: &[&'a Table], loaded: &LoadedParts) -> Vec<Group<'a>> {
    let moved = |table: &&&Table| parts_of(loaded, table.oid).any(|part| part.through_root);
    let moved = tables.iter().filter(moved);
    let roots: BTreeSet<&Name> = moved.filter_map(|table| table.root.as_ref()).collect();
    let mut groups: BTreeMap<&Name, Group<'_>> = BTreeMap::new();
    for table in tables {
        let root = table.root.as_ref().filter(|root| roots.contains(root));
        let name = root.unwrap_or(&table.name);
        let group = groups.entry(name).or_insert_with(|| Group {
            name,
            moved: root.is_some(),
            tables: Vec::new(),
            expected: Digests::default(),
        });
        group.tables.push(table);
        let generated = table.generated.iter().map(|column| column.digest);
        group.expected.add(table, table.digest, generated);
    }
    groups.into_values().collect()
}
