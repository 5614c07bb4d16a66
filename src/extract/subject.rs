//! What is extracted, as the catalog knows it.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::escape;
use crate::humanize::first_names;
use crate::model::catalog::{Catalog, Name, Table};
use crate::model::definitions::{Column, Columns};
use crate::model::selection::{columns_of, generated_columns, stored_columns};

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
        Self {
            catalog,
            name,
            tables,
            full: columns_of(catalog, name),
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<&'a Column> {
        let mut columns = self.full.iter().flat_map(|full| &full.columns);
        columns.find(|column| column.name == name)
    }

    pub(super) fn stored(&self) -> Vec<String> {
        stored_columns(self.catalog, (self.name, self.tables))
    }

    pub(super) fn generated(&self) -> BTreeSet<String> {
        generated_columns(self.catalog, (self.name, self.tables))
    }

    pub(super) fn no_column(&self, wanted: &str, stored: &[String]) -> Error {
        let (name, shown) = (self.name, escape::name(wanted));
        if self.generated().contains(wanted) {
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
