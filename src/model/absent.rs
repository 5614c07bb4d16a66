//! Rows that one looks for in a table and that a restore point does not give with it: left out on request, in another
//! server, or in tables of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Catalog, Table};
use super::name::Name;
use crate::quote::read_ident;

/// Kinds of what has columns, as definitions name them.
const RELATIONS: [&str; 5] = [
    "table",
    "view",
    "materialized view",
    "foreign table",
    "sequence",
];

/// Whether a table, view or sequence of such a name was left out on request.
pub(crate) fn is_left_out(catalog: &Catalog, is: impl Fn(&Name) -> bool) -> bool {
    let mut objects = catalog.left_out.objects.iter();
    objects.any(|one| {
        let known = RELATIONS.contains(&one.kind.as_str());
        known && name_of(&one.name).is_some_and(|name| is(&name))
    })
}

/// Whether these tables all came without rows, on request.
pub(crate) fn have_no_rows(catalog: &Catalog, tables: &[&Table]) -> bool {
    let rows = &catalog.left_out.rows;
    !tables.is_empty() && tables.iter().all(|table| rows.contains(&table.name))
}

/// Whether all that a partitioned table is made of was left out on request.
pub(crate) fn has_no_partition(catalog: &Catalog, name: &Name) -> bool {
    let below = below(catalog, name);
    let leaves = below.iter().filter(|one| !one.is_partitioned());
    let mut leaves = leaves.peekable();
    leaves.peek().is_some() && leaves.all(|one| one.is_left_out(catalog))
}

/// A sentence for each table below this one whose rows do not come with it.
pub(crate) fn rows_below(catalog: &Catalog, name: &Name) -> Vec<String> {
    let below = below(catalog, name).into_iter();
    let leaves = below.filter(|one| !one.is_partitioned());
    let told = leaves.filter_map(|one| {
        let whose = match one.is_partition() {
            true => format!("rows of {}, a partition of {name}", one.name),
            false => format!("rows of {}, which inherits from {name}", one.name),
        };
        if one.is_left_out(catalog) {
            return Some(format!(
                "{whose}: they were left out of the restore point on request"
            ));
        }
        if one.kind == FOREIGN {
            return Some(format!("{whose}: they lie in another server"));
        }
        (!one.is_partition()).then(|| format!("{whose}: it is a table of its own"))
    });
    told.collect()
}

const FOREIGN: &str = "foreign table";

/// A table as its definition tells it.
struct Relation<'a> {
    name: Name,
    kind: &'a str,
    /// A line each: parents, bounds, partition key.
    text: &'a str,
}

impl Relation<'_> {
    fn is_partition(&self) -> bool {
        let mut lines = self.text.lines();
        lines.any(|line| line.starts_with("FOR VALUES ") || line == "DEFAULT")
    }

    fn is_partitioned(&self) -> bool {
        let mut lines = self.text.lines();
        lines.any(|line| line.starts_with("PARTITION BY "))
    }

    fn is_left_out(&self, catalog: &Catalog) -> bool {
        let name = [self.name.schema.clone(), self.name.name.clone()];
        let left_out = &catalog.left_out;
        left_out.has(self.kind, &name) || left_out.rows.contains(&self.name)
    }

    fn parents(&self) -> Vec<Name> {
        const INHERITS: &str = "INHERITS ";
        let mut rest = match self.text.strip_prefix(INHERITS) {
            Some(rest) => Some(rest),
            None => {
                let found = self.text.split_once("\nINHERITS ");
                found.map(|(_, rest)| rest)
            }
        };
        let mut parents = Vec::new();
        while let Some((name, after)) = rest.and_then(read_name) {
            parents.push(name);
            rest = after.strip_prefix(", ");
        }
        parents
    }
}

