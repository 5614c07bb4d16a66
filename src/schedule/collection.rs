//! The report on a run of several shards.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::id::Id;
use crate::model::run::{RunPurpose, RunText};
use crate::outcome::Outcome;

/// What became of a run, as its shards reported and as the repository shows.
#[derive(Debug, Serialize)]
pub(crate) struct Collection {
    #[serde(skip)]
    pub purpose: RunPurpose,
    pub run: RunText,
    /// Of its plan.
    pub id: Id,
    /// When the store received the plan.
    pub planned_at: Timestamp,
    pub shards: u32,
    /// All that the run was to export, or to prove.
    pub databases: Vec<CollectedDatabase>,
    /// Shards without a report.
    pub unreported: Vec<u32>,
    /// Whether those may still come.
    pub running: bool,
    /// Whether it was this command that told it: a run is told once.
    pub told: bool,
    /// Whether another one did before.
    #[serde(skip)]
    pub is_told: bool,
    /// What failed, one line each; any makes the exit code 1.
    pub failures: Vec<String>,
    /// What needs the attention of a person, one line each; any makes the exit code 3.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CollectedDatabase {
    pub source: String,
    /// `null`: the whole source, as its databases could not be listed.
    pub database: Option<String>,
    pub shard: u32,
    /// The newest point since the plan that a trusted key signed, or the newest point that prove drilled since.
    pub point: Option<Id>,
    /// The kind of the error that its shard reported; of an export where it has no point.
    pub error: Option<String>,
}

impl Collection {
    /// What the run makes of each database.
    pub(crate) fn made(&self) -> &'static str {
        match self.purpose {
            RunPurpose::Export => "point",
            RunPurpose::Prove => "drill",
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.failures.len(), self.findings.len())
    }
}
