//! What `status` reports.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::id::Id;
use crate::model::manifest::NotCovered;
use crate::model::snapshot::CopyStatus;
use crate::outcome::Outcome;
use crate::repository::Leftover;

#[derive(Debug, Serialize)]
pub struct Report {
    pub repository: String,
    pub now: Timestamp,
    pub databases: Vec<DatabaseStatus>,
    /// Of sources whose snapshots are copied.
    pub copies: Vec<CopyStatus>,
    /// What failed or running exports left without a manifest.
    pub leftovers: Vec<Leftover>,
    /// Any makes the exit code 3.
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(0, self.findings.len())
    }
}

/// What is not as it should be, in a sentence; a string in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Finding {
    pub what: String,
    /// If all were lost now, there would be no backup, or one too old, or one that may be deleted.
    pub urgent: bool,
}

impl Finding {
    pub fn urgent(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            urgent: true,
        }
    }
}

impl From<String> for Finding {
    fn from(what: String) -> Self {
        Self {
            what,
            urgent: false,
        }
    }
}

impl From<Finding> for String {
    fn from(finding: Finding) -> Self {
        finding.what
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

/// A database with its restore points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatabaseStatus {
    pub source: String,
    pub database: String,
    pub newest: Option<PointStatus>,
    /// The one before.
    pub previous: Option<PointStatus>,
    /// The newest drill that found a point sound.
    pub drilled: Option<DrillStatus>,
    /// When the newest drill failed, where none was sound since.
    pub drill_failed_at: Option<Timestamp>,
    /// When the newest drill could prove nothing without a superuser, where none was sound since.
    pub drill_unproven_at: Option<Timestamp>,
    /// Restore points of it in the repository.
    pub points: u64,
}

/// A restore point whose signature is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PointStatus {
    pub id: Id,
    /// The moment that the data shows; at the latest when the store received it.
    pub snapshot_at: Timestamp,
    pub tables: u64,
    pub rows: u64,
    /// Rows as COPY text.
    pub copy_bytes: u64,
    pub stored_bytes: u64,
    /// What was left out on request, by kind.
    pub excluded: Vec<NotCovered>,
    /// The end of the manifest's lock, as the store reports it now.
    pub locked_until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrillStatus {
    /// The point that was drilled.
    pub id: Id,
    pub at: Timestamp,
    pub seconds_to_restore: f64,
}
