//! What RDS does of itself to keep a database from being lost. Whether its automated backups would be
//! deleted with it, RDS does not tell.

use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbCluster, DbInstance};

use super::Account;
use super::fault::{Operation, error};
use crate::error::{Error, Kind, Result};

const INSTANCES: Operation = Operation {
    name: "DescribeDBInstances",
    rights: "rds:DescribeDBInstances",
};
const CLUSTERS: Operation = Operation {
    name: "DescribeDBClusters",
    rights: "rds:DescribeDBClusters",
};

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

impl Guards {
    /// Of an instance; one that RDS does not know is `NotFound`.
    pub async fn of_instance(account: &Account, name: &str) -> Result<Self> {
        let what = format!("cannot describe instance {name} of the {}", account.side());
        let asked = Client::new(account.sdk()).describe_db_instances();
        let reply = asked.db_instance_identifier(name).send().await;
        let reply = reply.map_err(|why| error(&INSTANCES, what, why))?;
        let found = reply.db_instances.unwrap_or_default().into_iter().next();
        found
            .map(Self::from)
            .ok_or_else(|| absent("instance", name))
    }

    /// Of a cluster.
    pub async fn of_cluster(account: &Account, name: &str) -> Result<Self> {
        let what = format!("cannot describe cluster {name} of the {}", account.side());
        let asked = Client::new(account.sdk()).describe_db_clusters();
        let reply = asked.db_cluster_identifier(name).send().await;
        let reply = reply.map_err(|why| error(&CLUSTERS, what, why))?;
        let found = reply.db_clusters.unwrap_or_default().into_iter().next();
        found.map(Self::from).ok_or_else(|| absent("cluster", name))
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

fn absent(kind: &str, name: &str) -> Error {
    Error::new(Kind::NotFound, format!("RDS knows no {kind} {name}"))
}
