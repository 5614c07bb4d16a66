//! What an export tells at its end.

use jiff::Timestamp;
use serde::Serialize;

use super::options::Source;
use crate::error::Error;
use crate::model::catalog::NotCoveredNames;
use crate::model::id::Id;
use crate::model::lock::Lock;
use crate::outcome::Outcome;

#[derive(Debug, Serialize)]
pub struct Report {
    /// Joins the restore points of this run.
    pub run: Id,
    pub repository: String,
    /// The lock that every object holds at least: the manifest's, which ends two days before the
    /// parts'. `null`: not locked.
    pub lock: Option<Lock>,
    pub databases: Vec<DatabaseReport>,
    pub failures: Vec<Failure>,
    /// Databases of an instance that no export covers.
    pub uncovered: Vec<Uncovered>,
    /// What needs the attention of a person, one line each; any makes the exit code 3.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct DatabaseReport {
    pub source: String,
    pub database: String,
    /// The restore point; `null` after `--dry-run`.
    pub id: Option<Id>,
    pub snapshot_at: Timestamp,
    pub tables: u64,
    pub rows: u64,
    pub large_objects: u64,
    /// Size of the COPY text; an estimate after `--dry-run`.
    pub copy_bytes: u64,
    /// Size of all stored objects; `null` after `--dry-run`.
    pub stored_bytes: Option<u64>,
    pub parts: u64,
    pub jobs: usize,
    pub seconds: f64,
    /// How long the snapshot held back vacuum.
    pub snapshot_seconds: f64,
    pub not_covered: Vec<NotCoveredNames>,
    /// After `--dry-run`: what would be read.
    pub plan: Option<Vec<PlannedTable>>,
    /// As in the report on the whole run.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct PlannedTable {
    pub table: String,
    /// Heap and TOAST in the source.
    pub table_bytes: u64,
    pub slices: usize,
}

#[derive(Debug, Serialize)]
pub struct Failure {
    pub source: String,
    pub database: Option<String>,
    pub error: String,
    pub hint: String,
}

#[derive(Debug, Serialize)]
pub struct Uncovered {
    pub source: String,
    pub databases: Vec<String>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.failures.len(), self.findings.len())
    }

    pub(super) fn new(run: &Id, repository: &str, lock: Option<Lock>) -> Self {
        Self {
            run: run.clone(),
            repository: repository.to_owned(),
            lock,
            databases: Vec::new(),
            failures: Vec::new(),
            uncovered: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(super) fn failed(&mut self, source: &str, database: Option<&str>, error: &Error) {
        self.failures.push(Failure {
            source: source.to_owned(),
            database: database.map(str::to_owned),
            error: error.chain(),
            hint: error.advice().to_owned(),
        });
    }

    pub(super) fn uncovered(&mut self, source: &Source, databases: Vec<String>) {
        if databases.is_empty() {
            return;
        }
        if source.uncovered_is_finding {
            self.findings.push(format!(
                "source {}: no export covers database {}; add it to `databases`; or, with databases = \"all\", to `exclude_databases`",
                source.name,
                databases.join(", ")
            ));
        }
        self.uncovered.push(Uncovered {
            source: source.name.clone(),
            databases,
        });
    }
}
