//! A table and its rows as a script for psql, which makes it anew in any database or changes nothing.

use super::subject::Subject;
use crate::opaque;
use crate::pg::target::plain_table::PlainTable;
use crate::quote::{quote_ident_as_ascii, quote_literal};

/// Ends the rows and keeps them. A script that lacks it makes nothing.
pub(super) const TAIL: &[u8] = b"\\.\nCOMMIT;\n";

pub(super) struct Script {
    /// All before the rows, as bytes of the database where its names are.
    pub head: Vec<u8>,
    pub left_out: Vec<String>,
}

/// A statement that fails ends the script: rows must never reach a table that was there before, nor psql as
/// commands.
const SETTINGS: &str = "\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = '';
SET LOCAL array_nulls = on;
SET LOCAL xmloption = content;
SET LOCAL lc_monetary = 'C';
";

pub(super) fn script(subject: &Subject<'_>, columns: &[String]) -> Script {
    let database = &subject.catalog.database;
    let as_bytes = database.encoding_of_names() != "UTF8";
    let quote = |name: &str| quote_ident_as_ascii(name, as_bytes);
    let name = subject.name;
    let table = format!("{}.{}", quote(&name.schema), quote(&name.name));
    let plain = PlainTable::new(name, subject.full, columns);
    let speak =
        |encoding: &str| format!("SET LOCAL client_encoding = {};\n", quote_literal(encoding));
    let mut head = SETTINGS.to_owned();
    head += &speak(database.encoding_of_names());
    if name.schema != "public" {
        head += &format!("CREATE SCHEMA IF NOT EXISTS {};\n", quote(&name.schema));
    }
    head += &plain.create(&format!("CREATE TABLE {table}"), "\n  ", quote);
    head += ";\n";
    head += &speak(&database.encoding);
    let list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let list = match list.as_slice() {
        [] => String::new(),
        list => format!(" ({})", list.join(", ")),
    };
    head += &format!("COPY {table}{list} FROM stdin;\n");
    let mut left_out = plain.left_out;
    left_out.push(format!("keys, constraints and indexes of {name}"));
    Script {
        head: opaque::bytes(&head).into_owned(),
        left_out,
    }
}
