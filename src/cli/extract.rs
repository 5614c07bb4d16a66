//! `lifeboat extract`

use std::path::{Path, PathBuf};

use super::render::seconds;
use super::run::{Answer, Page, PointArgs, Run};
use super::{connect, output, render};
use crate::config::MAX_JOBS;
use crate::error::{Error, Result};
use crate::extract::{self, Destination, Extracted, Options, Report};
use crate::quote::unquote_ident;

/// Write rows of a restore point to files, without any PostgreSQL
///
/// Reads the parts of the chosen tables and writes their rows, in no order. Counts and digests are
/// compared as it goes: damage is exit code 1, and the file keeps a temporary name that ends in
/// .incomplete. Nothing that exists is overwritten, and only you may read what is written.
///
/// A partitioned table gives the rows of all its partitions. Generated columns are not stored and
/// so left out. Rows are in the database's own encoding.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat extract latest --table public.answer -o answer.csv --identity break-glass.key\n  \
       lifeboat extract ID --table answer --columns id,text --format jsonl --identity key | jq .id\n  \
       lifeboat extract ID --table answer --format sql --identity key | psql scratch\n  \
       lifeboat extract ID --table course --table answer --format copy -o rows/ --identity key"
))]
pub(super) struct Args {
    #[command(flatten)]
    point: PointArgs,
    /// The table whose rows are written (schema.table; quotes where a name holds a dot); may be
    /// repeated
    #[arg(long, value_name = "TABLE", required = true)]
    table: Vec<String>,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Only these columns, in this order: a,b; quotes where a name holds a comma
    #[arg(long, value_name = "COLUMNS")]
    columns: Option<String>,
    /// A new file, or `-` for stdout, to which rows go where stdout is no terminal; of several
    /// tables, or where a folder is there, a file each in that folder
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Parts read at the same time [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// COPY text as stored, without a header
    Copy,
    /// As COPY WITH (FORMAT csv, HEADER) prints it: NULL is an empty field, an empty text is ""
    Csv,
    /// A JSON object a row: numbers, booleans, json and jsonb as such, all else as strings (NaN,
    /// arrays, times, too), NULL as null
    Jsonl,
    /// A script for psql that makes the table and fills it, or changes nothing: no keys, no
    /// indexes
    Sql,
}

impl From<Format> for extract::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Copy => Self::Copy,
            Format::Csv => Self::Csv,
            Format::Jsonl => Self::Jsonl,
            Format::Sql => Self::Sql,
        }
    }
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let point = args.point.resolve()?;
    let tables = args.table.iter().map(|text| text.parse());
    let (to, is_stream) = destination(args.output, run.globals.json)?;
    let options = Options {
        tables: tables.collect::<Result<_>>()?,
        columns: args
            .columns
            .as_deref()
            .map_or_else(|| Ok(Vec::new()), columns)?,
        format: args.format.into(),
        to,
        jobs: args.jobs.map(usize::from),
    };
    let access = run.globals.access()?.with_trust()?;
    let identities = connect::identity_source(&access, run)?;
    let point = connect::restore_point(&access, &point, run).await?;
    let found = identities.find(&point, run.progress.as_ref()).await?;
    let identities = found.required_by("extract")?;
    let report = extract::run(&point, &identities, options, run.context()).await?;
    let answer = Answer::new(&report, text(&report), report.outcome())?;
    Ok(match is_stream {
        true => answer.beside_rows(),
        false => answer,
    })
}

/// Where rows go, and whether that is stdout, where nothing else can be then.
fn destination(output: Option<PathBuf>, json: bool) -> Result<(Destination, bool)> {
    let path = match output {
        Some(path) if path == Path::new("-") => None,
        None if output::is_terminal() => {
            return Err(Error::usage("rows are not written to a terminal unasked")
                .hint("name a file by -o FILE, or add -o - to see them here"));
        }
        path => path,
    };
    match path {
        Some(path) => Ok((Destination::Path(path), false)),
        None if json => Err(
            Error::usage("rows and --json's document cannot both go to stdout")
                .hint("write the rows to a file by -o FILE, or leave --json away"),
        ),
        None => Ok((Destination::Stream(output::rows()?), true)),
    }
}

/// `a,"b,c"`: names are taken as they stand, not folded.
fn columns(text: &str) -> Result<Vec<String>> {
    let wrong = || {
        Error::usage(format!(
            "--columns: '{}' is no list of columns",
            text.escape_debug()
        ))
        .hint("write a,b, with \"quotes\" around a name that holds a comma")
    };
    let mut names: Vec<String> = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (name, after) = match text.strip_prefix('"') {
            Some(quoted) => unquote_ident(quoted).ok_or_else(wrong)?,
            None => {
                let end = text.find(',').unwrap_or(text.len());
                (text[..end].to_owned(), &text[end..])
            }
        };
        rest = match after {
            "" => None,
            after => Some(after.strip_prefix(',').ok_or_else(wrong)?),
        };
        if name.is_empty() || names.contains(&name) {
            return Err(wrong());
        }
        names.push(name);
    }
    Ok(names)
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    if report.reader_left {
        return page;
    }
    for table in &report.tables {
        page.line(format_args!("{}", line(table)));
    }
    page.line(format_args!(
        "of {} of {}/{}, as of {}: {} in {}",
        report.id,
        report.source,
        report.database,
        render::time(report.snapshot_at),
        render::counted(report.rows, "row", "rows"),
        seconds(report.seconds),
    ));
    page.lines("left out:", &report.left_out);
    page.lines("problem:", &report.problems);
    if !report.problems.is_empty() {
        page.line("DAMAGED: not all rows are there; extract them from another point");
    }
    page
}

fn line(table: &Extracted) -> String {
    let to = table.file.as_deref().unwrap_or("stdout");
    let compared = match table.whole {
        true => "count and digest are as exported",
        false => "NOT as exported",
    };
    format!(
        "table {}: {}, {} to {to}; {compared}",
        table.name,
        render::counted(table.rows, "row", "rows"),
        render::bytes(table.bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_they_are_stored() {
        let named = |text: &str| columns(text).unwrap();
        assert_eq!(named("a"), ["a"]);
        assert_eq!(named("a,B c"), ["a", "B c"]);
        assert_eq!(named(r#""a,b","c""d",e"#), ["a,b", "c\"d", "e"]);
        for wrong in ["", ",", "a,", ",a", "a,,b", "\"a", "\"a\"b", "\"\"", "a,a"] {
            assert!(columns(wrong).is_err(), "{wrong}");
        }
    }
}
