//! The export of one database: a recipe that reads from top to bottom.

use std::time::Instant;

use super::options::{Run, Source};
use super::report::DatabaseReport;
use super::snapshot::{DatabaseExport, SnapshotHeld};
use super::{drilled, records, rows};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::Previous;
use crate::pg::connect::server::Server;
use crate::pg::source::moment::Until;
use crate::repository::PointPath;

/// Exports the database that `server` names. Where it was not one moment all along it starts over, once.
pub(super) async fn export(
    run: &Run<'_>,
    source: &Source,
    server: &Server,
) -> Result<DatabaseReport> {
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

async fn attempt(run: &Run<'_>, source: &Source, server: &Server) -> Result<DatabaseReport> {
    let begun = Instant::now();
    let export = DatabaseExport::prepare(run, source, server).await?;
    let held = export.take_snapshot().await?;
    let mut report = export.report(&held);
    if run.options.dry_run {
        report.plan = Some(export.planned(&held.at_snapshot.tables));
        return Ok(report);
    }

    let writer = run.repository.point_writer(export.place.clone(), run.locks);
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
    let mut manifest = export.manifest(&catalog, stored, previous, &report);
    manifest.objects = records::store(run, &writer, &catalog, &manifest, &dumped).await?;
    tell_of_drills(run, &export.place, &mut report.findings).await;
    run.context.interrupt.check()?;
    writer.commit(&manifest, run.keys.signer).await?;

    report.id = Some(manifest.id.clone());
    report.rows = manifest.rows();
    report.copy_bytes = manifest.copy_bytes();
    report.stored_bytes = Some(manifest.stored_bytes());
    report.parts = manifest.parts();
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
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
