//! The plan: which part lists to load by which statement, and what must be counted afterwards.
//!
//! Lines of tab-separated fields, escaped as in COPY text (`\\`, `\t`, `\n`, `\r`), `-` for none.
//! FORMAT.md describes them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::model::catalog::{Catalog, Name, Table};
use crate::model::manifest::{LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, ObjectRef, TableParts};
use crate::pg::statements;

const NONE: &str = "-";

/// Names of the statements' kind are quoted with `U&` escapes, so that a statement is plain ASCII
/// and means the same in every encoding of shell, client and server. A server in SQL_ASCII knows
/// no Unicode: there the bytes stay as they are.
#[derive(Clone, Copy)]
struct Quoting {
    raw_unicode: bool,
}

impl Quoting {
    fn of(encoding: &str) -> Self {
        Self {
            raw_unicode: encoding == "SQL_ASCII",
        }
    }

    fn ident(self, name: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.chars().all(plain) {
            return format!("\"{name}\"");
        }
        let mut text = "U&\"".to_owned();
        for c in name.chars() {
            let code = u32::from(c);
            // Writing into a String cannot fail.
            let _ = match c {
                c if plain(c) || (self.raw_unicode && !c.is_ascii()) => write!(text, "{c}"),
                _ if code <= 0xFFFF => write!(text, "\\{code:04X}"),
                _ => write!(text, "\\+{code:06X}"),
            };
        }
        text.push('"');
        text
    }

    fn name(self, name: &Name) -> String {
        format!("{}.{}", self.ident(&name.schema), self.ident(&name.name))
    }

    fn copy(self, table: &Name, columns: &[String]) -> String {
        let columns: Vec<String> = columns.iter().map(|column| self.ident(column)).collect();
        let columns = match columns.len() {
            0 => String::new(),
            _ => format!(" ({})", columns.join(", ")),
        };
        format!("COPY {}{columns} FROM STDIN", self.name(table))
    }

    /// The rows that the export took: an extension's own ones are not among them.
    fn count(self, table: &Table) -> String {
        let condition = match &table.condition {
            Some(condition) => format!(" {condition}"),
            None => String::new(),
        };
        let name = self.name(&table.name);
        format!("SELECT pg_catalog.count(*) FROM ONLY {name}{condition}")
    }
}

/// What `restore.sh` needs from the catalog; `tables` as in the manifest.
pub fn plan(catalog: &Catalog, tables: &[TableParts]) -> Result<Vec<u8>> {
    let parts: HashMap<u32, &TableParts> = tables.iter().map(|table| (table.oid, table)).collect();
    let quoting = Quoting::of(&catalog.database.encoding);
    let mut plan = Plan::default();
    plan.head(catalog);
    for oid in [LARGE_OBJECT_PROPERTIES, LARGE_OBJECT_PAGES] {
        if let Some(list) = parts.get(&oid).and_then(|parts| parts.list.as_ref()) {
            let label = match oid {
                LARGE_OBJECT_PAGES => "large object pages",
                _ => "large objects",
            };
            plan.load(oid, "large-objects", list, [label, NONE, NONE, NONE]);
        }
    }
    let groups = Groups::of(catalog);
    for table in &catalog.tables {
        let parts = parts.get(&table.oid).ok_or_else(|| {
            Error::failed(format!("table {} has no entry among the parts", table.name))
        })?;
        plan.table(table, parts, quoting, &groups);
    }
    plan.roots(catalog, &parts, quoting, &groups);
    let objects = parts.get(&LARGE_OBJECT_PROPERTIES);
    let rows = objects.map_or(0, |objects| objects.rows);
    let query = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata";
    plan.count("large-objects", NONE, rows, "large objects", query);
    Ok(plan.text.into_bytes())
}

/// Partitioned tables by number, and whether one has to be loaded through its root.
struct Groups<'a> {
    by_root: BTreeMap<&'a Name, (usize, bool)>,
}

impl<'a> Groups<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        let mut by_root: BTreeMap<&Name, (usize, bool)> = BTreeMap::new();
        for table in &catalog.tables {
            if let Some(root) = &table.root {
                let next = by_root.len() + 1;
                let group = by_root.entry(root).or_insert((next, false));
                group.1 |= table.through_root;
            }
        }
        Self { by_root }
    }

    fn get(&self, table: &Table) -> Option<(usize, bool)> {
        let root = table.root.as_ref()?;
        self.by_root.get(root).copied()
    }
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
        self.line(&["plan", "1", &database.encoding, &create]);
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

    fn table(&mut self, table: &Table, parts: &TableParts, quoting: Quoting, groups: &Groups<'_>) {
        let label = table.name.to_string();
        let (group, through) = groups.get(table).unwrap_or_default();
        let group = match group {
            0 => NONE.to_owned(),
            number => number.to_string(),
        };
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

    /// Counts of whole partitioned tables, for those whose rows may have moved between partitions.
    fn roots(
        &mut self,
        catalog: &Catalog,
        parts: &HashMap<u32, &TableParts>,
        quoting: Quoting,
        groups: &Groups<'_>,
    ) {
        for (root, (number, through)) in &groups.by_root {
            let leaves = catalog
                .tables
                .iter()
                .filter(|t| t.root.as_ref() == Some(*root));
            let rows = leaves
                .filter_map(|t| parts.get(&t.oid))
                .map(|p| p.rows)
                .sum();
            let kind = if *through { "table" } else { "root" };
            let query = format!("SELECT pg_catalog.count(*) FROM {}", quoting.name(root));
            self.count(kind, &number.to_string(), rows, &root.to_string(), &query);
        }
    }
}

fn escape(field: &str) -> String {
    field
        .replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}
