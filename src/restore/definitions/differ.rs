//! Two lists of definitions, entry by entry: a pure function.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::known::Known;
use super::privileges::{self, Comparison, Leave};
use super::rules::{self, Asked, Rule, Severity, Shape, Text};
use super::words;
use crate::model::definitions::{Definition, Definitions};
use crate::model::finding::Finding;

/// What a restore was asked for, and where.
#[derive(Debug, Default)]
pub(super) struct Circumstances {
    pub same_major: bool,
    pub owners: bool,
    pub privileges: bool,
    pub default_privileges: bool,
    /// All rows: else a foreign key may miss its other table's.
    pub whole: bool,
    pub powerless: bool,
    pub leave: Leave,
    /// Roles whose things stay with the user that restores.
    pub keeps_nothing: BTreeSet<String>,
    /// Roles that are as their own server needs them.
    pub administrators: BTreeSet<String>,
}

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    pub failures: Vec<Finding>,
    pub findings: Vec<Finding>,
    /// Kinds whose texts say nothing, and why.
    pub not_compared: Vec<String>,
}

type Entries<'a> = BTreeMap<&'a [String], &'a str>;

/// Schemas, and relations and types by schema and name.
type Objects<'a> = BTreeSet<&'a [String]>;

/// Compares what was exported with what was restored. What is `known` is not said again, nor what hangs on
/// something that is not there.
pub(super) fn compare(
    exported: &[&Definitions],
    restored: &[&Definitions],
    known: &Known,
    circumstances: &Circumstances,
) -> Differences {
    let lost = lost_objects(exported, restored);
    let comparer = Comparer {
        known,
        circumstances,
        schemas: names_of(exported, "schema"),
        brought: Brought::of(exported, restored),
        lost_words: lost_words(exported, restored, &lost),
        lost,
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

/// Kinds that others hang on.
const CARRIERS: [&str; 9] = [
    "schema",
    "table",
    "foreign table",
    "view",
    "materialized view",
    "sequence",
    "type",
    "function",
    "publication",
];

fn names_of<'a>(all: &[&'a Definitions], kind: &str) -> Objects<'a> {
    let of_kind = all.iter().filter(|one| one.kind == kind);
    let lists = of_kind.flat_map(|one| &one.list);
    lists.map(|one| one.name.as_slice()).collect()
}

fn lost_objects<'a>(exported: &[&'a Definitions], restored: &[&Definitions]) -> Objects<'a> {
    let lost = |kind: &&str| {
        let now = names_of(restored, kind);
        let then = names_of(exported, kind).into_iter();
        then.filter(|name| !now.contains(name)).collect::<Vec<_>>()
    };
    CARRIERS.iter().flat_map(lost).collect()
}

/// What a target had before: the template of its server, or who made it, brought extensions along.
struct Brought<'a> {
    extensions: Objects<'a>,
    /// Those in which nothing but members of extensions lies.
    schemas: Objects<'a>,
}

impl<'a> Brought<'a> {
    fn of(exported: &[&Definitions], restored: &[&'a Definitions]) -> Self {
        let added = |kind: &str| -> Objects<'a> {
            let then = names_of(exported, kind);
            let now = names_of(restored, kind).into_iter();
            now.filter(|name| !then.contains(name)).collect()
        };
        let extensions = added("extension");
        let mut schemas = Objects::new();
        if !extensions.is_empty() {
            schemas = added("schema");
            let carried = CARRIERS.iter().flat_map(|kind| names_of(restored, kind));
            for name in carried.filter(|name| name.len() > 1) {
                schemas.remove(&name[..1]);
            }
        }
        Self {
            extensions,
            schemas,
        }
    }

    fn has(&self, kind: &str, name: &[String]) -> bool {
        match kind {
            "extension" => self.extensions.contains(name),
            "schema" => self.schemas.contains(name),
            _ => false,
        }
    }
}

/// The same in plain words, and rarer objects: what is found in the names of comments and owners.
fn lost_words(
    exported: &[&Definitions],
    restored: &[&Definitions],
    lost: &Objects<'_>,
) -> BTreeSet<String> {
    let now = names_of(restored, "object");
    let rare = names_of(exported, "object");
    let rare = rare.iter().filter(|name| !now.contains(*name));
    let rare = rare.filter_map(|name| name.get(1..));
    let names = lost.iter().copied().chain(rare);
    names.map(without_arguments).collect()
}

