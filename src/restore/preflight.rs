//! Everything that can be known before the first change, at once.

mod database;
mod server;

use crate::error::{Error, Kind, Result};
use crate::model::catalog::Catalog;
use crate::pg::connect::server::Server;
use crate::pg::local::tools::{self, Tool, ToolPath};
use crate::pg::session::{Purpose, Session};
use crate::pg::target::database::DatabaseFacts;
use crate::pg::target::server::ServerFacts;

use super::report::Trouble;
use super::selection::Selection;
use super::{Means, Options};

pub use self::database::held;
pub use self::server::missing_tablespaces;

/// What was found out about the target.
pub struct Look {
    pub server: ServerFacts,
    /// `None`: the database is to be made.
    pub database: Option<DatabaseFacts>,
    pub pg_restore: Option<ToolPath>,
    /// A restore would refuse.
    pub problems: Vec<String>,
    /// A restore would go on without.
    pub findings: Vec<Trouble>,
}

impl Look {
    /// A restore of this point began here and did not end.
    pub fn is_unfinished(&self) -> bool {
        self.database
            .as_ref()
            .is_some_and(|facts| facts.unfinished.is_some())
    }

    /// All problems as one error; nothing was changed yet.
    pub fn check(&self, target: &Server) -> Result<()> {
        match self.problems.as_slice() {
            [] => Ok(()),
            [only] => Err(Error::refused(format!("{target}: {only}"))
                .hint("nothing was changed; --dry-run shows all that a restore would meet")),
            many => Err(Error::refused(format!(
                "{target}: {} problems: {}",
                many.len(),
                many.join("; ")
            ))
            .hint("nothing was changed; --dry-run shows all that a restore would meet")),
        }
    }
}

/// Asks the target and compares.
pub async fn look(
    means: &Means<'_>,
    options: &Options,
    target: &Server,
    catalog: &Catalog,
    selection: &Selection,
) -> Result<Look> {
    let manifest = &means.point.manifest;
    let (session, there) = connect(target, options.create).await?;
    let server = ServerFacts::read(&session).await?;
    let database = if there {
        Some(DatabaseFacts::read(&session).await?)
    } else {
        None
    };
    session.close().await;
    let major = server.rights.version_num / 10_000;
    let pg_restore = tools::find(
        Tool::PgRestore,
        major.max(manifest.pg_dump_major),
        true,
        &options.tool_dirs,
    );
    let mut look = Look {
        server,
        database,
        problems: selection.problems.clone(),
        findings: Vec::new(),
        pg_restore: None,
    };
    match pg_restore {
        Ok(tool) => look.pg_restore = Some(tool),
        Err(error) => look.problems.push(error.chain()),
    }
    server::compare(&mut look, manifest, catalog, options);
    if options.nobody.is_some() {
        // The drill was prepared for this point.
        return Ok(look);
    }
    match look.database.clone() {
        Some(facts) => database::compare(&mut look, &facts, means, options, catalog),
        None => database::compare_new(&mut look, &catalog.database),
    }
    Ok(look)
}

/// A session in the target database, or next to it where it is to be made.
async fn connect(target: &Server, create: bool) -> Result<(Session, bool)> {
    let application = "lifeboat restore";
    let missing = match Session::connect(target, application, Purpose::Write).await {
        Ok(session) => return Ok((session, true)),
        Err(error) if error.kind() == Kind::NotFound => error,
        Err(error) => return Err(error),
    };
    if !create {
        return Err(missing.hint("--create makes the database"));
    }
    let beside = target.with_database("postgres");
    let session = match Session::connect(&beside, application, Purpose::Write).await {
        Err(error) if error.kind() == Kind::NotFound => {
            Session::connect(
                &target.with_database("template1"),
                application,
                Purpose::Write,
            )
            .await?
        }
        other => other?,
    };
    Ok((session, false))
}
