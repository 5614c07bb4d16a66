//! The export of one database: a recipe that reads from top to bottom.

use std::time::Instant;

use super::options::{Run, Source};
use super::report::{DatabaseReport, Skipped, UnderLock};
use super::reuse::{self, Finished, Prepared, Reuse};
use super::snapshot::{DatabaseExport, SnapshotHeld};
use super::under_lock::under_lock;
use super::{drilled, records, rows};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::{Manifest, Previous};
use crate::pg::connect::server::Server;
use crate::pg::source::moment::Until;
use crate::repository::{PointPath, PointWriter, StoredUnderLock};

/// What became of a database.
pub(super) enum Done {
    Exported(Box<DatabaseReport>),
    /// It would store more than is allowed.
    Skipped(Skipped),
}

/// Exports the database that `server` names. Where it was not one moment all along it starts over, once.
pub(super) async fn export(run: &Run<'_>, source: &Source, server: &Server) -> Result<Done> {
    match attempt(run, source, server).await {
        Err(error) if error.kind() == Kind::Changed => run.context.progress.note(&format!(
            "{error} during the export of {}: starting over",
            server.database
        )),
        done => return done,
    }
    let again = |error: Error| match error.kind() {
        Kind::Changed => Error::refused(format!(
            "database {} changed again during the export: {error}",
            server.database
        ))
        .hint("export while no schema migration runs: schema and rows must be of one moment"),
        _ => error,
    };
    attempt(run, source, server).await.map_err(again)
}

async fn attempt(run: &Run<'_>, source: &Source, server: &Server) -> Result<Done> {
    let begun = Instant::now();
    let export = DatabaseExport::prepare(run, source, server).await?;
    let storing =
        match reuse::prepare(run, (&export.place, export.started_at), &export.excluded).await {
            Prepared::Storing(storing) => storing,
            Prepared::Skipped(skipped) => return Ok(Done::Skipped(skipped)),
        };
    let held = export.take_snapshot(storing.reuse.as_ref()).await?;
    let mut report = export.report(&held);
    report.findings.extend(export.contended.clone());
    report.findings.extend(storing.findings);
    if run.options.dry_run {
        report.plan = Some(export.planned(&held.at_snapshot.tables));
        if let Some(reuse) = &storing.reuse {
            report.nameable = reuse.nameable();
            report.under_lock = reuse.stored_before().map(|stored| told(run, stored));
        }
        return Ok(Done::Exported(Box::new(report)));
    }

    let writer = run
        .repository
        .point_writer(export.place.clone(), storing.locks);
    let dumped = match rows::read(&export, &held, &writer).await {
        Ok(dumped) => dumped,
        Err(error) => return Err(export.or_changed(&held.snapshot, error).await),
    };
    let SnapshotHeld {
        snapshot,
        at_snapshot,
        since,
    } = held;
    snapshot.check_names(&export.scout, Until::Read).await?;
    snapshot.check_files().await?;
    snapshot.release().await?;
    report.snapshot_seconds = since.elapsed().as_secs_f64();

    let mut catalog = at_snapshot.catalog;
    let stored = records::fill_in(&mut catalog, &at_snapshot.plan)?;
    let previous = find_previous(run, &export.place, &mut report.findings).await;
    let mut manifest = export.manifest(&catalog, stored, previous, &storing.locks, &report);
    let mut stored_under_lock = None;
    if let Some(reuse) = &storing.reuse {
        stored_under_lock = name_parts(reuse, &mut manifest, &writer, &mut report).await?;
    }
    manifest.objects = records::store(run, &writer, &catalog, &manifest, &dumped).await?;
    manifest.stored_anew = (storing.reuse.is_some()).then(|| writer.stored_bytes());
    tell_of_drills(run, &export.place, &mut report.findings).await;
    run.context.interrupt.check()?;
    writer.commit(&manifest, run.keys.signer).await?;

    report.under_lock = stored_under_lock.map(|mut stored| {
        stored.extend(StoredUnderLock::beside_parts(&manifest));
        told(run, &stored)
    });
    report.id = Some(manifest.id.clone());
    report.rows = manifest.rows();
    report.copy_bytes = manifest.copy_bytes();
    report.lock = storing.locks.manifest();
    report.stored_bytes = Some(manifest.stored_bytes());
    report.stored_anew_bytes = Some(writer.stored_bytes());
    report.parts = manifest.parts();
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(Done::Exported(Box::new(report)))
}

/// Stores the state, and says in the manifest and the report what is named; returns what is under lock so far.
async fn name_parts(
    reuse: &Reuse,
    manifest: &mut Manifest,
    writer: &PointWriter,
    report: &mut DatabaseReport,
) -> Result<Option<Vec<StoredUnderLock>>> {
    let Finished {
        state,
        parts_from,
        named,
        stored,
    } = reuse.finish(writer).await?;
    if state.is_none() {
        report.findings.push(
            "it has more parts than a state may list: the next export cannot name any again"
                .to_owned(),
        );
    }
    manifest.state = state;
    manifest.parts_from = parts_from;
    (report.parts_named, report.named_bytes) = named;
    Ok(stored)
}

fn told(run: &Run<'_>, stored: &[StoredUnderLock]) -> UnderLock {
    let options = run.options;
    let (full_every, price) = (options.reuse.full_every, options.gb_month_price);
    under_lock(stored, run.context.clock.now(), full_every, price)
}

/// How many points that no trusted key signed are passed over.
const PASSED_OVER: usize = 100;

/// The newest restore point before this one; a reader that follows the chain notices a missing one.
async fn find_previous(
    run: &Run<'_>,
    place: &PointPath,
    findings: &mut Vec<String>,
) -> Option<Previous> {
    let look = async {
        let repository = run.repository;
        let found = repository.find(Some(&place.source), Some(&place.database));
        let found = found.await?;
        // Anybody who may write can store what looks newer: `status` reports it.
        let newest = repository.newest_trusted(found, run.keys.trust, PASSED_OVER);
        Ok::<_, Error>(newest.await?.map(|point| Previous {
            id: point.manifest.id,
            sha256: point.body_sha256,
            until: (point.manifest.lock).map(|lock| lock.of_manifest().retain_until),
        }))
    };
    look.await.unwrap_or_else(|error| {
        // Not a reason to have no backup tonight.
        let why = error.chain();
        findings.push(format!("the previous restore point cannot be read: {why}"));
        None
    })
}

async fn tell_of_drills(run: &Run<'_>, place: &PointPath, findings: &mut Vec<String>) {
    match drilled::lacking(run, place).await {
        Ok(finding) => findings.extend(finding),
        Err(error) => findings.push(format!("the last drill cannot be read: {}", error.chain())),
    }
}
