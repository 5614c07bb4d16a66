//! Where a drill restores to, and that nothing of it stays.

use std::collections::BTreeSet;

use super::{Means, Options, Where};
use crate::error::{Context, Error, Result};
use crate::model::catalog::Catalog;
use crate::pg::conninfo::Server;
use crate::pg::scratch;
use crate::pg::throwaway::{Throwaway, free_bytes};

/// Beside the data: a server's own files, and its log of changes.
const OVERHEAD: u64 = 768 * 1024 * 1024;

/// A server with room for one database of the drill's own.
pub struct Place {
    throwaway: Option<Throwaway>,
    /// Another database of the same server.
    entry: Server,
    target: Server,
    /// Of somebody's server, before the drill.
    roles: BTreeSet<String>,
}

impl Place {
    pub async fn prepare(means: &Means<'_>, options: &Options, catalog: &Catalog) -> Result<Self> {
        let manifest = &means.point.manifest;
        let database = format!("lifeboat_drill_{}", manifest.id.as_str().to_lowercase());
        match &options.place {
            Where::Server(entry) => Ok(Self {
                throwaway: None,
                roles: scratch::roles(entry).await?,
                target: entry.with_database(&database),
                entry: Server::clone(entry),
            }),
            Where::Throwaway(folder) => {
                check_space(folder, catalog)?;
                let (folder, dirs) = (folder.clone(), options.tool_dirs.clone());
                let major = manifest.server_version_num / 10_000;
                let start = move || Throwaway::start(major, &dirs, &folder);
                let throwaway = tokio::task::spawn_blocking(start)
                    .await
                    .context(|| "starting a server for the drill".to_owned())??;
                let entry = throwaway.server().clone();
                Ok(Self {
                    throwaway: Some(throwaway),
                    roles: BTreeSet::new(),
                    target: entry.with_database(&database),
                    entry,
                })
            }
        }
    }

    /// The drill's own database.
    pub fn target(&self) -> &Server {
        &self.target
    }

    /// For the report.
    pub fn describe(&self) -> String {
        match &self.throwaway {
            Some(throwaway) => format!("a throwaway PostgreSQL {}", throwaway.version),
            None => self.entry.to_string(),
        }
    }

    /// Removes what the drill made; roles only where they came with it.
    pub async fn remove(self, catalog: &Catalog) -> Result<()> {
        if let Some(throwaway) = self.throwaway {
            return tokio::task::spawn_blocking(move || drop(throwaway))
                .await
                .context(|| "removing the drill's server".to_owned());
        }
        let came: Vec<String> = catalog
            .roles
            .iter()
            .map(|role| role.name.clone())
            .filter(|name| !self.roles.contains(name))
            .collect();
        scratch::remove(&self.entry, &self.target.database, &came)
            .await
            .map_err(|error| {
                Error::new(
                    error.kind(),
                    format!(
                        "the drill's database {} may have been left on {}",
                        self.target.database, self.entry
                    ),
                )
                .because(error)
                .hint("remove it by hand: DROP DATABASE")
            })
    }
}

/// Indexes take about what tables take.
fn check_space(folder: &std::path::Path, catalog: &Catalog) -> Result<()> {
    let tables: u64 = catalog.tables.iter().map(|table| table.table_bytes).sum();
    let needed = tables.saturating_mul(2).saturating_add(OVERHEAD);
    let free = free_bytes(folder)?;
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes / (1024 * 1024);
    Err(Error::refused(format!(
        "the drill needs about {} MiB in {}, free are {} MiB",
        mib(needed),
        folder.display(),
        mib(free)
    ))
    .hint("name a folder on a larger disk (--folder), restore into a server (--server), or take a --sample"))
}
