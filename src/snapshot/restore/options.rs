//! What is restored and how, and what came of it.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::id::Id;
use crate::model::snapshot::Kind;
use crate::snapshot::WaitLimits;

pub struct Options {
    /// `None`: the newest that is available.
    pub which: Option<Id>,
    pub source: Option<String>,
    /// The new identifier in RDS.
    pub identifier: String,
    /// `None`: the default VPC's.
    pub subnet_group: Option<String>,
    /// Empty: the VPC's default one.
    pub security_groups: Vec<String>,
    /// Instead of the recorded one.
    pub class: Option<String>,
    pub limits: WaitLimits,
    pub dry_run: bool,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub dry_run: bool,
    pub source: String,
    pub kind: Kind,
    /// Of the copy as a restore point.
    pub id: Id,
    pub copy: String,
    pub taken_at: Timestamp,
    /// Of the new instance or cluster.
    pub identifier: String,
    /// Of a cluster: its instance.
    pub member: Option<String>,
    pub region: String,
    /// `null`: as RDS has it for the snapshot.
    pub class: Option<String>,
    /// Created for it; `null`: the default one.
    pub parameter_group: Option<String>,
    pub option_group: Option<String>,
    /// `null`: the default VPC's.
    pub subnet_group: Option<String>,
    /// `[]`: the default one of the VPC.
    pub security_groups: Vec<String>,
    pub address: Option<String>,
    pub port: Option<u32>,
    /// The settings of the old one were found in the repository.
    pub recorded: bool,
    pub seconds: f64,
    /// What needs the attention of a person; any makes the exit code 3.
    pub findings: Vec<String>,
    /// What did not travel, and is to be done by hand.
    pub to_do: Vec<String>,
}
