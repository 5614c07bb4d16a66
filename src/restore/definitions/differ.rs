//! Two lists of definitions, entry by entry: a pure function.

use super::brought::Brought;
use super::circumstances::Circumstances;
use super::known::Known;
use super::left_out::LeftOut;
use super::words;
use crate::model::definitions::Definitions;
use crate::model::definitions::change::Change;
use crate::model::definitions::entries::entries;
use crate::model::definitions::lost::Lost;
use crate::model::definitions::objects::{Class, Objects, objects};
use crate::model::definitions::privileges::{self, Comparison};
use crate::model::definitions::rules::{self, Asked, Rule, Severity, Text};
use crate::model::finding::Finding;

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    pub failures: Vec<Finding>,
    pub findings: Vec<Finding>,
    /// Kinds whose texts say nothing, and why.
    pub not_compared: Vec<String>,
}

/// Compares what was exported with what was restored. What is `known` is not said again, nor what hangs on
/// something that is not there.
pub(super) fn compare(
    exported: &[&Definitions],
    restored: &[&Definitions],
    known: &Known,
    circumstances: &Circumstances,
) -> Differences {
    let (then, now) = (objects(exported), objects(restored));
    let comparer = Comparer {
        known,
        circumstances,
        lost: Lost::new(&then, &now, exported, restored),
        left_out: LeftOut {
            circumstances,
            brought: Brought::new(exported, restored, &now),
            then: &then,
            now: &now,
        },
        then: &then,
    };
    let mut differences = Differences::default();
    for of_kind in exported {
        let now = restored.iter().find(|other| other.kind == of_kind.kind);
        match (rules::find(&of_kind.kind), now) {
            (Some(rule), Some(now)) => comparer.add(rule, of_kind, now, &mut differences),
            _ if of_kind.list.is_empty() => {}
            _ => differences.not_compared.push(format!(
                "{} of kind {}: this lifeboat or this server knows no such kind",
                of_kind.list.len(),
                of_kind.kind
            )),
        }
    }
    differences
}

struct Comparer<'a> {
    known: &'a Known,
    circumstances: &'a Circumstances,
    lost: Lost<'a>,
    left_out: LeftOut<'a>,
    /// Objects of what was exported.
    then: &'a Objects<'a>,
}

