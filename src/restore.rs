//! `lifeboat restore`: a restore point back into an empty database.

mod begin;
mod compare;
mod constraints;
#[cfg(test)]
pub(crate) mod fixture;
mod large_objects;
mod last;
mod notes;
mod pool;
mod preflight;
mod report;
mod roles;
mod schema;
mod selection;
mod tables;
mod untried;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Instant;

use crate::codec::Identities;
use crate::error::{Error, Kind, Result};
use crate::interrupt::Interrupt;
use crate::model::catalog::Catalog;
use crate::pg::connect::server::{SESSION_OPTIONS, Server};
use crate::pg::local::tools::Dirs;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::archive::Archive;
use crate::pg::target::resume_state::ResumeState;
use crate::pg::target::resume_state::{self, RecordedFinding};
use crate::pg::target::server::ServerFacts;
use crate::pg::target::statements::Ownership;
use crate::pg::target::toc::Entry;
use crate::progress::Progress;
use crate::repository::RestorePoint;

use self::notes::Before;
pub use self::report::{PhaseTime, Report, Trouble};
use self::selection::Selection;
pub use self::selection::TableName;
use self::tables::Chance;
use self::untried::LeftOut;

pub struct Options {
    /// Server and database to restore into.
    pub target: Server,
    /// Sessions that load in parallel; `None`: chosen from this machine's cores.
    pub jobs: Option<usize>,
    /// Make the database first.
    pub create: bool,
    /// Go on with an interrupted restore of the same point.
    pub resume: bool,
    /// Look and compare, change nothing.
    pub dry_run: bool,
    /// Everything belongs to the user that restores.
    pub no_owner: bool,
    /// Leave out GRANT and REVOKE.
    pub no_privileges: bool,
    /// Read the restored rows again and compare digests.
    pub verify: bool,
    /// Only these schemas and tables; both empty: everything.
    pub schemas: Vec<String>,
    pub tables: Vec<TableName>,
    pub tool_dirs: Dirs,
    /// In a drill: as a login without any power.
    pub nobody: Option<Nobody>,
    /// A drill that a trusted key signed found this very point sound.
    pub drilled_sound: bool,
}

/// Restores into a prepared drill: roles, the database and its extensions are there, and the
/// target's user can do no more than own things. What it cannot make for that reason is told apart.
#[derive(Debug, Clone)]
pub struct Nobody {
    /// Reads what was restored: what comes out of the backup has no hand in its sessions.
    pub reader: Server,
}

/// What a restore is made of: from where, by which keys, and how to report.
pub struct Means<'a> {
    pub point: &'a RestorePoint,
    pub identities: &'a Identities,
    pub progress: &'a dyn Progress,
    pub interrupt: &'a Interrupt,
}

/// Phases that know how much there is to do, and say so when they begin.
const TELL_THEMSELVES: [&str; 1] = ["tables"];

/// Compares all that is there; never noted as finished, as a server may lose rows later.
const COMPARISON: &str = "comparison";

/// Phases that build on whole tables.
const LAST: [&str; 5] = [
    "privileges",
    "materialized views",
    "statistics",
    "event triggers",
    "database",
];

/// A restore at work.
struct Run<'a> {
    means: &'a Means<'a>,
    options: &'a Options,
    catalog: &'a Catalog,
    selection: &'a Selection,
    server: Server,
    /// Holds the target against a second restore, runs our own statements.
    session: Session,
    state: ResumeState,
    facts: ServerFacts,
    archive: Archive,
    entries: Vec<Entry>,
    encoding: String,
    /// Of the workers' and pg_restore's sessions.
    application: String,
    jobs: usize,
    finished: BTreeSet<String>,
    /// What finished phases of earlier runs had to say, by phase.
    said: Vec<(String, RecordedFinding)>,
    created_roles: Vec<String>,
    phase_began: Instant,
    /// How much the report held when the phase began.
    before: Before,
    left_out: LeftOut,
    report: Report,
}

