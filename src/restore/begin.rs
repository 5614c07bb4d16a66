//! Taking hold of the target, and opening the schema archive.

use std::collections::BTreeSet;
use std::time::Instant;

use super::notes::Before;
use super::preflight::{self, Look};
use super::report::Report;
use super::selection::{self, Selection};
use super::untried::LeftOut;
use super::{Means, Options, Run, application, default_jobs};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::catalog::Catalog;
use crate::model::manifest::names;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::archive::{self, Archive};
use crate::pg::target::database::DatabaseFacts;
use crate::pg::target::resume_state::ResumeState;
use crate::pg::target::server::ServerFacts;
use crate::pg::target::{resume_state, statements};

/// Makes the database if asked, takes hold of it, opens the schema archive.
pub async fn begin<'a>(
    means: &'a Means<'a>,
    options: &'a Options,
    catalog: &'a Catalog,
    selection: &'a Selection,
    target: &Server,
    mut look: Look,
    report: Report,
) -> Result<Run<'a>> {
    let application = application(means.point.manifest.id.as_str());
    // Read before anything is changed: a damaged archive leaves the target untouched.
    let archive = open_archive(means, options, target, &look, catalog).await?;
    let entries = archive.list().await?;
    if look.database.is_none() {
        let made = create_database(catalog, target, look.server.rights.version_num).await;
        if let Err(error) = made {
            // A killed restore's CREATE DATABASE may have ended only now: the database is then
            // looked at like any other that is there.
            look = preflight::look(means, options, target, catalog, selection).await?;
            if !options.resume || look.database.is_none() {
                return Err(error);
            }
            look.check(target)?;
        }
    }
    let (session, finished) = match options.nobody {
        Some(_) => (enter_prepared_drill(target).await?, BTreeSet::new()),
        None => take_hold(means, options, target).await?,
    };
    let facts = match look.database {
        Some(_) => look.server,
        // Names of roles have no encoding of their own: as the new database reads them.
        None => ServerFacts::read(&session).await?,
    };
    let state = match options.nobody {
        Some(_) => ResumeState::in_memory(),
        None => ResumeState::InTarget,
    };
    let said = match state.is_in_target() {
        true => resume_state::findings(&session).await?,
        false => Vec::new(),
    };
    Ok(Run {
        state,
        left_out: LeftOut::new(catalog),
        entries,
        archive,
        means,
        options,
        catalog,
        selection,
        server: target.clone(),
        encoding: session.server_encoding.clone(),
        session,
        facts,
        application,
        jobs: options.jobs.unwrap_or_else(default_jobs),
        said,
        finished,
        created_roles: Vec::new(),
        phase_began: Instant::now(),
        before: Before::default(),
        report,
    })
}

async fn open_archive(
    means: &Means<'_>,
    options: &Options,
    target: &Server,
    look: &Look,
    catalog: &Catalog,
) -> Result<Archive> {
    let pg_restore = look
        .pg_restore
        .clone()
        .ok_or_else(|| Error::failed("pg_restore was not found"))?;
    let plain = means
        .point
        .open_object(names::SCHEMA, means.identities)
        .await?;
    let how = archive::Options {
        application: application(means.point.manifest.id.as_str()),
        owners: !options.no_owner,
        privileges: !options.no_privileges,
        tablespaces: preflight::missing_tablespaces(catalog, &look.server.tablespaces).is_empty(),
        superuser: look.server.rights.superuser,
        server_version_num: look.server.rights.version_num,
    };
    Archive::unpack(plain, pg_restore, target, &how)
        .context(|| format!("{} of {}", names::SCHEMA, means.point.manifest.id))
}

/// Opens the session that keeps others out, and looks again: the database may have changed since it
/// was looked at first, and from here on no other restore can change it.
async fn take_hold(
    means: &Means<'_>,
    options: &Options,
    target: &Server,
) -> Result<(Session, BTreeSet<String>)> {
    let id = means.point.manifest.id.as_str();
    let session = Session::connect(target, "lifeboat restore", Purpose::Write).await?;
    if !resume_state::lock(&session).await? {
        return Err(
            Error::refused(format!("another restore into {target} is at work")).hint(
                "wait for it, or end it: its sessions are called lifeboat in pg_stat_activity",
            ),
        );
    }
    let facts = DatabaseFacts::read(&session).await?;
    if let Some(problem) = preflight::held(&facts, means, options) {
        return Err(Error::refused(format!("{target}: {problem}"))
            .hint("something changed it since this restore began; nothing was written"));
    }
    let Some(unfinished) = facts.unfinished else {
        let sha256 = means.point.body_sha256.to_string();
        resume_state::create(&session, id, &sha256, &selection::choice(options)).await?;
        return Ok((session, BTreeSet::new()));
    };
    resume_state::end_leftover_sessions(&session, &application(id)).await?;
    // What those sessions finished meanwhile counts.
    let finished = resume_state::find_unfinished(&session)
        .await?
        .unwrap_or(unfinished);
    Ok((session, finished.phases))
}

/// A drill is prepared for one restore, which nothing resumes.
async fn enter_prepared_drill(target: &Server) -> Result<Session> {
    let session = Session::connect(target, "lifeboat restore", Purpose::Write).await?;
    resume_state::create_large_object_table(&session).await?;
    Ok(session)
}

async fn create_database(catalog: &Catalog, target: &Server, version_num: u32) -> Result<()> {
    let statement = statements::create_database(&catalog.database, &target.database, version_num);
    let mut failed = None;
    // The same order as when the target was looked at.
    for beside in ["postgres", "template1"] {
        let server = target.with_database(beside);
        let session = match Session::connect(&server, "lifeboat restore", Purpose::Write).await {
            Ok(session) => session,
            Err(error) if error.kind() == Kind::NotFound => {
                failed = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let refused = crate::pg::target::execute::each(&session, &[statement]).await?;
        session.close().await;
        return match refused.into_iter().next() {
            None => Ok(()),
            Some(refused) => Err(refused.error).context(|| format!("cannot make {target}")),
        };
    }
    Err(failed.unwrap_or_else(|| Error::failed(format!("cannot make {target}"))))
}
