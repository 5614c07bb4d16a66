//! `lifeboat doctor`: one page of findings, the worst first. Facts are gathered by whoever calls;
//! every check is a pure function of them.

mod accounts;
mod bucket;
pub mod database;
mod finding;
mod keys;
mod kms;
mod rds;
pub mod terraform;
mod wall;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::error::Error;
use crate::store::Posture;
use crate::store::audit::{Attempt, Audit};

pub use database::Database;
pub use finding::{Finding, Severity};
pub use kms::{Key, Use};
pub use rds::Guarded;
pub use wall::{DrillWall, Standing};

/// The repository's bucket.
#[derive(Debug)]
pub struct Bucket {
    pub url: String,
    /// Keys of the repository begin with it; a slash at its end, or empty.
    pub prefix: String,
    pub posture: Posture,
    pub audit: Audit,
    /// What was tried on a canary; `None`: nobody wanted it.
    pub attempts: Option<Result<Vec<Attempt>, Error>>,
}

/// Where the repository lies.
#[derive(Debug)]
pub enum Place {
    Bucket(Box<Bucket>),
    /// Keeps no locks.
    Directory(String),
    /// Why nothing can be said of it.
    Unreachable(String, Error),
}

/// Who can open exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub name: String,
    /// The KMS key that keeps the identity; `None`: somebody keeps it offline.
    pub kms_key: Option<String>,
}

/// An identity that no key service keeps, of the newest restore point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    pub name: String,
    /// When it last opened a restore point in a drill, and how long ago.
    pub opened: Option<(Timestamp, SignedDuration)>,
}

/// One side of the account boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    pub id: String,
    pub region: String,
}

/// All that checks go by.
#[derive(Debug)]
pub struct Facts {
    pub place: Place,
    pub source: Option<Side>,
    pub backup: Option<Side>,
    /// Where snapshot copies lie.
    pub copies_region: Option<String>,
    pub recipients: Vec<Recipient>,
    /// Empty too where drills may not be known of. An error: they could not be looked at.
    pub break_glass: Result<Vec<BreakGlass>, Error>,
    /// How long ago each may have been used.
    pub break_glass_age: SignedDuration,
    /// How long exports are locked, where the configuration says.
    pub daily_days: Option<u32>,
    pub databases: Vec<Database>,
    pub keys: Vec<Key>,
    /// Instances and clusters that the configuration names.
    pub guarded: Vec<Guarded>,
    /// `None`: this machine is not known to drill.
    pub drill_wall: Option<DrillWall>,
}

/// What `doctor` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub looked_at: Vec<String>,
}

impl Report {
    /// Whether something critical stands.
    pub fn is_critical(&self) -> bool {
        let first = self.findings.first();
        first.is_some_and(|finding| finding.severity == Severity::Critical)
    }
}

/// Judges.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = match &facts.place {
        Place::Bucket(bucket) => bucket::look(bucket, facts.daily_days),
        Place::Directory(path) => vec![bucket::directory(path)],
        Place::Unreachable(url, error) => vec![bucket::unreachable(url, error)],
    };
    findings.extend(accounts::look(facts));
    // Where nothing is exported, as in the backup account, nothing is sealed.
    if !facts.recipients.is_empty() || !facts.databases.is_empty() {
        findings.extend(keys::look(&facts.recipients));
    }
    findings.extend(match &facts.break_glass {
        Ok(identities) => keys::opened(identities, facts.break_glass_age),
        Err(error) => vec![keys::unknown(error)],
    });
    findings.extend(kms::look(&facts.keys, facts.source.as_ref()));
    findings.extend(facts.guarded.iter().flat_map(rds::look));
    findings.extend(facts.databases.iter().flat_map(database::look));
    findings.extend(facts.drill_wall.iter().flat_map(wall::look));
    findings
}

/// The worst first, otherwise in the order of the checks.
pub fn report(mut findings: Vec<Finding>, looked_at: Vec<String>) -> Report {
    findings.sort_by_key(|finding| finding.severity);
    Report {
        findings,
        looked_at,
    }
}
