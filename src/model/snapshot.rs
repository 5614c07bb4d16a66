//! What is known of a copy of an RDS snapshot: which snapshot it is, and the settings of its
//! instance or cluster, none of which travel in a snapshot. Signed, in clear: names and settings of
//! AWS, nothing from inside a database.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::id::Id;

/// The copies of one source's RDS snapshots that can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyStatus {
    pub source: String,
    /// When the original of the newest copy was taken.
    pub newest_at: Option<Timestamp>,
    pub copies: u64,
}

/// What a snapshot is of. RDS has a set of calls for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Instance,
    /// Aurora, or Multi-AZ with two readable standbys.
    Cluster,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instance => "instance",
            Self::Cluster => "cluster",
        })
    }
}

/// The body of `snapshots/<source>/<id>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    pub format: u32,
    /// The repository's id, from `lifeboat.json`.
    pub repository: String,
    /// Follows from the copy: see [`id`].
    pub id: Id,
    pub source: String,
    /// `lifeboat 0.1.0`
    pub tool: String,
    pub kind: Kind,
    /// Of the instance or cluster in the source account.
    pub identifier: String,
    /// When the original snapshot was taken.
    pub taken_at: Timestamp,
    /// ARN of the original snapshot.
    pub from: String,
    /// ARN of the copy.
    pub copy: String,
    /// ARN of the key that the copy lies under; `None`: not encrypted.
    pub kms_key: Option<String>,
    pub engine: String,
    pub engine_version: String,
    pub allocated_gib: u64,
    pub recorded_at: Timestamp,
    /// As they were at `recorded_at`; `None`: they could not be read.
    pub settings: Option<Settings>,
}

/// The id of a copy as a restore point: the moment of its original snapshot, and six characters
/// that follow from the copy's ARN, so that it needs no record to be found.
pub(crate) fn id(taken_at: Timestamp, copy_arn: &str) -> Id {
    let hash = Sha256::of(copy_arn.as_bytes());
    let [a, b, c, d, ..] = hash.0;
    Id::new(taken_at, u32::from_be_bytes([a, b, c, d]))
}

/// An instance's or a cluster's, as RDS describes them. What RDS does not say is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `db.m6g.large`; of an Aurora cluster `None`: its members have classes.
    pub class: Option<String>,
    pub engine: String,
    pub engine_version: String,
    /// `provisioned`, `serverless`; clusters only.
    pub engine_mode: Option<String>,
    pub storage: Storage,
    pub multi_az: bool,
    pub port: Option<u32>,
    pub ca: Option<String>,
    /// In UTC, as `03:00-03:30`.
    pub backup_window: Option<String>,
    pub backup_retention_days: Option<u32>,
    pub maintenance_window: Option<String>,
    pub auto_minor_version_upgrade: Option<bool>,
    pub deletion_protection: bool,
    pub publicly_accessible: bool,
    pub iam_authentication: bool,
    pub copy_tags_to_snapshot: bool,
    pub monitoring: Monitoring,
    pub parameter_group: Option<ParameterGroup>,
    pub option_group: Option<OptionGroup>,
    pub subnet_group: Option<SubnetGroup>,
    pub security_groups: Vec<String>,
    /// Roles of IAM that the database may use, by feature.
    pub roles: Vec<AssociatedRole>,
    pub tags: BTreeMap<String, String>,
    /// Capacity units of Aurora Serverless v2, as `0.5` and `16`.
    pub serverless: Option<Serverless>,
    /// A cluster's instances, the writer first.
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// `gp3`, `io2`, `aurora-iopt1`.
    pub kind: Option<String>,
    pub gib: Option<u32>,
    /// Up to which it grows by itself.
    pub max_gib: Option<u32>,
    pub iops: Option<u32>,
    /// MiB a second.
    pub throughput: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitoring {
    /// Of enhanced monitoring; 0 is off.
    pub interval_seconds: u32,
    pub role: Option<String>,
    pub performance_insights: bool,
    pub performance_insights_days: Option<u32>,
    /// Log files that go to CloudWatch.
    pub log_exports: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterGroup {
    pub name: String,
    /// Those that a user set; the others are the engine's defaults.
    pub values: Vec<Parameter>,
}

impl ParameterGroup {
    /// One of RDS's own, which exists in every account and cannot be changed.
    pub fn is_default(&self) -> bool {
        self.name.starts_with("default.")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionGroup {
    pub name: String,
    pub engine: String,
    pub major_version: String,
    pub options: Vec<GroupOption>,
}

impl OptionGroup {
    /// One of RDS's own, without options.
    pub fn is_default(&self) -> bool {
        self.name.starts_with("default:")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOption {
    pub name: String,
    pub version: Option<String>,
    pub port: Option<u32>,
    pub settings: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetGroup {
    pub name: String,
    pub vpc: Option<String>,
    pub subnets: Vec<Subnet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub id: String,
    pub zone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociatedRole {
    pub role: String,
    pub feature: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serverless {
    pub min: Option<String>,
    pub max: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub identifier: String,
    pub writer: bool,
    pub promotion_tier: Option<u32>,
    /// `None`: the member could not be described.
    pub class: Option<String>,
    pub zone: Option<String>,
    pub parameter_group: Option<ParameterGroup>,
}
