//! The result of a drill of a snapshot copy.

use jiff::Timestamp;
use serde::Serialize;

use crate::drill::assertion::AssertionResult;
use crate::error::Error;
use crate::model::finding::Finding;
use crate::model::id::Id;
use crate::model::snapshot::Kind;
use crate::outcome::Outcome;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
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
    /// The databases that were asked.
    pub databases: Vec<String>,
    /// From the start of the restore until it took connections.
    pub seconds_to_restore: f64,
    /// From the start of the restore until somebody had logged in.
    pub seconds_to_first_query: Option<f64>,
    /// Of the whole drill.
    pub seconds: f64,
    pub assertions: Vec<DatabaseResult>,
    /// Each database with its export nearest in time.
    pub compared: Vec<Compared>,
    /// Any makes the drill fail.
    pub failures: Vec<Finding>,
    /// What needs the attention of a person.
    pub findings: Vec<Finding>,
    /// The value that the copy's tag `lifeboat:verified` was set to.
    pub verified_at: Option<Timestamp>,
    /// The spare that was kept, stopped; `null`: it was removed again.
    pub spare: Option<String>,
    /// Older spares that were removed.
    pub removed: Vec<String>,
}

/// The result of an assertion in one database.
#[derive(Debug, Serialize)]
pub(crate) struct DatabaseResult {
    pub database: String,
    #[serde(flatten)]
    pub result: AssertionResult,
}

/// What came of comparing a database with its export nearest in time.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub database: String,
    /// `null`: nothing was compared.
    pub export: Option<Id>,
    /// The moment that the export shows.
    pub export_at: Option<Timestamp>,
    /// Tables that were counted in the copy, and digested where there are as many rows.
    pub tables: u64,
    /// Those whose rows are equal.
    pub equal: u64,
    /// Those with other rows, in a number that writes in between explain.
    pub changed: u64,
    /// Tables of the export that were not compared, each with the reason.
    pub not_compared: Vec<String>,
    /// Why nothing was compared.
    pub why: Option<String>,
}

impl Compared {
    pub(super) fn new(database: &str) -> Self {
        Self {
            database: database.to_owned(),
            export: None,
            export_at: None,
            tables: 0,
            equal: 0,
            changed: 0,
            not_compared: Vec::new(),
            why: None,
        }
    }

    pub(super) fn nothing(database: &str, why: String) -> Self {
        Self {
            why: Some(why),
            ..Self::new(database)
        }
    }
}

impl Report {
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::from_counts(usize::from(!self.is_sound()), self.findings.len())
    }

    /// Whether the copy restores, and the user's questions are answered as expected.
    pub(crate) fn is_sound(&self) -> bool {
        self.failures.is_empty() && self.assertions.iter().all(|one| one.result.ok)
    }

    pub(crate) fn finding(&mut self, what: &str, why: &Error) {
        self.findings.push(Finding::new(what, why.chain()));
    }
}
