//! What the report of a restore says already: an object that pg_restore could not make is not told twice.

use std::collections::BTreeSet;

use super::rules::{Rule, Shape};
use super::words::plain;
use crate::restore::report::Report;

#[derive(Debug, Default)]
pub(super) struct Known {
    /// Exactly what findings and failures are about.
    said: BTreeSet<String>,
    failures: Lines,
    /// Findings, and what was not tried.
    findings: Lines,
}

/// Entries of an archive, such as `TABLE public t owner`, in plain words.
#[derive(Debug, Default)]
struct Lines(BTreeSet<String>);

impl Lines {
    fn begins(&self, start: &str) -> bool {
        let next = self.0.range(start.to_owned()..).next();
        next.is_some_and(|line| line.starts_with(start))
    }

    /// Whether one that begins so has all of these words.
    fn has(&self, start: &str, words: &BTreeSet<&str>) -> bool {
        let begun = self.0.range(start.to_owned()..);
        let mut begun = begun.take_while(|line| line.starts_with(start));
        begun.any(|line| {
            let line: BTreeSet<&str> = line.split(' ').collect();
            words.is_subset(&line)
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
        self.said.insert(what.to_owned());
        self.failures.0.insert(plain(what) + " ");
    }

    pub(super) fn add_finding(&mut self, what: &str) {
        self.said.insert(what.to_owned());
        self.findings.0.insert(plain(what) + " ");
    }

    /// Whether this difference was told.
    pub(super) fn says(&self, rule: &Rule, name: &[String], what: &str, failure: bool) -> bool {
        let the = what.replace(" of schema ", " of the schema ");
        let not_null = what.replacen("type ", "NOT NULL of domain ", 1);
        if [what, &the, &not_null]
            .iter()
            .any(|said| self.said.contains(*said))
        {
            return true;
        }
        // A finding on an object says nothing of what its loss would mean.
        let all: &[&Lines] = match failure {
            true => &[&self.failures],
            false => &[&self.failures, &self.findings],
        };
        match rule.shape {
            Shape::Any => {
                let words = plain(&name.get(1..).unwrap_or_default().join(" "));
                let words = match rule.kind {
                    "object" => before_arguments(&words),
                    _ => &words,
                };
                let words: BTreeSet<&str> = words.split(' ').collect();
                let begins: &[&str] = match rule.entries {
                    [] => &[""],
                    entries => entries,
                };
                let mut begins = begins.iter();
                begins.any(|start| all.iter().any(|lines| lines.has(start, &words)))
            }
            _ => {
                let starts = rule
                    .entries
                    .iter()
                    .flat_map(|entry| starts(rule, entry, name));
                let starts: Vec<String> = starts.collect();
                starts
                    .iter()
                    .any(|start| all.iter().any(|lines| lines.begins(start)))
            }
        }
    }
}

/// An archive's list names operators without their arguments, and operator classes without a method.
fn before_arguments(identity: &str) -> &str {
    let end = identity.find('(').filter(|at| *at > 0);
    let end = end
        .or_else(|| identity.find(" USING "))
        .unwrap_or(identity.len());
    &identity[..end]
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
        ("default privileges", _) => vec![entry.to_owned()],
        (_, [_]) => vec![line(&[entry, "-", parts[0]]), line(&all)],
        _ => vec![line(&all)],
    }
}
