//! Which tables' rows are meant.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::absent;
use super::catalog::{Catalog, MaterializedView, Name, Table};
use super::definitions::Columns;
use crate::error::{Error, Result};
use crate::escape;
use crate::humanize::first_names;
use crate::quote::{quote_ident, unquote_ident};

/// A name as it was typed that is less like it than this is none that may have been meant.
const LIKE: f64 = 0.5;

/// A table as typed; without a schema it must be the only one of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    pub schema: Option<String>,
    pub name: String,
}

impl TableName {
    fn is(&self, name: &Name) -> bool {
        let schema = self.schema.as_ref();
        self.name == name.name && schema.is_none_or(|schema| *schema == name.schema)
    }

    pub(crate) fn quoted(&self) -> String {
        let schema = self.schema.as_deref().map(quote_ident);
        let schema = schema.map_or_else(String::new, |schema| format!("{schema}."));
        format!("{schema}{}", quote_ident(&self.name))
    }

    /// From 0 to 1, what is in the same schema being a little more alike.
    fn likeness(&self, name: &Name) -> f64 {
        let like = strsim::normalized_damerau_levenshtein;
        let schema = self.schema.as_deref().unwrap_or(&name.schema);
        (9.0 * like(&self.name, &name.name) + like(schema, &name.schema)) / 10.0
    }

    /// The tables of the catalog that it names: one, or all partitions of one. Else why not.
    pub(crate) fn find<'a>(&self, catalog: &'a Catalog) -> Result<Group<'a>, String> {
        let mut groups = groups(catalog, |name| self.is(name));
        match groups.len() {
            0 => Err(self.why_not_there(catalog)),
            1 => {
                let (name, tables) = groups.pop_first().ok_or_else(String::new)?;
                if absent::have_no_rows(catalog, &tables) {
                    return Err(format!(
                        "--table {self}: its rows were left out of the restore point on request"
                    ));
                }
                Ok((name, tables))
            }
            _ => Err(self.ambiguous(groups.keys().copied())),
        }
    }

    fn ambiguous<'a>(&self, names: impl Iterator<Item = &'a Name>) -> String {
        let names: Vec<String> = names.map(Name::to_string).collect();
        format!("--table {self}: could be {}", names.join(" or "))
    }

    fn why_not_there(&self, catalog: &Catalog) -> String {
        if let Some(what) = self.without_rows(catalog) {
            return format!("--table {self} is {what}");
        }
        let tables = catalog.tables.iter();
        let names = tables.flat_map(|table| std::iter::once(&table.name).chain(&table.root));
        let nearest = names
            .map(|name| (self.likeness(name), name))
            .filter(|(likeness, _)| *likeness > LIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let nearest = nearest.map(|(_, name)| format!("; the nearest is {name}"));
        format!(
            "--table {self}: the restore point holds no such table{}",
            nearest.unwrap_or_default()
        )
    }

    /// What it is, where a point has no rows of it.
    fn without_rows(&self, catalog: &Catalog) -> Option<&'static str> {
        if absent::is_left_out(catalog, |name| self.is(name)) {
            return Some("not in the restore point: it was left out on request");
        }
        let views = &catalog.materialized_views;
        if views.iter().any(|view| self.is(&view.name)) {
            return Some(
                "a materialized view, whose rows are not stored: choose the tables that it is filled from",
            );
        }
        let kinds = catalog.definitions.iter().flatten();
        let find = |kind: &str| {
            let mut all = kinds
                .clone()
                .filter(|one| one.kind == kind)
                .flat_map(|one| &one.list);
            all.find_map(|one| match one.name.as_slice() {
                [schema, name] => Some(Name {
                    schema: schema.clone(),
                    name: name.clone(),
                })
                .filter(|name| self.is(name)),
                _ => None,
            })
        };
        if find("table").is_some_and(|name| absent::has_no_partition(catalog, &name)) {
            return Some("a partitioned table whose partitions were left out on request");
        }
        let known = [
            (
                "view",
                "a view, which has no rows of its own: choose the tables that it reads",
            ),
            (
                "foreign table",
                "a foreign table, whose rows lie in another server and are not stored",
            ),
            ("sequence", "a sequence, which has no rows"),
            (
                "table",
                "a partitioned table without rows of its own: choose its topmost parent or its partitions",
            ),
        ];
        let mut known = known.into_iter();
        known.find_map(|(kind, what)| find(kind).map(|_| what))
    }
}

