//! `lifeboat diff`

mod text;

use std::path::PathBuf;

use super::connect;
use super::run::{Access, Answer, DatabaseFilter, Point, Run};
use crate::codec::Identities;
use crate::config::{MAX_JOBS, source};
use crate::diff::{self, Opened, Options, Other, RowsOptions, SpillOptions};
use crate::error::{Error, Result, ResultExt};
use crate::model::selection::TableName;
use crate::repository::{PointSelector, RestorePoint};

use text::text;

/// Show what differs between two restore points of a database, or between one and a live database
///
/// Tables that came or went, rows before and after, whether the rows are the same by their digests,
/// sequences, large objects, and every definition that changed: columns, keys, functions, roles, privileges.
/// Names and digests are sealed: without an identity OIDs, rows and bytes are compared, and said to be. What an
/// export left out on request is not compared, and said not to be: where both leave out the same, that is no
/// difference.
///
/// With --rows the rows of one table are compared, however large it is. A digest of 16 bytes of each row of
/// either side is written to the folder that TMPDIR names, and removed again; no row is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  lifeboat diff 20261120T020000Z-7mz1ab latest --identity break-glass.key
  lifeboat diff ID ID --rows --table public.answer --show 5 --identity break-glass.key
  lifeboat diff latest --against postgresql://reader@db.example.com/courses --identity break-glass.key

Exit codes:
  0  nothing differs, and all was compared but what both leave out alike
  1  failed
  2  wrong usage or configuration
  3  done, with findings: something differs, or was not compared and is not left out of both alike")]
pub(super) struct Args {
    /// The restore point before: an id as `lifeboat list` shows it, or `latest`
    #[arg(value_name = "A")]
    a: String,
    /// The restore point after
    #[arg(value_name = "B", conflicts_with = "against")]
    b: Option<String>,
    #[command(flatten)]
    filter: DatabaseFilter,
    /// Compare with this live database: it is only read, in one snapshot
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// File with nothing but that database's password
    #[arg(long, value_name = "FILE", requires = "against")]
    against_password_file: Option<PathBuf>,
    /// Compare the rows of one table, and count those that only one side has
    #[arg(long, requires = "table")]
    rows: bool,
    /// The table (schema.table; quotes where a name holds a dot); a partitioned one with all its
    /// partitions
    #[arg(long, value_name = "TABLE", requires = "rows")]
    table: Option<String>,
    /// Show so many rows of each side that the other lacks: they are read once more
    #[arg(long, value_name = "N", requires = "rows", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1000))]
    show: u16,
    /// Parts or tables that are read at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let a = Point::new(&args.a, args.filter.clone())?;
    let b = args.b.as_deref().map(|id| Point::new(id, args.filter));
    let b = b.transpose()?;
    let table: Option<TableName> = args.table.as_deref().map(str::parse).transpose()?;
    let live = args.against.map(|address| {
        source::check_url(&address).context(|| "--against".to_owned())?;
        let option = ("--against", "write postgresql://user@host:port/database");
        connect::typed_server(option, address, args.against_password_file, run)
    });
    let live = live.transpose()?;
    if b.is_none() && live.is_none() {
        let what = "diff needs something to compare the restore point with";
        return Err(
            Error::usage(what).hint("name a second one, or a live database by --against URL")
        );
    }
    let access = run.globals.access()?.with_trust()?;
    let show = usize::from(args.show);
    let options = Options {
        rows: table.map(|table| RowsOptions {
            table,
            show,
            spill: SpillOptions::default(),
        }),
        jobs: args.jobs.map(usize::from),
    };
    let (a, b) = open(&access, a, b, run).await?;
    let names = options.rows.is_some() || live.is_some();
    let of_a = identities(&access, &a, names, run).await?;
    let of_b = match &b {
        Some(b) => identities(&access, b, names, run).await?,
        None => Identities::default(),
    };
    let one = Opened {
        point: &a,
        identities: &of_a,
    };
    let other = match (&b, &live) {
        (Some(b), _) => Other::Point(Opened {
            point: b,
            identities: &of_b,
        }),
        (None, Some(live)) => Other::Live(live),
        // Refused above.
        (None, None) => Other::Point(one),
    };
    let report = diff::run(one, other, &options, run.context()).await?;
    Answer::new(&report, text(&report), report.outcome())
}

/// `latest` is the latest of the database whose point the other one is.
async fn open(
    access: &Access,
    mut a: Point,
    b: Option<Point>,
    run: &Run,
) -> Result<(RestorePoint, Option<RestorePoint>)> {
    let Some(mut b) = b else {
        return Ok((connect::restore_point(access, &a, run).await?, None));
    };
    if a.which == PointSelector::Latest {
        let b = connect::restore_point(access, &b, run).await?;
        a.filter = of_database(&b, a.filter);
        return Ok((connect::restore_point(access, &a, run).await?, Some(b)));
    }
    let a = connect::restore_point(access, &a, run).await?;
    if b.which == PointSelector::Latest {
        b.filter = of_database(&a, b.filter);
    }
    let b = connect::restore_point(access, &b, run).await?;
    Ok((a, Some(b)))
}

fn of_database(point: &RestorePoint, filter: DatabaseFilter) -> DatabaseFilter {
    let manifest = &point.manifest;
    DatabaseFilter {
        source: filter.source.or_else(|| Some(manifest.source.clone())),
        database: filter.database.or_else(|| Some(manifest.database.clone())),
    }
}

/// Those that open a point. Where `needed` they must.
async fn identities(
    access: &Access,
    point: &RestorePoint,
    needed: bool,
    run: &Run,
) -> Result<Identities> {
    let source = connect::identity_source(access, run)?;
    let found = source.find(point, run.progress.as_ref()).await?;
    if needed {
        return found.required_by("this comparison");
    }
    if let Some(refusal) = &found.refusal {
        run.progress.note(&format!(
            "names are not compared: {}; {}",
            refusal.chain(),
            refusal.advice()
        ));
    }
    Ok(found.identities)
}
