//! A table and its rows as a script for psql, which makes it anew in any database or changes nothing. Where the script
//! is cut and psql commits all the same, as `psql -1` does, the rows are in a table of another name.

use super::subject::Subject;
use crate::opaque;
use crate::pg::target::plain_table::PlainTable;
use crate::quote::{quote_ident_as_ascii, quote_literal};

/// Ends rows that are not all, and has psql fail. The row before may lack its end.
pub(super) const DAMAGED: &[u8] = b"\n\\.\nROLLBACK;
DO $$ BEGIN RAISE EXCEPTION 'these rows are damaged: nothing of them is kept'; END $$;\n";

/// Of the table's name, as long as its rows are not all there.
const INCOMPLETE: &str = ".incomplete";

/// Of a name in PostgreSQL.
const MAX_NAME_BYTES: usize = 63;

pub(super) struct Script {
    /// All before the rows, as bytes of the database where its names are.
    pub head: Vec<u8>,
    /// Behind all rows: ends and keeps them.
    pub tail: Vec<u8>,
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
    let begun = quote(&incomplete(&name.name, as_bytes));
    let begun_table = format!("{}.{begun}", quote(&name.schema));
    head += &format!("ALTER TABLE {table} RENAME TO {begun};\n");
    head += &speak(&database.encoding);
    let list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let list = match list.as_slice() {
        [] => String::new(),
        list => format!(" ({})", list.join(", ")),
    };
    head += &format!("COPY {begun_table}{list} FROM stdin;\n");
    // Names are ASCII, or bytes as the rows are.
    let named = quote(&name.name);
    let tail = format!("\\.\nALTER TABLE {begun_table} RENAME TO {named};\nCOMMIT;\n");
    let mut left_out = plain.left_out;
    left_out.push(format!("keys, constraints and indexes of {name}"));
    Script {
        head: opaque::bytes(&head).into_owned(),
        tail: opaque::bytes(&tail).into_owned(),
        left_out,
    }
}

/// What the table is called as long as its rows are not all there. The beginning of a long name, which `as_bytes`
/// could be cut within a character.
fn incomplete(name: &str, as_bytes: bool) -> String {
    let mut name = name.to_owned();
    if name.len() + INCOMPLETE.len() > MAX_NAME_BYTES {
        if as_bytes {
            name.retain(|c| c.is_ascii());
        }
        name.truncate(name.floor_char_boundary(MAX_NAME_BYTES - INCOMPLETE.len()));
    }
    name + INCOMPLETE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    #[test]
    fn a_table_has_its_name_once_all_rows_are_there() {
        let catalog = fixture::catalog();
        let tables: Vec<_> = catalog.tables.iter().take(1).collect();
        let subject = Subject::new(&catalog, &tables[0].name, &tables);
        let script = script(&subject, &["a".to_owned()]);
        let (head, tail) = (
            String::from_utf8(script.head).unwrap(),
            String::from_utf8(script.tail).unwrap(),
        );
        let begun = r#"U&"t\002Eincomplete""#;
        for line in [
            &format!(r#"ALTER TABLE "a"."t" RENAME TO {begun};"#),
            &format!(r#"COPY "a".{begun} ("a") FROM stdin;"#),
        ] {
            assert!(head.lines().any(|one| one == line), "no {line} in {head}");
        }
        assert_eq!(
            tail,
            format!("\\.\nALTER TABLE \"a\".{begun} RENAME TO \"t\";\nCOMMIT;\n")
        );
    }

    #[test]
    fn names_of_unfinished_tables_fit() {
        for (name, as_bytes) in [
            ("ü".repeat(31), false),
            ("x".repeat(63), false),
            (format!("a{}", "ü".repeat(31)), false),
            (format!("a{}", "\u{10FEE4}".repeat(62)), true),
            ("\u{10FEE4}".repeat(63), true),
            ("t".to_owned(), true),
        ] {
            let other = incomplete(&name, as_bytes);
            assert!(other.len() <= MAX_NAME_BYTES, "{other}");
            assert!(other.ends_with(INCOMPLETE) && other != name, "{other}");
        }
    }
}
