//! What is to be made, and what stands in its way: all at once, before anything is changed.

use std::collections::BTreeMap;

use super::types::Types;
use crate::error::{Error, Result};
use crate::escape;
use crate::model::absent;
use crate::model::catalog::{Catalog, Name, Table};
use crate::model::definitions::{Columns, Definition};
use crate::model::finding::Finding;
use crate::model::manifest::TableParts;
use crate::model::selection::{TableName, columns_of, generated_columns, stored_columns};
use crate::pg::connect::server::Server;
use crate::pg::session::Session;
use crate::pg::target::beside::{self, Beside};
use crate::pg::target::plain_table::PlainTable;
use crate::pg::target::statements::Statement;
use crate::quote::{is_one_expression, quote_ident};
use crate::repository::RestorePoint;

/// What was asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub schema: &'a str,
    pub tables: &'a [TableName],
    pub logged: bool,
}

/// A table of the new schema, of one of the point or of all partitions of one.
pub(super) struct NewTable<'a> {
    pub of: &'a Name,
    pub name: Name,
    pub tables: Vec<(&'a Table, Option<&'a TableParts>)>,
    /// In its own order.
    pub columns: Vec<String>,
    /// Those that are text here and something else in the point.
    pub as_text: Vec<String>,
}

impl NewTable<'_> {
    /// As exported.
    pub(super) fn rows(&self) -> u64 {
        self.tables.iter().map(|(table, _)| table.digest.rows).sum()
    }
}

pub(super) struct Plan<'a> {
    pub tables: Vec<NewTable<'a>>,
    /// One transaction, before the rows.
    pub make: Vec<Statement>,
    /// After the rows, each on its own.
    pub keys: Vec<Statement>,
    pub problems: Vec<String>,
    /// What may make it fail, or may do more than is asked for.
    pub clashes: Vec<Finding>,
    pub left_out: Vec<String>,
}

impl<'a> Plan<'a> {
    pub(super) async fn make(
        point: &'a RestorePoint,
        catalog: &'a Catalog,
        wanted: Wanted<'_>,
        session: &Session,
    ) -> Result<Self> {
        let there = Beside::read(session, wanted.schema).await?;
        let mut plan = Self {
            tables: Vec::new(),
            make: beside::create_schema(wanted.schema, &there.grantees),
            keys: Vec::new(),
            problems: problems(catalog, wanted, &there),
            clashes: clashes(&there),
            left_out: Vec::new(),
        };
        let types = Types {
            catalog,
            there: &there,
            session,
        };
        for (of, tables) in plan.choose(catalog, wanted) {
            plan.add(point, &types, wanted, (catalog, of, &tables))
                .await?;
        }
        Ok(plan)
    }

    pub(super) fn refuse_problems(&self, target: &Server) -> Result<()> {
        match self.problems.as_slice() {
            [] => Ok(()),
            problems => Err(Error::refused(format!("{target}: {}", problems.join("; ")))
                .hint("nothing was changed; --dry-run lists what would be done")),
        }
    }

    /// Two of one name cannot both be in one schema.
    fn choose(
        &mut self,
        catalog: &'a Catalog,
        wanted: Wanted<'_>,
    ) -> BTreeMap<&'a Name, Vec<&'a Table>> {
        let mut chosen: BTreeMap<&Name, Vec<&Table>> = BTreeMap::new();
        for table in wanted.tables {
            match table.find(catalog) {
                Err(why) => self.problems.push(why),
                Ok((name, tables)) => {
                    let other = chosen
                        .keys()
                        .find(|one| one.name == name.name && **one != name);
                    match other {
                        Some(other) => self.problems.push(format!(
                            "{other} and {name} have one name, and cannot be in one schema: restore one after the other"
                        )),
                        None => drop(chosen.insert(name, tables)),
                    }
                }
            }
        }
        chosen
    }

