//! Where a drill restores to, and that nothing of it stays.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;

use tokio::task::spawn_blocking;

use super::options::{Drill, Where};
use super::report::Report;
use crate::error::{Error, Result, ResultExt};
use crate::model::attestation::Walls;
use crate::model::catalog::Catalog;
use crate::model::finding::Finding;
use crate::pg::connect::server::{Server, session_options};
use crate::pg::local::drill_server::{Remote, START_WAIT};
use crate::pg::local::throwaway::{
    self, Logins, ServerRequest, Throwaway, free_bytes, login, to_preload,
};
use crate::pg::target::prepare_drill::{PreparedDrill, prepare_drill};
use crate::pg::target::scratch;
use crate::wall;

/// Beside the data: a server's own files, and its log of changes.
const OVERHEAD: u64 = 768 * 1024 * 1024;

/// A database of the drill's own, and the server that it is on.
pub(super) struct DrillTarget {
    database: Server,
    server: TargetServer,
    /// Nothing of the backup has any power there. `None`: the database is still to be made, by the user
    /// that restores.
    prepared: Option<PreparedDrill>,
}

enum TargetServer {
    Own(OwnServer),
    Existing {
        /// Another database of it.
        entry: Box<Server>,
        /// Before the drill.
        roles: BTreeSet<String>,
    },
}

impl DrillTarget {
    pub(super) async fn prepare(drill: &Drill<'_>, catalog: &Catalog) -> Result<Self> {
        let id = drill.point.manifest.id.as_str();
        let name = format!("lifeboat_drill_{}", id.to_lowercase());
        let logins = Logins::random()?;
        let server = TargetServer::start(drill, catalog, &logins, &name).await?;
        let (mut database, mut prepared) = match &server {
            TargetServer::Existing { entry, .. } => (entry.with_database(&name), None),
            TargetServer::Own(own) => {
                check_wall(own, drill)?;
                if drill.options.superuser {
                    (login(own.folder(), &logins.superuser, &name)?, None)
                } else {
                    let preparing = prepare_drill(catalog, &logins, own.folder(), &name);
                    let prepared = own.or_lost(preparing).await?;
                    (prepared.restorer.clone(), Some(prepared))
                }
            }
        };
        let options = session_options(drill.point.manifest.server_version_num);
        if let Some(prepared) = &mut prepared {
            prepared.reader.session_options = Some(options.clone());
        }
        database.session_options = Some(options);
        Ok(Self {
            database,
            server,
            prepared,
        })
    }

    /// The drill's own database.
    pub(super) fn database(&self) -> &Server {
        &self.database
    }

    /// The login that only reads, if nothing of the backup has any power there.
    pub(super) fn reader(&self) -> Option<&Server> {
        self.prepared.as_ref().map(|prepared| &prepared.reader)
    }

    /// Runs `work`, which needs the server, and fails if that went away meanwhile.
    pub(super) async fn or_lost<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.server {
            TargetServer::Own(server) => server.or_lost(work).await,
            TargetServer::Existing { .. } => work.await,
        }
    }

    /// For the report.
    pub(super) fn describe(&self) -> String {
        match &self.server {
            TargetServer::Own(server) => server.describe(),
            TargetServer::Existing { entry, .. } => entry.to_string(),
        }
    }

    /// Adds which walls stood, and what could not be prepared as it was.
    pub(super) fn add_to(&self, report: &mut Report) {
        if let TargetServer::Own(server) = &self.server {
            report.walls = Some(server.walls().0);
        }
        if let Some(prepared) = &self.prepared {
            report.not_tried.extend_from_slice(&prepared.not_tried);
            report.findings.extend_from_slice(&prepared.findings);
        }
    }

    /// Removes what the drill made, roles only if they came with it, and names what is left of it.
    pub(super) async fn remove(self, catalog: &Catalog) -> Vec<Finding> {
        let database = &self.database;
        let (place, removed) = match self.server {
            TargetServer::Own(server) => {
                (server.describe(), server.remove().await.map(|()| vec![]))
            }
            TargetServer::Existing { entry, roles } => {
                let came = catalog.roles.iter().map(|role| role.name.clone());
                let came: Vec<String> = came.filter(|name| !roles.contains(name)).collect();
                let removed = scratch::remove(&entry, database, &came).await;
                (entry.to_string(), removed)
            }
        };
        removed.unwrap_or_else(|error| {
            let what = format!(
                "what the drill made may have been left: database {} in {place}",
                database.database
            );
            vec![Finding::new(what, error.chain())]
        })
    }
}

