//! What a drill reports.

use jiff::Timestamp;
use serde::Serialize;

use super::assertion::AssertionResult;
use crate::error::Error;
use crate::model::attestation::{NotTried, OpenedBy, Verdict, Walls};
use crate::model::catalog::NotCoveredNames;
use crate::model::finding::Finding;
use crate::model::id::Id;
use crate::outcome::Outcome;
use crate::repository::RestorePoint;
use crate::restore::{self, PhaseTime};

/// The phase at whose end rows can be asked for.
const ROWS_ARE_BACK: &str = "tables";

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub id: Id,
    pub source: String,
    pub database: String,
    /// Whether the export was locked at all.
    #[serde(skip)]
    pub locked: bool,
    /// The moment that the data shows.
    pub snapshot_at: Timestamp,
    /// What it was restored into.
    pub place: String,
    /// Of the PostgreSQL that it was restored into, such as `15.4`: for the attestation.
    #[serde(skip)]
    pub server_version: String,
    /// By whom all of it was opened; null: several identities were at hand.
    pub opened_by: Option<OpenedBy>,
    /// Which part was restored, in words; null: all.
    pub sample: Option<String>,
    pub tables: u64,
    /// Counted and digested again in the restored database.
    pub rows: u64,
    /// From the start of the restore until the rows of all tables were back.
    pub seconds_to_first_query: Option<f64>,
    /// From the start of the restore until it was whole, with every row read again.
    pub seconds_to_restore: f64,
    /// All of it.
    pub seconds: f64,
    pub phases: Vec<PhaseTime>,
    pub assertions: Vec<AssertionResult>,
    /// What the restore could not bring back: any makes the drill fail.
    pub failures: Vec<Finding>,
    /// Tables, keys and constraints that cannot be made without a superuser, or without an extension
    /// that the server lacks: any makes the drill prove nothing, neither that the point restores nor that
    /// it does not.
    pub unproven: Vec<Finding>,
    /// What is not as it was, without loss of data.
    pub findings: Vec<Finding>,
    /// Definitions about which nothing is known: of another version, or of none.
    pub not_compared: Vec<String>,
    /// What was left out: only a superuser may make it, it needs an extension that the server lacks (or is one),
    /// or it is a right that somebody's server keeps as it is.
    pub not_tried: Vec<NotTried>,
    /// Of a sample, what it leaves out; and foreign keys whose rows are not in the backup on request.
    pub left_out: Vec<String>,
    /// What the backup leaves out on request, by kind.
    pub excluded: Vec<NotCoveredNames>,
    /// Whether statements of the backup ran with the rights of a superuser.
    pub as_superuser: bool,
    /// Null: it was restored into somebody's server.
    pub walls: Option<Walls>,
    /// The key of the attestation that was stored.
    pub attestation: Option<String>,
}

impl Report {
    /// What is unproven is a finding; what was not tried, alone, is none.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.verdict() {
            Verdict::Failed => Outcome::Failed,
            Verdict::Unproven => Outcome::Findings,
            Verdict::Sound => Outcome::from_counts(0, self.findings.len()),
        }
    }

    pub(crate) fn new(point: &RestorePoint, restored: restore::Report, place: String) -> Self {
        let manifest = &point.manifest;
        Self {
            id: manifest.id.clone(),
            source: manifest.source.clone(),
            database: manifest.database.clone(),
            locked: manifest.lock.is_some(),
            snapshot_at: manifest.snapshot_at,
            place,
            server_version: String::new(),
            opened_by: None,
            sample: None,
            tables: restored.tables,
            rows: restored.rows,
            seconds_to_first_query: first_query(&restored.phases),
            seconds_to_restore: restored.seconds,
            seconds: restored.seconds,
            phases: restored.phases,
            assertions: Vec::new(),
            failures: restored.failures,
            unproven: restored.unproven,
            findings: restored.findings,
            not_compared: restored.not_compared,
            not_tried: restored.not_tried,
            left_out: restored.left_out,
            excluded: restored.excluded,
            as_superuser: restored.as_superuser,
            walls: None,
            attestation: None,
        }
    }

    pub(super) fn finding(&mut self, what: &str, why: &Error) {
        self.findings.push(Finding::new(what, why.chain()));
    }

    /// For people. Only what is locked can be held.
    pub(crate) fn not_sound(&self) -> &'static str {
        match self.locked {
            true => "NOT SOUND: hold and drill another point",
            false => "NOT SOUND: drill another point",
        }
    }

    /// A failure is certain whatever else could not be tried.
    pub(crate) fn verdict(&self) -> Verdict {
        if !self.failures.is_empty() || self.assertions.iter().any(|one| !one.ok) {
            Verdict::Failed
        } else if !self.unproven.is_empty() {
            Verdict::Unproven
        } else {
            Verdict::Sound
        }
    }
}

fn first_query(phases: &[PhaseTime]) -> Option<f64> {
    let last = phases
        .iter()
        .position(|phase| phase.name == ROWS_ARE_BACK)?;
    Some(phases[..=last].iter().map(|phase| phase.seconds).sum())
}
