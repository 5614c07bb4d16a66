//! `lifeboat restore`: a restore point back into an empty database.

mod broken;
mod compare;
mod constraints;
mod definitions;
mod finalize;
mod indexes;
mod large_objects;
mod not_tried;
mod options;
mod outcomes;
mod parameters;
mod passes;
mod phases;
mod preflight;
mod prepare;
mod report;
mod roles;
mod run;
mod schema;
mod search_path;
mod set_aside;
mod settings;
mod tables;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Instant;

use crate::codec::Identities;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::model::selection::Selection;
use crate::pg::connect::server::session_options;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::readiness::Readiness;
use crate::pg::target::resume_state;
use crate::repository::RestorePoint;

pub use self::options::Options;
use self::phases::{COMPARISON, DEFINITIONS, ROLES, TABLES};
pub(crate) use self::report::PhaseTime;
pub use self::report::Report;
use self::run::{Inputs, Run};

/// Restores one point. An error means that it stopped; a report with failures means that it ended
/// and something is missing.
pub async fn run(
    point: &RestorePoint,
    identities: &Identities,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let started = Instant::now();
    context.progress.phase("looking at the target", None);
    let catalog = point.catalog(identities).await?;
    let selection = Selection::new(&catalog, &options.schemas, &options.tables);
    let mut target = options.target.clone();
    target.session_options = Some(session_options(point.manifest.server_version_num));
    target.names_are_bytes = Some(catalog.database.names_are_bytes);
    target.pin()?;
    let inputs = Inputs {
        point,
        identities,
        options,
        context,
        catalog: &catalog,
        selection: &selection,
        target: &target,
    };
    let checked = preflight::check_target(inputs).await?;
    let mut report = Report::new(&point.manifest, target.to_string(), options.dry_run);
    report.as_superuser = checked.server.rights.superuser;
    if report.as_superuser && !options.drilled_sound {
        let warning = superuser_warning(&checked.server.user);
        context.progress.warn(&warning);
    }
    report.resumed = checked.is_unfinished();
    report.findings.clone_from(&checked.findings);
    report.left_out.extend(selection.other_rows(&catalog));
    report.excluded.clone_from(&catalog.left_out.names);
    if options.dry_run {
        report.problems = checked.problems;
        report.list_plan(&catalog, &selection);
        report.list_to_do(&catalog);
    } else {
        checked.refuse_problems(&target)?;
        let holds_lock = Cell::new(false);
        let work = Box::pin(async {
            let mut run = prepare::prepare(inputs, checked, report).await?;
            holds_lock.set(true);
            let reader = run_phases(&mut run).await?;
            finish(run, reader).await
        });
        report = match context.interrupt.or(work).await {
            Ok(report) => report,
            Err(error) if options.is_powerless() => return Err(error),
            Err(error) => return Err(stopped(inputs, holds_lock.get(), error).await),
        };
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Anyone who could write a schema in the source, or sign with a stolen key, decides what a restore
/// executes.
fn superuser_warning(user: &str) -> String {
    format!(
        "restoring as superuser {user}: functions in the backup run with its rights, and no trusted \
         drill has found this point sound; safer is a target user without superuser, as on RDS"
    )
}

/// The comparison comes after the last statement of the backup: until then its code may change rows.
/// Returns a session that reads what was restored.
async fn run_phases(run: &mut Run<'_>) -> Result<Session> {
    if !run.inputs.options.is_powerless() {
        run.phase(ROLES, roles::restore).await?;
    }
    run.phase("settings", settings::restore).await?;
    settings::use_in_sessions(run).await?;
    // An earlier run that ended gave back what it had borrowed.
    if run.report.resumed {
        roles::borrow(run).await?;
        broken::look_again(run).await?;
    }
    run.phase("schema", schema::before_data).await?;
    run.phase(TABLES, async |run: &mut Run<'_>| {
        tables::load(run).await.map(drop)
    })
    .await?;
    run.phase("large objects", large_objects::restore).await?;
    run.phase("sequences", finalize::sequences).await?;
    run.phase("indexes and keys", schema::after_data).await?;
    compare::loaded(run).await?;
    run_phases_after_keys(run).await?;
    run.phase(COMPARISON, compare::compare).await?;
    roles::give_back(run, roles::READING).await?;
    // The database's limits would meet our own sessions.
    let (server, application) = (run.inputs.reader(), run.inputs.application());
    let reader = Session::connect(server, &application, Purpose::Read).await?;
    run.phase("database", finalize::database).await?;
    Ok(reader)
}

/// Whatever is missing: one row that breaks a constraint must not leave everybody without privileges.
/// `--resume` repeats these phases.
async fn run_phases_after_keys(run: &mut Run<'_>) -> Result<()> {
    run.phase("privileges", schema::privileges).await?;
    // After the privileges: a view is filled with its owner's rights.
    run.phase("materialized views", finalize::materialized_views)
        .await?;
    run.phase("statistics", finalize::statistics).await?;
    // Before the event triggers, which would fire at it.
    roles::borrow_reading(run).await?;
    run.phase("publications and event triggers", schema::last)
        .await
}

/// Gives back what was borrowed, but what a `--resume` could not do without, compares the definitions, and drops schema
/// `lifeboat_restore` where nothing is missing.
async fn finish(mut run: Run<'_>, reader: Session) -> Result<Report> {
    search_path::name_functions(&mut run).await?;
    let way_in = roles::give_back_all(&mut run).await?;
    run.phase(DEFINITIONS, async |run: &mut Run<'_>| {
        definitions::compare(run, &reader).await
    })
    .await?;
    reader.close().await;
    // Nobody has to act on it.
    run.report.ready = Readiness::read(&run.session).await.ok();
    if run.inputs.options.is_powerless() {
        // The server goes as a whole.
    } else if run.report.failures.is_empty() {
        resume_state::remove(&run.session, way_in.as_deref()).await?;
    } else {
        let waiting = match run.lacks_objects {
            true => "; until then default privileges are not restored",
            false => "",
        };
        run.report.to_do.push(format!(
            "after mending the failures: restore again with --resume, or take lifeboat's notes \
             away with {}{waiting}",
            resume_state::HOW_TO_REMOVE
        ));
        let stays = |revoke| {
            format!(
                "the user stays a member of the database's owner, as it could not connect otherwise; \
                 without --resume, end it by {revoke}"
            )
        };
        run.report.to_do.extend(way_in.map(stays));
    }
    let mut known = BTreeSet::new();
    let findings = &mut run.report.findings;
    findings.retain(|one| known.insert(one.clone()));
    run.report.list_to_do(run.inputs.catalog);
    run.session.close().await;
    Ok(run.report)
}

