//! What was left out on request or in a drill, or is each server's own.

use super::brought::Brought;
use super::circumstances::Circumstances;
use super::words;
use crate::model::catalog::LeftOutObject;
use crate::model::definitions::change::Change;
use crate::model::definitions::objects::{Class, Objects};
use crate::model::definitions::rules::Rule;

pub(super) struct LeftOut<'a> {
    pub circumstances: &'a Circumstances,
    pub brought: Brought<'a>,
    /// Objects of what was exported and restored.
    pub then: &'a Objects<'a>,
    pub now: &'a Objects<'a>,
}

impl LeftOut<'_> {
    pub(super) fn has(&self, rule: &Rule, name: &[String], change: Change<'_>) -> bool {
        match change {
            Change::Lost(_) if self.is_excluded(rule.kind, name) => true,
            Change::Lost(text) => self.has_lost(rule.kind, name, text),
            Change::Added(_) => self.has_added(rule.kind, name),
            Change::Changed(then, now) => self.has_changed(rule.kind, name, then, now),
        }
    }

    fn has_lost(&self, kind: &str, name: &[String], text: &str) -> bool {
        let circumstances = self.circumstances;
        match (kind, first(name)) {
            ("key", _) => {
                text.starts_with("FOREIGN KEY") && (!circumstances.whole || self.lacks_rows(name))
            }
            ("database", "connection limit") => circumstances.limit_waits,
            // They are not tried, and their comments not named.
            ("comment" | "security label", "event trigger") if circumstances.powerless => true,
            ("comment", "extension") if circumstances.lacking.contains(&last(name)) => true,
            // Of an extension's tables they are compared as well, and such a table may be missing.
            ("policy" | "row security", _) if !circumstances.lacking.is_empty() => {
                let table = name.get(..2);
                table.is_some_and(|table| !self.then.contains(&(Class::Relation, table)))
            }
            _ => self.has_any(kind, name) || self.has_opened(kind, name),
        }
    }

    fn has_added(&self, kind: &str, name: &[String]) -> bool {
        let circumstances = self.circumstances;
        let is_there = |objects: &Objects<'_>, class: Class, length: usize| {
            let name = name.get(..length);
            name.is_some_and(|name| objects.contains(&(class, name)))
        };
        let after = name.get(1..).unwrap_or_default();
        match (kind, first(name)) {
            // No archive makes or drops it.
            ("schema", "public") => true,
            // PostgreSQL gives one to the database `postgres`.
            ("database", "comment") => true,
            ("database setting", _) => circumstances.into_existing,
            ("schema" | "extension", _) if self.brought.has(kind, name) => true,
            ("comment", of) if self.brought.has(of, after) => true,
            // On an extension's table.
            ("policy" | "row security", _) if self.brought.any_extension() => {
                !is_there(self.now, Class::Relation, 2)
            }
            // A drill's server has something of its own.
            ("event trigger", _) => circumstances.powerless,
            ("schema" | "function", _) if circumstances.powerless => {
                !is_there(self.then, Class::Schema, 1)
            }
            _ => self.has_any(kind, name),
        }
    }

    fn has_changed(&self, kind: &str, name: &[String], then: &str, now: &str) -> bool {
        match kind {
            // A role of the service, or whoever a server was made by.
            // What a function's error was answered with.
            "sequence" => self.is_unowned(name) && without_owner(then) == now,
            "key" if now.strip_suffix(" NOT VALID") == Some(then) => self.lacks_rows(name),
            "function" if self.circumstances.resumed => words::without_search_path(now) == then,
            "owner" if then.is_empty() || now.is_empty() => true,
            "owner" if self.circumstances.keeps_nothing.contains(then) => true,
            _ => self.has_any(kind, name) || self.has_opened(kind, name),
        }
    }

    /// On request, when it was exported. What hangs on it is not there, either.
    fn is_excluded(&self, kind: &str, name: &[String]) -> bool {
        let left_out = &self.circumstances.left_out;
        let of = name.get(..2);
        let is_on = |one: &LeftOutObject| {
            of.is_some_and(|of| [&one.class_name, &one.identity].into_iter().eq(of))
        };
        left_out.has(kind, name)
            || ["comment", "security label"].contains(&kind) && left_out.objects.iter().any(is_on)
    }

    fn is_unowned(&self, name: &[String]) -> bool {
        let mut unowned = self.circumstances.left_out.unowned.iter();
        unowned.any(|one| [&one.schema, &one.name].into_iter().eq(name))
    }

    fn lacks_rows(&self, name: &[String]) -> bool {
        let mut keys = self.circumstances.left_out.foreign_keys.iter();
        keys.any(|key| {
            [&key.on.schema, &key.on.name, &key.name]
                .into_iter()
                .eq(name)
        })
    }

    /// Whatever became of it.
    fn has_any(&self, kind: &str, name: &[String]) -> bool {
        let circumstances = self.circumstances;
        let last = name.last().map(String::as_str).unwrap_or_default();
        let is_administrator = |role: &str| circumstances.administrators.contains(role);
        match (kind, first(name)) {
            ("owner", "schema") if last == "public" => {
                circumstances.powerless || !circumstances.same_major
            }
            ("database", "owner") => !circumstances.owners,
            ("role" | "role setting" | "role comment", role) => is_administrator(role),
            ("membership", _) => is_administrator(last),
            // Named otherwise by each version.
            ("object" | "comment", "transform") => !circumstances.same_major,
            _ => false,
        }
    }

    /// A drill opens the tables of extensions, which are not among the objects.
    fn has_opened(&self, kind: &str, name: &[String]) -> bool {
        let is_own = self.then.contains(&(Class::Relation, name));
        kind == "row security" && self.circumstances.powerless && !is_own
    }
}

/// The text of a sequence whose table is not there.
fn without_owner(text: &str) -> &str {
    text.rfind(" OWNED BY ").map_or(text, |at| &text[..at])
}

fn first(name: &[String]) -> &str {
    name.first().map(String::as_str).unwrap_or_default()
}

/// Unquoted.
fn last(name: &[String]) -> String {
    words::plain(name.last().map_or("", String::as_str))
}
