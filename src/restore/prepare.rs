//! Before the first phase: locks the target, and opens the schema archive.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::finalize;
use super::not_tried::NotTriedObjects;
use super::phases::{Phases, TABLES};
use super::preflight::{self, TargetCheck};
use super::report::Report;
use super::run::{Inputs, OwnSettings, Run};
use crate::compute::default_jobs;
use crate::error::{Error, Result, ResultExt};
use crate::model::finding::Finding;
use crate::model::manifest::names;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::dump::STATISTICS_SINCE;
use crate::pg::target::archive::{self, Archive};
use crate::pg::target::database::DatabaseFacts;
use crate::pg::target::existing::Existing;
use crate::pg::target::resume_state::{self, Beginning, RecordedFinding, ResumeState, TARGET};
use crate::pg::target::server::{self, ServerFacts};
use crate::pg::target::toc::Entry;
use crate::pg::target::{execute, statements};

/// Makes the database if asked, locks it, and opens the schema archive.
pub(super) async fn prepare<'a>(
    inputs: Inputs<'a>,
    mut checked: TargetCheck,
    mut report: Report,
) -> Result<Run<'a>> {
    let options = inputs.options;
    // Read before anything is changed: a damaged archive leaves the target untouched.
    let archive = open_archive(inputs, &checked, names::SCHEMA).await?;
    let left_out = inputs.catalog.left_out.archive_objects();
    let entries = archive.list(&left_out).await?;
    let (statistics, unread) = match open_statistics(inputs, &checked).await {
        Ok(statistics) => (statistics, None),
        Err(error) => (None, Some(finalize::statistics_unread(error)?)),
    };
    if checked.database.is_none() {
        let made = create_database(inputs, checked.server.rights.version_num).await;
        if let Err(error) = made {
            // A killed restore's CREATE DATABASE may have ended only now: the database is then
            // checked like any other that is there.
            checked = preflight::check_target(inputs).await?;
            if !options.resume || checked.database.is_none() {
                return Err(error);
            }
            checked.refuse_problems(inputs.target)?;
        }
    }
    let session = Session::connect(inputs.target, "lifeboat restore", Purpose::Write).await?;
    let (state, phases) = if options.is_powerless() {
        // The database was prepared for this one restore, which nothing resumes.
        resume_state::create_large_object_table(&session).await?;
        let phases = Phases::new(BTreeSet::new(), Vec::new());
        (ResumeState::InMemory(RefCell::default()), phases)
    } else {
        let finished = acquire_lock(inputs, &session, &entries, &report.findings).await?;
        let noted = resume_state::findings(&session).await?;
        report_as_begun(&mut report, &noted);
        (ResumeState::InTarget, Phases::new(finished, noted))
    };
    // Not of the target, and so said anew when it is resumed.
    report.findings.extend(unread);
    let facts = match checked.database {
        Some(_) => checked.server,
        // Names of roles have no encoding of their own: as the new database reads them.
        None => ServerFacts::read(&session).await?,
    };
    let has_triggers = phases.is_finished(TABLES);
    let lacking = lacking_extensions(inputs, &facts, &session).await?;
    Ok(Run {
        inputs,
        session,
        state,
        facts,
        own: OwnSettings::of(inputs.target),
        archive,
        statistics,
        entries,
        jobs: options.jobs.unwrap_or_else(default_jobs),
        phases,
        not_tried: NotTriedObjects::new(inputs.catalog, options.is_powerless(), lacking),
        has_triggers,
        refused: Vec::new(),
        unset_sequences: Vec::new(),
        lacks_objects: false,
        mended: BTreeMap::new(),
        report,
    })
}

/// Extensions that a drill's server lacks; where they are made by now, also those that it could not make.
async fn lacking_extensions(
    inputs: Inputs<'_>,
    facts: &ServerFacts,
    session: &Session,
) -> Result<BTreeSet<String>> {
    let there: BTreeSet<String> = if inputs.options.is_powerless() {
        server::extensions(session).await?
    } else if inputs.options.drill {
        facts.extensions.keys().cloned().collect()
    } else {
        // In a restore what is missing is missing, whyever.
        return Ok(BTreeSet::new());
    };
    let wanted = inputs.catalog.extensions.iter().map(|one| one.name.clone());
    Ok(wanted.filter(|name| !there.contains(name)).collect())
}

