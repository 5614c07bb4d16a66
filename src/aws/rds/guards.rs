//! What RDS itself does to keep a database from being lost. RDS does not say whether automated
//! backups would be deleted with it.

use aws_sdk_rds::types::{DbCluster, DbInstance};

use super::client::Rds;
use crate::error::Result;
use crate::model::snapshot::Kind;

/// The settings of an instance or cluster that guard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guards {
    pub deletion_protection: bool,
    /// Days that automated backups are kept; 0: there are none.
    pub backup_retention_days: i32,
    pub encrypted: bool,
    /// ARN of the key that encrypts it; `None`: not encrypted, or by a key of AWS's that has none.
    pub kms_key: Option<String>,
}

impl Rds {
    /// Reads the guards of an instance or cluster. One that RDS does not know is `NotFound`.
    pub(crate) async fn guards(&self, kind: Kind, identifier: &str) -> Result<Guards> {
        Ok(match kind {
            Kind::Instance => self.describe_instance(identifier).await?.into(),
            Kind::Cluster => self.describe_cluster(identifier).await?.into(),
        })
    }
}

macro_rules! guards_from {
    ($described:ty) => {
        impl From<$described> for Guards {
            fn from(described: $described) -> Self {
                Self {
                    deletion_protection: described.deletion_protection.unwrap_or(false),
                    backup_retention_days: described.backup_retention_period.unwrap_or(0),
                    encrypted: described.storage_encrypted.unwrap_or(false),
                    kms_key: described.kms_key_id,
                }
            }
        }
    };
}

guards_from!(DbInstance);
guards_from!(DbCluster);
