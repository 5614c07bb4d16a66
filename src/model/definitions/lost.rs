//! What is not there, and what hangs on it: that is not told again.

use std::collections::BTreeSet;

use super::Definitions;
use super::entries::{Names, names_of};
use super::objects::{Class, Objects, class_of};
use super::rules::{Rule, Shape};
use super::words;

/// Of a lost name that is found in identities: what hangs on a longer one is told, too.
const MOST_WORDS: usize = 8;

pub(crate) struct Lost<'a> {
    objects: Objects<'a>,
    /// Rarer ones, by type and identity.
    rare: Names<'a>,
    /// Schema and name of each object, in words.
    words: BTreeSet<Vec<&'a str>>,
}

impl<'a> Lost<'a> {
    /// `then` and `now` are the objects of what was exported and restored.
    pub(crate) fn new(
        then: &Objects<'a>,
        now: &Objects<'_>,
        exported: &[&'a Definitions],
        restored: &[&Definitions],
    ) -> Self {
        let objects: Objects<'a> = then
            .iter()
            .filter(|one| !now.contains(*one))
            .copied()
            .collect();
        let (mut rare, there) = (names_of(exported, "object"), names_of(restored, "object"));
        rare.retain(|name| !there.contains(*name));
        let words = objects.iter().filter_map(|(_, name)| in_words(name));
        Self {
            words: words.collect(),
            objects,
            rare,
        }
    }

    /// Whether the entry hangs on something that is not there.
    pub(crate) fn carries(&self, rule: &Rule, name: &[String]) -> bool {
        let has = |class: Class, name: Option<&[String]>| {
            name.is_some_and(|name| self.objects.contains(&(class, name)))
        };
        let schema = |at: usize| has(Class::Schema, name.get(at..=at));
        let in_schema = |class, at: usize| schema(at) || has(class, name.get(at..at + 2));
        match (rule.shape, rule.kind) {
            (Shape::Object, _) => name.len() > 1 && schema(0),
            (Shape::OnTable, "domain constraint") => in_schema(Class::Type, 0),
            (Shape::OnTable | Shape::OfTable, _) => in_schema(Class::Relation, 0),
            (Shape::Own, "published table") => {
                has(Class::Publication, name.get(..1)) || in_schema(Class::Relation, 1)
            }
            (Shape::Own, "published schema") => has(Class::Publication, name.get(..1)) || schema(1),
            (Shape::Own, "default privileges") => schema(1),
            (Shape::Own, "user mapping") => self.has_server(name),
            (Shape::Own, _) => false,
            (Shape::Any, "privileges") if name.first().is_some_and(|of| of == "column") => {
                in_schema(Class::Relation, 1)
            }
            (Shape::Any, "object" | "comment" | "security label") => {
                self.is_in_identity(rule, name)
            }
            (Shape::Any, _) => false,
        }
    }

    /// Whether it is the object itself that is not there, as owners and privileges name it: what it is, then
    /// its name.
    pub(crate) fn takes(&self, name: &[String]) -> bool {
        let [of, object @ ..] = name else {
            return false;
        };
        let is_lost = |class: Class| self.objects.contains(&(class, object));
        class_of(of).is_some_and(is_lost) || self.rare.contains(name)
    }

    fn has_server(&self, mapping: &[String]) -> bool {
        let names = mapping.first().map(|server| words::as_printed(server));
        let mut servers = names.into_iter().flatten();
        servers.any(|server| self.rare.contains(&["server".to_owned(), server][..]))
    }

    /// Rare objects, and what comments and labels are on, have identities in place of names. In those of
    /// others only two parts of a name are looked for: one alone may be anything.
    fn is_in_identity(&self, rule: &Rule, name: &[String]) -> bool {
        let [of, identity, ..] = name else {
            return false;
        };
        if rule.kind != "object" {
            let bare = [words::plain(identity)];
            let is_lost = |class: Class| self.objects.contains(&(class, &bare[..]));
            if class_of(of).is_some_and(is_lost) || self.rare.contains(&name[..2]) {
                return true;
            }
        }
        let words = words::split(identity);
        let mut lengths = 2..=MOST_WORDS;
        lengths.any(|length| words.windows(length).any(|some| self.words.contains(some)))
    }
}

/// Schema and name; of a function without its arguments, which are printed in more ways than one.
fn in_words(name: &[String]) -> Option<Vec<&str>> {
    let [schema, name] = name else { return None };
    let schema = words::split(schema);
    let name = words::split(name.split('(').next().unwrap_or_default());
    let is_whole = !schema.is_empty() && !name.is_empty();
    let words = [schema, name].concat();
    (is_whole && words.len() <= MOST_WORDS).then_some(words)
}
