//! One of the two that are compared: a restore point, or a live database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::columns::Columns;
use super::digests::Pick;
use super::reader::Rows;
use super::report::SideFacts;
use crate::codec::Identities;
use crate::context::Context;
use crate::error::Result;
use crate::model::catalog::{Catalog, Name, Table};
use crate::model::manifest::NotCovered;
use crate::model::selection::TableName;
use crate::model::table_change::{TableFacts, of_catalog, of_point};
use crate::pg::connect::server::Server;
use crate::pg::source::live::LiveSnapshot;
use crate::repository::RestorePoint;

/// What a row takes in a table at least: its header and its place in the page.
const LEAST_ROW_BYTES: u64 = 28;

pub(super) struct Side<'a> {
    pub facts: SideFacts,
    /// `server_version_num`.
    pub version_num: u32,
    /// Of its server, where it is known.
    pub system_identifier: Option<String>,
    source: Source<'a>,
}

enum Source<'a> {
    Point {
        point: &'a RestorePoint,
        identities: &'a Identities,
        /// `None`: no identity is at hand.
        catalog: Option<Box<Catalog>>,
    },
    Live(Box<LiveSnapshot>),
}

impl<'a> Side<'a> {
    pub(super) async fn of_point(
        point: &'a RestorePoint,
        identities: &'a Identities,
    ) -> Result<Self> {
        point.check_requirements()?;
        let catalog = match identities.is_empty() {
            true => None,
            false => Some(Box::new(point.catalog(identities).await?)),
        };
        let manifest = &point.manifest;
        Ok(Self {
            facts: SideFacts {
                id: Some(manifest.id.clone()),
                server: None,
                snapshot_at: manifest.snapshot_at,
                server_version: manifest.server_version.clone(),
                tables: manifest.user_tables().count() as u64,
                rows: Some(manifest.rows()),
            },
            version_num: manifest.server_version_num,
            system_identifier: manifest.system_identifier.clone(),
            source: Source::Point {
                point,
                identities,
                catalog,
            },
        })
    }

    /// `digest`: so many sessions read every row.
    pub(super) async fn of_live(
        server: &Server,
        digest: Option<usize>,
        context: Context<'_>,
    ) -> Result<Self> {
        let mut live = LiveSnapshot::take(server, "lifeboat diff").await?;
        if let Some(jobs) = digest {
            let bytes = live.tables.iter().map(|one| one.table.table_bytes).sum();
            context.progress.phase("reading the server", Some(bytes));
            live.digest(jobs, |bytes| context.progress.advance(bytes))
                .await?;
        }
        let rows = live.catalog.tables.iter().map(|table| table.digest.rows);
        Ok(Self {
            facts: SideFacts {
                id: None,
                server: Some(server.to_string()),
                snapshot_at: live.taken_at,
                server_version: live.instance.version.clone(),
                tables: live.tables.len() as u64,
                rows: digest.map(|_| rows.sum()),
            },
            version_num: live.server_version_num(),
            system_identifier: live.instance.system_identifier.clone(),
            source: Source::Live(Box::new(live)),
        })
    }

    pub(super) fn catalog(&self) -> Option<&Catalog> {
        match &self.source {
            Source::Point { catalog, .. } => catalog.as_deref(),
            Source::Live(live) => Some(&live.catalog),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.source, Source::Live(_))
    }

    /// By names only where there is a catalog, and `by_names` asks for it.
    pub(super) fn tables(&self, by_names: bool) -> Vec<TableFacts> {
        match &self.source {
            Source::Point { point, catalog, .. } => {
                let catalog = catalog.as_deref().filter(|_| by_names);
                of_point(&point.manifest, catalog)
            }
            Source::Live(live) => of_catalog(&live.catalog, |_| None),
        }
    }

    /// What it was asked to leave out, by kind.
    pub(super) fn excluded(&self) -> &[NotCovered] {
        match &self.source {
            Source::Point { point, .. } => &point.manifest.excluded,
            Source::Live(_) => &[],
        }
    }

    /// Tables that could not be read.
    pub(super) fn unreadable(&self) -> &[Name] {
        match &self.source {
            Source::Point { .. } => &[],
            Source::Live(live) => &live.unreadable,
        }
    }

    /// At most so many rows; of a live table that is no more than an estimate.
    pub(super) fn most_rows(&self, tables: &[&Table]) -> u64 {
        let rows = |table: &&Table| match self.source {
            Source::Point { .. } => table.digest.rows,
            Source::Live(_) => table.table_bytes / LEAST_ROW_BYTES,
        };
        tables.iter().map(rows).sum()
    }

    /// What reading them moves, for the progress.
    pub(super) fn rows_bytes(&self, tables: &[&Table]) -> u64 {
        match &self.source {
            Source::Live(_) => tables.iter().map(|table| table.table_bytes).sum(),
            Source::Point { point, .. } => {
                let chosen: BTreeSet<u32> = tables.iter().map(|table| table.oid).collect();
                let parts = point.manifest.tables.iter();
                let parts = parts.filter(|parts| chosen.contains(&parts.oid));
                parts.map(|parts| parts.copy_bytes).sum()
            }
        }
    }

    /// The rows of these tables, each with the columns that are compared.
    pub(super) fn rows(
        &self,
        tables: &[&Table],
        columns: &Columns,
        wanted: Option<&Arc<BTreeSet<u128>>>,
    ) -> Result<Rows<'_>> {
        let pick = |table: &Table| Pick {
            projection: columns.projection(&table.columns),
            wanted: wanted.cloned(),
        };
        let chosen: BTreeMap<u32, Pick> = tables
            .iter()
            .map(|table| (table.oid, pick(table)))
            .collect();
        match &self.source {
            Source::Live(live) => {
                let numbered = live.tables.iter().enumerate();
                let tables = numbered
                    .filter_map(|(at, one)| Some((at, chosen.get(&one.table.oid)?.clone())));
                Ok(Rows::Live {
                    live,
                    tables: tables.collect(),
                })
            }
            Source::Point {
                point,
                identities,
                catalog,
            } => {
                let mut tables = Vec::new();
                if let Some(catalog) = catalog {
                    let is_chosen = |table: &Table| chosen.contains_key(&table.oid);
                    for (table, parts) in point.tables(catalog, is_chosen)? {
                        tables.push((parts, pick(table)));
                    }
                }
                Ok(Rows::Point {
                    point,
                    identities,
                    tables,
                })
            }
        }
    }

    /// Ends what it holds; an error where a live table that was read was rewritten meanwhile. `only`: no other
    /// table was read.
    pub(super) async fn end(self, only: Option<&TableName>) -> Result<()> {
        let Source::Live(live) = self.source else {
            return Ok(());
        };
        let tables: Vec<&Table> = match only {
            None => live.catalog.tables.iter().collect(),
            Some(only) => match only.find(&live.catalog) {
                Ok((_, tables)) => tables,
                Err(_) => Vec::new(),
            },
        };
        let read: BTreeSet<Name> = tables.iter().map(|table| table.name.clone()).collect();
        live.end(&read).await
    }
}
