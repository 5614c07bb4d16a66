//! A snapshot as RDS describes it, of an instance or of a cluster.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbClusterSnapshot, DbSnapshot};
use jiff::Timestamp;

use super::{time, told as tags};
use crate::model::snapshot::Kind;

/// A snapshot as RDS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub kind: Kind,
    pub name: String,
    pub arn: String,
    /// The instance or cluster.
    pub identifier: String,
    /// `automated`, `manual`, `awsbackup`, `shared`.
    pub made: String,
    /// `creating`, `copying`, `available`, `failed`.
    pub status: String,
    pub percent: u8,
    /// When this one came to be; for a copy RDS says when it was copied.
    pub created_at: Option<Timestamp>,
    /// When the first of a row of copies was taken: instances only, RDS keeps none for clusters.
    pub original_at: Option<Timestamp>,
    pub encrypted: bool,
    /// The key is AWS's own, and not even in the account.
    pub owned_key: bool,
    pub kms_key: Option<String>,
    pub engine: String,
    pub engine_version: String,
    pub allocated_gib: u64,
    /// ARN of what this is a copy of, where that lies in another account or region.
    pub copied_from: Option<String>,
    pub tags: BTreeMap<String, String>,
}

impl Snapshot {
    pub fn is_available(&self) -> bool {
        self.status == "available"
    }

    /// Will not change by itself, and is not available.
    pub fn has_failed(&self) -> bool {
        self.status.starts_with("fail") || self.status.starts_with("incompatible")
    }
}

const OWNED_KEY: &str = "sse-rds";

impl From<DbSnapshot> for Snapshot {
    fn from(told: DbSnapshot) -> Self {
        let owned = told.storage_encryption_type.as_ref();
        Self {
            kind: Kind::Instance,
            name: told.db_snapshot_identifier.unwrap_or_default(),
            arn: told.db_snapshot_arn.unwrap_or_default(),
            identifier: told.db_instance_identifier.unwrap_or_default(),
            made: told.snapshot_type.unwrap_or_default(),
            status: told.status.unwrap_or_default(),
            percent: percent(told.percent_progress),
            created_at: time(told.snapshot_create_time),
            original_at: time(told.original_snapshot_create_time),
            encrypted: told.encrypted.unwrap_or(false),
            owned_key: owned.is_some_and(|kind| kind.as_str() == OWNED_KEY),
            kms_key: told.kms_key_id.filter(|_| told.encrypted == Some(true)),
            engine: told.engine.unwrap_or_default(),
            engine_version: told.engine_version.unwrap_or_default(),
            allocated_gib: gib(told.allocated_storage),
            copied_from: told.source_db_snapshot_identifier,
            tags: tags(told.tag_list),
        }
    }
}

impl From<DbClusterSnapshot> for Snapshot {
    fn from(told: DbClusterSnapshot) -> Self {
        let owned = told.storage_encryption_type.as_ref();
        Self {
            kind: Kind::Cluster,
            name: told.db_cluster_snapshot_identifier.unwrap_or_default(),
            arn: told.db_cluster_snapshot_arn.unwrap_or_default(),
            identifier: told.db_cluster_identifier.unwrap_or_default(),
            made: told.snapshot_type.unwrap_or_default(),
            status: told.status.unwrap_or_default(),
            percent: percent(told.percent_progress),
            created_at: time(told.snapshot_create_time),
            original_at: None,
            encrypted: told.storage_encrypted.unwrap_or(false),
            owned_key: owned.is_some_and(|kind| kind.as_str() == OWNED_KEY),
            kms_key: told
                .kms_key_id
                .filter(|_| told.storage_encrypted == Some(true)),
            engine: told.engine.unwrap_or_default(),
            engine_version: told.engine_version.unwrap_or_default(),
            allocated_gib: gib(told.allocated_storage),
            copied_from: told.source_db_cluster_snapshot_arn,
            tags: tags(told.tag_list),
        }
    }
}

fn percent(number: Option<i32>) -> u8 {
    u8::try_from(number.unwrap_or(0).clamp(0, 100)).unwrap_or(0)
}

fn gib(number: Option<i32>) -> u64 {
    u64::try_from(number.unwrap_or(0)).unwrap_or(0)
}
