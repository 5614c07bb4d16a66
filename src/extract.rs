//! `lifeboat extract`: rows of a restore point as files or a stream, without any PostgreSQL.

mod csv;
mod format;
mod jsonl;
mod layout;
mod output;
mod pipe;
mod rows;
mod sql;
mod subject;
mod text;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use self::layout::Layout;
use self::output::{Output, ReaderLeft};
use self::pipe::Pipe;
use crate::codec::Identities;
use crate::compute;
use crate::context::Context;
use crate::error::{self, Error, Result};
use crate::model::catalog::{Catalog, Name, Table};
use crate::model::digest::{RowDigest, Sha256};
use crate::model::id::Id;
use crate::model::manifest::TableParts;
use crate::model::selection::{Group, TableName};
use crate::outcome::Outcome;
use crate::percent;
use crate::repository::RestorePoint;

pub(crate) use self::format::Format;

pub(crate) struct Options {
    /// At least one.
    pub tables: Vec<TableName>,
    /// Only these, in this order; empty: all that are stored.
    pub columns: Vec<String>,
    pub format: Format,
    pub to: Destination,
    /// Parts read at a time; `None`: one a core.
    pub jobs: Option<usize>,
}

pub(crate) enum Destination {
    /// One table after the first byte to the last.
    Stream(Box<dyn Write + Send>),
    /// A new file; of several tables, or where a folder is there, a new file each in that folder.
    Path(PathBuf),
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub id: Id,
    pub source: String,
    pub database: String,
    /// The moment that the rows show.
    pub snapshot_at: Timestamp,
    pub format: Format,
    pub tables: Vec<Extracted>,
    pub rows: u64,
    /// Written, of all files.
    pub bytes: u64,
    pub seconds: f64,
    /// What is damaged or missing; any makes the exit code 1.
    pub problems: Vec<String>,
    /// What is not in the output, or not as it was.
    pub left_out: Vec<String>,
    /// Whoever read the stream had enough: what was not written is not told.
    #[serde(skip)]
    pub reader_left: bool,
}

/// One table, or all partitions of one.
#[derive(Debug, Serialize)]
pub(crate) struct Extracted {
    #[serde(flatten)]
    pub name: Name,
    /// `None`: into the stream.
    pub file: Option<String>,
    pub columns: Vec<String>,
    pub rows: u64,
    pub bytes: u64,
    /// Rows and digest are those that were exported; otherwise the file has a temporary name.
    pub whole: bool,
}

impl Report {
    pub(crate) fn outcome(&self) -> Outcome {
        match self.reader_left {
            true => Outcome::Failed,
            false => Outcome::from_counts(self.problems.len(), 0),
        }
    }
}

/// Writes the rows of the chosen tables. Damage is in the report; an error means that nothing is left of the
/// table at work.
pub(crate) async fn run(
    point: &RestorePoint,
    identities: &Identities,
    options: Options,
    context: Context<'_>,
) -> Result<Report> {
    let begun = Instant::now();
    let catalog = point.catalog(identities).await?;
    let plan = plan(point, &catalog, &options)?;
    let manifest = &point.manifest;
    let mut report = Report {
        id: manifest.id.clone(),
        source: manifest.source.clone(),
        database: manifest.database.clone(),
        snapshot_at: manifest.snapshot_at,
        format: options.format,
        tables: Vec::new(),
        rows: 0,
        bytes: 0,
        seconds: 0.0,
        problems: Vec::new(),
        left_out: Vec::new(),
        reader_left: false,
    };
    let total = plan.iter().map(Planned::copy_bytes).sum();
    context.progress.phase("rows", Some(total));
    let extractor = Extractor {
        pipe: Pipe {
            point: point.clone(),
            identities: identities.clone(),
            jobs: options.jobs.unwrap_or_else(compute::cores).max(1),
        },
        context,
    };
    let outputs = outputs(&plan, options.to, options.format)?;
    for (planned, output) in plan.into_iter().zip(outputs) {
        let work = extractor.table(planned, output, &mut report);
        match context.interrupt.or(work).await {
            Err(why) if error::find::<ReaderLeft>(&why).is_some() => report.reader_left = true,
            done => done?,
        }
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// A table with its parts, and how its rows are written.
struct Planned<'a> {
    name: &'a Name,
    tables: Vec<(&'a Table, Option<&'a TableParts>)>,
    layout: Layout,
}

impl Planned<'_> {
    fn copy_bytes(&self) -> u64 {
        let parts = self.tables.iter().filter_map(|(_, parts)| *parts);
        parts.map(|parts| parts.copy_bytes).sum()
    }
}

/// Everything that can be wrong with what was asked for is found here, before the first byte is written.
fn plan<'a>(
    point: &'a RestorePoint,
    catalog: &'a Catalog,
    options: &Options,
) -> Result<Vec<Planned<'a>>> {
    let mut groups: BTreeMap<&Name, Vec<&Table>> = BTreeMap::new();
    for table in &options.tables {
        let (name, tables) = find(table, catalog, point)?;
        groups.insert(name, tables);
    }
    let stored = point.tables(catalog, |table| {
        groups.values().flatten().any(|one| one.oid == table.oid)
    })?;
    let stored: BTreeMap<u32, &TableParts> = stored
        .into_iter()
        .map(|(table, parts)| (table.oid, parts))
        .collect();
    let plan = groups.into_iter().map(|(name, tables)| {
        let layout = Layout::new(catalog, name, &tables, options.format, &options.columns)?;
        let tables = tables.into_iter();
        Ok(Planned {
            name,
            tables: tables
                .map(|table| (table, stored.get(&table.oid).copied()))
                .collect(),
            layout,
        })
    });
    plan.collect()
}

