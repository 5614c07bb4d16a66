//! `lifeboat drill`: really restores a restore point into a throwaway and compares, so that nobody
//! has to believe in it.

mod ask;
mod assertion;
mod attest;
mod place;
mod report;
mod running;
pub mod spare;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::codec::Identities;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::model::attestation::OpenedBy;
use crate::model::catalog::Catalog;
use crate::pg::connect::conninfo::Server;
use crate::pg::local::tools::Dirs;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::answer::TimeLimit;
use crate::progress::Progress;
use crate::repository::RestorePoint;
use crate::restore::{self, TableName, Trouble};

pub use ask::ask;
pub use assertion::{Assertion, Must, Outcome, check_names};
pub use attest::{BEFORE, Previous, attest, previous};
use place::Place;
pub use report::Report;

/// Where the point is restored to.
#[derive(Debug, Clone)]
pub enum Where {
    /// A server that the drill starts from local programs and removes, below this folder.
    Throwaway(PathBuf),
    /// A server that the drill server behind this socket starts and removes, in a second container.
    SecondContainer(PathBuf),
    /// A database of the drill's own on this server.
    Server(Box<Server>),
}

pub struct Options {
    pub place: Where,
    pub jobs: Option<usize>,
    pub tool_dirs: Dirs,
    pub assertions: Vec<Assertion>,
    /// What assertions gave at the drill before, by their names.
    pub previous: Vec<(String, String)>,
    /// In a throwaway: everything runs as its superuser, for points that only people who may do
    /// anything anyway could write. Needs the whole wall.
    pub superuser: bool,
    /// Drill also where a wall is missing.
    pub weak_wall: bool,
    /// After which the drill is stopped, assertions and all.
    pub time_limit: Duration,
    /// A drill that a trusted key signed found this very point sound.
    pub drilled_sound: bool,
    /// Restore the rows of so many per cent of the data only, whole tables.
    pub sample: Option<u8>,
}

/// What a drill is made of.
pub struct Means<'a> {
    pub point: &'a RestorePoint,
    pub identities: &'a Identities,
    pub progress: &'a dyn Progress,
    pub interrupt: &'a Interrupt,
}

/// Restores, compares every row, asks the assertions, and removes what it made. A report that is not
/// `sound` says what is wrong with the point; an error says that there was no drill.
pub async fn run(means: &Means<'_>, options: &Options) -> Result<Report> {
    check_names(options.assertions.iter())?;
    let began = Instant::now();
    let catalog = means.point.catalog(means.identities).await?;
    let opened_by = opened_by(means).await;
    means.progress.phase("a place for the drill", None);
    // Boxed, as is what follows: one future of all of it would not fit a thread's stack.
    let place = Box::pin(Place::prepare(means, options, &catalog)).await?;
    let drilling = Box::pin(drill(means, options, &catalog, &place));
    let drilling = means.interrupt.or(place.or_lost(drilling));
    let drilled = tokio::time::timeout(options.time_limit, drilling).await;
    let drilled = drilled.unwrap_or_else(|_| Err(out_of_time(options.time_limit)));
    // Whatever came of it: nothing stays.
    let removed = place.remove(&catalog).await;
    let mut report = drilled?;
    removed?;
    match opened_by {
        Ok(opened_by) => report.opened_by = opened_by,
        Err(error) => report.findings.push(Trouble::new(
            "which identity opened the restore point",
            error.chain(),
        )),
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// A function of the backup may run for ever; the next database is to be drilled all the same.
fn out_of_time(limit: Duration) -> Error {
    Error::failed(format!(
        "the drill did not end within {} s, and was stopped",
        limit.as_secs()
    ))
    .hint("[drill] time_limit gives a large database more time; drill another point")
}

async fn drill(
    means: &Means<'_>,
    options: &Options,
    catalog: &Catalog,
    place: &Place,
) -> Result<Report> {
    let sample = options.sample.map(|percent| sample(catalog, percent));
    let restored = Box::pin(restore::run(
        &restore::Means {
            point: means.point,
            identities: means.identities,
            progress: means.progress,
            interrupt: means.interrupt,
        },
        &restore::Options {
            target: place.target().clone(),
            jobs: options.jobs,
            create: place.create(),
            resume: false,
            dry_run: false,
            no_owner: false,
            no_privileges: false,
            verify: true,
            schemas: Vec::new(),
            tables: sample.clone().unwrap_or_default(),
            tool_dirs: options.tool_dirs.clone(),
            nobody: place.nobody(),
            drilled_sound: options.drilled_sound,
        },
    ))
    .await?;
    let mut report = Report::new(means.point, restored, place.describe());
    place.add_to(&mut report);
    if let Some(sample) = sample {
        report.sampled(catalog, &sample, options.sample.unwrap_or_default());
    }
    means.progress.phase("assertions", None);
    let session = Session::connect(place.reading(), "lifeboat drill", Purpose::Query).await?;
    report.server_version = session.version();
    session.close().await;
    report.assertions = ask(
        place.reading(),
        &options.assertions,
        &options.previous,
        means.point.manifest.snapshot_at,
        TimeLimit::default(),
    )
    .await;
    Ok(report)
}

/// The one identity at hand; which of several opened what is not known.
async fn opened_by(means: &Means<'_>) -> Result<Option<OpenedBy>> {
    let [recipient] = &means.identities.recipients()[..] else {
        return Ok(None);
    };
    let ring = means.point.key_ring().await?;
    let wrapped = ring.wrapped_of(recipient);
    Ok(Some(OpenedBy {
        recipient: recipient.clone(),
        kms_key: wrapped.map(|one| one.kms_key.clone()),
    }))
}

/// Whole tables, smallest first, while they fit into so many per cent of all bytes: many tables are
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
