//! Tables that say nothing about a database, as one of two sides lacks them, or their rows, for a reason of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Catalog;
use super::name::Name;
use super::table_change::TableFacts;

#[derive(Debug, Default)]
pub(crate) struct Incomparable {
    /// Why, by name.
    tables: BTreeMap<Name, BTreeSet<String>>,
    /// Of those that are known by it, too: they may have another name on the other side.
    oids: BTreeSet<u32>,
}

impl Incomparable {
    pub(crate) fn add(&mut self, name: &Name, why: String) {
        self.tables.entry(name.clone()).or_default().insert(why);
    }

    /// What this point was asked to leave out.
    pub(crate) fn add_left_out(&mut self, catalog: &Catalog, point: &str) {
        let left_out = &catalog.left_out;
        for name in &left_out.rows {
            self.add(name, format!("{point} leaves its rows out on request"));
        }
        let without_rows = catalog.tables.iter();
        let without_rows = without_rows.filter(|table| left_out.rows.contains(&table.name));
        self.oids.extend(without_rows.map(|table| table.oid));
        for (oid, name) in left_out.tables() {
            self.add(&name, format!("{point} leaves it out on request"));
            self.oids.insert(oid);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(crate) fn has(&self, name: &Name) -> bool {
        self.tables.contains_key(name)
    }

    /// `one_server`: an OID that both sides have is one table's.
    pub(crate) fn take_from(&self, tables: &mut Vec<TableFacts>, one_server: bool) {
        let is_it = |table: &TableFacts| {
            table.name.as_ref().is_some_and(|name| self.has(name))
                || one_server && self.oids.contains(&table.oid)
        };
        tables.retain(|table| !is_it(table));
    }

    /// One for each table.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(name, why): (&Name, &BTreeSet<String>)| {
            let why: Vec<&str> = why.iter().map(String::as_str).collect();
            format!("table {name}: {}", why.join("; "))
        };
        self.tables.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;
    use crate::model::left_out::LeftOutObject;
    use crate::model::table_change::{compare, of_catalog};

    fn left_out_table(oid: u32, name: [&str; 2]) -> LeftOutObject {
        LeftOutObject {
            class: 1259,
            oid,
            kind: "table".to_owned(),
            name: name.map(str::to_owned).to_vec(),
            class_name: "table".to_owned(),
            identity: name.join("."),
        }
    }

    #[test]
    fn what_either_side_leaves_out_neither_came_nor_went_nor_changed() {
        let full = fixture::catalog();
        let mut other = fixture::catalog();
        for table in &mut other.tables {
            table.digest.rows = 0;
        }
        other.left_out.rows = vec![other.tables[0].name.clone(), other.tables[2].name.clone()];
        let gone = other.tables.pop().unwrap();
        other.left_out.objects = vec![left_out_table(gone.oid, ["b", "t"])];
        let mut before = full.clone();
        // They are known by OID where they were called otherwise.
        before.tables[0].name.name = "earlier".to_owned();
        before.tables[0].digest.rows = 500;
        before.tables[3].digest.rows = 500;
        let mut lacking = Incomparable::default();
        lacking.add_left_out(&before, "A");
        assert!(lacking.is_empty());
        lacking.add_left_out(&other, "B");
        let mut tables = [of_catalog(&before, |_| None), of_catalog(&other, |_| None)];
        let (changes, _) = compare(&tables[0], &tables[1], true).unwrap();
        assert_eq!(changes.len(), 2, "{changes:?}");
        tables
            .iter_mut()
            .for_each(|one| lacking.take_from(one, true));
        assert_eq!(compare(&tables[0], &tables[1], true), Some((Vec::new(), 1)));
        assert_eq!(
            lacking.lines(),
            [
                "table a.leaf: B leaves its rows out on request",
                "table a.t: B leaves its rows out on request",
                "table b.t: B leaves it out on request",
            ]
        );
    }

    #[test]
    fn an_oid_of_another_server_means_nothing() {
        let catalog = fixture::catalog();
        let mut lacking = Incomparable::default();
        lacking.oids.insert(catalog.tables[0].oid);
        let mut tables = of_catalog(&catalog, |_| None);
        lacking.take_from(&mut tables, false);
        assert_eq!(tables.len(), 4);
        lacking.take_from(&mut tables, true);
        assert_eq!(tables.len(), 3);
        lacking.add(&catalog.tables[1].name, "why".to_owned());
        lacking.take_from(&mut tables, false);
        assert_eq!(tables.len(), 2);
    }
}