/// Arguments are printed in more ways than one.
fn without_arguments(name: &[String]) -> String {
    let words = words::plain(&name.join(" "));
    match words.split_once('(') {
        Some((before, _)) if !before.trim().is_empty() => before.to_owned(),
        _ => words,
    }
}

struct Comparer<'a> {
    known: &'a Known,
    circumstances: &'a Circumstances,
    schemas: Objects<'a>,
    brought: Brought<'a>,
    lost: Objects<'a>,
    lost_words: BTreeSet<String>,
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
                Some(other) if self.is_same(rule, text, other) => continue,
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

    fn is_same(&self, rule: &Rule, then: &str, now: &str) -> bool {
        match rule.text {
            Text::Privileges => {
                privileges::compare(then, now, &self.circumstances.leave) == Comparison::Same
            }
            // Only a superuser may say so of a function.
            _ if rule.kind == "function" && self.circumstances.powerless => {
                words::without_leakproof(then) == words::without_leakproof(now)
            }
            // Before 16 a membership has no other options.
            _ if rule.kind == "membership" && !self.circumstances.same_major => {
                then.starts_with("ADMIN") == now.starts_with("ADMIN")
            }
            _ => then == now,
        }
    }

    /// A constraint that is no longer valid differs in any version.
    fn is_incomparable(&self, rule: &Rule, then: &str, now: &str) -> bool {
        let invalid = |text: &str| text.ends_with(" NOT VALID") || text.ends_with(" NOT ENFORCED");
        let of_version = rule.text == Text::OfVersion && !self.circumstances.same_major;
        of_version && invalid(then) == invalid(now)
    }

    fn add_one(&self, rule: &Rule, name: &[String], change: Change<'_>, to: &mut Differences) {
        let mut severity = rule.severity(change);
        let what = words::what(rule, name, change);
        let mut why = words::why(change);
        if rule.text == Text::Privileges {
            (severity, why) = self.of_privileges(rule, severity, change);
        }
        let hidden = severity == Severity::Nothing
            || self.is_left_out(rule, name, change)
            || self.hangs_on_lost(rule, name)
            || self
                .known
                .says(rule, name, &what, severity == Severity::Failure);
        match severity {
            _ if hidden => {}
            Severity::Failure => to.failures.push(Finding::new(what, why)),
            _ => to.findings.push(Finding::new(what, why)),
        }
    }

    fn of_privileges(
        &self,
        rule: &Rule,
        severity: Severity,
        change: Change<'_>,
    ) -> (Severity, String) {
        let (then, now) = match change {
            Change::Lost(text) => (text, ""),
            Change::Added(text) => ("", text),
            Change::Changed(then, now) => (then, now),
        };
        let compared = privileges::compare(then, now, &self.circumstances.leave);
        // What PostgreSQL or an extension gave from the start is not in the lists.
        let is_system = rule.kind == "privileges of the system";
        match compared {
            Comparison::Same => (Severity::Nothing, String::new()),
            Comparison::Wider(more) if severity != Severity::Nothing && !is_system => {
                let why = format!(
                    "more is granted than before: {}; {}",
                    more,
                    words::why(change)
                );
                (Severity::Failure, why)
            }
            _ => (severity, words::why(change)),
        }
    }

    /// Left out on request or in a drill, or told elsewhere.
    fn is_left_out(&self, rule: &Rule, name: &[String], change: Change<'_>) -> bool {
        let circumstances = self.circumstances;
        let is_added = matches!(change, Change::Added(_));
        let first = name.first().map(String::as_str).unwrap_or_default();
        let last = name.last().map(String::as_str).unwrap_or_default();
        match (rule.kind, change) {
            // No archive makes or drops it.
            ("schema", Change::Added(_)) if first == "public" => true,
            ("schema" | "extension", Change::Added(_)) if self.brought.has(rule.kind, name) => true,
            ("comment", Change::Added(_))
                if self.brought.has(first, name.get(1..).unwrap_or_default()) =>
            {
                true
            }
            // PostgreSQL gives one to the database `postgres`.
            ("database", Change::Added(_)) if first == "comment" => true,
            ("key", Change::Lost(text)) => !circumstances.whole && text.starts_with("FOREIGN KEY"),
            ("owner", Change::Changed(then, _)) if circumstances.keeps_nothing.contains(then) => {
                true
            }
            ("owner", _) if first == "schema" && last == "public" => {
                circumstances.powerless || !circumstances.same_major
            }
            ("database", _) if first == "owner" => !circumstances.owners,
            ("role" | "role setting" | "role comment", _) => {
                circumstances.administrators.contains(first)
            }
            ("membership", _) => circumstances.administrators.contains(last),
            // Named otherwise by each version.
            ("object" | "comment", _) if first == "transform" => !circumstances.same_major,
            // A drill's server has something of its own.
            ("event trigger", Change::Added(_)) => circumstances.powerless,
            ("object", Change::Added(_)) => circumstances.powerless && first == "event trigger",
            ("schema" | "function", _) if is_added && circumstances.powerless => !name
                .get(..1)
                .is_some_and(|schema| self.schemas.contains(schema)),
            _ => false,
        }
    }

    fn hangs_on_lost(&self, rule: &Rule, name: &[String]) -> bool {
        let below = |carrier: &[String]| self.lost.contains(carrier);
        let own = usize::from(CARRIERS.contains(&rule.kind));
        match rule.shape {
            Shape::Object | Shape::OnTable | Shape::OfTable => {
                let mut above = 1..=name.len().saturating_sub(own);
                above.any(|parts| below(&name[..parts]))
            }
            Shape::Own if rule.kind == "user mapping" => {
                let server = name.first().map(|server| words::plain(server));
                server.is_some_and(|server| self.lost_words.contains(&server))
            }
            Shape::Own => (1..name.len()).any(|at| below(&name[..at]) || below(&name[at..])),
            Shape::Any => {
                let after = name.get(1..).unwrap_or_default();
                let text = words::plain(&after.join(" "));
                let own = (rule.kind == "object").then(|| without_arguments(after));
                let mut lost = self.lost_words.iter();
                (1..=after.len()).any(|parts| below(&after[..parts]))
                    || lost.any(|lost| own.as_ref() != Some(lost) && words::has_whole(&text, lost))
            }
        }
    }
}