    async fn add(
        &mut self,
        point: &'a RestorePoint,
        types: &Types<'_>,
        wanted: Wanted<'_>,
        (catalog, of, tables): (&'a Catalog, &'a Name, &[&'a Table]),
    ) -> Result<()> {
        self.left_out.extend(absent::rows_below(catalog, of));
        let columns = stored_columns(catalog, (of, tables));
        for column in generated_columns(catalog, (of, tables)) {
            let column = escape::name(&column);
            let why = format!("column {column} of {of}: it is generated, and not stored");
            self.left_out.push(why);
        }
        let full = match columns_of(catalog, of) {
            Some(full) => Some(types.fit(full, &columns, &mut self.left_out).await?),
            None => {
                self.left_out.push(format!(
                    "types of {of}: this restore point does not hold them; its columns are text"
                ));
                None
            }
        };
        let plain = PlainTable::new(of, full.as_ref(), &columns);
        let name = Name {
            schema: wanted.schema.to_owned(),
            name: of.name.clone(),
        };
        let kind = if wanted.logged { "" } else { "UNLOGGED " };
        let begin = format!("CREATE {kind}TABLE {}", name.quoted());
        let create = plain.create(&begin, " ", quote_ident);
        let grantees = &types.there.grantees;
        self.make
            .extend(beside::create_table(&name, create, grantees));
        self.left_out.extend(plain.left_out);
        self.keys
            .extend(keys(catalog, of, &name, &mut self.left_out));
        let parts = point.tables(catalog, |table| {
            tables.iter().any(|one| one.oid == table.oid)
        })?;
        let parts: BTreeMap<u32, &TableParts> = parts
            .into_iter()
            .map(|(table, parts)| (table.oid, parts))
            .collect();
        let tables = tables
            .iter()
            .map(|table| (*table, parts.get(&table.oid).copied()));
        self.tables.push(NewTable {
            of,
            name,
            tables: tables.collect(),
            as_text: as_text(columns_of(catalog, of), full.as_ref()),
            columns,
        });
        Ok(())
    }
}

fn as_text(was: Option<&Columns>, is: Option<&Columns>) -> Vec<String> {
    let (Some(was), Some(is)) = (was, is) else {
        return Vec::new();
    };
    let pairs = was.columns.iter().zip(&is.columns);
    let changed = pairs.filter(|(was, is)| was.data_type != is.data_type);
    changed.map(|(was, _)| was.name.clone()).collect()
}

fn problems(catalog: &Catalog, wanted: Wanted<'_>, there: &Beside) -> Vec<String> {
    let mut problems = Vec::new();
    let schema = escape::name(wanted.schema);
    if there.schema_exists {
        problems.push(format!(
            "schema {schema} exists already: choose another name, nothing is put into a schema that is there"
        ));
    }
    if wanted.schema.starts_with("pg_") || wanted.schema == "lifeboat_restore" {
        problems.push(format!("schema {schema}: the name is taken"));
    }
    if !there.may_create {
        let user = quote_ident(&there.user);
        problems.push(format!(
            "{user} may not make a schema here: GRANT CREATE ON DATABASE … TO {user}"
        ));
    }
    if there.in_recovery {
        problems.push("it is a standby, which takes no changes".to_owned());
    }
    if there.encoding != catalog.database.encoding {
        problems.push(format!(
            "its encoding is {}, that of the backup {}: rows would not be the same bytes",
            there.encoding,
            escape::name(&catalog.database.encoding)
        ));
    }
    if wanted.logged && !there.publications.is_empty() {
        let names: Vec<String> = there
            .publications
            .iter()
            .map(|one| quote_ident(one))
            .collect();
        problems.push(format!(
            "publication {} is FOR ALL TABLES: subscribers would stop at the first row of a logged table; leave --logged out",
            names.join(", ")
        ));
    }
    problems
}

fn clashes(there: &Beside) -> Vec<Finding> {
    let triggers = there.event_triggers.iter().map(|name| {
        let quoted = quote_ident(name);
        Finding::new(
            format!("event trigger {}", escape::name(name)),
            "it fires when schemas, tables or indexes are made, and may refuse that",
        )
        .sql(format!("ALTER EVENT TRIGGER {quoted} DISABLE"))
    });
    triggers.collect()
}

/// Primary keys, unique constraints, and indexes on columns.
fn keys(catalog: &Catalog, of: &Name, into: &Name, left_out: &mut Vec<String>) -> Vec<Statement> {
    let table = into.quoted();
    let mut statements = Vec::new();
    for one in definitions(catalog, "key", of) {
        let name = one.name.last().map_or("", String::as_str);
        if one.text.starts_with("FOREIGN KEY") {
            left_out.push(format!("foreign key {} of {of}", escape::name(name)));
        } else if is_key(&one.text) {
            let (about, name) = (
                format!("key {} of {into}", escape::name(name)),
                quote_ident(name),
            );
            let sql = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {}", one.text);
            statements.push(Statement::new(about, sql));
        } else {
            let name = escape::name(name);
            left_out.push(format!("key {name} of {of}: it is more than a key"));
        }
    }
    for one in definitions(catalog, "index", of) {
        let name = one.name.last().map_or("", String::as_str);
        let about = format!("index {} of {into}", escape::name(name));
        let (unique, rest) = match one.text.strip_prefix("UNIQUE ") {
            Some(rest) => ("UNIQUE ", rest),
            None => ("", one.text.as_str()),
        };
        if is_on_columns(rest) {
            let name = quote_ident(name);
            let sql = format!("CREATE {unique}INDEX {name} ON {table} {rest}");
            statements.push(Statement::new(about, sql));
        } else {
            left_out.push(format!("{about}: it is more than columns"));
        }
    }
    for one in definitions(catalog, "check", of) {
        let name = one.name.last().map_or("", String::as_str);
        left_out.push(format!("constraint {} of {of}", escape::name(name)));
    }
    statements
}

fn definitions<'a>(
    catalog: &'a Catalog,
    kind: &'a str,
    of: &'a Name,
) -> impl Iterator<Item = &'a Definition> {
    let kinds = catalog.definitions.iter().flatten();
    let lists = kinds.filter(move |one| one.kind == kind);
    lists.flat_map(|one| &one.list).filter(move |one| {
        one.name.len() == 3 && one.name[0] == of.schema && one.name[1] == of.name
    })
}

