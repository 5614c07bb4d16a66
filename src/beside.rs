//! `lifeboat restore --into-schema`: tables of a restore point in a schema of their own, beside production. What
//! the database holds already is neither locked beyond ACCESS SHARE, nor changed, nor dropped.

mod compare;
mod load;
mod next;
mod plan;
mod types;

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use self::load::Loading;
use self::next::Next;
use self::plan::{Plan, Wanted};
use crate::codec::Identities;
use crate::compute::default_jobs;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::catalog::Name;
use crate::model::finding::Finding;
use crate::model::id::Id;
use crate::model::selection::TableName;
use crate::outcome::Outcome;
use crate::pg::connect::server::{Server, session_options};
use crate::pg::session::{Purpose, Session};
use crate::pg::target::statements::Statement;
use crate::pg::target::{beside, execute};
use crate::quote::quote_ident;
use crate::repository::RestorePoint;

pub(crate) struct Options {
    /// The database, which may hold anything.
    pub target: Server,
    /// To be made.
    pub schema: String,
    pub tables: Vec<TableName>,
    /// Logged tables, which survive a crash of the server and reach its replicas.
    pub logged: bool,
    /// Look and print, change nothing.
    pub dry_run: bool,
    /// Sessions that load in parallel; `None`: chosen from this machine's cores.
    pub jobs: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub id: Id,
    pub source: String,
    pub database: String,
    /// Without a password.
    pub target: String,
    pub schema: String,
    /// The moment that the rows show.
    pub snapshot_at: Timestamp,
    pub dry_run: bool,
    /// What stands in the way; only after `--dry-run`.
    pub problems: Vec<String>,
    /// All that is executed, in order, the rows' COPY apart.
    pub statements: Vec<String>,
    pub tables: Vec<Restored>,
    /// By the server's own count; after `--dry-run`: as exported.
    pub rows: u64,
    pub seconds: f64,
    /// Rows that are not as exported: any makes the exit code 1.
    pub failures: Vec<Finding>,
    /// What else is not as it was, or may not go well: any makes the exit code 3.
    pub findings: Vec<Finding>,
    pub left_out: Vec<String>,
    /// The statement that takes all away again.
    pub undo: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Restored {
    /// In the restore point.
    #[serde(flatten)]
    pub name: Name,
    /// The new table, quoted.
    pub into: String,
    pub rows: u64,
    /// Whether its rows were read again and their digest compared.
    pub verified: bool,
    /// For a person to run; `None`: the target has no such table.
    pub next: Option<Next>,
}

impl Report {
    pub(crate) fn outcome(&self) -> Outcome {
        let failures = self.failures.len() + self.problems.len();
        Outcome::from_counts(failures, self.findings.len())
    }
}

/// Restores into a new schema. After an error the schema is as the error says.
pub(crate) async fn run(
    point: &RestorePoint,
    identities: &Identities,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let begun = Instant::now();
    let catalog = point.catalog(identities).await?;
    let mut target = options.target.clone();
    target.session_options = Some(session_options(point.manifest.server_version_num));
    target.names_are_bytes = Some(catalog.database.names_are_bytes);
    target.pin()?;
    context.progress.phase("looking at the target", None);
    let purpose = match options.dry_run {
        true => Purpose::Read,
        false => Purpose::Write,
    };
    let session = Session::connect(&target, "lifeboat restore", purpose).await?;
    let wanted = Wanted {
        schema: &options.schema,
        tables: &options.tables,
        logged: options.logged,
    };
    let plan = Plan::make(point, &catalog, wanted, &session).await?;
    let mut report = report(point, &target, options, &plan);
    let restorer = Restorer {
        point,
        identities,
        context,
        target: &target,
        jobs: options.jobs.unwrap_or_else(default_jobs),
        encoding: &catalog.database.encoding,
    };
    if options.dry_run {
        report.problems.clone_from(&plan.problems);
        report.rows = plan.tables.iter().map(|table| table.rows()).sum();
    } else {
        plan.refuse_problems(&target)?;
        beside::make(&session, &options.schema, &plan.make).await?;
        let work = restorer.fill(&session, &plan, &mut report);
        let done = context.interrupt.or(work).await;
        done.map_err(|why| stopped(why, &report.undo))?;
    }
    for (table, restored) in plan.tables.iter().zip(&mut report.tables) {
        restored.next = next::of(&session, table).await?;
    }
    session.close().await;
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

fn report(point: &RestorePoint, target: &Server, options: &Options, plan: &Plan<'_>) -> Report {
    let manifest = &point.manifest;
    let statements = plan.make.iter().chain(&plan.keys);
    Report {
        id: manifest.id.clone(),
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        target: target.to_string(),
        schema: options.schema.clone(),
        snapshot_at: manifest.snapshot_at,
        dry_run: options.dry_run,
        problems: Vec::new(),
        statements: statements.map(|one| one.sql.clone()).collect(),
        tables: plan.tables.iter().map(restored).collect(),
        rows: 0,
        seconds: 0.0,
        failures: Vec::new(),
        // One that did refuse ended it.
        findings: match options.dry_run {
            true => plan.clashes.clone(),
            false => Vec::new(),
        },
        left_out: plan.left_out.clone(),
        undo: format!("DROP SCHEMA {} CASCADE", quote_ident(&options.schema)),
    }
}

fn restored(table: &plan::NewTable<'_>) -> Restored {
    Restored {
        name: table.of.clone(),
        into: table.name.quoted(),
        rows: table.rows(),
        verified: false,
        next: None,
    }
}

/// Rows that are there stay, for whoever wants to look.
fn stopped(why: Error, undo: &str) -> Error {
    let advice = why.advice().to_owned();
    why.hint(format!(
        "{advice}; what was made stays: {undo} takes it away"
    ))
}

/// What loads and compares.
struct Restorer<'a> {
    point: &'a RestorePoint,
    identities: &'a Identities,
    context: Context<'a>,
    target: &'a Server,
    jobs: usize,
    /// Of the rows.
    encoding: &'a str,
}

impl Restorer<'_> {
    /// Rows first: a table with keys takes them more slowly.
    async fn fill(&self, session: &Session, plan: &Plan<'_>, report: &mut Report) -> Result<()> {
        let loading = Loading {
            point: self.point,
            identities: self.identities,
            progress: self.context.progress,
            target: self.target,
            jobs: self.jobs,
        };
        let loaded = loading.load(&plan.tables, self.encoding).await?;
        self.context.progress.phase("indexes and keys", None);
        report.findings.extend(add_keys(session, &plan.keys).await?);
        self.context.progress.phase("comparison", None);
        let reader = Session::connect(self.target, "lifeboat restore", Purpose::Read).await?;
        for (table, restored) in plan.tables.iter().zip(&mut report.tables) {
            let compared = compare::compare(&reader, table, &loaded, self.encoding).await?;
            restored.rows = compared.rows;
            restored.verified = compared.verified;
            report.rows += compared.rows;
            report.failures.extend(compared.failure);
        }
        reader.close().await;
        Ok(())
    }
}

async fn add_keys(session: &Session, keys: &[Statement]) -> Result<Vec<Finding>> {
    execute::each(session, keys).await
}
