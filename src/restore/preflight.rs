//! Everything that can be known before the first change, at once.

mod check;
mod database;
mod server;

use crate::error::{Error, Kind, Result};
use crate::pg::connect::server::Server;
use crate::pg::local::tools::{self, Tool};
use crate::pg::session::{Purpose, Session};
use crate::pg::target::database::DatabaseFacts;
use crate::pg::target::server::ServerFacts;

use super::run::Inputs;

pub(super) use self::check::TargetCheck;
pub(super) use self::database::occupied;
pub(super) use self::server::missing_tablespaces;

const APPLICATION: &str = "lifeboat restore";

/// Reads the facts of the target, and compares them with the backup's.
pub(super) async fn check_target(inputs: Inputs<'_>) -> Result<TargetCheck> {
    let options = inputs.options;
    let (session, exists) = connect(inputs.target, options.create).await?;
    let server = ServerFacts::read(&session).await?;
    let database = if exists {
        Some(DatabaseFacts::read(&session).await?)
    } else {
        None
    };
    session.close().await;
    let major = server.rights.version_num / 10_000;
    let major = major.max(inputs.point.manifest.pg_dump_major);
    let pg_restore = tools::find(Tool::PgRestore, major, true, &options.tool_dirs);
    let mut problems = inputs.selection.problems.clone();
    problems.extend(pg_restore.as_ref().err().map(Error::chain));
    let mut check = TargetCheck {
        server,
        database,
        pg_restore: pg_restore.ok(),
        problems,
        findings: Vec::new(),
    };
    server::compare(&mut check, inputs);
    // A powerless login gets a database that was prepared for this point.
    if !options.is_powerless() {
        match check.database.clone() {
            Some(facts) => database::compare(&mut check, &facts, inputs),
            None => database::compare_new(&mut check, &inputs.catalog.database),
        }
    }
    Ok(check)
}

/// A session in the target database, or in another one where it is to be made.
async fn connect(target: &Server, create: bool) -> Result<(Session, bool)> {
    match Session::connect(target, APPLICATION, Purpose::Write).await {
        Err(missing) if missing.kind() == Kind::NotFound && create => {
            Ok((connect_beside(target).await?, false))
        }
        Err(missing) if missing.kind() == Kind::NotFound => {
            Err(missing.hint("--create makes the database"))
        }
        connected => connected.map(|session| (session, true)),
    }
}

/// A session in another database of the target's server.
pub(super) async fn connect_beside(target: &Server) -> Result<Session> {
    let beside = target.with_database("postgres");
    match Session::connect(&beside, APPLICATION, Purpose::Write).await {
        Err(error) if error.kind() == Kind::NotFound => {
            let template = target.with_database("template1");
            Session::connect(&template, APPLICATION, Purpose::Write).await
        }
        other => other,
    }
}
