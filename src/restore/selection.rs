//! Which tables' rows are restored. The schema always comes whole: what a table needs (types,
//! functions, other tables' definitions) is then there without guessing.

use std::collections::BTreeSet;

use super::options::TableName;
use crate::escape;
use crate::humanize::first_names;
use crate::model::catalog::{Catalog, MaterializedView, Name, Table};

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    /// Everything, large objects too.
    pub whole: bool,
    tables: BTreeSet<u32>,
    views: BTreeSet<Name>,
    /// Why the choice makes no sense.
    pub problems: Vec<String>,
}

impl Selection {
    /// Chooses whole schemas and single tables; neither means everything. A partitioned table means
    /// all its partitions.
    pub(super) fn new(catalog: &Catalog, schemas: &[String], tables: &[TableName]) -> Self {
        let mut selection = Self {
            whole: schemas.is_empty() && tables.is_empty(),
            ..Self::default()
        };
        for schema in schemas {
            let what = format!("--schema {}", escape::name(schema));
            selection.add(catalog, &what, |name| name.schema == *schema, true);
        }
        for table in tables {
            let what = format!("--table {table}");
            selection.add(catalog, &what, |name| table.is(name), false);
        }
        selection.refuse_views_alone();
        selection
    }

    /// They would be filled from empty tables.
    fn refuse_views_alone(&mut self) {
        if self.whole || !self.tables.is_empty() || !self.problems.is_empty() {
            return;
        }
        let names: Vec<String> = self.views.iter().map(Name::to_string).collect();
        match names.as_slice() {
            [] => {}
            [view] => self.problems.push(format!(
                "{view} is a materialized view, which is filled from tables: choose its tables as well"
            )),
            views => self.problems.push(format!(
                "{} are materialized views, which are filled from tables: choose their tables as well",
                first_names(views, 10)
            )),
        }
    }

    /// For the report: which tables are made and stay empty.
    pub(super) fn other_rows(&self, catalog: &Catalog) -> Option<String> {
        let others = catalog.tables.iter().filter(|table| !self.has(table));
        let count = others.filter(|table| table.digest.rows > 0).count();
        match count {
            0 => None,
            1 => Some("rows of 1 other table, which is made and stays empty".to_owned()),
            _ => Some(format!(
                "rows of {count} other tables, which are made and stay empty"
            )),
        }
    }

    fn add(&mut self, catalog: &Catalog, what: &str, is: impl Fn(&Name) -> bool, many: bool) {
        let mut met = BTreeSet::new();
        for table in &catalog.tables {
            let root = table.root.as_ref().filter(|root| is(root));
            if root.is_some() || is(&table.name) {
                met.insert(root.unwrap_or(&table.name).clone());
                self.tables.insert(table.oid);
            }
        }
        let views = catalog.materialized_views.iter();
        for view in views.filter(|view| is(&view.name)) {
            met.insert(view.name.clone());
            self.views.insert(view.name.clone());
        }
        if met.is_empty() {
            self.problems
                .push(format!("{what}: the restore point holds no such table"));
        } else if met.len() > 1 && !many {
            let names: Vec<String> = met.iter().map(Name::to_string).collect();
            self.problems
                .push(format!("{what}: could be {}", names.join(" or ")));
        }
    }

    pub(super) fn has(&self, table: &Table) -> bool {
        self.whole || self.tables.contains(&table.oid)
    }

    pub(super) fn has_view(&self, view: &MaterializedView) -> bool {
        self.whole || self.views.contains(&view.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    fn chosen(schemas: &[&str], tables: &[(&str, &str)]) -> (Vec<u32>, Vec<String>) {
        let catalog = fixture::catalog();
        let schemas: Vec<String> = schemas.iter().map(|one| (*one).to_owned()).collect();
        let tables: Vec<TableName> = tables
            .iter()
            .map(|(schema, name)| TableName {
                schema: (!schema.is_empty()).then(|| (*schema).to_owned()),
                name: (*name).to_owned(),
            })
            .collect();
        let selection = Selection::new(&catalog, &schemas, &tables);
        let tables = catalog.tables.iter().filter(|table| selection.has(table));
        (tables.map(|table| table.oid).collect(), selection.problems)
    }

    #[test]
    fn tables_whose_rows_stay_out_are_counted() {
        let mut catalog = fixture::catalog();
        catalog.tables[0].digest.rows = 1;
        catalog.tables[3].digest.rows = 1;
        let whole = Selection::new(&catalog, &[], &[]);
        assert_eq!(whole.other_rows(&catalog), None);
        let one = Selection::new(&catalog, &["b".to_owned()], &[]);
        let said = one.other_rows(&catalog).unwrap();
        assert!(said.starts_with("rows of 1 other table,"), "{said}");
    }

    #[test]
    fn nothing_chosen_is_everything() {
        assert_eq!(chosen(&[], &[]), (vec![1, 2, 3, 4], vec![]));
    }

    #[test]
    fn a_partitioned_table_means_its_partitions() {
        assert_eq!(chosen(&[], &[("", "parted")]), (vec![2, 3], vec![]));
        assert_eq!(chosen(&[], &[("a", "leaf")]), (vec![3], vec![]));
        assert_eq!(chosen(&["b"], &[]), (vec![4], vec![]));
    }

    #[test]
    fn what_matches_nothing_or_too_much_is_a_problem() {
        let (_, problems) = chosen(&["zz"], &[("a", "t2"), ("", "t")]);
        assert_eq!(
            problems,
            [
                "--schema zz: the restore point holds no such table",
                "--table a.t2: the restore point holds no such table",
                "--table t: could be a.t or b.t",
            ]
        );
    }
}
