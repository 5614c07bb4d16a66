//! What is extracted, as the catalog knows it.

use crate::error::Error;
use crate::escape;
use crate::humanize::first_names;
use crate::model::catalog::{Catalog, Name, Table};
use crate::model::definitions::{Column, Columns};

/// One table, or all partitions of one.
pub(super) struct Subject<'a> {
    pub catalog: &'a Catalog,
    pub name: &'a Name,
    pub tables: &'a [&'a Table],
    /// `None`: the export did not note them.
    pub full: Option<&'a Columns>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(catalog: &'a Catalog, name: &'a Name, tables: &'a [&'a Table]) -> Self {
        let mut full = catalog.columns_full.iter();
        Self {
            catalog,
            name,
            tables,
            full: full.find(|one| one.of == *name),
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<&'a Column> {
        let mut columns = self.full.iter().flat_map(|full| &full.columns);
        columns.find(|column| column.name == name)
    }

    /// Stored columns in the table's order. Those of partitions may stand in another one.
    pub(super) fn stored(&self) -> Vec<String> {
        match (self.tables, self.full) {
            ([only], _) if only.name == *self.name => only.columns.clone(),
            (_, Some(full)) => {
                let stored = full.columns.iter().filter(|one| one.generated.is_none());
                stored.map(|one| one.name.clone()).collect()
            }
            (tables, None) => tables
                .first()
                .map_or_else(Vec::new, |one| one.columns.clone()),
        }
    }

    pub(super) fn generated(&self) -> Vec<String> {
        let noted = self.full.iter().flat_map(|full| &full.columns);
        let noted = noted.filter(|column| column.generated.is_some());
        let digested = self.tables.iter().flat_map(|table| &table.generated);
        let mut names: Vec<String> = noted.map(|one| one.name.clone()).collect();
        names.extend(digested.map(|one| one.name.clone()));
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn no_column(&self, wanted: &str, stored: &[String]) -> Error {
        let (name, shown) = (self.name, escape::name(wanted));
        if self.generated().iter().any(|one| one == wanted) {
            return Error::not_found(format!(
                "--columns {shown}: {name} computes it, and it is not stored"
            ))
            .hint("a restore computes it anew: `lifeboat restore --table`");
        }
        let all: Vec<String> = stored.iter().map(|one| escape::name(one)).collect();
        let all = match all.len() {
            0 => "it has none".to_owned(),
            _ => format!("it has {}", first_names(&all, 20)),
        };
        let like = |one: &&String| strsim::normalized_damerau_levenshtein(one, wanted);
        let nearest = stored.iter().max_by(|a, b| like(a).total_cmp(&like(b)));
        let nearest = nearest.filter(|nearest| like(nearest) > 0.5);
        let nearest = nearest.map(|one| format!("; the nearest is {}", escape::name(one)));
        Error::not_found(format!("--columns {shown}: {name} has no such column"))
            .hint(format!("{all}{}", nearest.unwrap_or_default()))
    }
}
