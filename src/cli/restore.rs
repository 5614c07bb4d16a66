//! `lifeboat restore`

mod beside;

use std::path::PathBuf;

use super::render::seconds;
use super::run::{Access, Answer, Page, Point, PointArgs, Run};
use super::troubles::show_troubles;
use super::{connect, drilled, render};
use crate::config::{MAX_JOBS, source};
use crate::drill;
use crate::error::{Result, ResultExt};
use crate::humanize::first_names;
use crate::outcome::Outcome;
use crate::pg::local::tools::Dirs;
use crate::pg::target::readiness::Readiness;
use crate::restore::{self, Options, Report};

/// Restore a restore point into an empty database
///
/// Looks at everything first and reports all problems at once. Writes only into an empty database
/// or its own unfinished restore, or with --into-schema into a schema that it makes; no flag makes
/// it overwrite. Compares the server's own row counts with the exported ones.
///
/// With --into-schema tables are unlogged, only their owner may read them, keys and indexes on
/// columns are made, rows are read again and compared, and nothing else in the database is touched.
/// The end shows the SQL that finds what differs and puts back what is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat restore latest --identity break-glass.key \\\n      \
           --target postgresql://postgres@db.example.com/courses --create\n  \
       lifeboat restore latest --target postgresql:///scratch --identity key --table public.answer\n  \
       lifeboat restore latest --target postgresql://me@production/courses --identity key \\\n      \
           --table answer --into-schema rescue --dry-run\n  \
       lifeboat restore ID --repository s3://backup-bucket/prod --trust FINGERPRINT \\\n      \
           --identity break-glass.key --target postgresql://postgres@host/courses --dry-run"
))]
pub(super) struct Args {
    #[command(flatten)]
    point: PointArgs,
    /// The database to restore into, as postgresql://user@host:port/database
    #[arg(long, value_name = "URL")]
    target: String,
    /// File with nothing but the target's password
    #[arg(long, value_name = "FILE")]
    target_password_file: Option<PathBuf>,
    /// Only the rows of this schema's tables; other tables are made too, and stay empty; may be
    /// repeated
    #[arg(long, value_name = "SCHEMA", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    schema: Vec<String>,
    /// Only this table's rows (schema.table; quotes where a name holds a dot): the schema comes
    /// whole, other tables stay empty; may be repeated
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// Beside what the database holds: only these tables' rows, into a new schema of this name
    #[arg(long, value_name = "NAME", requires = "table",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        conflicts_with_all = ["create", "resume", "schema", "no_owner", "no_privileges", "pg_bin"])]
    into_schema: Option<String>,
    /// With --into-schema: tables that survive a crash of the server, and reach its replicas
    #[arg(long, requires = "into_schema")]
    logged: bool,
    /// Make the target database first
    #[arg(long)]
    create: bool,
    /// Go on with a restore that was interrupted, or whose failures were mended
    #[arg(long)]
    resume: bool,
    /// Only look: report every problem, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Everything belongs to the user who restores
    #[arg(long)]
    no_owner: bool,
    /// Leave out GRANT and REVOKE
    #[arg(long)]
    no_privileges: bool,
    /// Read the restored tables again and compare digests of their rows and stored generated columns
    #[arg(long)]
    verify: bool,
    /// Sessions that load at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
    /// Folder with pg_restore, asked before PATH; may be repeated
    #[arg(long, value_name = "FOLDER")]
    pg_bin: Vec<PathBuf>,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<(Access, Point, Options)> {
        let point = self.point.resolve()?;
        source::check_url(&self.target).context(|| "--target".to_owned())?;
        let tables = self.table.iter().map(|text| text.parse());
        let tables = tables.collect::<Result<_>>()?;
        let access = run.globals.access()?.with_trust()?;
        // Without one it would be the user's own, and so `postgres`.
        let option = ("--target", "write postgresql://user@host:port/database");
        let password_file = self.target_password_file;
        let target = connect::typed_server(option, self.target, password_file, run)?;
        let pg_bin = self.pg_bin.into_iter().chain(access.pg_bin.clone());
        let options = Options {
            target,
            jobs: self.jobs.map(usize::from),
            create: self.create,
            resume: self.resume,
            dry_run: self.dry_run,
            no_owner: self.no_owner,
            no_privileges: self.no_privileges,
            verify: self.verify,
            schemas: self.schema,
            tables,
            tool_dirs: Dirs::system(pg_bin.collect()),
            drill: false,
            drill_reader: None,
            keep_rights: false,
            drilled_sound: false,
        };
        Ok((access, point, options))
    }
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (into_schema, logged) = (args.into_schema.clone(), args.logged);
    let (access, point, mut options) = args.resolve(run)?;
    if let Some(schema) = into_schema {
        let options = crate::beside::Options {
            target: options.target,
            schema,
            tables: options.tables,
            logged,
            dry_run: options.dry_run,
            jobs: options.jobs,
        };
        return beside::run(access, point, options, run).await;
    }
    let identities = connect::identity_source(&access, run)?;
    let point = connect::restore_point(&access, &point, run).await?;
    let found = identities.find(&point, run.progress.as_ref()).await?;
    let identities = found.required_by("restore")?;
    drilled::note(&point, &access.trust, run).await;
    let sound = drill::is_sound(&point, &access.trust).await;
    options.drilled_sound = sound.unwrap_or(false);
    let report = restore::run(&point, &identities, &options, run.context()).await?;
    let failures = report.failures.len() + report.problems.len();
    let outcome = Outcome::from_counts(failures, report.findings.len());
    Answer::new(&report, text(&report), outcome)
}

