//! The report of a run: a typed report of each step.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::collection::Collection;
use crate::error::Result;
use crate::export::DatabaseReport;
use crate::humanize;
use crate::model::id::Id;
use crate::model::table_change::Summary;
use crate::outcome::Outcome;
use crate::repository::PointPath;
use crate::{drill, export, promote, snapshot, status, verify};

/// Which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schedule {
    Nightly,
    Prove,
    /// Of several databases.
    Verify,
    /// Of several databases.
    Drill,
}

impl Schedule {
    /// The metric that alarms on silence go by; `None`: no alarm waits for such a run.
    pub(super) fn metric(self) -> Option<&'static str> {
        match self {
            Self::Nightly => Some("NightlySuccess"),
            Self::Prove => Some("ProveSuccess"),
            Self::Verify | Self::Drill => None,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nightly => "nightly",
            Self::Prove => "prove",
            Self::Verify => "verify",
            Self::Drill => "drill",
        })
    }
}

pub(crate) struct Report {
    pub schedule: Schedule,
    /// In the order in which they were taken.
    pub steps: Vec<Step>,
    /// What changed in each database since its last drill; nothing where there was none of another point.
    pub changes: Vec<Changes>,
    /// About the run as a whole.
    pub findings: Vec<String>,
    /// Which notifications could not be sent, and why.
    pub notifications: Vec<String>,
}

impl Report {
    /// The worst of all.
    pub(crate) fn outcome(&self) -> Outcome {
        let own = Outcome::from_counts(0, self.findings.len() + self.notifications.len());
        self.steps.iter().map(Step::outcome).fold(own, Ord::max)
    }
}

/// What changed between the point that was drilled last and the newest one. No finding: databases change.
#[derive(Debug, Serialize)]
pub(crate) struct Changes {
    pub source: String,
    pub database: String,
    /// The point that a trusted drill found sound last, and when.
    pub since: Id,
    pub drilled_at: Timestamp,
    /// The newest point.
    pub id: Id,
    #[serde(flatten)]
    pub tables: Summary,
}

impl fmt::Display for Changes {
    /// `prod/courses, since the last drill (of ID, 2026-11-21 02:00:00 UTC): 10 rows, now 12; …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}, since the last drill (of {}, {}): {}",
            self.source,
            self.database,
            self.since,
            humanize::time(self.drilled_at),
            self.tables
        )
    }
}

pub(crate) struct Step {
    /// Such as `verify prod/courses`.
    pub name: String,
    pub seconds: f64,
    /// `Err`: it failed before it had a report.
    pub result: Result<StepReport>,
}

impl Step {
    pub(crate) fn outcome(&self) -> Outcome {
        self.result
            .as_ref()
            .map_or(Outcome::Failed, StepReport::outcome)
    }
}

pub(crate) enum StepReport {
    Export(export::Report),
    SnapshotCopy(snapshot::copy::Report),
    SnapshotExpire(snapshot::expire::Report),
    Verify(verify::Report),
    Drill(drill::Report),
    SnapshotDrill(drill::spare::Report),
    Promote(promote::Report),
    Status(status::Report),
    Collect(Collection),
}

impl StepReport {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Export(report) => report.outcome(),
            Self::SnapshotCopy(report) => report.outcome(),
            Self::SnapshotExpire(report) => report.outcome(),
            Self::Verify(report) => report.outcome(),
            Self::Drill(report) => report.outcome(),
            Self::SnapshotDrill(report) => report.outcome(),
            Self::Promote(report) => report.outcome(),
            Self::Status(report) => report.outcome(),
            Self::Collect(report) => report.outcome(),
        }
    }

    /// The restore points that the step stored.
    pub(crate) fn stored(&self) -> Vec<PointPath> {
        let Self::Export(report) = self else {
            return Vec::new();
        };
        let point = |one: &DatabaseReport| {
            let id = one.id.as_ref()?;
            Some(PointPath::new(&one.source, &one.database, id))
        };
        report.databases.iter().filter_map(point).collect()
    }
}
