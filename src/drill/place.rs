//! Where a drill restores to, and that nothing of it stays.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Means, Options, Report, Where};
use crate::error::{Context, Error, Result};
use crate::model::catalog::Catalog;
use crate::pg::conninfo::Server;
use crate::pg::scene::{self, Scene};
use crate::pg::scratch;
use crate::pg::throwaway::{Logins, Throwaway, Wanted, free_bytes, login};
use crate::restore::{Nobody, Trouble};
use crate::wall;

/// Beside the data: a server's own files, and its log of changes.
const OVERHEAD: u64 = 768 * 1024 * 1024;

/// A server with room for one database of the drill's own.
pub struct Place {
    target: Server,
    kind: Kind,
}

enum Kind {
    /// Nothing of the backup has any power there.
    Scene(Throwaway, Box<Scene>),
    /// Everything runs as its superuser, because the configuration says so.
    AsSuperuser(Throwaway),
    /// Somebody's server.
    Server {
        /// Another database of it.
        entry: Box<Server>,
        /// Before the drill.
        roles: BTreeSet<String>,
    },
}

impl Place {
    pub async fn prepare(means: &Means<'_>, options: &Options, catalog: &Catalog) -> Result<Self> {
        let manifest = &means.point.manifest;
        let database = format!("lifeboat_drill_{}", manifest.id.as_str().to_lowercase());
        match &options.place {
            Where::Server(entry) => Ok(Self {
                target: entry.with_database(&database),
                kind: Kind::Server {
                    roles: scratch::roles(entry).await?,
                    entry: entry.clone(),
                },
            }),
            Where::Throwaway(folder) => {
                check_space(folder, catalog)?;
                let throwaway = start(means, options, catalog, folder, &database).await?;
                let (throwaway, logins) = throwaway;
                check_wall(&throwaway, options)?;
                if options.superuser {
                    let target = login(throwaway.folder(), &logins.superuser, &database)?;
                    let kind = Kind::AsSuperuser(throwaway);
                    return Ok(Self { target, kind });
                }
                let scene = scene::set(catalog, &logins, throwaway.folder(), &database).await?;
                Ok(Self {
                    target: scene.restorer.clone(),
                    kind: Kind::Scene(throwaway, Box::new(scene)),
                })
            }
        }
    }

    /// The drill's own database.
    pub fn target(&self) -> &Server {
        &self.target
    }

    /// The same, for who only reads.
    pub fn reading(&self) -> &Server {
        match &self.kind {
            Kind::Scene(_, scene) => &scene.reader,
            _ => &self.target,
        }
    }

    /// Whether the database is still to be made.
    pub fn create(&self) -> bool {
        !matches!(self.kind, Kind::Scene(..))
    }

    /// As whom the backup is restored, where nothing of it has any power.
    pub fn nobody(&self) -> Option<Nobody> {
        match &self.kind {
            Kind::Scene(_, scene) => Some(Nobody {
                reader: scene.reader.clone(),
            }),
            _ => None,
        }
    }

    /// For the report.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Scene(throwaway, _) | Kind::AsSuperuser(throwaway) => {
                format!("a throwaway PostgreSQL {}", throwaway.version)
            }
            Kind::Server { entry, .. } => entry.to_string(),
        }
    }

    /// Adds which walls stood, and what the scene was set without.
    pub fn add_to(&self, report: &mut Report) {
        match &self.kind {
            Kind::Scene(throwaway, scene) => {
                report.walls = Some(throwaway.walls());
                report.not_tried.extend(scene.not_tried.iter().cloned());
                let findings = scene.findings.iter();
                let findings = findings.map(|(what, why)| Trouble::new(what, why));
                report.findings.extend(findings);
            }
            Kind::AsSuperuser(throwaway) => report.walls = Some(throwaway.walls()),
            Kind::Server { .. } => {}
        }
    }

    /// Removes what the drill made; roles only where they came with it.
    pub async fn remove(self, catalog: &Catalog) -> Result<()> {
        let (entry, roles) = match self.kind {
            Kind::Server { entry, roles } => (entry, roles),
            Kind::Scene(throwaway, _) | Kind::AsSuperuser(throwaway) => {
                return tokio::task::spawn_blocking(move || drop(throwaway))
                    .await
                    .context(|| "removing the drill's server".to_owned());
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

async fn start(
    means: &Means<'_>,
    options: &Options,
    catalog: &Catalog,
    folder: &Path,
    database: &str,
) -> Result<(Throwaway, Logins)> {
    let logins = Logins::random()?;
    let extensions = catalog.extensions.iter();
    let wanted = Wanted {
        major: means.point.manifest.server_version_num / 10_000,
        tool_dirs: options.tool_dirs.clone(),
        base: folder.to_owned(),
        logins: logins.clone(),
        extensions: extensions.map(|one| one.name.clone()).collect(),
        database: database.to_owned(),
        shared: false,
    };
    let throwaway = tokio::task::spawn_blocking(move || Throwaway::start(&wanted))
        .await
        .context(|| "starting a server for the drill".to_owned())??;
    Ok((throwaway, logins))
}

/// A point that nobody vouches for may hold anything: it is not let in where a wall is missing.
fn check_wall(throwaway: &Throwaway, options: &Options) -> Result<()> {
    if wall::is_whole(throwaway.walls()) {
        return Ok(());
    }
    let may = options.weak_wall || options.drilled_sound;
    if may && !options.superuser {
        return Ok(());
    }
    let missing = throwaway.missing_walls().join("; ");
    let hint = match options.superuser {
        true => "as a superuser a backup is drilled behind the whole wall only",
        false => "--weak-wall drills it all the same: only where a stranger's code may run",
    };
    Err(Error::refused(format!(
        "no drill that a trusted key signed found this point sound, and the wall around the drill's \
         server is not whole: {missing}"
    ))
    .hint(hint))
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
