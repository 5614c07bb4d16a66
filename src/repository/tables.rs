//! A point's tables, as catalog and manifest know them together.

use std::collections::BTreeMap;

use super::read::RestorePoint;
use crate::error::{Error, Result};
use crate::model::catalog::{Catalog, Table};
use crate::model::manifest::TableParts;

/// A part larger than this holds wide rows and is fetched when its turn comes: memory holds two
/// ordinary parts for each job, or one like this.
pub(crate) const AHEAD_BYTES: u64 = 32 * 1024 * 1024;

impl RestorePoint {
    /// Those of the catalog's tables that are chosen and have parts.
    pub(crate) fn tables<'a>(
        &'a self,
        catalog: &'a Catalog,
        is_chosen: impl Fn(&Table) -> bool,
    ) -> Result<Vec<(&'a Table, &'a TableParts)>> {
        let manifest = &self.manifest;
        let parts = manifest.tables.iter().map(|table| (table.oid, table));
        let parts: BTreeMap<u32, &TableParts> = parts.collect();
        let mut chosen = Vec::new();
        for table in catalog.tables.iter().filter(|table| is_chosen(table)) {
            let listed = parts.get(&table.oid);
            if listed.map_or(0, |parts| parts.rows) != table.digest.rows {
                return Err(Error::damaged(format!(
                    "manifest and catalog of {} do not agree about table {}",
                    manifest.id, table.name
                )));
            }
            chosen.extend(listed.map(|parts| (table, *parts)));
        }
        Ok(chosen)
    }
}
