//! `lifeboat diff`: what differs between two restore points of a database, or between one and a live database.
//! Nothing is written but digests of rows, to a temporary folder.

mod columns;
mod content;
mod definitions;
mod digests;
mod noted;
mod reader;
mod report;
mod rows;
mod side;
mod spill;

use std::time::Instant;

use crate::codec::Identities;
use crate::compute;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::manifest::Manifest;
use crate::pg::connect::server::Server;
use crate::repository::RestorePoint;

pub(crate) use self::report::{Content, DefinitionChange, OneSide, Report, RowsReport, SideFacts};
pub use self::rows::RowsOptions;
use self::side::Side;
pub use self::spill::SpillOptions;

#[derive(Default)]
pub struct Options {
    /// Only the rows of one table.
    pub rows: Option<RowsOptions>,
    /// Parts, or tables of a live database, that are read at a time; `None`: chosen from this machine's cores.
    pub jobs: Option<usize>,
}

/// A restore point; without identities only its manifest can be read.
#[derive(Clone, Copy)]
pub struct Opened<'a> {
    pub point: &'a RestorePoint,
    pub identities: &'a Identities,
}

/// With what A is compared.
pub enum Other<'a> {
    Point(Opened<'a>),
    /// Read only, in one snapshot.
    Live(&'a Server),
}

/// Compares. A difference is no error.
pub async fn run(
    a: Opened<'_>,
    b: Other<'_>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let began = Instant::now();
    if let Other::Point(b) = &b {
        check_one_database(a.point, b.point)?;
    }
    let (progress, interrupt) = (context.progress, context.interrupt);
    progress.phase("catalogs", None);
    let jobs = options.jobs.unwrap_or_else(compute::default_jobs).max(1);
    let one = interrupt.or(Side::of_point(a.point, a.identities)).await?;
    let other = match b {
        Other::Point(b) => interrupt.or(Side::of_point(b.point, b.identities)).await?,
        Other::Live(server) => {
            let digest = options.rows.is_none().then_some(jobs);
            interrupt.or(Side::of_live(server, digest, context)).await?
        }
    };
    let (mut content, mut rows) = (None, None);
    match &options.rows {
        None => content = Some(content::compare([&one, &other])?),
        Some(options) => {
            let compared = rows::compare([&one, &other], options, jobs, context);
            rows = Some(compared.await?);
        }
    }
    let (a_facts, b_facts) = (one.facts.clone(), other.facts.clone());
    let only = options.rows.as_ref().map(|rows| &rows.table);
    one.end(only).await?;
    other.end(only).await?;
    let manifest = &a.point.manifest;
    Ok(Report {
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        same: match &rows {
            Some(rows) => Some(rows.is_same()),
            None => content.as_ref().and_then(Content::same),
        },
        a: a_facts,
        b: b_facts,
        content,
        rows,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn check_one_database(a: &RestorePoint, b: &RestorePoint) -> Result<()> {
    let (a, b) = (&a.manifest, &b.manifest);
    if (&a.source, &a.database) == (&b.source, &b.database) {
        return Ok(());
    }
    let place = |manifest: &Manifest| {
        format!(
            "{} of {}/{}",
            manifest.id, manifest.source, manifest.database
        )
    };
    Err(Error::usage(format!(
        "{} and {} are points of two databases",
        place(a),
        place(b)
    ))
    .hint("name two points of one database; `lifeboat history` lists each database's"))
}