/// Of several with one name, all texts.
fn entries(list: &[Definition]) -> Entries<'_> {
    list.iter()
        .map(|one| (one.name.as_slice(), one.text.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry a line: `kind|name|name|…=text`.
    fn definitions(lines: &[&str]) -> Vec<Definitions> {
        let mut all: Vec<Definitions> = Vec::new();
        for kind in [
            "schema",
            "table",
            "column",
            "key",
            "policy",
            "view",
            "privileges",
            "function",
        ] {
            let begun = format!("{kind}|");
            let list = lines.iter().filter_map(|line| {
                let (name, text) = line.strip_prefix(&begun)?.split_once('=')?;
                let name = name.split('|').map(str::to_owned).collect();
                let text = text.to_owned();
                Some(Definition { name, text })
            });
            all.push(Definitions {
                kind: kind.to_owned(),
                list: list.collect(),
            });
        }
        all
    }

    fn same_major() -> Circumstances {
        Circumstances {
            same_major: true,
            owners: true,
            privileges: true,
            default_privileges: true,
            whole: true,
            ..Circumstances::default()
        }
    }

    fn differences(
        then: &[&str],
        now: &[&str],
        known: &Known,
        circumstances: &Circumstances,
    ) -> Differences {
        let (then, now) = (definitions(then), definitions(now));
        let (then, now): (Vec<_>, Vec<_>) = (then.iter().collect(), now.iter().collect());
        compare(&then, &now, known, circumstances)
    }

    fn names(list: &[Finding]) -> Vec<&str> {
        list.iter().map(|one| one.what.as_str()).collect()
    }

    const ALL: [&str; 8] = [
        "schema|s=",
        "table|s|t=",
        "column|s|t|a=integer NOT NULL",
        "key|s|t|fk=FOREIGN KEY (a) REFERENCES s.u(a)",
        "policy|s|t|p=PERMISSIVE FOR ALL TO PUBLIC USING (a > 0)",
        "view|s|v=SELECT 1",
        "privileges|table|s|t=OWNER SELECT",
        "function|s|f(integer)=CREATE FUNCTION",
    ];

    fn without(start: &str) -> Vec<&'static str> {
        let all = ALL.into_iter();
        all.filter(|line| !line.starts_with(start)).collect()
    }

    #[test]
    fn what_holds_data_together_fails_and_the_rest_is_told() {
        let none = Known::default();
        let of = |now: &[&str]| differences(&ALL, now, &none, &same_major());
        assert_eq!(of(&ALL), Differences::default());
        let lost = of(&without("policy"));
        assert_eq!(names(&lost.failures), ["policy p of s.t"]);
        let why = &lost.failures[0].why;
        assert!(
            why.ends_with("exported: PERMISSIVE FOR ALL TO PUBLIC USING (a > 0)"),
            "{why}"
        );
        let mut now = ALL;
        now[2] = "column|s|t|a=integer";
        let changed = of(&now);
        assert_eq!(names(&changed.failures), ["column a of s.t"]);
        let why = "exported: integer NOT NULL; there is: integer";
        assert_eq!(changed.failures[0].why, why);
        let view = of(&without("view"));
        assert_eq!(
            (names(&view.findings), view.failures.len()),
            (vec!["view s.v"], 0)
        );
        let mut more = ALL.to_vec();
        more.push("view|s|w=SELECT 2");
        assert_eq!(names(&of(&more).findings), ["view s.w"]);
    }

    #[test]
    fn who_has_more_than_before_is_a_failure_and_less_a_finding() {
        let none = Known::default();
        let of = |text: &'static str| {
            let mut now = ALL;
            now[6] = text;
            differences(&ALL, &now, &none, &same_major())
        };
        let wider = of("privileges|table|s|t=OWNER SELECT\nPUBLIC SELECT");
        assert_eq!(names(&wider.failures), ["privileges of table s.t"]);
        assert!(wider.failures[0].why.contains("PUBLIC SELECT"), "{wider:?}");
        let others = of("privileges|table|s|t=app SELECT");
        assert_eq!(others.failures.len(), 1);
        let less = of("privileges|table|s|t=");
        assert_eq!((less.failures.len(), less.findings.len()), (0, 1));
    }

    #[test]
    fn what_is_told_already_is_not_told_again() {
        let mut known = Known::default();
        known.add_failure("POLICY s t p own");
        known.add_finding("FUNCTION s f(integer) own");
        let now: Vec<&str> = [&without("policy")[..], &[]].concat();
        let now: Vec<&str> = now
            .into_iter()
            .filter(|line| !line.starts_with("function"))
            .collect();
        let all = differences(&ALL, &now, &known, &same_major());
        assert_eq!(all, Differences::default());
        // A finding does not hide a failure.
        let mut known = Known::default();
        known.add_finding("POLICY s t p own");
        let all = differences(&ALL, &without("policy"), &known, &same_major());
        assert_eq!(names(&all.failures), ["policy p of s.t"]);
    }

    #[test]
    fn what_hangs_on_something_missing_is_not_told() {
        let now = [
            "schema|s=",
            "view|s|v=SELECT 1",
            "function|s|f(integer)=CREATE FUNCTION",
        ];
        let all = differences(&ALL, &now, &Known::default(), &same_major());
        assert_eq!(names(&all.failures), ["table s.t"]);
        assert_eq!(all.findings, []);
    }

    #[test]
    fn what_was_left_out_on_request_is_not_missed() {
        let some = Circumstances {
            whole: false,
            privileges: false,
            ..same_major()
        };
        let mut now = without("key");
        now.retain(|line| !line.starts_with("privileges"));
        let none = Known::default();
        assert_eq!(
            differences(&ALL, &now, &none, &some),
            Differences::default()
        );
    }

    #[test]
    fn across_majors_texts_of_a_version_are_not_compared() {
        let mut now = ALL;
        now[5] = "view|s|v=SELECT 1 AS one";
        now[2] = "column|s|t|a=integer";
        let other = Circumstances {
            same_major: false,
            ..same_major()
        };
        let all = differences(&ALL, &now, &Known::default(), &other);
        assert_eq!(names(&all.failures), ["column a of s.t"]);
        assert_eq!(all.findings, []);
        assert_eq!(all.not_compared.len(), 1, "{all:?}");
        assert!(
            all.not_compared[0].starts_with("1 of kind view: "),
            "{all:?}"
        );
    }

    #[test]
    fn a_forged_catalog_is_no_panic() {
        let mut forged = definitions(&[]);
        for of_kind in &mut forged {
            of_kind.list.push(Definition {
                name: Vec::new(),
                text: "x".to_owned(),
            });
        }
        let forged: Vec<_> = forged.iter().collect();
        let now = definitions(&ALL);
        let now: Vec<_> = now.iter().collect();
        for powerless in [false, true] {
            let circumstances = Circumstances {
                powerless,
                ..same_major()
            };
            compare(&forged, &now, &Known::default(), &circumstances);
        }
    }
}