/// Restores one point. An error means that it stopped; a report with failures means that it ended
/// and something is missing.
pub async fn run(means: &Means<'_>, options: &Options) -> Result<Report> {
    let began = Instant::now();
    let manifest = &means.point.manifest;
    means.progress.phase("looking at the target", None);
    let catalog = means.point.catalog(means.identities).await?;
    let selection = Selection::new(&catalog, &options.schemas, &options.tables);
    let mut target = options.target.clone();
    target.session_options = Some(SESSION_OPTIONS);
    target.pin()?;
    let look = preflight::look(means, options, &target, &catalog, &selection).await?;
    let mut report = Report::new(manifest, target.to_string(), options.dry_run);
    report.as_superuser = look.server.rights.superuser;
    if report.as_superuser && !options.drilled_sound {
        means.progress.warn(&superuser_warning(&look.server.user));
    }
    report.resumed = look.is_unfinished();
    report.findings.clone_from(&look.findings);
    report.left_out.extend(selection.other_rows(&catalog));
    if options.dry_run {
        report.problems = look.problems;
        report.list_plan(&catalog, &selection);
        report.list_to_do(&catalog, &[]);
        report.seconds = began.elapsed().as_secs_f64();
        return Ok(report);
    }
    look.check(&target)?;
    let is_ours = Cell::new(false);
    let work = Box::pin(async {
        let mut run =
            begin::begin(means, options, &catalog, &selection, &target, look, report).await?;
        is_ours.set(true);
        restore(&mut run).await?;
        end(run).await
    });
    let mut report = match means.interrupt.or(work).await {
        Ok(report) => report,
        Err(error) if options.nobody.is_some() => return Err(error),
        Err(error) => {
            let id = manifest.id.as_str();
            return Err(stopped(&target, id, is_ours.get(), error).await);
        }
    };
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Whoever could write a schema in the source, or sign with a stolen key, decides what a restore executes.
fn superuser_warning(user: &str) -> String {
    format!(
        "functions of the backup will run with the rights of superuser {user}, and no drill that a \
         trusted key signed found this point sound; an owner without superuser, as on RDS, is safer"
    )
}

/// The work itself, phase by phase; a phase that an earlier run finished is not repeated. The comparison
/// comes after the last statement of the backup: until then its code may change rows.
async fn restore(run: &mut Run<'_>) -> Result<()> {
    if run.options.nobody.is_none() && run.begins("roles") {
        roles::restore(run).await?;
        run.ends("roles").await?;
    }
    // An earlier run that ended gave back what it had borrowed.
    if run.report.resumed && !run.finished.contains("privileges") {
        roles::borrow(run).await?;
    }
    if run.begins("schema") {
        schema::before_data(run).await?;
        run.ends("schema").await?;
    }
    if run.begins("tables") {
        tables::restore(run, Chance::First).await?;
        run.ends("tables").await?;
    }
    if run.begins("large objects") {
        large_objects::restore(run).await?;
        run.ends("large objects").await?;
    }
    if run.begins("sequences") {
        last::sequences(run).await?;
        run.ends("sequences").await?;
    }
    if run.begins("indexes and keys") {
        schema::after_data(run).await?;
        schema::retry(run).await?;
        run.ends("indexes and keys").await?;
    }
    compare::loaded(run).await?;
    finish(run).await?;
    run.begins(COMPARISON);
    compare::compare(run).await?;
    run.took(COMPARISON);
    roles::give_back_reading(run).await?;
    // Its own limits and settings would meet the sessions that compare; nothing of them runs code.
    if run.report.failures.is_empty() && run.begins("database") {
        last::database(run).await?;
        run.ends("database").await?;
    }
    Ok(())
}

/// What comes after all data and keys. While something is missing, it is done as far as it cannot
/// get in the way of `--resume`, and not noted: `--resume` does it again.
async fn finish(run: &mut Run<'_>) -> Result<()> {
    let whole = run.report.failures.is_empty();
    // Without a superuser's rights, less of them could keep what is missing from being loaded.
    if (whole || run.facts.rights.superuser) && run.begins("privileges") {
        schema::privileges(run).await?;
        run.ends("privileges").await?;
    }
    if run.begins("materialized views") {
        // After the privileges: a view is filled with its owner's rights.
        last::materialized_views(run).await?;
        run.ends("materialized views").await?;
    }
    if run.begins("statistics") {
        last::statistics(run).await?;
        run.ends("statistics").await?;
    }
    // Before the event triggers, which would fire at it.
    roles::borrow_reading(run).await?;
    if whole && run.begins("event triggers") {
        schema::event_triggers(run).await?;
        run.ends("event triggers").await?;
    }
    Ok(())
}

/// Gives back what was borrowed, and takes the notes away where nothing is missing.
async fn end(mut run: Run<'_>) -> Result<Report> {
    roles::give_back(&mut run, false).await?;
    if run.options.nobody.is_some() {
        // The server goes as a whole.
    } else if run.report.failures.is_empty() {
        resume_state::remove(&run.session).await?;
    } else {
        let waiting = if run.facts.rights.superuser {
            "default privileges, event triggers and the database's own properties"
        } else {
            "privileges, event triggers and the database's own properties"
        };
        run.report.to_do.push(format!(
            "after mending the failures: restore again with --resume, or take lifeboat's notes \
             away with {}; until then {waiting} are not restored",
            resume_state::HOW_TO_REMOVE
        ));
    }
    let mut known = BTreeSet::new();
    let findings = &mut run.report.findings;
    findings.retain(|one| known.insert((one.what.clone(), one.why.clone(), one.sql.clone())));
    let created = std::mem::take(&mut run.created_roles);
    run.report.list_to_do(run.catalog, &created);
    run.session.close().await;
    Ok(run.report)
}

/// After an error or an interruption: ends what the server may still be doing for us, and says how
/// to go on. `is_ours`: no other restore was at work there.
async fn stopped(target: &Server, id: &str, is_ours: bool, error: Error) -> Error {
    let Ok(session) = Session::connect(target, "lifeboat restore", Purpose::Write).await else {
        return error;
    };
    // Best effort: --resume does the same. One may be at work already.
    if is_ours && matches!(resume_state::lock(&session).await, Ok(true)) {
        let _ = resume_state::end_leftover_sessions(&session, &application(id)).await;
    }
    let began = resume_state::find_unfinished(&session)
        .await
        .is_ok_and(|unfinished| unfinished.is_some());
    session.close().await;
    if !began {
        return error;
    }
    if error.kind() == Kind::Damaged {
        // Going on would meet the same damage.
        return match error.find_hint() {
            Some(_) => error,
            None => {
                error.hint("restore another point into an empty database, and `lifeboat hold` it")
            }
        };
    }
    const HOW: &str = "what is restored so far stays; the same command with --resume goes on";
    let hint = match error.find_hint() {
        Some(hint) if hint.contains("--resume") => return error,
        Some(hint) => format!("{hint}; {HOW}"),
        None => HOW.to_owned(),
    };
    error.hint(hint)
}

fn application(id: &str) -> String {
    format!("lifeboat {id}")
}

fn default_jobs() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8)
}

