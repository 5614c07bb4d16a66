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

/// Kinds of what somebody asks for, and their words in `names`.
pub(crate) const ASKED: [(&str, &str); 6] = [
    ("schema", "schemas"),
    ("table", "tables"),
    ("view", "views"),
    ("materialized view", "materialized views"),
    ("foreign table", "foreign tables"),
    ("sequence", "sequences"),
];

/// Kinds of what has rows.
const TABLES: [&str; 2] = ["table", "foreign table"];

/// The word in `names` for [`LeftOut::rows`].
pub(crate) const ROWS: &str = "rows of tables";

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

    /// Its name in `names`, where it was asked for.
    pub(crate) fn asked_name(&self) -> String {
        match self.name.as_slice() {
            [schema, name] => Name {
                schema: schema.clone(),
                name: name.clone(),
            }
            .to_string(),
            parts => parts.join("."),
        }
    }

    /// Its kind in `names`, where it needs what was asked for.
    pub(crate) fn needing_kind(&self) -> String {
        let kind = match self.class_name.as_str() {
            "table constraint" => "foreign key",
            other => other,
        };
        let plural = if kind.ends_with('x') { "es" } else { "s" };
        format!("{kind}{plural} that need what is left out")
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

    /// Whether both leave out the same, by kinds and names.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.named() == other.named()
    }

    fn named(&self) -> BTreeSet<(&str, &str)> {
        let named = self.names.iter().flat_map(|one| {
            let names = one.names.iter();
            names.map(|name| (one.kind.as_str(), name.as_str()))
        });
        named.collect()
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

    /// Whether this is the definition of a part of a table or view that is not there: schema, its name, the part's.
    pub(crate) fn has_relation_of(&self, part: &[String]) -> bool {
        const RELATIONS: [&str; 4] = ["table", "view", "materialized view", "foreign table"];
        let [schema, name, _, ..] = part else {
            return false;
        };
        self.objects.iter().any(|one| {
            RELATIONS.contains(&one.kind.as_str()) && one.name == [schema.as_str(), name.as_str()]
        })
    }

    /// Whether `names` tells all that the lists excuse. What an export leaves out without a word hangs on what
    /// it tells.
    pub(crate) fn tells_all(&self) -> bool {
        let told = self.named();
        let rows: Vec<String> = self.rows.iter().map(Name::to_string).collect();
        let rows: BTreeSet<(&str, &str)> = rows.iter().map(|name| (ROWS, name.as_str())).collect();
        let told_rows = told.iter().filter(|(kind, _)| *kind == ROWS);
        let lacks_table = self
            .objects
            .iter()
            .any(|one| TABLES.contains(&one.kind.as_str()));
        let follows = [self.foreign_keys.is_empty(), self.computed.is_empty()];
        told_rows.eq(&rows)
            && (lacks_table || self.unowned.is_empty())
            && (lacks_table || !rows.is_empty() || follows == [true, true])
            && self.objects.iter().all(|one| self.tells(one, &told))
    }

    fn tells(&self, one: &LeftOutObject, told: &BTreeSet<(&str, &str)>) -> bool {
        let asked = ASKED.iter().find(|(kind, _)| *kind == one.kind);
        let name = one.asked_name();
        let is_asked = asked.is_some_and(|(_, kinds)| told.contains(&(*kinds, name.as_str())));
        if is_asked || told.contains(&(one.needing_kind().as_str(), one.identity.as_str())) {
            return Self::may_go(&one.kind);
        }
        match one.kind.as_str() {
            // In a schema that is told, or of a range type or an identity column's table that is.
            "function" => self.tells_beside(one, &["schema", "type"], told),
            "sequence" => self.tells_beside(one, &["schema", TABLES[0], TABLES[1]], told),
            "object" => !told.is_empty(),
            _ => false,
        }
    }

    /// Whether something of these kinds in the same schema is told.
    fn tells_beside(
        &self,
        one: &LeftOutObject,
        kinds: &[&str],
        told: &BTreeSet<(&str, &str)>,
    ) -> bool {
        let mut objects = self.objects.iter();
        objects.any(|other| {
            kinds.contains(&other.kind.as_str())
                && other.name.first() == one.name.first()
                && self.tells(other, told)
        })
    }

    /// No export lets anything else go: what keeps rows from somebody least of all.
    fn may_go(kind: &str) -> bool {
        const OTHERS: [&str; 9] = [
            "index",
            "key",
            "trigger",
            "rule",
            "function",
            "type",
            "statistics",
            "event trigger",
            "object",
        ];
        OTHERS.contains(&kind) || ASKED.iter().any(|(asked, _)| *asked == kind)
    }

    /// Classes and OIDs of all that is not there.
    pub(crate) fn archive_objects(&self) -> BTreeSet<(u32, u32)> {
        let objects = self.objects.iter();
        objects.map(|one| (one.class, one.oid)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &[&str], class_name: &str, identity: &str) -> LeftOutObject {
        LeftOutObject {
            class: 1,
            oid: 2,
            kind: kind.to_owned(),
            name: name.iter().map(|&one| one.to_owned()).collect(),
            class_name: class_name.to_owned(),
            identity: identity.to_owned(),
        }
    }

    fn name(name: &str) -> Name {
        Name {
            schema: "s".to_owned(),
            name: name.to_owned(),
        }
    }

    /// A schema with a table, and a function of another schema that needs it.
    fn told() -> LeftOut {
        let names = [
            ("schemas", "lib"),
            ("tables", "lib.t"),
            ("functions that need what is left out", "s.f(integer)"),
            (ROWS, "s.empty"),
        ];
        let names = names.map(|(kind, name)| NotCoveredNames {
            kind: kind.to_owned(),
            names: vec![name.to_owned()],
        });
        LeftOut {
            names: names.to_vec(),
            rows: vec![name("empty")],
            computed: vec![name("v")],
            unowned: vec![name("q")],
            objects: vec![
                object("schema", &["lib"], "schema", "lib"),
                object("table", &["lib", "t"], "table", "lib.t"),
                object("sequence", &["lib", "t_id_seq"], "sequence", "lib.t_id_seq"),
                object("function", &["lib", "g()"], "function", "lib.g()"),
                object("function", &["s", "f(integer)"], "function", "s.f(integer)"),
                object("object", &["operator", "lib.###"], "operator", "lib.###"),
            ],
            ..LeftOut::default()
        }
    }

    #[test]
    fn what_is_not_told_excuses_nothing() {
        assert!(told().tells_all());
        assert!(LeftOut::default().tells_all());
        let policy = object("policy", &["s", "t", "deny"], "policy", "deny on s.t");
        let mut named = told();
        named.objects.push(policy.clone());
        named.names.push(NotCoveredNames {
            kind: "policies that need what is left out".to_owned(),
            names: vec![policy.identity.clone()],
        });
        named.names.push(NotCoveredNames {
            kind: policy.needing_kind(),
            names: vec![policy.identity.clone()],
        });
        assert!(!named.tells_all(), "no export lets a policy go");
        for silent in [
            policy,
            object("table", &["s", "t"], "table", "s.t"),
            object("key", &["s", "t", "k"], "table constraint", "k on s.t"),
            object("function", &["s", "other()"], "function", "s.other()"),
            object("row security", &["s", "t"], "table", "s.t"),
        ] {
            let mut forged = told();
            forged.objects.push(silent.clone());
            assert!(!forged.tells_all(), "{silent:?}");
            let alone = LeftOut {
                objects: vec![silent],
                ..LeftOut::default()
            };
            assert!(!alone.tells_all(), "{alone:?}");
        }
        let key = KeyName {
            oid: 1,
            on: name("t"),
            name: "k".to_owned(),
        };
        let change: [fn(&mut LeftOut, KeyName); 4] = [
            |all, _| all.rows = vec![name("t")],
            |all, _| all.computed = vec![name("t")],
            |all, _| all.unowned = vec![name("t")],
            |all, key| all.foreign_keys = vec![key],
        ];
        for change in change {
            let mut forged = LeftOut::default();
            change(&mut forged, key.clone());
            assert!(!forged.tells_all(), "{forged:?}");
        }
        let mut fewer = told();
        fewer.rows.clear();
        assert!(!fewer.tells_all(), "rows that came are told to be left out");
    }
}
