//! `lifeboat drill`: really restores a restore point into a throwaway and compares, so that nobody
//! has to believe in it.

mod assertion;
mod attest;
mod options;
mod previous;
mod report;
pub(crate) mod spare;
mod target;

use std::time::{Duration, Instant};

use crate::codec::Identities;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::OpenedBy;
use crate::model::catalog::Catalog;
use crate::model::finding::Finding;
use crate::model::selection::TableName;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::single_value::TimeLimit;
use crate::repository::RestorePoint;
use crate::restore;

pub use assertion::{Assertion, AssertionResult, Must, ask};
pub(crate) use assertion::{Question, check_names};
use attest::attest;
pub(crate) use attest::attest_damage;
use options::Drill;
pub(crate) use options::{AttestationOptions, Options, Where};
use previous::BEFORE;
pub(crate) use previous::is_sound;
pub use previous::{Previous, previous};
pub(crate) use report::Report;
use target::DrillTarget;

/// Restores, compares every row, asks the assertions, and removes what it made. A report that is not
/// `sound` says what is wrong with the point; an error says that there was no drill.
pub(crate) async fn run(
    point: &RestorePoint,
    identities: &Identities,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let (source, database) = (&point.manifest.source, &point.manifest.database);
    let questions = options.questions.iter();
    let asked = questions.filter(|one| one.is_for(source, database));
    let assertions: Vec<&Assertion> = asked.map(|one| &one.assertion).collect();
    check_names(assertions.iter().copied())?;
    if options.superuser && !matches!(options.place, Where::Server(_)) {
        context.progress.warn(
            "[drill] superuser = true: anybody who could write a schema in the source runs code as the drill's \
             superuser, behind its wall",
        );
    }
    let previous = if assertions.iter().any(|one| one.compares()) {
        let of = (source.as_str(), database.as_str());
        previous(point.repository(), of, &options.trust, identities).await?
    } else {
        Previous::default()
    };
    let drill = Drill {
        point,
        identities,
        options,
        context,
        assertions,
        previous,
        // What cannot be read vouches for nothing.
        drilled_sound: is_sound(point, &options.trust).await.unwrap_or(false),
    };
    let began = Instant::now();
    let catalog = point.catalog(identities).await?;
    context.progress.phase("a place for the drill", None);
    // Boxed, as is what follows: one future of all of it would not fit a thread's stack.
    let target = Box::pin(DrillTarget::prepare(&drill, &catalog)).await?;
    let drilled = drill_once(&drill, &catalog, &target).await;
    // Whatever came of it: nothing stays. What it found out is signed by then, and stands.
    let left = target.remove(&catalog).await;
    if drilled.is_err() {
        let warn = |one: &Finding| context.progress.warn(&format!("{}: {}", one.what, one.why));
        left.iter().for_each(warn);
    }
    let mut report = drilled?;
    report.findings.extend(left);
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Drills within the limit of time, and signs what came of it.
async fn drill_once(drill: &Drill<'_>, catalog: &Catalog, target: &DrillTarget) -> Result<Report> {
    let (options, context) = (drill.options, drill.context);
    let drilling = Box::pin(restore_and_ask(drill, catalog, target));
    let drilling = context.interrupt.or(target.or_lost(drilling));
    let drilled = tokio::time::timeout(options.time_limit, drilling).await;
    let drilled = drilled.unwrap_or_else(|_| Err(out_of_time(options.time_limit)));
    if let Err(error) = &drilled {
        sign_damage(drill, error).await;
    }
    let mut report = drilled?;
    match opened_by(drill).await {
        Ok(opened_by) => report.opened_by = opened_by,
        Err(error) => report.finding("which identity opened the restore point", &error),
    }
    if let Some(error) = &drill.previous.unread {
        report.finding(BEFORE, error);
    }
    if let Some(attestation) = &options.attestation {
        context.progress.phase("attestation", None);
        let now = context.clock.now();
        if let Err(error) = attest(drill.point, &mut report, attestation, now).await {
            let why = format!("it was not stored: {}", error.chain());
            let what = "the signed statement on this drill";
            report.findings.push(Finding::new(what, why));
        }
    }
    Ok(report)
}

/// So that later exports name nothing of the point again.
async fn sign_damage(drill: &Drill<'_>, found: &Error) {
    let (Kind::Damaged, Some(options)) = (found.kind(), &drill.options.attestation) else {
        return;
    };
    let (progress, now) = (drill.context.progress, drill.context.clock.now());
    let problems = (&[found.to_string()][..], 1);
    if let Err(error) = attest_damage(drill.point, problems, options, now).await {
        progress.warn(&format!(
            "the next export may name what is damaged again, as no signed statement on it was stored: {}; `lifeboat export --full` names nothing",
            error.chain()
        ));
    }
}

/// A function of the backup may run for ever; the next database is to be drilled all the same.
fn out_of_time(limit: Duration) -> Error {
    Error::failed(format!(
        "the drill did not end within {} s, and was stopped",
        limit.as_secs()
    ))
    .hint("[drill] time_limit gives a large database more time; drill another point")
}

async fn restore_and_ask(
    drill: &Drill<'_>,
    catalog: &Catalog,
    target: &DrillTarget,
) -> Result<Report> {
    let reader = target.reader();
    let options = drill.options;
    let tables = options.sample.map(|percent| sample(catalog, percent));
    let tables = tables.unwrap_or_default();
    let part = options.sample.map(|percent| {
        let (some, all) = (tables.len(), catalog.tables.len());
        format!("{some} of {all} tables, at most {percent} % of the data")
    });
    let restored = Box::pin(restore::run(
        drill.point,
        drill.identities,
        &restore::Options {
            target: target.database().clone(),
            jobs: options.jobs,
            create: reader.is_none(),
            resume: false,
            dry_run: false,
            no_owner: false,
            no_privileges: false,
            verify: true,
            schemas: Vec::new(),
            tables,
            tool_dirs: options.tool_dirs.clone(),
            drill: true,
            drill_reader: reader.cloned(),
            keep_rights: matches!(options.place, Where::Server(_)),
            drilled_sound: drill.drilled_sound,
        },
        drill.context,
    ))
    .await?;
    let mut report = Report::new(drill.point, restored, target.describe());
    target.add_to(&mut report);
    report.sample = part;
    drill.context.progress.phase("assertions", None);
    let reader = reader.unwrap_or(target.database());
    let session = Session::connect(reader, "lifeboat drill", Purpose::Query).await?;
    report.server_version = session.version();
    session.close().await;
    report.assertions = ask(
        reader,
        drill.assertions.iter().copied(),
        &drill.previous.values,
        drill.point.manifest.snapshot_at,
        TimeLimit::default(),
    )
    .await;
    Ok(report)
}

/// The one identity at hand; which of several opened what is not known.
async fn opened_by(drill: &Drill<'_>) -> Result<Option<OpenedBy>> {
    let [recipient] = &drill.identities.recipients()[..] else {
        return Ok(None);
    };
    let ring = drill.point.key_ring().await?;
    let wrapped = ring.wrapped_of(recipient);
    Ok(Some(OpenedBy {
        recipient: recipient.clone(),
        kms_key: wrapped.map(|one| one.kms_key.clone()),
    }))
}

/// Whole tables, smallest first, while they fit into `percent` of all bytes: many tables are
/// seen, and at least one.
fn sample(catalog: &Catalog, percent: u8) -> Vec<TableName> {
    let mut tables: Vec<_> = catalog.tables.iter().collect();
    tables.sort_by_key(|table| (table.table_bytes, &table.name));
    let all: u64 = tables.iter().map(|table| table.table_bytes).sum();
    let budget = u128::from(all) * u128::from(percent) / 100;
    let mut used: u128 = 0;
    tables
        .into_iter()
        .enumerate()
        .take_while(|(at, table)| {
            used += u128::from(table.table_bytes);
            *at == 0 || used <= budget
        })
        .map(|(_, table)| TableName {
            schema: Some(table.name.schema.clone()),
            name: table.name.name.clone(),
        })
        .collect()
}
