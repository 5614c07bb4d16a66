//! Where a drill restores to, and that nothing of it stays.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;

use super::options::{Drill, Where};
use super::report::Report;
use super::running::{Running, Wish};
use crate::error::{Error, Result};
use crate::model::catalog::Catalog;
use crate::pg::connect::server::Server;
use crate::pg::local::scratch;
use crate::pg::local::throwaway::{Logins, free_bytes, login};
use crate::pg::target::prepare_drill::{PreparedDrill, prepare_drill};
use crate::restore::Finding;
use crate::wall;

/// Beside the data: a server's own files, and its log of changes.
const OVERHEAD: u64 = 768 * 1024 * 1024;

/// A server with room for one database of the drill's own.
pub(super) struct Place {
    target: Server,
    kind: Kind,
}

enum Kind {
    /// Nothing of the backup has any power there.
    Prepared(Running, Box<PreparedDrill>),
    /// Everything runs as its superuser, because the configuration says so.
    AsSuperuser(Running),
    /// Somebody's server.
    Server {
        /// Another database of it.
        entry: Box<Server>,
        /// Before the drill.
        roles: BTreeSet<String>,
    },
}

impl Place {
    pub(super) async fn prepare(drill: &Drill<'_>, catalog: &Catalog) -> Result<Self> {
        let (manifest, options) = (&drill.point.manifest, drill.options);
        let database = format!("lifeboat_drill_{}", manifest.id.as_str().to_lowercase());
        let logins = Logins::random()?;
        let wish = Wish {
            major: manifest.server_version_num / 10_000,
            logins: &logins,
            catalog,
            database: &database,
        };
        let running = match &options.place {
            Where::Server(entry) => {
                return Ok(Self {
                    target: entry.with_database(&database),
                    kind: Kind::Server {
                        roles: scratch::roles(entry).await?,
                        entry: entry.clone(),
                    },
                });
            }
            Where::Throwaway(folder) => {
                check_space(folder, catalog)?;
                Running::here(folder, &wish, options).await?
            }
            Where::SecondContainer(socket) => {
                check_space(socket.parent().unwrap_or(socket), catalog)?;
                Running::remote(socket, &wish, drill.context.interrupt).await?
            }
        };
        check_wall(&running, drill)?;
        if options.superuser {
            let target = login(running.folder(), &logins.superuser, &database)?;
            let kind = Kind::AsSuperuser(running);
            return Ok(Self { target, kind });
        }
        let preparing = prepare_drill(catalog, &logins, running.folder(), &database);
        let prepared = running.or_lost(preparing).await?;
        Ok(Self {
            target: prepared.restorer.clone(),
            kind: Kind::Prepared(running, Box::new(prepared)),
        })
    }

    /// The drill's own database.
    pub(super) fn target(&self) -> &Server {
        &self.target
    }

    /// The same, for who only reads.
    pub(super) fn reading(&self) -> &Server {
        match &self.kind {
            Kind::Prepared(_, prepared) => &prepared.reader,
            _ => &self.target,
        }
    }

    /// Whether the database is still to be made.
    pub(super) fn create(&self) -> bool {
        !matches!(self.kind, Kind::Prepared(..))
    }

    /// As whom the backup is restored, where nothing of it has any power.
    pub(super) fn nobody(&self) -> Option<Server> {
        match &self.kind {
            Kind::Prepared(_, prepared) => Some(prepared.reader.clone()),
            _ => None,
        }
    }

    /// Runs `work`, which needs the place, and fails where that went away meanwhile.
    pub(super) async fn or_lost<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.kind {
            Kind::Prepared(running, _) | Kind::AsSuperuser(running) => running.or_lost(work).await,
            Kind::Server { .. } => work.await,
        }
    }

    /// For the report.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Prepared(running, _) | Kind::AsSuperuser(running) => running.describe(),
            Kind::Server { entry, .. } => entry.to_string(),
        }
    }

    /// Adds which walls stood, and what could not be prepared as it was.
    pub(super) fn add_to(&self, report: &mut Report) {
        match &self.kind {
            Kind::Prepared(running, prepared) => {
                report.walls = Some(running.walls());
                report.not_tried.extend(prepared.not_tried.iter().cloned());
                let findings = prepared.findings.iter();
                let findings = findings.map(|(what, why)| Finding::new(what, why));
                report.findings.extend(findings);
            }
            Kind::AsSuperuser(running) => report.walls = Some(running.walls()),
            Kind::Server { .. } => {}
        }
    }

    /// Removes what the drill made; roles only where they came with it.
    pub(super) async fn remove(self, catalog: &Catalog) -> Result<()> {
        let (entry, roles) = match self.kind {
            Kind::Server { entry, roles } => (entry, roles),
            Kind::Prepared(running, _) | Kind::AsSuperuser(running) => {
                return running.remove().await;
            }
        };
        let came: Vec<String> = catalog
            .roles
            .iter()
            .map(|role| role.name.clone())
            .filter(|name| !roles.contains(name))
            .collect();
        scratch::remove(&entry, &self.target.database, &came)
            .await
            .map_err(|error| {
                Error::new(
                    error.kind(),
                    format!(
                        "the drill's database {} may have been left on {}",
                        self.target.database, entry
                    ),
                )
                .because(error)
                .hint("remove it by hand: DROP DATABASE")
            })
    }
}

/// A point that nobody vouches for may hold anything: it is not let in where a wall is missing.
fn check_wall(running: &Running, drill: &Drill<'_>) -> Result<()> {
    if wall::is_whole(running.walls()) {
        return Ok(());
    }
    let options = drill.options;
    let may = options.weak_wall || drill.drilled_sound;
    if may && !options.superuser {
        return Ok(());
    }
    let missing = running.missing_walls().join("; ");
    let (because, hint) = match options.superuser {
        true => (
            "[drill] superuser = true",
            "as a superuser a backup is drilled behind the whole wall only",
        ),
        false => (
            "no drill that a trusted key signed found this point sound",
            "--weak-wall drills it all the same: only where a stranger's code may run",
        ),
    };
    Err(Error::refused(format!(
        "{because}, and the wall around the drill's server is not whole: {missing}"
    ))
    .hint(hint))
}

/// Indexes take about what tables take.
fn check_space(folder: &Path, catalog: &Catalog) -> Result<()> {
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