impl TargetServer {
    async fn start(
        drill: &Drill<'_>,
        catalog: &Catalog,
        logins: &Logins,
        database: &str,
    ) -> Result<Self> {
        let extensions = catalog.extensions.iter().map(|one| one.name.clone());
        let wanted = ServerRequest {
            major: drill.point.manifest.server_version_num / 10_000,
            logins: logins.clone(),
            extensions: to_preload(&extensions.collect::<Vec<_>>()),
            database: database.to_owned(),
        };
        let own = match &drill.options.place {
            Where::Server(entry) => {
                let (roles, entry) = (scratch::roles(entry).await?, entry.clone());
                return Ok(Self::Existing { entry, roles });
            }
            Where::Throwaway(folder) => {
                check_space(folder, catalog)?;
                let wanted = throwaway::Options {
                    server: wanted,
                    tool_dirs: drill.options.tool_dirs.clone(),
                    base: folder.clone(),
                    shared: false,
                };
                let started = spawn_blocking(move || Throwaway::start(&wanted)).await;
                OwnServer::Here(started.context(|| "starting a server for the drill".to_owned())??)
            }
            Where::SecondContainer(socket) => {
                check_space(socket.parent().unwrap_or(socket), catalog)?;
                let starting = Remote::start(socket, wanted, START_WAIT);
                OwnServer::Remote(drill.context.interrupt.or(starting).await?)
            }
        };
        Ok(Self::Own(own))
    }
}

/// The drill's own server, wherever it runs.
enum OwnServer {
    /// Started by this process.
    Here(Throwaway),
    /// In a second container.
    Remote(Remote),
}

impl OwnServer {
    /// Its socket's folder.
    fn folder(&self) -> &Path {
        match self {
            Self::Here(throwaway) => throwaway.folder(),
            Self::Remote(remote) => &remote.folder,
        }
    }

    /// Which walls stand around it, and why others do not.
    fn walls(&self) -> (Walls, &[String]) {
        match self {
            Self::Here(throwaway) => (throwaway.wall.walls, &throwaway.wall.missing),
            Self::Remote(remote) => (remote.report.walls, &remote.report.missing),
        }
    }

    /// For the report.
    fn describe(&self) -> String {
        let (whose, version) = match self {
            Self::Here(throwaway) => ("a", &throwaway.version),
            Self::Remote(remote) => ("a second container's", &remote.version),
        };
        format!("{whose} throwaway PostgreSQL {version}")
    }

    /// Runs `work`, which needs it, and fails if a second container went away meanwhile.
    async fn or_lost<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self {
            Self::Here(_) => work.await,
            Self::Remote(remote) => remote.or_lost(work).await,
        }
    }

    /// Returns when server and folder are gone.
    async fn remove(self) -> Result<()> {
        match self {
            Self::Here(throwaway) => tokio::task::spawn_blocking(move || drop(throwaway))
                .await
                .context(|| "removing the drill's server".to_owned()),
            Self::Remote(remote) => remote.remove().await,
        }
    }
}

/// A point that nobody vouches for may hold anything: it is not let in where a wall is missing.
fn check_wall(server: &OwnServer, drill: &Drill<'_>) -> Result<()> {
    let (walls, missing) = server.walls();
    let options = drill.options;
    let may = options.weak_wall || drill.drilled_sound;
    if wall::is_whole(walls) || (may && !options.superuser) {
        return Ok(());
    }
    let (because, first) = if options.superuser {
        (
            "[drill] superuser = true needs the whole wall",
            "leave superuser out".to_owned(),
        )
    } else {
        (
            "no trusted drill has found this point sound",
            "where code from this backup may run on this machine: --weak-wall".to_owned(),
        )
    };
    let mend = match server {
        OwnServer::Here(_) => {
            "install bubblewrap and allow unprivileged user namespaces, or drill with the server in a \
             second container (docs/drills.md)"
        }
        OwnServer::Remote(_) => {
            "give the second container a user id, files and processes of its own, as deploy/ does"
        }
    };
    Err(Error::refused(format!(
        "{}, so the drill's server is not walled off, and {because}",
        missing.join("; ")
    ))
    .hint(format!("{first}; otherwise {mend}")))
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