/// After an error or an interruption: ends what the server may still be doing for us, and says how
/// to go on.
async fn stopped(inputs: Inputs<'_>, holds_lock: bool, error: Error) -> Error {
    let target = inputs.target;
    let Ok(session) = Session::connect(target, "lifeboat restore", Purpose::Write).await else {
        return error;
    };
    // Best effort: --resume does the same. Another restore may be at work already.
    if holds_lock && matches!(resume_state::lock(&session).await, Ok(true)) {
        let _ = resume_state::end_leftover_sessions(&session, &inputs.application()).await;
    }
    let unfinished = resume_state::find_unfinished(&session).await;
    session.close().await;
    let hint = error.find_hint();
    match (error.kind(), hint) {
        _ if !matches!(unfinished, Ok(Some(_))) => error,
        // Going on would meet the same damage.
        (Kind::Damaged, hint) => {
            let hint = hint.unwrap_or_else(|| inputs.point.advice_on_damage());
            let made = if inputs.options.create {
                "was made and "
            } else {
                ""
            };
            let name = &target.database;
            let hint = format!("{hint}; database {name} {made}is incomplete: drop it");
            error.hint(hint)
        }
        (_, Some(hint)) if hint.contains("--resume") => error,
        (_, Some(hint)) => {
            let hint = format!("{hint}; {HOW_TO_GO_ON}");
            error.hint(hint)
        }
        (_, None) => error.hint(HOW_TO_GO_ON),
    }
}

const HOW_TO_GO_ON: &str = "what is restored so far stays; the same command with --resume goes on";
