//! What a phase added to the report, kept so that a resumed run can say it again.

use super::Run;
use super::report::Trouble;
use crate::pg::target::resume_state::RecordedFinding;

/// How much the report held at some time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    pub failures: usize,
    findings: usize,
    left_out: usize,
    roles: usize,
}

impl Before {
    pub fn of(run: &Run<'_>) -> Self {
        Self {
            failures: run.report.failures.len(),
            findings: run.report.findings.len(),
            left_out: run.report.left_out.len(),
            roles: run.created_roles.len(),
        }
    }
}

const FINDING: &str = "finding";
const LEFT_OUT: &str = "left out";
const ROLE: &str = "role made";

/// What was added since the phase began.
pub fn since(run: &Run<'_>) -> Vec<RecordedFinding> {
    let before = &run.before;
    let plain = |kind: &str, what: &String| RecordedFinding {
        kind: kind.to_owned(),
        what: what.clone(),
        why: String::new(),
        sql: None,
    };
    let findings = run.report.findings.iter().skip(before.findings);
    let left_out = run.report.left_out.iter().skip(before.left_out);
    let roles = run.created_roles.iter().skip(before.roles);
    findings
        .map(|one| RecordedFinding {
            kind: FINDING.to_owned(),
            what: one.what.clone(),
            why: one.why.clone(),
            sql: one.sql.clone(),
        })
        .chain(left_out.map(|what| plain(LEFT_OUT, what)))
        .chain(roles.map(|what| plain(ROLE, what)))
        .collect()
}

/// Says it again.
pub fn recall(run: &mut Run<'_>, said: Vec<(String, RecordedFinding)>) {
    for (_, one) in said {
        match one.kind.as_str() {
            LEFT_OUT => run.report.left_out.push(one.what),
            ROLE => run.created_roles.push(one.what),
            _ => run.report.findings.push(Trouble {
                what: one.what,
                why: one.why,
                sql: one.sql,
            }),
        }
    }
}
