//! A table made again from the catalog's columns alone: what needs nothing beside it.

mod default;

use crate::escape;
use crate::model::catalog::Name;
use crate::model::definitions::{Column, Columns};
use crate::type_name::{is_qualified_name, is_type_name};

/// A table of the given columns, and what is not as it was.
pub(crate) struct PlainTable {
    columns: Vec<PlainColumn>,
    pub left_out: Vec<String>,
}

struct PlainColumn {
    name: String,
    /// `integer NOT NULL DEFAULT 1`
    sql: String,
}

impl PlainTable {
    /// `full`: the table's columns as the export noted them; without them all are text.
    pub(crate) fn new(table: &Name, full: Option<&Columns>, columns: &[String]) -> Self {
        let mut left_out = Vec::new();
        let columns = columns.iter().map(|name| {
            let mut known = full.iter().flat_map(|full| &full.columns);
            let known = known.find(|column| column.name == *name);
            let what = format!("column {} of {table}", escape::name(name));
            PlainColumn {
                name: name.clone(),
                sql: known.map_or_else(
                    || "text".to_owned(),
                    |known| plain(known, &what, &mut left_out),
                ),
            }
        });
        Self {
            columns: columns.collect(),
            left_out,
        }
    }

    /// `begin`: up to the table's name. `space`: what stands before each column.
    pub(crate) fn create(
        &self,
        begin: &str,
        space: &str,
        quote: impl Fn(&str) -> String,
    ) -> String {
        let columns = self.columns.iter();
        let columns =
            columns.map(|column| format!("{space}{} {}", quote(&column.name), column.sql));
        let columns: Vec<String> = columns.collect();
        format!("{begin} ({})", columns.join(",").trim_start_matches(' '))
    }
}

fn plain(column: &Column, what: &str, left_out: &mut Vec<String>) -> String {
    if !is_type_name(&column.data_type) {
        left_out.push(format!(
            "type of {what}: it is no name of a type; the column is text"
        ));
        return "text".to_owned();
    }
    let mut sql = column.data_type.clone();
    match &column.collation {
        Some(collation) if is_qualified_name(collation) => sql += &format!(" COLLATE {collation}"),
        Some(_) => left_out.push(format!("collation of {what}: it is no name of one")),
        None => {}
    }
    if column.not_null {
        sql += " NOT NULL";
    }
    if column.identity.is_some() {
        left_out.push(format!("identity of {what}: its numbers do not go on"));
    }
    match &column.default {
        Some(default) if !column.default_needs.is_empty() => {
            let needs = column.default_needs.join(", ");
            let (default, needs) = (escape::one_line(default), escape::one_line(&needs));
            left_out.push(format!("default of {what}: {default}, which needs {needs}"));
        }
        Some(default) if !default::is_safe(default, &column.data_type) => {
            let default = escape::one_line(default);
            left_out.push(format!(
                "default of {what}: {default}, which is more than a constant or the time"
            ));
        }
        // In parentheses: what follows must not become part of it.
        Some(default) => sql += &format!(" DEFAULT ({default})"),
        None => {}
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quote::quote_ident;

    fn column(name: &str, data_type: &str) -> Column {
        Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            collation: None,
            not_null: false,
            identity: None,
            generated: None,
            default: None,
            default_needs: Vec::new(),
        }
    }

    fn made(columns: Vec<Column>) -> (String, Vec<String>) {
        let of = Name {
            schema: "s".to_owned(),
            name: "t".to_owned(),
        };
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let full = Columns {
            of: of.clone(),
            columns,
        };
        let table = PlainTable::new(&of, Some(&full), &names);
        (
            table.create("CREATE TABLE x", " ", quote_ident),
            table.left_out,
        )
    }

    #[test]
    fn columns_come_with_all_that_needs_nothing_else() {
        let full = Column {
            not_null: true,
            collation: Some("pg_catalog.\"C\"".to_owned()),
            default: Some("'a;b'::text".to_owned()),
            ..column("a", "character varying(9)")
        };
        let needy = Column {
            identity: Some("a".to_owned()),
            default: Some("public.f(1)".to_owned()),
            default_needs: vec!["function public.f(integer)".to_owned()],
            ..column("b", "integer")
        };
        let (sql, left_out) = made(vec![full, needy]);
        assert_eq!(
            sql,
            "CREATE TABLE x (\"a\" character varying(9) COLLATE pg_catalog.\"C\" NOT NULL \
             DEFAULT ('a;b'::text), \"b\" integer)"
        );
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert_eq!(made(Vec::new()).0, "CREATE TABLE x ()");
    }

    #[test]
    fn no_type_or_default_begins_a_statement() {
        let hostile = Column {
            default: Some("1); DROP TABLE x; --".to_owned()),
            ..column("b", "integer); DROP TABLE x; SELECT (1")
        };
        let (sql, left_out) = made(vec![hostile]);
        assert_eq!(sql, "CREATE TABLE x (\"b\" text)");
        assert_eq!(left_out.len(), 1);
    }

    #[test]
    fn no_default_calls_what_it_is_not_said_to_need() {
        let hostile = Column {
            default: Some("lo_import('/etc/passwd'::text)".to_owned()),
            ..column("b", "oid")
        };
        let (sql, left_out) = made(vec![hostile]);
        assert_eq!(sql, "CREATE TABLE x (\"b\" oid)");
        let why = "default of column b of s.t: lo_import('/etc/passwd'::text), which is more than a constant";
        assert!(left_out[0].starts_with(why), "{left_out:?}");
    }

    #[test]
    fn no_type_or_collation_brings_a_constraint() {
        let check = "CHECK (lo_import('/etc/passwd') > 0)";
        let by_type = column("a", &format!("text {check}"));
        let by_collation = Column {
            collation: Some(format!("\"C\" {check}")),
            ..column("b", "text")
        };
        let (sql, left_out) = made(vec![by_type, by_collation]);
        assert_eq!(sql, "CREATE TABLE x (\"a\" text, \"b\" text)");
        assert!(
            left_out[0].starts_with("type of column a of s.t: "),
            "{left_out:?}"
        );
        assert!(
            left_out[1].starts_with("collation of column b of s.t: "),
            "{left_out:?}"
        );
        assert_eq!(left_out.len(), 2);
    }
}