/// `table`, `schema.table`, `"odd.schema"."table"`; names are taken as they stand, not folded.
impl FromStr for TableName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!(
                "--table: '{}' is no name of a table",
                text.escape_debug()
            ))
            .hint("write schema.table, with \"quotes\" around a name that holds a dot")
        };
        let (first, rest) = name_part(text).ok_or_else(wrong)?;
        let (schema, name) = match rest {
            "" => (None, first),
            rest => {
                let (name, end) = rest
                    .strip_prefix('.')
                    .and_then(name_part)
                    .ok_or_else(wrong)?;
                if !end.is_empty() {
                    return Err(wrong());
                }
                (Some(first), name)
            }
        };
        Ok(Self { schema, name })
    }
}

/// The first name, and what follows it.
fn name_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    unquote_ident(quoted).filter(|(name, _)| !name.is_empty())
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", escape::name(schema))?;
        }
        write!(f, "{}", escape::name(&self.name))
    }
}

/// The name that was meant, and the tables below it: itself, or its partitions.
pub(crate) type Group<'a> = (&'a Name, Vec<&'a Table>);

/// The columns of such a table in full; `None`: the export did not note them.
pub(crate) fn columns_of<'a>(catalog: &'a Catalog, name: &Name) -> Option<&'a Columns> {
    catalog.columns_full.iter().find(|one| one.of == *name)
}

/// The stored columns of such a table, in its own order. Those of its partitions may stand in another one.
pub(crate) fn stored_columns(catalog: &Catalog, (name, tables): (&Name, &[&Table])) -> Vec<String> {
    match (tables, columns_of(catalog, name)) {
        ([only], _) if only.name == *name => only.columns.clone(),
        (_, Some(full)) => {
            let stored = full.columns.iter().filter(|one| one.generated.is_none());
            stored.map(|one| one.name.clone()).collect()
        }
        (tables, None) => tables
            .first()
            .map_or_else(Vec::new, |one| one.columns.clone()),
    }
}

/// Its columns that a server computes, which are not stored.
pub(crate) fn generated_columns(
    catalog: &Catalog,
    (name, tables): (&Name, &[&Table]),
) -> BTreeSet<String> {
    let noted = columns_of(catalog, name).into_iter();
    let noted = noted.flat_map(|full| &full.columns);
    let noted = noted.filter(|column| column.generated.is_some());
    let digested = tables.iter().flat_map(|table| &table.generated);
    let noted = noted.map(|one| one.name.clone());
    noted.chain(digested.map(|one| one.name.clone())).collect()
}

/// Tables whose topmost parent or own name it is, by that name.
fn groups(catalog: &Catalog, is: impl Fn(&Name) -> bool) -> BTreeMap<&Name, Vec<&Table>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for table in &catalog.tables {
        let root = table.root.as_ref().filter(|root| is(root));
        if root.is_some() || is(&table.name) {
            groups
                .entry(root.unwrap_or(&table.name))
                .or_default()
                .push(table);
        }
    }
    groups
}

/// What is restored. The schema always comes whole: what a table needs (types, functions, other tables'
/// definitions) is then there without guessing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Everything, large objects too.
    pub whole: bool,
    tables: BTreeSet<u32>,
    views: BTreeSet<Name>,
    /// Why the choice makes no sense.
    pub problems: Vec<String>,
}

impl Selection {
    /// Chooses whole schemas and single tables; neither means everything. A partitioned table means
    /// all its partitions.
    pub(crate) fn new(catalog: &Catalog, schemas: &[String], tables: &[TableName]) -> Self {
        let mut selection = Self {
            whole: schemas.is_empty() && tables.is_empty(),
            ..Self::default()
        };
        for schema in schemas {
            if selection
                .add(catalog, |name| name.schema == *schema)
                .is_empty()
            {
                let schema = escape::name(schema);
                let why = format!("--schema {schema}: the restore point holds no such table");
                selection.problems.push(why);
            }
        }
        for table in tables {
            let met = selection.add(catalog, |name| table.is(name));
            match met.len() {
                0 => selection.problems.push(table.why_not_there(catalog)),
                1 => {}
                _ => selection.problems.push(table.ambiguous(met.into_iter())),
            }
        }
        selection.refuse_views_alone();
        selection
    }

