//! What `status` reports.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::id::Id;
use crate::model::manifest::NotCovered;
use crate::model::snapshot::CopyStatus;
use crate::model::state::{NotShown, State};
use crate::outcome::Outcome;
use crate::repository::Leftover;

#[derive(Debug, Serialize)]
pub struct Report {
    pub repository: String,
    pub now: Timestamp,
    /// The worst first.
    pub databases: Vec<DatabaseStatus>,
    /// Of sources whose snapshots are copied.
    pub copies: Vec<CopyStatus>,
    /// What failed or running exports left without a manifest.
    pub leftovers: Vec<Leftover>,
    /// Those of no single database first, then as `databases`. Any makes the exit code 3.
    pub findings: Vec<Finding>,
    /// By [`Report::show_only`].
    #[serde(flatten)]
    pub not_shown: NotShown,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        let not_shown = usize::try_from(self.not_shown.findings).unwrap_or(usize::MAX);
        Outcome::from_counts(0, self.findings.len().saturating_add(not_shown))
    }

    /// Leaves out databases in other states, with what was found of them.
    pub(crate) fn show_only(&mut self, states: &[State]) {
        let databases = self.databases.len();
        self.databases.retain(|one| states.contains(&one.state));
        self.not_shown.databases += (databases - self.databases.len()) as u64;
        let shown: BTreeSet<(&str, &str)> = self
            .databases
            .iter()
            .map(|one| (&*one.source, &*one.database))
            .collect();
        let before = self.findings.len();
        self.findings.retain(|finding| match &finding.of {
            Some((source, database)) => shown.contains(&(&**source, &**database)),
            None => true,
        });
        self.not_shown.findings += (before - self.findings.len()) as u64;
    }
}

/// What is not as it should be, in a sentence; a string in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Finding {
    pub what: String,
    /// If all were lost now, there would be no backup, or one too old, or one that may be deleted.
    pub urgent: bool,
    /// The source and database that it is of; `None`: of no single one.
    pub of: Option<(String, String)>,
}

impl Finding {
    pub fn urgent(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            urgent: true,
            of: None,
        }
    }
}

impl From<String> for Finding {
    fn from(what: String) -> Self {
        Self {
            what,
            urgent: false,
            of: None,
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
    pub state: State,
    pub newest: Option<PointStatus>,
    /// The newest that is a day older; if there is none, the one before.
    pub previous: Option<PointStatus>,
    /// The newest drill that found a point sound.
    pub drilled: Option<DrillStatus>,
    /// The newest drill that failed, where no drill of its point or of a newer one was sound since.
    pub drill_failed: Option<PastDrill>,
    /// The newest drill that could prove nothing without a superuser, in the same way.
    pub drill_unproven: Option<PastDrill>,
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

/// Which point was drilled, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastDrill {
    pub id: Id,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrillStatus {
    /// The point that was drilled.
    pub id: Id,
    pub at: Timestamp,
    pub seconds_to_restore: f64,
}
