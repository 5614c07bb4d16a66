//! Objects on which others hang: a name alone does not tell them apart, as a publication may be called like
//! a schema.

use std::collections::BTreeSet;

use super::Definitions;

/// Within one, names are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Schema,
    Relation,
    Type,
    Function,
    Publication,
}

pub(crate) type Objects<'a> = BTreeSet<(Class, &'a [String])>;

const KINDS: [(&str, Class); 9] = [
    ("schema", Class::Schema),
    ("table", Class::Relation),
    ("foreign table", Class::Relation),
    ("view", Class::Relation),
    ("materialized view", Class::Relation),
    ("sequence", Class::Relation),
    ("type", Class::Type),
    ("function", Class::Function),
    ("publication", Class::Publication),
];

pub(crate) fn class_of(kind: &str) -> Option<Class> {
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    found.map(|(_, class)| *class)
}

/// Those of all kinds.
pub(crate) fn objects<'a>(all: &[&'a Definitions]) -> Objects<'a> {
    let mut objects = Objects::new();
    for of_kind in all {
        if let Some(class) = class_of(&of_kind.kind) {
            let names = of_kind.list.iter().map(|one| one.name.as_slice());
            objects.extend(names.map(|name| (class, name)));
        }
    }
    objects
}
