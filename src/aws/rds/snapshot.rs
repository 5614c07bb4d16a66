//! A snapshot as RDS describes it, of an instance or of a cluster.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbClusterSnapshot, DbSnapshot};
use jiff::Timestamp;

use super::convert::{tags_from_sdk, time};
use crate::model::snapshot::Kind;

/// A snapshot as RDS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub kind: Kind,
    pub name: String,
    pub arn: String,
    /// The instance or cluster.
    pub identifier: String,
    /// `automated`, `manual`, `awsbackup`, `shared`.
    pub snapshot_type: String,
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
    pub(crate) fn is_available(&self) -> bool {
        self.status == "available"
    }

    /// Will not change by itself, and is not available.
    pub(crate) fn has_failed(&self) -> bool {
        self.status.starts_with("fail") || self.status.starts_with("incompatible")
    }
}

const OWNED_KEY: &str = "sse-rds";

/// Both types of the SDK have these fields; those that differ are given.
macro_rules! snapshot_from {
    ($described:ident, $($field:ident: $value:expr,)+) => {
        Snapshot {
            snapshot_type: $described.snapshot_type.unwrap_or_default(),
            status: $described.status.unwrap_or_default(),
            percent: percent($described.percent_progress),
            created_at: time($described.snapshot_create_time),
            owned_key: ($described.storage_encryption_type)
                .is_some_and(|kind| kind.as_str() == OWNED_KEY),
            engine: $described.engine.unwrap_or_default(),
            engine_version: $described.engine_version.unwrap_or_default(),
            allocated_gib: gib($described.allocated_storage),
            tags: tags_from_sdk($described.tag_list),
            $($field: $value,)+
        }
    };
}

impl From<DbSnapshot> for Snapshot {
    fn from(described: DbSnapshot) -> Self {
        let encrypted = described.encrypted.unwrap_or(false);
        snapshot_from! {
            described,
            kind: Kind::Instance,
            name: described.db_snapshot_identifier.unwrap_or_default(),
            arn: described.db_snapshot_arn.unwrap_or_default(),
            identifier: described.db_instance_identifier.unwrap_or_default(),
            original_at: time(described.original_snapshot_create_time),
            encrypted: encrypted,
            kms_key: described.kms_key_id.filter(|_| encrypted),
            copied_from: described.source_db_snapshot_identifier,
        }
    }
}

impl From<DbClusterSnapshot> for Snapshot {
    fn from(described: DbClusterSnapshot) -> Self {
        let encrypted = described.storage_encrypted.unwrap_or(false);
        snapshot_from! {
            described,
            kind: Kind::Cluster,
            name: described.db_cluster_snapshot_identifier.unwrap_or_default(),
            arn: described.db_cluster_snapshot_arn.unwrap_or_default(),
            identifier: described.db_cluster_identifier.unwrap_or_default(),
            original_at: None,
            encrypted: encrypted,
            kms_key: described.kms_key_id.filter(|_| encrypted),
            copied_from: described.source_db_cluster_snapshot_arn,
        }
    }
}

fn percent(number: Option<i32>) -> u8 {
    u8::try_from(number.unwrap_or(0).clamp(0, 100)).unwrap_or(0)
}

fn gib(number: Option<i32>) -> u64 {
    u64::try_from(number.unwrap_or(0)).unwrap_or(0)
}
