//! What an output looks like: which columns in which order, what stands before and after the rows.

use super::format::Format;
use super::rows::RowFormat;
use super::subject::Subject;
use super::{csv, jsonl, sql};
use crate::error::{Error, Result};
use crate::escape;
use crate::model::absent;
use crate::model::catalog::{Catalog, Name, Table};
use crate::opaque;

pub(super) struct Layout {
    pub columns: Vec<String>,
    /// Before and after the rows.
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
    /// After rows that are not all.
    pub damaged: &'static [u8],
    /// One of each table.
    pub formats: Vec<RowFormat>,
    /// What the output does not show as it was.
    pub left_out: Vec<String>,
}

impl Layout {
    /// `wanted`: only these columns, in this order; empty: all.
    pub(super) fn new(
        catalog: &Catalog,
        name: &Name,
        tables: &[&Table],
        format: Format,
        wanted: &[String],
    ) -> Result<Self> {
        let subject = Subject::new(catalog, name, tables);
        let encoding = catalog.database.encoding.as_str();
        if format == Format::Jsonl && encoding != "UTF8" {
            return Err(Error::refused(format!(
                "the database's encoding is {encoding}, and JSON is UTF-8"
            ))
            .hint("--format csv and copy carry bytes as they are; iconv converts them"));
        }
        let stored = subject.stored();
        let columns = match wanted {
            [] => stored,
            wanted => {
                let unknown = wanted.iter().find(|one| !stored.contains(one));
                if let Some(unknown) = unknown {
                    return Err(subject.no_column(unknown, &stored));
                }
                wanted.to_vec()
            }
        };
        let mut left_out = left_out(&subject, format, wanted.is_empty());
        let mut head = Vec::new();
        let (mut tail, mut damaged) = (Vec::new(), &b""[..]);
        match format {
            Format::Csv => head = csv_header(&columns),
            Format::Sql => {
                let script = sql::script(&subject, &columns);
                head = script.head;
                tail = script.tail;
                damaged = sql::DAMAGED;
                left_out.extend(script.left_out);
            }
            Format::Copy | Format::Jsonl => {}
        }
        let formats = tables
            .iter()
            .map(|table| row_format(&subject, table, format, &columns));
        Ok(Self {
            formats: formats.collect::<Result<_>>()?,
            columns,
            head,
            tail,
            damaged,
            left_out,
        })
    }
}

fn row_format(
    subject: &Subject<'_>,
    table: &Table,
    format: Format,
    columns: &[String],
) -> Result<RowFormat> {
    let place = |column: &String| {
        let found = table.columns.iter().position(|one| one == column);
        found.ok_or_else(|| {
            let (column, table) = (escape::name(column), &table.name);
            Error::damaged(format!("the catalog knows no column {column} of {table}"))
        })
    };
    let key = |column: &String| {
        let known = subject.column(column);
        jsonl::Key::new(column, known.map(|one| one.data_type.as_str()))
    };
    Ok(RowFormat {
        format,
        stored: table.columns.len(),
        places: columns.iter().map(place).collect::<Result<_>>()?,
        keys: columns.iter().map(key).collect(),
    })
}

fn csv_header(columns: &[String]) -> Vec<u8> {
    let mut header = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            header.push(b',');
        }
        csv::write_name(&opaque::bytes(column), &mut header);
    }
    header.push(b'\n');
    header
}

fn left_out(subject: &Subject<'_>, format: Format, all_columns: bool) -> Vec<String> {
    let (name, database) = (subject.name, &subject.catalog.database);
    let mut left_out = absent::rows_below(subject.catalog, name);
    if all_columns {
        let columns = subject.generated().into_iter();
        left_out.extend(columns.map(|column| {
            let column = escape::name(&column);
            format!("column {column} of {name}: it is generated, and not stored")
        }));
    }
    let typed = matches!(format, Format::Jsonl | Format::Sql);
    if typed && subject.full.is_none() {
        let as_what = match format {
            Format::Jsonl => "strings",
            _ => "text",
        };
        left_out.push(format!(
            "types of {name}: this restore point does not hold them; its columns are {as_what}"
        ));
    }
    if format == Format::Sql && subject.tables.iter().any(|table| table.has_reg_columns) {
        left_out.push(format!(
            "objects that values of {name} name, in columns of regclass and its like: psql needs them"
        ));
    }
    for table in subject.tables {
        if let (Some(_), Some(extension)) = (&table.condition, &table.extension) {
            let extension = escape::name(extension);
            left_out.push(format!("rows of {name} that extension {extension} brings"));
        }
    }
    if matches!(format, Format::Csv | Format::Copy) && database.encoding != "UTF8" {
        let encoding = escape::name(&database.encoding);
        let header = match (format, database.encoding_of_names()) {
            (Format::Csv, "UTF8") => ", but for the header, which is UTF-8",
            _ => "",
        };
        left_out.push(format!(
            "conversion to UTF-8: {name} is in the database's own encoding, {encoding}{header}"
        ));
    }
    left_out
}