impl Run<'_> {
    /// Whether this phase is to be done now. What it said when an earlier run did it is said again.
    fn begins(&mut self, phase: &str) -> bool {
        if self.finished.contains(phase) {
            let (said, others) = std::mem::take(&mut self.said)
                .into_iter()
                .partition(|(of, _)| of == phase);
            self.said = others;
            notes::recall(self, said);
            return false;
        }
        if !TELL_THEMSELVES.contains(&phase) {
            self.means.progress.phase(phase, None);
        }
        self.phase_began = Instant::now();
        self.before = Before::of(self);
        true
    }

    /// A phase with failures is repeated by `--resume`, and what comes last as long as there are any.
    async fn ends(&mut self, phase: &str) -> Result<()> {
        self.took(phase);
        let failures = self.report.failures.len();
        let last = LAST.contains(&phase) && failures > 0;
        if last || failures > self.before.failures {
            return Ok(());
        }
        let said = notes::since(self);
        self.state.finish_phase(&self.session, phase, &said).await
    }

    /// Notes how long a phase took.
    fn took(&mut self, phase: &str) {
        self.report.phases.push(PhaseTime {
            name: phase.to_owned(),
            seconds: self.phase_began.elapsed().as_secs_f64(),
        });
    }

    /// The target, as whoever reads what was restored.
    fn reading(&self) -> &Server {
        match &self.options.nobody {
            Some(nobody) => &nobody.reader,
            None => &self.server,
        }
    }

    fn ownership(&self) -> Ownership {
        Ownership {
            owners: !self.options.no_owner,
            privileges: !self.options.no_privileges,
        }
    }

    /// Whether rights must be borrowed to hand things to their owners.
    fn needs_temporary_grants(&self) -> bool {
        !self.facts.rights.superuser && (!self.options.no_owner || !self.options.no_privileges)
    }
}