/// Those of the source, where the server takes them, and rows were not chosen: it would take a table that stays
/// empty for a full one.
async fn open_statistics(inputs: Inputs<'_>, checked: &TargetCheck) -> Result<Option<Archive>> {
    let is_new = checked.server.rights.version_num >= STATISTICS_SINCE * 10_000;
    let has_any = inputs.point.manifest.object(names::STATISTICS).is_some();
    if !(is_new && has_any && inputs.selection.whole) {
        return Ok(None);
    }
    let archive = open_archive(inputs, checked, names::STATISTICS).await?;
    Ok(Some(archive))
}

async fn open_archive(
    inputs: Inputs<'_>,
    checked: &TargetCheck,
    object: &'static str,
) -> Result<Archive> {
    let pg_restore = checked
        .pg_restore
        .clone()
        .ok_or_else(|| Error::failed("pg_restore was not found"))?;
    let point = inputs.point;
    let plain = point.open_object(object, inputs.identities).await?;
    let tablespaces = &checked.server.tablespaces;
    let options = archive::Options {
        application: inputs.application(),
        ownership: inputs.ownership(),
        tablespaces: preflight::missing_tablespaces(inputs.catalog, tablespaces).is_empty(),
        rights: checked.server.rights,
        money_in_c: inputs.catalog.money_in_c,
    };
    Archive::unpack(plain, pg_restore, inputs.target, &options)
        .context(|| format!("{object} of {}", point.manifest.id))
}

/// Keeps other restores out of the database for as long as the session lives, and checks it again:
/// it may have changed since the preflight. Returns the phases that an earlier run finished.
async fn acquire_lock(
    inputs: Inputs<'_>,
    session: &Session,
    entries: &[Entry],
    findings: &[Finding],
) -> Result<BTreeSet<String>> {
    let target = inputs.target;
    if !resume_state::lock(session).await? {
        return Err(
            Error::refused(format!("another restore into {target} is at work")).hint(
                "wait for it, or end it: its sessions are called lifeboat in pg_stat_activity",
            ),
        );
    }
    let facts = DatabaseFacts::read(session).await?;
    if let Some(problem) = preflight::occupied(&facts, inputs) {
        return Err(Error::refused(format!("{target}: {problem}"))
            .hint("something changed it since this restore began; nothing was written"));
    }
    let Some(unfinished) = facts.unfinished else {
        let beginning = Beginning {
            id: inputs.point.manifest.id.as_str(),
            manifest_sha256: &inputs.point.body_sha256.to_string(),
            choice: &inputs.options.choice(),
            findings,
            existed: &Existing::read(session).await?.of(entries),
        };
        resume_state::create(session, &beginning).await?;
        return Ok(BTreeSet::new());
    };
    resume_state::end_leftover_sessions(session, &inputs.application()).await?;
    resume_state::adopt(session).await?;
    // What those sessions finished meanwhile counts.
    let finished = resume_state::find_unfinished(session)
        .await?
        .unwrap_or(unfinished);
    Ok(finished.phases)
}

/// A resumed restore reports of the target what was so before anything was changed: now it would find what
/// it made itself.
fn report_as_begun(report: &mut Report, noted: &[(String, RecordedFinding)]) {
    let mut of_target = noted.iter().filter(|(name, _)| name == TARGET).peekable();
    // An earlier version of lifeboat noted nothing.
    if report.resumed && of_target.peek().is_some() {
        let findings = of_target.map(|(_, note)| note.finding.clone());
        // The empty one says only that it was noted.
        report.findings = findings.filter(|one| !one.what.is_empty()).collect();
    }
}

async fn create_database(inputs: Inputs<'_>, version_num: u32) -> Result<()> {
    let target = inputs.target;
    let database = &inputs.catalog.database;
    let statement = statements::create_database(database, &target.database, version_num);
    let session = preflight::connect_beside(target).await?;
    let made = execute::all(&session, &[statement]).await;
    session.close().await;
    made.context(|| format!("cannot make {target}"))
}
