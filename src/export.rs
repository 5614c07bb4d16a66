//! `lifeboat export`: one consistent, complete, locked restore point per database.

mod budget;
mod checks;
mod database;
mod databases;
mod drilled;
mod options;
mod packer;
mod plan;
mod records;
mod report;
mod reuse;
mod rows;
mod shared;
mod snapshot;
mod table_progress;
mod table_reuse;
mod under_lock;
mod views;
mod watchdog;
mod worker;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use jiff::Timestamp;

use crate::compute::default_jobs;
use crate::context::Context;
use crate::error::{Error, Result, ResultExt};
use crate::model::keys::KeyRing;
use crate::model::pattern::Pattern;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::{self, InstanceDatabase};
use crate::progress::{OneOfSeveral, Progress as _};
use crate::repository::{CLOCK_TOLERANCE, Locks, Repository, RunLocks};
use crate::store::Posture;
use crate::turns::Turn;

use database::Done;
use databases::{Listing, list};
pub(crate) use databases::{check_databases, covered};
pub use options::{Keys, Options, Source};
use options::{Run, new_id};
pub use report::Report;
pub(crate) use report::{DatabaseReport, PlannedTable};

/// Exports every database of every source. One that fails does not stop the others; the report
/// names it. `turn`: in which the repository is looked at; each database then takes one of its own.
pub async fn run(
    repository: &Repository,
    keys: Keys<'_>,
    options: &Options,
    turn: Turn<'_>,
    context: Context<'_>,
) -> Result<Report> {
    check_signer(keys)?;
    let marker = repository.marker().await?;
    let posture = repository.posture().await?;
    drop(turn);
    let now = context.clock.now();
    check_clock(now, posture.server_time)?;
    let run = Run {
        id: new_id(now)?,
        locks: settle_locks(repository, keys, options, &posture, now)
            .context(|| repository.url().to_owned())?,
        jobs: (options.turns).share(options.jobs.unwrap_or_else(default_jobs)),
        rate_limit: (options.rate_limit).map(|rate| (rate / options.turns.most() as u64).max(1)),
        repository,
        keys,
        context,
        options,
        key_ring: KeyRing::new(&marker.repository, &options.recipients),
        marker,
    };
    let mut report = Report::new(&run.id, repository.url(), run.locks.first.manifest());
    report.findings.extend(run.key_ring.finding());
    if keys.reuse.is_some() && run.locks.first.reach.is_none() {
        context.progress.note(
            "the bucket's default locks what is stored: no part can be named again, and every export is a full one",
        );
    }
    if report.lock.is_none() {
        context.progress.note(&format!(
            "{} has no locks: anybody who may write there may delete these backups",
            repository.url()
        ));
    }
    if options.turns.most() > 1 {
        context.progress.phase("databases", None);
    }
    let sources = options.sources.iter();
    let exports = sources.map(|source| Box::pin(export_source(&run, source)));
    let exports = options.turns.each(exports).await;
    for (source, exported) in options.sources.iter().zip(exports) {
        tell(&mut report, source, exported);
    }
    (context.interrupt.check()).map_err(|stopped| report.stopped(stopped))?;
    Ok(report)
}

fn settle_locks(
    repository: &Repository,
    keys: Keys<'_>,
    options: &Options,
    posture: &Posture,
    now: Timestamp,
) -> Result<RunLocks> {
    let has_locks = repository.has_locks();
    let max_days = options.max_lock_days;
    let locks = Locks::settle(options.lock, posture, has_locks, now, max_days)?;
    let reuse = keys.reuse.map(|_| options.reuse);
    RunLocks::settle(locks, reuse, posture, now, max_days)
}

/// A point that its own readers do not trust would be no backup.
fn check_signer(keys: Keys<'_>) -> Result<()> {
    let signer = keys.signer.fingerprint();
    if keys.trust.fingerprints.contains(&signer) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the signing key's fingerprint {signer} is not among the trusted ones"
    ))
    .hint("add it to repository.trust; if that surprises you, the signing key is not the one you think"))
}

fn tell(report: &mut Report, source: &Source, exported: Exported) {
    for error in &exported.errors {
        report.failed(&source.name, None, error);
    }
    for (name, done) in exported.databases {
        match done {
            Ok(Done::Exported(database)) => report.exported(*database),
            Ok(Done::Skipped(skipped)) => report.skipped(skipped),
            Err(error) => report.failed(&source.name, Some(&name), &error),
        }
    }
    for name in &exported.invalid {
        report.invalid(&source.name, name);
    }
    report.uncovered(source, exported.uncovered);
}

/// What became of a source.
#[derive(Default)]
struct Exported {
    /// What is wrong with the source as a whole, whatever became of its databases.
    errors: Vec<Error>,
    /// Each with its name, in the order of the server's list.
    databases: Vec<(String, Result<Done>)>,
    /// Their DROP DATABASE was interrupted.
    invalid: Vec<String>,
    uncovered: Vec<String>,
}

async fn export_source(run: &Run<'_>, source: &Source) -> Exported {
    let mut exported = Exported::default();
    if let Err(error) = export_databases(run, source, &mut exported).await {
        exported.errors.push(error);
    }
    exported
}

