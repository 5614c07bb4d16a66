//! `lifeboat doctor`: one page of findings, the worst first. The caller gathers facts; every check
//! is a pure function of them.

mod accounts;
mod database;
mod facts;
mod finding;
mod kms;
mod proxy;
mod rds;
mod recipients;
mod store;
pub(crate) mod terraform;
mod wall;

use serde::Serialize;

pub(crate) use facts::{
    Account, BreakGlass, Database, DrillWall, Facts, KeyPurpose, KmsKey, RdsDatabase, StoreFacts,
};
pub(crate) use finding::{Finding, Severity};

/// What `doctor` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub looked_at: Vec<String>,
}

impl Report {
    /// Findings of the same severity stay in the order of the checks.
    pub(crate) fn new(mut findings: Vec<Finding>, looked_at: Vec<String>) -> Self {
        findings.sort_by_key(|finding| finding.severity);
        Self {
            findings,
            looked_at,
        }
    }

    /// How many findings are this severe.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|one| one.severity == severity).count()
    }
}

/// Every check, in the order of the report.
const CHECKS: [fn(&Facts) -> Vec<Finding>; 9] = [
    store::check,
    proxy::check,
    accounts::check,
    recipients::check,
    recipients::check_break_glass,
    kms::check,
    rds::check,
    database::check,
    wall::check,
];

/// Runs every check.
pub(crate) fn examine(facts: &Facts) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| check(facts)).collect()
}
