//! What the report of a restore says already: an object that pg_restore could not make is not told twice.

use std::collections::{BTreeMap, BTreeSet};

use super::words::plain;
use crate::model::definitions::change::Change;
use crate::model::definitions::rules::{Rule, Shape};
use crate::restore::report::Report;

#[derive(Debug, Default)]
pub(super) struct Known {
    failures: Said,
    /// Findings, and what was not tried.
    findings: Said,
}

#[derive(Debug, Default)]
struct Said {
    /// Exactly what they are about.
    what: BTreeSet<String>,
    lines: Lines,
}

impl Said {
    fn add(&mut self, what: &str) {
        self.what.insert(what.to_owned());
        self.lines.add(plain(what) + " ");
    }
}

/// Entries of an archive, such as `TABLE public t owner`, in plain words.
#[derive(Debug, Default)]
struct Lines {
    sorted: BTreeSet<String>,
    list: Vec<String>,
    /// In which lines of the list a word stands.
    places: BTreeMap<String, Vec<usize>>,
}

impl Lines {
    fn add(&mut self, line: String) {
        if !self.sorted.insert(line.clone()) {
            return;
        }
        let words: BTreeSet<&str> = line.split(' ').collect();
        for word in words {
            let places = self.places.entry(word.to_owned()).or_default();
            places.push(self.list.len());
        }
        self.list.push(line);
    }

    fn begins(&self, start: &str) -> bool {
        let next = self.sorted.range(start.to_owned()..).next();
        next.is_some_and(|line| line.starts_with(start))
    }

    /// Whether one that begins so has all of these words.
    fn has(&self, start: &str, words: &BTreeSet<&str>) -> bool {
        let places: Option<Vec<&Vec<usize>>> =
            words.iter().map(|word| self.places.get(*word)).collect();
        let Some(places) = places else { return false };
        // From the rarest word on: some stand in every line.
        let Some(rarest) = places.iter().min_by_key(|one| one.len()) else {
            return false;
        };
        rarest.iter().any(|at| {
            let everywhere = |one: &&Vec<usize>| one.binary_search(at).is_ok();
            self.list[*at].starts_with(start) && places.iter().all(everywhere)
        })
    }
}

impl Known {
    pub(super) fn of(report: &Report) -> Self {
        let mut known = Self::default();
        for one in report.failures.iter().chain(&report.unproven) {
            known.add_failure(&one.what);
        }
        for one in &report.findings {
            known.add_finding(&one.what);
        }
        for one in &report.not_tried {
            known.add_finding(&format!("{} {}", one.kind.to_uppercase(), one.name));
        }
        for one in &report.left_out {
            known.add_finding(one);
        }
        known
    }

    pub(super) fn add_failure(&mut self, what: &str) {
        self.failures.add(what);
    }

    pub(super) fn add_finding(&mut self, what: &str) {
        self.findings.add(what);
    }

    /// Whether this difference was told. A finding on an object says nothing of what its loss would mean.
    pub(super) fn says(
        &self,
        rule: &Rule,
        name: &[String],
        what: &str,
        change: Change<'_>,
        failure: bool,
    ) -> bool {
        let what = in_other_words(rule, name, what);
        let has_what = |said: &Said| what.iter().any(|what| said.what.contains(what));
        // What a person took off after a restore had told that rows break it is a finding.
        let is_constraint = ["key", "check", "domain constraint", "index"].contains(&rule.kind);
        let may_be_finding = !failure || is_constraint && matches!(change, Change::Lost(_));
        if has_what(&self.failures) || may_be_finding && has_what(&self.findings) {
            return true;
        }
        let says = |said: &Said| match rule.shape {
            _ if rule.kind == "privileges on a parameter" => {
                let parameter = plain(&name.join(" "));
                let words = ["on", "parameter"].into_iter().chain(parameter.split(' '));
                let words = words.collect();
                // A drill does not try it.
                let untried = parameter.split(' ').chain(["on", "for"]).collect();
                said.lines.has("privilege ", &words)
                    || said.lines.has("PARAMETER PRIVILEGE ", &untried)
            }
            Shape::Any => {
                let words = words(rule, name);
                let words: BTreeSet<&str> =
                    words.split(' ').filter(|one| !one.is_empty()).collect();
                let mut begins = beginnings(rule, name).into_iter();
                begins.any(|start| said.lines.has(&start, &words))
            }
            _ => {
                let mut entries = rule.entries.iter();
                entries.any(|entry| {
                    let mut starts = starts(rule, entry, name).into_iter();
                    starts.any(|start| said.lines.begins(&start))
                })
            }
        };
        says(&self.failures) || !failure && says(&self.findings)
    }
}

