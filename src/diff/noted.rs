//! What a catalog holds beside rows, as definitions; of points that an early lifeboat made as far as it noted any.

use crate::model::catalog::{Catalog, Constraint, ConstraintKind, Database, Role, Setting};
use crate::model::definitions::{Definition, Definitions, of_columns};

/// All that was noted; `None`: the point was made before lifeboat noted definitions.
pub(super) fn all(catalog: &Catalog) -> Option<Vec<Definitions>> {
    let mut all = catalog.definitions.clone()?;
    if !catalog.columns_full.is_empty() {
        all.extend(of_columns(&catalog.columns_full));
    }
    Some(all)
}

/// What every catalog has noted.
pub(super) fn least(catalog: &Catalog) -> Vec<Definitions> {
    let mut kinds = Kinds::default();
    for table in &catalog.tables {
        let name = [&table.name.schema, &table.name.name];
        kinds.add("table", name, "");
        for column in &table.columns {
            kinds.add("column", [name[0], name[1], column], "");
        }
    }
    for view in &catalog.materialized_views {
        kinds.add(
            "materialized view",
            [&view.name.schema, &view.name.name],
            "",
        );
    }
    for one in &catalog.sequences {
        kinds.add("sequence", [&one.name.schema, &one.name.name], "");
    }
    for one in &catalog.extensions {
        let text = format!("version {} in schema {}", one.version, one.schema);
        kinds.add("extension", [&one.name], text);
    }
    for one in &catalog.constraints {
        let (kind, text) = constraint(one);
        kinds.add(kind, [&one.on.schema, &one.on.name, &one.name], text);
    }
    roles(&mut kinds, catalog);
    database(&mut kinds, &catalog.database);
    kinds.sorted()
}

#[derive(Default)]
struct Kinds(Vec<Definitions>);

impl Kinds {
    fn add<const N: usize>(&mut self, kind: &str, name: [&String; N], text: impl Into<String>) {
        let definition = Definition {
            name: name.into_iter().cloned().collect(),
            text: text.into(),
        };
        match self.0.iter_mut().find(|one| one.kind == kind) {
            Some(of) => of.list.push(definition),
            None => self.0.push(Definitions {
                kind: kind.to_owned(),
                list: vec![definition],
            }),
        }
    }

    fn sorted(mut self) -> Vec<Definitions> {
        // An empty list says that there were none: each kind is on both sides.
        for kind in KINDS {
            if self.0.iter().all(|one| one.kind != kind) {
                self.0.push(Definitions {
                    kind: kind.to_owned(),
                    list: Vec::new(),
                });
            }
        }
        self.0.iter_mut().for_each(|one| one.list.sort());
        self.0.sort_by(|one, other| one.kind.cmp(&other.kind));
        self.0
    }
}

const KINDS: [&str; 15] = [
    "check",
    "column",
    "database",
    "database setting",
    "extension",
    "index",
    "key",
    "materialized view",
    "membership",
    "privileges on a parameter",
    "role",
    "role comment",
    "role setting",
    "sequence",
    "table",
];

fn constraint(one: &Constraint) -> (&'static str, String) {
    let (kind, words) = match one.kind {
        ConstraintKind::PrimaryKey => ("key", "PRIMARY KEY"),
        ConstraintKind::Unique => ("key", "UNIQUE"),
        ConstraintKind::ForeignKey => ("key", "FOREIGN KEY"),
        ConstraintKind::Check => ("check", "CHECK"),
        ConstraintKind::Exclusion => ("check", "EXCLUDE"),
        ConstraintKind::UniqueIndex => ("index", "UNIQUE INDEX"),
        ConstraintKind::Index => ("index", "INDEX"),
    };
    let valid = if one.valid { "" } else { " NOT VALID" };
    (kind, format!("{words}{valid}"))
}

fn roles(kinds: &mut Kinds, catalog: &Catalog) {
    for role in &catalog.roles {
        kinds.add("role", [&role.name], attributes(role));
        for Setting { name, value, .. } in &role.settings {
            kinds.add("role setting", [&role.name, name], value);
        }
        if let Some(comment) = &role.comment {
            kinds.add("role comment", [&role.name], comment);
        }
    }
    for one in &catalog.memberships {
        let admin = if one.admin { "ADMIN" } else { "" };
        kinds.add("membership", [&one.role, &one.member], admin);
    }
    for one in &catalog.parameter_privileges {
        let grantee = one.grantee.as_deref().unwrap_or("PUBLIC");
        let option = if one.grantable { "*" } else { "" };
        let text = format!("{grantee} {}{option}", one.privilege);
        kinds.add("privileges on a parameter", [&one.parameter], text);
    }
}

fn attributes(role: &Role) -> String {
    let has = [
        (role.superuser, "SUPERUSER"),
        (role.inherit, "INHERIT"),
        (role.create_role, "CREATEROLE"),
        (role.create_db, "CREATEDB"),
        (role.login, "LOGIN"),
        (role.replication, "REPLICATION"),
        (role.bypass_rls, "BYPASSRLS"),
    ];
    let has = has
        .into_iter()
        .filter_map(|(has, word)| has.then_some(word));
    let mut words: Vec<String> = has.map(str::to_owned).collect();
    words.push(format!("CONNECTION LIMIT {}", role.connection_limit));
    let until = role.valid_until.as_ref();
    words.extend(until.map(|until| format!("VALID UNTIL {until}")));
    words.join(" ")
}

fn database(kinds: &mut Kinds, database: &Database) {
    let none = String::new();
    let mut property = |name: &str, value: &str| kinds.add("database", [&name.to_owned()], value);
    property("owner", &database.owner);
    property("encoding", &database.encoding);
    property("comment", database.comment.as_deref().unwrap_or_default());
    property("connection limit", &database.connection_limit.to_string());
    for Setting { role, name, value } in &database.settings {
        kinds.add(
            "database setting",
            [role.as_ref().unwrap_or(&none), name],
            value,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    #[test]
    fn every_kind_is_there_and_has_a_rule() {
        let mut catalog = fixture::catalog();
        let kinds: Vec<String> = least(&catalog).into_iter().map(|one| one.kind).collect();
        assert_eq!(kinds, KINDS);
        for kind in KINDS {
            assert!(
                crate::model::definitions::rules::find(kind).is_some(),
                "{kind}"
            );
        }
        assert_eq!(all(&catalog), None);
        catalog.definitions = Some(Vec::new());
        assert_eq!(all(&catalog), Some(Vec::new()));
    }

    #[test]
    fn a_role_that_gets_power_has_another_text() {
        let text = |change: fn(&mut Role)| {
            let mut role = fixture::role("a");
            change(&mut role);
            attributes(&role)
        };
        let plain = text(|_| {});
        assert_eq!(plain, "INHERIT LOGIN CONNECTION LIMIT -1");
        assert_ne!(text(|role| role.superuser = true), plain);
        assert_ne!(text(|role| role.valid_until = Some("x".to_owned())), plain);
    }
}