/// All that inherits from a table, also by others, sorted by name.
fn below<'a>(catalog: &'a Catalog, name: &Name) -> Vec<Relation<'a>> {
    let kinds = catalog.definitions.iter().flatten();
    let kinds = kinds.filter(|one| one.kind == "table" || one.kind == FOREIGN);
    let mut children: BTreeMap<Name, Vec<Relation<'a>>> = BTreeMap::new();
    for kind in kinds {
        for one in &kind.list {
            let relation = |name| Relation {
                name,
                kind: &kind.kind,
                text: &one.text,
            };
            let Some(name) = name_of(&one.name) else {
                continue;
            };
            for parent in relation(name.clone()).parents() {
                let child = relation(name.clone());
                children.entry(parent).or_default().push(child);
            }
        }
    }
    let mut seen = BTreeSet::from([name.clone()]);
    let (mut waiting, mut found) = (vec![name.clone()], Vec::new());
    while let Some(parent) = waiting.pop() {
        for child in children.remove(&parent).into_iter().flatten() {
            if seen.insert(child.name.clone()) {
                waiting.push(child.name.clone());
                found.push(child);
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn read_name(text: &str) -> Option<(Name, &str)> {
    let (schema, rest) = read_ident(text)?;
    let (name, rest) = read_ident(rest.strip_prefix('.')?)?;
    Some((Name { schema, name }, rest))
}

fn name_of(parts: &[String]) -> Option<Name> {
    match parts {
        [schema, name] => Some(Name {
            schema: schema.clone(),
            name: name.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::LeftOutObject;
    use crate::model::definitions::{Definition, Definitions};
    use crate::model::fixture;

    fn name(name: &str) -> Name {
        Name {
            schema: "a".to_owned(),
            name: name.to_owned(),
        }
    }

    fn definitions(kind: &str, all: &[(&str, &str)]) -> Definitions {
        let list = all.iter().map(|(name, text)| Definition {
            name: vec!["a".to_owned(), (*name).to_owned()],
            text: (*text).to_owned(),
        });
        Definitions {
            kind: kind.to_owned(),
            list: list.collect(),
        }
    }

    fn gone(name: &str) -> LeftOutObject {
        LeftOutObject {
            class: 1259,
            oid: 1,
            kind: "table".to_owned(),
            name: vec!["a".to_owned(), name.to_owned()],
            class_name: "table".to_owned(),
            identity: format!("a.{name}"),
        }
    }

    #[test]
    fn rows_of_tables_below_are_told_one_by_one() {
        let mut catalog = fixture::catalog();
        let tables = [
            ("parted", "PARTITION BY LIST (y)"),
            ("leaf", "INHERITS a.parted\nFOR VALUES IN (1)"),
            ("Gone, 1", "INHERITS a.parted\nFOR VALUES IN (2)"),
            ("sub", "INHERITS a.parted\nDEFAULT\nPARTITION BY LIST (y)"),
            ("empty", "UNLOGGED\nINHERITS a.sub\nDEFAULT"),
            ("t", ""),
            ("child", "INHERITS a.other, a.t"),
            ("grandchild", "INHERITS a.child"),
            ("of_odd", "INHERITS a.\"Gone, 1\""),
        ];
        let far = ("far", "INHERITS a.parted\nFOR VALUES IN (3)\nSERVER s ");
        catalog.definitions = Some(vec![
            definitions("table", &tables),
            definitions("foreign table", &[far]),
        ]);
        catalog.left_out.objects = vec![gone("Gone, 1")];
        catalog.left_out.rows = vec![name("empty"), name("grandchild")];
        let out = "they were left out of the restore point on request";
        let mut said = rows_below(&catalog, &name("parted"));
        said.retain(|one| !one.contains("of_odd"));
        let odd = name("Gone, 1");
        assert_eq!(
            said,
            [
                format!("rows of {odd}, a partition of a.parted: {out}"),
                format!("rows of a.empty, a partition of a.parted: {out}"),
                "rows of a.far, a partition of a.parted: they lie in another server".to_owned(),
            ]
        );
        assert_eq!(
            rows_below(&catalog, &name("t")),
            [
                "rows of a.child, which inherits from a.t: it is a table of its own".to_owned(),
                format!("rows of a.grandchild, which inherits from a.t: {out}"),
            ]
        );
        assert_eq!(rows_below(&catalog, &odd).len(), 1);
        assert_eq!(rows_below(&catalog, &name("leaf")), [""; 0]);
        assert!(has_no_partition(&catalog, &name("sub")));
        assert!(!has_no_partition(&catalog, &name("parted")));
        assert!(!has_no_partition(&catalog, &name("leaf")));
    }
}
