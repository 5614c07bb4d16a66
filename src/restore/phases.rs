//! Which phases are finished, how long they took, and what each added to the report: a resumed run
//! reports that again.

use std::collections::BTreeSet;
use std::time::Instant;

use super::report::{PhaseTime, Report};
use crate::model::finding::Finding;
use crate::pg::target::resume_state::RecordedFinding;

pub(super) const ROLES: &str = "roles";

/// Announces itself once it knows how much there is to load.
pub(super) const TABLES: &str = "tables";

/// Compares all that is there. Repeated by every run, as a server may lose rows later.
pub(super) const COMPARISON: &str = "comparison";

/// The same of definitions, once nothing is borrowed any more.
pub(super) const DEFINITIONS: &str = "definitions";

const REPEATED: [&str; 2] = [COMPARISON, DEFINITIONS];

/// Phases that need every table to be whole: not finished while anything failed.
const NEED_WHOLE_TABLES: [&str; 5] = [
    "privileges",
    "materialized views",
    "statistics",
    "publications and event triggers",
    "database",
];

const FINDING: &str = "finding";
const LEFT_OUT: &str = "left out";
const ROLE: &str = "role made";

/// The note of a role that was made, for the transaction that makes it.
pub(super) fn role_made(name: &str) -> RecordedFinding {
    RecordedFinding {
        kind: ROLE.to_owned(),
        finding: Finding::new(name, ""),
    }
}

/// The note of what a phase found, for one that may be killed before its end.
pub(super) fn found(finding: &Finding) -> RecordedFinding {
    RecordedFinding {
        kind: FINDING.to_owned(),
        finding: finding.clone(),
    }
}

pub(super) struct Phases {
    finished: BTreeSet<String>,
    /// What earlier runs noted, by phase: also of phases that did not end.
    earlier: Vec<(String, RecordedFinding)>,
    started: Instant,
    lengths: Lengths,
}

/// How long the report's lists were when the phase started.
#[derive(Default)]
struct Lengths {
    failures: usize,
    findings: usize,
    left_out: usize,
    created_roles: usize,
}

impl Phases {
    pub(super) fn new(finished: BTreeSet<String>, earlier: Vec<(String, RecordedFinding)>) -> Self {
        Self {
            finished,
            earlier,
            started: Instant::now(),
            lengths: Lengths::default(),
        }
    }

    /// Whether an earlier run finished this phase, so that it is not repeated.
    pub(super) fn is_finished(&self, name: &str) -> bool {
        !REPEATED.contains(&name) && self.finished.contains(name)
    }

    /// Adds to the report what a finished phase reported when it ran, or what one that was killed noted.
    pub(super) fn report_again(&mut self, name: &str, report: &mut Report) {
        for (_, one) in self.earlier.extract_if(.., |(phase, _)| phase == name) {
            match one.kind.as_str() {
                LEFT_OUT => report.left_out.push(one.finding.what),
                ROLE => report.created_roles.push(one.finding.what),
                _ => report.findings.push(one.finding),
            }
        }
    }

    pub(super) fn start(&mut self, report: &Report) {
        self.started = Instant::now();
        self.lengths = Lengths {
            failures: report.failures.len(),
            findings: report.findings.len(),
            left_out: report.left_out.len(),
            created_roles: report.created_roles.len(),
        };
    }

    /// Records how long the phase took, and returns what it added to the report. `None`: `--resume`
    /// repeats it, as something failed.
    pub(super) fn end(&self, name: &str, report: &mut Report) -> Option<Vec<RecordedFinding>> {
        report.phases.push(PhaseTime {
            name: name.to_owned(),
            seconds: self.started.elapsed().as_secs_f64(),
        });
        let failures = report.failures.len();
        let incomplete = NEED_WHOLE_TABLES.contains(&name) && failures > 0;
        let repeated = REPEATED.contains(&name) || incomplete || failures > self.lengths.failures;
        (!repeated).then(|| self.added(report))
    }

    fn added(&self, report: &Report) -> Vec<RecordedFinding> {
        let unnamed = |what: &String| Finding::new(what, "");
        let findings = report.findings[self.lengths.findings..].iter().cloned();
        let left_out = report.left_out[self.lengths.left_out..].iter().map(unnamed);
        let roles = &report.created_roles[self.lengths.created_roles..];
        let roles = roles.iter().map(unnamed).map(|role| (ROLE, role));
        findings
            .map(|one| (FINDING, one))
            .chain(left_out.map(|one| (LEFT_OUT, one)))
            .chain(roles)
            .map(|(kind, finding)| RecordedFinding {
                kind: kind.to_owned(),
                finding,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    fn finding(kind: &str, what: &str) -> RecordedFinding {
        RecordedFinding {
            kind: kind.to_owned(),
            finding: Finding::new(what, "why"),
        }
    }

    fn report() -> Report {
        Report::new(&fixture::manifest(), "target".to_owned(), false)
    }

    #[test]
    fn a_comparison_is_always_repeated_and_its_old_findings_are_not() {
        let earlier = vec![(COMPARISON.to_owned(), finding(FINDING, "an index"))];
        let finished = BTreeSet::from([COMPARISON.to_owned()]);
        let mut phases = Phases::new(finished, earlier);
        let mut report = report();
        assert!(!phases.is_finished(COMPARISON));
        phases.start(&report);
        report.findings.push(Finding::new("an index", "why"));
        assert_eq!(phases.end(COMPARISON, &mut report), None, "never stored");
    }

    #[test]
    fn a_finished_phase_reports_again_what_it_added() {
        let mut report = report();
        report.findings.push(Finding::new("before", "why"));
        let mut phases = Phases::new(BTreeSet::new(), Vec::new());
        phases.start(&report);
        report.findings.push(Finding::new("locale", "why"));
        report.created_roles.push("own".to_owned());
        let added = phases.end("roles", &mut report).unwrap();
        assert_eq!(added.len(), 2, "{added:?}");
        let earlier = added.into_iter().map(|one| ("roles".to_owned(), one));
        let mut later = Phases::new(BTreeSet::from(["roles".to_owned()]), earlier.collect());
        let mut resumed = self::report();
        assert!(later.is_finished("roles"));
        later.report_again("roles", &mut resumed);
        later.report_again("roles", &mut resumed);
        assert_eq!(resumed.findings, report.findings[1..]);
        assert_eq!(resumed.created_roles, ["own"]);
    }

    #[test]
    fn a_phase_with_failures_is_left_to_resume() {
        let mut report = report();
        let mut phases = Phases::new(BTreeSet::new(), Vec::new());
        phases.start(&report);
        report.failures.push(Finding::new("table t", "why"));
        assert_eq!(phases.end(TABLES, &mut report), None);
        phases.start(&report);
        assert_eq!(phases.end("statistics", &mut report), None);
        assert!(phases.end("sequences", &mut report).is_some());
    }
}
