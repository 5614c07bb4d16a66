//! The plan: which part lists to load by which statement, and what must be counted afterwards.
//!
//! Lines of tab-separated fields, escaped as in COPY text (`\\`, `\t`, `\n`, `\r`), `-` for none.
//! FORMAT.md describes them.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, Result};
use crate::humanize::first_names;
use crate::model::catalog::{Catalog, ConstraintKind, KeyName, Name, Table, describe_constraint};
use crate::model::manifest::{LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, ObjectRef, TableParts};
use crate::opaque;
use crate::pg::target::statements;
use crate::quote::quote_ident_as_ascii;

const NONE: &str = "-";

const NOT_VALID: &str = " NOT VALID";

/// Names of one kind that the script shows.
const NAMES: usize = 10;

/// Names of the statements' kind are quoted with `U&` escapes, so that a statement is plain ASCII
/// and means the same in every encoding of shell, client and server. Names that are bytes, as those of
/// SQL_ASCII, know no Unicode: they stay as they are.
#[derive(Clone, Copy)]
struct Quoting {
    as_bytes: bool,
}

impl Quoting {
    fn of(encoding_of_names: &str) -> Self {
        Self {
            as_bytes: encoding_of_names != "UTF8",
        }
    }

    fn ident(self, name: &str) -> String {
        quote_ident_as_ascii(name, self.as_bytes)
    }

    fn name(self, name: &Name) -> String {
        format!("{}.{}", self.ident(&name.schema), self.ident(&name.name))
    }

    fn copy(self, table: &Name, columns: &[String]) -> String {
        let idents: Vec<String> = columns.iter().map(|column| self.ident(column)).collect();
        let columns = match idents.is_empty() {
            true => String::new(),
            false => format!(" ({})", idents.join(", ")),
        };
        format!("COPY {}{columns} FROM STDIN", self.name(table))
    }

    /// The rows that the export took: an extension's own ones are not among them.
    fn count(self, table: &Table) -> String {
        let condition = table
            .condition
            .as_ref()
            .map(|condition| format!(" {condition}"));
        let (name, condition) = (self.name(&table.name), condition.unwrap_or_default());
        format!("SELECT pg_catalog.count(*) FROM ONLY {name}{condition}")
    }
}

/// What `restore.sh` needs from the catalog; `tables` as in the manifest.
pub(crate) fn plan(catalog: &Catalog, tables: &[TableParts]) -> Result<Vec<u8>> {
    let parts: HashMap<u32, &TableParts> = tables.iter().map(|table| (table.oid, table)).collect();
    let quoting = Quoting::of(catalog.database.encoding_of_names());
    let mut plan = Plan::default();
    plan.head(catalog);
    for (oid, label) in [
        (LARGE_OBJECT_PROPERTIES, "large objects"),
        (LARGE_OBJECT_PAGES, "large object pages"),
    ] {
        if let Some(list) = parts.get(&oid).and_then(|parts| parts.list.as_ref()) {
            plan.load(oid, "large-objects", list, [label, NONE, NONE, NONE]);
        }
    }
    let groups = groups(catalog, &parts);
    for table in &catalog.tables {
        let parts = parts.get(&table.oid).ok_or_else(|| {
            Error::failed(format!("table {} has no entry among the parts", table.name))
        })?;
        let group = table.root.as_ref().and_then(|root| groups.get(root));
        plan.table(table, parts, quoting, group);
    }
    for (root, group) in &groups {
        plan.root(root, group, quoting);
    }
    let objects = parts.get(&LARGE_OBJECT_PROPERTIES);
    let rows = objects.map_or(0, |objects| objects.rows);
    let query = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata";
    plan.count("large-objects", NONE, rows, "large objects", query);
    plan.left_out(catalog, quoting);
    Ok(opaque::bytes(&plan.text).into_owned())
}

/// A partitioned table: its number in the plan, whether it has to be loaded through its root, and
/// the rows of all its partitions.
struct Group {
    number: usize,
    through: bool,
    rows: u64,
}

type Groups<'a> = BTreeMap<&'a Name, Group>;

fn groups<'a>(catalog: &'a Catalog, parts: &HashMap<u32, &TableParts>) -> Groups<'a> {
    let mut groups = Groups::new();
    for table in &catalog.tables {
        if let Some(root) = &table.root {
            let group = Group {
                number: groups.len() + 1,
                through: false,
                rows: 0,
            };
            let group = groups.entry(root).or_insert(group);
            group.through |= table.through_root;
            group.rows += parts.get(&table.oid).map_or(0, |parts| parts.rows);
        }
    }
    groups
}

#[derive(Default)]
struct Plan {
    text: String,
}

impl Plan {
    fn line(&mut self, fields: &[&str]) {
        let fields: Vec<String> = fields.iter().map(|field| escape(field)).collect();
        self.text.push_str(&fields.join("\t"));
        self.text.push('\n');
    }

    fn head(&mut self, catalog: &Catalog) {
        let database = &catalog.database;
        let name = "lifeboat_restored";
        // A server of 15 knows the provider's clause; older ones know only libc and no clause.
        let create = statements::create_database(database, name, 150_000).sql;
        let names = database.encoding_of_names();
        self.line(&["plan", "1", &database.encoding, &create, names]);
        for one in &database.computed_under {
            self.line(&["setting", &one.name, &one.value]);
        }
    }