/// Whether a constraint is one of columns alone, and calls nothing: `PRIMARY KEY (a)`, `EXCLUDE USING gist (a WITH &&)`.
fn is_key(text: &str) -> bool {
    if let Some(index) = text.strip_prefix("EXCLUDE ") {
        return is_on_columns(index);
    }
    let begins = ["PRIMARY KEY (", "UNIQUE (", "UNIQUE NULLS NOT DISTINCT ("];
    let begins = begins.iter().any(|begin| text.starts_with(begin));
    begins && is_one_expression(text)
}

/// Whether `USING btree (a, b DESC)` names columns alone: no expression, no condition.
fn is_on_columns(index: &str) -> bool {
    let (mut depth, mut plain, mut in_quotes) = (0, String::new(), false);
    for c in index.chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '(' => {
                plain.push(' ');
                depth += 1;
                if depth > 1 {
                    return false;
                }
            }
            ')' => {
                plain.push(' ');
                depth -= 1;
            }
            '\'' => return false,
            c => plain.push(c),
        }
    }
    let mut words = plain.split(|c: char| !c.is_alphanumeric() && c != '_');
    let has_condition = words.any(|word| word.eq_ignore_ascii_case("where"));
    index.starts_with("USING ") && is_one_expression(index) && !has_condition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_on_columns_are_told_from_others() {
        for index in [
            "USING btree (a)",
            "USING btree (\"odd (WHERE) name\", b DESC NULLS LAST) INCLUDE (c)",
            "USING gin (doc jsonb_path_ops)",
        ] {
            assert!(is_on_columns(index), "{index}");
        }
        for index in [
            "USING btree (lower(a))",
            "USING btree (((a + 1)))",
            "USING btree (a) WHERE (b > 1)",
            "USING btree (a) WHERE b",
            "USING btree (a)\twhere(b > 1)",
            "USING btree (a); DROP TABLE x",
            "CREATE INDEX x ON t USING btree (a)",
        ] {
            assert!(!is_on_columns(index), "{index}");
        }
    }

    #[test]
    fn keys_are_told_from_constraints_that_call_functions() {
        for key in [
            "PRIMARY KEY (a, \"b (c\") INCLUDE (d)",
            "UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
            "UNIQUE NULLS NOT DISTINCT (a)",
            "EXCLUDE USING gist (room WITH =, during WITH &&)",
        ] {
            assert!(is_key(key), "{key}");
        }
        for wrong in [
            "CHECK (lo_import('/etc/passwd') > 0)",
            "EXCLUDE USING gist (f(a) WITH =)",
            "EXCLUDE USING gist (a WITH =) WHERE (f(a))",
            "UNIQUE (a), ADD CHECK (f(a))",
            "UNIQUE (a); SELECT 1",
        ] {
            assert!(!is_key(wrong), "{wrong}");
        }
    }
}