    /// They would be filled from empty tables.
    fn refuse_views_alone(&mut self) {
        if self.whole || !self.tables.is_empty() || !self.problems.is_empty() {
            return;
        }
        let names: Vec<String> = self.views.iter().map(Name::to_string).collect();
        match names.as_slice() {
            [] => {}
            [view] => self.problems.push(format!(
                "{view} is a materialized view, which is filled from tables: choose its tables as well"
            )),
            views => self.problems.push(format!(
                "{} are materialized views, which are filled from tables: choose their tables as well",
                first_names(views, 10)
            )),
        }
    }

    /// For the report: which tables are made and stay empty.
    pub(crate) fn other_rows(&self, catalog: &Catalog) -> Option<String> {
        let others = catalog.tables.iter().filter(|table| !self.has(table));
        let count = others.filter(|table| table.digest.rows > 0).count();
        match count {
            0 => None,
            1 => Some("rows of 1 other table, which is made and stays empty".to_owned()),
            _ => Some(format!(
                "rows of {count} other tables, which are made and stay empty"
            )),
        }
    }

    /// Chooses all of such a name; returns the names that were met.
    fn add<'a>(&mut self, catalog: &'a Catalog, is: impl Fn(&Name) -> bool) -> BTreeSet<&'a Name> {
        let mut met = BTreeSet::new();
        for (name, tables) in groups(catalog, &is) {
            met.insert(name);
            self.tables.extend(tables.iter().map(|table| table.oid));
        }
        let views = catalog.materialized_views.iter();
        for view in views.filter(|view| is(&view.name)) {
            met.insert(&view.name);
            self.views.insert(view.name.clone());
        }
        met
    }

    pub(crate) fn has(&self, table: &Table) -> bool {
        self.whole || self.tables.contains(&table.oid)
    }

    pub(crate) fn has_view(&self, view: &MaterializedView) -> bool {
        self.whole || self.views.contains(&view.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::LeftOutObject;
    use crate::model::definitions::{Definition, Definitions};
    use crate::model::fixture;

    fn chosen(schemas: &[&str], tables: &[(&str, &str)]) -> (Vec<u32>, Vec<String>) {
        let catalog = fixture::catalog();
        let schemas: Vec<String> = schemas.iter().map(|one| (*one).to_owned()).collect();
        let tables: Vec<TableName> = tables
            .iter()
            .map(|(schema, name)| TableName {
                schema: (!schema.is_empty()).then(|| (*schema).to_owned()),
                name: (*name).to_owned(),
            })
            .collect();
        let selection = Selection::new(&catalog, &schemas, &tables);
        let tables = catalog.tables.iter().filter(|table| selection.has(table));
        (tables.map(|table| table.oid).collect(), selection.problems)
    }

    #[test]
    fn tables_whose_rows_stay_out_are_counted() {
        let mut catalog = fixture::catalog();
        catalog.tables[0].digest.rows = 1;
        catalog.tables[3].digest.rows = 1;
        let whole = Selection::new(&catalog, &[], &[]);
        assert_eq!(whole.other_rows(&catalog), None);
        let one = Selection::new(&catalog, &["b".to_owned()], &[]);
        let said = one.other_rows(&catalog).unwrap();
        assert!(said.starts_with("rows of 1 other table,"), "{said}");
    }

    fn typed(schema: &str, name: &str) -> TableName {
        TableName {
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
        }
    }

    #[test]
    fn what_has_no_rows_of_its_own_is_called_what_it_is() {
        let mut catalog = fixture::catalog();
        let of = |kind: &str, name: &str| Definitions {
            kind: kind.to_owned(),
            list: vec![Definition {
                name: vec!["a".to_owned(), name.to_owned()],
                text: String::new(),
            }],
        };
        catalog.definitions = Some(vec![of("view", "v"), of("foreign table", "f")]);
        let why = |name: &str| typed("a", name).find(&catalog).unwrap_err();
        assert!(why("v").starts_with("--table a.v is a view, "));
        assert!(why("f").starts_with("--table a.f is a foreign table, "));
        assert_eq!(
            why("laef"),
            "--table a.laef: the restore point holds no such table; the nearest is a.leaf"
        );
        assert!(why("other").ends_with("no such table"));
    }

    #[test]
    fn what_was_left_out_on_request_is_told_as_that() {
        let mut catalog = fixture::catalog();
        let named = |name: &str| vec!["a".to_owned(), name.to_owned()];
        let table = |name: &str, text: &str| Definition {
            name: named(name),
            text: text.to_owned(),
        };
        let gone = |name: &str| LeftOutObject {
            class: 1259,
            oid: 1,
            kind: "table".to_owned(),
            name: named(name),
            class_name: "table".to_owned(),
            identity: format!("a.{name}"),
        };
        catalog.definitions = Some(vec![Definitions {
            kind: "table".to_owned(),
            list: vec![
                table("gone", ""),
                table("hollow", "PARTITION BY LIST (a)"),
                table("hollow_1", "INHERITS a.hollow\nDEFAULT"),
            ],
        }]);
        catalog.left_out.objects = vec![gone("gone"), gone("hollow_1")];
        catalog.left_out.rows = vec![catalog.tables[0].name.clone()];
        let why = |name: &str| typed("a", name).find(&catalog).unwrap_err();
        assert_eq!(
            why("gone"),
            "--table a.gone is not in the restore point: it was left out on request"
        );
        assert_eq!(
            why("hollow"),
            "--table a.hollow is a partitioned table whose partitions were left out on request"
        );
        assert_eq!(
            why("t"),
            "--table a.t: its rows were left out of the restore point on request"
        );
        assert!(typed("a", "leaf").find(&catalog).is_ok());
        assert_eq!(chosen(&[], &[("a", "t")]), (vec![1], vec![]));
    }

    #[test]
    fn a_name_means_one_table_or_all_partitions_of_one() {
        let catalog = fixture::catalog();
        let found = |name: &str| {
            let (name, tables) = typed("a", name).find(&catalog).unwrap();
            let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
            (name.to_string(), oids)
        };
        assert_eq!(found("t"), ("a.t".to_owned(), vec![1]));
        assert_eq!(found("parted"), ("a.parted".to_owned(), vec![2, 3]));
        assert_eq!(found("leaf"), ("a.leaf".to_owned(), vec![3]));
    }

    #[test]
    fn nothing_chosen_is_everything() {
        assert_eq!(chosen(&[], &[]), (vec![1, 2, 3, 4], vec![]));
    }

    #[test]
    fn a_partitioned_table_means_its_partitions() {
        assert_eq!(chosen(&[], &[("", "parted")]), (vec![2, 3], vec![]));
        assert_eq!(chosen(&[], &[("a", "leaf")]), (vec![3], vec![]));
        assert_eq!(chosen(&["b"], &[]), (vec![4], vec![]));
    }

    #[test]
    fn what_matches_nothing_or_too_much_is_a_problem() {
        let (_, problems) = chosen(&["zz"], &[("a", "t2"), ("", "t")]);
        assert_eq!(
            problems,
            [
                "--schema zz: the restore point holds no such table",
                "--table a.t2: the restore point holds no such table; the nearest is a.t",
                "--table t: could be a.t or b.t",
            ]
        );
    }

    #[test]
    fn tables_are_named_as_they_are_stored() {
        let named = |text: &str| {
            let table: TableName = text.parse().unwrap();
            (table.schema, table.name)
        };
        let of = |schema: &str, name: &str| (Some(schema.to_owned()), name.to_owned());
        assert_eq!(named("answer"), (None, "answer".to_owned()));
        assert_eq!(named("public.Answer"), of("public", "Answer"));
        assert_eq!(named(r#""a.b"."c""d""#), of("a.b", "c\"d"));
        for wrong in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"\"", "\"a\"b"] {
            assert!(wrong.parse::<TableName>().is_err(), "{wrong}");
        }
    }
}