fn find<'a>(table: &TableName, catalog: &'a Catalog, point: &RestorePoint) -> Result<Group<'a>> {
    table.find(catalog).map_err(|why| {
        let id = &point.manifest.id;
        Error::not_found(why).hint(format!(
            "`lifeboat show {id}` lists all tables, with the same --identity"
        ))
    })
}

/// One for each table, nothing written yet.
fn outputs(plan: &[Planned<'_>], to: Destination, format: Format) -> Result<Vec<Output>> {
    let path = match (to, plan.len()) {
        (Destination::Stream(stream), 1) => return Ok(vec![Output::stream(stream)]),
        (Destination::Stream(_), _) => {
            return Err(Error::usage("several tables cannot share one stream")
                .hint("-o FOLDER makes a file of each table there"));
        }
        (Destination::Path(path), _) => path,
    };
    if plan.len() == 1 && !path.is_dir() {
        return Ok(vec![Output::new_file(&path)?]);
    }
    output::make_folder(&path)?;
    let files = plan
        .iter()
        .map(|planned| path.join(file_name(planned.name, format)));
    files.map(|file| Output::new_file(&file)).collect()
}

/// Of a file's name, in the file systems that are common.
const MAX_FILE_NAME_BYTES: usize = 255;

/// `schema.table.csv`; what is neither letter nor digit in a name is written as `%XX`. A long name is its beginning
/// and a hash of all of it.
fn file_name(name: &Name, format: Format) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let part = |name: &str| -> String {
        let each = name.chars().map(|c| match c {
            '.' => "%2E".to_owned(),
            c if plain(c) => c.to_string(),
            c => percent::encode(c.encode_utf8(&mut [0; 4])),
        });
        each.collect()
    };
    let (schema, table) = (part(&name.schema), part(&name.name));
    let (stem, ending) = (format!("{schema}.{table}"), format.ending());
    if stem.len() + 1 + ending.len() <= MAX_FILE_NAME_BYTES {
        return format!("{stem}.{ending}");
    }
    let hash = Sha256::of(stem.as_bytes()).to_string();
    // No other name has three dots.
    let rest = format!(".{}.{ending}", &hash[..32]);
    let end = stem.floor_char_boundary(MAX_FILE_NAME_BYTES - rest.len());
    format!("{}{rest}", &stem[..end])
}

struct Extractor<'a> {
    pipe: Pipe,
    context: Context<'a>,
}

impl Extractor<'_> {
    async fn table(
        &self,
        planned: Planned<'_>,
        mut output: Output,
        report: &mut Report,
    ) -> Result<()> {
        let Planned {
            name,
            tables,
            layout,
        } = planned;
        let Layout {
            columns,
            head,
            tail,
            damaged,
            formats,
            left_out,
        } = layout;
        report.left_out.extend(left_out);
        output.write(head).await?;
        let known = report.problems.len();
        let mut rows = 0;
        for ((table, parts), format) in tables.into_iter().zip(formats) {
            let format = Arc::new(format);
            let progress = self.context.progress;
            let found = match parts {
                None => RowDigest::default(),
                Some(parts) => {
                    let (found, damage) = self
                        .pipe
                        .write(parts, &format, &mut output, progress)
                        .await?;
                    report.problems.extend(damage);
                    found
                }
            };
            rows += found.rows;
            report.problems.extend(difference(table, found));
        }
        let whole = report.problems.len() == known;
        let end = match whole {
            true => tail,
            false => damaged.to_vec(),
        };
        output.write(end).await?;
        let (file, bytes) = output.finish(whole).await?;
        report.rows += rows;
        report.bytes += bytes;
        report.tables.push(Extracted {
            name: name.clone(),
            file: file.map(|file| file.display().to_string()),
            columns,
            rows,
            bytes,
            whole,
        });
        Ok(())
    }
}

/// Restored equals exported, for rows that no server takes.
fn difference(table: &Table, found: RowDigest) -> Option<String> {
    let expected = table.digest;
    (found != expected).then(|| {
        format!(
            "{}: {} rows with digest {:032x} were exported, read were {} with {:032x}",
            table.name, expected.rows, expected.sum, found.rows, found.sum
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_table_leaves_the_folder() {
        let of = |schema: &str, name: &str| {
            let name = Name {
                schema: schema.to_owned(),
                name: name.to_owned(),
            };
            file_name(&name, Format::Csv)
        };
        assert_eq!(of("public", "answer"), "public.answer.csv");
        for odd in ["../..", "/etc/passwd", "a/b", ".", "a\nb", "\u{202e}"] {
            let name = of(odd, odd);
            assert!(!name.contains(['/', '\n', '\u{202e}']), "{name}");
            assert!(!name.starts_with('.'), "{name}");
        }
        assert_ne!(of("a.b", "c"), of("a", "b.c"));
        let long = ["ä", "€", "\u{1F41F}"].map(|c| of(&c.repeat(63 / c.len()), &"!".repeat(63)));
        for name in long {
            assert!(name.len() <= 255 && name.ends_with(".csv"), "{name}");
        }
        let (one, other) = (
            of(&"!".repeat(63), &"?".repeat(63)),
            of(&"!".repeat(63), &"?".repeat(62)),
        );
        assert!(one.len() <= 255 && other.len() <= 255 && one != other);
    }
}