async fn export_databases(run: &Run<'_>, source: &Source, exported: &mut Exported) -> Result<()> {
    run.context.interrupt.check()?;
    let mut server = source.server.clone();
    let turn = run.options.turns.any().await;
    server.pin()?;
    let Listing { present, identity } = list(run.context, &server).await?;
    drop(turn);
    exported.errors = mistaken_patterns(source, &present);
    let connectable = present.iter().filter(|one| one.connectable);
    let wanted =
        (source.databases).select(connectable.map(|one| &one.name), &source.server.database);
    let is_invalid = |name: &String| present.iter().any(|one| one.invalid && one.name == *name);
    let valid = wanted.iter().filter(|name| !is_invalid(name));
    let exports = valid.map(async |name| {
        if !present.iter().any(|one| one.name == *name) {
            return (name.clone(), Err(no_such_database(source, name, &present)));
        }
        let _turn = run.options.turns.on(&identity, source.at_once).await;
        let server = server.with_database(name);
        (
            name.clone(),
            Box::pin(export_one(run, source, &server)).await,
        )
    });
    exported.databases = run.options.turns.each(exports).await;
    run.context.interrupt.check()?;
    let is_ours = |one: &&InstanceDatabase| one.invalid && !source.databases.excludes(&one.name);
    if present.iter().any(|one| is_ours(&one)) {
        // A DROP DATABASE that is under way marks its database so as well: that one is gone by now.
        let now = list(run.context, &server).await?.present;
        let left = now.iter().filter(is_ours).map(|one| one.name.clone());
        exported.invalid = left.filter(is_invalid).collect();
    }
    for one in present {
        let is_known = wanted.contains(&one.name)
            || source.databases.excludes(&one.name)
            || source.elsewhere.contains(&one.name);
        if !one.invalid && !is_known && !is_bare(run, &server, &one).await? {
            exported.uncovered.push(one.name);
        }
    }
    Ok(())
}

fn no_such_database(source: &Source, name: &str, present: &[InstanceDatabase]) -> Error {
    let names: Vec<&str> = present.iter().map(|one| one.name.as_str()).collect();
    Error::usage(format!("source {} has no database '{name}'", source.name))
        .hint(format!("it has: {}", names.join(", ")))
}

/// One that may run beside others says whose its lines are.
async fn export_one(run: &Run<'_>, source: &Source, server: &Server) -> Result<Done> {
    run.context.interrupt.check()?;
    let named = OneOfSeveral::new(run.context.progress, &source.name, &server.database);
    if run.options.turns.most() > 1 {
        named.note("export");
    }
    let run = Run {
        context: run.options.turns.context(run.context, &named),
        ..run.clone()
    };
    // Boxed: several of these futures would not fit a thread's stack.
    guarded(Box::pin(database::export(&run, source, server))).await
}

/// A pattern of a database that is not there would be left aside without a word. It says nothing about others.
fn mistaken_patterns(source: &Source, present: &[InstanceDatabase]) -> Vec<Error> {
    let is_missing = |name: &str| !present.iter().any(|one| one.name == name);
    let of_database = source.exclude.databases();
    let mistaken = of_database.filter(|(_, name)| is_missing(name));
    let error = |(pattern, name): (&Pattern, &str)| {
        Error::usage(format!(
            "'{}' is to be left out of database '{}', and source {} has none",
            pattern.text.escape_debug(),
            name.escape_debug(),
            source.name
        ))
        .hint("three names in a pattern are database.schema.table")
    };
    mistaken.map(error).collect()
}

/// A panic is the failure of one database, not the end of the run: the next one begins with sessions of
/// its own.
async fn guarded<T>(export: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(export)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<&str>().copied();
            let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let said = said.unwrap_or("no message");
            Err(
                Error::failed(format!("lifeboat met a case that it does not know: {said}"))
                    .hint("this is a fault of lifeboat: report it, with this message"),
            )
        })
}

/// Every instance has a database `postgres`, mostly with nothing in it: that is nothing to act on.
async fn is_bare(run: &Run<'_>, server: &Server, database: &InstanceDatabase) -> Result<bool> {
    if database.name != "postgres" || !database.connectable {
        return Ok(false);
    }
    let server = server.with_database(&database.name);
    let look = async {
        let session = Session::connect(&server, "lifeboat", Purpose::Read).await?;
        let bare = catalog::is_bare(&session).await?;
        session.close().await;
        Ok(bare)
    };
    // Where we may not look, something may be.
    Ok(run.context.interrupt.or(look).await.unwrap_or(false))
}

/// Ids and locks are made of this clock: a wrong one would sort points wrongly and lock them for
/// too long or too short.
fn check_clock(now: Timestamp, server_time: Option<Timestamp>) -> Result<()> {
    let Some(server_time) = server_time else {
        return Ok(());
    };
    if now.duration_since(server_time).abs() <= CLOCK_TOLERANCE {
        return Ok(());
    }
    Err(Error::refused(format!(
        "this machine's clock says {now}, the store's {server_time}: more than five minutes apart"
    ))
    .hint("set the clock (chrony, ntpd, timedatectl) and export again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_failure_of_one_database() {
        let index = std::hint::black_box(3);
        let error = guarded(async { Ok([0; 3][index]) }).await.err().unwrap();
        assert!(error.to_string().contains("out of bounds"), "{error}");
        assert!(error.advice().contains("report it"), "{error:?}");
        assert_eq!(guarded(async { Ok(7) }).await.ok(), Some(7));
    }
}