/// One screen: what is back, what is not as it was, what is left to do.
fn text(report: &Report) -> Page {
    let mut page = Page::default();
    show_summary(&mut page, report);
    page.lines("problem:", &report.problems);
    show_troubles(&mut page, "FAILURE", &report.failures);
    show_troubles(&mut page, "finding", &report.findings);
    page.lines("not compared:", &report.not_compared);
    page.lines("left out:", &report.left_out);
    for left_out in &report.excluded {
        let (kind, names) = (&left_out.kind, first_names(&left_out.names, 8));
        page.line(format_args!(
            "left out of the backup on request: {kind}: {names}"
        ));
    }
    page.lines("to do:", &report.to_do);
    page
}

fn show_summary(page: &mut Page, report: &Report) {
    let what = match report.dry_run {
        true => "would come back into",
        false => "brought back into",
    };
    page.line(format_args!(
        "{} of {}/{}, as of {}, {what} {}: {}, {}, {}",
        report.id,
        report.source,
        report.database,
        render::time(report.snapshot_at),
        report.target,
        render::counted(report.tables, "table", "tables"),
        render::counted(report.rows, "row", "rows"),
        render::counted(report.large_objects, "large object", "large objects"),
    ));
    if report.dry_run {
        page.line("nothing was changed");
        return;
    }
    let compared = match report.verified {
        true => "rows counted, read again and compared",
        false => "rows counted; --verify also reads them again",
    };
    let phases = report.phases.iter().filter(|phase| phase.seconds >= 0.1);
    let phases: Vec<String> = phases
        .map(|phase| format!("{} {}", phase.name, seconds(phase.seconds)))
        .collect();
    let took = seconds(report.seconds);
    let phases = match phases.as_slice() {
        [] => String::new(),
        phases => format!(" ({})", phases.join(", ")),
    };
    page.line(format_args!("{compared}; took {took}{phases}"));
    if report.statistics_imported > 0 {
        page.line(format_args!(
            "statistics of {} imported as they were in the source",
            render::counted(
                report.statistics_imported,
                "table or index",
                "tables and indexes"
            )
        ));
    }
    if let Some(ready) = report.ready.as_ref().filter(|ready| is_lacking(ready)) {
        page.line(readiness(ready));
    }
}

/// Whether a person may want to act: --json tells it always.
fn is_lacking(ready: &Readiness) -> bool {
    const OLD: u64 = 150_000_000;
    ready.with_statistics < ready.tables || ready.oldest_age >= OLD
}

fn readiness(ready: &Readiness) -> String {
    let visible = match ready.pages {
        0 => 100,
        pages => ready.all_visible_pages * 100 / pages,
    };
    format!(
        "ready: statistics of {} of {}; {visible} % of pages visible to index-only scans, the rest once \
         autovacuum was there; oldest transaction {} back",
        ready.with_statistics,
        render::counted(ready.tables, "table", "tables"),
        ready.oldest_age
    )
}