impl Comparer<'_> {
    fn add(
        &self,
        rule: &'static Rule,
        exported: &Definitions,
        restored: &Definitions,
        differences: &mut Differences,
    ) {
        if !self.is_asked(rule) {
            return;
        }
        if rule.kind == "privileges of the system" && self.circumstances.powerless {
            if exported.list != restored.list {
                let why = "of PostgreSQL's own objects and of extensions: a drill without superuser may not";
                differences
                    .not_compared
                    .push(format!("privileges {why} grant them"));
            }
            return;
        }
        let (then, now) = (entries(&exported.list), entries(&restored.list));
        let mut incomparable = 0;
        for (name, text) in &then {
            let change = match now.get(name) {
                Some(other) if self.is_same(rule, name, text, other) => continue,
                Some(other) if self.is_incomparable(rule, text, other) => {
                    incomparable += 1;
                    continue;
                }
                Some(other) => Change::Changed(text, other),
                None => Change::Lost(text),
            };
            self.add_one(rule, name, change, differences);
        }
        for (name, text) in now.iter().filter(|(name, _)| !then.contains_key(*name)) {
            self.add_one(rule, name, Change::Added(text), differences);
        }
        if incomparable > 0 {
            let kind = rule.kind;
            differences.not_compared.push(format!(
                "{incomparable} of kind {kind}: PostgreSQL of another major version prints them otherwise"
            ));
        }
    }

    fn is_asked(&self, rule: &Rule) -> bool {
        let circumstances = self.circumstances;
        let asked = match rule.asked {
            Asked::Always => true,
            Asked::Owners => circumstances.owners,
            Asked::Privileges if rule.kind == "default privileges" => {
                circumstances.privileges && circumstances.default_privileges
            }
            Asked::Privileges => circumstances.privileges,
        };
        // Without either, nothing of the roles is asked for.
        let instance = circumstances.owners || circumstances.privileges;
        asked && (!rule.of_instance || instance && !circumstances.powerless)
    }

    fn is_same(&self, rule: &Rule, name: &[String], then: &str, now: &str) -> bool {
        match rule.text {
            Text::Privileges => self.compare_privileges(rule, [then, now]) == Comparison::Same,
            // Only a superuser may say so of a function.
            _ if rule.kind == "function" && self.circumstances.powerless => {
                words::without_leakproof(then) == words::without_leakproof(now)
            }
            // Before 16 a membership has no other options.
            _ if rule.kind == "membership" && !self.circumstances.membership_options => {
                then.starts_with("ADMIN") == now.starts_with("ADMIN")
            }
            _ if rule.kind == "column" && self.is_given_identity(name) => {
                words::without_identity(now) == then || then == now
            }
            _ => then == now,
        }
    }

    fn is_given_identity(&self, name: &[String]) -> bool {
        match name {
            [schema, table, _] => {
                let place = (schema.clone(), table.clone());
                self.circumstances.given_identity.contains(&place)
            }
            _ => false,
        }
    }

    /// A constraint that is no longer valid differs in any version, and so does an index that lets in twice
    /// what it did not.
    fn is_incomparable(&self, rule: &Rule, then: &str, now: &str) -> bool {
        let invalid = |text: &str| text.ends_with(" NOT VALID") || text.ends_with(" NOT ENFORCED");
        let is_unique = |text: &str| text.starts_with("UNIQUE ");
        let of_version = rule.text == Text::OfVersion && !self.circumstances.same_major;
        of_version && invalid(then) == invalid(now) && is_unique(then) == is_unique(now)
    }

    fn add_one(&self, rule: &Rule, name: &[String], change: Change<'_>, to: &mut Differences) {
        let (severity, why) = self.judge(rule, name, change);
        let what = words::what(rule, name, change);
        let failure = severity == Severity::Failure;
        let hidden = severity == Severity::Nothing
            || self.left_out.has(rule, name, change)
            || self.lost.carries(rule, name)
            || self.known.says(rule, name, &what, change, failure);
        match severity {
            _ if hidden => {}
            Severity::Failure => to.failures.push(Finding::new(what, why)),
            _ => to.findings.push(Finding::new(what, why)),
        }
    }

    fn judge(&self, rule: &Rule, name: &[String], change: Change<'_>) -> (Severity, String) {
        let created = |role: &String| self.circumstances.created_roles.contains(role);
        match (rule.kind, change) {
            // Where nobody was granted anything there was no entry.
            ("privileges on a parameter", Change::Added(text)) => {
                self.judge_privileges(rule, name, Change::Changed("", text))
            }
            ("privileges", Change::Added(text)) if self.is_on_exported_column(name) => {
                self.judge_privileges(rule, name, Change::Changed("", text))
            }
            ("membership", Change::Added(_)) if name.iter().any(created) => {
                (Severity::Failure, words::why(change))
            }
            _ if rule.text == Text::Privileges => self.judge_privileges(rule, name, change),
            _ => (rule.severity(name, change), words::why(change)),
        }
    }

    fn is_on_exported_column(&self, name: &[String]) -> bool {
        match name {
            [of, table @ .., _] if of == "column" => self.then.contains(&(Class::Relation, table)),
            _ => false,
        }
    }

    fn judge_privileges(
        &self,
        rule: &Rule,
        name: &[String],
        change: Change<'_>,
    ) -> (Severity, String) {
        let severity = rule.severity(name, change);
        // What PostgreSQL or an extension gave from the start is in no list, and may be another version's.
        let is_given = rule.kind == "privileges of the system"
            && !(self.circumstances.same_major && matches!(change, Change::Changed(..)));
        match self.compare_privileges(rule, change.texts()) {
            Comparison::Same => (Severity::Nothing, String::new()),
            Comparison::Wider(more) if severity != Severity::Nothing && !is_given => {
                let why = words::why(change);
                let why = format!("more is granted than before: {more}; {why}");
                (Severity::Failure, why)
            }
            _ => (severity, words::why(change)),
        }
    }

    /// A parameter's privileges are the server's: of others than our own roles only what is less counts.
    fn compare_privileges(&self, rule: &Rule, [then, now]: [&str; 2]) -> Comparison {
        let leave = &self.circumstances.leave;
        if rule.kind != "privileges on a parameter" {
            return privileges::compare(then, now, leave);
        }
        let ours = self.circumstances.created_roles.iter();
        let ours = ours.flat_map(|role| words::as_printed(role)).collect();
        privileges::compare(then, &privileges::only_of(now, then, &ours), leave)
    }
}

#[cfg(test)]
mod tests;
