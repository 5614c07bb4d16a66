//! What an export was asked to leave out: by names, and so sealed with the catalog.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::manifest::NotCovered;
use super::name::Name;
use crate::escape;

/// The word in a manifest's `requires` for a point that does not hold all of its database.
pub(crate) const LEFT_OUT: &str = "left-out";

/// The kind of materialized views that are not filled.
pub(crate) const ROWS_OF_VIEWS: &str = "rows of materialized views";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// For people, with the words of the manifest's `excluded`: what was asked for and what hangs on it, by kind.
    pub names: Vec<NotCoveredNames>,
    /// Tables that come without rows.
    pub rows: Vec<Name>,
    /// Foreign keys into rows that were left out: rows that are here may break them.
    pub foreign_keys: Vec<KeyName>,
    /// Materialized views that are filled from rows that were left out: a restore computes something else.
    pub computed: Vec<Name>,
    /// What is not there: as asked for, or as nothing can make it without that.
    pub objects: Vec<LeftOutObject>,
    /// Sequences that are there without the table that owns them.
    pub unowned: Vec<Name>,
}

/// Something that is not there. What is a part of a table or view is not listed beside that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOutObject {
    /// OID of its catalog, such as 1255 of pg_proc, and its own in the source: by both, an archive's list knows it.
    pub class: u32,
    pub oid: u32,
    /// As the catalog's definitions name it.
    pub kind: String,
    pub name: Vec<String>,
    /// As pg_identify_object does.
    #[serde(rename = "type")]
    pub class_name: String,
    pub identity: String,
}

impl LeftOutObject {
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.class_name, escape::name(&self.identity))
    }
}

/// What is not in an export, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCoveredNames {
    /// As in the manifest.
    pub kind: String,
    pub names: Vec<String>,
}

/// The kinds, without names.
pub(crate) fn counts(all: &[NotCoveredNames]) -> Vec<NotCovered> {
    let count = |one: &NotCoveredNames| NotCovered {
        kind: one.kind.clone(),
        count: one.names.len() as u64,
    };
    all.iter().map(count).collect()
}

/// For people: `rows of tables: 2, views: 1`.
pub(crate) fn words(excluded: &[NotCovered]) -> String {
    let words = |one: &NotCovered| format!("{}: {}", one.kind, one.count);
    let words: Vec<String> = excluded.iter().map(words).collect();
    words.join(", ")
}

/// The same of a point, in a line; `None`: it holds everything.
pub(crate) fn line(point: &str, excluded: &[NotCovered]) -> Option<String> {
    let line = || format!("{point} leaves out on request: {}", words(excluded));
    (!excluded.is_empty()).then(line)
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyName {
    /// In the source.
    pub oid: u32,
    pub on: Name,
    pub name: String,
}

impl LeftOut {
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether rows may break this foreign key, as those that it refers to were left out.
    pub(crate) fn has_key(&self, on: &Name, name: &str) -> bool {
        let mut keys = self.foreign_keys.iter();
        keys.any(|key| key.on == *on && key.name == name)
    }

    /// OIDs and names of tables that are not there.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (u32, Name)> {
        let tables = self.objects.iter().filter(|one| one.kind == "table");
        tables.filter_map(|one| match one.name.as_slice() {
            [schema, name] => Some((
                one.oid,
                Name {
                    schema: schema.clone(),
                    name: name.clone(),
                },
            )),
            _ => None,
        })
    }

    /// Whether this materialized view is there, and not filled.
    pub(crate) fn is_unfilled(&self, view: &Name) -> bool {
        let name = view.to_string();
        let mut unfilled = self.names.iter().filter(|one| one.kind == ROWS_OF_VIEWS);
        unfilled.any(|one| one.names.contains(&name))
    }

    /// Whether this is not there, by kind and name of its definition.
    pub(crate) fn has(&self, kind: &str, name: &[String]) -> bool {
        let mut objects = self.objects.iter();
        objects.any(|one| one.kind == kind && one.name == name)
    }

    /// Classes and OIDs of all that is not there.
    pub(crate) fn archive_objects(&self) -> BTreeSet<(u32, u32)> {
        let objects = self.objects.iter();
        objects.map(|one| (one.class, one.oid)).collect()
    }
}
