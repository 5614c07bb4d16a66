//! What RDS does of itself to keep a database from being lost. Whether its automated backups would be
//! deleted with it, RDS does not tell.

use aws_sdk_rds::types::{DbCluster, DbInstance};

use super::Rds;
use crate::error::Result;
use crate::model::snapshot::Kind;

/// The settings of an instance or cluster that guard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guards {
    pub deletion_protection: bool,
    /// Days that automated backups are kept; 0: there are none.
    pub backup_retention_days: i32,
    pub encrypted: bool,
    /// ARN of the key under which it lies; `None`: not encrypted, or by a key of AWS's that has none.
    pub kms_key: Option<String>,
}

impl Rds {
    /// Reads the guards of an instance or cluster. One that RDS does not know is `NotFound`.
    pub async fn guards(&self, kind: Kind, identifier: &str) -> Result<Guards> {
        Ok(match kind {
            Kind::Instance => self.describe_instance(identifier).await?.into(),
            Kind::Cluster => self.describe_cluster(identifier).await?.into(),
        })
    }
}

impl From<DbInstance> for Guards {
    fn from(one: DbInstance) -> Self {
        Self {
            deletion_protection: one.deletion_protection.unwrap_or(false),
            backup_retention_days: one.backup_retention_period.unwrap_or(0),
            encrypted: one.storage_encrypted.unwrap_or(false),
            kms_key: one.kms_key_id,
        }
    }
}

impl From<DbCluster> for Guards {
    fn from(one: DbCluster) -> Self {
        Self {
            deletion_protection: one.deletion_protection.unwrap_or(false),
            backup_retention_days: one.backup_retention_period.unwrap_or(0),
            encrypted: one.storage_encrypted.unwrap_or(false),
            kms_key: one.kms_key_id,
        }
    }
}
