//! What a drill of a snapshot copy tells.

use jiff::Timestamp;
use serde::Serialize;

use super::Drill;
use crate::drill::assertion::Outcome;
use crate::error::Error;
use crate::model::id::Id;
use crate::model::snapshot::Kind;
use crate::outcome;
use crate::restore::Finding;

#[derive(Debug, Serialize)]
pub struct Report {
    /// Of the copy as a restore point.
    pub id: Id,
    pub source: String,
    pub kind: Kind,
    /// Its name in RDS.
    pub copy: String,
    /// The moment that the data shows.
    pub snapshot_at: Timestamp,
    /// What it was restored into.
    pub place: String,
    /// `null`: as RDS has it for the snapshot.
    pub class: Option<String>,
    /// The settings of the original were found in the repository.
    pub recorded: bool,
    /// That were asked.
    pub databases: Vec<String>,
    /// From the start of the restore until it took connections.
    pub seconds_to_restore: f64,
    /// From the start of the restore until somebody had logged in.
    pub seconds_to_first_query: Option<f64>,
    /// All of it.
    pub seconds: f64,
    pub assertions: Vec<Asked>,
    /// Any makes the drill fail.
    pub failures: Vec<Finding>,
    /// What needs the attention of a person.
    pub findings: Vec<Finding>,
    /// What the copy's tag `lifeboat:verified` says since.
    pub verified_at: Option<Timestamp>,
    /// What was kept, stopped; `null`: it was removed again.
    pub spare: Option<String>,
    /// Older spares that were removed.
    pub removed: Vec<String>,
}

/// An assertion, and in which database.
#[derive(Debug, Serialize)]
pub struct Asked {
    pub database: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Report {
    pub fn outcome(&self) -> outcome::Outcome {
        outcome::Outcome::from_counts(usize::from(!self.is_sound()), self.findings.len())
    }

    pub(super) fn new(drill: &Drill<'_>, findings: Vec<String>) -> Self {
        let (point, rds) = (&drill.found.point, drill.rds());
        let what = |why| Finding::new("the original's settings", why);
        Self {
            id: point.id.clone(),
            source: point.source.clone(),
            kind: point.kind,
            copy: point.copy.clone(),
            snapshot_at: point.taken_at,
            place: format!(
                "{} {} in account {}, {}",
                point.kind, drill.name, rds.account, rds.region
            ),
            class: drill.class(),
            recorded: drill.settings.is_some(),
            databases: Vec::new(),
            seconds_to_restore: 0.0,
            seconds_to_first_query: None,
            seconds: 0.0,
            assertions: Vec::new(),
            failures: Vec::new(),
            findings: findings.into_iter().map(what).collect(),
            verified_at: None,
            spare: None,
            removed: Vec::new(),
        }
    }

    /// Whether the copy restores, and the user's questions are answered as expected.
    pub fn is_sound(&self) -> bool {
        self.failures.is_empty() && self.assertions.iter().all(|one| one.outcome.ok)
    }

    pub(super) fn finding(&mut self, what: &str, why: &Error) {
        self.findings.push(Finding::new(what, why.chain()));
    }

    pub(super) fn asked(&mut self, database: &str, outcome: Outcome) {
        self.assertions.push(Asked {
            database: database.to_owned(),
            outcome,
        });
    }
}