/// How other steps of a restore may call it.
fn in_other_words(rule: &Rule, name: &[String], what: &str) -> Vec<String> {
    let mut all = vec![
        what.to_owned(),
        what.replace(" of schema ", " of the schema "),
        what.replacen("type ", "NOT NULL of domain ", 1),
    ];
    if let ("membership", [role, member]) = (rule.kind, name) {
        all.push(format!("MEMBERSHIP {member} in {role}"));
    }
    // Of what is not tried nobody says whose it is.
    if let ("default privileges", [_, schema, on]) = (rule.kind, name) {
        let dot = if schema.is_empty() { "" } else { "." };
        let on = on.to_uppercase();
        all.push(format!(
            "DEFAULT ACL {schema}{dot}DEFAULT PRIVILEGES FOR {on}"
        ));
    }
    all
}

/// What stands in an archive's list for what is named by the kind of its object.
fn words(rule: &Rule, name: &[String]) -> String {
    let [of, rest @ ..] = name else {
        return String::new();
    };
    // Types have their schema in an identity, but not in a list.
    let identity = rest.first().map(|one| one.replace("pg_catalog.", ""));
    let identity = identity.as_deref().unwrap_or_default();
    match (rule.kind, rest) {
        ("privileges", _) => format!("{} {}", plain(&rest.join(" ")), acl_word(of)),
        ("privileges of the system", _) => format!("{} {}", plain(identity), acl_word(of)),
        ("comment" | "security label", _) if of == "schema" => {
            format!("SCHEMA {}", plain(identity))
        }
        ("comment" | "security label", _) => plain(identity).replace(" on ", " "),
        (_, [_]) => plain(before_arguments(identity)),
        _ => plain(&rest.join(" ")),
    }
}

/// A list names operators without their arguments, and operator classes without a method.
fn before_arguments(identity: &str) -> &str {
    let end = identity.find('(').filter(|at| *at > 0);
    let end = end.or_else(|| identity.find(" USING "));
    &identity[..end.unwrap_or(identity.len())]
}

/// A list calls functions and procedures what each is.
fn acl_word(of: &str) -> String {
    let of = of.strip_suffix(" column").map_or(of, |_| "column");
    match of {
        "function" | "procedure" | "aggregate" => String::new(),
        "view" | "materialized view" | "foreign table" => "TABLE".to_owned(),
        "server" => "FOREIGN SERVER".to_owned(),
        "foreign-data wrapper" => "FOREIGN DATA WRAPPER".to_owned(),
        other => other.to_uppercase(),
    }
}

/// How lines begin that are about it.
fn beginnings(rule: &Rule, name: &[String]) -> Vec<String> {
    let of = name.first().map(String::as_str).unwrap_or_default();
    let entries: &[&str] = match (rule.entries, of) {
        ([], "function") => &["FUNCTION", "PROCEDURE", "AGGREGATE"],
        ([], "type") => &["TYPE", "DOMAIN"],
        ([], "foreign-data wrapper") => &["FOREIGN DATA WRAPPER"],
        ([], "language") => &["PROCEDURAL LANGUAGE"],
        // A class may bring its family along.
        ([], "operator family") => &["OPERATOR FAMILY", "OPERATOR CLASS"],
        ([], "statistics object") => &["STATISTICS"],
        ([], other) => return vec![format!("{} ", other.to_uppercase())],
        (entries, _) => entries,
    };
    entries.iter().map(|entry| format!("{entry} ")).collect()
}

/// How an archive's list names the entry, up to its owner.
fn starts(rule: &Rule, entry: &str, name: &[String]) -> Vec<String> {
    let line = |parts: &[&str]| plain(&parts.join(" ")) + " ";
    let parts: Vec<&str> = name.iter().map(String::as_str).collect();
    let all = [&[entry], parts.as_slice()].concat();
    match (rule.kind, parts.as_slice()) {
        ("index", [schema, _, index]) => vec![line(&[entry, schema, index])],
        ("published table", [publication, schema, table]) => {
            vec![line(&[entry, schema, publication, table])]
        }
        ("published schema", [publication, schema]) => vec![line(&[entry, schema, publication])],
        ("user mapping", [server, user]) => {
            vec![line(&[entry, "- USER MAPPING", user, "SERVER", server])]
        }
        ("default privileges", [role, schema, on]) => {
            let (schema, on) = (
                if schema.is_empty() { "-" } else { *schema },
                on.to_uppercase(),
            );
            vec![line(&[entry, schema, "DEFAULT PRIVILEGES FOR", &on, role])]
        }
        (_, [_]) => vec![line(&[entry, "-", parts[0]]), line(&all)],
        _ => vec![line(&all)],
    }
}