    /// `rest`: label, statement, statement through the root, group.
    fn load(&mut self, oid: u32, how: &str, list: &ObjectRef, rest: [&str; 4]) {
        let (oid, sha256) = (oid.to_string(), list.sha256.to_string());
        let what = ["load", &oid, how, list.key.as_str(), &list.version, &sha256];
        self.line(&[&what[..], &rest[..]].concat());
    }

    fn count(&mut self, kind: &str, group: &str, rows: u64, label: &str, query: &str) {
        self.line(&["count", kind, group, &rows.to_string(), label, query]);
    }

    fn table(
        &mut self,
        table: &Table,
        parts: &TableParts,
        quoting: Quoting,
        group: Option<&Group>,
    ) {
        let label = table.name.to_string();
        let through = group.is_some_and(|group| group.through);
        let group = group.map_or(NONE.to_owned(), |group| group.number.to_string());
        if let Some(list) = &parts.list {
            let how = match (through, table.has_reg_columns) {
                (true, _) => "root",
                (_, true) => "reg",
                _ => "direct",
            };
            let copy = quoting.copy(&table.name, &table.columns);
            let root = table.root.as_ref();
            let copy_root = root.map(|root| quoting.copy(root, &table.columns));
            let copy_root = copy_root.as_deref().unwrap_or(NONE);
            self.load(table.oid, how, list, [&label, &copy, copy_root, &group]);
        }
        if !through {
            let kind = if group == NONE { "table" } else { "leaf" };
            self.count(kind, &group, parts.rows, &label, &quoting.count(table));
        }
    }

    /// What was left out on request, and the foreign keys that rows may break for that: each with the statement that
    /// adds it for new rows alone.
    fn left_out(&mut self, catalog: &Catalog, quoting: Quoting) {
        for one in &catalog.left_out.names {
            let (kind, count) = (&one.kind, one.names.len().to_string());
            self.line(&["left-out", kind, &count, &first_names(&one.names, NAMES)]);
        }
        for (class, oid) in catalog.left_out.archive_objects() {
            self.line(&["skip", &class.to_string(), &oid.to_string()]);
        }
        for key in &catalog.left_out.foreign_keys {
            let Some(text) = key_text(catalog, key) else {
                continue;
            };
            let text = text.strip_suffix(NOT_VALID).unwrap_or(text);
            let (on, name) = (quoting.name(&key.on), quoting.ident(&key.name));
            let add = format!("ALTER TABLE {on} ADD CONSTRAINT {name} {text}{NOT_VALID}");
            let label = describe_constraint(&ConstraintKind::ForeignKey, &key.name, &key.on);
            self.line(&["key", &key.oid.to_string(), &label, &add]);
        }
    }

    /// The count of a whole partitioned table, for one whose rows may have moved.
    fn root(&mut self, root: &Name, group: &Group, quoting: Quoting) {
        let kind = if group.through { "table" } else { "root" };
        let query = format!("SELECT pg_catalog.count(*) FROM {}", quoting.name(root));
        let number = group.number.to_string();
        self.count(kind, &number, group.rows, &root.to_string(), &query);
    }
}

/// As PostgreSQL printed it.
fn key_text<'a>(catalog: &'a Catalog, key: &KeyName) -> Option<&'a str> {
    let kinds = catalog.definitions.iter().flatten();
    let mut keys = kinds
        .filter(|one| one.kind == "key")
        .flat_map(|one| &one.list);
    let is_it = |name: &[String]| {
        [&key.on.schema, &key.on.name, &key.name]
            .into_iter()
            .eq(name)
    };
    let found = keys.find(|one| is_it(&one.name))?;
    Some(&found.text)
}

fn escape(field: &str) -> String {
    field
        .replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_plain_ascii_without_a_shell_word() {
        let unicode = Quoting::of("UTF8");
        assert_eq!(unicode.ident("courses_answer"), r#""courses_answer""#);
        assert_eq!(
            unicode.ident("$(x)\n\\\"é🛟"),
            r#"U&"\0024\0028x\0029\000A\005C\0022\00E9\+01F6DF""#
        );
    }

    #[test]
    fn a_server_without_unicode_gets_its_bytes() {
        assert_eq!(Quoting::of("SQL_ASCII").ident("é;"), r#"U&"é\003B""#);
    }

    #[test]
    fn a_table_without_columns_has_no_list() {
        let name = Name {
            schema: "s".into(),
            name: "t".into(),
        };
        let copy = |columns: &[String]| Quoting::of("UTF8").copy(&name, columns);
        assert_eq!(copy(&[]), r#"COPY "s"."t" FROM STDIN"#);
        let columns = ["a".to_owned(), "b".to_owned()];
        assert_eq!(copy(&columns), r#"COPY "s"."t" ("a", "b") FROM STDIN"#);
    }

    #[test]
    fn a_line_stays_a_line() {
        let mut plan = Plan::default();
        plan.count("table", NONE, 1, "a\tb", "x\n\\y\r");
        assert_eq!(plan.text, "count\ttable\t-\t1\ta\\tb\tx\\n\\\\y\\r\n");
    }
}
